"""The answer: one frozen `Snapshot` that the screen, the report and an incident show, and the words it is told in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analysis.finding import Cause, Finding, FindingKey, MixShift, Phase, Segment, Severity, Signal
from analysis.panels.accuracy import AccuracyPanel, ScoreBand
from analysis.panels.confidence import ConfidencePanel
from analysis.panels.errors import ErrorRow, ErrorsPanel
from analysis.panels.features import FeatureRow, FeaturesPanel, Readings
from analysis.panels.infra import InfraPanel, InfraRow
from analysis.panels.latency import LatencyPanel
from analysis.panels.shadow import ShadowPanel, ShadowRow
from analysis.panels.status import PanelStatus, SourceStatus, State
from analysis.view import Frame, View

if TYPE_CHECKING:
    from analysis.objectives import Budget

__all__ = [
    "AccuracyPanel",
    "Cause",
    "ConfidencePanel",
    "ErrorRow",
    "ErrorsPanel",
    "FeatureRow",
    "FeaturesPanel",
    "Finding",
    "FindingKey",
    "InfraPanel",
    "InfraRow",
    "LatencyPanel",
    "Mark",
    "MixShift",
    "ModelRow",
    "PanelStatus",
    "Phase",
    "Readings",
    "ScoreBand",
    "Segment",
    "Severity",
    "ShadowPanel",
    "ShadowRow",
    "Signal",
    "Snapshot",
    "SourceStatus",
    "State",
]


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on the time axis of every chart."""

    t: float
    kind: str
    """onset, version, alert or annotation; on the screen incident too."""
    text: str
    model: str


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model in the table of models."""

    model: str
    state: Severity
    stale: bool
    request_rate: float | None
    """Requests per second over the window."""
    latency_ms: Mapping[str, float | None]
    """p50, p90, p95, p99 over the window."""
    error_ratio: float | None
    confidence_mean: float | None
    drift: float | None
    """Largest noise-adjusted Jensen-Shannon distance of a feature, 0..1."""
    trend: tuple[float, ...]
    """p99 (or request rate) per column of the window, for the sparkline; NaN is a gap."""
    newest_sample: float | None
    versions: tuple[str, ...] = ()
    accuracy: float | None = None
    """Share of right predictions among those of the window whose label is known, 0..1."""
    label_coverage: float | None = None
    """Share of the window's predictions whose label is known, 0..1."""
    burn: float | None = None
    """Worst burn of the model's error budgets over the last hour; None without an objective."""
    burn_5m: float | None = None
    """Burn over the last five minutes of the budget that is worst off, as the two that follow."""
    budget_left: float | None = None
    """Share of thirty days' budget, below 0 where it is overspent."""
    pages_in_s: float | None = None
    """Seconds until a page rule fires if the last five minutes go on; 0: it does; None: none would."""
    compared: bool = True
    """Whether the reference windows hold requests of it: without any, no change can be told."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the screen shows at one moment; the report is the same answer as text."""

    generated_at: float
    """Unix seconds."""
    view: View
    frame: Frame
    focus: str
    """The model of the panels; empty when there is none yet."""
    sources: tuple[SourceStatus, ...]
    models: tuple[ModelRow, ...]
    findings: tuple[Finding, ...]
    marks: tuple[Mark, ...]
    latency: LatencyPanel
    confidence: ConfidencePanel
    errors: ErrorsPanel
    features: FeaturesPanel
    infra: InfraPanel
    revision: int = 0
    """Grows with every answer of a session; panels redraw only when their part changed."""
    shadow: ShadowPanel = field(default_factory=lambda: ShadowPanel(PanelStatus(State.ABSENT), ""))
    notes: tuple[str, ...] = ()
    """What the reader must know: too little history, partial data, sampled rows."""
    accuracy: AccuracyPanel = field(default_factory=lambda: AccuracyPanel(PanelStatus(State.LOADING), ""))
    budgets: tuple[Budget, ...] = ()
    """The error budgets of every objective of which something is known."""

    @property
    def moment(self) -> float:
        """Unix seconds from which ages and "12 minutes ago" count: a pinned view's end, else the clock."""
        return self.generated_at if self.view.end is None else float(self.view.end)

    @property
    def status(self) -> Severity | None:
        """Worst severity of the findings; None when nothing could be evaluated.

        That a source fails is a finding, but where no model has data it is all that is known.
        """
        failed = {source.name for source in self.sources if source.state is State.FAILED}
        told = any(
            f.severity.rank >= 2 and not (f.signal is Signal.STALENESS and f.subject in failed) for f in self.findings
        )
        if not any(model.compared for model in self.models) and not told:
            return None
        worst = max((finding.severity for finding in self.findings), key=lambda s: s.rank, default=Severity.OK)
        return worst if worst.rank >= Severity.WARNING.rank else Severity.OK
