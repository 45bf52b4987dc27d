"""Log and metric stores in memory: they answer from a list of rows, and fail, hang or change when a test says so."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from analysis.evidence import (
    OTHER,
    UNSEEN,
    Bins,
    CategoryBins,
    CodedRows,
    Counts,
    Cube,
    ErrorCounts,
    Fetched,
    Histogram,
    Key,
    Labels,
    MetricEvidence,
    Pairs,
    Repeats,
    Sums,
    Traffic,
)
from analysis.filters import ALL, And, Eq, Filter, In, Not, Null, Scalar, format_filter
from analysis.view import Window
from connectors.base import By, Catalog, FeatureSpec, Schema, Watermark

NOW = 1_795_305_600.0
"""The clock of the tests: 2026-11-22 00:00:00 UTC."""


@dataclass(frozen=True, slots=True)
class Row:
    """One inference."""

    t: float
    model: str = "fraud"
    version: str = "41"
    region: str = "eu"
    error: str | None = None
    merchant: str = "food"


def holds(row: Row, where: Filter) -> bool:
    """Whether a row passes the kinds of filter that sessions make."""
    match where:
        case Null(name):
            return getattr(row, _NAMES.get(name, name)) is None
        case And(parts):
            return all(holds(row, part) for part in parts)
        case Not(part):
            return not holds(row, part)
        case Eq(name, value):
            return bool(getattr(row, _NAMES.get(name, name)) == value)
        case In(name, values):
            return getattr(row, _NAMES.get(name, name)) in values
    raise NotImplementedError(where)


_NAMES = {"error_type": "error"}


@dataclass
class Script:
    """What a store does beside answering: `fails[question]` is raised, `gates[question]` is waited for."""

    fails: dict[str, Exception] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    asked: list[tuple[str, tuple[Window, ...], Filter]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    async def step(self, name: str, spans: Sequence[Window] = (), where: Filter = ALL) -> None:
        """Remember a question, wait for its gate, and fail if that is the script."""
        self.asked.append((name, tuple(spans), where))
        try:
            if name in self.gates:
                await self.gates[name].wait()
        except asyncio.CancelledError:
            self.stopped.append(name)
            raise
        if name in self.fails:
            raise self.fails[name]

    def names(self) -> list[str]:
        """The questions so far, in order."""
        return [name for name, _, _ in self.asked]


class Logs(Script):
    """A `LogStore` over rows that a test may change at any time."""

    kind = "files"

    def __init__(self, rows: Sequence[Row] = (), name: str = "logs") -> None:
        super().__init__()
        self.name = name
        self.rows = list(rows)
        self.features_logged: tuple[FeatureSpec, ...] = (FeatureSpec("merchant", "categorical"),)
        self.calls: dict[str, tuple[str, float]] = {}
        self.labels_logged: Callable[[Sequence[Window], int, float | None], Fetched[Labels | None]] | None = None
        self.labels_by: Callable[[By], Fetched[Labels | None]] | None = None
        self.closed = False

    def _pick(self, spans: Sequence[Window], where: Filter) -> list[Row]:
        return [r for r in self.rows if any(w.start <= r.t < w.end for w in spans) and holds(r, where)]

    async def describe(self) -> Schema:
        """Model, version, error type and a region."""
        await self.step("describe")
        fields = {name: name for name in ("ts", "model", "version", "error_type")}
        missing = ("latency_ms", "confidence")
        return Schema({}, fields, {"region": "region"}, self.features_logged, missing, calls=self.calls)

    async def watermark(self) -> Watermark:
        """Of all rows."""
        await self.step("watermark")
        times = [row.t for row in self.rows]
        return Watermark(max(times, default=None), min(times, default=None))

    async def condition(self, where: Filter) -> str:
        """The filter as it is typed."""
        return format_filter(where)

    def prelude(self, query: str) -> str:
        """Nothing."""
        return ""

    async def feature_bins(
        self, spans: Sequence[Window], where: Filter = ALL, *, dims: bool = False
    ) -> Fetched[Mapping[str, Bins]]:
        """One bin per merchant of the rows."""
        await self.step("feature_bins", spans, where)
        seen = sorted({row.merchant for row in self._pick(spans, where)})
        return Fetched({"merchant": CategoryBins((*seen, OTHER, UNSEEN))} if seen else {}, "bins")

    async def series(
        self, spans: Sequence[Window], step: int, where: Filter = ALL, by: By | None = None
    ) -> Fetched[Traffic]:
        """Requests and errors by (model, version)."""
        await self.step("series", spans, where)
        rows = self._pick(spans, where)
        name = "version" if by is None else by.field

        def key(r: Row) -> Key:
            value = str(getattr(r, _NAMES.get(name, name)))
            return (r.model, value if by is None or value in by.values else OTHER)

        requests = _counts(rows, step, key)
        failed = _counts(rows, step, key, lambda r: r.error is not None)
        return Fetched(Traffic(requests, failed, None), "series", warnings=("sampled",))

    async def confidence(
        self, spans: Sequence[Window], step: int, edges: Sequence[float], where: Filter = ALL
    ) -> Fetched[Histogram | None]:
        """Not logged."""
        await self.step("confidence", spans, where)
        return Fetched(None, "")

    async def features(
        self, spans: Sequence[Window], step: int, bins: Mapping[str, Bins], where: Filter = ALL
    ) -> Fetched[Mapping[str, Histogram]]:
        """The merchants in the given bins."""
        await self.step("features", spans, where)
        rows, kinds = self._pick(spans, where), bins.get("merchant")
        if not isinstance(kinds, CategoryBins):
            return Fetched({}, "")
        t, keys = _grid(rows, step, lambda r: (r.model,))
        n = np.zeros((len(t), len(keys), len(kinds)))
        for row in rows:
            label = row.merchant if row.merchant in kinds.labels else UNSEEN
            at = int(np.searchsorted(t, int(row.t) // step * step))
            n[at, keys.index((row.model,)), kinds.labels.index(label)] += 1
        zeros = np.zeros(n.shape[:2])
        return Fetched({"merchant": Histogram(t, step, keys, kinds, n, zeros, zeros, zeros)}, "features")

    async def errors(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[ErrorCounts | None]:
        """By (model, error type)."""
        await self.step("errors", spans, where)
        rows = [row for row in self._pick(spans, where) if row.error is not None]
        counts = _counts(rows, step, lambda r: (r.model, str(r.error)))
        first = {key: min(r.t for r in rows if (r.model, r.error) == key) for key in counts.keys}
        return Fetched(ErrorCounts(counts, first), "errors")

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
        """What `labels_logged` makes of the question; not logged unless a test says so."""
        await self.step("labels", spans, where)
        if by is not None and self.labels_by is not None:
            return self.labels_by(by)
        return Fetched(None, "") if self.labels_logged is None else self.labels_logged(spans, step, known_at)

    async def agreement(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[Pairs | None]:
        """Not logged."""
        await self.step("agreement", spans, where)
        return Fetched(None, "")

    async def repeats(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[Repeats | None]:
        """Not logged."""
        await self.step("repeats", spans, where)
        return Fetched(None, "")

    async def segments(
        self,
        spans: Sequence[Window],
        outcomes: Sequence[Filter],
        dims: Sequence[str],
        where: Filter = ALL,
        cuts: Mapping[str, tuple[float, ...]] = MappingProxyType({}),
    ) -> Fetched[Cube]:
        """One leaf per combination of the dims."""
        await self.step("segments", spans, where)
        rows = self._pick(spans, where)
        leaves = sorted({tuple(str(getattr(row, dim)) for dim in dims) for row in rows})
        values = tuple(tuple(sorted({leaf[i] for leaf in leaves})) for i in range(len(dims)))
        codes = [[values[i].index(value) for i, value in enumerate(leaf)] for leaf in leaves]
        n, hits = np.zeros(len(leaves)), np.zeros((len(leaves), len(outcomes)))
        for row in rows:
            at = leaves.index(tuple(str(getattr(row, dim)) for dim in dims))
            n[at] += 1
            hits[at] += [holds(row, outcome) for outcome in outcomes]
        cells = np.array(codes, dtype=np.int64).reshape(len(leaves), len(dims))
        return Fetched(Cube(tuple(dims), values, cells, n, hits, tuple(outcomes)), "segments")

    async def segment_sums(
        self,
        spans: Sequence[Window],
        value: str,
        dims: Sequence[str],
        where: Filter = ALL,
        cuts: Mapping[str, tuple[float, ...]] = MappingProxyType({}),
    ) -> Fetched[Sums]:
        """No number is logged."""
        raise NotImplementedError

    async def segment_rows(
        self,
        spans: Sequence[Window],
        outcomes: Sequence[Filter],
        dims: Sequence[str],
        where: Filter = ALL,
        cuts: Mapping[str, tuple[float, ...]] = MappingProxyType({}),
    ) -> Fetched[CodedRows]:
        """There are never rows enough for a sample."""
        raise NotImplementedError

    async def code_names(
        self,
        spans: Sequence[Window],
        wheres: Sequence[tuple[tuple[str, int], ...]],
        where: Filter = ALL,
        cuts: Mapping[str, tuple[float, ...]] = MappingProxyType({}),
    ) -> Fetched[Mapping[tuple[tuple[str, int], ...], tuple[tuple[str, str], ...]]]:
        """There are never rows enough for a sample."""
        raise NotImplementedError

    async def count_segments(
        self, spans: Sequence[Window], segments: Sequence[Filter], outcomes: Sequence[Filter], where: Filter = ALL
    ) -> Fetched[Any]:
        """There are never rows enough for a sample."""
        raise NotImplementedError

    async def extremes(
        self, spans: Sequence[Window], field: str, where: Filter = ALL
    ) -> Fetched[tuple[float, float] | None]:
        """No field is a number."""
        await self.step("extremes", spans, where)
        return Fetched(None, "")

    async def top_values(
        self, spans: Sequence[Window], field: str, where: Filter = ALL, limit: int = 20
    ) -> Fetched[tuple[tuple[str, float], ...]]:
        """Of any column."""
        await self.step("top_values", spans, where)
        counts = Counter(str(getattr(row, _NAMES.get(field, field))) for row in self._pick(spans, where))
        return Fetched(tuple((value, float(n)) for value, n in counts.most_common(limit)), "top_values")

    async def records(
        self, spans: Sequence[Window], where: Filter = ALL, limit: int = 50
    ) -> Fetched[tuple[Mapping[str, Scalar | None], ...]]:
        """No session asks for them."""
        raise NotImplementedError

    async def cancel(self) -> None:
        """Nothing runs on its own."""

    async def close(self) -> None:
        """Remembered."""
        self.closed = True


class Metrics(Script):
    """A `MetricStore` over rows."""

    kind = "prometheus"

    def __init__(self, rows: Sequence[Row] = (), name: str = "metrics") -> None:
        super().__init__()
        self.name = name
        self.rows = list(rows)

    async def discover(self) -> Catalog:
        """One preset."""
        await self.step("discover")
        return Catalog(("plain",), {"requests": "plain"}, ("fraud",), ("no latency is exposed",))

    async def watermark(self) -> Watermark:
        """Of all rows."""
        await self.step("watermark")
        times = [row.t for row in self.rows]
        return Watermark(max(times, default=None), min(times, default=None))

    async def metrics(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[MetricEvidence]:
        """Requests by model; no label to filter by."""
        await self.step("metrics", spans, where)
        rows = [r for r in self.rows if any(w.start <= r.t < w.end for w in spans)]
        requests = _counts(rows, step, lambda r: (r.model, "all"))
        return Fetched(MetricEvidence(Traffic(requests, None, None), None, {}, ()), "metrics")

    async def segments(
        self, spans: Sequence[Window], model: str, outcome: Filter | None, where: Filter = ALL
    ) -> Fetched[Cube]:
        """These metrics have no labels but the model."""
        raise NotImplementedError

    async def traffic_by(
        self, spans: Sequence[Window], step: int, model: str, by: By, where: Filter = ALL
    ) -> Fetched[Traffic]:
        """These metrics have no labels but the model."""
        raise NotImplementedError

    async def count_promql(self, model: str, where: Filter, window: Window) -> str:
        """Nothing is asked this way."""
        raise NotImplementedError

    async def errors(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[ErrorCounts | None]:
        """By (model, error type)."""
        await self.step("errors", spans)
        rows = [r for r in self.rows if r.error is not None and any(w.start <= r.t < w.end for w in spans)]
        return Fetched(ErrorCounts(_counts(rows, step, lambda r: (r.model, str(r.error))), {}), "errors")

    async def traffic(self, spans: Sequence[Window], step: int) -> Fetched[Traffic | None]:
        """Requests and errors by model."""
        await self.step("traffic", spans)
        rows = [r for r in self.rows if any(w.start <= r.t < w.end for w in spans)]
        requests = _counts(rows, step, lambda r: (r.model, "all"))
        errors = _counts(rows, step, lambda r: (r.model, "all"), lambda r: r.error is not None)
        return Fetched(Traffic(requests, errors, None), "traffic")

    async def cancel(self) -> None:
        """Nothing runs on its own."""

    async def close(self) -> None:
        """Nothing is held."""


def _grid(rows: Sequence[Row], step: int, key: Callable[[Row], Key]) -> tuple[Any, tuple[Key, ...]]:
    t = np.array(sorted({int(row.t) // step * step for row in rows}), dtype=np.int64)
    return t, tuple(sorted({key(row) for row in rows}))


def _counts(
    rows: Sequence[Row], step: int, key: Callable[[Row], Key], counts: Callable[[Row], bool] = lambda _: True
) -> Counts:
    t, keys = _grid(rows, step, key)
    n = np.zeros((len(t), len(keys)))
    for row in rows:
        n[np.searchsorted(t, int(row.t) // step * step), keys.index(key(row))] += counts(row)
    return Counts(t, step, keys, n)


def steady(until: float = NOW, seconds: int = 3 * 3_600, every: int = 10, **fields: str | None) -> list[Row]:
    """One row every so many seconds up to a moment; every tenth comes from another region."""
    start = int(until) - seconds
    return [
        Row(float(t), **{"region": "us" if i % 10 == 0 else "eu", **fields})  # type: ignore[arg-type]
        for i, t in enumerate(range(start, int(until), every))
    ]
