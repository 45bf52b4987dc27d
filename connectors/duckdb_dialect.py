"""DuckDB's fragments of SQL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from connectors.coltypes import family, quote
from connectors.dialect import MICROS


class DuckDbDialect:
    """DuckDB 2."""

    materialized = "MATERIALIZED"

    def ident(self, name: str) -> str:
        return quote(name)

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

    def widened(self, x: str) -> str:
        return self.as_double(x)

    def as_text(self, x: str) -> str:
        return f"CAST({x} AS VARCHAR)"

    def as_int(self, x: str) -> str:
        return f"CAST({x} AS INTEGER)"

    def whole(self, x: str) -> str:
        return f"TRY_CAST({x} AS BIGINT)"

    def micros(self, x: str, kind: str, ticks: int) -> str:
        match family(kind):
            case "time":
                return f"epoch_us({x})"
            case "number" if ticks > MICROS:
                return f"TRY_CAST({x} AS BIGINT) // {ticks // MICROS}"
            case "number":
                exact = kind.endswith(("INTEGER", "BIGINT"))
                return f"TRY_CAST({f'CAST({x} AS HUGEINT)' if exact else x} * {MICROS // ticks} AS BIGINT)"
            case _:
                # A cast to TIMESTAMP would drop the offset of '...+05:30'.
                return f"epoch_us(TRY_CAST({x} AS TIMESTAMPTZ))"

    def moment(self, seconds: int, kind: str) -> str:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
        zone = "+00" if kind == "TIMESTAMP WITH TIME ZONE" else ""
        return f"CAST('{text}{zone}' AS {kind})"

    def bucket(self, micros: str, step: int) -> str:
        return f"({micros}) // {step * MICROS} * {step}"

    def finite(self, x: str) -> str:
        return f"isfinite({x})"

    def nan(self, x: str) -> str:
        return f"isnan({x})"

    def matches(self, x: str, pattern: str) -> str:
        return f"regexp_matches({x}, {self.text(pattern)})"

    def replaced(self, x: str, pattern: str, replacement: str) -> str:
        return f"regexp_replace({x}, {self.text(pattern)}, {self.text(replacement)}, 'g')"

    def trimmed(self, x: str) -> str:
        # Without the second argument every Unicode space goes.
        return f"trim({x}, ' ')"

    def beginning(self, x: str, chars: int) -> str:
        return f"substr({x}, 1, {chars})"

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

    def place(self, x: str, values: Sequence[str]) -> str | None:
        # Over a dictionary, which most columns of categories are, it is looked up once per entry.
        listed = ", ".join([*map(self.text, values), "NULL"])
        return f"CAST(list_position([{listed}], {x}) AS UTINYINT)"

    def about_distinct(self, x: str) -> str:
        return f"approx_count_distinct({x})"

    def drawn(self, x: str, share: float) -> str:
        return f"hash({x}) % 1000000 < {round(1e6 * share)}"

    def code(self, x: str) -> str:
        return f"hash({x})"
