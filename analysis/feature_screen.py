"""Which of many features may have changed at all: shares of all of them at once, before any test is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.direction import CONSTANT_SHARE, UNSEEN_SHARE, may_be_clipped
from analysis.distances import shares
from analysis.evidence import Bins, CategoryBins, NumericBins
from analysis.feature_counts import FeatureSums
from analysis.quality import MIN_EFFECT_PP, MIN_RATIO
from analysis.shift import may_matter

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Screen:
    """F features side by side; those with fewer bins end in zeros."""

    sums: FeatureSums
    last: NDArray[np.intp]
    """[F] the last bin of each."""
    ordered: Bools
    """[F] numeric."""
    known: Bools
    """[F] categories, whose last bin is "never seen before"."""

    @classmethod
    def of(cls, sums: FeatureSums, bins: Sequence[Bins]) -> Screen:
        """The sums of each feature with its bins."""
        return cls(
            sums,
            np.array([len(kind) - 1 for kind in bins]),
            np.array([isinstance(kind, NumericBins) for kind in bins]),
            np.array([isinstance(kind, CategoryBins) for kind in bins]),
        )

    def may_fail(self) -> Bools:
        """[F] whether a share moved as far as a quality check asks; its p-value costs ten times as much to know."""
        live, baseline = self.sums.live, self.sums.baseline
        null, null_baseline = self.sums.null, self.sums.null_baseline
        now, before = shares(live), shares(baseline)
        rows = np.arange(len(now))
        n, m = live.sum(axis=1), baseline.sum(axis=1)
        outer, outer_before = (v[:, 0] + v[rows, self.last] for v in (live, baseline))
        by_value = (
            _may_grow(outer, n, outer_before, m)
            | (self.known & (now[rows, self.last] >= UNSEEN_SHARE))
            | (now.max(axis=1) >= CONSTANT_SHARE)
            | (self.ordered & may_be_clipped(now, before))
        )
        nulls = _may_grow(null, n + null, null_baseline, m + null_baseline)
        nulls |= _may_grow(null_baseline, m + null_baseline, null, n + null)
        found: Bools = nulls | ((n > 0) & by_value)
        return found

    def may_drift(self) -> Bools:
        """[F] whether the shift can be large enough to matter."""
        found: Bools = may_matter(self.sums.live, self.sums.baseline, self.ordered) > 0
        return found


def _may_grow(k: Floats, n: Floats, k_before: Floats, n_before: Floats) -> Bools:
    """[F] whether k of n rows is as much more than k_before of n_before as the check of a share asks."""
    now, before = k / np.maximum(n, 1), k_before / np.maximum(n_before, 1)
    ratio = ((k + 0.5) / np.maximum(n, 1)) / ((k_before + 0.5) / np.maximum(n_before, 1))
    found: Bools = ((now - before) * 100 >= MIN_EFFECT_PP) & (ratio >= MIN_RATIO)
    return found
