"""Columns that came back from a store, as evidence: dense arrays over (bucket, key, bin)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.evidence import (
    NULL_TEXT,
    OTHER,
    UNSEEN,
    Bins,
    CategoryBins,
    Counts,
    Histogram,
    Key,
    NumericBins,
    just_above,
)
from connectors.dialect import Dialect
from connectors.sqlfilter import text_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from analysis.evidence import Floats, Ints

Columns = Mapping[str, Any]
"""Column -> values: a numpy array (masked where null) or a list."""

NULL_BIN, NONFINITE_BIN = -1, -2

TOP_CATEGORIES = 30
"""Values of a categorical feature that have a bin of their own."""

LATENCY_LOW_MS = 0.1
LATENCY_BINS_PER_DOUBLING = 8
_LATENCY_EDGES = 189
LATENCY_EDGES_MS: tuple[float, ...] = (
    -math.inf,
    *(LATENCY_LOW_MS * 2 ** (i / LATENCY_BINS_PER_DOUBLING) for i in range(_LATENCY_EDGES)),
    math.inf,
)
"""0.1 ms to 19.8 minutes, 8 bins per doubling (p99 within 4.5 % of exact), open at both ends."""


def latency_bin_sql(x: str, d: Dialect) -> str:
    """Bin of `LATENCY_EDGES_MS` that holds the double x.

    Clamped before the logarithm, because some engines evaluate every branch of a CASE for every row. A value within
    rounding of an edge may fall on either side of it.
    """
    low, high = d.number(LATENCY_LOW_MS), d.number(LATENCY_EDGES_MS[-2])
    scale = d.number(LATENCY_BINS_PER_DOUBLING / math.log(2))
    steps = f"floor(ln(greatest(least({x}, {high}), {low}) / {low}) * {scale} + 1e-9)"
    return (
        f"CASE WHEN {x} IS NULL THEN {NULL_BIN} WHEN NOT {d.finite(x)} THEN {NONFINITE_BIN} WHEN {x} < {low} THEN 0 "
        f"WHEN {x} >= {high} THEN {_LATENCY_EDGES} ELSE {d.as_int(f'least({steps}, {_LATENCY_EDGES - 2})')} + 1 END"
    )


def numeric_bin_sql(x: str, edges: Sequence[float], d: Dialect) -> str:
    """Bin of the double x: a balanced tree of comparisons, which costs a third of one comparison per edge.

    Values outside the outermost edges count in the outermost bins.
    """
    inner = edges[1:-1]

    def tree(low: int, high: int) -> str:
        if low == high:
            return str(low)
        middle = (low + high) // 2
        return f"CASE WHEN {x} < {d.number(inner[middle])} THEN {tree(low, middle)} ELSE {tree(middle + 1, high)} END"

    return (
        f"CASE WHEN {x} IS NULL THEN {NULL_BIN} WHEN NOT {d.finite(x)} THEN {NONFINITE_BIN} "
        f"ELSE {tree(0, len(inner))} END"
    )


def category_bin_sql(x: str, bins: CategoryBins, numeric: bool, d: Dialect) -> str:
    """Bin of a category.

    A value that is not listed is UNSEEN when the list is complete. A full list of `TOP_CATEGORIES` was cut: then the
    value may have been in the baseline's tail, and it counts as OTHER.
    """
    whens = "".join(
        f" WHEN {x} = {d.number(float(label)) if numeric else d.text(label)} THEN {bins.labels.index(label)}"
        for label in labels_of(bins)
    )
    nonfinite = f" WHEN NOT {d.finite(x)} THEN {NONFINITE_BIN}" if numeric else ""
    return f"CASE WHEN {x} IS NULL THEN {NULL_BIN}{nonfinite}{whens} ELSE {rest_bin(bins)} END"


def rest_bin(bins: CategoryBins) -> int:
    """The bin of a value that is not listed."""
    return bins.labels.index(OTHER if len(labels_of(bins)) >= TOP_CATEGORIES else UNSEEN)


def labels_of(bins: CategoryBins) -> tuple[str, ...]:
    """The values that have a bin of their own."""
    return tuple(label for label in bins.labels if label not in (OTHER, UNSEEN))


def batches(names: Iterable[str], size: int) -> list[list[str]]:
    """The names in lists of at most `size`."""
    listed = list(names)
    return [listed[at : at + size] for at in range(0, len(listed), size)]


def strings(values: Any) -> list[str]:
    """A column as text, null as `NULL_TEXT`."""
    return [NULL_TEXT if value is None else str(value) for value in plain(values)]


def plain(values: Any) -> list[Any]:
    """A column as Python values, null as None."""
    listed: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return listed


def floats(values: Any) -> Floats:
    """A column as float64, null as 0."""
    import numpy as np

    if isinstance(values, np.ma.MaskedArray):
        values = values.filled(0)
    return np.asarray(values, dtype=np.float64)


def ints(values: Any) -> Ints:
    """A column of non-null integers as int64."""
    import numpy as np

    return np.asarray(values, dtype=np.int64)


def _key_codes(columns: Sequence[Any], size: int) -> tuple[tuple[Key, ...], Ints]:
    rows = list(zip(*(strings(column) for column in columns), strict=True)) if size else []
    keys = tuple(sorted(set(rows)))
    code = {key: i for i, key in enumerate(keys)}
    return keys, ints([code[row] for row in rows])


class Grid:
    """Dense arrays over the (bucket, key) pairs of one answer."""

    def __init__(self, t: Any, keys: Sequence[Any], step: int) -> None:
        import numpy as np

        starts = ints(t)
        self.step = step
        self.t, self.at = np.unique(starts, return_inverse=True)
        self.keys, self.code = _key_codes(keys, len(starts))

    def counts(self, n: Any) -> Counts:
        """[T, K] sums of n."""
        return Counts(self.t, self.step, self.keys, self._sum(floats(n), slice(None)))

    def histogram(self, bins: Bins, code: Any, n: Any, total: Any) -> Histogram:
        """[T, K, B] sums of n per bin code; `total` is the sum of finite values of each row."""
        import numpy as np

        weights, codes = floats(n), ints(code)
        cells = np.zeros((len(self.t), len(self.keys), len(bins)))
        inside = codes >= 0
        np.add.at(cells, (self.at[inside], self.code[inside], codes[inside]), weights[inside])
        return Histogram(
            self.t,
            self.step,
            self.keys,
            bins,
            cells,
            self._sum(weights, codes == NULL_BIN),
            self._sum(weights, codes == NONFINITE_BIN),
            self._sum(floats(total), inside),
        )

    def cells(
        self, bins: Bins, cells: Floats, rows: Floats, total: Floats, nonfinite: Floats | None = None
    ) -> Histogram:
        """From [N, B] counts, [N] rows (nulls included), [N] sums and [N] non-finite values of each answered row."""
        import numpy as np

        n = np.zeros((len(self.t), len(self.keys), len(bins)))
        np.add.at(n, (self.at, self.code), cells)
        every = slice(None)
        odd = np.zeros(len(rows)) if nonfinite is None else nonfinite
        null = self._sum(rows - cells.sum(axis=1) - odd, every)
        return Histogram(self.t, self.step, self.keys, bins, n, null, self._sum(odd, every), self._sum(total, every))

    def _sum(self, weights: Floats, rows: slice | NDArray[np.bool_]) -> Floats:
        import numpy as np

        cells = np.zeros((len(self.t), len(self.keys)))
        np.add.at(cells, (self.at[rows], self.code[rows]), weights[rows])
        return cells


def reference_bins(quantiles: Sequence[float], special: Sequence[float] = ()) -> NumericBins:
    """Open-ended bins between the distinct quantiles of a baseline; each `special` value has a bin to itself.

    A quantile between two values of opposite sign near the largest double is infinite, and is left out.
    """
    edges = {*quantiles, *special, *(just_above(value) for value in special)}
    inner = sorted(edge for edge in edges if math.isfinite(edge))
    return NumericBins((-math.inf, *inner, math.inf), reference=True)


def category_bins(values: Sequence[Any]) -> CategoryBins:
    """The most frequent values as labels, then OTHER and UNSEEN."""
    labels = dict.fromkeys(text_of(value) for value in values)
    return CategoryBins((*(label for label in labels if label not in (OTHER, UNSEEN)), OTHER, UNSEEN))
