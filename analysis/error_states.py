"""How each error type evolves: new, rising, fading, gone, a burst, or steady.

Errors come in clumps: a Poisson test flags something in 94-99 % of quiet refreshes of 60 types, the negative binomial
predictive with the types' own dispersion in 3-6 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from analysis.multiple import benjamini_hochberg
from analysis.special import nbinom_cdf, nbinom_sf

if TYPE_CHECKING:
    from analysis.evidence import Floats

NEW, BACK, RISING = "NEW", "back", "rising"
FADING, GONE, BURST, STEADY = "fading", "gone", "burst", "steady"

MIN_NEW = 3
MIN_RISING = 5
MIN_RATIO = 1.5
MIN_GONE = 7.0
"""Expected errors from which none at all means "gone"."""
MIN_BURST = 10
BURST_SHARE = 0.5
MAX_Q = 0.01
PHI_DEFAULT = 0.1
"""Squared coefficient of variation beyond Poisson where no type is frequent enough to tell."""
_PHI_WEIGHT = 4
_PHI_MIN_MEAN = 2.0


@dataclass(frozen=True, slots=True)
class NbPredictive:
    """[C] predictive distribution of the live count of each type."""

    mu: Floats
    var: Floats
    r: Floats
    p_up: Floats
    """P(at least the live count)."""
    p_down: Floats
    """P(at most the live count)."""


@dataclass(frozen=True, slots=True)
class ErrorState:
    """The state of one error type."""

    state: str
    q: float
    """False-discovery-rate adjusted p-value of the direction that the state names."""
    per_1k_live: float
    per_1k_base: float
    ratio: float
    """(live + ½) / (expected + ½)."""


def phi_moment(windows: ArrayLike) -> Floats:
    """[C] excess squared coefficient of variation of [K, C] counts: max((s² - mean) / mean², 0)."""
    y = np.asarray(windows, dtype=np.float64)
    if y.shape[0] < 2:
        return np.zeros(y.shape[1:])
    mean, variance = y.mean(axis=0), y.var(axis=0, ddof=1)
    phi: Floats = np.divide(variance - mean, mean**2, out=np.zeros_like(mean), where=mean > 0)
    return np.maximum(phi, 0.0)


def phi_shrunk(windows: ArrayLike) -> Floats:
    """[C] dispersion of each type, K-1 parts its own and 4 parts the mean of the types of at least 2 per window.

    Types below 2 per window take the mean: their own moment is noise.
    """
    y = np.asarray(windows, dtype=np.float64)
    own, frequent = phi_moment(y), y.mean(axis=0) >= _PHI_MIN_MEAN
    pooled = float(own[frequent].mean()) if frequent.any() and y.shape[0] > 1 else PHI_DEFAULT
    weight = y.shape[0] - 1
    return np.where(frequent, (weight * own + _PHI_WEIGHT * pooled) / (weight + _PHI_WEIGHT), pooled)


def nb_predictive(x: ArrayLike, windows: ArrayLike, phi: ArrayLike, exposure: float = 1.0) -> NbPredictive:
    """Negative binomial predictive of [C] live counts from [K, C] windows and [C] dispersions.

    `exposure` is live requests over the mean requests of a window. With s = Σy + ½ and mu = s/K · exposure the
    variance is mu + mu² (phi (1 + 1/K) + 1/s): Poisson noise, clumping, and the uncertainty of the mean itself.
    """
    y, now = np.asarray(windows, dtype=np.float64), np.asarray(x, dtype=np.float64)
    count = y.shape[0]
    s = y.sum(axis=0) + 0.5
    mu = s / count * exposure
    var = mu + mu**2 * (np.asarray(phi, dtype=np.float64) * (1 + 1 / count) + 1 / s)
    r = mu**2 / (var - mu)
    share = r / (r + mu)
    return NbPredictive(mu, var, r, nbinom_sf(now - 1, r, share), nbinom_cdf(now, r, share))


def classify_errors(
    live: ArrayLike,
    windows: ArrayLike,
    exposure_live: float,
    exposure_windows: ArrayLike,
    *,
    first_seen: Sequence[float | None] | None = None,
    window_start: float | None = None,
    buckets: ArrayLike | None = None,
) -> list[ErrorState]:
    """State of each of [C] error types from its live count, [K, C] reference counts and the requests of each window.

    NEW: at least 3 errors, none in any reference window, and not seen before `window_start` (unix seconds); back: the
    same, but seen before. rising: q < .01, ratio >= 1.5, at least 5. fading: q < .01 downwards; gone: fading to zero
    where at least 7 were expected. burst: one of the [T, C] `buckets` of the live window holds half of at least 10
    errors. Without a reference window that had requests nothing can be told: all are steady with q = 1.
    """
    x, y = np.asarray(live, dtype=np.float64), np.asarray(windows, dtype=np.float64)
    requests = np.asarray(exposure_windows, dtype=np.float64)
    held = requests > 0
    per_1k = x / exposure_live * 1_000 if exposure_live > 0 else np.zeros_like(x)
    if not held.any() or exposure_live <= 0:
        return [ErrorState(STEADY, 1.0, float(rate), math.nan, math.nan) for rate in per_1k]
    y, requests = y[held], requests[held]
    typical = requests.mean()
    phi = phi_shrunk(y * (typical / requests)[:, None])
    prediction = nb_predictive(x, y, phi, float(exposure_live / typical))
    q_up, q_down = benjamini_hochberg(prediction.p_up), benjamini_hochberg(prediction.p_down)
    base = y.sum(axis=0) / requests.sum() * 1_000
    expected = base * exposure_live / 1_000
    ratio = (x + 0.5) / (expected + 0.5)
    bursts = _bursts(x, buckets)
    out = []
    for i in range(len(x)):
        seen = first_seen[i] if first_seen is not None else None
        earlier = seen is not None and window_start is not None and seen < window_start
        if x[i] >= MIN_NEW and y[:, i].sum() == 0:
            state, q = (BACK if earlier else NEW), q_up[i]
        elif q_up[i] < MAX_Q and ratio[i] >= MIN_RATIO and x[i] >= MIN_RISING:
            state, q = RISING, q_up[i]
        elif q_down[i] < MAX_Q:
            state, q = (GONE if x[i] == 0 and expected[i] >= MIN_GONE else FADING), q_down[i]
        else:
            state, q = (BURST if bursts[i] else STEADY), min(q_up[i], q_down[i])
        out.append(ErrorState(state, float(q), float(per_1k[i]), float(base[i]), float(ratio[i])))
    return out


def _bursts(live: Floats, buckets: ArrayLike | None) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    counts = np.zeros((0, len(live))) if buckets is None else np.asarray(buckets, dtype=np.float64)
    # With fewer than four buckets one of them often holds half of the events by chance.
    if counts.shape[0] < 4:
        return np.zeros(len(live), dtype=np.bool_)
    top = counts.max(axis=0)
    burst: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (top >= MIN_BURST) & (top >= BURST_SHARE * live)
    return burst
