"""Error types of one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.panels.status import PanelStatus

if TYPE_CHECKING:
    from analysis.evidence import Floats, Ints


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One error type of one model."""

    error_type: str
    state: str
    """NEW, back, rising, fading, gone, burst or steady."""
    count: float
    per_1k: float
    """Errors per 1,000 requests in the window."""
    per_1k_baseline: float
    counts: Floats
    """[T] errors per bucket of the live window."""
    first_seen: float | None
    sample: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class ErrorsPanel:
    """Error types of one model over time."""

    status: PanelStatus
    model: str
    t: Ints | None = None
    rows: tuple[ErrorRow, ...] = ()
    ratio: float | None = None
    ratio_baseline: float | None = None
    n: float = 0
    mix: str = ""
    """Whether errors are of the usual kinds; empty with too few of them."""
