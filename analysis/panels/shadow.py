"""Shadow versions of one model beside the live one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.panels.status import PanelStatus

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class ShadowRow:
    """A shadow version beside the live one, over the requests of the window that both answered."""

    live: str
    """Version that served."""
    shadow: str
    """Version that answered without effect."""
    n: float
    """Requests that both predicted."""
    n_baseline: float
    agreement: float | None
    """Share of them with the same prediction; None without any."""
    interval: tuple[float, float]
    """Wilson's, 95 %."""
    agreement_baseline: float | None
    moved: float | None
    """Mean |confidence of the shadow - of the live version|; None where confidence is not logged."""
    confidence: tuple[float, float] | None
    """Mean of live and shadow."""
    latency_ms: tuple[Mapping[str, float | None], Mapping[str, float | None]] | None
    """p50, p90, p95, p99 of live and shadow."""
    errors: tuple[float, float] | None
    """Errors per request of live and shadow."""
    labelled: float = 0.0
    """Requests with a label."""
    only_live_right: float = 0.0
    only_shadow_right: float = 0.0
    p: float | None = None
    """McNemar's exact p; None below ten labelled disagreements."""
    p_always: float | None = None
    """The p that holds however often one looks."""
    accuracy_difference: float | None = None
    """Accuracy of the shadow minus that of the live version; None without labels."""
    accuracy_reach: float | None = None
    """Half width of its interval, which holds at all looks together with 95 %."""


@dataclass(frozen=True, slots=True)
class ShadowPanel:
    """Shadow versions of one model."""

    status: PanelStatus
    model: str
    rows: tuple[ShadowRow, ...] = ()
