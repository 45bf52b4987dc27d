"""Two versions under one traffic, in numbers that stay valid however often they are looked at.

A test of fixed size that is looked at every half minute for an hour calls 38 % of equal versions different at p < .05.
E-values and confidence sequences hold at all looks together: P(e ever reaches 1/alpha) <= alpha where nothing differs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.special import log_gamma

Floats = NDArray[np.float64]

KAPPA = 50.0
"""Failures that the prior split is worth: between 10 and 200 the time to an alarm hardly moves."""

ALPHA = 0.05
TAU = 0.3
"""Standard deviation of the log ratios that the mixture expects: most of its weight lies between x0.55 and x1.8."""

PRIOR_FAILURES = 5.0
PRIOR_ROWS = 50.0
T_OPT = 1_000
"""Observations at which the interval of a mean is tightest."""


def _log_beta(a: float, b: float) -> float:
    return float(log_gamma(a) + log_gamma(b) - log_gamma(a + b))


def log_e(k1: float, k2: float, share: float, kappa: float = KAPPA) -> float:
    """ln of the e-value that k1 of k1 + k2 failures are not the first version's share of the traffic.

    Beta-binomial mixture around that share, Lindon & Malek 2020 (arXiv:2011.03567). Exact for any counts. Clustered
    failures are divided by their dispersion before. Zero where the share is 0 or 1: nothing can be compared.
    """
    if not 0 < share < 1:
        return 0.0
    a, b = kappa * share, kappa * (1 - share)
    return _log_beta(a + k1, b + k2) - _log_beta(a, b) - k1 * math.log(share) - k2 * math.log1p(-share)


def staged_log_e(k1: ArrayLike, k2: ArrayLike, share: ArrayLike, prior: float = PRIOR_FAILURES) -> Floats:
    """[T] ln of the e-value after each interval of a roll-out whose traffic share changes.

    Each interval bets on the ratio of the intervals before it (predictable plug-in, `prior` failures at a ratio of
    one), so that a base rate that drifts cancels within the interval. Stages are never pooled: pooled, a roll-out over
    1, 5 and 20 % under a drifting base rate is called different in 99.8 % of runs.

    Args:
        k1, k2: [T] failures of the new and of the old version.
        share: [T] the new version's share of the traffic; an interval with a share of 0 or 1 says nothing.
    """
    new, old, rho = (np.asarray(x, dtype=np.float64) for x in (k1, k2, share))
    told = (rho > 0) & (rho < 1)
    new, old, rho = np.where(told, new, 0.0), np.where(told, old, 0.0), np.where(told, rho, 0.5)
    seen, expected = np.cumsum(new), np.cumsum(rho * (new + old))
    ratio = (np.concatenate([[0.0], seen[:-1]]) + prior) / (np.concatenate([[0.0], expected[:-1]]) + prior)
    bet = rho * ratio / (rho * ratio + 1 - rho)
    steps: Floats = np.cumsum(new * np.log(bet / rho) + old * np.log((1 - bet) / (1 - rho)))
    return steps


def staged_mean_log_e(new: ArrayLike, old: ArrayLike, values: ArrayLike, prior: float = PRIOR_ROWS) -> Floats:
    """[T] ln of the e-value, after each interval of a roll-out, that the new version's mean is the lower one.

    Given all rows of an interval, those of the smaller version are a draw without replacement where versions are equal.
    The exponential of their sum has no larger mean than under a draw with replacement (Hoeffding 1963, theorem 4),
    which the rows give exactly: no variance is estimated, and no distribution assumed. Each interval bets on the
    difference of the intervals before it, as in `staged_log_e`, so neither a mean that drifts nor a share that changes
    counts. Clustered rows are divided by their dispersion before.

    Args:
        new, old: [T, B] rows per value of the new and of the old version.
        values: [B]
        prior: rows at no difference that the first bets are shrunk by.
    """
    x, n_new, n_old = np.asarray(values, dtype=np.float64), np.asarray(new, dtype=float), np.asarray(old, dtype=float)
    sizes = np.stack([n_new.sum(axis=1), n_old.sum(axis=1)])
    told, size = (sizes > 0).all(axis=0), np.maximum(sizes.sum(axis=0), 1e-9)
    pool = (n_new + n_old) / size[:, None]
    apart = x - (pool @ x)[:, None]
    variance = (pool * apart**2).sum(axis=1)
    told &= variance > 0
    # What the new version's rows lie below the mean of all; the old version's lie as much above it.
    below = np.where(told, -(n_new * apart).sum(axis=1), 0.0)
    weight = np.where(told, sizes[0] * sizes[1] / size, 0.0)
    seen = (np.cumsum(below) - below) / (np.cumsum(weight) - weight + prior)
    bet = np.maximum(seen, 0.0) * sizes.max(axis=0) / size / np.where(told, variance, 1.0)
    side = np.where(sizes[0] <= sizes[1], -1.0, 1.0)
    exponent = (bet * side)[:, None] * apart
    top = exponent.max(axis=1)
    grown = np.log((pool * np.exp(exponent - top[:, None])).sum(axis=1), where=told, out=np.zeros_like(top)) + top
    steps: Floats = np.cumsum(np.where(told, bet * below - sizes.min(axis=0) * grown, 0.0))
    return steps


def always_valid_p(log_e_values: ArrayLike) -> float:
    """The p-value that holds at every look: 1 over the largest e-value so far."""
    values = np.asarray(log_e_values, dtype=np.float64)
    return math.exp(-max(0.0, float(values.max()))) if values.size else 1.0


@dataclass(frozen=True, slots=True)
class LogRatio:
    """ln of a rate ratio, and the variance of its estimate."""

    value: float
    variance: float

    def reach(self, alpha: float = ALPHA, tau: float = TAU) -> float:
        """Half width of the confidence sequence of the log ratio: all values that `log_mixture` would not reject."""
        both = self.variance + tau * tau
        return math.sqrt(self.variance * both / tau**2 * (2 * math.log(1 / alpha) + math.log(both / self.variance)))

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """The ratio's confidence sequence: holds at all looks together with probability 1 - alpha."""
        half = self.reach(alpha)
        return math.exp(self.value - half), math.exp(min(self.value + half, 700.0))

    def log_mixture(self, tau: float = TAU) -> float:
        """ln of the normal mixture's likelihood ratio against a ratio of one: mSPRT, Johari et al. arXiv:1512.04922."""
        v, both = self.variance, self.variance + tau * tau
        return 0.5 * math.log(v / both) + self.value**2 * tau * tau / (2 * v * both)

    def with_more(self, factor: float) -> LogRatio:
        """The same ratio after `factor` times the observations."""
        return LogRatio(self.value, self.variance / factor)


def log_rate_ratio(k1: float, n1: float, k2: float, n2: float, dispersion: float = 1.0) -> LogRatio:
    """ln of (k1/n1) / (k2/n2) with half an event added to both, so that zero has a ratio.

    Args:
        n1, n2: exposure, > 0.
        dispersion: variance of the counts over that of Poisson counts; 1 - share for events that are not rare.
    """
    value = math.log((k1 + 0.5) / n1) - math.log((k2 + 0.5) / n2)
    return LogRatio(value, dispersion * (1 / (k1 + 0.5) + 1 / (k2 + 0.5)))


def mixture_rho2(t_opt: float = T_OPT, alpha: float = ALPHA) -> float:
    """rho squared of the normal mixture whose boundary is tightest after `t_opt` observations."""
    bits = -2 * math.log(alpha)
    return (bits + math.log(bits) + 1) / t_opt


def mean_reach(sd: float, t: float, alpha: float = ALPHA, t_opt: float = T_OPT) -> float:
    """Half width of the asymptotic confidence sequence of a mean of t observations of standard deviation `sd`.

    Waudby-Smith et al., time-uniform central limit theory (arXiv:2103.06476). Infinite without observations.
    """
    if t <= 0:
        return math.inf
    rho2 = mixture_rho2(t_opt, alpha)
    grown = t * rho2 + 1
    return sd * math.sqrt(grown / (t * t * rho2) * math.log(grown / alpha**2))
