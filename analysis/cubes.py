"""Two cubes on one set of leaves, and what the baseline expects of each leaf."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from analysis.evidence import OTHER

if TYPE_CHECKING:
    from analysis.evidence import Cube, Floats, Ints

KAPPA = 140.0
"""Rows that the prior rate of a leaf is worth; 20 to 400 rank alike."""
_SWEEPS = 4
_SWEEPS_OF_MANY = 2
_MANY = 50_000
"""Baseline leaves from which fewer sweeps must do: each costs two passes over them per dim."""
_SHARED_LEAVES = 1_000_000
_KEPT = 0.5
_PRIOR_EVENTS = 2.0
_PAIRS = 4
_UNEVEN = 1.5
"""Chi-square over degrees of freedom from which a pair of dims gets factors of its own."""
_FILLED = 2.0
_PAIR_WORK = 4_000_000
_PAIRED_DIMS = 6


@dataclass(frozen=True, slots=True)
class Aligned:
    """Leaves of a live and a baseline cube, united."""

    dims: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    codes: tuple[Ints, ...]
    """One [L] array per dimension."""
    n: Floats
    """[L] live rows."""
    hits: Floats
    n_baseline: Floats
    hits_baseline: Floats
    drawn: Floats | None = None
    """[L] sampling variance of n; None: every row was counted."""
    hit_weight: float = 1.0
    """Rows that each counted hit stands for."""


def align(live: Cube, baseline: Cube, outcome: int | None) -> Aligned:
    """The union of the leaves over the dims that both cubes have; rows of a dim that only one has are added up.

    `outcome` picks the column of hits; None takes no hits (traffic).
    """
    dims = tuple(dim for dim in live.dims if dim in baseline.dims)
    values: list[tuple[str, ...]] = []
    columns: list[Ints] = []
    for dim in dims:
        i, j = live.dims.index(dim), baseline.dims.index(dim)
        known = {value: k for k, value in enumerate(live.values[i])}
        for value in baseline.values[j]:
            known.setdefault(value, len(known))
        if OTHER in known:
            # Last, where the search knows to leave it out: nobody can filter by it.
            known = {value: k for k, value in enumerate([*(v for v in known if v != OTHER), OTHER])}
        moved = np.array([known[value] for value in baseline.values[j]], dtype=np.int64)
        values.append(tuple(known))
        kept = np.array([known[value] for value in live.values[i]], dtype=np.int64)
        columns.append(np.concatenate([kept[live.codes[:, i]], moved[baseline.codes[:, j]]]))
    rows = len(live.n) + len(baseline.n)
    if live.drawn is not None and math.prod(len(v) for v in values) > _SHARED_LEAVES:
        # Rows drawn from so many combinations hardly share one.
        leaf = first = np.arange(rows)
    else:
        leaf, first = _leaves(columns, [len(v) for v in values], rows)
    count, split = len(first), len(live.n)

    def add(weights: Floats, part: slice) -> Floats:
        return np.bincount(leaf[part], weights, minlength=count).astype(np.float64)

    now, before = slice(0, split), slice(split, None)
    empty = np.zeros(count)
    return Aligned(
        dims,
        tuple(values),
        tuple(column[first] for column in columns),
        add(live.n, now),
        empty if outcome is None else add(live.hits[:, outcome], now),
        add(baseline.n, before),
        empty if outcome is None else add(baseline.hits[:, outcome], before),
        None if live.drawn is None else add(live.drawn, now),
        live.hit_weight,
    )


def renamed_dims(live: Cube, baseline: Cube) -> frozenset[str]:
    """Dims most of whose values were replaced: instances after a rollout, whose new names are no news of traffic.

    A new value beside the old ones is news, so most rows of both sides must lie in values that the other never had.
    """
    found = []
    for dim in set(live.dims) & set(baseline.dims):
        sides = [(cube, cube.dims.index(dim)) for cube in (live, baseline)]
        named = [
            dict(zip(cube.values[i], np.bincount(cube.codes[:, i], cube.n, len(cube.values[i])), strict=True))
            for cube, i in sides
        ]
        both = {value for value, n in named[0].items() if n > 0} & {value for value, n in named[1].items() if n > 0}
        if all(sum(rows[value] for value in both) < _KEPT * sum(rows.values()) for rows in named):
            found.append(dim)
    return frozenset(found)


def _leaves(columns: list[Ints], sizes: list[int], rows: int) -> tuple[Ints, Ints]:
    """Leaf of each row and the first row of each leaf, by mixed-radix codes that are compacted before they overflow."""
    key, span = np.zeros(rows, dtype=np.int64), 1
    for column, size in zip(columns, sizes, strict=True):
        if span * size > 2**62:
            key, span = np.unique(key, return_inverse=True)[1].astype(np.int64), rows
        key = key * size + column
        span *= size
    _, first, leaf = np.unique(key, return_index=True, return_inverse=True)
    return leaf.astype(np.int64), first.astype(np.int64)


def expectation(cube: Aligned, kappa: float = KAPPA) -> tuple[Floats, Floats]:
    """[L] expected live hits and the [L] baseline rows that each expectation rests on.

    The rate of a leaf is its own baseline rate shrunk to a product of one factor per dimension value, and one per
    pair of values of the dims that interact most (iterative scaling of the baseline margins), so a shift of the mix
    between leaves is no excess. A value that the baseline never had has the factor one: the leaf expects what
    its other dims predict, and rests on the rarest of them. `kappa`: see `KAPPA`.
    """
    total_n, total_hits = float(cube.n_baseline.sum()), float(cube.hits_baseline.sum())
    base = total_hits / total_n if total_n > 0 else 0.0
    support = np.full(len(cube.n), max(total_n, 1.0))
    for codes, names in zip(cube.codes, cube.values, strict=True):
        rows = np.bincount(codes, cube.n_baseline, minlength=len(names))
        support = np.minimum(support, np.where(rows > 0, rows, np.inf)[codes])
    prior = np.minimum(base * _scaled(cube, base), 1.0)
    # Where one row of many was drawn, a leaf's own rate is known from as many fewer.
    seen = cube.n_baseline > 0
    kappa *= max(1.0, float(np.median(cube.n_baseline[seen]))) if cube.drawn is not None and seen.any() else 1.0
    rate = (cube.hits_baseline + kappa * prior) / (cube.n_baseline + kappa)
    return cube.n * rate, np.where(cube.n_baseline > 0, cube.n_baseline, support)


def _scaled(cube: Aligned, base: float) -> Floats:
    """[L] product of the factors of each leaf's values, fitted to the baseline's margins."""
    rows = np.flatnonzero(cube.n_baseline > 0)
    n, hits = cube.n_baseline[rows], cube.hits_baseline[rows]
    margins = [codes for codes, names in zip(cube.codes, cube.values, strict=True) if len(names) > 1]
    if not margins:
        return np.ones(len(cube.n))
    fit = _Fit(n, hits, np.full(len(rows), base))
    product = fit.scale(margins, rows)
    pairs = _uneven_pairs(fit, margins, rows)
    if pairs:
        product *= fit.scale([*margins, *pairs], rows)
    # Shrunk factors do not keep the total by themselves.
    weight = float((n * fit.rate).sum())
    return product * (float(hits.sum()) / weight) if weight > 0 else product


@dataclass(slots=True)
class _Fit:
    """Baseline leaves and the rate that each has by the factors so far."""

    n: Floats
    hits: Floats
    rate: Floats

    def scale(self, margins: list[Ints], rows: Ints) -> Floats:
        """[L] product of one factor per value of each margin, by iterative scaling; `rate` takes them over.

        Args:
            margins: [L] codes each.
            rows: the leaves of the baseline.
        """
        sizes = [int(codes.max()) + 1 for codes in margins]
        inside = [codes[rows] for codes in margins]
        factors = [np.ones(size) for size in sizes]
        counted = [np.bincount(codes, self.hits, size) for codes, size in zip(inside, sizes, strict=True)]
        for _ in range(_SWEEPS if len(rows) < _MANY else _SWEEPS_OF_MANY):
            for codes, factor, seen in zip(inside, factors, counted, strict=True):
                expected = np.bincount(codes, self.n * self.rate, len(factor))
                step = (seen + _PRIOR_EVENTS) / (expected + _PRIOR_EVENTS)
                factor *= step
                self.rate *= step[codes]
        product = np.ones(len(margins[0]))
        for codes, factor in zip(margins, factors, strict=True):
            product *= factor[codes]
        return product

    def unevenness(self, codes: Ints) -> float:
        """Chi-square over degrees of freedom of the hits per code against the rate so far; about 1 when it fits."""
        expected = np.bincount(codes, self.n * self.rate)
        filled = expected >= _FILLED
        if filled.sum() < 2:
            return 0.0
        excess = np.bincount(codes, self.hits)[filled] - expected[filled]
        return float((excess**2 / expected[filled]).sum() / filled.sum())


def _uneven_pairs(fit: _Fit, margins: list[Ints], rows: Ints) -> list[Ints]:
    """[L] codes of the pairs of dims whose baseline rates the single dims explain least."""
    pairs = list(combinations(range(len(margins)), 2))
    if len(pairs) * len(rows) > _PAIR_WORK:
        # Where all cannot be looked at: dims of few values, which is where a pair has rows enough to tell.
        few = sorted(range(len(margins)), key=lambda i: int(margins[i].max()))[:_PAIRED_DIMS]
        pairs = list(combinations(sorted(few), 2))
    found: list[tuple[float, int, int, Ints]] = []
    for i, j in pairs:
        codes = margins[i] * (int(margins[j].max()) + 1) + margins[j]
        uneven = fit.unevenness(codes[rows])
        if uneven > _UNEVEN:
            found.append((-uneven, i, j, codes))
    found.sort(key=lambda one: one[:3])
    return [codes for *_, codes in found[:_PAIRS]]
