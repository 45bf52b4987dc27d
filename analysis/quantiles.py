"""Percentiles from binned counts, with their hard bounds, their sampling interval and the counts above an edge.

`edges` is [B+1], ascending; the outermost edges may be infinite. Counts are per bin, not cumulative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.proportions import ShareTest, share_test
from analysis.special import binom_quantile, binom_sf

if TYPE_CHECKING:
    from analysis.evidence import Floats

Interpolation = Literal["linear", "log"]


@dataclass(frozen=True, slots=True)
class BucketQuantile:
    """A quantile and the bounds of the bin that it fell in; all NaN without observations."""

    value: float
    low: float
    high: float
    """Infinite in the open last bin, where `value` is the highest finite bound."""


@dataclass(frozen=True, slots=True)
class OrderInterval:
    """Ranks (1-based) of the order statistics around a quantile; rank 0 or n+1 means unbounded."""

    lower_rank: int
    upper_rank: int
    coverage: float


def from_cumulative(cumulative: ArrayLike) -> Floats:
    """[..., B] counts per bin of [..., B] cumulative counts, forced monotone as Prometheus does (ensureMonotonic)."""
    running = np.maximum.accumulate(np.asarray(cumulative, dtype=np.float64), axis=-1)
    return np.diff(running, axis=-1, prepend=0.0)


def _bins_of(counts: Floats, qs: Floats) -> tuple[Floats, Floats, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    cumulative = np.cumsum(counts, axis=-1)
    rank = cumulative[..., -1:] * qs
    index = (cumulative[..., None, :-1] < rank[..., :, None]).sum(axis=-1)
    return cumulative, rank, index


@lru_cache(maxsize=256)
def _finite_bounds(edges: tuple[float, ...]) -> tuple[Floats, Floats]:
    """[B] and [B] lower and upper bounds between which to interpolate; a fleet has few different bins."""
    bounds = np.array(edges, dtype=np.float64)
    low, high = bounds[:-1].copy(), bounds[1:].copy()
    if low[0] == -math.inf:
        low[0] = min(0.0, high[0])
    if high[-1] == math.inf:
        high[-1] = low[-1] = bounds[-2]
    return low, high


def _picked(values: Floats, index: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Floats:
    """[..., Q] of [..., B] values: `np.take_along_axis` along the last axis at a quarter of its cost."""
    bins = values.shape[-1]
    first = np.arange(0, values.size, bins).reshape(*values.shape[:-1], 1)
    picked: Floats = values.ravel()[index + first]
    return picked


def quantiles(
    counts: ArrayLike, edges: Sequence[float], qs: Sequence[float], interpolation: Interpolation = "linear"
) -> Floats:
    """[..., Q] quantiles of [..., B] counts; NaN without observations.

    `linear` is the rule of Prometheus's histogram_quantile (promql/quantile.go, BucketQuantile): the first bin whose
    cumulative count reaches q·n, linear inside it, an open first bin starting at 0 (its upper bound when that is <= 0),
    the highest finite bound in an open last bin. `log` interpolates geometrically inside bins of positive bounds.
    """
    n = np.asarray(counts, dtype=np.float64)
    cumulative, rank, index = _bins_of(n, np.asarray(qs, dtype=np.float64))
    low, high = _finite_bounds(tuple(edges))
    inside = _picked(n, index)
    before = _picked(cumulative, index) - inside
    share = np.clip(np.divide(rank - before, inside, out=np.zeros_like(inside), where=inside > 0), 0.0, 1.0)
    start, end = low[index], high[index]
    out = start + (end - start) * share
    if interpolation == "log":
        positive = start > 0
        safe = np.where(positive, start, 1.0)
        out = np.where(positive, safe * (np.where(positive, end, 1.0) / safe) ** share, out)
    return np.where(cumulative[..., -1:] > 0, out, np.nan)


def bucket_quantile(
    q: float, edges: Sequence[float], counts: ArrayLike, interpolation: Interpolation = "linear"
) -> BucketQuantile:
    """The q-quantile of [B] counts with the bounds of its bin; the bounds hold whatever the shape inside the bin."""
    n = np.asarray(counts, dtype=np.float64)
    value = float(quantiles(n, edges, (q,), interpolation)[0])
    if math.isnan(value):
        return BucketQuantile(math.nan, math.nan, math.nan)
    _, _, index = _bins_of(n, np.asarray([q], dtype=np.float64))
    i = int(index[0])
    low = edges[i]
    if low == -math.inf and edges[i + 1] > 0:
        low = 0.0
    return BucketQuantile(value, low, edges[i + 1])


def min_count(q: float, confidence: float = 0.95) -> int:
    """Observations from which the interval of a quantile is bounded on both sides: ln(alpha/2) / ln(q), 36 at p90."""
    tail = max(q, 1 - q)
    return math.ceil(math.log((1 - confidence) / 2) / math.log(tail))


@lru_cache(maxsize=64)
def order_statistic_interval(q: float, n: int, confidence: float = 0.95) -> OrderInterval:
    """Ranks of a distribution-free interval of the q-quantile of n values (binomial quantiles of alpha/2)."""
    lower = binom_quantile((1 - confidence) / 2, n, q)
    upper = binom_quantile((1 + confidence) / 2, n, q) + 1
    above, below = binom_sf(lower - 1, n, q), binom_sf(upper - 1, n, q)
    return OrderInterval(lower, upper, float(above - below))


def quantile_bounds(
    q: float, edges: Sequence[float], counts: ArrayLike, *, dispersion: float = 1.0, confidence: float = 0.95
) -> tuple[float, float]:
    """(low, high) that hold the q-quantile with `confidence`, whatever the shape inside the bins.

    The outer bounds of the bins of the two order statistics around the quantile (`order_statistic_interval`), with
    n / dispersion as the number of values: sampling and binning in one. Infinite where the ranks or the bin are
    unbounded, NaN without observations.
    """
    n = np.asarray(counts, dtype=np.float64)
    effective = int(n.sum() / max(dispersion, 1.0))
    if effective < 1:
        return math.nan, math.nan
    ranks = order_statistic_interval(q, effective, confidence)
    low, high = -math.inf, math.inf
    # Half a rank below the value's own lies in the same bin; the rank itself may round into the next one.
    if ranks.lower_rank >= 1:
        low = bucket_quantile((ranks.lower_rank - 0.5) / effective, edges, n).low
    if ranks.upper_rank <= effective:
        high = bucket_quantile((ranks.upper_rank - 0.5) / effective, edges, n).high
    return low, high


def mover_ratio(live: tuple[float, float, float], baseline: tuple[float, float, float]) -> tuple[float, float, float]:
    """(lower, estimate, upper) of live / baseline from two (estimate, lower, upper), all positive.

    Method of variance estimates recovery on the log scale, Zou & Donner 2008. Unbounded ends stay unbounded.
    """
    (a, a_low, a_high), (b, b_low, b_high) = live, baseline
    if min(a, b) <= 0:
        return 0.0, math.nan, math.inf
    log_ratio = math.log(a / b)

    def reach(x: float, y: float) -> float:
        return abs(math.log(x / y)) if 0 < x < math.inf and y > 0 else math.inf

    down = math.hypot(reach(a_low, a), reach(b_high, b))
    up = math.hypot(reach(a_high, a), reach(b_low, b))
    return math.exp(log_ratio - down), a / b, math.exp(log_ratio + up)


def nearest_edge(edges: Sequence[float], value: float) -> int:
    """Index of the finite inner edge nearest to a positive value, on the log scale where both are positive."""
    bounds = np.asarray(edges, dtype=np.float64)[1:-1]
    positive = bounds > 0
    if value > 0 and positive.any():
        distance = np.abs(np.log(np.where(positive, bounds, 1.0) / value))
        return int(np.argmin(np.where(positive, distance, np.inf))) + 1
    return int(np.argmin(np.abs(bounds - value))) + 1


def count_above(counts: ArrayLike, edge: int) -> Floats:
    """[...] counts at or above edges[edge] of [..., B] counts: exact and additive, no interpolation."""
    above: Floats = np.asarray(counts, dtype=np.float64)[..., edge:].sum(axis=-1)
    return above


def share_above(counts: ArrayLike, edge: int) -> Floats:
    """[...] share of observations at or above edges[edge]; NaN without observations."""
    n = np.asarray(counts, dtype=np.float64)
    total = n.sum(axis=-1)
    out: Floats = np.divide(count_above(n, edge), total, out=np.full(np.shape(total), np.nan), where=total > 0)
    return out


def share_above_bounds(counts: ArrayLike, edges: Sequence[float], threshold: float) -> tuple[float, float]:
    """(at least, at most) the share of [B] counts above any threshold; NaN without observations.

    Exact at an edge. Between two edges nothing is known of where in their bin the values lie, so it counts as wholly
    below, then as wholly above.
    """
    above = int(np.searchsorted(edges, threshold * (1 - _SAME), side="left"))
    exact = above < len(edges) and math.isclose(edges[above], threshold, rel_tol=_SAME)
    from_edge = above if exact else max(0, above - 1)
    return float(share_above(counts, above)), float(share_above(counts, from_edge))


_SAME = 1e-9
"""Relative distance at which a threshold is the edge: 0.25 s times 1,000 is 250 ms."""


def exceedance_test(live: ArrayLike, windows: ArrayLike, edge: int) -> ShareTest:
    """Whether the share above edges[edge] differs between [B] live counts and [K, B] reference windows.

    Counts at bin edges are exact where interpolated percentiles are not: a true +20 % at p99 is shown as anything from
    +3 % to +63 % with Prometheus's default buckets.
    """
    now, before = np.asarray(live, dtype=np.float64), np.asarray(windows, dtype=np.float64)
    return share_test(float(count_above(now, edge)), float(now.sum()), count_above(before, edge), before.sum(axis=-1))


def rebin(counts: ArrayLike, edges: Sequence[float], new_edges: Sequence[float]) -> Floats:
    """[..., B'] counts over other edges; exact where the new edges are a subset of the old ones.

    Elsewhere a bin is split in proportion to its width. Counts outside the new edges go to the outermost new bins,
    and an open bin lies wholly beyond its finite edge, so the total never changes.
    """
    n, old, new = (np.asarray(v, dtype=np.float64) for v in (counts, edges, new_edges))
    cumulative = np.concatenate([np.zeros((*n.shape[:-1], 1)), np.cumsum(n, axis=-1)], axis=-1)
    finite = np.flatnonzero(np.isfinite(old))
    inner = new[1:-1]
    knots = old[finite]
    right = np.clip(np.searchsorted(knots, inner, side="right"), 1, len(knots) - 1)
    left = right - 1
    share = np.clip((inner - knots[left]) / (knots[right] - knots[left]), 0.0, 1.0)
    at = cumulative[..., finite[left]] * (1 - share) + cumulative[..., finite[right]] * share
    whole = cumulative[..., -1:]
    return np.diff(np.concatenate([np.zeros_like(whole), at, whole], axis=-1), axis=-1)
