"""Scraped samples in bounded memory, and the same answers from them that Prometheus gives."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from analysis.view import Window
from connectors.exposition import Recorded, Sample
from connectors.metric_evidence import Row, aggregate
from connectors.presets import Alternatives, Matcher
from connectors.signals import Plan, Query

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

RESOLUTION_S = 15
"""Of several samples within this time the last is kept: four per bucket of the shortest step."""
MAX_SAMPLES = 4_000_000
"""64 MB over all series: 16 hours at full resolution for 1,000 series, 3 hours for 5,000."""
MAX_SERIES = 20_000
LOOKBACK_S = 300.0
"""A gauge counts for this long after its last sample, as in Prometheus."""

Mode = Literal["counter", "gauge", "changes"]
Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Kept:
    """One series. Counters are kept without resets, `changes` as the number of changes so far."""

    labels: Mapping[str, str]
    target: str
    mode: Mode
    t: array[float] = field(default_factory=lambda: array("d"))
    v: array[float] = field(default_factory=lambda: array("d"))
    raw: float = math.nan
    """The last value as it was exposed."""


@dataclass(slots=True)
class Ring:
    """Samples of the metrics that a plan needs, per series."""

    modes: dict[str, frozenset[Mode]] = field(default_factory=dict)
    series: dict[tuple[str, Mode], dict[tuple[str, Labels], Kept]] = field(default_factory=dict)
    polled: dict[str, float] = field(default_factory=dict)
    """Target -> time of its last good page."""
    unbased: frozenset[str] = frozenset()
    """Metrics whose first sample tells nothing of their growth, although their target was polled before."""
    count: int = 0
    refused: int = 0
    """Series beyond the cap."""

    def need(self, plan: Plan, known: Set[str]) -> None:
        """Keep what the plan reads from now on. The counters of `known` metrics are older than their first sample."""
        modes: dict[str, set[Mode]] = {}
        for query in plan.queries:
            mode: Mode = "counter"
            if query.kind in ("gauge", "summary"):
                mode = "gauge"
            elif query.kind == "changes":
                mode = "changes"
            for metric in query.metrics:
                modes.setdefault(metric, set()).add(mode)
        self.unbased = frozenset(set(modes) - set(self.modes)) & known
        self.modes = {metric: frozenset(found) for metric, found in modes.items()}

    def add_page(self, target: str, samples: Iterable[Sample], now: float) -> None:
        """One scrape of one target at `now` (unix seconds); series that are gone from the page end."""
        before = self.polled.get(target)
        self.polled[target] = now
        self._add(target, samples, now, before)

    def add_failure(self, target: str, now: float) -> None:
        """A scrape that failed: `up` is 0 and the gauges of the target end."""
        self._add(target, [Sample("up", {}, 0.0, None)], now, None)

    def _add(self, target: str, samples: Iterable[Sample], now: float, before: float | None) -> None:
        for sample in samples:
            for mode in self.modes.get(sample.name, ()):
                kept = self._kept(sample.name, mode, target, sample.labels)
                if kept is None:
                    continue
                if not kept.t and before is not None and mode == "counter" and sample.name not in self.unbased:
                    # The target was there without this series, so the counter has started at zero since.
                    self._append(kept, before, 0.0)
                    kept.raw = 0.0
                self._append(kept, sample.at or now, _next(kept, sample.value))
                kept.raw = sample.value
        for (_, mode), group in self.series.items():
            if mode == "gauge":
                for kept in group.values():
                    if kept.target == target and kept.t and kept.t[-1] < now and not math.isnan(kept.v[-1]):
                        self._append(kept, now, math.nan)

    def add_history(self, target: str, recorded: Sequence[Recorded]) -> None:
        """Recorded series as the past of `target`, before its first page."""
        import numpy as np

        begin = min((float(r.t[0]) for r in recorded), default=0.0)
        for one in recorded:
            for mode in self.modes.get(one.name, ()):
                kept = self._kept(one.name, mode, target, one.labels)
                if kept is None:
                    continue
                t, v = one.t, one.v
                if mode == "counter":
                    pause = float(np.median(np.diff(t))) if len(t) > 1 else 60.0
                    if t[0] > begin + 1.5 * pause:
                        t, v = np.concatenate([[t[0] - pause], t]), np.concatenate([[0.0], v])
                    steps = np.diff(v, prepend=v[:1])
                    v = v[0] + np.cumsum(np.where(steps < 0, v, steps))
                elif mode == "changes":
                    v = np.cumsum(np.diff(v, prepend=v[:1]) != 0).astype(np.float64)
                last = np.append(np.diff(t // RESOLUTION_S) != 0, True)
                self.count += int(last.sum()) - len(kept.t)
                kept.t = array("d", np.ascontiguousarray(t[last]).tobytes())
                kept.v = array("d", np.ascontiguousarray(v[last]).tobytes())
                kept.raw = float(one.v[-1])
            self.polled[target] = max(self.polled.get(target, 0.0), float(one.t[-1]))
        self._trim()

    def _kept(self, metric: str, mode: Mode, target: str, labels: Mapping[str, str]) -> Kept | None:
        group = self.series.setdefault((metric, mode), {})
        key = (target, tuple(sorted(labels.items())))
        kept = group.get(key)
        if kept is None:
            if sum(map(len, self.series.values())) >= MAX_SERIES:
                self.refused += 1
                return None
            kept = group[key] = Kept(dict(labels), target, mode)
        return kept

    def _append(self, kept: Kept, at: float, value: float) -> None:
        if kept.t and at // RESOLUTION_S == kept.t[-1] // RESOLUTION_S and len(kept.t) > 1:
            kept.t[-1], kept.v[-1] = at, value
            return
        kept.t.append(at)
        kept.v.append(value)
        self.count += 1
        if self.count > MAX_SAMPLES:
            self._trim()

    def _trim(self) -> None:
        """Drop the oldest samples of every series until a tenth of the room is free."""
        if self.count <= MAX_SAMPLES:
            return
        series = [kept for group in self.series.values() for kept in group.values()]
        share = int(MAX_SAMPLES * 0.9) // len(series)
        for kept in series:
            spare = len(kept.t) - share
            if spare > 0:
                del kept.t[:spare], kept.v[:spare]
        self.count = sum(len(kept.t) for kept in series)

    def span(self, metrics: Iterable[str]) -> tuple[float, float] | None:
        """Oldest and newest sample of some metrics."""
        wanted = set(metrics)
        times = [
            moment
            for (metric, _), group in self.series.items()
            if metric in wanted
            for kept in group.values()
            if kept.t
            for moment in (kept.t[0], kept.t[-1])
        ]
        return (min(times), max(times)) if times else None

    def labels_of(self, query: Query) -> list[Mapping[str, str]]:
        """The labels of every series that a query of counters reads first."""
        first = query.terms[:1]
        return [labels for _, metric in first for labels, _ in self._select(metric, "counter", query.where)]

    def label_names(self, metric: str) -> frozenset[str]:
        """The label names of the series of a counter."""
        return frozenset(name for labels, _ in self._select(metric, "counter", ()) for name in labels)

    def growth(self, query: Query, spans: Sequence[Window]) -> list[tuple[Mapping[str, str], float]]:
        """(labels, growth over the union of `spans`) of each series of the counters or buckets of a query."""
        import numpy as np

        found: list[tuple[Mapping[str, str], float]] = []
        suffix = "_bucket" if query.kind == "histogram" else ""
        for sign, name in query.terms:
            for labels, kept in self._select(name + suffix, "counter", query.where, query.any_of):
                grown = [_increase(kept, np.array([span.start]), span.length)[0] for span in spans]
                total = float(np.nansum(grown))
                if total > 0:
                    found.append((labels, sign * total))
        return found

    def answer(self, query: Query, t: Ints, step: int) -> list[Row]:
        """The rows of one query on the buckets that start at `t` [T] and are `step` seconds wide."""
        if query.kind == "histogram":
            bucket = tuple((sign, f"{name}_bucket") for sign, name in query.terms)
            values = self._fold(bucket, query, query.where, (*query.group, "le"), t, step)
        elif query.kind == "summary":
            values = self._fold(query.terms, query, query.where, (*query.group, "quantile"), t, step)
        else:
            values = self._fold(query.terms, query, query.where, query.group, t, step)
        if query.over:
            over = self._fold(query.over, query, query.over_where, query.group, t, step)
            values = {key: _ratio(value, over[key]) for key, value in values.items() if key in over}
        elif query.kind == "rate":
            values = {key: value / step for key, value in values.items()}
        return [Row(dict(key), value) for key, value in values.items()]

    def _fold(
        self,
        terms: Iterable[tuple[int, str]],
        query: Query,
        where: Sequence[Matcher],
        group: Sequence[str],
        t: Ints,
        step: int,
    ) -> dict[Labels, Floats]:
        import numpy as np

        gauge = query.kind in ("gauge", "summary")
        mode: Mode = "gauge" if gauge else "changes" if query.kind == "changes" else "counter"
        found: dict[Labels, list[Floats]] = {}
        for sign, metric in terms:
            for labels, kept in self._select(metric, mode, where, query.any_of):
                values = _state(kept, t + step) if gauge else _increase(kept, t, step)
                key = tuple((name, labels[name]) for name in group if labels.get(name))
                found.setdefault(key, []).append(sign * values)
        folded = {}
        for key, rows in found.items():
            stacked = np.stack(rows)
            known = ~np.isnan(stacked).all(axis=0)
            merged = np.full(len(t), np.nan)
            merged[known] = aggregate(stacked[:, known], query.agg if gauge else "sum")
            folded[key] = merged
        return folded

    def _select(
        self, metric: str, mode: Mode, where: Sequence[Matcher], any_of: Alternatives = ((),)
    ) -> Iterator[tuple[Mapping[str, str], Kept]]:
        for kept in self.series.get((metric, mode), {}).values():
            labels = kept.labels if "instance" in kept.labels else {**kept.labels, "instance": kept.target}
            if kept.t and any(all(one.accepts(labels) for one in (*where, *selector)) for selector in any_of):
                yield labels, kept


def _next(kept: Kept, value: float) -> float:
    """The value to keep after `kept.raw` was followed by `value`. A counter that fell has started again from zero."""
    if kept.mode == "gauge" or not kept.t:
        return 0.0 if kept.mode == "changes" else value
    if kept.mode == "changes":
        return kept.v[-1] + (value != kept.raw)
    return kept.v[-1] + (value - kept.raw if value >= kept.raw else value)


def _increase(kept: Kept, t: Ints, step: int) -> Floats:
    """[T] growth between the bucket's ends, read between samples on a straight line; NaN where nothing was sampled.

    Neighbouring buckets share their edge, so increases add up exactly, and a pause in the scrapes is spread evenly.
    """
    import numpy as np

    at, value = np.frombuffer(kept.t), np.frombuffer(kept.v)
    grown: Floats = np.interp(t + step, at, value) - np.interp(t, at, value)
    grown[(t + step <= at[0]) | (t >= at[-1])] = np.nan
    return grown


def _state(kept: Kept, ends: Ints) -> Floats:
    """[T] the last sample at or before each moment, unless it is too old."""
    import numpy as np

    at, value = np.frombuffer(kept.t), np.frombuffer(kept.v)
    last = np.searchsorted(at, ends, side="right") - 1
    state: Floats = np.where((last >= 0) & (ends - at[last] <= LOOKBACK_S), value[last], np.nan)
    return state


def _ratio(top: Floats, bottom: Floats) -> Floats:
    import numpy as np

    ratio: Floats = np.full(len(top), np.nan)
    np.divide(top, bottom, out=ratio, where=(bottom != 0) & ~np.isnan(bottom))
    return ratio
