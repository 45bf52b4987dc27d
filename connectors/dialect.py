"""The fragments of SQL in which the engines differ; everything else in `sql.py` is portable."""

from __future__ import annotations

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

    def widened(self, x: str) -> str:
        """The number x, of any type, as a double."""
        ...

    def as_text(self, x: str) -> str:
        """x as a string."""
        ...

    def as_int(self, x: str) -> str:
        """x, a finite double without fraction, as a 64-bit integer."""
        ...

    def whole(self, x: str) -> str:
        """The number x, or the number that the string x holds, as a 64-bit integer; null where it is none."""
        ...

    def micros(self, x: str, kind: str, ticks: int) -> str:
        """The time x of type `kind` (see `coltypes`) in microseconds since 1970 UTC, null when it cannot be read.

        A time without a zone is UTC; a number counts `ticks` per second.
        """
        ...

    def moment(self, seconds: int, kind: str) -> str:
        """Literal of unix seconds that a column of the time type `kind` compares with, so that an index serves."""
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

    def replaced(self, x: str, pattern: str, replacement: str) -> str:
        r"""The string x with every match of the RE2 `pattern` replaced; `\1` is its first group."""
        ...

    def trimmed(self, x: str) -> str:
        """The string x without the blanks (U+0020 alone) at its ends."""
        ...

    def beginning(self, x: str, chars: int) -> str:
        """The first characters of the string x."""
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

    def place(self, x: str, values: Sequence[str]) -> str | None:
        """The place of the string x among the distinct `values`, at most 200 and counted from one, as one byte.

        One more than their number where x is null, null where it is none of them. None: the engine is far away, and
        sends no columns of rows.
        """
        ...

    def about_distinct(self, x: str) -> str:
        """Aggregate: about how many distinct values x has."""
        ...

    def drawn(self, x: str, share: float) -> str:
        """Condition that holds for about `share` of the values of x, and always for the same ones."""
        ...

    def code(self, x: str) -> str:
        """A 64-bit hash of the string x, one of its own for null."""
        ...

    materialized: str
    """Keyword that makes a WITH query run once; may be empty."""
