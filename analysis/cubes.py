"""Two cubes on one set of leaves, and what the baseline expects of each leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from analysis.evidence import Cube, Floats, Ints

KAPPA = 140.0
"""Rows that the prior rate of a leaf is worth; 20 to 400 rank alike."""
_SWEEPS = 4
_PRIOR_EVENTS = 2.0


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
        moved = np.array([known[value] for value in baseline.values[j]], dtype=np.int64)
        values.append(tuple(known))
        columns.append(np.concatenate([np.asarray(live.codes[:, i], np.int64), moved[baseline.codes[:, j]]]))
    rows = len(live.n) + len(baseline.n)
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
    )


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

    The rate of a leaf is its own baseline rate shrunk to a product of one factor per dimension value (iterative scaling
    of the baseline margins), so a shift of the mix between leaves is no excess. A value that the baseline never had has
    the factor one: the leaf expects what its other dims predict, and rests on the rarest of them.
    """
    total_n, total_hits = cube.n_baseline.sum(), cube.hits_baseline.sum()
    base = total_hits / total_n if total_n > 0 else 0.0
    prior = np.full(len(cube.n), base)
    support = np.full(len(cube.n), max(total_n, 1.0))
    for codes, names in zip(cube.codes, cube.values, strict=True):
        rows = np.bincount(codes, cube.n_baseline, minlength=len(names))
        support = np.minimum(support, np.where(rows > 0, rows, np.inf)[codes])
    hits_of = [
        np.bincount(codes, cube.hits_baseline, minlength=len(names))
        for codes, names in zip(cube.codes, cube.values, strict=True)
    ]
    for _ in range(_SWEEPS):
        for codes, names, hits in zip(cube.codes, cube.values, hits_of, strict=True):
            if len(names) < 2:
                continue
            expected = np.bincount(codes, cube.n_baseline * prior, minlength=len(names))
            prior *= ((hits + _PRIOR_EVENTS) / (expected + _PRIOR_EVENTS))[codes]
    prior = np.minimum(prior, 1.0)
    rate = (cube.hits_baseline + kappa * prior) / (cube.n_baseline + kappa)
    return cube.n * rate, np.where(cube.n_baseline > 0, cube.n_baseline, support)
