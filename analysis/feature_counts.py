"""One feature of one model, counted at one scale: what every test of it starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import PREDICTION, Histogram
from analysis.scales import Scale
from analysis.shift import ShiftCase
from analysis.slices import model_histogram, window_sum, window_sums

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FeatureCounts:
    """Counts of finite values per bin, of rows without one, and the means, live and in the reference windows."""

    live: Floats
    """[B]"""
    windows: Floats
    """[K, B]"""
    null: float
    nulls: Floats
    """[K]"""
    mean: float | None
    mean_baseline: float | None

    @property
    def baseline(self) -> Floats:
        """[B] sum of the reference windows."""
        total: Floats = self.windows.sum(axis=0)
        return total

    def case(self, *, ordered: bool) -> ShiftCase:
        """What the test of a shift needs."""
        return ShiftCase(self.live, self.windows, ordered, self.null, self.nulls)


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


def feature_counts(h: Histogram, scale: Scale) -> FeatureCounts:
    """The counts of a feature of one model at one scale."""
    n, null, total = h.n[:, 0], null_rows(h), h.total[:, 0]
    live, windows = window_sum(h.t, n, scale.live), window_sums(h.t, n, scale.references)
    rows, base_rows = float(live.sum()), float(windows.sum())
    return FeatureCounts(
        live,
        windows,
        float(window_sum(h.t, null, scale.live)),
        window_sums(h.t, null, scale.references),
        float(window_sum(h.t, total, scale.live)) / rows if rows else None,
        float(window_sums(h.t, total, scale.references).sum()) / base_rows if base_rows else None,
    )
