"""Many tests at once: false-discovery rate and combination of dependent p-values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from analysis.evidence import Floats


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """[N] adjusted p-values (q-values) of [N] p-values; Benjamini & Hochberg 1995. NaN counts as no test."""
    values = np.asarray(p, dtype=np.float64)
    out = np.full(values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    if tested.size == 0:
        return out
    order = tested[np.argsort(values[tested], kind="stable")]
    scaled = values[order] * tested.size / np.arange(1, tested.size + 1)
    out[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return out


def cauchy_combine(p: ArrayLike, axis: int = -1) -> Floats:
    """One p-value from several dependent ones along `axis`, by the mean of their Cauchy scores.

    The aggregated Cauchy association test, Liu & Xie 2020. NaN counts as no test; all NaN gives NaN.
    """
    values = np.asarray(p, dtype=np.float64)
    known = ~np.isnan(values)
    # tan loses all digits within 1e-15 of its pole; there cot(pi p) = 1 / (pi p) to the last digit.
    safe = np.clip(np.where(known, values, 0.5), 1e-300, 1 - 1e-15)
    score = np.where(safe < 1e-15, 1 / (np.pi * safe), np.tan((0.5 - safe) * np.pi))
    count = known.sum(axis=axis)
    mean = np.where(known, score, 0.0).sum(axis=axis) / np.maximum(count, 1)
    with np.errstate(divide="ignore"):
        small = np.arctan(1.0 / np.where(mean > 1, mean, 1.0)) / np.pi
    combined = np.where(mean > 1, small, 0.5 - np.arctan(mean) / np.pi)
    return np.where(count > 0, combined, np.nan)
