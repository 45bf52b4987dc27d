"""Which cells are told: greedy explain-away under the shortest names, with their aliases and alternatives."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from analysis.segment_scan import Mask, Problem, Where, cells, likelihood, mask_of, penalty

if TYPE_CHECKING:
    from analysis.evidence import Floats, Ints

MIN_ROWS = 30
MIN_SHARE = 0.02
"""Smallest share of the excess that a segment explains."""
KEEP = 0.97
"""A shorter conjunction that keeps this part of the likelihood is the better name."""
CONCENTRATION = 1.3
"""How many times further above its expectation a segment is than the rest; below that the change is everywhere."""
SAME_ROWS = 0.95
"""Share of each other's hits from which two segments are two names of one thing."""
SWING = 0.05
"""Relative standard deviation of a rate between two quiet windows that is assumed where less can be seen."""
MAX_ALIASES = 3
_LATER = 0.02
"""Part of the first segment's likelihood that a later one needs."""
_MIRROR = 1.3
_PER_CUBOID = 8
_TRIED = 32


@dataclass(frozen=True, slots=True)
class Cell:
    """The sums of one conjunction, and what they weigh."""

    where: Where
    count: float
    expected: float
    llr: float
    rank: float
    """llr - penalty."""
    deflated: float
    """llr that is left when the uncertainty of the expectation is taken off."""
    penalty: float
    significant: bool
    """Whether it survives the correction for all cells that were searched."""


@dataclass(frozen=True, slots=True)
class Found:
    """A cell that is told, other names of its rows, and whether it only rewords one that is told already."""

    cell: Cell
    aliases: tuple[Where, ...] = ()
    alternative: bool = False


def cover(problem: Problem, limit: int, alternatives: int = 0) -> list[Found]:
    """The best cell, then the best of what it leaves, while that is worth telling; then alternatives of those."""
    everything = np.ones(len(problem.counts), dtype=np.bool_)
    active = everything
    found: list[Found] = []
    pool: list[Where] = []
    bar = _mirror_bar(problem)
    while len(found) < limit:
        left = _renewed(problem, active) if problem.among else problem
        candidates = _candidates(left, active)
        best = _best(left, candidates, active)
        if best is None or best.llr < bar or (found and best.llr < _LATER * found[0].cell.llr):
            break
        found.append(Found(best, _aliases(left, best, candidates, active)))
        pool = pool or candidates
        active = active & ~mask_of(problem, best.where)
    others = _alternatives(problem, pool, found, everything, alternatives)
    return found + [Found(cell, alternative=True) for cell in others]


def measure(problem: Problem, where: Where, active: Mask) -> Cell:
    """The exact sums of one conjunction over the active leaves."""
    # A segment is mostly small: its leaves by their places are taken in a tenth of the time that a mask takes.
    leaves = np.flatnonzero(mask_of(problem, where) & active)
    count, expected = float(problem.counts[leaves].sum()), float(problem.expected[leaves].sum())
    if problem.sign <= 0 or problem.among:
        return judged(problem, where, count, expected, expected, 0.0)
    table = problem.table
    rows, n = float(table.n_baseline[leaves].sum()), float(table.n[leaves].sum())
    # A prior that does not know an interaction must not turn it into an excess: the segment's own rate before counts.
    own = n * float(table.hits_baseline[leaves].sum()) / rows if rows > 0 else 0.0
    return judged(problem, where, count, expected, max(expected, own), _variance(problem, leaves, expected))


def judged(problem: Problem, where: Where, count: float, expected: float, cautious: float, variance: float) -> Cell:
    """A cell from its sums.

    Args:
        cautious: the largest expectation that can be argued for, which significance is judged by.
        variance: of the expectation.
    """
    llr = float(likelihood(problem, np.asarray(count), np.asarray(expected)))
    if problem.sign > 0:
        deflated = float(likelihood(problem, np.asarray(count), np.asarray(cautious))) / problem.dispersion
        if cautious > 0:
            deflated *= cautious / max(cautious + variance, 1e-12)
    else:
        deflated = llr if problem.wobble > 0 else llr / problem.dispersion
    price = penalty(problem, tuple(dim for dim, _ in where)) if where else 0.0
    return Cell(where, count, expected, llr, llr - price, deflated, price, deflated > problem.unasked * price)


def _variance(problem: Problem, leaves: Ints, expected: float) -> float:
    """Of an expectation: the baseline's sampling, and that of the rows where not all were counted."""
    table = problem.table
    weight = problem.expected[leaves]
    variance = float((weight * table.n[leaves] / np.maximum(problem.rests_on[leaves], 1.0)).sum())
    rows = float(table.n_baseline[leaves].sum())
    if rows > 0:
        variance = max(expected * float(table.n[leaves].sum()) / rows, min(variance, expected))
    if table.drawn is not None:
        # One drawn row more or less: a cell of which none was drawn may still have some.
        rate = expected / max(float(table.n[leaves].sum()), 1.0)
        variance += rate**2 * (float(table.drawn[leaves].sum()) + float(table.drawn.max()))
    return variance + problem.burst**2 * float((weight**2).sum()) + (max(problem.swing, SWING) * expected) ** 2


def _candidates(problem: Problem, active: Mask) -> list[Where]:
    """The best-ranked cells of every set of dims, best first."""
    found: dict[Where, float] = {}
    total, whole = float(problem.counts[active].sum()), float(problem.expected[active].sum())
    for group in cells(problem, active):
        price = penalty(problem, group.dims)
        rank = likelihood(problem, group.counts, group.expected) - price
        if problem.sign > 0:
            rank = np.where(_concentrated(group.counts, group.expected, total, whole, price), rank, 0.0)
        for i in np.argsort(-rank)[:_PER_CUBOID]:
            if rank[i] > 0:
                found[group.where(int(i))] = float(rank[i])
    # Ties, as between two dims that tell the same rows apart, go to the name that sorts first.
    return sorted(found, key=lambda where: (-found[where], len(where), _name(problem, where)))


def _best(problem: Problem, candidates: list[Where], active: Mask) -> Cell | None:
    """The significant cell of the highest rank, under its shortest name; None when there is none."""
    for where in candidates[:_TRIED]:
        cell = measure(problem, where, active)
        if cell.significant and _worth_telling(problem, cell, active):
            return _shortest(problem, cell, active)
    return None


def _concentrated(counts: Floats, expected: Floats, total: float, whole: float, price: float) -> Mask:
    """Whether cells rose by more than the rest did: Kulldorff's likelihood ratio given the total, and a factor of 1.3.

    Without it a change that is everywhere would be blamed on the largest segment.
    """
    rest, rest_expected = np.maximum(total - counts, 0.0), np.maximum(whole - expected, 1e-9)
    inside = counts / np.maximum(expected, 1e-9)
    outside = rest / rest_expected
    ratio = counts * np.log(np.maximum(inside, 1e-300)) - total * math.log(max(total, 1e-300) / max(whole, 1e-9))
    ratio = ratio + np.where(rest > 0, rest * np.log(np.where(rest > 0, outside, 1.0)), 0.0)
    whole_set = rest_expected <= 1e-9 * max(whole, 1.0)
    mask: Mask = (ratio > price) & (inside >= CONCENTRATION * outside) & ~whole_set
    return mask


def _worth_telling(problem: Problem, cell: Cell, active: Mask) -> bool:
    """Enough rows, enough of the excess, and an excess that is denser inside than outside."""
    if abs(cell.count - cell.expected) < MIN_SHARE * problem.total:
        return False
    if problem.sign <= 0:
        return True
    inside = mask_of(problem, cell.where) & active
    rows, rest = float(problem.table.n[inside].sum()), float(problem.table.n[active & ~inside].sum())
    # Where all rows of every segment are hit, small differences of the baseline's rates look like a concentration.
    left = float(problem.counts[active].sum() - problem.expected[active].sum()) - (cell.count - cell.expected)
    return rows >= MIN_ROWS and (cell.count - cell.expected) / rows >= CONCENTRATION * left / max(rest, 1.0)


def _shortest(problem: Problem, cell: Cell, active: Mask) -> Cell:
    for size in range(1, len(cell.where)):
        shorter = [measure(problem, part, active) for part in combinations(cell.where, size)]
        kept = [s for s in shorter if s.llr >= KEEP * cell.llr and s.significant]
        if kept:
            return max(kept, key=lambda s: s.llr)
    return cell


def _aliases(problem: Problem, best: Cell, candidates: list[Where], active: Mask) -> tuple[Where, ...]:
    """Other conjunctions, no longer than needed, of very nearly the same hits and rows: collinear dims."""
    own = mask_of(problem, best.where) & active
    found: list[Where] = []
    for where in candidates[:_TRIED]:
        names = set(where)
        if len(found) == MAX_ALIASES or names >= set(best.where) or any(names >= set(known) for known in found):
            continue
        cell = measure(problem, where, active)
        shared = float(problem.counts[mask_of(problem, where) & own].sum())
        same_hits = shared >= SAME_ROWS * max(cell.count, best.count)
        if same_hits and cell.llr >= KEEP * best.llr and cell.expected <= best.expected / SAME_ROWS:
            found.append(where)
    return tuple(found)


def _alternatives(problem: Problem, pool: list[Where], found: list[Found], active: Mask, limit: int) -> list[Cell]:
    """Parts and refinements of the segments that are told, by rank: where a reader may want to look wider or closer."""
    told = {where for one in found for where in (one.cell.where, *one.aliases)}
    chosen: list[Cell] = []
    for where in pool[:_TRIED]:
        related = any(set(where) < set(one.cell.where) or set(where) > set(one.cell.where) for one in found)
        if related and where not in told and len(chosen) < limit:
            cell = measure(problem, where, active)
            if cell.significant:
                chosen.append(cell)
    return chosen


def _renewed(problem: Problem, active: Mask) -> Problem:
    """Selected rows against the rest of what is left: the expectation is the selection's share of it."""
    left = float(problem.expected[active].sum())
    factor = float(problem.counts[active].sum()) / left if left > 0 else 1.0
    return replace(problem, expected=problem.expected * factor)


def _mirror_bar(problem: Problem) -> float:
    """1.3 times the best likelihood in the direction nobody asked about: natural swings go both ways (traffic only)."""
    if problem.sign == 0 or problem.wobble == 0:
        return 0.0
    mirror = replace(problem, sign=-problem.sign, max_order=1)
    everything = np.ones(len(problem.counts), dtype=np.bool_)
    best = 0.0
    for group in cells(mirror, everything):
        best = max(best, float(likelihood(mirror, group.counts, group.expected).max()))
    return _MIRROR * best


def _name(problem: Problem, where: Where) -> tuple[tuple[str, str], ...]:
    table = problem.table
    return tuple((table.dims[dim], table.values[dim][value]) for dim, value in where)
