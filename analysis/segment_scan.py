"""The lattice of conjunctions: counts and expectations of every cell with enough support, order by order.

Support is anti-monotone (a conjunction holds no more than its parts), so a cell with too little of it prunes all below
it exactly. Beyond a budget of work only the best cells of an order are extended: an ancestor of a conjunction carries
its whole excess, so the likelihood of the ancestors leads to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import OTHER

if TYPE_CHECKING:
    from analysis.cubes import Aligned
    from analysis.evidence import Floats, Ints

BEAM = 24
"""Cells of an order that are extended when the table is too large to extend all."""
WORK = 50_000_000
"""Leaves x dims x extended cells up to which an order is extended in full: about 0.3 s of CPU."""
_EMPTY_CELLS = 65_536
"""Cells that may be counted without having any rows, before the ones with rows are looked up first."""

_PROMISING = 0.25
"""Share of the bar of significance that a cell must reach to be extended where there are more than the beam takes."""

Mask = NDArray[np.bool_]
Where = tuple[tuple[int, int], ...]
"""((dim, value), ...) by index, ascending."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is searched: counts and expectations per leaf, and how a cell is judged."""

    table: Aligned
    counts: Floats
    """[L]"""
    expected: Floats
    """[L]"""
    rests_on: Floats
    """[L] baseline rows behind each expectation."""
    max_order: int
    alpha: float
    min_count: float
    total: float
    """Net excess over all leaves."""
    sign: int = 1
    """1: rises only, -1: falls only, 0: both (traffic)."""
    dispersion: float = 1.0
    """Variance over Poisson variance of the counts."""
    wobble: float = 0.0
    """Standard deviation of log(count / expected) between quiet values beyond Poisson (traffic)."""
    swing: float = 0.0
    """The same between values of a dim, of a rate: it widens the expectation."""
    burst: float = 0.0
    """The same between leaves, of a rate."""
    unasked: float = 1.0
    """Factor on the bar of significance: above 1 where the total does not ask for an explanation."""
    among: bool = False
    """The expectation is a share of the counts themselves (selected rows against the rest)."""

    @property
    def cuboids(self) -> int:
        """Sets of dims that are searched."""
        dims = len(self.table.dims)
        return sum(math.comb(dims, order) for order in range(1, self.max_order + 1))


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of one set of dims with enough support."""

    dims: tuple[int, ...]
    values: Ints
    """[N, len(dims)] value of each dim."""
    counts: Floats
    expected: Floats

    def where(self, cell: int) -> Where:
        """The conjunction of one cell."""
        return tuple(sorted(zip(self.dims, (int(v) for v in self.values[cell]), strict=True)))


@dataclass(frozen=True, slots=True)
class _Part:
    """Kept cells of one set of dims, and the leaves that lie in them."""

    dims: tuple[int, ...]
    values: Ints
    """[K, order]"""
    counted: Ints
    """Leaves with a count, and the kept cell of each."""
    counted_cell: Ints
    awaited: Ints
    """Leaves with an expectation, and the kept cell of each."""
    awaited_cell: Ints


def likelihood(problem: Problem, count: Floats, expected: Floats) -> Floats:
    """Log-likelihood ratio of Poisson counts against their expectation, zero on the side that is not searched.

    C ln(C/E) - (C - E): the expectation-based scan statistic (Neill 2009).
    """
    safe = np.maximum(expected, 1e-9)
    ratio = np.log(np.where(count > 0, count, 1.0) / safe)
    llr = count * np.where(count > 0, ratio, 0.0) - (count - expected)
    if problem.sign:
        llr = np.where(problem.sign * (count - expected) > 0, llr, 0.0)
    if problem.wobble > 0:
        gaussian = (count - expected) ** 2 / (2 * (problem.dispersion * safe + (problem.wobble * safe) ** 2))
        llr = np.minimum(llr, gaussian)
    return np.maximum(llr, 0.0)


def penalty(problem: Problem, dims: tuple[int, ...]) -> float:
    """ln(cells x cuboids / alpha): Bonferroni over everything that was searched."""
    cells = min(math.prod(len(problem.table.values[d]) for d in dims), len(problem.counts))
    return math.log(cells * problem.cuboids / problem.alpha)


def mask_of(problem: Problem, where: Where) -> Mask:
    """[L] the leaves of a conjunction."""
    mask = np.ones(len(problem.counts), dtype=np.bool_)
    for dim, value in where:
        mask &= problem.table.codes[dim] == value
    return mask


def cells(problem: Problem, active: Mask) -> Iterator[Cells]:
    """Cells of one to `max_order` values over the active leaves, with enough support and without `OTHER`."""
    everything = np.zeros((1, 0), dtype=np.int64)
    counted = np.flatnonzero(active & (problem.counts > 0))
    awaited = np.flatnonzero(active & (problem.expected > 0))
    frontier = [
        _Part((), everything, counted, np.zeros(len(counted), np.int64), awaited, np.zeros(len(awaited), np.int64))
    ]
    beam = max(BEAM, WORK // max(1, (len(counted) + len(awaited)) * len(problem.table.dims)))
    complete = True
    for order in range(1, problem.max_order + 1):
        found: list[tuple[Cells, _Part]] = []
        for part in frontier:
            for dim in _extensions(problem, part, order, complete):
                child = _extend(problem, part, dim)
                if child is not None:
                    found.append((child, part))
                    yield child
        if order < problem.max_order:
            complete = sum(len(child.counts) for child, _ in found) <= beam
            frontier = _frontier(problem, found, beam)


def _extensions(problem: Problem, part: _Part, order: int, complete: bool) -> Iterator[int]:
    """Dims by which kept cells are extended. While every cell was kept, each set of dims is reached once, ascending."""
    for dim in range(len(problem.table.dims)):
        ascending = not part.dims or dim > part.dims[-1]
        several = order == 1 or len(problem.table.values[dim]) > 1
        if dim not in part.dims and several and (ascending or not complete):
            yield dim


def _extend(problem: Problem, part: _Part, dim: int) -> Cells | None:
    """The cells of some kept cells times the values of one more dim; None when none has enough support."""
    column, size = problem.table.codes[dim], len(problem.table.values[dim])
    counted = part.counted_cell * size + column[part.counted]
    awaited = part.awaited_cell * size + column[part.awaited]
    span = len(part.values) * size
    if span > 4 * (len(counted) + len(awaited)) + _EMPTY_CELLS:
        names = np.unique(counted if problem.sign > 0 else np.concatenate([counted, awaited]))
        counts = np.bincount(np.searchsorted(names, counted), problem.counts[part.counted], minlength=len(names))
        at = np.minimum(np.searchsorted(names, awaited), max(len(names) - 1, 0))
        known = names[at] == awaited if len(names) else np.zeros(len(awaited), np.bool_)
        expected = np.bincount(at[known], problem.expected[part.awaited][known], minlength=len(names))
    else:
        names = np.arange(span)
        counts = np.bincount(counted, problem.counts[part.counted], minlength=span)
        expected = np.bincount(awaited, problem.expected[part.awaited], minlength=span)
    # A fall is carried by the expectation: support is then the larger of the two, which is anti-monotone as well.
    support = counts if problem.sign > 0 else np.maximum(counts, expected)
    enough = np.flatnonzero(support >= problem.min_count)
    cell, value = np.divmod(names[enough], size)
    if problem.table.values[dim][-1:] == (OTHER,):
        named = value != size - 1
        enough, cell, value = enough[named], cell[named], value[named]
    if not len(enough):
        return None
    values = np.concatenate([part.values[cell], value[:, None]], axis=1)
    return Cells((*part.dims, dim), values, counts[enough].astype(np.float64), expected[enough].astype(np.float64))


def _frontier(problem: Problem, found: list[tuple[Cells, _Part]], beam: int) -> list[_Part]:
    """The `beam` cells of the highest likelihood, each once, with the leaves that lie in them."""
    scores = [likelihood(problem, child.counts, child.expected) for child, _ in found]
    if not scores:
        return []
    flat = np.concatenate(scores)
    # Where not all can be kept, an ancestor that shows nearly nothing leads nowhere.
    least = _PROMISING * penalty(problem, found[0][0].dims) if len(flat) > beam else -1.0
    owner = np.repeat(np.arange(len(found)), [len(score) for score in scores])
    first = np.cumsum([0, *(len(score) for score in scores)])
    kept: dict[int, list[int]] = {}
    seen: set[Where] = set()
    for at in np.argsort(-flat, kind="stable"):
        if len(seen) == beam or flat[at] < least:
            break
        child = int(owner[at])
        cell = int(at - first[child])
        where = found[child][0].where(cell)
        if where not in seen:
            seen.add(where)
            kept.setdefault(child, []).append(cell)
    return [_narrowed(problem, *found[child], np.array(sorted(kept[child]))) for child in sorted(kept)]


def _narrowed(problem: Problem, child: Cells, part: _Part, kept: Ints) -> _Part:
    """Some cells of an extension as a part of its own."""
    dim = child.dims[-1]
    column, size = problem.table.codes[dim], len(problem.table.values[dim])
    values = child.values[kept]
    position = {tuple(row): i for i, row in enumerate(part.values.tolist())}
    keys = np.array([position[tuple(row[:-1])] * size + row[-1] for row in values.tolist()], dtype=np.int64)
    order = np.argsort(keys)
    ranked = keys[order]

    def inside(rows: Ints, cell: Ints) -> tuple[Ints, Ints]:
        key = cell * size + column[rows]
        at = np.minimum(np.searchsorted(ranked, key), len(ranked) - 1)
        hit = ranked[at] == key
        return rows[hit], at[hit]

    return _Part(
        child.dims, values[order], *inside(part.counted, part.counted_cell), *inside(part.awaited, part.awaited_cell)
    )
