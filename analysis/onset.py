"""When a series left its baseline: optimal partitioning with a penalty that knows the noise is correlated.

Without the correction for autocorrelation every quiet series of lag-1 correlation .5 "changes"; with it 1-3 % do. So an
onset is only given where a reference tells what the noise looks like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from analysis.evidence import Floats

MIN_SEGMENT = 3
MIN_POINTS = 8
MIN_REFERENCE = 16
"""Reference points from which scale and autocorrelation can be estimated."""
PENALTY = 2.5
INTERVAL = 6.0
"""Gain in squared noise units, times kappa, that the best onset may lose inside its interval."""
_SMOOTH = 9
_OFF = 1.0
"""A level within one noise standard deviation is still the baseline."""
_QUIET = 2.0
"""A value within two noise standard deviations says nothing by itself."""
_RAMPS = (6, 10, 16, 24, 36, 60)


@dataclass(frozen=True, slots=True)
class Onset:
    """First changed point, and the first and last index that it may as well be."""

    index: int
    low: int
    high: int


def op_l2(z: ArrayLike, penalty: ArrayLike, min_segment: int = MIN_SEGMENT) -> list[list[int]]:
    """Change points of each of [S, T] series: the piecewise constant fit of least squares plus `penalty` per change.

    Optimal partitioning (Jackson et al. 2005), the optimum that PELT finds; [S] penalties. A change point is the
    index of the first value of the new level. O(S T²).
    """
    series = np.atleast_2d(np.asarray(z, dtype=np.float64))
    count, length = series.shape
    cost_of_change = np.broadcast_to(np.asarray(penalty, dtype=np.float64), (count,))
    total = np.concatenate([np.zeros((count, 1)), np.cumsum(series, axis=1)], axis=1)
    square = np.concatenate([np.zeros((count, 1)), np.cumsum(series**2, axis=1)], axis=1)
    best = np.full((count, length + 1), np.inf)
    best[:, 0] = -cost_of_change
    previous = np.zeros((count, length + 1), dtype=np.int64)
    rows = np.arange(count)
    sizes = np.arange(length + 1, dtype=np.float64)
    base = best - square
    for end in range(min_segment, length + 1):
        last = end - min_segment + 1
        fit = total[:, end, None] - total[:, :last]
        fit *= fit
        fit /= end - sizes[:last]
        cost = base[:, :last] - fit
        start = np.argmin(cost, axis=1).astype(np.int64)
        best[:, end] = cost[rows, start] + square[:, end] + cost_of_change
        base[:, end] = best[:, end] - square[:, end]
        previous[:, end] = start
    found = []
    for i in range(count):
        changes: list[int] = []
        at = int(previous[i, length])
        while at > 0:
            changes.append(at)
            at = int(previous[i, at])
        found.append(changes[::-1])
    return found


def standardise(values: ArrayLike, reference: ArrayLike, least: float = 0.0) -> tuple[Floats, float] | None:
    """[T] values in noise units, and the noise's lag-1 correlation; None with too little reference.

    `reference` is [K, T], the same positions of K earlier windows (the expectation is their smoothed median per
    position), or [R], a stretch before the window (the expectation is its median). The noise is 1.4826 MAD of the
    reference's residuals, and not below `least`: of rare events most buckets hold none, so that their median and MAD
    say nothing; then the expectation is the mean of the reference.
    """
    x, history = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if history.ndim == 2 and history.shape[0] >= 2 and history.shape[1] == x.shape[0]:
        expected = _smooth(_nanmedian(history))
        windows = history.shape[0]
        residual = history - expected
        # A new window differs from the median of K windows by their noise and its own.
        widen = math.sqrt((windows + 1) / windows)
    else:
        history = history.reshape(1, -1)
        finite = history[np.isfinite(history)]
        if finite.size == 0:
            return None
        expected, residual, widen = np.full(x.shape, np.median(finite)), history - np.median(finite), 1.0
    known = residual[np.isfinite(residual)]
    if known.size < MIN_REFERENCE:
        return None
    scale = 1.4826 * float(np.median(np.abs(known - np.median(known)))) * widen
    # A quantised series can have a zero MAD; its standard deviation, or one part in a thousand of its level, stands in.
    scale = scale or float(np.std(known)) or abs(float(np.nanmedian(expected))) * 1e-3 or 1.0
    if scale < least:
        scale, mean = least, float(np.nanmean(history))
        expected, residual = np.full(x.shape, mean), history - mean
    return (x - expected) / scale, _lag_one(residual, scale)


def _nanmedian(rows: Floats) -> Floats:
    """[T] medians over [K, T] rows; a column without values takes the median of all."""
    if np.isfinite(rows).all():
        # nanmedian costs twelve times as much
        return np.asarray(np.median(rows, axis=0), dtype=np.float64)
    empty = np.isnan(rows).all(axis=0)
    filled = np.where(empty, np.nanmedian(rows) if np.isfinite(rows).any() else 0.0, rows)
    return np.asarray(np.nanmedian(filled, axis=0), dtype=np.float64)


def _smooth(level: Floats) -> Floats:
    """Running mean over nine positions, shorter at the ends."""
    width = min(_SMOOTH, len(level))
    kernel = np.ones(width)
    weight = np.convolve(np.ones(len(level)), kernel, "same")
    return np.convolve(level, kernel, "same") / weight


def _lag_one(residual: Floats, scale: float) -> float:
    bounded = np.clip(residual, -4 * scale, 4 * scale)
    left, right = bounded[:, :-1], bounded[:, 1:]
    both = np.isfinite(left) & np.isfinite(right)
    energy = float((bounded[np.isfinite(bounded)] ** 2).mean())
    if not both.any() or energy <= 0:
        return 0.0
    return float(np.clip((left[both] * right[both]).mean() / energy, 0.0, 0.95))


def _despiked(z: Floats) -> Floats:
    """Isolated spikes pulled to two noise units around the running median of three."""
    if len(z) < 3:
        return z
    left, here, right = z[:-2], z[1:-1], z[2:]
    middle = np.maximum(np.minimum(left, here), np.minimum(np.maximum(left, here), right))
    median = np.concatenate([middle[:1], middle, middle[-1:]])
    return np.clip(z, median - 2, median + 2)


def onsets(
    values: Sequence[ArrayLike], references: Sequence[ArrayLike], least: Sequence[float] = ()
) -> list[Onset | None]:
    """`onset` of many series at once; series of one length are partitioned together.

    Args:
        least: the noise that each series has at least, such as that of counting; none where it is empty.
    """
    prepared: dict[int, list[tuple[int, Floats, float, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]]] = {}
    for i, (value, reference) in enumerate(zip(values, references, strict=True)):
        ready = standardise(value, reference, least[i] if least else 0.0)
        if ready is None:
            continue
        z, phi = ready
        kept = np.flatnonzero(np.isfinite(z))
        if len(kept) >= MIN_POINTS:
            prepared.setdefault(len(kept), []).append((i, _despiked(z[kept]), (1 + phi) / (1 - phi), kept))
    out: list[Onset | None] = [None] * len(values)
    for length, group in prepared.items():
        series = np.stack([z for _, z, _, _ in group])
        kappas = np.array([kappa for _, _, kappa, _ in group])
        splits = op_l2(series, PENALTY * kappas * math.log(length))
        for (i, z, kappa, index), changes in zip(group, splits, strict=True):
            found = _last_run(z, changes, kappa)
            if found is not None:
                out[i] = Onset(int(index[found.index]), int(index[found.low]), int(index[found.high]))
    return out


def onset(values: ArrayLike, reference: ArrayLike) -> Onset | None:
    """Where [T] values last left the baseline that `reference` ([K, T] or [R], see `standardise`) describes.

    None when they did not, or when there is too little reference to tell. NaN is a gap. The start of a ramp is its
    foot.
    """
    return onsets([values], [reference])[0]


def start_of_change(z: ArrayLike, phi: float = 0.0) -> Onset | None:
    """Start of the last off-baseline run of [T] values in noise units that have the lag-1 correlation `phi`."""
    series = np.asarray(z, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(series))
    if len(kept) < MIN_POINTS:
        return None
    clean, kappa = _despiked(series[kept]), (1 + phi) / (1 - phi)
    found = _last_run(clean, op_l2(clean, PENALTY * kappa * math.log(len(kept)))[0], kappa)
    return None if found is None else Onset(int(kept[found.index]), int(kept[found.low]), int(kept[found.high]))


def _last_run(z: Floats, changes: list[int], kappa: float) -> Onset | None:
    bounds = [0, *changes, len(z)]
    levels = [float(z[a:b].mean()) for a, b in pairwise(bounds)]
    noise = [3.0 * math.sqrt(kappa / (b - a)) for a, b in pairwise(bounds)]
    off = [abs(level) > max(_OFF, floor) for level, floor in zip(levels, noise, strict=True)]
    if not any(off):
        return None
    last = max(i for i, is_off in enumerate(off) if is_off)
    first = last
    while first > 0 and off[first - 1] and levels[first - 1] * levels[last] > 0:
        first -= 1
    if first == 0:
        return Onset(0, 0, 0)
    before, change, end = bounds[first - 1], bounds[first], bounds[last + 1]
    step = _interval(z, before, change, bounds[first + 1], kappa)
    return _ramp(z, before, end, kappa) or _trimmed(z, step)


def _trimmed(z: Floats, step: Onset) -> Onset:
    """Without its quiet first values: a segment holds at least three, so a partly filled bucket drags two along."""
    index = step.index
    while index < step.index + MIN_SEGMENT - 1 and abs(z[index]) < _QUIET:
        index += 1
    return Onset(index, min(step.low, index), max(step.high, index))


def _step_sse(z: Floats) -> Floats:
    """[T-1] squared error of two levels that part after 1 ... T-1 values."""
    n = len(z)
    size = np.arange(1, n, dtype=np.float64)
    left = np.cumsum(z)[:-1]
    error: Floats = (z**2).sum() - left**2 / size - (z.sum() - left) ** 2 / (n - size)
    return error


def _interval(z: Floats, start: int, change: int, end: int, kappa: float) -> Onset:
    sse = _step_sse(z[start:end])
    good = sse <= sse[change - start - 1] + INTERVAL * kappa
    low = high = int(change - start - 1)
    while low > 0 and good[low - 1]:
        low -= 1
    while high < len(good) - 1 and good[high + 1]:
        high += 1
    return Onset(change, start + low + 1, start + high + 1)


def _ramp(z: Floats, start: int, end: int, kappa: float) -> Onset | None:
    """The foot of flat-ramp-flat inside [start, end) where it beats the best step by 6 kappa, else None."""
    part = z[start:end]
    n = len(part)
    feet: list[Floats] = []
    lengths: list[Floats] = []
    for length in _RAMPS:
        if length + 2 * MIN_SEGMENT <= n:
            found = np.arange(MIN_SEGMENT, n - length + 1, max(1, length // 6), dtype=np.float64)
            feet.append(found)
            lengths.append(np.full(len(found), float(length)))
    if not feet:
        return None
    foot, length_of = np.concatenate(feet), np.concatenate(lengths)
    g = np.clip((np.arange(n) - foot[:, None] + 1) / length_of[:, None], 0.0, 1.0)
    mean_g = g.mean(axis=1)
    centred = part - part.mean()
    covariance = (g * centred).sum(axis=1)
    spread = (g * g).sum(axis=1) - n * mean_g**2
    sse = (centred**2).sum() - np.divide(covariance**2, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    best = int(np.argmin(sse))
    if float(_step_sse(part).min()) - sse[best] <= INTERVAL * kappa:
        return None
    near = foot[sse <= sse[best] + INTERVAL * kappa]
    return Onset(start + int(foot[best]), start + int(near.min()), start + int(near.max()))
