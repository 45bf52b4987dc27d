"""Traffic moved, rates did not: how much of a changed rate comes from a changed mix of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.answer import MixShift
from analysis.cubes import align, expectation
from analysis.evidence import OTHER

if TYPE_CHECKING:
    from analysis.evidence import Cube

MOST = 0.5
"""Share of a rate's change that the mix must explain to be the answer."""


def mix_shift(live: Cube, baseline: Cube, outcome: int, *, limit: int = 5) -> tuple[MixShift, ...]:
    """The values whose share of the rows moved, where that explains at least half of the change of the rate.

    The change of a rate is the sum of what the mix did (shares now at rates before) and what the rates did (Kitagawa
    1955). Values of the one dim whose shares explain most come first by their part; empty when the rates moved.
    """
    table = align(live, baseline, outcome)
    rows, before = float(table.n.sum()), float(table.n_baseline.sum())
    if not table.dims or rows <= 0 or before <= 0:
        return ()
    rate, rate_before = float(table.hits.sum()) / rows, float(table.hits_baseline.sum()) / before
    change = rate - rate_before
    by_mix = float(expectation(table)[0].sum()) / rows - rate_before
    if change == 0 or by_mix / change < MOST:
        return ()
    best: list[MixShift] = []
    for dim, values, codes in zip(table.dims, table.values, table.codes, strict=True):
        size = len(values)
        share, share_before = (
            np.bincount(codes, table.n, size) / rows,
            np.bincount(codes, table.n_baseline, size) / before,
        )
        known = share_before > 0
        rates = np.bincount(codes, table.hits_baseline, size)[known] / (share_before[known] * before)
        part = np.zeros(size)
        # Against the mean rate: a share that moves to a value of that rate changes nothing.
        part[known] = (share - share_before)[known] * (rates - rate_before) / change
        if part.sum() > sum(shift.share_of_change for shift in best):
            rate_of = dict(zip(np.flatnonzero(known).tolist(), rates.tolist(), strict=True))
            listed = [int(i) for i in np.argsort(-part) if known[i] and values[int(i)] != OTHER]
            best = [
                MixShift(((dim, values[i]),), float(share_before[i]), float(share[i]), rate_of[i], float(part[i]))
                for i in listed
            ]
    return tuple(best[:limit])
