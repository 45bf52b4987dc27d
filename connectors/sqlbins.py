"""The bins question: quantiles and frequent values of every feature from one sample of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.evidence import Bins
from connectors.dialect import Dialect
from connectors.sqlrows import TOP_CATEGORIES, category_bins, reference_bins

REFERENCE_SHARES = (0.001, 0.01, 0.05, *(i / 10 for i in range(1, 10)), 0.95, 0.99, 0.999)
"""Quantiles that become the edges of numeric features: 16 bins, two of them out of the baseline's range."""

FEW_VALUES = 20
"""A numeric feature with at most this many distinct values is a category."""

ID_RATIO = 0.5
"""A string column with more distinct values per row than this identifies requests and is no feature."""

SPECIAL_SHARE = 0.05
"""A number that this share of the baseline has, such as 0 or -1, has a bin to itself; at most three have."""
MAX_SPECIAL = 3

FREQUENT_SHARE = 0.2
"""Part of a sample in which the most frequent numbers are counted: to group numbers that are all different is dear."""

_QUANTILE, _VALUE, _DISTINCT = range(3)


@dataclass(frozen=True, slots=True)
class BinsQuery:
    """Features by name, whether each is numeric, and the engine."""

    names: tuple[str, ...]
    numeric: tuple[bool, ...]
    dialect: Dialect
    thorough: bool = False
    """Whether numbers are counted in the whole sample."""

    def sql(self, relation: str, share: float) -> str:
        """SQL: rows (feature k, part, text v, number x, count n) from a `share` of the rows of `relation`."""
        d = self.dialect
        ts = d.ident("ts")
        # The same question has the same answer: a sample drawn by chance would give other bins each time.
        rows = f"{relation} AS logs" + (f" WHERE {d.drawn(ts, share)}" if share < 1 else "")
        few = f" AND {d.drawn(ts, share * FREQUENT_SHARE)}" if share < 1 and not self.thorough else ""
        parts = []
        for k, (name, numeric) in enumerate(zip(self.names, self.numeric, strict=True)):
            x = d.ident(name)
            text, number, kept = ("NULL", x, d.finite(x)) if numeric else (x, "NULL", f"{x} IS NOT NULL")
            if numeric:
                parts.append(
                    f"SELECT {k} AS k, {_QUANTILE} AS part, NULL AS v, {d.quantile_rows(x, REFERENCE_SHARES)} AS x, "
                    f"0 AS n FROM drawn_rows WHERE {kept}"
                )
                parts.append(
                    f"SELECT {k} AS k, {_DISTINCT} AS part, NULL AS v, 0 AS x, count({x}) AS n FROM drawn_rows "
                    f"WHERE {kept}{few}"
                )
            else:
                distinct = d.widened(f"count(DISTINCT {x})")
                parts.append(
                    f"SELECT {k} AS k, {_DISTINCT} AS part, NULL AS v, {distinct} AS x, count({x}) AS n FROM drawn_rows"
                )
            parts.append(
                f"(SELECT {k} AS k, {_VALUE} AS part, {text} AS v, {number} AS x, count(*) AS n FROM drawn_rows "
                f"WHERE {kept}{few if numeric else ''} GROUP BY {x} ORDER BY n DESC, {x} LIMIT {TOP_CATEGORIES})"
            )
        columns = ", ".join(d.ident(name) for name in ("ts", *self.names))
        return f"WITH drawn_rows AS {d.materialized} (SELECT {columns} FROM {rows}) {' UNION ALL '.join(parts)}"

    def bins(
        self, k: Sequence[Any], part: Sequence[Any], v: Sequence[Any], x: Sequence[Any], n: Sequence[Any]
    ) -> tuple[dict[str, Bins], list[str]]:
        """Bins by feature, without the features that are always null; and a warning per id that was left out."""
        answers: list[list[list[tuple[Any, Any]]]] = [[[], [], []] for _ in self.names]
        for feature, kind, text, number, count in zip(k, part, v, x, n, strict=True):
            if number is not None or text is not None:
                answers[feature][kind].append((number if text is None else text, count))
        bins: dict[str, Bins] = {}
        warnings: list[str] = []
        for name, numeric, (quantiles, top, distinct) in zip(self.names, self.numeric, answers, strict=True):
            if not top:
                continue
            if numeric:
                bins[name] = number_bins([edge for edge, _ in quantiles], top, distinct[0][1])
            elif distinct[0][0] > max(TOP_CATEGORIES, ID_RATIO * distinct[0][1]):
                warnings.append(f"{name} is left out: more than {ID_RATIO:.0%} of its values are distinct")
            else:
                bins[name] = category_bins([value for value, _ in sorted(top, key=_by_count)])
        return bins, warnings


def number_bins(quantiles: Sequence[float], top: Sequence[tuple[float, int]], counted: int) -> Bins:
    """Bins of a number: a category per value where there are few.

    Args:
        quantiles: at `REFERENCE_SHARES`, in any order.
        top: up to `TOP_CATEGORIES` most frequent values with their rows.
        counted: rows among which they were counted.
    """
    common = sorted(top, key=_by_count)
    if len(top) <= FEW_VALUES:
        return category_bins([value for value, _ in common])
    special = [value for value, count in common[:MAX_SPECIAL] if count >= SPECIAL_SHARE * counted]
    return reference_bins(quantiles, special)


def _by_count(row: tuple[Any, int]) -> tuple[int, Any]:
    """The most frequent first."""
    return -row[1], row[0]
