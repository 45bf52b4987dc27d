"""JSONL files followed by (inode, offset) into in-memory tables of explicit types.

A chunk of whole lines is written to a private file, read with every leaf as text (so that no value can fail a line) and
cast into the table. 3,433 lines cost 15 ms of CPU this way; one parameterised insert per line costs 500 times as much.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.coltypes import Tree, leaves, merge_types, quote, render_type
from connectors.logfiles import LogFile

CHUNK_BYTES = 32 * 2**20
HEAD_BYTES = 64
SNIFF_LINES = 200
SEGMENT_ROWS = 250_000
TOLERATED_LOSS = 0.01
"""Share of unreadable values of a column above which its type is widened."""

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


@dataclass(slots=True)
class _Followed:
    offset: int
    head: bytes
    skipped: int = 0


@dataclass(slots=True)
class Segment:
    """One in-memory table of rows that arrived one after the other."""

    table: str
    columns: dict[str, Tree]
    rows: int = 0


@dataclass(slots=True)
class Tail:
    """All followed JSONL files of one log.

    `backlog_bytes` bounds what is read of files that are already there at the start (newest bytes first), `max_rows`
    what is kept. Not safe for concurrent calls.
    """

    folder: Path
    backlog_bytes: int
    max_rows: int
    table: str = "hot"
    """What the names of its tables begin with."""
    segments: list[Segment] = field(default_factory=list)
    columns: dict[str, Tree] = field(default_factory=dict)
    bad_lines: int = 0
    dropped_rows: int = 0
    _files: dict[int, _Followed] = field(default_factory=dict)
    _made: int = 0
    _problems: dict[str, str] = field(default_factory=dict)
    _paths: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows in memory."""
        return sum(segment.rows for segment in self.segments)

    def notes(self) -> list[str]:
        """What the reader must know: lines left out, rows dropped, history not read."""
        skipped = sum(file.skipped for file in self._files.values())
        notes = [f"{path}: {why}" for path, why in self._problems.items()]
        if self.bad_lines:
            notes.append(f"{self.bad_lines:,} JSONL lines are left out: not JSON objects")
        if skipped:
            notes.append(f"{skipped / 2**20:,.0f} MiB of older JSONL are not read; Parquet has no such limit")
        if self.dropped_rows:
            notes.append(f"JSONL keeps the newest {self.max_rows:,} rows; {self.dropped_rows:,} older ones are dropped")
        return notes

    def poll(self, files: Sequence[LogFile], con: Any) -> None:
        """Take in what was appended since the last call. A last line without its newline is left for the next one."""
        self._problems = {}
        self._paths = tuple(file.path for file in files)
        seen = {file.inode for file in files}
        self._files = {inode: file for inode, file in self._files.items() if inode in seen}
        budget = self.backlog_bytes
        for file in reversed(files):
            if file.inode not in self._files:
                budget -= self._start(file, budget)
        for file in files:
            try:
                for chunk, offset in self._chunks(file):
                    self._ingest(chunk, con)
                    self._files[file.inode].offset = offset
            except (OSError, EOFError) as error:
                self._problems[file.path] = f"{getattr(error, 'strerror', None) or error}"
        while len(self.segments) > 1 and self.rows - self.segments[0].rows >= self.max_rows:
            oldest = self.segments.pop(0)
            self.dropped_rows += oldest.rows
            con.execute(f"DROP TABLE {oldest.table}")

    def _start(self, file: LogFile, budget: int) -> int:
        """Place the offset of a new file so that at most `budget` bytes are read; returns what will be read."""
        if file.kind == "jsonl.gz":
            whole = file.size <= max(budget, 0)
            self._files[file.inode] = _Followed(0 if whole else file.size, b"", 0 if whole else file.size)
            return file.size if whole else 0
        offset = 0
        try:
            with Path(file.path).open("rb") as data:
                head = data.read(HEAD_BYTES)
                if file.size > budget:
                    data.seek(max(0, file.size - max(budget, 0)))
                    data.readline()
                    offset = data.tell()
        except OSError as error:
            self._problems[file.path] = error.strerror or str(error)
            return 0
        self._files[file.inode] = _Followed(offset, head, offset)
        return max(0, file.size - offset)

    def _chunks(self, file: LogFile) -> Iterator[tuple[bytes, int]]:
        followed = self._files.get(file.inode)
        if followed is None or followed.offset == file.size:
            return
        if file.kind == "jsonl.gz":
            if followed.offset:
                return
            with gzip.open(file.path) as packed:
                # A first pass finds a half-written archive before any of its rows are taken in.
                while packed.read(CHUNK_BYTES):
                    pass
                packed.seek(0)
                rest = b""
                while block := packed.read(CHUNK_BYTES):
                    lines, newline, rest = (rest + block).rpartition(b"\n")
                    yield lines + newline, 0
                yield rest, file.size
            return
        with Path(file.path).open("rb") as data:
            head = data.read(HEAD_BYTES)
            if file.size < followed.offset or not head.startswith(followed.head[: len(head)]):
                followed.offset = followed.skipped = 0
            followed.head = head
            data.seek(followed.offset)
            offset = followed.offset
            while block := data.read(CHUNK_BYTES):
                lines, newline, rest = block.rpartition(b"\n")
                if not newline and len(block) < CHUNK_BYTES:
                    return
                if not newline:
                    self.bad_lines += 1
                    offset += len(block)
                    yield b"", offset
                    continue
                offset += len(lines) + 1
                yield lines + newline, offset
                if not rest:
                    continue
                data.seek(offset)

    def _ingest(self, chunk: bytes, con: Any) -> None:
        if not chunk.strip():
            return
        self.columns = _merged(self.columns, sniff(chunk))
        if not self.columns:
            self.bad_lines += chunk.count(b"\n")
            return
        path = self.folder / "chunk.jsonl"
        path.write_bytes(chunk)
        try:
            con.execute(f"CREATE OR REPLACE TEMP TABLE stage AS SELECT * FROM {self._json([str(path)])}")
        finally:
            path.unlink()
        self._widen(con)
        total, good = con.execute(f"SELECT count(*), count_if({self._some}) FROM stage").fetchone()
        self.bad_lines += total - good
        if good:
            self._store(f"SELECT {self._values} FROM stage WHERE {self._some}", good, con)

    def views(self, query: str) -> str:
        """Statements after which a query over these tables runs in another DuckDB, from the files themselves."""
        named = [segment.table for segment in self.segments if re.search(rf"\b{segment.table}\b", query)]
        rows = f"SELECT {self._values} FROM {self._json(self._paths)} WHERE {self._some}" if named else ""
        # The first view has the rows of all files, so that each is counted once.
        rest = ["", *(" LIMIT 0" for _ in named[1:])]
        return "".join(
            f"CREATE OR REPLACE TEMP VIEW {table} AS {rows}{none};\n" for table, none in zip(named, rest, strict=False)
        )

    def _json(self, paths: Sequence[str]) -> str:
        """FROM item over JSONL files, with the columns known so far; nested ones as text."""
        texts = {name: _as_text(kind) for name, kind in self.columns.items()}
        spec = ", ".join(f"'{_escaped(name)}': '{_escaped(render_type(kind))}'" for name, kind in texts.items())
        listed = ", ".join(f"'{_escaped(path)}'" for path in paths)
        return (
            f"read_json([{listed}], format='newline_delimited', ignore_errors=true, "
            f"maximum_object_size={CHUNK_BYTES}, columns={{{spec}}})"
        )

    @property
    def _values(self) -> str:
        return ", ".join(f"{_cast(quote(name), kind)} AS {quote(name)}" for name, kind in self.columns.items())

    @property
    def _some(self) -> str:
        """What is no JSON object comes back as a row of nulls: the condition for the others."""
        return " OR ".join(f"{quote(name)} IS NOT NULL" for name in self.columns)

    def _store(self, rows: str, count: int, con: Any) -> None:
        last = self.segments[-1] if self.segments else None
        if last is not None and last.columns == self.columns and last.rows + count <= SEGMENT_ROWS:
            con.execute(f"INSERT INTO {last.table} {rows}")
            last.rows += count
            return
        self._made += 1
        table = f"{self.table}_{self._made}"
        con.execute(f"CREATE TABLE {table} AS {rows}")
        self.segments.append(Segment(table, dict(self.columns), count))

    def _widen(self, con: Any) -> None:
        """Give a wider type to the columns whose values in `stage` their type cannot hold."""
        typed = {name: leaf for name, leaf in leaves(self.columns).items() if leaf[1] != "VARCHAR"}
        if not typed:
            return
        checks = []
        for expression, kind in typed.values():
            held = f"TRY_CAST({expression} AS {kind})"
            if kind == "BIGINT":
                # A cast of '1.5' to BIGINT rounds instead of failing.
                held = f"CASE WHEN CAST({held} AS DOUBLE) = TRY_CAST({expression} AS DOUBLE) THEN 1 END"
            checks += [f"count({expression})", f"count({held})", f"count(TRY_CAST({expression} AS DOUBLE))"]
        counts = con.execute(f"SELECT {', '.join(checks)} FROM stage").fetchone()
        for i, (name, (_, kind)) in enumerate(typed.items()):
            filled, held, numbers = counts[3 * i : 3 * i + 3]
            if kind == "BIGINT" and held < filled and numbers >= filled * (1 - TOLERATED_LOSS):
                _replace(self.columns, name, "DOUBLE")
            elif held < filled * (1 - TOLERATED_LOSS):
                _replace(self.columns, name, "VARCHAR")


def sniff(chunk: bytes) -> dict[str, Tree]:
    """Columns and types of a chunk of lines, from at most `SNIFF_LINES` lines spread over it."""
    lines = chunk.splitlines()
    samples: dict[str, list[Any]] = {}
    for line in lines[:: max(1, len(lines) // SNIFF_LINES)]:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            for name, value in row.items():
                samples.setdefault(name, []).append(value)
    return _types(samples)


def _types(samples: dict[str, list[Any]], depth: int = 0) -> dict[str, Tree]:
    found: dict[str, Tree] = {}
    spelled: set[str] = set()
    for name, values in samples.items():
        filled = [value for value in values if value is not None]
        # SQL names ignore case: of keys that differ only in case the first one is kept.
        if name and filled and name.lower() not in spelled:
            spelled.add(name.lower())
            found[name] = _type(filled, depth)
    return found


def _type(values: list[Any], depth: int) -> Tree:
    objects = [value for value in values if isinstance(value, dict)]
    if objects and len(objects) == len(values) and depth < 3:
        nested: dict[str, list[Any]] = {}
        for value in objects:
            for name, child in value.items():
                nested.setdefault(name, []).append(child)
        return _types(nested, depth + 1) or "VARCHAR"
    if all(isinstance(value, bool) for value in values):
        return "BOOLEAN"
    if all(isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 for value in values):
        return "BIGINT"
    numbers = sum(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numbers > 0.9 * len(values):
        return "DOUBLE"
    if all(isinstance(value, str) and _ISO.match(value) for value in values):
        return "TIMESTAMP WITH TIME ZONE"
    return "VARCHAR"


def _merged(old: dict[str, Tree], new: dict[str, Tree]) -> dict[str, Tree]:
    spelled = {name.lower(): name for name in old}
    merged = dict(old)
    for name, kind in new.items():
        known = spelled.get(name.lower())
        if known is None:
            merged[name] = kind
        elif known == name:
            merged[name] = merge_types(old[name], kind)
    return merged


def _replace(columns: dict[str, Tree], name: str, kind: str) -> None:
    head, _, rest = name.partition(".")
    if head in columns and isinstance(columns[head], dict) and rest:
        inner = dict(columns[head])  # type: ignore[arg-type]
        _replace(inner, rest, kind)
        columns[head] = inner
    else:
        columns[name] = kind


def _as_text(kind: Tree) -> Tree:
    return "VARCHAR" if isinstance(kind, str) else {name: _as_text(child) for name, child in kind.items()}


def _cast(expression: str, kind: Tree) -> str:
    if isinstance(kind, str):
        return expression if kind == "VARCHAR" else f"TRY_CAST({expression} AS {kind})"
    fields = ", ".join(
        f"{quote(name)} := {_cast(f'{expression}.{quote(name)}', child)}" for name, child in kind.items()
    )
    return f"struct_pack({fields})"


def _escaped(text: str) -> str:
    return text.replace("'", "''")
