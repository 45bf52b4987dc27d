"""Evidence: additive counts keyed by (time bucket, key): time, segments, refreshes and stores merge by addition.

A bucket that was asked for and is not in `t` held no rows: its counts are zero. Arrays are float64 because counts from
Prometheus are extrapolated and sampled rows may carry a weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from analysis.filters import Filter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Codes = NDArray[np.uint64]

Key = tuple[str, ...]
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts per bucket and key."""

    t: Ints
    """[T] bucket starts, unix seconds, ascending multiples of `step`."""
    step: int
    """Bucket width in seconds."""
    keys: tuple[Key, ...]
    n: Floats
    """[T, K] counts."""


@dataclass(frozen=True, slots=True)
class NumericBins:
    """Bins between ascending edges; the outermost edges may be infinite. Bin i holds edges[i] <= x < edges[i+1].

    Prometheus buckets are (low, high] instead; nothing here depends on the side that an edge belongs to.
    """

    edges: tuple[float, ...]
    """[B+1]"""
    reference: bool = False
    """True when the edges are baseline quantiles: then the first and the last bin are "out of the baseline's range"."""

    def __len__(self) -> int:
        return len(self.edges) - 1

    def point(self, i: int) -> float | None:
        """The one value that bin i holds, such as 0 or -1 where many rows have it; None for a stretch of values."""
        low, high = self.edges[i], self.edges[i + 1]
        return low if math.isfinite(low) and high <= just_above(low) else None

    def shown_edge(self, i: int) -> float:
        """Edge i as a reader knows it: the upper edge of a bin of one value is that value."""
        value = self.point(i - 1) if i > 0 else None
        return self.edges[i] if value is None else value


def just_above(value: float) -> float:
    """The upper edge of a bin that holds `value` alone. Zero has subnormal neighbours that engines may flush."""
    return math.nextafter(value, math.inf) if value else 1e-300


@dataclass(frozen=True, slots=True)
class CategoryBins:
    """One bin per label. The last two are always `OTHER` (in the baseline, not in its top list) and `UNSEEN`."""

    labels: tuple[str, ...]
    dimension: bool = False
    """Whether traffic is told apart by them: it may come from elsewhere at any time, which is no drift of an input."""

    def __len__(self) -> int:
        return len(self.labels)


def is_dimension(bins: Bins) -> bool:
    """Whether they are the values of a dimension."""
    return isinstance(bins, CategoryBins) and bins.dimension


NULL_TEXT = "(null)"
"""How a null value of a string field is written in keys and cubes; equality with it selects the nulls."""
OTHER = "(other)"
UNSEEN = "(unseen)"

PREDICTION = "prediction"
"""The feature histogram of what the model answered. A failed request has no answer, so its nulls say nothing."""

Bins = NumericBins | CategoryBins


@dataclass(frozen=True, slots=True)
class Histogram:
    """Binned values per bucket and key. Null and non-finite values have counts of their own."""

    t: Ints
    """[T] bucket starts, unix seconds."""
    step: int
    keys: tuple[Key, ...]
    bins: Bins
    n: Floats
    """[T, K, B] finite values per bin."""
    null: Floats
    """[T, K]"""
    nonfinite: Floats
    """[T, K] NaN and infinities."""
    total: Floats
    """[T, K] sum of the finite values (0 for categories)."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests, errors and latency by (model, version)."""

    requests: Counts
    errors: Counts | None
    """None: the source does not log errors."""
    latency: Histogram | None
    """Milliseconds. None: the source does not log latency."""


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Errors by (model, error type), or by (model, error type, message without its parameters).

    The type is "" where none is logged and the message alone tells; a message of `OTHER` stands for the rare ones.
    """

    counts: Counts
    first_seen: Mapping[Key, float]
    """Unix seconds of the first row of each key within what was read."""
    samples: Mapping[Key, str] = field(default_factory=dict)
    """One raw message of each key, where the source logs messages."""
    before: Mapping[Key, float] = field(default_factory=dict)
    """Unix seconds of the last row of each key in the day before the live window, outside the references."""


PAIR_MEASURES = (
    "answered", "pairs", "agree", "labelled", "only_live_right", "only_shadow_right", "scored", "moved", "live_score",
    "shadow_score", "live_failed", "shadow_failed",
)  # fmt: skip
"""What is counted of requests that a shadow version answered too: all of them; those that both predicted, and how many
alike; those with a label, and how many only one side got right; those with two scores, the sum of |shadow - live|, and
the sum of each; and the errors of each side."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Requests that a shadow version answered beside the live one."""

    counts: Counts
    """By (model, live version, shadow version, measure), in the bucket of the live row."""
    latency: Histogram | None
    """Milliseconds by (model, live version, shadow version, "live" or "shadow"). None: not logged."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """Rows whose request id was seen before in the same bucket. All counts by (model,)."""

    rows: Counts
    """Rows with an id that were looked at; of a large log a part."""
    repeated: Counts
    """Those beyond the first of each id."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Rows that say how long they waited for another service. All counts by (model, dependency)."""

    rows: Counts
    total: Counts
    """Sum of the waits, milliseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Predictions and the labels that have arrived for them, as a table of [N] cells; equal cells add up.

    Sparse, because of a thousand combinations of score, delay and bucket a model fills some tens. Equal only to itself,
    so that what follows from one reading can be kept until the next.
    """

    step: int
    """Bucket width in seconds."""
    keys: tuple[Key, ...]
    """(model,), or (model, value of what the question told rows apart by)"""
    scores: NumericBins
    """Bins of the confidence."""
    delays: tuple[float, ...]
    """[D+1] ascending edges of the delay from prediction to label, seconds."""
    t: Ints
    """[N] bucket starts of the predictions, unix seconds."""
    served: Ints
    """[N] the same, but of their true time where rows stand for an earlier window (another version as baseline)."""
    key: Ints
    """[N] index into keys."""
    score: Ints
    """[N] index of the score bin, -1 where the confidence is not known."""
    delay: Ints
    """[N] index of the delay bin, -1 where no label has arrived."""
    n: Floats
    """[N] predictions."""
    correct: Floats
    """[N] labels equal to the prediction."""
    total: Floats
    """[N] sum of the confidence."""
    newest: Mapping[str, float]
    """Model -> unix seconds of its newest label."""
    timed: bool = True
    """False: the log does not say when a label came, so all count as delay zero."""


@dataclass(frozen=True, slots=True)
class Series:
    """One gauge over time, such as the memory of one replica."""

    metric: str
    """Canonical name: memory, memory_limit, cpu, gpu, gpu_memory, queue_depth, queue_time, in_flight, restarts, oom,
    dependency_errors, dependency_requests, dependency_latency, up."""
    labels: tuple[tuple[str, str], ...]
    unit: str
    t: Ints
    """[T] unix seconds."""
    v: Floats
    """[T]; NaN is a gap."""

    def label(self, *names: str) -> str | None:
        """The value of the first of `names` that the series carries."""
        found = dict(self.labels)
        return next((found[name] for name in names if name in found), None)


@dataclass(frozen=True, slots=True)
class MetricEvidence:
    """What a metric store knows of one span."""

    traffic: Traffic | None
    errors: ErrorCounts | None
    quantiles: Mapping[float, tuple[Series, ...]]
    """Quantile -> series in milliseconds, for servers that expose summaries and no histogram."""
    gauges: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Cube:
    """Counts per combination of dimension values: the base of the segment search.

    Row i is the leaf {dims[d]: values[d][codes[i, d]]}.
    """

    dims: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    codes: Ints
    """[L, D]"""
    n: Floats
    """[L] rows."""
    hits: Floats
    """[L, O] rows for which outcome o holds."""
    outcomes: tuple[Filter, ...]
    drawn: Floats | None = None
    """[L] sampling variance of n where the rows without any outcome were sampled; None: every row was counted."""
    hit_weight: float = 1.0
    """Rows that each counted hit stands for: above 1 when the rows with an outcome were thinned."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of a numeric value per combination of dimension values; rows where it is null or no number do not count.

    Row i is the leaf {dims[d]: values[d][codes[i, d]]}.
    """

    dims: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    codes: Ints
    """[L, D]"""
    n: Floats
    """[L] rows."""
    total: Floats
    """[L] sum of the values."""
    squares: Floats
    """[L] sum of their squares."""


@dataclass(frozen=True, slots=True)
class CodedRows:
    """A bounded sample of rows, their dimension values as codes, and what each row stands for."""

    dims: tuple[str, ...]
    codes: Codes
    """[R, D] codes of the values; equal values have equal codes in every sample of one store."""
    n: Floats
    """[R] rows that each stands for."""
    drawn: Floats
    """[R] sampling variance of n; 0 where every row was fetched."""
    hits: Floats
    """[R, O] rows with outcome o that each stands for."""
    hit_weight: float
    """Rows with an outcome per row fetched of them."""


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T_co]):
    """Evidence together with the question that produced it and what it cost."""

    value: T_co
    query: str
    """SQL or PromQL as sent, for the engineer to run again."""
    elapsed_s: float = 0.0
    rows: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """What a log store knows of one frame. A part that is not logged is None."""

    traffic: Traffic | None = None
    confidence: Histogram | None = None
    features: Mapping[str, Histogram] = field(default_factory=dict)
    errors: ErrorCounts | None = None
    newest: float | None = None
    """Unix seconds of the newest row."""
    labels: Labels | None = None
    """None: predictions or labels are not logged."""
    pairs: Pairs | None = None
    """None: shadow rows, request ids or predictions are not logged."""
    repeats: Repeats | None = None
    """None: request ids are not logged."""
    calls: Calls | None = None
    """None: no time of calls to other services is logged."""
