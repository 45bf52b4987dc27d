"""Time columns of any type as microseconds since 1970 UTC, and predicates that files can be pruned by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.view import Window
from connectors.coltypes import family
from connectors.dialect import Dialect

_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000))
"""Largest magnitude -> ticks per second. 1e11 s is the year 5138; 1e11 ms is 1973."""


def ticks_per_second(largest: float) -> int:
    """Unit of an epoch number, by the magnitude of the largest one seen: s, ms, us or ns."""
    return next((ticks for limit, ticks in _UNITS if abs(largest) < limit), 1_000_000_000)


UNIT_NAMES = {1: "seconds", 1_000: "milliseconds", 1_000_000: "microseconds", 1_000_000_000: "nanoseconds"}


def ticks_of_name(name: str) -> int:
    """Unit of an epoch number whose values are not known, by the ending of its name."""
    return {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}.get(name[-2:], 1)


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """A time expression with its type; `ticks` per second when it is a number."""

    expression: str
    kind: str
    dialect: Dialect
    ticks: int = 1

    @property
    def micros(self) -> str:
        """SQL: microseconds since 1970 UTC, null when it cannot be read. A time without a zone is UTC."""
        return self.dialect.micros(self.expression, self.kind, self.ticks)

    def extreme(self, aggregate: str) -> str:
        """SQL: `min` or `max` of the times in microseconds, of the bare expression where an index may know it."""
        if self._opaque:
            return f"{aggregate}({self.micros})"
        return self.dialect.micros(f"{aggregate}({self.expression})", self.kind, self.ticks)

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
        return self.dialect.moment(seconds, self.kind)
