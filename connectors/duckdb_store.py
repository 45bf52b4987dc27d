"""The embedded log engine: DuckDB in memory over Parquet files and followed JSONL."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from analysis.view import Window
from connectors.base import MissingDataError, Schema, Watermark
from connectors.colsql import ColumnStats, read_stats, stats_sql
from connectors.coltypes import Tree, leaves, merge_types, render_type
from connectors.dialect import MICROS
from connectors.duckdb_arms import Arm, align, empty_sql, override_types, parquet_arms, segment_arms
from connectors.duckdb_dialect import DuckDbDialect
from connectors.duckdb_transport import DuckDbTransport
from connectors.labelfiles import LabelFiles
from connectors.logfiles import (
    Footers,
    LogFile,
    RowGroup,
    aligned,
    file_list,
    list_files,
    roots,
    rows_about,
    rows_inside,
)
from connectors.mapping import Layout, Mapping, infer, model_expression
from connectors.sql import Mapped, QueryError, Source, SqlStore, merge_spans
from connectors.sqlasking import Fold
from connectors.sqlpairs import pair_kinds
from connectors.sqlrows import batches
from connectors.tail import Tail
from connectors.timecolumn import TimeColumn, ticks_per_second

SAMPLE_FILES = (4, 32)
SAMPLE_BYTES = 2 * 2**20
"""The mapping is learnt from the newest files: 4, or as many as make 2 MiB, at most 32."""

SAMPLE_ROWS = 4_096
"""Rows per file. Reading only these costs half of a LIMIT, which decodes the whole row group."""

COLUMNS_PER_QUERY = 5
"""Columns that are looked at together when the mapping is learnt: memory is what the reader holds of each."""

CELLS_PER_QUERY = 40_000_000
"""Values that one statement may keep in memory: 2.5 M rows of 8 binned features, about 350 MB."""

_OUR_OWN_FAULT = ("Binder Error", "Parser Error", "Catalog Error", "Conversion Error")
"""Errors that no other set of files would cure."""


@dataclass(frozen=True, slots=True)
class _State:
    """The log as of the last look."""

    learnt: Layout
    layout: Layout
    """What was learnt, with the labels that are joined to it."""
    columns: dict[str, Tree]
    arms: tuple[Arm, ...]
    groups: dict[LogFile, tuple[RowGroup, ...]]
    notes: tuple[str, ...]


class DuckDbStore(SqlStore):
    """`LogStore` over directories, globs or files of Parquet and JSONL.

    Args:
        paths: what to read; listed again at each question, so new files are seen and vanished ones are not missed.
        mapping: expressions that override what is inferred from the columns.
        labels: files of labels by request_id, which another job delivers later; empty: labels are in the rows.
        backlog_bytes: how much of the JSONL that is already there is read, newest first (about 2.9 CPU s per GB and
            350,000 rows per CPU s).
        hot_rows: JSONL rows kept in memory; the oldest are dropped.
    """

    def __init__(
        self,
        paths: Sequence[str],
        mapping: Mapping | None = None,
        *,
        labels: Sequence[str] = (),
        name: str = "logs",
        memory_limit: str = "1GB",
        threads: int = 2,
        backlog_bytes: int = 256 * 2**20,
        hot_rows: int = 2_000_000,
    ) -> None:
        self._paths = tuple(paths)
        self._override = mapping or Mapping()
        self._scratch = Path(tempfile.mkdtemp(prefix="mltriage-"))
        # Also when the program ends without close(): the folder may hold lines of the log.
        self._remove_scratch = weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._duckdb = DuckDbTransport(roots((*self._paths, *labels)), self._scratch, memory_limit, threads)
        super().__init__(name, "files", DuckDbDialect(), self._duckdb)
        self._lock = threading.Lock()
        self._footers = Footers()
        self._tail = Tail(self._scratch, backlog_bytes, hot_rows)
        self._labels = LabelFiles(labels, self._scratch, backlog_bytes, hot_rows) if labels else None
        self._state: _State | None = None
        self._learnt_from = 0
        self._ticks: dict[tuple[str, str], int] = {}

    async def close(self) -> None:
        """Stop the threads, drop the database and the private files."""
        await super().close()
        self._remove_scratch()

    async def describe(self) -> Schema:
        """Columns, mapping, dims and features; notes name the files that are left out and why."""
        state = await self._duckdb.call(self._look)
        schema = state.layout.schema
        return replace(schema, notes=(*schema.notes, *state.notes))

    async def watermark(self) -> Watermark:
        """Newest and oldest row from Parquet statistics and from what is in memory."""
        return await self._duckdb.call(self._watermark)

    async def _mapped(self) -> Mapped:
        layout = (await self._duckdb.call(self._look)).layout
        return Mapped(layout.schema, {**layout.kinds, **pair_kinds(layout.schema, layout.kinds)})

    def _look(self, con: Any) -> _State:
        """List the files, read what is new, and map the columns again when they changed."""
        import duckdb

        with self._lock:
            while True:
                try:
                    return self._look_once(con)
                except duckdb.InterruptException:
                    raise
                except duckdb.Error as error:
                    if not self._drop_broken(con, str(error).splitlines()[0]):
                        raise

    def _look_once(self, con: Any) -> _State:
        try:
            files = list_files(self._paths)
        except MissingDataError:
            self._state = None
            raise
        self._footers.refresh([file for file in files if file.kind == "parquet"], _rows(con))
        self._tail.poll([file for file in files if file.kind != "parquet"], con)
        arms = (*parquet_arms(self._footers.good()), *segment_arms(self._tail.segments))
        notes = (*self._footers.problems(), *self._tail.notes())
        if not arms:
            self._state = None
            raise MissingDataError("no readable log file", "; ".join(notes[:3]), "wait for a complete file")
        columns: dict[str, Tree] = {}
        for arm in sorted(arms, key=lambda arm: -arm.rows):
            _merge(columns, arm.columns)
        rows = sum(arm.rows for arm in arms)
        old = self._state
        # A mapping learnt from few rows is learnt again when there are ten times as many.
        young = self._learnt_from < SAMPLE_ROWS and rows > 10 * self._learnt_from
        learnt = old.learnt if old and old.columns == columns and not young else self._learn(arms, columns, con)
        if old is None or learnt is not old.learnt:
            self._learnt_from = rows
        layout = learnt
        if self._labels is not None:
            self._labels.look(con)
            layout = self._labels.joined(learnt)
            notes = (*notes, *self._labels.notes)
        self._state = _State(learnt, layout, columns, arms, self._groups(layout, arms, con), notes)
        return self._state

    def _learn(self, arms: Sequence[Arm], columns: dict[str, Tree], con: Any) -> Layout:
        """Infer the mapping from names, types and a sample of the newest rows."""
        found = leaves(columns)
        sample = " UNION ALL ".join(
            f"(SELECT {align(arm, columns)} FROM {arm.sample(newest, SAMPLE_ROWS)})" for arm, newest in _newest(arms)
        )
        types = override_types(self._override, sample, con)
        model = model_expression(found, self._override)
        stats: dict[str, ColumnStats] = {}
        models = 0
        for names in batches(found, COLUMNS_PER_QUERY):
            part = {name: found[name] for name in names}
            answer = con.execute(f"WITH sample AS ({sample}) {stats_sql(part, 'sample', model, self._dialect)}")
            row = dict(zip((column[0] for column in answer.description), answer.fetchone(), strict=True))
            stats |= read_stats(part, row)
            models = int(row["models"] or 0)
        shown = {name: render_type(kind) for name, kind in columns.items()}
        return infer(found, shown, stats, models, self._override, types, self._dialect)

    def _time(self, layout: Layout, arm: Arm, con: Any) -> TimeColumn:
        """The time column with the type that it has in this arm."""
        time = layout.time
        kind = dict(leaves(arm.columns).values()).get(time.expression)
        if kind is None or kind == time.kind:
            return time
        if time.kind == "DOUBLE" or kind not in ("BIGINT", "INTEGER", "DOUBLE", "UBIGINT", "HUGEINT"):
            return replace(time, kind=kind)
        key = (arm.name, kind)
        if key not in self._ticks:
            largest = con.execute(f"SELECT max(abs({time.expression})) FROM {arm.relation(arm.files[-1:])}").fetchone()[
                0
            ]
            self._ticks[key] = ticks_per_second(float(largest or 0))
        return replace(time, kind=kind, ticks=self._ticks[key])

    def _groups(self, layout: Layout, arms: Sequence[Arm], con: Any) -> dict[LogFile, tuple[RowGroup, ...]]:
        found: dict[LogFile, tuple[RowGroup, ...]] = {}
        for arm in arms:
            path = next((name for name, (sql, _) in leaves(arm.columns).items() if sql == layout.time.expression), None)
            if arm.files and path is not None:
                time = self._time(layout, arm, con)
                column = path.replace(".", ", ") if path not in arm.columns else path
                found |= self._footers.groups(arm.files, column, time.kind, time.ticks, _rows(con))
        return found

    def _watermark(self, con: Any) -> Watermark:
        state = self._look(con)
        known = [group for groups in state.groups.values() for group in groups]
        ends = [group.last for group in known]
        starts = [group.first for group in known]
        for arm in state.arms:
            unknown = [file for file in arm.files if file not in state.groups]
            if arm.files and not unknown:
                continue
            micros = self._time(state.layout, arm, con).micros
            relation = arm.relation([*unknown[:1], *unknown[-1:]])
            first, last = con.execute(f"SELECT min({micros}), max({micros}) FROM {relation}").fetchone()
            if last is not None:
                starts.append(first)
                ends.append(last)
        return Watermark(max(ends) / MICROS if ends else None, min(starts) / MICROS if starts else None)

    def prelude(self, query: str) -> str:
        """JSONL rows are kept in tables of this process: elsewhere they are views of the files."""
        return self._tail.views(query)

    async def _source(self, spans: Sequence[Window], names: Collection[str]) -> Source:
        return await self._duckdb.call(lambda con: self._build_source(spans, names, con))

    def _build_source(self, spans: Sequence[Window], names: Collection[str], con: Any) -> Source:
        state = self._state
        if state is None:
            raise MissingDataError("no readable log file")
        layout = state.layout
        wanted = sorted({"model", "version", *names})
        canonical = ", ".join(f"{layout.columns[name]} AS {self._dialect.ident(name)}" for name in wanted)
        condition = f" WHERE {layout.where}" if layout.where else ""
        labels = ""
        if self._labels is not None and spans and {"label", "label_ts"} & set(wanted):
            labels = f" {self._labels.join(layout.columns['request_id'], spans[0].start)}"
        selects: list[str] = []
        parts: list[str] = []
        rows = 0
        for arm in state.arms:
            files = [file for file in arm.files if _touches(state.groups.get(file), spans)]
            if arm.files and not files:
                continue
            time = self._time(layout, arm, con)
            own = canonical.replace(f'{layout.time.micros} AS "ts"', '__micros AS "ts"')
            aligned = f"{align(arm, state.columns)}, {time.micros} AS __micros"
            inside = f"SELECT {aligned} FROM {arm.relation(files)} WHERE {time.inside(spans)}"
            selects.append(f"SELECT {own} FROM ({inside}) AS aligned{labels}{condition}")
            parts += [_part(file) for file in files] or [arm.name]
            rows += sum(
                rows_inside(groups, spans) if (groups := state.groups.get(file)) is not None else 0 for file in files
            )
            rows += 0 if arm.files else arm.rows
        sql = (
            " UNION ALL ".join(selects)
            if selects and spans
            else empty_sql({n: layout.kinds.get(n, "time") for n in wanted})
        )
        return Source(f"({sql})", rows, state.notes, tuple(parts))

    async def _slices(self, spans: Sequence[Window], width: int) -> list[list[Window]]:
        state = self._state
        if state is None:
            return [list(spans)]
        rows = [
            sum(rows_inside(groups, (span,)) for groups in state.groups.values()) + self._tail.rows for span in spans
        ]
        if sum(rows) * width <= CELLS_PER_QUERY:
            return [list(spans)]
        slices: list[list[Window]] = []
        room = 0
        for span, count in zip(spans, rows, strict=True):
            pieces = max(1, -(-count * width // CELLS_PER_QUERY))
            cuts = [span.start + span.length * i // pieces for i in range(pieces + 1)]
            for start, end in pairwise(cuts):
                cells = count * width // pieces
                if not slices or cells > room:
                    slices.append([])
                    room = CELLS_PER_QUERY
                slices[-1].append(Window(start, end))
                room -= cells
        return slices

    async def _rows_of_files(self, spans: Sequence[Window]) -> float:
        state, merged = self._state, merge_spans(spans)
        return 0.0 if state is None else sum(rows_about(groups, merged) for groups in state.groups.values())

    async def _aligned(self, blocks: Sequence[Window], spans: Sequence[Window]) -> tuple[Window, ...]:
        known = self._state.groups.values() if self._state is not None else ()
        return aligned(blocks, spans, [group for groups in known for group in groups])

    async def _only_files(self) -> bool:
        state = self._state
        if state is None or self._tail.rows or state.layout.where or "shadow" in state.layout.schema.fields:
            return False
        return all(file in state.groups for arm in state.arms for file in arm.files)

    async def _folded(self, sql: str, fold: Fold) -> Fold:
        await self._duckdb.stream(sql, fold.add)
        return fold

    async def _recovered(self, source: Source, error: QueryError) -> bool:
        """Leave out the file that the engine complains about, or see that the files have changed meanwhile."""
        return await self._duckdb.call(lambda con: self._left_out(source, error, con))

    def _left_out(self, source: Source, error: QueryError, con: Any) -> bool:
        state = self._state
        read = [file for arm in state.arms for file in arm.files if _part(file) in source.parts] if state else []
        blamed = [file for file in read if file.path in error.message]
        if not blamed and not error.message.startswith(_OUR_OWN_FAULT):
            blamed = [file for file in read if not _decodes(file, con)]
        with self._lock:
            for file in blamed:
                self._footers.fail(file, error.message)
        arms = self._look(con).arms
        present = {_part(file) for arm in arms for file in arm.files} | {arm.name for arm in arms if not arm.files}
        return not present.issuperset(source.parts)

    def _drop_broken(self, con: Any, why: str) -> bool:
        """Leave out those of the newest files that cannot be read; whether there were any."""
        broken = [file for file in _newest_files(self._footers.good()) if not _decodes(file, con)]
        for file in broken:
            self._footers.fail(file, why)
        return bool(broken)


def _part(file: LogFile) -> str:
    return f"{file.path}#{file.mtime_ns}"


def _newest_files(files: Iterable[LogFile]) -> list[LogFile]:
    newest = sorted(files, key=lambda file: -file.mtime_ns)
    fewest, most = SAMPLE_FILES
    sizes = accumulate((file.size for file in newest[:most]), initial=0)
    return [
        file for i, (file, size) in enumerate(zip(newest, sizes, strict=False)) if i < fewest or size < SAMPLE_BYTES
    ]


def _decodes(file: LogFile, con: Any) -> bool:
    """Whether every page of a Parquet file can be read. DuckDB does not always name the file that it fails on."""
    import duckdb

    try:
        con.execute(f"SELECT max(hash(COLUMNS(*))) FROM read_parquet({file_list([file])}, hive_partitioning=false)")
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return False
    return True


def _rows(con: Any) -> Any:
    return lambda sql: con.execute(sql).fetchall()


def _touches(groups: tuple[RowGroup, ...] | None, spans: Sequence[Window]) -> bool:
    return groups is None or rows_inside(groups, spans) > 0


def _merge(columns: dict[str, Tree], more: dict[str, Tree]) -> None:
    spelled = {name.lower(): name for name in columns}
    for name, kind in more.items():
        known = spelled.get(name.lower(), name)
        columns[known] = merge_types(columns[known], kind) if known in columns else kind


def _newest(arms: Sequence[Arm]) -> list[tuple[Arm, list[LogFile]]]:
    """The arms with their newest files, the last arms (in memory) included."""
    chosen = set(_newest_files(file for arm in arms for file in arm.files))
    shares = [(arm, [file for file in arm.files if file in chosen]) for arm in arms]
    tables = [share for share in shares if not share[0].files][-SAMPLE_FILES[0] :]
    return [share for share in shares if share[1]] + tables
