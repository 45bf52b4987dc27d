"""The two ports through which evidence enters: `LogStore` and `MetricStore`, and the errors they raise.

Questions are typed aggregates; SQL and PromQL never cross this border except as `Fetched.query`, to be read.
Every method may be cancelled (the task is cancelled, the store's own work is stopped).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from analysis.evidence import (
    Bins,
    CodedRows,
    Cube,
    ErrorCounts,
    Fetched,
    Histogram,
    Labels,
    MetricEvidence,
    Pairs,
    Repeats,
    Sums,
    Traffic,
)
from analysis.filters import ALL, Filter, Scalar
from analysis.view import Window

if TYPE_CHECKING:
    from analysis.evidence import Floats


class SourceError(Exception):
    """A source could not answer. `title` is what happened, `message` the source's own words, `hint` what to do.

    SourceError
      x UnreachableError   refused, DNS, TLS, timeout: worth another try
      x RejectedError      401, 403, 400, 422: another try cannot help
      x MalformedError     an answer that is not what the source's protocol promises
      x MissingDataError   reachable, but what was asked for is not there
    """

    def __init__(self, title: str, message: str = "", hint: str = "") -> None:
        super().__init__(f"{title}: {message}" if message else title)
        self.title = title
        self.message = message
        self.hint = hint


class UnreachableError(SourceError):
    """The source did not answer in time, or at all."""


class RejectedError(SourceError):
    """The source answered that it will not do this."""


class MalformedError(SourceError):
    """The source answered something that its protocol does not allow."""


class MissingDataError(SourceError):
    """The source works but holds nothing that was asked for."""


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One model input as the store logs it."""

    name: str
    kind: Literal["numeric", "categorical"]


@dataclass(frozen=True, slots=True)
class Schema:
    """What a log store holds and how its columns map to canonical fields."""

    columns: Mapping[str, str]
    """Column -> the store's own type."""
    fields: Mapping[str, str]
    """Canonical field -> SQL expression. Fields: ts, request_id, model, version, latency_ms, error_type, error_message,
    error_template (the message without its parameters), prediction, confidence, label, label_ts, weight, shadow."""
    dims: Mapping[str, str]
    """Dimension -> SQL expression (strings and booleans of few values)."""
    features: tuple[FeatureSpec, ...]
    missing: tuple[str, ...]
    """Canonical fields that are not logged."""
    notes: tuple[str, ...] = ()
    """How the mapping was inferred, and what was left out, in words for `doctor`."""
    calls: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    """Feature that is the time of a request's calls to another service -> (dependency, milliseconds per unit)."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far the data reaches. Unix seconds; None when there is none."""

    newest: float | None
    oldest: float | None


@dataclass(frozen=True, slots=True)
class By:
    """What traffic is told apart by, in place of the version."""

    field: str
    """A dim, or a field with few values."""
    values: tuple[str, ...]
    """Values with a key of their own; null is "(null)", all others are OTHER."""


class LogStore(Protocol):
    """Inference logs as typed aggregates. Spans are disjoint windows; buckets outside them are not returned."""

    name: str
    kind: str

    async def describe(self) -> Schema:
        """Columns, mapping, dims and features. Raises SourceError when there is nothing to read."""
        ...

    async def watermark(self) -> Watermark:
        """The newest and the oldest row, from file statistics where they exist."""
        ...

    async def feature_bins(
        self, spans: Sequence[Window], where: Filter = ALL, *, dims: bool = False
    ) -> Fetched[Mapping[str, Bins]]:
        """Bins of every feature and of the prediction from the rows of `spans` (the baseline); the caller freezes them.

        Numeric: quantiles .1, 1, 5, 10, 20 ... 90, 95, 99, 99.9 % of finite values, equal edges collapsed, the
        outermost bins open (`reference=True`), and a bin for each value that holds at least 5 %, at most three.
        Categorical, and numeric with at most 20 distinct values: the 30 most frequent values, then OTHER and UNSEEN.
        With `dims` those of the dimensions, too, marked as such.
        """
        ...

    async def series(
        self, spans: Sequence[Window], step: int, where: Filter = ALL, by: By | None = None
    ) -> Fetched[Traffic]:
        """Requests, errors and latency per bucket by (model, version), or by (model, value of `by`)."""
        ...

    async def confidence(
        self, spans: Sequence[Window], step: int, edges: Sequence[float], where: Filter = ALL
    ) -> Fetched[Histogram | None]:
        """Confidence per bucket by (model, version). None when it is not logged."""
        ...

    async def features(
        self, spans: Sequence[Window], step: int, bins: Mapping[str, Bins], where: Filter = ALL
    ) -> Fetched[Mapping[str, Histogram]]:
        """Every feature of `bins` per bucket by (model,)."""
        ...

    async def errors(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[ErrorCounts | None]:
        """Errors per bucket with first occurrence and one message. None: not logged.

        By (model, error type, template) where messages are logged (see `ErrorCounts`), else by (model, error type).
        """
        ...

    async def labels(
        self,
        spans: Sequence[Window],
        step: int,
        scores: Sequence[float],
        delays: Sequence[float],
        known_at: float | None = None,
        where: Filter = ALL,
        by: By | None = None,
    ) -> Fetched[Labels | None]:
        """Predictions per bucket by (model,), score band and delay of the label (seconds, -1 bin: none yet).

        With `by` by (model, value of it).

        Labels that came after `known_at` (unix seconds) are not counted. None: predictions or labels are not logged.
        """
        ...

    async def agreement(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[Pairs | None]:
        """Requests that a shadow version answered too, per bucket of the served row.

        None: shadow rows, request ids or predictions are not logged. Every question may name the fields of a pair
        (shadow_version, shadow_prediction, shadow_confidence, shadow_latency_ms, shadow_error_type) beside those of
        the served row, and is then answered from the pairs. Otherwise shadow rows are in no answer but to a filter
        that names `shadow`.
        """
        ...

    async def repeats(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[Repeats | None]:
        """Rows and those whose request id came before in the same bucket, by (model,); of many rows those of some ids.

        Rows without an id do not count, shadow rows never do. None: request ids are not logged.
        """
        ...

    async def segments(
        self,
        spans: Sequence[Window],
        outcomes: Sequence[Filter],
        dims: Sequence[str],
        where: Filter = ALL,
        cuts: Mapping[str, tuple[float, ...]] = ...,
    ) -> Fetched[Cube]:
        """Rows and outcome counts per combination of `dims` over the union of `spans`.

        A numeric feature may be a dim where `cuts` names the ascending values at which it is cut: its values are then
        `..12`, `12..120` and so on, and a filter takes them as it takes any value.
        """
        ...

    async def segment_sums(
        self,
        spans: Sequence[Window],
        value: str,
        dims: Sequence[str],
        where: Filter = ALL,
        cuts: Mapping[str, tuple[float, ...]] = ...,
    ) -> Fetched[Sums]:
        """Rows, sum and sum of squares of a numeric field or feature per combination, as in `segments`."""
        ...

    async def segment_rows(
        self,
        spans: Sequence[Window],
        outcomes: Sequence[Filter],
        dims: Sequence[str],
        where: Filter = ALL,
        cuts: Mapping[str, tuple[float, ...]] = ...,
    ) -> Fetched[CodedRows]:
        """A bounded sample for a segment search: rows with an outcome, and some of the others, with coded dims."""
        ...

    async def code_names(
        self,
        spans: Sequence[Window],
        wheres: Sequence[tuple[tuple[str, int], ...]],
        where: Filter = ALL,
        cuts: Mapping[str, tuple[float, ...]] = ...,
    ) -> Fetched[Mapping[tuple[tuple[str, int], ...], tuple[tuple[str, str], ...]]]:
        """Conjunctions of (dim, code) of `segment_rows` -> the same with values; without those that no row has."""
        ...

    async def count_segments(
        self, spans: Sequence[Window], segments: Sequence[Filter], outcomes: Sequence[Filter], where: Filter = ALL
    ) -> Fetched[Floats]:
        """[S, 1 + O] all rows of each segment, and those with each outcome, counted in full."""
        ...

    async def top_values(
        self, spans: Sequence[Window], field: str, where: Filter = ALL, limit: int = 20
    ) -> Fetched[tuple[tuple[str, float], ...]]:
        """The most frequent values of a field, dim or feature, with their counts."""
        ...

    async def extremes(
        self, spans: Sequence[Window], field: str, where: Filter = ALL
    ) -> Fetched[tuple[float, float] | None]:
        """The smallest and the largest finite number of a field; None where there is none."""
        ...

    async def records(
        self, spans: Sequence[Window], where: Filter = ALL, limit: int = 50
    ) -> Fetched[tuple[Mapping[str, Scalar | None], ...]]:
        """The newest raw rows that match, at most `limit`: the only way a raw row leaves the store."""
        ...

    async def condition(self, where: Filter) -> str:
        """The filter as the store's own condition over its canonical columns, for an engineer to read or paste."""
        ...

    def prelude(self, query: str) -> str:
        """Statements that must run before a query as this store sent it runs elsewhere; empty where none must."""
        ...

    async def cancel(self) -> None:
        """Stop whatever the store is doing for us."""
        ...

    async def close(self) -> None:
        """Release files, threads and connections."""
        ...


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a metric store offers, after detection."""

    presets: tuple[str, ...]
    """Presets that matched, most specific first."""
    signals: Mapping[str, str]
    """Canonical signal -> the preset that provides it."""
    models: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What is not exposed and what would expose it, in words for `doctor`."""
    dims: Mapping[str, str] = field(default_factory=dict)
    """Dimension -> label of the requests; `version` stands for whatever label holds it."""
    model_label: str = "model"
    """The label that names the model."""


class MetricStore(Protocol):
    """Metrics by (model) from Prometheus or from /metrics pages."""

    name: str
    kind: str

    async def discover(self) -> Catalog:
        """Detect the servers behind the metrics. Raises SourceError when the store does not answer."""
        ...

    async def watermark(self) -> Watermark:
        """Newest and oldest sample of the request signal."""
        ...

    async def metrics(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[MetricEvidence]:
        """Every signal of the catalog over `spans` in buckets of `step` seconds.

        A filter of label values narrows all of them; signals without one of its labels are left out.
        """
        ...

    async def segments(
        self, spans: Sequence[Window], model: str, outcome: Filter | None, where: Filter = ALL
    ) -> Fetched[Cube]:
        """Requests of a model, and those with the outcome, per combination of labels over the union of `spans`.

        Outcomes: `latency_ms` above or below an edge of its buckets, `error_type`; None counts the requests alone.
        """
        ...

    async def count_promql(self, model: str, where: Filter, window: Window) -> str:
        """PromQL, to be pasted, that counts the requests of a model over a window; raises SourceError as `segments`."""
        ...

    async def errors(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[ErrorCounts | None]:
        """Errors alone, by (model, error type), for long spans in wide buckets. None where none are known."""
        ...

    async def traffic(self, spans: Sequence[Window], step: int) -> Fetched[Traffic | None]:
        """Requests, errors and latency alone, for long spans in wide buckets. None where no requests are known."""
        ...

    async def traffic_by(
        self, spans: Sequence[Window], step: int, model: str, by: By, where: Filter = ALL
    ) -> Fetched[Traffic]:
        """Requests, errors and latency of a model by (model, value of a label); what lacks the label is left out."""
        ...

    async def cancel(self) -> None:
        """Close what is in flight."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
