"""Arms: sets of rows of one shape (Parquet files with equal columns, or one in-memory table) behind one FROM item."""

from __future__ import annotations

import collections.abc as abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from connectors.base import RejectedError
from connectors.coltypes import Tree, family, quote, render_type
from connectors.logfiles import Footer, LogFile, column_trees, file_list
from connectors.mapping import Mapping
from connectors.sqlfilter import Kind
from connectors.tail import Segment


@dataclass(frozen=True, slots=True)
class Arm:
    """Rows of one shape. Files of different shapes never share a `read_parquet`, so none can fail another."""

    name: str
    columns: dict[str, Tree]
    rows: int
    files: tuple[LogFile, ...] = ()
    """Empty: the arm is the in-memory table `name`."""

    def relation(self, files: Sequence[LogFile]) -> str:
        """FROM item over some of the files, or the table."""
        if not self.files:
            return self.name
        return f"read_parquet({file_list(files)}, hive_partitioning=false)"

    def sample(self, files: Sequence[LogFile], rows: int) -> str:
        """FROM item with the first rows of each file, or some of the table."""
        if not self.files:
            return f"{self.name} LIMIT {rows}"
        numbered = f"read_parquet({file_list(files)}, hive_partitioning=false, file_row_number=true)"
        return f"{numbered} WHERE file_row_number < {rows}"


def parquet_arms(footers: abc.Mapping[LogFile, Footer]) -> list[Arm]:
    """Files grouped by their columns and types."""
    shapes: dict[tuple[tuple[str, str], ...], list[LogFile]] = {}
    for file, footer in footers.items():
        if footer.columns and footer.rows:
            shapes.setdefault(tuple(sorted(footer.columns)), []).append(file)
    return [
        Arm(
            f"parquet:{hash(shape)}", column_trees(footers[files[0]]), sum(footers[f].rows for f in files), tuple(files)
        )
        for shape, files in shapes.items()
    ]


def segment_arms(segments: Sequence[Segment]) -> list[Arm]:
    """One arm per in-memory table."""
    return [Arm(segment.table, segment.columns, segment.rows) for segment in segments]


def align(arm: Arm, columns: abc.Mapping[str, Tree]) -> str:
    """Select list that gives the arm all `columns`: what it lacks is null, what it types differently is TRY_CAST."""
    own = {name.lower(): (name, kind) for name, kind in arm.columns.items()}
    items = []
    for name, kind in columns.items():
        present = own.get(name.lower())
        if present is None:
            value = f"CAST(NULL AS {render_type(kind)})"
        elif present[1] == kind:
            value = quote(present[0])
        elif _castable(present[1], kind):
            value = f"TRY_CAST({quote(present[0])} AS {render_type(kind)})"
        else:
            value = f"CAST(NULL AS {render_type(kind)})"
        items.append(f"{value} AS {quote(name)}")
    return ", ".join(items)


def _castable(have: Tree, want: Tree) -> bool:
    if isinstance(have, dict) or isinstance(want, dict):
        return isinstance(have, dict) and isinstance(want, dict)
    pair = {family(have), family(want)}
    return "other" not in pair and ("text" in pair or len(pair) == 1 or pair == {"number", "bool"})


def empty_sql(kinds: abc.Mapping[str, Kind]) -> str:
    """SELECT of no rows with the canonical columns."""
    types = {"time": "BIGINT", "number": "DOUBLE", "text": "VARCHAR"}
    columns = ", ".join(f"CAST(NULL AS {types[kind]}) AS {quote(name)}" for name, kind in kinds.items())
    return f"SELECT {columns} WHERE FALSE"


def override_types(override: Mapping, sample: str, con: Any) -> dict[str, str]:
    """Type of each expression of a config.

    Raises:
        RejectedError: an expression is not valid over the columns of the log.
    """
    import duckdb

    found: dict[str, str] = {}
    named = [*override.named()]
    if override.where:
        named.append(("where", override.where))
    for name, expression in named:
        try:
            rows = con.execute(f"DESCRIBE SELECT {expression} AS x FROM ({sample}) AS sample").fetchall()
        except duckdb.Error as error:
            message = str(error).splitlines()[0]
            raise RejectedError(f"mapping of {name!r} is not valid", message, f"expression: {expression}") from error
        found[expression] = rows[0][1]
    return found
