"""The part of `SqlStore` that answers for confidence and features: their bins, and their rows in bins."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from analysis.evidence import PREDICTION, Bins, CategoryBins, Fetched, Histogram, NumericBins
from analysis.filters import ALL, Filter
from analysis.view import Window
from connectors.sqlasking import Asking
from connectors.sqlbins import BinsQuery
from connectors.sqlcolumns import (
    MAX_CELLS,
    MAX_MODELS,
    MIN_ROWS,
    ColumnsCount,
    ColumnsQuery,
    cells,
    models_in_order,
)
from connectors.sqldrawn import DrawnNumbers, DrawnQuery
from connectors.sqlhistograms import MODEL, BinnedQuery, CountedQuery
from connectors.sqlrows import batches, strings

T = TypeVar("T")

SAMPLE_ROWS = 25_000
"""Rows from which feature bins are made: a value with a share of 0.2 % is missed with p = e-50."""

WATCHED_DIMS = 12
"""Dimensions whose values are watched: of a log with many, all but the first are for the search of segments."""

WAIT_BINS = NumericBins((-math.inf, 0.0, math.inf))
"""Of the time of calls to other services the sum counts, not the shape."""

BINNED_PER_QUERY = 40
COUNTED_PER_QUERY = 5
"""Features per statement that the engine counts."""

STREAMED_PER_QUERY = 5
"""Features per statement whose rows are streamed: the drift of 40 features over 2 M rows takes 2.75 CPU s and 250 MB
with 5, 2.65 and up to 305 with 6 (`bench.drift`)."""


class FeatureQuestions(Asking):
    """Bins from a sample, and histograms over them; the store provides the rows."""

    async def confidence(
        self, spans: Sequence[Window], step: int, edges: Sequence[float], where: Filter = ALL
    ) -> Fetched[Histogram | None]:
        """Confidence per bucket by (model, version). Values outside the edges count in the outermost bins."""
        if "confidence" not in (await self._mapped()).schema.fields:
            return Fetched(None, "")
        name, keys = "confidence", ("model", "version")
        fetched = await self._histograms(spans, step, {name: NumericBins(tuple(edges))}, where, keys)
        return Fetched(fetched.value[name], fetched.query, fetched.elapsed_s, fetched.rows, fetched.warnings)

    async def extremes(
        self, spans: Sequence[Window], field: str, where: Filter = ALL
    ) -> Fetched[tuple[float, float] | None]:
        """The smallest and the largest finite number of a field; None where there is none."""
        d = self._dialect
        x = d.as_double(d.ident(field))

        def build(relation: str) -> str:
            return f"SELECT min({x}) AS low, max({x}) AS high FROM {relation} AS logs WHERE {d.finite(x)}"

        reply = await self._ask(spans, where, {field}, build, width=0)
        low, high = reply.column("low"), reply.column("high")
        value = (float(low[0]), float(high[0])) if low and low[0] is not None else None
        return Fetched(value, reply.query, reply.elapsed_s, reply.rows, reply.warnings)

    async def features(
        self, spans: Sequence[Window], step: int, bins: Mapping[str, Bins], where: Filter = ALL
    ) -> Fetched[Mapping[str, Histogram]]:
        """Every feature of `bins` per bucket by (model,). Features that the log does not have are left out."""
        known = (await self._mapped()).kinds
        gone = sorted(bins.keys() - known.keys())
        found = await self._histograms(spans, step, {name: kind for name, kind in bins.items() if name in known}, where)
        return replace(
            found, warnings=(*(f"the log has no feature {name!r} any more" for name in gone), *found.warnings)
        )

    async def _histograms(
        self,
        spans: Sequence[Window],
        step: int,
        bins: Mapping[str, Bins],
        where: Filter,
        keys: tuple[str, ...] = MODEL,
    ) -> Fetched[Mapping[str, Histogram]]:
        """Any field in its bins: by the engine's own aggregates where it has them, in portable SQL otherwise."""
        d, mapped = self._dialect, await self._mapped()
        counted: list[str] = []
        found: dict[str, Histogram] = {}
        replies: list[Any] = []
        if "weight" not in mapped.schema.fields:
            if keys == MODEL:
                found, replies = await self._streamed(spans, step, bins, where)
            rest = {name: kind for name, kind in bins.items() if name not in found}
            counted = [name for name, kind in rest.items() if CountedQuery.answers(kind, mapped.kinds[name], d)]
        for names in batches(counted, COUNTED_PER_QUERY):
            query = CountedQuery({name: bins[name] for name in names}, step, d, keys)
            replies.append(await self._ask(spans, where, {*keys, *names}, query.sql, width=0))
            found |= query.histograms(replies[-1].column)
        # Without the keyword each field of a statement reads the binned rows of all its fields anew.
        size = BINNED_PER_QUERY if d.materialized else COUNTED_PER_QUERY
        for names in batches([name for name in bins if name not in found], size):
            weight = self._weight(mapped.schema)
            binned = BinnedQuery({n: bins[n] for n in names}, mapped.kinds, step, weight, d, keys)
            replies.append(await self._ask(spans, where, {*keys, *names}, binned.sql, width=2 * len(names)))
            found |= binned.histograms(replies[-1].column)
        return _joined({name: found[name] for name in bins}, replies)

    async def _streamed(
        self, spans: Sequence[Window], step: int, bins: Mapping[str, Bins], where: Filter
    ) -> tuple[dict[str, Histogram], list[Any]]:
        """Those of the fields whose rows are many and at hand, and the replies that they come from."""
        kinds, d = (await self._mapped()).kinds, self._dialect
        mine = {name: kind for name, kind in bins.items() if ColumnsQuery.answers(kind, kinds[name], d)}
        if not mine or await self._rows_of_files(spans) < MIN_ROWS:
            return {}, []
        replies = [await self._ask(spans, where, {"model"}, _models)]
        models = models_in_order(set(strings(replies[0].column("model"))))
        span = Window(min(w.start for w in spans), max(w.end for w in spans))
        if not 0 < len(models) <= MAX_MODELS or cells(span, step, models) > MAX_CELLS:
            return {}, replies
        found: dict[str, Histogram] = {}
        for names in batches(mine, STREAMED_PER_QUERY):
            query = ColumnsQuery({name: mine[name] for name in names}, models, span, step, d)
            replies.append(await self._ask(spans, where, {"model", *names}, query.sql, 0, partial(ColumnsCount, query)))
            (count,) = replies[-1].folds
            if count.complete:
                found |= count.histograms()
        return found, replies

    async def feature_bins(
        self, spans: Sequence[Window], where: Filter = ALL, *, dims: bool = False
    ) -> Fetched[Mapping[str, Bins]]:
        """Bins of every feature from a sample of about `SAMPLE_ROWS` rows of `spans`.

        Left out, with a warning: strings that identify requests. Left out: features that are null in every row. The
        prediction, where it is logged, is binned as the inputs are: what a model answers drifts as well. With `dims`
        the first `WATCHED_DIMS` dimensions of text are binned, too.
        """
        mapped = await self._mapped()
        waits = dict.fromkeys(mapped.schema.calls, WAIT_BINS)
        inputs = [feature for feature in mapped.schema.features if feature.name not in waits]
        numeric_by_name = {feature.name: feature.kind == "numeric" for feature in inputs}
        if PREDICTION in mapped.schema.fields:
            numeric_by_name.setdefault(PREDICTION, mapped.kinds[PREDICTION] == "number")
        watched = [dim for dim in mapped.schema.dims if mapped.kinds[dim] == "text" and dim not in numeric_by_name]
        watched = watched[:WATCHED_DIMS] if dims else []
        if not numeric_by_name and not watched:
            return Fetched(waits, "")
        share = await self._sample_share(spans, where)

        bins: dict[str, Bins] = {}
        replies: list[Any] = []

        async def look(names: Sequence[str], *, thorough: bool) -> list[str]:
            warnings: list[str] = []
            for batch in batches(names, COUNTED_PER_QUERY):
                query = BinsQuery(tuple(batch), tuple(numeric_by_name[n] for n in batch), self._dialect, thorough)
                reply = await self._ask(spans, where, set(batch), _drawn(query, share), width=0)
                found, left_out = query.bins(*(reply.column(column) for column in ("k", "part", "v", "x", "n")))
                bins.update(found)
                warnings.extend(left_out)
                replies.append(reply)
            return warnings

        numbers = [name for name, numeric in numeric_by_name.items() if numeric]
        streamed = bool(numbers) and await self._rows_of_files(spans) >= MIN_ROWS
        for batch in batches(numbers if streamed else [], STREAMED_PER_QUERY):
            drawn = DrawnQuery(tuple(batch), share, self._dialect)
            replies.append(await self._ask(spans, where, set(batch), drawn.sql, 0, partial(DrawnNumbers, drawn)))
            (sample,) = replies[-1].folds
            bins.update(sample.bins())
        asked = [name for name, numeric in numeric_by_name.items() if not (numeric and streamed)]
        warnings = await look(asked, thorough=False)
        # A dimension that tells requests apart is none to be watched, and nobody misses it among the features.
        numeric_by_name |= dict.fromkeys(watched, False)
        await look(watched, thorough=False)
        if share < 1 and not streamed:
            # A list of few numbers must be complete, or what it lacks would pass for unseen.
            few = [n for n, numeric in numeric_by_name.items() if numeric and not isinstance(bins.get(n), NumericBins)]
            await look(few, thorough=True)
        bins = {name: bins[name] for name in numeric_by_name if name in bins}
        for dim in watched:
            if isinstance(kind := bins.get(dim), CategoryBins):
                bins[dim] = replace(kind, dimension=True)
        return _joined(bins | waits if bins else {}, replies, warnings)

    async def _sample_share(self, spans: Sequence[Window], where: Filter) -> float:
        """Share of the matching rows that makes about `SAMPLE_ROWS`."""
        reply = await self._ask(spans, where, set(), lambda relation: f"SELECT count(*) AS n FROM {relation} AS logs")
        rows = int(sum(reply.column("n")))
        return min(1.0, SAMPLE_ROWS / rows) if rows else 1.0


def _models(relation: str) -> str:
    return f"SELECT DISTINCT model FROM {relation} AS logs"


def _drawn(query: BinsQuery, share: float) -> Callable[[str], str]:
    return lambda relation: query.sql(relation, share)


def _joined(value: T, replies: Sequence[Any], warnings: Sequence[str] = ()) -> Fetched[T]:
    """One answer of several statements over the same rows."""
    return Fetched(
        value,
        ";\n".join(reply.query for reply in replies),
        sum(reply.elapsed_s for reply in replies),
        max((reply.rows for reply in replies), default=0),
        tuple(dict.fromkeys((*(text for reply in replies for text in reply.warnings), *warnings))),
    )
