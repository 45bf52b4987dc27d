"""One feature of one model, counted at one scale: what every test of it starts from."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
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
    found: dict[K, FeatureCounts] = {}
    for keys in _alike(own):
        found.update(zip(keys, _counted([own[key] for key in keys], scale), strict=True))
    return found


@dataclass(frozen=True, slots=True)
class FeatureSums:
    """F features side by side, live and in all reference windows together; those with fewer bins end in zeros."""

    live: Floats
    """[F, B] counts of finite values."""
    baseline: Floats
    """[F, B]"""
    null: Floats
    """[F] rows without a finite value."""
    null_baseline: Floats

    @classmethod
    def of(cls, counts: Sequence[FeatureCounts]) -> FeatureSums:
        """Of features that are counted already."""
        return cls(
            _side_by_side([c.live[None] for c in counts]),
            _side_by_side([c.baseline[None] for c in counts]),
            np.array([c.null for c in counts]),
            np.array([c.null_baseline for c in counts]),
        )


def feature_sums(own: Mapping[K, Histogram], scale: Scale) -> FeatureSums:
    """What `feature_counts` says of the live and of all reference windows, at a third of its cost."""
    sums: list[Floats] = []
    nulls: list[Floats] = []
    for keys in _alike(own):
        histograms = [own[key] for key in keys]
        picked = _picked(histograms[0], scale)
        picked = np.stack([picked[0], picked[1:].sum(axis=0)])
        sums.append(_summed(histograms, picked))
        nulls.append(_missing(histograms, picked))
    null = np.concatenate(nulls)
    live, baseline = (_side_by_side([part[:, i] for part in sums]) for i in (0, 1))
    return FeatureSums(live, baseline, null[:, 0], null[:, 1])


def _side_by_side(parts: Sequence[Floats]) -> Floats:
    """[F, B] of parts of [f, b] each, with zeros after the bins of the narrower ones."""
    out = np.zeros((sum(len(part) for part in parts), max(part.shape[1] for part in parts)))
    at = 0
    for part in parts:
        out[at : at + len(part), : part.shape[1]] = part
        at += len(part)
    return out


def _alike(own: Mapping[K, Histogram]) -> list[list[K]]:
    """The features in their order, cut where the buckets or the number of bins change."""
    alike: list[list[K]] = []
    first: Histogram | None = None
    for key, h in own.items():
        if first is None or len(first.bins) != len(h.bins) or not (first.t is h.t or np.array_equal(first.t, h.t)):
            first = h
            alike.append([])
        alike[-1].append(key)
    return alike


def _picked(h: Histogram, scale: Scale) -> Floats:
    """[1 + K, T] ones where a bucket lies in the live or in a reference window."""
    return np.array(
        [(h.t >= window.start) & (h.t < window.end) for window in (scale.live, *scale.references)], dtype=np.float64
    )


def _summed(histograms: Sequence[Histogram], picked: Floats) -> Floats:
    """[F, W, B] counts of F histograms in the windows of [W, T] ones."""
    sums = np.empty((len(histograms), len(picked), len(histograms[0].bins)))
    for i, h in enumerate(histograms):
        np.matmul(picked, h.n[:, 0], out=sums[i])
    return sums


def _each(picked: Floats, columns: Sequence[Floats]) -> Floats:
    """[F, W] sums in the windows of [W, T] ones of F columns of [T, 1]."""
    each: Floats = (picked @ np.concatenate(columns, axis=1)).T
    return each


def _missing(histograms: Sequence[Histogram], picked: Floats) -> Floats:
    """[F, W] rows without a finite value of F histograms in the windows of [W, T] ones."""
    return _each(picked, [h.null for h in histograms]) + _each(picked, [h.nonfinite for h in histograms])


def _counted(histograms: list[Histogram], scale: Scale) -> list[FeatureCounts]:
    """The counts of F histograms with the same buckets and number of bins."""
    picked = _picked(histograms[0], scale)
    sums = _summed(histograms, picked)
    nulls = _missing(histograms, picked)
    totals = _each(picked, [h.total for h in histograms])
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
