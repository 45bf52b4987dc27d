"""Shadow rows: kept apart from the traffic that users got, and joined to the rows that they shadow.

A pair is a served row with the columns of its shadow row beside its own (`PAIRED`). A question that names one of these
columns, in its filter or as what it asks for, is answered from the pairs: so every question works on them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.evidence import PAIR_MEASURES, NumericBins, Pairs
from analysis.filters import Eq, Filter, Not
from analysis.view import Window
from connectors.base import Schema
from connectors.dialect import MICROS, Dialect
from connectors.sqlfilter import Kind, equal_sql
from connectors.sqlrows import LATENCY_EDGES_MS, Grid, floats, ints, latency_bin_sql, strings

PAIRED = {
    "shadow_version": "version",
    "shadow_prediction": "prediction",
    "shadow_confidence": "confidence",
    "shadow_latency_ms": "latency_ms",
    "shadow_error_type": "error_type",
}
"""Column of a pair -> the column of its shadow row."""

SERVED: Filter = Not(Eq("shadow", "true"))
"""The rows that users got an answer from."""

LATE_S = 60
"""How much before or after the served row its shadow row may be logged, in seconds."""

_COUNTED, _SERVED_BIN, _SHADOW_BIN = 0, 1, 2


def pair_kinds(schema: Schema, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """The columns of a pair that this log can fill, none where shadow rows or request ids are not logged.

    A column of the log's own that has such a name is not hidden by it.
    """
    if not {"shadow", "request_id"} <= schema.fields.keys():
        return {}
    return {name: kinds[own] for name, own in PAIRED.items() if own in kinds and name not in schema.columns}


def widened(spans: Sequence[Window]) -> list[Window]:
    """The spans in which the shadow rows of the served rows of `spans` are found."""
    return [Window(span.start - LATE_S, span.end + LATE_S) for span in spans]


def rows_behind(names: Collection[str]) -> set[str]:
    """The columns of single rows that the columns of a pair are made of."""
    return {"model", "request_id", "shadow", *(PAIRED.get(name, name) for name in names)}


def pairs_sql(rows: str, spans: Sequence[Window], names: Collection[str], paired: Collection[str], d: Dialect) -> str:
    """A FROM item with one row per pair: the columns `names` of the served row and `paired` of its shadow row.

    Args:
        rows: FROM item of single rows over the widened spans.
        spans: where the served rows lie.

    An id that several rows of one side carry names no single request and is left out; min() then is the one value.
    """
    model, request, ts = d.ident("model"), d.ident("request_id"), d.ident("ts")
    shadow, version = f"{d.ident('shadow')} = {d.text('true')}", d.ident("version")
    inside = " OR ".join(
        f"{ts} >= {span.start * MICROS} AND {ts} < {span.end * MICROS}" for span in spans
    ) or "FALSE"  # fmt: skip
    key = ("model", "request_id")
    own = "".join(f", min({d.ident(name)}) AS {d.ident(name)}" for name in sorted(set(names) - {*key}))
    other = "".join(
        f", min({d.ident(PAIRED[name])}) AS {d.ident(name)}" for name in sorted(set(paired) - {"shadow_version"})
    )
    columns = "".join(f", shadowing.{d.ident(name)}" for name in sorted({*paired, "shadow_version"}))
    return (
        f"(SELECT served.*{columns} FROM (SELECT {model}, {request}{own} FROM {rows} AS a "
        f"WHERE NOT ({shadow}) AND ({inside}) AND {request} IN (SELECT {request} FROM {rows} AS c WHERE {shadow}) "
        f"GROUP BY 1, 2 HAVING count(*) = 1) AS served "
        f"JOIN (SELECT {model}, {request}, {version} AS {d.ident('shadow_version')}{other} FROM {rows} AS b "
        f"WHERE {shadow} GROUP BY 1, 2, 3 HAVING count(*) = 1) AS shadowing "
        f"ON served.{model} = shadowing.{model} AND served.{request} = shadowing.{request})"
    )


@dataclass(frozen=True, slots=True)
class PairQuery:
    """The agreement question: counts and both latencies of the pairs per bucket, model and pair of versions."""

    step: int
    kinds: Mapping[str, Kind]
    fields: Collection[str]
    """Canonical fields that are logged."""
    weight: str
    dialect: Dialect

    @property
    def names(self) -> set[str]:
        """The columns that are read, those of the pair included."""
        own = {
            "model",
            "version",
            *({"prediction", "confidence", "label", "latency_ms", "error_type"} & {*self.fields}),
        }
        return own | {name for name, field in PAIRED.items() if field in own}

    def _measures(self) -> dict[str, str]:
        """SQL of what each logged measure adds for one pair."""
        d = self.dialect
        known = f"{d.ident('prediction')} IS NOT NULL AND {d.ident('shadow_prediction')} IS NOT NULL"
        tests = {
            "answered": "TRUE",
            "pairs": known,
            "agree": equal_sql("prediction", "shadow_prediction", self.kinds, d),
        }
        if "label" in self.fields:
            right, other = (equal_sql(name, "label", self.kinds, d) for name in ("prediction", "shadow_prediction"))
            tests |= {
                "labelled": f"{known} AND {d.ident('label')} IS NOT NULL",
                "only_live_right": f"{right} AND NOT {other}",
                "only_shadow_right": f"{other} AND NOT {right}",
            }
        if "error_type" in self.fields:
            tests |= {f"{side}_failed": f"{d.ident(name)} IS NOT NULL" for side, name in _sides("error_type")}
        sums = {name: f"CASE WHEN {test} THEN 1 ELSE 0 END" for name, test in tests.items()}
        if "confidence" in self.fields:
            x, y = (d.ident(name) for _, name in _sides("confidence"))
            both = f"{d.finite(x)} AND {d.finite(y)}"
            sums |= {
                "scored": f"CASE WHEN {both} THEN 1 ELSE 0 END",
                "moved": f"CASE WHEN {both} THEN abs({x} - {y}) ELSE 0 END",
                "live_score": f"CASE WHEN {both} THEN {x} ELSE 0 END",
                "shadow_score": f"CASE WHEN {both} THEN {y} ELSE 0 END",
            }
        return {name: sums[name] for name in PAIR_MEASURES if name in sums}

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that the log can fill; what is not logged has no count, not a count of zero."""
        return tuple(self._measures())

    def sql(self, relation: str) -> str:
        """SQL: rows of kind 0 hold the measures; kinds 1 and 2 one latency bin of the served and the shadow side."""
        d, w, sums = self.dialect, "w", self._measures()
        measures = "".join(f", {sql} AS {name}" for name, sql in sums.items())
        times = ""
        if "latency_ms" in self.fields:
            times = "".join(
                f", {latency_bin_sql(d.ident(name), d)} AS {side}_bin, {d.ident(name)} AS {side}_ms"
                for side, name in _sides("latency_ms")
            )
        keyed = (
            f"SELECT {d.bucket(d.ident('ts'), self.step)} AS t, model, version AS live, shadow_version AS shadow, "
            f"{self.weight} AS w{measures}{times} FROM {relation} AS logs"
        )
        added = ", ".join(f"{d.widened(f'sum({w} * {name})')} AS {name}" for name in sums)
        arms = [f"SELECT {_COUNTED} AS kind, t, model, live, shadow, 0 AS bin, {added} FROM pairs GROUP BY 2, 3, 4, 5"]
        if times:
            nothing = ", 0" * (len(sums) - 2)
            arms += [
                f"SELECT {kind} AS kind, t, model, live, shadow, {side}_bin AS bin, {d.widened(f'sum({w})')}, "
                f"sum(CASE WHEN {side}_bin >= 0 THEN {w} * {side}_ms ELSE 0 END){nothing} "
                f"FROM pairs GROUP BY 2, 3, 4, 5, 6"
                for kind, side in ((_SERVED_BIN, "live"), (_SHADOW_BIN, "shadow"))
            ]
        return f"WITH pairs AS {d.materialized} ({keyed}) {' UNION ALL '.join(arms)}"

    def pairs(self, column: Mapping[str, Sequence[Any]]) -> Pairs:
        """The fetched columns as evidence."""
        import numpy as np

        kind, t, code = ints(column["kind"]), ints(column["t"]), ints(column["bin"])
        keys = list(zip(*(strings(column[name]) for name in ("model", "live", "shadow")), strict=True))
        values = [floats(column[name]) for name in self.measures]

        def at(chosen: Any) -> tuple[Any, list[Any]]:
            rows = np.flatnonzero(chosen)
            return rows, [list(part) for part in zip(*(keys[i] for i in rows), strict=True)] or [[], [], []]

        rows, parts = at(kind == _COUNTED)
        size = len(self.measures)
        counted = Grid(
            np.repeat(t[rows], size),
            [*(np.repeat(np.array(part, dtype=object), size) for part in parts), list(self.measures) * len(rows)],
            self.step,
        ).counts(np.stack([value[rows] for value in values], axis=1).ravel())
        rows, parts = at(kind != _COUNTED)
        sides = ["live" if one == _SERVED_BIN else "shadow" for one in kind[rows]]
        latency = Grid(t[rows], [*parts, sides], self.step).histogram(
            NumericBins(LATENCY_EDGES_MS), code[rows], values[0][rows], values[1][rows]
        )
        return Pairs(counted, latency if "latency_ms" in self.fields else None)


def _sides(field: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("live", field), ("shadow", f"shadow_{field}")
