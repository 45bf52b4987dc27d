"""One feature of one model, counted at one scale: what every test of it starts from."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import PREDICTION, Histogram
from analysis.scales import Scale
from analysis.shift import ShiftCase
from analysis.slices import model_histogram

Floats = NDArray[np.float64]
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class FeatureCounts:
    """Counts of finite values per bin, of rows without one, and the means, live and in the reference windows."""

    live: Floats
    """[B]"""
    windows: Floats
    """[K, B]"""
    baseline: Floats
    """[B] sum of the reference windows."""
    n: float
    """Live rows with a finite value."""
    n_baseline: float
    held: int
    """Reference windows with such rows."""
    null: float
    nulls: Floats
    """[K]"""
    null_baseline: float
    mean: float | None
    mean_baseline: float | None

    def case(self, *, ordered: bool) -> ShiftCase:
        """What the test of a shift needs."""
        return ShiftCase(self.live, self.windows, ordered, self.null, self.nulls)


def feature_counts(own: Mapping[K, Histogram], scale: Scale) -> dict[K, FeatureCounts]:
    """The counts of many features at one scale; each histogram is of one model.

    A window is a sum over time, so all windows of a feature are one product of a [K + 1, T] matrix of zeros and ones
    with its counts. Features of one source share their buckets and mostly their number of bins, and with them the
    matrix and everything that follows.
    """
    alike: list[list[K]] = []
    first: Histogram | None = None
    for key, h in own.items():
        if first is None or not _alike(first, h):
            first = h
            alike.append([])
        alike[-1].append(key)
    found: dict[K, FeatureCounts] = {}
    for keys in alike:
        found.update(zip(keys, _counted([own[key] for key in keys], scale), strict=True))
    return found


def _alike(a: Histogram, b: Histogram) -> bool:
    return len(a.bins) == len(b.bins) and (a.t is b.t or np.array_equal(a.t, b.t))


def _counted(histograms: list[Histogram], scale: Scale) -> list[FeatureCounts]:
    """The counts of F histograms with the same buckets and number of bins."""
    t = histograms[0].t
    picked = np.array(
        [(t >= window.start) & (t < window.end) for window in (scale.live, *scale.references)], dtype=np.float64
    )
    sums = np.empty((len(histograms), len(picked), len(histograms[0].bins)))
    for i, h in enumerate(histograms):
        np.matmul(picked, h.n[:, 0], out=sums[i])
    null, nonfinite, totals = (
        (picked @ np.concatenate(columns, axis=1)).T
        for columns in ([h.null for h in histograms], [h.nonfinite for h in histograms], [h.total for h in histograms])
    )
    nulls = null + nonfinite
    live, windows = sums[:, 0], sums[:, 1:]
    baseline, held = windows.sum(axis=1), (windows.sum(axis=2) > 0).sum(axis=1)
    n, m, total = live.sum(axis=1), baseline.sum(axis=1), totals[:, 1:].sum(axis=1)
    listed = (v.tolist() for v in (n, m, held, nulls[:, 0], nulls[:, 1:].sum(axis=1), totals[:, 0], total))
    return [
        FeatureCounts(
            live=live[i],
            windows=windows[i],
            baseline=baseline[i],
            n=rows,
            n_baseline=base_rows,
            held=filled,
            null=null,
            nulls=nulls[i, 1:],
            null_baseline=base_null,
            mean=total_now / rows if rows else None,
            mean_baseline=total_base / base_rows if base_rows else None,
        )
        for i, (rows, base_rows, filled, null, base_null, total_now, total_base) in enumerate(zip(*listed, strict=True))
    ]


def feature_histogram(name: str, histogram: Histogram, model: str) -> Histogram:
    """A feature of one model. Failed requests have no answer: the nulls of the prediction are not counted."""
    own = model_histogram(histogram, model)
    if name != PREDICTION:
        return own
    return replace(own, null=np.zeros_like(own.null), nonfinite=np.zeros_like(own.nonfinite))
