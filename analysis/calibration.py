"""Calibration: whether a score says how often the model is right, and the accuracy that follows where it does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MIN_CALIBRATION_LABELS = 1_000
"""Below this the calibration error of a perfect model reads as 3 points or more."""

MIN_BIN_LABELS = 30
"""Labels from which a band's share of right answers is known well enough to carry an estimate."""

MAX_OUTSIDE = 0.05
"""Share of the rows in bands with too few labels above which an estimate is not given."""


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """How far scores are from the share of right answers, 0..1."""

    ece: float
    """Expected calibration error: mean over rows of |share right - mean score| of their band."""
    floor: float
    """What a perfectly calibrated model would show by chance with these counts."""
    debiased: float
    """Root mean square calibration error without the part that chance explains; 0 where nothing is left."""
    n: float


def calibration_error(n: ArrayLike, correct: ArrayLike, total: ArrayLike) -> CalibrationError:
    """Calibration error over [B] bands of n labelled rows, `correct` of them right, with scores that sum to `total`.

    Debiased as in Kumar, Liang and Ma 2019 (arXiv:1909.10155): each squared gap less p(1-p)/(n-1). The floor is
    E|N(0, s)| = s sqrt(2/pi) per band, with s of scores that are right as often as they say. NaN without labels.
    """
    rows, right, score = (np.asarray(x, dtype=np.float64) for x in (n, correct, total))
    used = rows > 0
    rows, right, score = rows[used], right[used], score[used]
    whole = float(rows.sum())
    if whole <= 0:
        return CalibrationError(math.nan, math.nan, math.nan, 0.0)
    share, said, weight = right / rows, np.clip(score / rows, 0.0, 1.0), rows / whole
    gap = share - said
    square = gap**2 - np.divide(share * (1 - share), rows - 1, out=np.zeros(len(rows)), where=rows > 1)
    return CalibrationError(
        ece=float((weight * np.abs(gap)).sum()),
        floor=float(math.sqrt(2 / math.pi) * (weight * np.sqrt(said * (1 - said) / rows)).sum()),
        debiased=math.sqrt(max(0.0, float((weight * square).sum()))),
        n=whole,
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """Accuracy without labels, from the scores of the window and the labels of the references."""

    accuracy: float
    low: float
    high: float
    """Three standard errors to either side."""
    se_label: float
    """Standard error from the window's rows: what their labels would scatter."""
    se_map: float
    """Standard error from the labels of the references: how well the share right of each band is known."""
    outside: float
    """Share of the window's rows in bands with fewer than 30 labels, 0..1."""

    @property
    def se(self) -> float:
        """Both together."""
        return math.hypot(self.se_label, self.se_map)


def estimated_accuracy(rows: ArrayLike, correct: ArrayLike, n: ArrayLike) -> Estimate | None:
    """Accuracy of [B] rows per score band from `correct` of `n` labelled reference rows per band.

    Confidence-based performance estimation over bands (NannyML's CBPE with the empirical map): sum of rows x c / rows
    with c = (correct + 1/2) / (n + 1). The band adds the error of the map, without which it covered 43 % of the truth
    instead of 99 % in a trial with 500 labels. None without rows or labels.
    """
    live, right, labelled = (np.asarray(x, dtype=np.float64) for x in (rows, correct, n))
    whole = float(live.sum())
    if whole <= 0 or labelled.sum() <= 0:
        return None
    share = (right + 0.5) / (labelled + 1)
    accuracy = float((live * share).sum()) / whole
    variance = share * (1 - share)
    se_label = math.sqrt(float((live * variance).sum())) / whole
    se_map = math.sqrt(float(((live / whole) ** 2 * variance / np.maximum(labelled, 1.0)).sum()))
    half = 3 * math.hypot(se_label, se_map)
    outside = float(live[labelled < MIN_BIN_LABELS].sum()) / whole
    return Estimate(accuracy, max(0.0, accuracy - half), min(1.0, accuracy + half), se_label, se_map, outside)
