"""The repeats question: rows whose request id another row of the same bucket and model has too, in one GROUP BY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.evidence import Repeats
from connectors.dialect import Dialect
from connectors.sqlrows import Grid

LOOKED_AT = 500_000
"""Rows whose ids are compared, on average: twice as many as 4.5 h of the demo fleet have. What is held of each is eight
bytes of hash, and a share of half a point shows in a hundredth of them."""

NAMES = frozenset({"model", "request_id"})
"""The canonical columns that are read."""


@dataclass(frozen=True, slots=True)
class RepeatQuery:
    """How long a bucket is, how many rows there may be, and the engine."""

    step: int
    """Bucket width in seconds."""
    rows: int
    """Upper bound of the rows that are read, 0 when the engine knows none; then the ids of all are compared."""
    dialect: Dialect

    def sql(self, relation: str) -> str:
        """SQL: rows with an id and distinct ids per (bucket, model). Rows, not weights: a twin may not be sampled.

        Of many rows those of some ids are looked at, because with an id all of its repeats are drawn; what is drawn is
        not scaled up, so that the counts say how much is known.
        """
        d = self.dialect
        request = d.ident("request_id")
        share = LOOKED_AT / self.rows if self.rows else 1.0
        drawn = "" if share >= 1 else f" AND {d.drawn(request, share)}"
        return (
            f"SELECT {d.bucket(d.ident('ts'), self.step)} AS t, model, count(*) AS n, "
            f"count(DISTINCT {d.code(request)}) AS ids "
            f"FROM {relation} AS logs WHERE {request} <> {d.text('')}{drawn} GROUP BY 1, 2"
        )

    def repeats(self, column: Mapping[str, Sequence[Any]]) -> Repeats:
        """The fetched columns as evidence."""
        grid = Grid(column["t"], (column["model"],), self.step)
        rows, ids = grid.counts(column["n"]), grid.counts(column["ids"])
        return Repeats(rows, replace(rows, n=rows.n - ids.n))
