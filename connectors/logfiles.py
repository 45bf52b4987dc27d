"""Which files a log consists of, and what their Parquet footers say; nothing is read twice that did not change."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from analysis.view import Window
from connectors.base import MissingDataError
from connectors.coltypes import Tree, family, parse_type
from connectors.dialect import MICROS

FileKind = Literal["parquet", "jsonl", "jsonl.gz"]

_SUFFIXES: dict[str, FileKind] = {
    ".parquet": "parquet",
    ".parq": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".jsonl.gz": "jsonl.gz",
    ".ndjson.gz": "jsonl.gz",
    ".json.gz": "jsonl.gz",
}
ACCEPTED = ".parquet, .jsonl, .ndjson, .json (one object per line), .jsonl.gz"
_MAGIC = b"PAR1"
_SMALLEST_PARQUET = 12


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file as the directory shows it."""

    path: str
    kind: FileKind
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Footer:
    """What a Parquet file says about itself."""

    columns: tuple[tuple[str, str], ...]
    """(name, DuckDB type)"""
    rows: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Time range (microseconds, both inclusive) and rows of one row group."""

    first: int
    last: int
    rows: int


def roots(paths: Sequence[str]) -> list[str]:
    """Directories under which the files of `paths` lie: what the engine may read."""
    found = []
    for path in paths:
        parts = Path(path).absolute().parts
        fixed = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
        base = Path(*parts[:fixed])
        found += [str(base), str(base.resolve())] if base.is_dir() else [str(base.parent), str(base.parent.resolve())]
    return sorted(set(found))


def list_files(paths: Sequence[str]) -> list[LogFile]:
    """Every log file of the given directories, globs and files, oldest modification first.

    Hidden files and names that begin with `_` are work in progress of writers and are left out.

    Raises:
        MissingDataError: a path does not exist, or nothing under it has an accepted suffix.
    """
    found: dict[str, LogFile] = {}
    for path in paths:
        if glob.has_magic(path) and not os.path.lexists(path):
            names: Iterator[str] = glob.iglob(path, recursive=True)  # noqa: PTH207
        elif Path(path).is_dir():
            names = _walk(path)
        elif Path(path).exists():
            names = iter((path,))
        else:
            raise MissingDataError("no such log", f"{path} does not exist", "give a directory, a glob or a file")
        for name in names:
            file = _stat(name, explicit=name == path)
            if file is not None:
                found[file.path] = file
    if not found:
        raise MissingDataError("no log files", f"nothing to read in {', '.join(paths)}", f"accepted: {ACCEPTED}")
    return sorted(found.values(), key=lambda file: (file.mtime_ns, file.path))


def _walk(directory: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, PermissionError):
        return
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            yield from _walk(entry.path)
        elif _kind(entry.name):
            yield entry.path


def _kind(name: str) -> FileKind | None:
    lower = name.lower()
    return next((kind for suffix, kind in _SUFFIXES.items() if lower.endswith(suffix)), None)


def _stat(name: str, explicit: bool) -> LogFile | None:
    try:
        info = Path(name).stat()
        kind = _kind(name) or (_sniff(name) if explicit else None)
    except OSError:
        return None
    if kind is None or not stat.S_ISREG(info.st_mode):
        return None
    return LogFile(str(Path(name).absolute()), kind, info.st_ino, info.st_size, info.st_mtime_ns)


def _sniff(name: str) -> FileKind | None:
    with Path(name).open("rb") as file:
        head = file.read(64).lstrip()
    return "parquet" if head.startswith(_MAGIC) else "jsonl" if head.startswith(b"{") else None


def parquet_problem(file: LogFile) -> str | None:
    """Why a file cannot be Parquet yet; None when its first and last bytes are right."""
    try:
        with Path(file.path).open("rb") as data:
            head = data.read(4)
            if file.size < _SMALLEST_PARQUET or head != _MAGIC:
                return "not Parquet" if head and head != _MAGIC else "still empty"
            data.seek(-8, os.SEEK_END)
            tail = data.read(8)
    except OSError as error:
        return error.strerror or str(error)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length + _SMALLEST_PARQUET > file.size:
        return "no footer: half written"
    return None


class Footers:
    """Footers and time ranges of Parquet files, read once per (path, inode, size, mtime).

    `execute(sql)` runs on the caller's connection and returns rows.
    """

    def __init__(self) -> None:
        self._known: dict[LogFile, Footer | str] = {}
        self._ranges: dict[tuple[LogFile, str], tuple[RowGroup, ...] | None] = {}

    def refresh(self, files: Sequence[LogFile], execute: Any) -> None:
        """Read the footers of files that are new or have changed; forget those that are gone."""
        wanted = set(files)
        self._known = {file: footer for file, footer in self._known.items() if file in wanted}
        self._ranges = {key: groups for key, groups in self._ranges.items() if key[0] in wanted}
        fresh = [file for file in files if file not in self._known]
        for file in fresh:
            problem = parquet_problem(file)
            if problem:
                self._known[file] = problem
        fresh = [file for file in fresh if file not in self._known]
        if fresh:
            self._known |= _read_footers(fresh, execute)

    def good(self) -> dict[LogFile, Footer]:
        """Files that can be read."""
        return {file: footer for file, footer in self._known.items() if isinstance(footer, Footer)}

    def problems(self) -> list[str]:
        """One sentence per file that is left out."""
        return [f"{file.path}: {why}" for file, why in self._known.items() if isinstance(why, str)]

    def fail(self, file: LogFile, why: str) -> None:
        """Leave a file out until it changes."""
        self._known[file] = why

    def groups(
        self, files: Sequence[LogFile], column: str, kind: str, ticks: int, execute: Any
    ) -> dict[LogFile, tuple[RowGroup, ...]]:
        """Row groups with the range of the time `column`; a file without statistics is not in the answer."""
        if family(kind) not in ("time", "number"):
            return {}
        unread = [file for file in files if (file, column) not in self._ranges]
        if unread:
            self._ranges |= {(file, column): None for file in unread}
            self._ranges |= {
                (file, column): groups for file, groups in _read_groups(unread, column, kind, ticks, execute).items()
            }
        found = {file: self._ranges.get((file, column)) for file in files}
        return {file: groups for file, groups in found.items() if groups is not None}


def file_list(files: Sequence[LogFile]) -> str:
    """A SQL list of paths, escaped."""
    return "[" + ", ".join("'" + file.path.replace("'", "''") + "'" for file in files) + "]"


def _read_footers(files: Sequence[LogFile], execute: Any) -> dict[LogFile, Footer | str]:
    import duckdb

    try:
        schemas = execute(f"SELECT file_name, name, duckdb_type, num_children FROM parquet_schema({file_list(files)})")
        rows = dict(execute(f"SELECT file_name, num_rows FROM parquet_file_metadata({file_list(files)})"))
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        if len(files) == 1:
            return {files[0]: str(error).splitlines()[0]}
        # One bad footer fails the whole list: halve until it stands alone.
        half = len(files) // 2
        return _read_footers(files[:half], execute) | _read_footers(files[half:], execute)
    by_path: dict[str, list[tuple[str, str, int]]] = {}
    for path, name, kind, children in schemas:
        by_path.setdefault(path, []).append((name, kind, children or 0))
    return {file: Footer(tuple(_top_level(by_path[file.path])), rows[file.path]) for file in files}


def _top_level(elements: Sequence[tuple[str, str, int]]) -> Iterator[tuple[str, str]]:
    """Columns of a depth-first list of schema elements, whose first is the root."""
    at = 1

    def skip(index: int) -> int:
        after = index + 1
        for _ in range(elements[index][2]):
            after = skip(after)
        return after

    while at < len(elements):
        yield elements[at][0], elements[at][1]
        at = skip(at)


def _read_groups(
    files: Sequence[LogFile], column: str, kind: str, ticks: int, execute: Any
) -> dict[LogFile, tuple[RowGroup, ...] | None]:
    def micros(x: str) -> str:
        if family(kind) == "number":
            return f"CAST(TRY_CAST({x} AS DOUBLE) * {1e6 / ticks!r} AS BIGINT)"
        return f"epoch_us(TRY_CAST({x} AS TIMESTAMPTZ))"

    name = column.replace("'", "''")
    rows = execute(
        f"SELECT file_name, row_group_num_rows, {micros('stats_min_value')}, {micros('stats_max_value')} "
        f"FROM parquet_metadata({file_list(files)}) WHERE path_in_schema = '{name}'"
    )
    by_path = {file.path: file for file in files}
    found: dict[LogFile, list[RowGroup] | None] = {}
    for path, count, first, last in rows:
        groups = found.setdefault(by_path[path], [])
        if groups is None or count == 0:
            continue
        if first is None or last is None:
            found[by_path[path]] = None
        else:
            groups.append(RowGroup(first, last, count))
    return {file: tuple(groups) if groups is not None else None for file, groups in found.items()}


def rows_inside(groups: Sequence[RowGroup], spans: Sequence[Window]) -> int:
    """Rows of the row groups that touch one of the spans."""
    return sum(
        group.rows
        for group in groups
        if any(group.last >= w.start * MICROS and group.first < w.end * MICROS for w in spans)
    )


def rows_about(groups: Sequence[RowGroup], spans: Sequence[Window]) -> float:
    """Rows in the (disjoint) spans, were each row group's spread evenly over its time."""
    rows = 0.0
    for group in groups:
        length = group.last - group.first + 1
        shared = sum(max(0, min(group.last + 1, w.end * MICROS) - max(group.first, w.start * MICROS)) for w in spans)
        rows += group.rows * shared / length
    return rows


def aligned(blocks: Sequence[Window], spans: Sequence[Window], groups: Sequence[RowGroup]) -> tuple[Window, ...]:
    """The (ascending, disjoint) blocks within the spans, those over two row groups moved back into the first of them.

    A reader decodes whole row groups, so that such a block costs twice. A block that is longer than its row group stays
    where it is, and so does one that would leave its span or meet the block before it.
    """
    moved: list[Window] = []
    for block in blocks:
        start, end = block.start * MICROS, block.end * MICROS
        over = (group for group in groups if group.first <= start <= group.last < end - 1)
        firsts = [first for group in over if (first := _room(group, block.length)) is not None]
        free = [w.start for w in spans if w.start <= block.start < w.end] + [w.end for w in moved[-1:]]
        first = min(firsts, default=block.start)
        first = first if first >= max(free, default=block.start) else block.start
        moved.append(Window(first, first + block.length))
    return tuple(moved)


def _room(group: RowGroup, length: int) -> int | None:
    """The first whole second from which so many lie within a row group; None where they do not."""
    first = -(-group.first // MICROS)
    return first if (first + length) * MICROS <= group.last + 1 else None


def column_trees(footer: Footer) -> dict[str, Tree]:
    """Column -> type tree."""
    return {name: parse_type(kind) for name, kind in footer.columns}
