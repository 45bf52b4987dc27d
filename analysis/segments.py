"""Where a change comes from: the smallest conjunctions of dimension values that carry it.

Kulldorff's scan statistic (1997) over conjunctions of up to three values, against what the baseline, mix-adjusted,
expects of each (`cubes.py`); greedy explain-away (`segment_cover.py`) over the lattice (`segment_scan.py`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.answer import Segment
from analysis.cubes import Aligned, align, expectation
from analysis.segment_cover import MIN_ROWS, MIN_SHARE, Cell, Found, cover, measure
from analysis.segment_noise import between_leaves, between_values
from analysis.segment_scan import Problem, Where, mask_of

if TYPE_CHECKING:
    from analysis.evidence import Cube

MIN_HITS = 10
ALPHA = 1e-3
"""Probability that chance shows anything, after the correction for everything that is searched."""
GATE_Z = 3.0
"""Standard deviations of a net excess from which the total asks for an explanation."""
_UNASKED = 2.0
_TRAFFIC_CELLS = 100.0
_RATE_CELLS = 20.0


def search(
    live: Cube,
    baseline: Cube,
    outcome: int,
    *,
    max_order: int = 3,
    alpha: float = ALPHA,
    limit: int = 5,
    alternatives: int = 0,
    dispersion: float = 1.0,
) -> tuple[Segment, ...]:
    """Segments of which the outcome became more frequent than the baseline, mix-adjusted, predicts; best first.

    Empty when nothing survives the correction for all cells searched, or when the change is everywhere. Where there is
    no net excess (z < 3: at most the mix moved) a segment needs twice the evidence. `dispersion` is the between-window
    dispersion of the outcome's count. `rate_before` is the baseline's rate, or what it predicts for a value that it
    never had; `lift` is rate_in / rate_out. At most `alternatives` wider or narrower names of the segments come last.
    """
    problem = rate_problem(
        align(live, baseline, outcome), max_order=max_order, alpha=alpha, dispersion=dispersion * live.hit_weight
    )
    if problem is None:
        return ()
    found = cover(problem, limit, alternatives)
    # Where the rest improved as much, the net excess is no measure.
    largest = max((one.cell.count - one.cell.expected for one in found), default=0.0)
    problem = replace(problem, total=max(problem.total, largest))
    sampled = problem.table.drawn is not None or live.hit_weight > 1
    return tuple(replace(_rate_segment(problem, one), sampled=sampled) for one in found)


def rate_problem(
    table: Aligned, *, max_order: int = 3, alpha: float = ALPHA, dispersion: float = 1.0
) -> Problem | None:
    """The search for an outcome's excess; None when there are no rows to compare."""
    if not table.dims or table.n_baseline.sum() <= 0 or table.n.sum() <= 0:
        return None
    expected, rests_on = expectation(table)
    if table.hits_baseline.sum() == 0:
        # What never happened before is expected half a time in a baseline of this size, evenly over the rows.
        expected = expected + table.n * 0.5 / (float(table.n_baseline.sum()) + 1)
    excess = float(table.hits.sum() - expected.sum())
    uncertainty = float(expected.sum()) * (1 + float(table.n.sum() / table.n_baseline.sum()))
    asked = excess >= GATE_Z * math.sqrt(dispersion * uncertainty)
    min_count = max(MIN_HITS * table.hit_weight, MIN_SHARE * excess)
    share = float(table.n.sum() / table.n_baseline.sum())
    return Problem(
        table, table.hits, expected, rests_on, max_order, alpha, min_count, excess, dispersion=dispersion,
        swing=between_values(table, table.hits, expected, _RATE_CELLS, 1 + share),
        burst=between_leaves(table.hits, expected, table.n / np.maximum(rests_on, 1.0)),
        unasked=1.0 if asked else _UNASKED,
    )  # fmt: skip


def compare(
    cube: Cube, outcome: int, *, max_order: int = 3, alpha: float = ALPHA, limit: int = 5
) -> tuple[Segment, ...]:
    """Segments in which the selected rows (those of the outcome) are more frequent than among the rest; best first.

    A case-control question within one window: `rate_before` is the share of the selection among all rows.
    """
    table = align(cube, cube, outcome)
    rows, selected = float(table.n.sum()), float(table.hits.sum())
    if not table.dims or not 0 < selected < rows:
        return ()
    expected = table.n * (selected / rows)
    min_count = max(MIN_HITS * table.hit_weight, MIN_SHARE * selected)
    problem = Problem(
        table, table.hits, expected, table.n, max_order, alpha, min_count, selected,
        dispersion=table.hit_weight, among=True,
    )  # fmt: skip
    segments = [_rate_segment(problem, found) for found in cover(problem, limit)]
    return tuple(replace(s, rate_before=selected / rows, sampled=table.drawn is not None) for s in segments)


def search_traffic(
    live: Cube,
    baseline: Cube,
    *,
    scale: float | None = None,
    max_order: int = 2,
    alpha: float = ALPHA,
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
    now, then = _stands_for(live), _stands_for(baseline)
    problem = Problem(
        cube,
        cube.n,
        expected,
        cube.n_baseline,
        max_order,
        alpha,
        max(MIN_ROWS * now, MIN_SHARE * moved),
        moved,
        sign,
        now + factor * then,
        between_values(cube, cube.n, expected, _TRAFFIC_CELLS),
    )
    return tuple(
        replace(_traffic_segment(problem, found), sampled=live.drawn is not None) for found in cover(problem, limit)
    )


def _stands_for(cube: Cube) -> float:
    """Rows that a counted row of a sampled cube stands for."""
    return 1.0 if cube.drawn is None else 1.0 + float(cube.drawn.sum() / max(float(cube.n.sum()), 1.0))


def _named(problem: Problem, where: Where) -> tuple[tuple[str, str], ...]:
    return tuple((problem.table.dims[dim], problem.table.values[dim][value]) for dim, value in where)


def _adjusted(cell: Cell, alpha: float) -> float:
    return min(1.0, math.exp(min(0.0, cell.penalty + math.log(alpha) - cell.deflated)))


def _rate_segment(problem: Problem, found: Found) -> Segment:
    # Shown numbers are those of the whole segment, also where an earlier one overlaps it.
    cell = measure(problem, found.cell.where, np.ones(len(problem.counts), dtype=np.bool_))
    mask, table = mask_of(problem, cell.where), problem.table
    n, total = float(table.n[mask].sum()), float(table.n.sum())
    rows = float(table.n_baseline[mask].sum())
    rate_in = cell.count / n
    out_rows, out_hits = total - n, float(table.hits.sum()) - cell.count
    rate_out = out_hits / out_rows if out_rows > 0 else 0.0
    floor = rate_out if out_hits > 0 else 0.5 / (out_rows + 1)
    return Segment(
        where=_named(problem, cell.where),
        share_of_change=(cell.count - cell.expected) / problem.total,
        rate_in=rate_in,
        rate_out=rate_out,
        rate_before=float(table.hits_baseline[mask].sum()) / rows if rows > 0 else cell.expected / n,
        lift=rate_in / floor,
        support=n / total,
        n=n,
        p_adjusted=_adjusted(cell, problem.alpha),
        rate_without=(float(table.hits.sum()) - (cell.count - cell.expected)) / total,
        aliases=tuple(_named(problem, where) for where in found.aliases),
        alternative=found.alternative,
    )


def _traffic_segment(problem: Problem, found: Found) -> Segment:
    cell, table, total = found.cell, problem.table, float(problem.counts.sum())
    expected_all = float(problem.expected.sum())
    rest = expected_all - cell.expected
    return Segment(
        where=_named(problem, cell.where),
        share_of_change=(cell.count - cell.expected) / problem.total * (problem.sign or 1),
        rate_in=cell.count / total if total > 0 else 0.0,
        rate_out=(total - cell.count) / rest if rest > 0 else 0.0,
        rate_before=float(table.n_baseline[mask_of(problem, cell.where)].sum() / table.n_baseline.sum()),
        lift=cell.count / max(cell.expected, 0.5),
        support=cell.count / total if total > 0 else 0.0,
        n=cell.count,
        p_adjusted=_adjusted(cell, problem.alpha),
        aliases=tuple(_named(problem, where) for where in found.aliases),
        alternative=found.alternative,
    )
