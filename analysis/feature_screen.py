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
from analysis.quality import MIN_EFFECT_PP
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
    """[F] share of rows without a value."""
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
        null, nulls = np.array([c.null for c in counts]), np.array([c.nulls.sum() for c in counts])
        return cls(
            live,
            baseline,
            np.array([len(kind) - 1 for kind in bins]),
            null / np.maximum(live.sum(axis=1) + null, 1),
            nulls / np.maximum(baseline.sum(axis=1) + nulls, 1),
            np.array([isinstance(kind, NumericBins) for kind in bins]),
            np.array([isinstance(kind, CategoryBins) for kind in bins]),
        )

    def may_fail(self) -> Bools:
        """[F] whether a share moved as far as a quality check asks; its p-value costs ten times as much to know."""
        now, before = shares(self.live), shares(self.baseline)
        rows = np.arange(len(now))
        outer = (now[:, 0] + now[rows, self.last]) - (before[:, 0] + before[rows, self.last])
        by_value = (
            (outer * 100 >= MIN_EFFECT_PP)
            | (self.known & (now[rows, self.last] >= UNSEEN_SHARE))
            | (now.max(axis=1) >= CONSTANT_SHARE)
            | (self.ordered & may_be_clipped(now, before))
        )
        nulls = np.abs(self.null - self.null_baseline) * 100 >= MIN_EFFECT_PP
        found: Bools = nulls | ((self.live.sum(axis=1) > 0) & by_value)
        return found

    def may_drift(self) -> Bools:
        """[F] whether the shift can be large enough to matter."""
        found: Bools = may_matter(self.live, self.baseline, self.ordered) > 0
        return found
