"""Infrastructure of the fleet or of one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.finding import Severity
from analysis.panels.status import PanelStatus

if TYPE_CHECKING:
    from analysis.evidence import Floats, Ints


@dataclass(frozen=True, slots=True)
class InfraRow:
    """One infrastructure reading."""

    metric: str
    name: str
    """Replica, pod, dependency or host."""
    model: str
    now: float | None
    baseline: float | None
    unit: str
    state: Severity
    note: str = ""
    limit: float | None = None
    t: Ints | None = None
    v: Floats | None = None
    newest: float | None = None
    """Unix seconds of its last sample."""


@dataclass(frozen=True, slots=True)
class InfraPanel:
    """Infrastructure of the fleet or of the model in focus."""

    status: PanelStatus
    rows: tuple[InfraRow, ...] = ()
