"""The segment question: one GROUP BY over all dims, kept small enough to search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from analysis.evidence import OTHER, Cube
from analysis.filters import Filter
from connectors.dialect import Dialect
from connectors.sqlcut import Cuts, dim_text
from connectors.sqlfilter import Kind
from connectors.sqlrows import floats, ints, strings

if TYPE_CHECKING:
    from analysis.evidence import Ints

TOP_DIM_VALUES = 50
MAX_LEAVES = 200_000


@dataclass(frozen=True, slots=True)
class SegmentQuery:
    """Dims, outcome tests (SQL) and how the dims are cut down."""

    dims: tuple[str, ...]
    outcomes: tuple[str, ...]
    weight: str
    kinds: Mapping[str, Kind]
    dialect: Dialect
    max_cells: int
    cuts: Cuts = field(default_factory=dict)
    sums: tuple[str, ...] = ()
    """SQL of numbers that are added up per combination."""
    capped: frozenset[str] = frozenset()
    """Dims whose values beyond the top are folded by the store, because there are too many to fetch."""

    def _value(self, dim: str) -> str:
        return dim_text(dim, self.kinds, self.dialect, self.cuts)

    def _dim(self, dim: str) -> str:
        if dim not in self.capped:
            return self._value(dim)
        value = self._value(dim)
        top = (
            f"SELECT {value} FROM cube_rows WHERE {value} IS NOT NULL "
            f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {TOP_DIM_VALUES}"
        )
        return f"CASE WHEN {value} IS NULL OR {value} IN ({top}) THEN {value} ELSE {self.dialect.text(OTHER)} END"

    def cells(self, relation: str) -> str:
        """SQL: one row per combination, with one more than `max_cells` when there are too many."""
        keys = "".join(f"{self._dim(dim)} AS d{i}, " for i, dim in enumerate(self.dims))
        hits = "".join(f", sum(CASE WHEN o{i} THEN w ELSE 0 END) AS h{i}" for i in range(len(self.outcomes)))
        hits += "".join(f", sum(w * x{i}) AS s{i}" for i in range(len(self.sums)))
        tests = "".join(f", {test} AS o{i}" for i, test in enumerate(self.outcomes))
        tests += "".join(f", {number} AS x{i}" for i, number in enumerate(self.sums))
        names = "".join(f"d{i}, " for i in range(len(self.dims)))
        group = f" GROUP BY {', '.join(f'd{i}' for i in range(len(self.dims)))}" if self.dims else ""
        rows = f"{relation} AS logs"
        head = ""
        if self.capped:
            head, rows = f"WITH cube_rows AS {self.dialect.materialized} (SELECT * FROM {rows}) ", "cube_rows"
        return (
            f"{head}SELECT {names}sum(w) AS n{hits} FROM (SELECT {keys}{self.weight} AS w{tests} FROM {rows}) AS keyed"
            f"{group} LIMIT {self.max_cells + 1}"
        )

    def widths(self, relation: str) -> str:
        """SQL: the number of distinct values of each dim."""
        columns = ", ".join(f"count(DISTINCT {self._value(dim)}) AS d{i}" for i, dim in enumerate(self.dims))
        return f"SELECT {columns} FROM {relation} AS logs"

    def narrowed(self, widths: Mapping[str, int]) -> tuple[SegmentQuery, str]:
        """A smaller question and the warning that says what was given up."""
        wide = frozenset(dim for dim in self.dims if widths[dim] > TOP_DIM_VALUES) - self.capped
        if wide:
            return replace(self, capped=self.capped | wide), ""
        widest = max(self.dims, key=lambda dim: min(widths[dim], TOP_DIM_VALUES))
        kept = tuple(dim for dim in self.dims if dim != widest)
        warning = f"{widest} is left out of the segments: more than {self.max_cells:,} combinations"
        return replace(self, dims=kept, capped=self.capped - {widest}), warning


def fold(
    dims: tuple[str, ...],
    columns: Sequence[Sequence[Any]],
    n: Sequence[Any],
    hits: Sequence[Sequence[Any]],
    outcomes: tuple[Filter, ...],
) -> Cube:
    """A cube from fetched combinations: values beyond the `TOP_DIM_VALUES` of a dim become `OTHER`."""
    import numpy as np

    rows = floats([value or 0 for value in n])
    codes: Ints = np.zeros((len(rows), len(dims)), dtype=np.int64)
    values: list[tuple[str, ...]] = []
    for d, column in enumerate(columns):
        texts = np.array(strings(column), dtype=object)
        distinct, code = np.unique(texts, return_inverse=True) if len(texts) else (texts, ints([]))
        order = np.argsort(-np.bincount(code, weights=rows, minlength=len(distinct)), kind="stable")
        ranked = [distinct[i] for i in order]
        listed = [value for value in ranked[:TOP_DIM_VALUES] if value != OTHER]
        rest = len(ranked) > len(listed)
        place = {value: i for i, value in enumerate(listed)}
        codes[:, d] = ints([place.get(value, len(listed)) for value in distinct])[code] if len(texts) else 0
        values.append((*listed, OTHER) if rest else tuple(listed))
    kept = rows > 0
    if dims and kept.any():
        unique, inverse = np.unique(codes[kept], axis=0, return_inverse=True)
        leaves, at = ints(unique), ints(inverse.reshape(-1))
    else:
        leaves, at = ints(codes[:1][kept[:1]]), ints(np.zeros(int(kept.sum())))
    summed = floats(np.bincount(at, weights=rows[kept], minlength=len(leaves)))
    counted = np.zeros((len(leaves), len(outcomes)))
    for o, column in enumerate(hits):
        counted[:, o] = np.bincount(at, weights=floats([v or 0 for v in column])[kept], minlength=len(leaves))
    return Cube(dims, tuple(values), leaves, summed, counted, outcomes)
