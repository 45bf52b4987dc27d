"""Whether errors are of other kinds than usual although there are no more of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.distances import g_statistic, shares, tv, tv_noise
from analysis.shift import dispersion, pool_small
from analysis.special import f_sf

Floats = NDArray[np.float64]

MIN_ERRORS = 50
"""Errors, in the window and in the baseline, below which a mix is not judged."""

MIN_EXPECTED = 5.0
"""Expected errors from which a kind is a class of its own; rarer ones are one class."""

MAX_P = 0.001
MOVED = 0.2
"""Share of the errors, noise taken off, that must be of other kinds to be worth a look."""


@dataclass(frozen=True, slots=True)
class MixChange:
    """The kinds of error of a window against the reference windows."""

    g: float
    """The G statistic of the 2 x B table, over the dispersion of the reference windows."""
    p: float
    moved: float
    """Share of the errors that are of other kinds, 0..1: total variation less what chance gives."""
    grown: int
    """The kind whose share grew most; an index into the kinds given."""

    @property
    def matters(self) -> bool:
        """Whether it is both real and large enough."""
        return self.p < MAX_P and self.moved >= MOVED


def mix_change(live: Floats, windows: Floats) -> MixChange | None:
    """The G-test of [C] live errors per kind against [K, C] reference windows; None with too few errors or kinds.

    Rare kinds are pooled until each expects five errors. Errors come in clumps, so G is divided by the dispersion of
    the reference windows among themselves and referred to F with its degrees of freedom: a first-order Rao-Scott
    correction, as for features. G: Woolf 1957; McDonald, *Handbook of Biological Statistics*, "G-test of independence".
    """
    base = windows.sum(axis=0)
    n, m = float(live.sum()), float(base.sum())
    if n < MIN_ERRORS or m < MIN_ERRORS or len(live) < 2:
        return None
    pooled, pooled_windows = pool_small(live[None], windows[None], [False], MIN_EXPECTED)
    statistic, df = g_statistic(pooled[0], pooled_windows[0].sum(axis=0))
    if df < 1:
        return None
    raw, freedom = dispersion(pooled_windows[0])
    factor = max(1.0, raw)
    g = float(statistic) / factor
    p = float(f_sf(g / float(df), float(df), freedom if freedom > 0 else np.inf))
    moved = float(tv(pooled[0], pooled_windows[0].sum(axis=0))) - tv_noise(n, m, pooled_windows[0].sum(axis=0), factor)
    return MixChange(g, p, max(0.0, moved), int(np.argmax(shares(live) - shares(base))))
