"""Shares of two windows: intervals, the two-proportion test with dispersion, exact tests for small counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from analysis.special import binom_sf, hypergeom_sf, normal_quantile, normal_sf, t_two_sided_of_one

if TYPE_CHECKING:
    from analysis.evidence import Floats

EXACT_BELOW = 20
"""Below this many events the normal approximation of a share is replaced by the exact test."""

PRIOR_WEIGHT = 6
"""Weight of the prior dispersion against the K-1 of the windows' own."""


@dataclass(frozen=True, slots=True)
class ShareTest:
    """A share now against a baseline share."""

    now: float
    baseline: float
    z: float
    """Standardised difference, dispersion included; positive when the share rose."""
    p: float
    """Two-sided."""
    ratio: float
    """now / baseline with half an event added to both, so that zero has a ratio."""
    se: float
    """Standard error of now - baseline, dispersion included."""
    n: float
    n_baseline: float
    events: float
    """Events in both windows together."""


def wilson(k: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a proportion k/n by inverting the score test; Wilson 1927. (0, 1) without observations."""
    if n <= 0:
        return 0.0, 1.0
    z = normal_quantile(0.5 + confidence / 2)
    share, square = k / n, z * z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return (0.0 if k <= 0 else max(0.0, centre - half)), (1.0 if k >= n else min(1.0, centre + half))


def newcombe(k1: float, n1: float, k2: float, n2: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of k1/n1 - k2/n2 from the two Wilson intervals; Newcombe 1998, method 10."""
    if n1 <= 0 or n2 <= 0:
        return -1.0, 1.0
    (l1, u1), (l2, u2) = wilson(k1, n1, confidence), wilson(k2, n2, confidence)
    p1, p2 = k1 / n1, k2 / n2
    return p1 - p2 - math.hypot(p1 - l1, u2 - p2), p1 - p2 + math.hypot(u1 - p1, p2 - l2)


def share_dispersion(k: ArrayLike, n: ArrayLike) -> float:
    """Between-window variance of a share over its binomial variance: Pearson X² of [K] windows / (K-1).

    One (the binomial value) when fewer than two windows hold rows or no window holds an event.
    """
    events, sizes = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    used = sizes > 0
    if used.sum() < 2:
        return 1.0
    events, sizes = events[used], sizes[used]
    share = events.sum() / sizes.sum()
    if not 0 < share < 1:
        return 1.0
    return float(((events - sizes * share) ** 2 / (sizes * share * (1 - share))).sum() / (len(sizes) - 1))


def shrunk_dispersion(own: ArrayLike, windows: int, prior: ArrayLike = 1.0) -> Floats:
    """Dispersion of one statistic pulled to `prior` with weight 6 and never below one."""
    own_, prior_ = np.asarray(own, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    return np.maximum(1.0, ((windows - 1) * own_ + PRIOR_WEIGHT * prior_) / (windows - 1 + PRIOR_WEIGHT))


def two_proportion_z(k1: float, n1: float, k2: float, n2: float, dispersion: float = 1.0) -> float:
    """Pooled two-proportion z, divided by √dispersion; zero where it is undefined."""
    if n1 <= 0 or n2 <= 0:
        return 0.0
    pooled = (k1 + k2) / (n1 + n2)
    variance = pooled * (1 - pooled) * (1 / n1 + 1 / n2) * dispersion
    return (k1 / n1 - k2 / n2) / math.sqrt(variance) if variance > 0 else 0.0


def exact_two_sided(k1: float, n1: float, k2: float, n2: float) -> float:
    """Twice the smaller Fisher tail, at most one. Counts are rounded: weighted rows have fractions."""
    a, b, n, m = round(k1), round(k2), round(n1), round(n2)
    if n <= 0 or m <= 0:
        return 1.0
    up = hypergeom_sf(a, n + m, a + b, n)
    down = hypergeom_sf(b, n + m, a + b, m)
    return min(1.0, 2 * min(up, down))


def share_test(k: float, n: float, k_windows: ArrayLike, n_windows: ArrayLike) -> ShareTest:
    """k of n rows now against [K] reference windows of k_windows of n_windows rows.

    Two-proportion z with the windows' own dispersion shrunk to one, referred to t with K+5 degrees of freedom; with
    fewer than 20 events the exact hypergeometric p-value where that is larger.
    """
    events, sizes = np.asarray(k_windows, dtype=np.float64), np.asarray(n_windows, dtype=np.float64)
    count = int((sizes > 0).sum())
    k2, n2 = float(events.sum()), float(sizes.sum())
    dispersion = float(shrunk_dispersion(share_dispersion(events, sizes), max(count, 1)))
    z = two_proportion_z(k, n, k2, n2, dispersion)
    p = t_two_sided_of_one(z, count + PRIOR_WEIGHT - 1) if count > 1 else float(2 * normal_sf(abs(z)))
    if k + k2 < EXACT_BELOW:
        p = max(p, exact_two_sided(k, n, k2, n2))
    now, before = (k / n if n > 0 else math.nan), (k2 / n2 if n2 > 0 else math.nan)
    if n > 0 and n2 > 0:
        ratio = ((k + 0.5) / n) / ((k2 + 0.5) / n2)
        # half an event keeps the error of an all-zero or all-one share above zero
        smooth = [(x + 0.5) / (y + 1) for x, y in ((k, n), (k2, n2))]
        se = math.sqrt(dispersion * (smooth[0] * (1 - smooth[0]) / n + smooth[1] * (1 - smooth[1]) / n2))
    else:
        ratio, se = math.nan, math.inf
    return ShareTest(now, before, z, p, ratio, se, n, n2, k + k2)


def rate_test_conditional(x: float, y: float, exposure: float, exposure_baseline: float) -> float:
    """P of at least x events given x+y in both windows, when rates per exposure are equal (one-sided, exact)."""
    total = exposure + exposure_baseline
    if total <= 0 or x <= 0:
        return 1.0
    return float(binom_sf(x - 1, x + y, exposure / total))
