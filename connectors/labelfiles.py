"""Labels that another job delivers: files of request_id, label and the time it came, joined to the rows of a log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from connectors.base import MissingDataError
from connectors.colsql import text_sql
from connectors.coltypes import family, leaves
from connectors.dialect import MICROS
from connectors.duckdb_arms import Arm, parquet_arms, segment_arms
from connectors.duckdb_dialect import DuckDbDialect
from connectors.logfiles import Footers, list_files
from connectors.mapping import Layout, find_fields
from connectors.sqlfilter import Kind
from connectors.tail import Tail
from connectors.timecolumn import TimeColumn, ticks_per_second

SKEW_S = 3_600
"""A label this much older than the oldest row still counts: the clocks of two jobs may differ."""

_DUCKDB = DuckDbDialect()
_ID, _LABEL, _CAME = "__label_id", "__label", "__label_ts"


@dataclass(frozen=True, slots=True)
class _Part:
    """One set of label rows as SQL over its columns."""

    arm: Arm
    request_id: str
    label: str
    kind: str
    came: TimeColumn | None


class LabelFiles:
    """Follows the files of labels as a log is followed. Not safe for concurrent calls.

    Of several labels of one request the one that came last counts.
    """

    def __init__(self, paths: Sequence[str], scratch: Path, backlog_bytes: int, max_rows: int) -> None:
        self._paths = tuple(paths)
        self._footers = Footers()
        self._tail = Tail(scratch, backlog_bytes, max_rows, table="label")
        self._parts: tuple[_Part, ...] = ()
        self._ticks: dict[str, int] = {}
        self.notes: tuple[str, ...] = ()

    def look(self, con: Any) -> None:
        """List the files and read what is new. That there are none yet is a note: the log itself can be read."""
        try:
            files = list_files(self._paths)
        except MissingDataError as error:
            self._parts, self.notes = (), (f"labels: {error.title}: {error.message}",)
            return
        self._footers.refresh([f for f in files if f.kind == "parquet"], lambda sql: con.execute(sql).fetchall())
        self._tail.poll([file for file in files if file.kind != "parquet"], con)
        arms = (*parquet_arms(self._footers.good()), *segment_arms(self._tail.segments))
        parts = [part for arm in arms if (part := self._part(arm, con)) is not None]
        notes = [*self._footers.problems(), *self._tail.notes()]
        if len(parts) < len(arms):
            notes.append("files without the columns request_id and label are left out")
        self._parts, self.notes = tuple(parts), tuple(f"labels: {note}" for note in notes)

    def _part(self, arm: Arm, con: Any) -> _Part | None:
        columns = leaves(arm.columns)
        found = find_fields(columns)
        if "request_id" not in found or "label" not in found:
            return None
        came = None
        if (name := found.get("label_ts") or found.get("ts")) is not None:
            sql, kind = columns[name]
            came = TimeColumn(sql, kind, _DUCKDB, self._ticks_of(arm, sql, kind, con))
        label, kind = columns[found["label"]]
        return _Part(arm, text_sql(*columns[found["request_id"]], _DUCKDB), label, kind, came)

    def _ticks_of(self, arm: Arm, sql: str, kind: str, con: Any) -> int:
        if family(kind) != "number":
            return 1
        if arm.name not in self._ticks:
            largest = con.execute(f"SELECT max(abs({sql})) FROM {arm.relation(arm.files[-1:])}").fetchone()[0]
            self._ticks[arm.name] = ticks_per_second(float(largest or 0))
        return self._ticks[arm.name]

    @property
    def _kind(self) -> Kind:
        """Numbers only where every part has numbers."""
        return "number" if self._parts and all(family(part.kind) == "number" for part in self._parts) else "text"

    def joined(self, layout: Layout) -> Layout:
        """The layout with the label of each row taken from here, or from the row itself where none came.

        Without a request_id in the log there is nothing to join by, and the layout stays as it is.
        """
        if "request_id" not in layout.schema.fields:
            self.notes = (*self.notes, "labels: the log has no request_id to join them by")
            return layout
        kind = self._kind
        own, own_came = layout.schema.fields.get("label"), layout.schema.fields.get("label_ts")
        label = _LABEL if own is None else f"coalesce({_LABEL}, {_as(own, layout.kinds['label'], kind)})"
        came = _CAME if own_came is None else f"coalesce({_CAME}, {own_came})"
        here = {"label": label, "label_ts": came}
        fields = {**layout.schema.fields, **here}
        kinds: dict[str, Kind] = {**layout.kinds, "label": kind, "label_ts": "time"}
        missing = tuple(name for name in layout.schema.missing if name not in fields)
        schema = replace(layout.schema, fields=fields, missing=missing)
        return replace(layout, schema=schema, columns={**layout.columns, **here}, kinds=kinds)

    def join(self, request_id: str, since: int) -> str:
        """SQL: LEFT JOIN that adds the labels which came after `since` (unix seconds) to rows with `request_id`."""
        kind = self._kind
        selects = [self._select(part, kind, since) for part in self._parts] or [
            f"SELECT NULL AS {_ID}, CAST(NULL AS {'DOUBLE' if kind == 'number' else 'VARCHAR'}) AS {_LABEL}, "
            f"CAST(NULL AS BIGINT) AS {_CAME} WHERE FALSE"
        ]
        newest = (
            f"SELECT {_ID}, arg_max({_LABEL}, coalesce({_CAME}, 0)) AS {_LABEL}, max({_CAME}) AS {_CAME} "
            f"FROM ({' UNION ALL '.join(selects)}) AS delivered GROUP BY {_ID}"
        )
        return f"LEFT JOIN ({newest}) AS __labels ON __labels.{_ID} = {request_id}"

    def _select(self, part: _Part, kind: Kind, since: int) -> str:
        came = "CAST(NULL AS BIGINT)" if part.came is None else part.came.micros
        label = f"TRY_CAST({part.label} AS DOUBLE)" if kind == "number" else text_sql(part.label, part.kind, _DUCKDB)
        recent = "" if part.came is None else f" AND {came} >= {(since - SKEW_S) * MICROS}"
        return (
            f"SELECT {part.request_id} AS {_ID}, {label} AS {_LABEL}, {came} AS {_CAME} "
            f"FROM {part.arm.relation(part.arm.files)} WHERE {part.label} IS NOT NULL{recent}"
        )


def _as(expression: str, have: Kind, want: Kind) -> str:
    """A label of the row itself in the type of the delivered ones."""
    if have == want:
        return expression
    return f"TRY_CAST({expression} AS DOUBLE)" if want == "number" else f"CAST({expression} AS VARCHAR)"
