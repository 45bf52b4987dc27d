"""The fragments of SQL in which the engines differ; everything else in `sql.py` is portable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

MICROS = 1_000_000


class Dialect(Protocol):
    """One line of SQL per fragment. Arguments named `x` are SQL expressions, the rest are values."""

    def ident(self, name: str) -> str:
        """A quoted name."""
        ...

    def text(self, value: str) -> str:
        """A string literal that holds exactly `value`."""
        ...

    def number(self, value: float) -> str:
        """A double literal that reads back as exactly `value` (finite)."""
        ...

    def as_double(self, x: str) -> str:
        """x as a double, null where it is not a number."""
        ...

    def as_text(self, x: str) -> str:
        """x as a string."""
        ...

    def as_int(self, x: str) -> str:
        """x, a finite double without fraction, as a 64-bit integer."""
        ...

    def bucket(self, micros: str, step: int) -> str:
        """Start of the bucket of `step` seconds that holds `micros` (0 and up), in unix seconds."""
        ...

    def finite(self, x: str) -> str:
        """Whether the double x is neither NaN nor infinite; null when x is null."""
        ...

    def nan(self, x: str) -> str:
        """Whether the double x is NaN."""
        ...

    def matches(self, x: str, pattern: str) -> str:
        """Whether the string x holds a match of the RE2 `pattern`."""
        ...

    def arg_min(self, x: str, by: str) -> str:
        """Aggregate: the x of the row with the smallest `by`, among rows where x is not null."""
        ...

    def quantile_rows(self, x: str, shares: Sequence[float]) -> str:
        """Select item that gives one row per share, in any order."""
        ...

    def counts_between(self, x: str, edges: Sequence[float]) -> str | None:
        """Aggregate: list of the rows of the double x below each of the ascending finite `edges` and not below the one
        before, then those above all of them, where there are any. None: the engine has none."""
        ...

    def counts_of(self, x: str, values: Sequence[str]) -> str | None:
        """Aggregate: map from each of the distinct non-empty `values` to its rows in the string x, and perhaps other
        keys. None: the engine has none."""
        ...

    def drawn(self, x: str, share: float) -> str:
        """Condition that holds for about `share` of the values of x, and always for the same ones."""
        ...

    def code(self, x: str) -> str:
        """A 64-bit hash of the string x, one of its own for null."""
        ...

    materialized: str
    """Keyword that makes a WITH query run once; may be empty."""


class DuckDbDialect:
    """DuckDB 2."""

    materialized = "MATERIALIZED"

    def ident(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def text(self, value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    def number(self, value: float) -> str:
        if not math.isfinite(value):
            raise ValueError(f"not a finite number: {value}")
        # Without an exponent DuckDB reads a DECIMAL, which does not hold every double.
        literal = repr(float(value))
        return literal if "e" in literal else literal + "e0"

    def as_double(self, x: str) -> str:
        return f"TRY_CAST({x} AS DOUBLE)"

    def as_text(self, x: str) -> str:
        return f"CAST({x} AS VARCHAR)"

    def as_int(self, x: str) -> str:
        return f"CAST({x} AS INTEGER)"

    def bucket(self, micros: str, step: int) -> str:
        return f"({micros}) // {step * MICROS} * {step}"

    def finite(self, x: str) -> str:
        return f"isfinite({x})"

    def nan(self, x: str) -> str:
        return f"isnan({x})"

    def matches(self, x: str, pattern: str) -> str:
        return f"regexp_matches({x}, {self.text(pattern)})"

    def arg_min(self, x: str, by: str) -> str:
        return f"arg_min({x}, {by})"

    def quantile_rows(self, x: str, shares: Sequence[float]) -> str:
        return f"unnest(quantile_cont({x}, [{', '.join(map(repr, shares))}]))"

    def counts_between(self, x: str, edges: Sequence[float]) -> str | None:
        # Its bins are closed above, ours are closed below.
        below = ", ".join(self.number(math.nextafter(edge, -math.inf)) for edge in edges)
        return f"map_values(histogram({x}, [{below}]))"

    def counts_of(self, x: str, values: Sequence[str]) -> str | None:
        return f"histogram_exact({x}, [{', '.join(map(self.text, values))}])"

    def drawn(self, x: str, share: float) -> str:
        return f"hash({x}) % 1000000 < {round(1e6 * share)}"

    def code(self, x: str) -> str:
        return f"hash({x})"
