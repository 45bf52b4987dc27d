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
Ints = NDArray[np.int64]
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
    null: float
    nulls: Floats
    """[K]"""
    mean: float | None
    mean_baseline: float | None

    def case(self, *, ordered: bool) -> ShiftCase:
        """What the test of a shift needs."""
        return ShiftCase(self.live, self.windows, ordered, self.null, self.nulls)


@dataclass(frozen=True, slots=True)
class FeatureColumns:
    """A feature of one model as one table over time, so that a scale costs one pass."""

    histogram: Histogram
    table: Floats
    """[T, B + 2] finite values per bin, rows without one, sum of the values."""

    @classmethod
    def of(cls, name: str, histogram: Histogram, model: str) -> FeatureColumns:
        """The columns of a feature of one model."""
        own = feature_histogram(name, histogram, model)
        return cls(own, np.column_stack([own.n[:, 0], null_rows(own), own.total[:, 0]]))


def feature_counts(own: Mapping[K, FeatureColumns], scale: Scale) -> dict[K, FeatureCounts]:
    """The counts of many features at one scale.

    A window is a sum over time, so all windows of a feature are one product of a [K + 1, T] matrix of zeros and ones
    with its table; features of one source share their buckets, and with them the matrix.
    """
    windows = (scale.live, *scale.references)
    t: Ints | None = None
    found: dict[K, FeatureCounts] = {}
    for key, columns in own.items():
        if t is None or not np.array_equal(t, columns.histogram.t):
            t = columns.histogram.t
            picked = np.array([(t >= window.start) & (t < window.end) for window in windows], dtype=np.float64)
        sums = picked @ columns.table
        base = sums[1:].sum(axis=0)
        rows, base_rows = float(sums[0, :-2].sum()), float(base[:-2].sum())
        found[key] = FeatureCounts(
            live=sums[0, :-2],
            windows=sums[1:, :-2],
            baseline=base[:-2],
            null=float(sums[0, -2]),
            nulls=sums[1:, -2],
            mean=float(sums[0, -1]) / rows if rows else None,
            mean_baseline=float(base[-1]) / base_rows if base_rows else None,
        )
    return found


def feature_histogram(name: str, histogram: Histogram, model: str) -> Histogram:
    """A feature of one model. Failed requests have no answer: the nulls of the prediction are not counted."""
    own = model_histogram(histogram, model)
    if name != PREDICTION:
        return own
    return replace(own, null=np.zeros_like(own.null), nonfinite=np.zeros_like(own.nonfinite))


def null_rows(h: Histogram) -> Floats:
    """[T] rows without a finite value."""
    nulls: Floats = h.null[:, 0] + h.nonfinite[:, 0]
    return nulls
