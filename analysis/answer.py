"""The answer: one frozen `Snapshot` that the screen, the report and an incident show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from analysis.view import Frame, View

if TYPE_CHECKING:
    from analysis.evidence import Bins, Floats, Ints
    from analysis.knee import Knee
    from analysis.objectives import Budget
    from analysis.slow_share import SlowShare


class Severity(StrEnum):
    """How urgent a finding or a state is, worst last."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 (ok) to 3 (critical)."""
        return list(Severity).index(self)


class Signal(StrEnum):
    """The signals of the report contract."""

    LATENCY = "latency"
    REQUEST_RATE = "request_rate"
    ERROR = "error"
    CONFIDENCE = "confidence"
    FEATURE = "feature"
    QUALITY = "quality"
    ACCURACY = "accuracy"
    CALIBRATION = "calibration"
    INFRA = "infra"
    DEPENDENCY = "dependency"
    AGREEMENT = "agreement"
    BUSINESS = "business"
    STALENESS = "staleness"
    VERSION = "version"


class State(StrEnum):
    """The state of a panel or a source; each is a visible word."""

    LOADING = "loading"
    LIVE = "live"
    STALE = "stale"
    EMPTY = "empty"
    FAILED = "failed"
    ABSENT = "not logged"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source of evidence, as `doctor`, the header and the report show it."""

    name: str
    kind: str
    state: State
    newest_sample: float | None = None
    """Unix seconds of the newest sample, not of the fetch."""
    error: str | None = None
    """What happened; with `hint`, what to do."""
    hint: str | None = None
    failing_since: float | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A conjunction of dimension values that carries a change."""

    where: tuple[tuple[str, str], ...]
    share_of_change: float
    """Share of the excess over the expectation, 0..1 (may pass 1 where the rest improved)."""
    rate_in: float
    rate_out: float
    rate_before: float
    lift: float
    """rate_in / rate_out."""
    support: float
    """Share of the window's rows that lie in the segment."""
    n: float
    """Rows of the window in the segment."""
    p_adjusted: float
    rate_without: float | None = None
    """What the rate of all rows would be if the segment had stayed as its baseline predicts; None for traffic."""
    aliases: tuple[tuple[tuple[str, str], ...], ...] = ()
    """Other names of the same rows: conjunctions of dims that go together with these."""
    sampled: bool = False
    """The numbers are estimates from a sample and not verified yet."""
    counted: float = 0.0
    """How far the verification of a sampled segment is, 0..1."""
    alternative: bool = False
    """A wider or a narrower name of what another segment tells; never the first."""


Phase = Literal["new", "confirmed", "clearing"]

FindingKey = tuple[str, str, str]
"""Signal, model and subject of a finding: what it is called across refreshes."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Another finding that may have brought one about."""

    key: FindingKey
    words: str
    """What it is and how it relates: "version 42 appeared 1m before"."""
    confidence: Literal["high", "medium", "low"]
    """high: it names or shares the segment that carries the change; medium: both began together; low: it came earlier.
    """


@dataclass(frozen=True, slots=True)
class MixShift:
    """A value whose share of the rows moved, and with it the rate of all rows: traffic moved, rates did not."""

    where: tuple[tuple[str, str], ...]
    share_before: float
    share_now: float
    rate_before: float
    """Rate of its rows in the baseline."""
    share_of_change: float
    """Part of the change of the total rate that the moved share makes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that changed, on the scale that ranks all of them."""

    signal: Signal
    model: str
    severity: Severity
    title: str
    """One short clause without the model's name: "p99 182ms -> 712ms x3.9"."""
    effect: float
    """Signed effect in severity units (1 = worth a look)."""
    score: float
    """Lower 99.5 % bound of |effect|, weighted by how visible the signal is to users."""
    n: float
    n_baseline: float
    now: float | None = None
    baseline: float | None = None
    unit: str = ""
    onset: float | None = None
    """Unix seconds; None when no onset can be told."""
    onset_between: tuple[float, float] | None = None
    """The first and the last bucket in which it may as well have begun, unix seconds; None for an event, and where the
    onset itself is not known."""
    subject: str = ""
    """The error type, feature, metric, dependency, measure or version that the signal is about."""
    check: str = ""
    """What was tested: a percentile; mean, below or a shape (confidence); null_rate, out_of_range, unseen_category,
    format, constant, clipping, unit_change or duplicate_ids (quality); or the metric of an infrastructure finding."""
    where: tuple[Segment, ...] = ()
    mix: tuple[MixShift, ...] = ()
    """Where no segment carries the change: the moved shares that explain at least half of it."""
    causes: tuple[Cause, ...] = ()
    """Findings that may have brought this one about, the likeliest first."""
    phase: Phase = "confirmed"
    """new: urgent, and not seen for long enough to be believed, so told as information; clearing: gone, not for long.
    """
    folded_into: FindingKey | None = None
    """The finding that leads the story which this one is part of; None for a leader."""

    @property
    def key(self) -> FindingKey:
        """Identity across refreshes; the test that shows the change best may differ from one to the next."""
        return (self.signal, self.model, self.subject)


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


@dataclass(frozen=True, slots=True)
class PanelStatus:
    """What a panel says about its own data."""

    state: State
    message: str = ""
    source: str = ""
    newest_sample: float | None = None
    query: str = ""
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LatencyPanel:
    """Latency percentiles of one model over time, now and as expected."""

    status: PanelStatus
    model: str
    t: Ints | None = None
    """[T] bucket starts of the live window."""
    now: Mapping[str, Floats] = field(default_factory=dict)
    """p50, p90, p95, p99 -> [T] milliseconds; NaN is a gap."""
    baseline: Mapping[str, Floats] = field(default_factory=dict)
    """Same, from the sum of the reference windows at the same position in the window."""
    window: Mapping[str, float | None] = field(default_factory=dict)
    """Percentiles of the whole window, milliseconds; None where n is too small."""
    window_baseline: Mapping[str, float | None] = field(default_factory=dict)
    n: float = 0
    n_baseline: float = 0
    rate: Floats | None = None
    """[T] requests per second."""
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """95 % bounds of `window`, milliseconds: sampling and bins. The upper one is infinite in an open last bin."""
    ratio_bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """95 % bounds of `window` / `window_baseline`."""
    moved: str = ""
    """Which requests changed, in words; empty without a sure change."""
    exported: str = ""
    """What these percentiles are where the server computed them itself; empty where they come from a histogram."""
    slow: tuple[SlowShare, ...] = ()
    """The share of slow requests, for each latency objective or at the baseline's p99."""
    knee: Knee | None = None
    """Where latency begins to climb with load; None where that cannot be told."""
    told: Finding | None = None
    """The finding about latency, which is measured from its onset on; everything else here is of the whole window."""


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
    t: Ints | None = None
    mean_over_time: Floats | None = None
    """[T] mean per bucket."""


@dataclass(frozen=True, slots=True)
class ScoreBand:
    """The labelled rows of one band of scores, now against the baseline at equal label age."""

    low: float
    high: float
    n: float
    right: float | None
    """Share of right predictions, 0..1; None below 10 labels."""
    interval: tuple[float, float]
    """Of `right`, 95 %."""
    said: float | None
    """Mean score."""
    right_baseline: float | None
    n_baseline: float
    z: float | None
    """Standardised change of right less said; None where a side has too few labels."""


@dataclass(frozen=True, slots=True)
class AccuracyPanel:
    """What the labels say of one model, and what its scores promise where labels are missing."""

    status: PanelStatus
    model: str
    span_s: int = 0
    """How far back the labelled rows reach, seconds: the window, or the span in which a change shows."""
    now: float | None = None
    """Share of right predictions, 0..1."""
    interval: tuple[float, float] = (0.0, 1.0)
    baseline: float | None = None
    difference: tuple[float, float] | None = None
    """Interval of now - baseline, 95 %."""
    n: float = 0
    n_baseline: float = 0
    coverage: float | None = None
    """Share of the predictions whose label is known, 0..1."""
    coverage_baseline: float | None = None
    """What it was in the references at the same age."""
    like: bool = True
    """Whether the two differ by no more than 5 points."""
    median_delay_s: float | None = None
    most_delay_s: float | None = None
    """Seconds in which half, and nine tenths, of the labels come."""
    level: float | None = None
    """Accuracy when all labels are in, 0..1."""
    estimate: float | None = None
    """Accuracy of the live window from its scores alone, 0..1."""
    estimate_band: tuple[float, float] = (0.0, 1.0)
    doubt: str = ""
    """Why the estimate must not be believed; empty where nothing speaks against it."""
    ece: float | None = None
    """Expected calibration error, 0..1; None below 1,000 labels."""
    ece_floor: float | None = None
    """What a perfectly calibrated model would show by chance."""
    ece_debiased: float | None = None
    ece_baseline: float | None = None
    concept: float | None = None
    """Part of the change of accuracy at the same scores, with its sign; None without scores."""
    inputs: float | None = None
    """Part of the change that other scores explain."""
    concept_p: float | None = None
    bands: tuple[ScoreBand, ...] = ()
    t: Ints | None = None
    right_over_time: Floats | None = None
    """[T] share right among the labels of each bucket; NaN is a gap."""
    usual_over_time: Floats | None = None
    """[T] what it used to be at the age of each bucket."""
    note: str = ""
    """What the reader must know about these labels."""


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


@dataclass(frozen=True, slots=True)
class Readings:
    """The drift of one feature in the numbers of other tools, without noise taken off. None: not for categories."""

    psi: float
    """Population stability index, 0 and up."""
    js: float
    """Jensen-Shannon distance to base 2, 0..1."""
    ks: float | None
    """Kolmogorov-Smirnov distance, 0..1."""
    wasserstein: float | None
    """Wasserstein-1 distance in standard deviations of the baseline, 0 and up."""


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One feature of one model, now against baseline."""

    feature: str
    kind: str
    """numeric or categorical."""
    state: str
    """DRIFT, tiny, ok, "too few" or the quality check that fired."""
    shift: float
    """Noise-adjusted Jensen-Shannon distance, 0..1."""
    noise: float
    q: float
    """False-discovery-rate adjusted p-value."""
    direction: str
    null: float
    null_baseline: float
    bins: Bins
    now: Floats
    """[B] shares of the non-null values."""
    baseline: Floats
    n: float
    n_baseline: float
    unseen: float = 0.0
    """Share of values that the baseline never had."""
    score: float = 0.0
    mean: float | None = None
    """Of the finite values; None for categories."""
    mean_baseline: float | None = None
    per_minute: float | None = None
    """Rows with a value per minute."""
    per_minute_baseline: float | None = None

    @property
    def readings(self) -> Readings | None:
        """The drift in the numbers of other tools, worked out when they are looked at: nothing is decided by them."""
        from analysis.readings import readings

        return readings(self.now, self.baseline, self.bins, mean=self.mean, mean_baseline=self.mean_baseline)


@dataclass(frozen=True, slots=True)
class FeaturesPanel:
    """Features of one model, ranked by drift."""

    status: PanelStatus
    model: str
    rows: tuple[FeatureRow, ...] = ()


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
    shadow: ShadowPanel = ShadowPanel(PanelStatus(State.ABSENT), "")
    notes: tuple[str, ...] = ()
    """What the reader must know: too little history, partial data, sampled rows."""
    accuracy: AccuracyPanel = AccuracyPanel(PanelStatus(State.LOADING), "")
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
        if not self.models and not told:
            return None
        worst = max((finding.severity for finding in self.findings), key=lambda s: s.rank, default=Severity.OK)
        return worst if worst.rank >= Severity.WARNING.rank else Severity.OK
