"""The part of `SqlStore` that answers the questions of a sampled segment search."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from analysis.evidence import CodedRows, Fetched
from analysis.filters import ALL, Filter
from analysis.view import Window
from connectors.sqlcut import NO_CUTS, Cuts
from connectors.sqlsample import Ask, CodedWhere, SampleQuery, Where, count_exactly, names_of, sample_rows

if TYPE_CHECKING:
    from analysis.evidence import Floats

T = TypeVar("T")


class SegmentQuestions(ABC):
    """Sample, names and exact counts; the store provides the rows."""

    @abstractmethod
    async def _sample_query(self, outcomes: Sequence[Filter], dims: Sequence[str], cuts: Cuts) -> SampleQuery:
        """The questions in the store's mapping and dialect."""

    @abstractmethod
    async def _ask(
        self,
        spans: Sequence[Window],
        where: Filter,
        names: Collection[str],
        build: Callable[[str], str],
        width: int = 1,
    ) -> Any:
        """Run one question."""

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
        return await self._asked(where, lambda ask: sample_rows(query, spans, ask))

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
