"""Inference logs in ClickHouse: one table or view with a row per request."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analysis.view import Window
from connectors.base import MissingDataError, RejectedError, Watermark
from connectors.clickhouse_dialect import ClickHouseDialect
from connectors.clickhouse_transport import ClickHouseTransport
from connectors.clickhouse_types import read_as
from connectors.colsql import ColumnStats, Leaves, read_stats, stats_sql
from connectors.coltypes import family
from connectors.dialect import MICROS
from connectors.http import Access
from connectors.mapping import Layout, find_fields, infer, model_expression
from connectors.mapping import Mapping as Override
from connectors.sql import Mapped, QueryError, Source, SqlStore
from connectors.sqlpairs import pair_kinds
from connectors.sqlrows import batches, plain
from connectors.timecolumn import TimeColumn, ticks_per_second

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 30.0
"""What one statement may take unless it is said otherwise."""

LOOK_EVERY_S = 60.0
"""How often the columns of the table are asked for again."""

OLDEST_EVERY_S = 3_600.0
"""How often the oldest row is looked for again: a TTL moves it, and without an index it costs a scan of one column."""

SAMPLE_ROWS = 20_000
SAMPLE_S = 3_600
"""The mapping is learnt from up to so many rows of the last hour of data."""

COLUMNS_PER_QUERY = 40
"""Columns that are looked at together when the mapping is learnt."""

_FOREVER = 4_000_000_000
"""The year 2096, in unix seconds."""

_DIALECT = ClickHouseDialect()


@dataclass(frozen=True, slots=True)
class _State:
    """The table as of the last look."""

    layout: Layout
    columns: Mapping[str, str]
    """Column -> ClickHouse's type."""
    sample: str
    """FROM item of the rows that the mapping was learnt from."""
    rows: int
    """How many they were."""


class ClickHouseStore(SqlStore):
    """`LogStore` over a table, a view or a distributed table, read through the HTTP interface.

    Args:
        url: http://host:8123 or https://host:8443, with the path of a proxy.
        table: `table` or `database.table`; without a database, that of the user.
        mapping: expressions that override what is inferred from the columns.
        access: certificates, and the headers that hold user and key.
        timeout_s: what one statement may take, here and on the server.
    """

    def __init__(
        self,
        url: str,
        table: str,
        mapping: Override | None = None,
        *,
        access: Access | None = None,
        name: str = "logs",
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            name, "clickhouse", _DIALECT, ClickHouseTransport(url, access, timeout_s=timeout_s, transport=transport)
        )
        self._table = ".".join(_DIALECT.ident(part) for part in table.split(".", 1))
        self._override = mapping or Override()
        self._clock = clock
        self._looking = asyncio.Lock()
        self._state: _State | None = None
        self._looked = 0.0
        self._newest: int | None = None
        self._oldest: tuple[float, int] | None = None
        """When it was asked for, and the time of the row in microseconds."""

    async def watermark(self) -> Watermark:
        """Newest and oldest row; the newest is looked for from the last one on."""
        layout = (await self._look()).layout
        condition = f"({layout.where})" if layout.where else "TRUE"
        if self._newest is not None:
            later = layout.time.inside((Window(self._newest // MICROS, _FOREVER),))
            condition = f"{later} AND {condition}"
        found = await self._micros(layout.time.extreme("max"), condition)
        self._newest = self._newest if found is None else found
        if self._newest is None:
            return Watermark(None, None)
        now = self._clock()
        if self._oldest is None or now - self._oldest[0] > OLDEST_EVERY_S:
            # Whatever `where` says: without it the first row of a table that is sorted by time is known at once.
            oldest = await self._micros(layout.time.extreme("min"), "TRUE")
            self._oldest = (now, self._newest if oldest is None else oldest)
        return Watermark(self._newest / MICROS, self._oldest[1] / MICROS)

    async def _micros(self, expression: str, condition: str) -> int | None:
        answer = await self._transport.run(f"SELECT {expression} AS t FROM {self._table} WHERE {condition}")
        found: int | None = next(iter(plain(answer["t"])), None)
        return found

    async def _mapped(self) -> Mapped:
        layout = (await self._look()).layout
        return Mapped(layout.schema, {**layout.kinds, **pair_kinds(layout.schema, layout.kinds)})

    async def _source(self, spans: Sequence[Window], names: Collection[str]) -> Source:
        layout = (await self._look()).layout
        wanted = sorted({"model", "version", *names})
        if gone := [name for name in wanted if name not in layout.columns]:
            raise MissingDataError(
                f"the log has no field {gone[0]!r} any more", hint="the table was altered: ask again"
            )
        columns = ", ".join(f"{layout.columns[name]} AS {_DIALECT.ident(name)}" for name in wanted)
        condition = f" AND ({layout.where})" if layout.where else ""
        return Source(f"(SELECT {columns} FROM {self._table} WHERE {layout.time.inside(spans)}{condition})", 0)

    async def _recovered(self, source: Source, error: QueryError) -> bool:
        """Never for this question, which names the columns of before; the next one looks at the table again."""
        self._looked = -math.inf
        return False

    async def _look(self) -> _State:
        """Ask for the columns from time to time, and map them again when they have changed."""
        async with self._looking:
            state = self._state
            if state is not None and self._clock() - self._looked < LOOK_EVERY_S:
                return state
            columns = await self._columns()
            if state is None or state.columns != columns or await self._grown(state):
                state = await self._learn(columns)
            self._state, self._looked = state, self._clock()
            return state

    async def _columns(self) -> dict[str, str]:
        answer = await self._transport.run(f"DESCRIBE TABLE {self._table}")
        listed = zip(answer["name"], answer["type"], answer["default_type"], strict=True)
        return {name: kind for name, kind, default in listed if default != "EPHEMERAL"}

    async def _grown(self, state: _State) -> bool:
        """A mapping learnt from few rows is learnt again when there are ten times as many."""
        return state.rows < SAMPLE_ROWS // 10 and await self._rows(state.sample) > 10 * state.rows

    async def _rows(self, relation: str) -> int:
        answer = await self._transport.run(f"SELECT count(*) AS n FROM {relation}")
        return int(answer["n"][0])

    async def _learn(self, columns: Mapping[str, str]) -> _State:
        """Infer the mapping from names, types and some of the newest rows."""
        leaves = {name: read_as(_DIALECT.ident(name), kind) for name, kind in columns.items()}
        override, types = await self._typed()
        sample = await self._recent(leaves, override, types)
        model = model_expression(leaves, override)
        stats: dict[str, ColumnStats] = {}
        models = 0
        for names in batches(leaves, COLUMNS_PER_QUERY):
            part = {name: leaves[name] for name in names}
            answer = await self._transport.run(stats_sql(part, sample, model, _DIALECT))
            row = {name: plain(values)[0] for name, values in answer.items()}
            stats |= read_stats(part, row)
            models = int(row["models"] or 0)
        layout = infer(leaves, columns, stats, models, override, types, _DIALECT)
        version = (await self._transport.run("SELECT version() AS v"))["v"][0]
        schema = replace(layout.schema, notes=(f"ClickHouse {version}", *layout.schema.notes))
        return _State(replace(layout, schema=schema), columns, sample, await self._rows(sample))

    async def _typed(self) -> tuple[Override, dict[str, str]]:
        """The expressions of the configuration as values, and the type of each.

        Raises:
            RejectedError: an expression is not valid over the columns of the table.
        """
        given = self._override
        named = [*given.named()]
        if given.where:
            named.append(("where", given.where))
        try:
            stored = await self._types([expression for _, expression in named])
        except QueryError:
            for name, expression in named:
                try:
                    await self._types([expression])
                except QueryError as error:
                    raise RejectedError(
                        f"mapping of {name!r} is not valid", error.message, f"expression: {expression}"
                    ) from error
            raise
        read = {e: read_as(e, kind) for (_, e), kind in zip(named, stored, strict=True)}
        fields, dims, features, dependencies = (
            {name: read[expression][0] for name, expression in part.items()}
            for part in (given.fields, given.dims, given.features, given.dependencies)
        )
        return Override(fields, dims, features, given.where, dependencies), dict(read.values())

    async def _types(self, expressions: Sequence[str]) -> list[str]:
        if not expressions:
            return []
        items = ", ".join(f"{expression} AS x{i}" for i, expression in enumerate(expressions))
        answer = await self._transport.run(f"DESCRIBE (SELECT {items} FROM {self._table})")
        return list(answer["type"])

    async def _recent(self, leaves: Leaves, override: Override, types: Mapping[str, str]) -> str:
        """A FROM item with some rows of the last hour of data; with any rows where the time is written as text."""
        column = find_fields(leaves).get("ts")
        expression, kind = leaves[column] if column is not None else ("", "")
        if "ts" in override.fields:
            expression = override.fields["ts"]
            kind = types[expression]
        condition, ticks = "TRUE", 1
        if family(kind) == "number":
            answer = await self._transport.run(
                f"SELECT max(abs({_DIALECT.widened(expression)})) AS x FROM {self._table}"
            )
            ticks = ticks_per_second(float(plain(answer["x"])[0] or 0))
        if family(kind) in ("number", "time"):
            time_column = TimeColumn(expression, kind, _DIALECT, ticks)
            last = await self._micros(time_column.extreme("max"), "TRUE")
            if last is not None:
                end = last // MICROS + 1
                condition = time_column.inside((Window(end - SAMPLE_S, end),))
        if override.where:
            condition = f"{condition} AND ({override.where})"
        names = ", ".join(map(_DIALECT.ident, leaves))
        return f"(SELECT {names} FROM {self._table} WHERE {condition} LIMIT {SAMPLE_ROWS})"
