"""ClickHouse's fragments of SQL. They rely on the settings of `clickhouse_transport`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from connectors.coltypes import family
from connectors.dialect import MICROS
from connectors.sqlrows import numeric_bin_sql


class ClickHouseDialect:
    """ClickHouse 24.3, from which on its present analyzer of queries is the default, and newer."""

    materialized = ""

    def ident(self, name: str) -> str:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    def text(self, value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
        return f"'{escaped}'"

    def number(self, value: float) -> str:
        if not math.isfinite(value):
            raise ValueError(f"not a finite number: {value}")
        return repr(float(value))

    def as_double(self, x: str) -> str:
        # A cast of a text that is no number fails the statement, and toFloat64OrNull takes nothing but text.
        return f"toFloat64OrNull(toString({x}))"

    def widened(self, x: str) -> str:
        return f"toFloat64({x})"

    def as_text(self, x: str) -> str:
        return f"toString({x})"

    def as_int(self, x: str) -> str:
        # Every branch of a CASE may be computed for every row, and toInt32 fails on NaN.
        return f"accurateCastOrNull({x}, 'Int32')"

    def whole(self, x: str) -> str:
        return f"accurateCastOrNull({x}, 'Int64')"

    def micros(self, x: str, kind: str, ticks: int) -> str:
        match family(kind):
            case "time":
                return f"toUnixTimestamp64Micro(toDateTime64({x}, 6, 'UTC'))"
            case "number" if ticks > MICROS:
                return f"intDiv({self.whole(x)}, {ticks // MICROS})"
            case "number":
                exact = kind.endswith(("INTEGER", "BIGINT"))
                return (
                    f"{self.whole(x)} * {MICROS // ticks}" if exact else self.whole(f"round({x} * {MICROS // ticks})")
                )
            case _:
                return f"toUnixTimestamp64Micro(parseDateTime64BestEffortOrNull({x}, 6, 'UTC'))"

    def moment(self, seconds: int, kind: str) -> str:
        return f"toDateTime({seconds}, 'UTC')"

    def bucket(self, micros: str, step: int) -> str:
        return f"intDiv({micros}, {step * MICROS}) * {step}"

    def finite(self, x: str) -> str:
        return f"isFinite({x})"

    def nan(self, x: str) -> str:
        return f"isNaN({x})"

    def matches(self, x: str, pattern: str) -> str:
        # Its dot matches a line break unless it is told not to.
        return f"match({x}, {self.text('(?-s)' + pattern)})"

    def replaced(self, x: str, pattern: str, replacement: str) -> str:
        return f"replaceRegexpAll({x}, {self.text(pattern)}, {self.text(replacement)})"

    def trimmed(self, x: str) -> str:
        return f"trimBoth({x})"

    def beginning(self, x: str, chars: int) -> str:
        return f"substringUTF8({x}, 1, {chars})"

    def arg_min(self, x: str, by: str) -> str:
        return f"argMin({x}, {by})"

    def quantile_rows(self, x: str, shares: Sequence[float]) -> str:
        return f"arrayJoin(quantilesExactInclusive({', '.join(map(repr, shares))})({x}))"

    def counts_between(self, x: str, edges: Sequence[float]) -> str | None:
        # Nulls, NaN and infinities have negative bins, which are outside of what is resampled.
        bins = numeric_bin_sql(x, (-math.inf, *edges, math.inf), self)
        return f"countResample(0, {len(edges) + 1}, 1)({x}, {bins})"

    def counts_of(self, x: str, values: Sequence[str]) -> str | None:
        listed = f"[{', '.join(map(self.text, values))}]"
        return f"mapFromArrays({listed}, countResample(1, {len(values) + 1}, 1)({x}, indexOf({listed}, {x})))"

    def place(self, x: str, values: Sequence[str]) -> str | None:
        return None

    def about_distinct(self, x: str) -> str:
        return f"uniq({x})"

    def drawn(self, x: str, share: float) -> str:
        return f"cityHash64({x}) % 1000000 < {round(1e6 * share)}"

    def code(self, x: str) -> str:
        return f"coalesce(cityHash64({x}), 0)"
