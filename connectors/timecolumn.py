"""Time columns of any type as microseconds since 1970 UTC, and predicates that files can be pruned by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from analysis.view import Window
from connectors.coltypes import family

_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000))
"""Largest magnitude -> ticks per second. 1e11 s is the year 5138; 1e11 ms is 1973."""


def ticks_per_second(largest: float) -> int:
    """Unit of an epoch number, by the magnitude of the largest one seen: s, ms, us or ns."""
    return next((ticks for limit, ticks in _UNITS if abs(largest) < limit), 1_000_000_000)


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """A time expression with its DuckDB type; `ticks` per second when it is a number."""

    expression: str
    kind: str
    ticks: int = 1

    @property
    def micros(self) -> str:
        """SQL: microseconds since 1970 UTC, null when it cannot be read. A time without a zone is UTC."""
        x = self.expression
        match family(self.kind):
            case "time":
                return f"epoch_us({x})"
            case "number" if self.ticks > 1_000_000:
                return f"TRY_CAST({x} AS BIGINT) // {self.ticks // 1_000_000}"
            case "number":
                exact = self.kind.endswith(("INTEGER", "BIGINT"))
                return f"TRY_CAST({f'CAST({x} AS HUGEINT)' if exact else x} * {1_000_000 // self.ticks} AS BIGINT)"
            case _:
                # A cast to TIMESTAMP would drop the offset of '...+05:30'.
                return f"epoch_us(TRY_CAST({x} AS TIMESTAMPTZ))"

    def inside(self, spans: Sequence[Window]) -> str:
        """SQL: the time lies in one of the spans; on the bare expression, so that row groups are skipped."""
        if not spans:
            return "FALSE"
        low, high = self._bound(spans[0].start), self._bound(spans[-1].end)
        x = self.micros if self._opaque else self.expression
        outer = f"{x} >= {low} AND {x} < {high}"
        if len(spans) == 1:
            return outer
        inner = " OR ".join(f"({x} >= {self._bound(w.start)} AND {x} < {self._bound(w.end)})" for w in spans)
        return f"{outer} AND ({inner})"

    @property
    def _opaque(self) -> bool:
        return family(self.kind) not in ("time", "number") or self.kind == "DATE"

    def _bound(self, seconds: int) -> str:
        if self._opaque:
            return str(seconds * 1_000_000)
        if family(self.kind) == "number":
            return str(seconds * self.ticks)
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
        zone = "+00" if self.kind == "TIMESTAMP WITH TIME ZONE" else ""
        return f"CAST('{text}{zone}' AS {self.kind})"
