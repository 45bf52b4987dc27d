"""Distances between two binned distributions and their size when nothing drifted.

`live` and `baseline` are [..., B] counts; distances are over the last axis and are zero where a side is empty.
h stands for 1/n + 1/m of the two totals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from analysis.evidence import Floats


def shares(counts: ArrayLike) -> Floats:
    """[..., B] shares of [..., B] counts; zero where there are no counts."""
    n = np.asarray(counts, dtype=np.float64)
    total = n.sum(axis=-1, keepdims=True)
    out: Floats = np.divide(n, total, out=np.zeros_like(n), where=total > 0)
    return out


def psi(live: ArrayLike, baseline: ArrayLike, *, fill: float = 0.5) -> Floats:
    """Population stability index, the Jeffreys divergence in nats, with `fill` added to every bin of both sides.

    Bins that are empty on both sides add nothing whatever the totals are, so padding does not change the value.
    """
    x, y = (np.asarray(v, dtype=np.float64) for v in (live, baseline))
    used = (x + y) > 0
    p, q = shares(np.where(used, x + fill, 0.0)), shares(np.where(used, y + fill, 0.0))
    safe = used & (p > 0) & (q > 0)
    ratio = np.log(np.where(safe, p, 1.0) / np.where(safe, q, 1.0))
    value: Floats = ((p - q) * ratio).sum(axis=-1)
    return value


def js_divergence(live: ArrayLike, baseline: ArrayLike) -> Floats:
    """Jensen-Shannon divergence in nats, 0..ln 2; Lin 1991."""
    p, q = shares(live), shares(baseline)
    middle = (p + q) / 2

    def relative(part: Floats) -> Floats:
        safe = part > 0
        terms = part * np.log(np.where(safe, part, 1.0) / np.where(safe, middle, 1.0))
        total: Floats = terms.sum(axis=-1)
        return total

    known = (p.sum(axis=-1) > 0) & (q.sum(axis=-1) > 0)
    return np.where(known, np.maximum(0.0, (relative(p) + relative(q)) / 2), 0.0)


def js_distance(live: ArrayLike, baseline: ArrayLike) -> Floats:
    """Square root of the Jensen-Shannon divergence in bits, 0..1: finite with empty bins."""
    return np.minimum(1.0, np.sqrt(js_divergence(live, baseline) / math.log(2)))


def hellinger(live: ArrayLike, baseline: ArrayLike) -> Floats:
    """Hellinger distance, 0..1."""
    p, q = shares(live), shares(baseline)
    distance: Floats = np.sqrt(0.5 * ((np.sqrt(p) - np.sqrt(q)) ** 2).sum(axis=-1))
    return distance


def tv(live: ArrayLike, baseline: ArrayLike) -> Floats:
    """Total variation distance, 0..1: the share of the traffic that moved."""
    distance: Floats = 0.5 * np.abs(shares(live) - shares(baseline)).sum(axis=-1)
    return distance


def ks(live: ArrayLike, baseline: ArrayLike) -> Floats:
    """Kolmogorov-Smirnov distance at the bin edges, 0..1."""
    distance: Floats = np.abs(np.cumsum(shares(live) - shares(baseline), axis=-1)).max(axis=-1)
    return distance


def w1(live: ArrayLike, baseline: ArrayLike, edges: Sequence[float]) -> Floats:
    """Wasserstein-1 distance in the units of the finite [B+1] `edges`, counts spread evenly inside each bin."""
    difference = np.cumsum(shares(live) - shares(baseline), axis=-1)
    end = difference
    start = np.concatenate([np.zeros_like(end[..., :1]), end[..., :-1]], axis=-1)
    width = np.diff(np.asarray(edges, dtype=np.float64))
    # The difference of the cumulative functions is linear in a bin: its absolute area is a trapezium or two triangles.
    same = start * end >= 0
    size = np.abs(start) + np.abs(end)
    crossed = np.divide(start**2 + end**2, 2 * size, out=np.zeros_like(size), where=size > 0)
    area: Floats = (width * np.where(same, size / 2, crossed)).sum(axis=-1)
    return area


def binned_mean_sd(counts: ArrayLike, edges: Sequence[float]) -> tuple[Floats, Floats]:
    """Mean and standard deviation of [..., B] counts spread evenly between finite [B+1] `edges`."""
    p, bounds = shares(counts), np.asarray(edges, dtype=np.float64)
    middle, width = (bounds[1:] + bounds[:-1]) / 2, np.diff(bounds)
    mean = (p * middle).sum(axis=-1)
    variance = (p * (middle**2 + width**2 / 12)).sum(axis=-1) - mean**2
    return mean, np.sqrt(np.maximum(variance, 0.0))


def psi_noise(n: ArrayLike, m: ArrayLike, bins: ArrayLike, dispersion: ArrayLike = 1.0) -> Floats:
    """Expected PSI without drift: D (B-1) h (PSI/h is chi-squared with B-1 degrees of freedom)."""
    with np.errstate(divide="ignore"):
        h = 1 / np.asarray(n, dtype=np.float64) + 1 / np.asarray(m, dtype=np.float64)
    return np.asarray(dispersion, dtype=np.float64) * (np.asarray(bins, dtype=np.float64) - 1) * h


def js_noise(n: ArrayLike, m: ArrayLike, bins: ArrayLike, dispersion: ArrayLike = 1.0) -> Floats:
    """Expected JS distance without drift: √(D (B-1) h / (8 ln 2)), at most 1."""
    return np.minimum(1.0, np.sqrt(psi_noise(n, m, bins, dispersion) / (8 * math.log(2))))


def tv_noise(n: float, m: float, baseline: ArrayLike, dispersion: float = 1.0) -> float:
    """Expected total variation without drift: ½ √(2/π) √(D h) Σ √(q (1-q))."""
    q = shares(baseline)
    return 0.5 * math.sqrt(2 / math.pi * dispersion * (1 / n + 1 / m)) * float(np.sqrt(q * (1 - q)).sum())


def chi_squared(live: ArrayLike, baseline: ArrayLike) -> tuple[Floats, Floats]:
    """Pearson X² of the 2 x B table and its degrees of freedom; bins empty on both sides do not count."""
    x, y = (np.asarray(v, dtype=np.float64) for v in (live, baseline))
    n, m = x.sum(axis=-1, keepdims=True), y.sum(axis=-1, keepdims=True)
    both = x + y
    # (xm - yn)² / ((x+y) n m) is the sum of the two cells of a bin
    weight = both * n * m
    terms = np.divide((x * m - y * n) ** 2, weight, out=np.zeros_like(both), where=weight > 0)
    known = (n[..., 0] > 0) & (m[..., 0] > 0)
    df = np.where(known, np.maximum((both > 0).sum(axis=-1) - 1, 0), 0).astype(np.float64)
    return np.where(known, terms.sum(axis=-1), 0.0), df


def g_statistic(live: ArrayLike, baseline: ArrayLike) -> tuple[Floats, Floats]:
    """G = 2 Σ O ln(O/E) of the 2 x B table and its degrees of freedom; bins empty on both sides do not count."""
    table = np.stack([np.asarray(v, dtype=np.float64) for v in (live, baseline)])
    rows, columns = table.sum(axis=-1, keepdims=True), table.sum(axis=0)
    both = rows * columns
    ratio = np.divide(table * columns.sum(axis=-1, keepdims=True), both, out=np.ones_like(table), where=both > 0)
    terms = table * np.log(np.where(ratio > 0, ratio, 1.0))
    known = (rows > 0).all(axis=(0, -1))
    df = np.where(known, np.maximum((columns > 0).sum(axis=-1) - 1, 0), 0).astype(np.float64)
    return np.where(known, 2 * terms.sum(axis=(0, -1)), 0.0), df
