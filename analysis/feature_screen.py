"""Which of many features may have changed at all: shares of all of them at once, before any test is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.direction import CONSTANT_SHARE, UNSEEN_SHARE, may_be_clipped
from analysis.distances import shares
from analysis.evidence import Bins, CategoryBins, NumericBins
from analysis.feature_counts import FeatureCounts
from analysis.quality import MIN_EFFECT_PP, MIN_RATIO
from analysis.shift import may_matter

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Screen:
    """F features side by side; those with fewer bins end in zeros."""

    live: Floats
    """[F, B]"""
    baseline: Floats
    """[F, B]"""
    last: NDArray[np.intp]
    """[F] the last bin of each."""
    null: Floats
    """[F] rows without a value."""
    null_baseline: Floats
    ordered: Bools
    """[F] numeric."""
    known: Bools
    """[F] categories, whose last bin is "never seen before"."""

    @classmethod
    def of(cls, counts: Sequence[FeatureCounts], bins: Sequence[Bins]) -> Screen:
        """The counts of each feature with its bins."""
        width = max(len(kind) for kind in bins)
        live, baseline = np.zeros((len(counts), width)), np.zeros((len(counts), width))
        for i, c in enumerate(counts):
            live[i, : len(c.live)], baseline[i, : len(c.baseline)] = c.live, c.baseline
        null, nulls = np.array([c.null for c in counts]), np.array([c.null_baseline for c in counts])
        return cls(
            live,
            baseline,
            np.array([len(kind) - 1 for kind in bins]),
            null,
            nulls,
            np.array([isinstance(kind, NumericBins) for kind in bins]),
            np.array([isinstance(kind, CategoryBins) for kind in bins]),
        )

    def may_fail(self) -> Bools:
        """[F] whether a share moved as far as a quality check asks; its p-value costs ten times as much to know."""
        now, before = shares(self.live), shares(self.baseline)
        rows = np.arange(len(now))
        n, m = self.live.sum(axis=1), self.baseline.sum(axis=1)
        outer, outer_before = (v[:, 0] + v[rows, self.last] for v in (self.live, self.baseline))
        by_value = (
            _may_grow(outer, n, outer_before, m)
            | (self.known & (now[rows, self.last] >= UNSEEN_SHARE))
            | (now.max(axis=1) >= CONSTANT_SHARE)
            | (self.ordered & may_be_clipped(now, before))
        )
        nulls = _may_grow(self.null, n + self.null, self.null_baseline, m + self.null_baseline)
        nulls |= _may_grow(self.null_baseline, m + self.null_baseline, self.null, n + self.null)
        found: Bools = nulls | ((n > 0) & by_value)
        return found

    def may_drift(self) -> Bools:
        """[F] whether the shift can be large enough to matter."""
        found: Bools = may_matter(self.live, self.baseline, self.ordered) > 0
        return found


def _may_grow(k: Floats, n: Floats, k_before: Floats, n_before: Floats) -> Bools:
    """[F] whether k of n rows is as much more than k_before of n_before as the check of a share asks."""
    now, before = k / np.maximum(n, 1), k_before / np.maximum(n_before, 1)
    ratio = ((k + 0.5) / np.maximum(n, 1)) / ((k_before + 0.5) / np.maximum(n_before, 1))
    found: Bools = ((now - before) * 100 >= MIN_EFFECT_PP) & (ratio >= MIN_RATIO)
    return found
