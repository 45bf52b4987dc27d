"""Example records: raw rows of the log, fetched on demand, bounded, with sensitive fields masked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analysis.answer import PanelStatus
from analysis.filters import Scalar

MASKED = "***"
"""What stands where the configuration calls a field sensitive."""

LEADING = ("ts", "latency_ms", "error_type", "confidence", "prediction", "label", "version")
"""Fields that tell most of a request, in the order of the columns."""

TRAILING = ("error_message", "request_id", "label_ts", "weight", "shadow")
"""Fields that are wide or rarely asked for: the last columns."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the log: field -> value; None is null."""

    values: Mapping[str, Scalar | None]
    number: int
    """Its place in the list: two rows may hold the same values."""


@dataclass(frozen=True, slots=True)
class Records:
    """The newest rows that match a question."""

    status: PanelStatus
    model: str = ""
    rows: tuple[Record, ...] = ()
    fields: tuple[str, ...] = ()
    """Every field of the rows, the columns that say most first."""
    question: str = ""
    """Which rows these are, as an engineer would type it after `/`."""
    limit: int = 0
    """The bound: when there are as many rows, there are more in the log."""
    shown: tuple[str, ...] = field(default=())
    """The columns that the engineer chose; empty means as many of `fields` as have room."""

    def choose(self, names: Iterable[str]) -> Records:
        """The same rows under these columns. Raises KeyError with the first name that no row has."""
        chosen = tuple(dict.fromkeys(names))
        unknown = next((name for name in chosen if name not in self.fields), None)
        if unknown is not None:
            raise KeyError(unknown)
        return replace(self, shown=chosen)


def masked(row: Mapping[str, Scalar | None], sensitive: Collection[str]) -> dict[str, Scalar | None]:
    """The row with every sensitive value replaced; a null stays one, because that a value is missing is no secret."""
    return {name: MASKED if name in sensitive and value is not None else value for name, value in row.items()}


def ordered(names: Iterable[str], asked: Collection[str]) -> tuple[str, ...]:
    """Every field in the order of the columns: time, what the question names, what tells most, the rest."""
    known = list(dict.fromkeys(names))
    first = [name for name in LEADING[:1] if name in known]
    first += [name for name in known if name in asked]
    first += [name for name in LEADING if name in known]
    last = [name for name in TRAILING if name in known and name not in first]
    rest = [name for name in known if name not in first and name not in last]
    return tuple(dict.fromkeys((*first, *rest, *last)))


def newest(parts: Iterable[Sequence[Mapping[str, Scalar | None]]], limit: int) -> tuple[Record, ...]:
    """The newest rows of several stores as one list."""
    rows = [row for part in parts for row in part]
    rows.sort(key=_moment, reverse=True)
    return tuple(Record(row, number) for number, row in enumerate(rows[:limit]))


def _moment(row: Mapping[str, Scalar | None]) -> float:
    ts = row.get("ts")
    return float(ts) if isinstance(ts, int | float) else 0.0
