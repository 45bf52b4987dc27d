"""The part of `SqlStore` that answers the questions of a segment search."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from analysis.evidence import CodedRows, Cube, Fetched, Sums
from analysis.filters import ALL, Filter, fields_of
from analysis.view import Window
from connectors.base import MissingDataError
from connectors.sqlasking import Asking
from connectors.sqlcube import MAX_LEAVES, SegmentQuery, fold
from connectors.sqlcut import NO_CUTS, Cuts
from connectors.sqlfilter import where_sql
from connectors.sqlsample import Ask, CodedWhere, SampleQuery, Where, count_exactly, names_of, sample_rows

if TYPE_CHECKING:
    from analysis.evidence import Floats

T = TypeVar("T")


class SegmentQuestions(Asking):
    """Cubes, sums, samples, names and exact counts; the store provides the rows."""

    @abstractmethod
    async def _sample_query(self, outcomes: Sequence[Filter], dims: Sequence[str], cuts: Cuts) -> SampleQuery:
        """The questions in the store's mapping and dialect."""

    async def segments(
        self,
        spans: Sequence[Window],
        outcomes: Sequence[Filter],
        dims: Sequence[str],
        where: Filter = ALL,
        cuts: Cuts = NO_CUTS,
    ) -> Fetched[Cube]:
        """Rows and outcome counts per combination of `dims`; null is "(null)", rare values are "(other)"."""
        mapped = await self._mapped()
        unknown = [dim for dim in dims if dim not in mapped.kinds]
        if unknown:
            raise MissingDataError(
                f"the log has no dimension {unknown[0]!r}", hint="dims: " + ", ".join(mapped.schema.dims)
            )
        tests = [where_sql(outcome, mapped.kinds, self._dialect) for outcome in outcomes]
        needed = {*dims, *(name for outcome in outcomes for name in fields_of(outcome))}
        query = SegmentQuery(
            tuple(dims), tuple(tests), self._weight(mapped.schema), mapped.kinds, self._dialect, MAX_LEAVES, cuts
        )
        query, reply, warnings = await self._cells(query, spans, where, needed)
        columns = [reply.column(f"d{i}") for i in range(len(query.dims))]
        hits = [reply.column(f"h{i}") for i in range(len(outcomes))]
        cube: Fetched[Cube] = reply.fetched(
            fold(query.dims, columns, reply.column("n"), hits, tuple(outcomes)), *warnings
        )
        return cube

    async def _cells(
        self, query: SegmentQuery, spans: Sequence[Window], where: Filter, needed: Collection[str]
    ) -> tuple[SegmentQuery, Any, list[str]]:
        """The combinations of a segment question, with fewer dims where there are too many, and what was given up."""
        warnings: list[str] = []
        while True:
            reply = await self._ask(spans, where, needed, query.cells)
            if len(reply.column("n")) <= query.max_cells * len(reply.parts):
                return query, reply, warnings
            widths = await self._ask(spans, where, set(query.dims), query.widths)
            query, warning = query.narrowed({dim: sum(widths.column(f"d{i}")) for i, dim in enumerate(query.dims)})
            if warning:
                warnings.append(warning)

    async def segment_sums(
        self, spans: Sequence[Window], value: str, dims: Sequence[str], where: Filter = ALL, cuts: Cuts = NO_CUTS
    ) -> Fetched[Sums]:
        """Rows, sum and sum of squares of a numeric field or feature per combination of `dims`."""
        mapped = await self._mapped()
        unknown = [name for name in (value, *dims) if name not in mapped.kinds]
        if unknown:
            raise MissingDataError(f"the log has no field {unknown[0]!r}")
        if mapped.kinds[value] != "number":
            raise MissingDataError(f"{value} is not a number", "", "a mean needs latency_ms, confidence or a feature")
        x = self._dialect.widened(self._dialect.ident(value))
        known = f"CASE WHEN {self._dialect.finite(x)} THEN"
        sums = (f"{known} 1 ELSE 0 END", f"{known} {x} END", f"{known} {x} * {x} END")
        weight = self._weight(mapped.schema)
        query = SegmentQuery(tuple(dims), (), weight, mapped.kinds, self._dialect, MAX_LEAVES, cuts, sums)
        query, reply, warnings = await self._cells(query, spans, where, {*dims, value})
        columns = [reply.column(f"d{i}") for i in range(len(query.dims))]
        numbers = [reply.column(f"s{i}") for i in range(3)]
        cube = fold(query.dims, columns, numbers[0], numbers[1:], (ALL, ALL))
        folded = Sums(cube.dims, cube.values, cube.codes, cube.n, cube.hits[:, 0], cube.hits[:, 1])
        fetched: Fetched[Sums] = reply.fetched(folded, *warnings)
        return fetched

    async def segment_rows(
        self,
        spans: Sequence[Window],
        outcomes: Sequence[Filter],
        dims: Sequence[str],
        where: Filter = ALL,
        cuts: Cuts = NO_CUTS,
    ) -> Fetched[CodedRows]:
        """Rows with an outcome, and some of the others, with coded dims."""
        query = await self._sample_query(outcomes, dims, cuts)
        weighed = "weight" in (await self._mapped()).schema.fields
        known = await self._rows_of_files(spans) if where == ALL and not weighed and await self._only_files() else None
        return await self._asked(where, lambda ask: sample_rows(query, spans, ask, self._aligned, known))

    async def code_names(
        self, spans: Sequence[Window], wheres: Sequence[CodedWhere], where: Filter = ALL, cuts: Cuts = NO_CUTS
    ) -> Fetched[Mapping[CodedWhere, Where]]:
        """Conjunctions of codes -> the same with the values."""
        query = await self._sample_query((), tuple(dict.fromkeys(dim for w in wheres for dim, _ in w)), cuts)
        return await self._asked(where, lambda ask: names_of(query, spans, wheres, ask))

    async def count_segments(
        self, spans: Sequence[Window], segments: Sequence[Filter], outcomes: Sequence[Filter], where: Filter = ALL
    ) -> Fetched[Floats]:
        """[S, 1 + O] rows and outcome counts of each segment."""
        query = await self._sample_query(outcomes, (), NO_CUTS)
        return await self._asked(where, lambda ask: count_exactly(query, spans, segments, ask))

    async def _asked(self, where: Filter, work: Callable[[Ask], Awaitable[T]]) -> Fetched[T]:
        """What `work` makes of its questions, with their SQL."""
        started, queries, warnings, rows = time.monotonic(), list[str](), dict[str, None](), 0

        async def ask(spans: Sequence[Window], names: Collection[str], build: Callable[[str], str]) -> Any:
            nonlocal rows
            # What these fetch is bounded, so no slices are needed.
            reply = await self._ask(spans, where, names, build, width=0)
            queries.append(reply.query)
            warnings.update(dict.fromkeys(reply.warnings))
            rows = max(rows, reply.rows)
            return reply

        value = await work(ask)
        return Fetched(value, ";\n".join(queries), time.monotonic() - started, rows, tuple(warnings))
