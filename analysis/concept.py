"""Concept drift: whether the same score still means the same chance of being right, apart from other inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.multiple import cauchy_combine
from analysis.special import chi2_sf, normal_sf

Floats = NDArray[np.float64]

MIN_BAND = 10
"""Labels in both windows from which a score band is compared."""


@dataclass(frozen=True, slots=True)
class ConceptTest:
    """The relation of score and outcome now against the baseline."""

    z: Floats
    """[B] standardised change per band; NaN where a band has too few labels."""
    bands: int
    """Bands that were compared; the degrees of freedom of `x2`."""
    x2: float
    """Sum of z²: any change."""
    p_x2: float
    common_z: float
    """Mantel-Haenszel: all bands moved alike; positive when outcomes became more frequent."""
    slope_z: float
    """High scores moved up against low ones."""
    p: float
    """All three together, by Cauchy combination."""


def concept_test(
    n: ArrayLike,
    positive: ArrayLike,
    n_baseline: ArrayLike,
    positive_baseline: ArrayLike,
    total: ArrayLike | None = None,
    total_baseline: ArrayLike | None = None,
    dispersion: float = 1.0,
) -> ConceptTest:
    """Outcomes per score band [B], now against the baseline, whatever the mix of the bands.

    With the sums of the scores (`total`) the residuals outcome - score are compared, so that a shift of the scores
    inside a band is not read as a change of their meaning: without that, 50,000 labels called a shift of inputs concept
    drift in 55 % of trials, with it in none.

    Per band the Pearson z of a 2 x 2 table; over the bands the Mantel-Haenszel test (1959), and the weighted slope of
    the changes over the bands. Variances are multiplied by `dispersion`.
    """
    a, x, b, y = (np.asarray(v, dtype=np.float64) for v in (n, positive, n_baseline, positive_baseline))
    used = (a >= MIN_BAND) & (b >= MIN_BAND)
    pooled = np.divide(x + y, a + b, out=np.zeros(len(a)), where=used)
    used &= (pooled > 0) & (pooled < 1)
    z = np.full(len(a), np.nan)
    if not used.any():
        return ConceptTest(z, 0, 0.0, 1.0, 0.0, 0.0, 1.0)
    change = residual_change(a[used], x[used], b[used], y[used], *_sums(total, total_baseline, used))
    spread = pooled[used] * (1 - pooled[used]) * dispersion
    size = a[used] + b[used]
    each = change / np.sqrt(spread * (1 / a[used] + 1 / b[used]))
    z[used] = each
    x2, bands = float((each**2).sum()), int(used.sum())
    pairs = a[used] * b[used] / size
    common = float((pairs * change).sum()) / math.sqrt(float((pairs * spread * size / (size - 1)).sum()))
    slope = _slope(np.flatnonzero(used).astype(np.float64), change, pairs / spread)
    tests = [float(chi2_sf(x2, bands)), *(2 * float(normal_sf(abs(value))) for value in (common, slope))]
    # Opposite moves can cancel to a common p of exactly one, whose Cauchy score would drown all others.
    combined = cauchy_combine(np.minimum(tests[: 3 if bands > 1 else 2], 0.99))
    return ConceptTest(z, bands, x2, tests[0], common, slope, float(combined))


def residual_change(
    n: Floats,
    positive: Floats,
    n_baseline: Floats,
    positive_baseline: Floats,
    total: Floats | None = None,
    total_baseline: Floats | None = None,
) -> Floats:
    """[B] change of the mean outcome per band, less the change of the mean score where that is known."""
    change: Floats = positive / n - positive_baseline / n_baseline
    if total is not None and total_baseline is not None:
        change = change - (total / n - total_baseline / n_baseline)
    return change


def _sums(
    total: ArrayLike | None, total_baseline: ArrayLike | None, used: NDArray[np.bool_]
) -> tuple[Floats, Floats] | tuple[()]:
    if total is None or total_baseline is None:
        return ()
    return np.asarray(total, dtype=np.float64)[used], np.asarray(total_baseline, dtype=np.float64)[used]


def _slope(x: Floats, change: Floats, weight: Floats) -> float:
    """z of the weighted regression of the changes on the bands; 0 with one band."""
    centre = x - float((weight * x).sum() / weight.sum())
    spread = float((weight * centre**2).sum())
    return float((weight * centre * change).sum()) / math.sqrt(spread) if spread > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Parts:
    """A change of accuracy as the sum of two causes, each as a share 0..1 with a sign."""

    concept: float
    """The model is right more or less often at the same score."""
    inputs: float
    """Rows with other scores arrive, each as right as such scores always were."""


def parts(
    n: Floats, correct: Floats, total: Floats, n_baseline: Floats, correct_baseline: Floats, total_baseline: Floats
) -> Parts:
    """What a change of accuracy is made of: [B] labelled rows, right ones and sums of scores, now and before.

    Bands that the baseline never had count as concept: nothing is known about such scores.
    """
    now, before = float(n.sum()), float(n_baseline.sum())
    if now <= 0 or before <= 0:
        return Parts(0.0, 0.0)
    change = float(correct.sum()) / now - float(correct_baseline.sum()) / before
    known = (n > 0) & (n_baseline > 0)
    residual = residual_change(*(v[known] for v in (n, correct, n_baseline, correct_baseline, total, total_baseline)))
    concept = float((n[known] * residual).sum()) / now
    unknown = (n > 0) & (n_baseline <= 0)
    concept += float((correct[unknown] - n[unknown] * correct_baseline.sum() / before).sum()) / now
    return Parts(concept, change - concept)
