"""The smallest conjunctions of dimension values that carry a change: a penalised Poisson-likelihood scan.

Kulldorff's scan statistic (1997) over all conjunctions of up to three values, with greedy explain-away. Support is
anti-monotone (a conjunction holds no more hits than its parts), so cells with too few hits prune all below them
exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Segment
from analysis.cubes import Aligned, align, expectation

if TYPE_CHECKING:
    from analysis.evidence import Cube, Floats

MIN_HITS = 10
MIN_ROWS = 30
MIN_SHARE = 0.02
"""Smallest share of the excess that a segment explains."""
GATE_Z = 3.0
KEEP = 0.97
"""A shorter conjunction that keeps this part of the likelihood is the better name."""
CONCENTRATION = 1.3
"""How many times further above its expectation a segment is than the rest; below that the change is everywhere."""
_LATER = 0.02
"""Part of the first segment's likelihood that a later one needs."""
_MIRROR = 1.3
_TRAFFIC_CELLS = 100.0

Mask = NDArray[np.bool_]
Where = tuple[tuple[int, int], ...]
"""((dim, value), ...) by index, ascending."""


@dataclass(frozen=True, slots=True)
class _Scan:
    """What every scan round needs: counts and expectations per leaf, and how a cell is judged."""

    cube: Aligned
    counts: Floats
    expected: Floats
    rests_on: Floats
    """[L] baseline rows behind each expectation."""
    max_order: int
    alpha: float
    min_count: float
    total: float
    """Net excess over all leaves."""
    sign: int
    """1: rises only, -1: falls only, 0: both (traffic)."""
    dispersion: float
    """Variance over Poisson variance of the counts."""
    wobble: float = 0.0
    """Standard deviation of log(count / expected) between quiet cells beyond Poisson (traffic)."""

    @property
    def cuboids(self) -> int:
        """Sets of dims that are searched."""
        dims = len(self.cube.dims)
        return sum(math.comb(dims, order) for order in range(1, self.max_order + 1))


@dataclass(frozen=True, slots=True)
class _Cell:
    where: Where
    count: float
    expected: float
    llr: float
    rank: float
    """llr - penalty."""
    deflated: float
    """llr that is left when the baseline's own uncertainty is taken off."""
    penalty: float


def search(
    live: Cube,
    baseline: Cube,
    outcome: int,
    *,
    max_order: int = 3,
    alpha: float = 0.01,
    limit: int = 5,
    dispersion: float = 1.0,
) -> tuple[Segment, ...]:
    """Segments of which the outcome became more frequent than the baseline, mix-adjusted, predicts; best first.

    Empty when there is no net excess (z < 3: at most the mix moved), when nothing survives the correction for all
    cells searched, or when the change is everywhere. `dispersion` is the between-window dispersion of the outcome's
    count. `rate_before` is the baseline's rate, or what it predicts for a value that it never had; `lift` is rate_in
    / rate_out.
    """
    cube = align(live, baseline, outcome)
    if not cube.dims or cube.n_baseline.sum() <= 0 or cube.n.sum() <= 0:
        return ()
    expected, rests_on = expectation(cube)
    if cube.hits_baseline.sum() == 0:
        # What never happened before is expected half a time in a baseline of this size, evenly over the rows.
        expected = expected + cube.n * 0.5 / (float(cube.n_baseline.sum()) + 1)
    excess = float(cube.hits.sum() - expected.sum())
    uncertainty = float(expected.sum()) * (1 + float(cube.n.sum() / cube.n_baseline.sum()))
    if excess <= 0 or excess < GATE_Z * math.sqrt(dispersion * uncertainty):
        return ()
    scan = _Scan(
        cube, cube.hits, expected, rests_on, max_order, alpha, max(MIN_HITS, MIN_SHARE * excess), excess, 1, dispersion
    )
    return tuple(_rate_segment(scan, cell) for cell in _cover(scan, limit))


def search_traffic(
    live: Cube,
    baseline: Cube,
    *,
    scale: float | None = None,
    max_order: int = 2,
    alpha: float = 0.01,
    limit: int = 5,
) -> tuple[Segment, ...]:
    """Segments that gained or lost traffic; best first.

    `scale` is the live length over the baseline's: rows are compared with the rows expected of so long a window,
    which finds the segment that took the total up or down. Without it shares of the traffic are compared. `rate_in`
    is the segment's share of the rows now, `rate_before` its share before, `lift` rows now over rows expected,
    `rate_out` the other segments' rows now over expected, `share_of_change` its part of the rows gained or lost.
    """
    cube = align(live, baseline, None)
    total, before = float(cube.n.sum()), float(cube.n_baseline.sum())
    if not cube.dims or before <= 0 or total + before <= 0:
        return ()
    factor = scale if scale is not None else total / before
    expected = cube.n_baseline * factor
    change = total - float(expected.sum())
    sign = 0 if scale is None else (1 if change >= 0 else -1)
    # Shares cannot change in sum: what moved is then half of all absolute changes of the largest dimension.
    moved = (
        abs(change)
        if scale is not None
        else 0.5 * max(float(np.abs(np.bincount(codes, cube.n - expected)).sum()) for codes in cube.codes)
    )
    if moved <= 0:
        return ()
    scan = _Scan(
        cube,
        cube.n,
        expected,
        cube.n_baseline,
        max_order,
        alpha,
        max(MIN_ROWS, MIN_SHARE * moved),
        moved,
        sign,
        1.0 + factor,
        _wobble(cube, expected),
    )
    return tuple(_traffic_segment(scan, cell) for cell in _cover(scan, limit))


def _wobble(cube: Aligned, expected: Floats) -> float:
    """Robust spread of log(count / expected) over the well-filled values of single dims, Poisson noise taken off."""
    logs, noise = [], []
    for codes in cube.codes:
        counts, means = np.bincount(codes, cube.n), np.bincount(codes, expected)
        big = (means >= _TRAFFIC_CELLS) & (counts > 0)
        ratio = np.log(counts[big] / means[big])
        logs.append(ratio - np.median(ratio) if len(ratio) else ratio)
        noise.append(1 / means[big])
    spread = np.concatenate(logs)
    if len(spread) < 6:
        return 0.0
    variance = (1.4826 * float(np.median(np.abs(spread)))) ** 2 - float(np.median(np.concatenate(noise)))
    return math.sqrt(max(variance, 0.0))


def _likelihood(scan: _Scan, count: Floats, expected: Floats) -> Floats:
    """Log-likelihood ratio of Poisson counts against their expectation, zero on the side that is not searched."""
    safe = np.maximum(expected, 1e-9)
    ratio = np.log(np.where(count > 0, count, 1.0) / safe)
    llr = count * np.where(count > 0, ratio, 0.0) - (count - expected)
    if scan.sign:
        llr = np.where(scan.sign * (count - expected) > 0, llr, 0.0)
    if scan.wobble > 0:
        gaussian = (count - expected) ** 2 / (2 * (scan.dispersion * safe + (scan.wobble * safe) ** 2))
        llr = np.minimum(llr, gaussian)
    return np.maximum(llr, 0.0)


def _cuboids(scan: _Scan, active: Mask) -> Iterator[tuple[tuple[int, ...], NDArray[np.int64], Floats, Floats]]:
    """(dims, cell codes, counts, expectations) of every cell with enough support, order by order."""
    cube, dims = scan.cube, range(len(scan.cube.dims))
    sizes = [len(values) for values in cube.values]
    codes = [column[active] for column in cube.codes]
    counts, expected = scan.counts[active], scan.expected[active]
    # A fall is carried by the expectation: support is then the larger of the two, which is anti-monotone as well.
    passing: dict[tuple[int, ...], Mask] = {(): np.ones(len(counts), dtype=np.bool_)}
    for order in range(1, scan.max_order + 1):
        for chosen in combinations(dims, order):
            if order > 1 and any(sizes[d] < 2 for d in chosen):
                continue
            parents = list(combinations(chosen, order - 1))
            if any(parent not in passing for parent in parents):
                continue
            mask = np.logical_and.reduce([passing[parent] for parent in parents])
            rows = np.flatnonzero(mask)
            if len(rows) == 0:
                continue
            key = codes[chosen[0]][rows]
            for d in chosen[1:]:
                key = key * sizes[d] + codes[d][rows]
            if math.prod(sizes[d] for d in chosen) > 4 * len(rows) + 65_536:
                names, key = np.unique(key, return_inverse=True)
            else:
                names = np.arange(math.prod(sizes[d] for d in chosen))
            cell_counts: Floats = np.bincount(key, counts[rows], minlength=len(names)).astype(np.float64)
            cell_expected: Floats = np.bincount(key, expected[rows], minlength=len(names)).astype(np.float64)
            support = cell_counts if scan.sign > 0 else np.maximum(cell_counts, cell_expected)
            enough = support >= scan.min_count
            if not enough.any():
                continue
            if order < scan.max_order:
                kept = np.zeros(len(mask), dtype=np.bool_)
                kept[rows] = enough[key]
                passing[chosen] = kept
            yield chosen, names[enough], cell_counts[enough], cell_expected[enough]


def _penalty(scan: _Scan, chosen: tuple[int, ...]) -> float:
    """ln(cells x cuboids / alpha): Bonferroni over everything that was searched."""
    cells = min(math.prod(len(scan.cube.values[d]) for d in chosen), len(scan.counts))
    return math.log(cells * scan.cuboids / scan.alpha)


def _decode(scan: _Scan, chosen: tuple[int, ...], code: int) -> Where:
    values = []
    for d in reversed(chosen):
        code, value = divmod(code, len(scan.cube.values[d]))
        values.append((d, value))
    return tuple(reversed(values))


def _mask(scan: _Scan, where: Where) -> Mask:
    mask = np.ones(len(scan.counts), dtype=np.bool_)
    for dim, value in where:
        mask &= scan.cube.codes[dim] == value
    return mask


def _cell(scan: _Scan, where: Where, active: Mask) -> _Cell:
    """The exact sums of one conjunction over the active leaves."""
    mask = _mask(scan, where) & active
    count, expected = float(scan.counts[mask].sum()), float(scan.expected[mask].sum())
    llr = float(_likelihood(scan, np.asarray(count), np.asarray(expected)))
    if scan.sign > 0:
        # Baseline sampling: E has the relative variance of the baseline events it rests on.
        weight = scan.expected[mask]
        variance = float((weight * scan.cube.n[mask] / np.maximum(scan.rests_on[mask], 1.0)).sum())
        rows = float(scan.cube.n_baseline[mask].sum())
        if rows > 0:
            variance = max(expected * float(scan.cube.n[mask].sum()) / rows, min(variance, expected))
        deflated = llr * expected / max(expected + variance, 1e-12) / scan.dispersion if expected > 0 else llr
    else:
        deflated = llr if scan.wobble > 0 else llr / scan.dispersion
    penalty = _penalty(scan, tuple(dim for dim, _ in where)) if where else 0.0
    return _Cell(where, count, expected, llr, llr - penalty, deflated, penalty)


def _best(scan: _Scan, active: Mask) -> _Cell | None:
    """The significant cell of the highest rank, under its shortest name; None when there is none."""
    candidates: list[tuple[float, tuple[int, ...], int]] = []
    total, whole = float(scan.counts[active].sum()), float(scan.expected[active].sum())
    for chosen, names, counts, expected in _cuboids(scan, active):
        penalty = _penalty(scan, chosen)
        rank = _likelihood(scan, counts, expected) - penalty
        if scan.sign > 0:
            rank = np.where(_concentrated(counts, expected, total, whole, penalty), rank, 0.0)
        for i in np.argsort(-rank)[:8]:
            if rank[i] > 0:
                candidates.append((float(rank[i]), chosen, int(names[i])))
    candidates.sort(key=lambda c: -c[0])
    for _, chosen, name in candidates[:32]:
        cell = _cell(scan, _decode(scan, chosen, name), active)
        if cell.deflated > cell.penalty and _guards(scan, cell, active):
            return _shortest(scan, cell, active)
    return None


def _concentrated(counts: Floats, expected: Floats, total: float, whole: float, penalty: float) -> Mask:
    """Whether cells rose by more than the rest did: Kulldorff's likelihood ratio given the total, and a factor of 1.3.

    Without it a change that is everywhere would be blamed on the largest segment.
    """
    rest, rest_expected = np.maximum(total - counts, 0.0), np.maximum(whole - expected, 1e-9)
    inside = counts / np.maximum(expected, 1e-9)
    outside = rest / rest_expected
    ratio = counts * np.log(np.maximum(inside, 1e-300)) - total * math.log(max(total, 1e-300) / max(whole, 1e-9))
    ratio = ratio + np.where(rest > 0, rest * np.log(np.where(rest > 0, outside, 1.0)), 0.0)
    whole_set = rest_expected <= 1e-9 * max(whole, 1.0)
    mask: Mask = (ratio > penalty) & (inside >= CONCENTRATION * outside) & ~whole_set
    return mask


def _guards(scan: _Scan, cell: _Cell, active: Mask) -> bool:
    if abs(cell.count - cell.expected) < MIN_SHARE * scan.total:
        return False
    if scan.sign <= 0:
        return True
    inside = _mask(scan, cell.where) & active
    rows, rest = float(scan.cube.n[inside].sum()), float(scan.cube.n[active & ~inside].sum())
    # Where all rows of every segment are hit, small differences of the baseline's rates look like a concentration.
    left = float(scan.counts[active].sum() - scan.expected[active].sum()) - (cell.count - cell.expected)
    return rows >= MIN_ROWS and (cell.count - cell.expected) / rows >= CONCENTRATION * left / max(rest, 1.0)


def _shortest(scan: _Scan, cell: _Cell, active: Mask) -> _Cell:
    for size in range(1, len(cell.where)):
        shorter = [_cell(scan, part, active) for part in combinations(cell.where, size)]
        kept = [s for s in shorter if s.llr >= KEEP * cell.llr and s.deflated > s.penalty]
        if kept:
            return max(kept, key=lambda s: s.llr)
    return cell


def _cover(scan: _Scan, limit: int) -> list[_Cell]:
    """Greedy explain-away: the best cell, then the best of what it leaves, while that is worth telling."""
    active = np.ones(len(scan.counts), dtype=np.bool_)
    found: list[_Cell] = []
    bar = _mirror_bar(scan)
    while len(found) < limit:
        cell = _best(scan, active)
        if cell is None or cell.llr < bar or (found and cell.llr < _LATER * found[0].llr):
            break
        found.append(cell)
        active &= ~_mask(scan, cell.where)
        if scan.sign > 0:
            left, rest = float(scan.counts[active].sum()), float(scan.expected[active].sum())
            if left - rest < GATE_Z * math.sqrt(max(rest, 1.0) * scan.dispersion):
                break
    return found


def _mirror_bar(scan: _Scan) -> float:
    """1.3 times the best likelihood in the direction nobody asked about: natural swings go both ways (traffic only)."""
    if scan.sign == 0 or scan.wobble == 0:
        return 0.0
    mirror = replace(scan, sign=-scan.sign, max_order=1)
    everything = np.ones(len(scan.counts), dtype=np.bool_)
    best = 0.0
    for _, _, counts, expected in _cuboids(mirror, everything):
        best = max(best, float(_likelihood(mirror, counts, expected).max()))
    return _MIRROR * best


def _named(scan: _Scan, where: Where) -> tuple[tuple[str, str], ...]:
    return tuple((scan.cube.dims[dim], scan.cube.values[dim][value]) for dim, value in where)


def _adjusted(cell: _Cell, alpha: float) -> float:
    return min(1.0, math.exp(min(0.0, cell.penalty + math.log(alpha) - cell.deflated)))


def _rate_segment(scan: _Scan, cell: _Cell) -> Segment:
    # Shown numbers are those of the whole segment, also where an earlier one overlaps it.
    cell = _cell(scan, cell.where, np.ones(len(scan.counts), dtype=np.bool_))
    mask, cube = _mask(scan, cell.where), scan.cube
    n, total = float(cube.n[mask].sum()), float(cube.n.sum())
    rows = float(cube.n_baseline[mask].sum())
    rate_in = cell.count / n
    out_rows, out_hits = total - n, float(cube.hits.sum()) - cell.count
    rate_out = out_hits / out_rows if out_rows > 0 else 0.0
    floor = rate_out if out_hits > 0 else 0.5 / (out_rows + 1)
    return Segment(
        where=_named(scan, cell.where),
        share_of_change=(cell.count - cell.expected) / scan.total,
        rate_in=rate_in,
        rate_out=rate_out,
        rate_before=float(cube.hits_baseline[mask].sum()) / rows if rows > 0 else cell.expected / n,
        lift=rate_in / floor,
        support=n / total,
        n=n,
        p_adjusted=_adjusted(cell, scan.alpha),
    )


def _traffic_segment(scan: _Scan, cell: _Cell) -> Segment:
    cube, total = scan.cube, float(scan.counts.sum())
    expected_all = float(scan.expected.sum())
    rest = expected_all - cell.expected
    return Segment(
        where=_named(scan, cell.where),
        share_of_change=(cell.count - cell.expected) / scan.total * (scan.sign or 1),
        rate_in=cell.count / total if total > 0 else 0.0,
        rate_out=(total - cell.count) / rest if rest > 0 else 0.0,
        rate_before=float(cube.n_baseline[_mask(scan, cell.where)].sum() / cube.n_baseline.sum()),
        lift=cell.count / max(cell.expected, 0.5),
        support=cell.count / total if total > 0 else 0.0,
        n=cell.count,
        p_adjusted=_adjusted(cell, scan.alpha),
    )
