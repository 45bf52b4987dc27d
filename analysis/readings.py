"""Drift in the numbers that other tools print, from the bins of one feature, for people who know them.

None of them decides anything here: each has a size that chance alone gives it, which grows as rows get fewer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from analysis.answer import Readings
from analysis.distances import binned_mean_sd, js_distance, ks, shares, w1
from analysis.evidence import Bins, NumericBins

if TYPE_CHECKING:
    from analysis.evidence import Floats

ZERO_SHARE = 1e-4
"""What stands in for an empty bin in the population stability index."""


def readings(
    live: Floats, baseline: Floats, bins: Bins, *, mean: float | None = None, mean_baseline: float | None = None
) -> Readings | None:
    """PSI, Jensen-Shannon, Kolmogorov-Smirnov and normalised Wasserstein of [B] counts or shares; None without any.

    `mean` and `mean_baseline` are sum / count of the same rows. Jensen-Shannon is the distance to base 2, as NannyML
    prints it; Evidently's is the same times √ln 2.
    """
    if not (live.sum() > 0 and baseline.sum() > 0):
        return None
    ordered = isinstance(bins, NumericBins)
    return Readings(
        psi=zero_filled_psi(live, baseline),
        js=float(js_distance(live, baseline)),
        ks=float(ks(live, baseline)) if ordered else None,
        wasserstein=_wasserstein(live, baseline, bins, mean, mean_baseline) if isinstance(bins, NumericBins) else None,
    )


def zero_filled_psi(live: Floats, baseline: Floats) -> float:
    """Population stability index in nats, empty bins filled as Evidently does it.

    An empty bin counts as 1e-4, or as a millionth of the smallest share of its side where that is not above 1e-4;
    shares are not scaled to one again. Evidently 0.7, stattests/utils.py get_binned_data (feel_zeroes).
    """
    p, q = _filled(shares(live)), _filled(shares(baseline))
    return float(((q - p) * np.log(q / p)).sum())


def _filled(share: Floats) -> Floats:
    least = float(share[share > 0].min())
    filled: Floats = np.where(share > 0, share, ZERO_SHARE if least > ZERO_SHARE else least / 1e6)
    return filled


def _wasserstein(
    live: Floats, baseline: Floats, bins: NumericBins, mean: float | None, mean_baseline: float | None
) -> float | None:
    """Wasserstein-1 distance over the baseline's standard deviation.

    What lies beyond the outermost finite edges counts as lying on them; the difference of the means, which no
    Wasserstein distance is below, stands in where that hides more. None without a spread to divide by.
    """
    finite = [edge for edge in bins.edges if math.isfinite(edge)]
    if len(finite) < 2:
        return None
    edges = [edge if math.isfinite(edge) else finite[0 if edge < 0 else -1] for edge in bins.edges]
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(binned_mean_sd(baseline, edges)[1])
        distance = float(w1(live, baseline, edges))
    if mean is not None and mean_baseline is not None and math.isfinite(mean - mean_baseline):
        distance = max(distance, abs(mean - mean_baseline))
    return distance / deviation if 0 < deviation < math.inf and math.isfinite(distance) else None
