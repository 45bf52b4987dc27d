"""What changed: one finding, the segments that carry it and what may have brought it about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


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
