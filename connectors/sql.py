"""`LogStore` over any SQL engine: typed questions become one SELECT over canonical columns each.

A store says which rows to read (`_source`) and how its columns map (`_mapped`); the questions, the filters and the
evidence are the same for all engines.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from analysis.evidence import (
    NULL_TEXT,
    OTHER,
    ErrorCounts,
    Fetched,
    Labels,
    NumericBins,
    Pairs,
    Repeats,
    Traffic,
)
from analysis.filters import ALL, Filter, Scalar, conjunction, fields_of
from analysis.view import Window
from connectors.base import By, MissingDataError, Schema, SourceError, Watermark
from connectors.dialect import MICROS, Dialect
from connectors.sqlasking import Fold
from connectors.sqlcut import Cuts
from connectors.sqlerrors import COLUMNS as ERROR_COLUMNS
from connectors.sqlerrors import ErrorQuery
from connectors.sqlfeatures import FeatureQuestions
from connectors.sqlfilter import Kind, text_of, where_sql
from connectors.sqllabels import FIELDS as LABEL_FIELDS
from connectors.sqllabels import LabelQuery
from connectors.sqlpairs import SERVED, PairQuery, pair_kinds, pairs_sql, rows_behind, widened
from connectors.sqlrepeats import NAMES as REPEAT_NAMES
from connectors.sqlrepeats import RepeatQuery
from connectors.sqlrows import (
    LATENCY_EDGES_MS,
    Columns,
    Grid,
    floats,
    latency_bin_sql,
    plain,
)
from connectors.sqlsample import SampleQuery
from connectors.sqlsegments import SegmentQuestions

if TYPE_CHECKING:
    from analysis.evidence import Floats


class Transport(Protocol):
    """Runs SQL text and returns whole columns; cancelling the task stops the statement."""

    async def run(self, sql: str) -> Columns:
        """Column name -> values. Raises SourceError."""
        ...

    async def cancel(self) -> None:
        """Stop every statement that is running."""
        ...

    async def close(self) -> None:
        """Release the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Mapped:
    """The schema and what kind of value each canonical name holds."""

    schema: Schema
    kinds: Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class Source:
    """A FROM item with the canonical columns of the rows of some spans (`ts` in microseconds)."""

    sql: str
    rows: int
    """Upper bound from statistics, 0 when the engine knows none."""
    warnings: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    """Files or tables that are read."""


class QueryError(SourceError):
    """The engine refused a statement; it may succeed when the source is read anew (`_recovered`)."""


@dataclass(frozen=True, slots=True)
class _Reply:
    parts: tuple[Columns, ...]
    folds: tuple[Fold, ...]
    query: str
    elapsed_s: float
    rows: int
    warnings: tuple[str, ...]

    def column(self, name: str) -> list[Any]:
        """One column over all parts, null as None."""
        return [value for part in self.parts for value in plain(part[name])]

    def numbers(self, name: str) -> Floats:
        """One numeric column over all parts, null as 0."""
        import numpy as np

        return np.concatenate([floats(part[name]) for part in self.parts])

    def fetched(self, value: Any, *warnings: str) -> Fetched[Any]:
        return Fetched(value, self.query, self.elapsed_s, self.rows, (*self.warnings, *warnings))


class SqlStore(SegmentQuestions, FeatureQuestions):
    """All questions of `LogStore`. Subclasses provide the mapping, the rows and the watermark."""

    def __init__(self, name: str, kind: str, dialect: Dialect, transport: Transport) -> None:
        self.name = name
        self.kind = kind
        self._dialect = dialect
        self._transport = transport

    @abstractmethod
    async def _source(self, spans: Sequence[Window], names: Collection[str]) -> Source:
        """Rows of the (merged, ascending) spans with the canonical columns `names`."""

    @abstractmethod
    async def watermark(self) -> Watermark:
        """The newest and the oldest row."""

    async def _slices(self, spans: Sequence[Window], width: int) -> list[list[Window]]:
        """The spans cut into what one statement may read when `width` columns are kept in memory."""
        return [list(spans)]

    async def _recovered(self, source: Source, error: QueryError) -> bool:
        """Whether the same question is worth asking again, because what it reads has changed since."""
        return False

    async def describe(self) -> Schema:
        """Columns, mapping, dims and features."""
        return (await self._mapped()).schema

    async def condition(self, where: Filter) -> str:
        """The filter as SQL over the canonical columns."""
        return where_sql(where, (await self._mapped()).kinds, self._dialect)

    def prelude(self, query: str) -> str:
        """Statements that must run before its query runs elsewhere; none where its tables are the user's."""
        return ""

    async def cancel(self) -> None:
        """Stop what is running; the questions that waited for it raise SourceError."""
        await self._transport.cancel()

    async def close(self) -> None:
        """Release the engine."""
        await self._transport.close()

    async def series(
        self, spans: Sequence[Window], step: int, where: Filter = ALL, by: By | None = None
    ) -> Fetched[Traffic]:
        """Requests, errors and latency per bucket by (model, version), or by (model, value of `by`)."""
        d, schema = self._dialect, (await self._mapped()).schema
        has_latency, has_errors = "latency_ms" in schema.fields, "error_type" in schema.fields
        latency = d.ident("latency_ms")
        weight = self._weight(schema)
        bin_sql = latency_bin_sql(latency, d) if has_latency else "0"
        second = "version" if by is None else await self._told_apart(by)
        errors = f"sum(CASE WHEN {d.ident('error_type')} IS NOT NULL THEN {weight} ELSE 0 END)" if has_errors else "0"
        total = f"sum(CASE WHEN {d.finite(latency)} THEN {latency} * {weight} ELSE 0 END)" if has_latency else "0"

        def build(relation: str) -> str:
            return (
                f"SELECT {d.bucket(d.ident('ts'), step)} AS t, model, {second} AS second, {bin_sql} AS bin, "
                f"{self._count(schema)} AS n, {errors} AS errors, {total} AS total "
                f"FROM {relation} AS logs GROUP BY 1, 2, 3, 4"
            )

        names = {
            "model",
            "version" if by is None else by.field,
            *(["latency_ms"] * has_latency),
            *(["error_type"] * has_errors),
        }
        reply = await self._ask(spans, where, names, build)
        grid = Grid(reply.numbers("t"), (reply.column("model"), reply.column("second")), step)
        n = reply.numbers("n")
        histogram = None
        if has_latency:
            histogram = grid.histogram(NumericBins(LATENCY_EDGES_MS), reply.numbers("bin"), n, reply.numbers("total"))
        counted = grid.counts(reply.numbers("errors")) if has_errors else None
        traffic: Fetched[Traffic] = reply.fetched(Traffic(grid.counts(n), counted, histogram))
        return traffic

    async def _told_apart(self, by: By) -> str:
        """SQL: the value of `by`, with everything that is not listed as OTHER."""
        d, mapped = self._dialect, await self._mapped()
        if by.field not in mapped.kinds:
            raise MissingDataError(f"the log has no {by.field!r}", hint="dims: " + ", ".join(mapped.schema.dims))
        value = d.ident(by.field) if mapped.kinds[by.field] == "text" else d.as_text(d.ident(by.field))
        listed = ", ".join(d.text(label) for label in by.values if label != NULL_TEXT)
        null = NULL_TEXT if NULL_TEXT in by.values else OTHER
        kept = f" WHEN {value} IN ({listed}) THEN {value}" if listed else ""
        return f"CASE WHEN {value} IS NULL THEN {d.text(null)}{kept} ELSE {d.text(OTHER)} END"

    async def errors(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[ErrorCounts | None]:
        """Errors per bucket by (model, error type, template), with first occurrence and one message of each."""
        schema = (await self._mapped()).schema
        fields = schema.fields
        if "error_type" not in fields:
            return Fetched(None, "")
        typed = fields["error_type"] != fields.get("error_template")
        query = ErrorQuery(step, self._count(schema), "error_template" in fields, typed, self._dialect)
        reply = await self._ask(spans, where, query.names, query.sql)
        value: Fetched[ErrorCounts | None] = reply.fetched(
            query.counts({name: reply.column(name) for name in ERROR_COLUMNS})
        )
        return value

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
        """Predictions per bucket by (model,) or (model, value of `by`), by score band and delay of their label."""
        mapped = await self._mapped()
        fields = mapped.schema.fields.keys()
        if not fields >= LABEL_FIELDS:
            return Fetched(None, "")
        query = LabelQuery(
            step, tuple(scores), tuple(delays), known_at, mapped.kinds, frozenset(fields),
            self._weight(mapped.schema), self._dialect, "" if by is None else await self._told_apart(by),
        )  # fmt: skip
        names = query.names if by is None else query.names | {by.field}
        reply = await self._ask(spans, where, names, query.sql)
        untimed = () if "label_ts" in fields else ("label times are not logged: each counts as come with its row",)
        value: Fetched[Labels | None] = reply.fetched(
            query.labels({name: reply.column(name) for name in query.columns}), *untimed
        )
        return value

    async def agreement(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[Pairs | None]:
        """Requests that a shadow version answered too, per bucket, model and pair of versions."""
        mapped = await self._mapped()
        if "shadow_prediction" not in pair_kinds(mapped.schema, mapped.kinds):
            return Fetched(None, "")
        fields = frozenset(mapped.schema.fields)
        query = PairQuery(step, mapped.kinds, fields, self._weight(mapped.schema), self._dialect)
        reply = await self._ask(spans, where, query.names, query.sql, width=len(query.names))
        columns = ("kind", "t", "model", "live", "shadow", "bin", *query.measures)
        value: Fetched[Pairs | None] = reply.fetched(query.pairs({name: reply.column(name) for name in columns}))
        return value

    async def repeats(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[Repeats | None]:
        """Rows and those whose request id came before in the same bucket, by model; never those of a shadow version."""
        schema = (await self._mapped()).schema
        if "request_id" not in schema.fields:
            return Fetched(None, "")
        if "shadow" in schema.fields:
            where = conjunction(where, SERVED)
        bound = (await self._source(merge_spans(spans), REPEAT_NAMES)).rows
        query = RepeatQuery(step, bound, self._dialect)
        # In slices a bucket could be cut in two, and with it an id from its repeat.
        reply = await self._ask(spans, where, REPEAT_NAMES, query.sql, width=0)
        columns = ("t", "model", "n", "ids")
        value: Fetched[Repeats | None] = reply.fetched(query.repeats({name: reply.column(name) for name in columns}))
        return value

    async def top_values(
        self, spans: Sequence[Window], field: str, where: Filter = ALL, limit: int = 20
    ) -> Fetched[tuple[tuple[str, float], ...]]:
        """The most frequent values of a field, dim or feature; null is "(null)"."""
        mapped = await self._mapped()
        if field not in mapped.kinds:
            raise MissingDataError(f"the log has no field {field!r}", hint="fields: " + ", ".join(sorted(mapped.kinds)))
        count, name = self._count(mapped.schema), self._dialect.ident(field)

        def build(relation: str) -> str:
            return (
                f"SELECT {name} AS v, {count} AS n FROM {relation} AS logs GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {limit}"
            )

        reply = await self._ask(spans, where, {field}, build, width=0)
        labels = ["(null)" if value is None else text_of(value) for value in reply.column("v")]
        rows = zip(labels, floats(reply.column("n")).tolist(), strict=True)
        value: Fetched[tuple[tuple[str, float], ...]] = reply.fetched(tuple(rows))
        return value

    async def records(
        self, spans: Sequence[Window], where: Filter = ALL, limit: int = 50
    ) -> Fetched[tuple[Mapping[str, Scalar | None], ...]]:
        """The newest matching rows with every field, dim and feature; `ts` in unix seconds.

        The age of the oldest wanted row is found first from `ts` alone, so that the wide columns are read for few rows.
        """
        mapped, ts = await self._mapped(), self._dialect.ident("ts")
        schema = mapped.schema
        if limit < 1:
            return Fetched((), "")
        paired = sorted(fields_of(where) & pair_kinds(schema, mapped.kinds).keys())
        names = [*schema.fields, *paired, *schema.dims, *(feature.name for feature in schema.features)]

        def newest(columns: str, condition: str = "") -> Callable[[str], str]:
            return lambda relation: (
                f"SELECT {columns} FROM {relation} AS logs {condition} ORDER BY {ts} DESC LIMIT {limit}"
            )

        found = await self._ask(spans, where, set(), newest(f"{ts} AS ts"), width=0)
        times = found.column("ts")
        if not times:
            empty: Fetched[tuple[Mapping[str, Scalar | None], ...]] = found.fetched(())
            return empty
        oldest = min(times)
        inside = [Window(max(w.start, oldest // MICROS), w.end) for w in spans if w.end * MICROS > oldest]
        columns = ", ".join(f"{self._dialect.ident(name)} AS c{i}" for i, name in enumerate(names))
        reply = await self._ask(inside, where, set(names), newest(columns, f"WHERE {ts} >= {oldest}"), width=0)
        listed = [reply.column(f"c{i}") for i in range(len(names))]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*listed, strict=True)]
        for row in rows:
            row["ts"] = row["ts"] / MICROS
        value: Fetched[tuple[Mapping[str, Scalar | None], ...]] = reply.fetched(tuple(rows))
        return value

    async def _ask(
        self,
        spans: Sequence[Window],
        where: Filter,
        names: Collection[str],
        build: Callable[[str], str],
        width: int = 1,
        fold: Callable[[], Fold] | None = None,
    ) -> _Reply:
        mapped = await self._mapped()
        needed = {"ts", *names, *fields_of(where), *({"weight"} & mapped.schema.fields.keys())}
        paired = needed & pair_kinds(mapped.schema, mapped.kinds).keys()
        if not paired and "shadow" in mapped.schema.fields and "shadow" not in fields_of(where):
            where, needed = conjunction(where, SERVED), {*needed, "shadow"}
        condition = where_sql(where, mapped.kinds, self._dialect)
        merged = merge_spans(widened(spans) if paired else spans)
        slices = await self._slices(merged, width) if width else [merged]
        started = time.monotonic()
        parts: list[Columns] = []
        folds: list[Fold] = []
        queries, rows, warnings = [], 0, dict[str, None]()
        for piece in slices:
            while True:
                source = await self._source(piece, rows_behind(needed) if paired else needed)
                rows_sql = source.sql
                if paired:
                    rows_sql = pairs_sql(rows_sql, merge_spans(spans), needed - paired, paired, self._dialect)
                sql = build(f"(SELECT * FROM {rows_sql} AS rows_read WHERE {condition})")
                try:
                    if fold is None:
                        parts.append(await self._transport.run(sql))
                    else:
                        folds.append(await self._folded(sql, fold()))
                    break
                except QueryError as error:
                    if not await self._recovered(source, error):
                        raise
            queries.append(sql)
            rows += source.rows
            warnings.update(dict.fromkeys(source.warnings))
        elapsed = time.monotonic() - started
        return _Reply(tuple(parts), tuple(folds), ";\n".join(queries), elapsed, rows, tuple(warnings))

    async def _folded(self, sql: str, fold: Fold) -> Fold:
        """The fold with every row of a statement."""
        fold.add(await self._transport.run(sql))
        return fold

    async def _sample_query(self, outcomes: Sequence[Filter], dims: Sequence[str], cuts: Cuts) -> SampleQuery:
        mapped = await self._mapped()
        weight = self._weight(mapped.schema)
        return SampleQuery(tuple(outcomes), tuple(dims), weight, mapped.kinds, self._dialect, cuts)

    def _count(self, schema: Schema) -> str:
        return f"sum({self._weight(schema)})" if "weight" in schema.fields else "count(*)"


def merge_spans(spans: Sequence[Window]) -> list[Window]:
    """Disjoint ascending windows that cover the same seconds."""
    merged: list[Window] = []
    for span in sorted((span for span in spans if span.length > 0), key=lambda span: span.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged
