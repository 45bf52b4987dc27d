"""Confidence of one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.panels.status import PanelStatus

if TYPE_CHECKING:
    from analysis.evidence import Floats, Ints


@dataclass(frozen=True, slots=True)
class ConfidencePanel:
    """Distribution of the model's confidence, now against baseline."""

    status: PanelStatus
    model: str
    edges: tuple[float, ...] = ()
    now: Floats | None = None
    """[B] shares."""
    baseline: Floats | None = None
    mean: float | None = None
    mean_baseline: float | None = None
    threshold: float = 0.6
    below: float | None = None
    """Share below the threshold."""
    below_baseline: float | None = None
    shift: float | None = None
    """Noise-adjusted Jensen-Shannon distance."""
    direction: str = ""
    entropy: float | None = None
    """Mean normalised entropy of "right or not", 0 decided to 1 undecided."""
    entropy_baseline: float | None = None
    n: float = 0
    n_baseline: float = 0
    outside: float = 0.0
    """Share of the values outside 0..1, which nothing else here counts; 0 where such values are usual."""
    outside_baseline: float = 0.0
    t: Ints | None = None
    mean_over_time: Floats | None = None
    """[T] mean per bucket."""
