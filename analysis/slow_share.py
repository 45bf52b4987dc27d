"""The share of requests that took longer than they may: from bins, so with the bounds that bins allow."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.burn import burn_rate, nearest_edge
from analysis.evidence import NumericBins
from analysis.objectives import Objective
from analysis.proportions import share_test, wilson
from analysis.quantiles import bucket_quantile, count_above, share_above_bounds

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SlowShare:
    """Requests of one model above a latency threshold, in the whole window and in the baseline; shares are 0..1."""

    threshold_ms: float
    target: float | None
    """Share of requests that is promised to be faster; None where nothing is promised and the baseline's p99 serves."""
    now: tuple[float, float]
    """At least and at most; equal where the threshold is an edge of the bins."""
    baseline: tuple[float, float]
    edge_ms: float
    """The edge nearest to the threshold, by ratio: where the error budget counts too."""
    at_edge: float
    """Share of the window above that edge, exact."""
    at_edge_baseline: float
    interval: tuple[float, float]
    """95 % interval of `now`: Wilson's lower end of the lower bound, and upper end of the upper bound."""
    p: float
    """Two-sided, of no change of the share above the edge under the spread of the reference windows."""
    n: float
    n_baseline: float

    @property
    def burn(self) -> float | None:
        """How many times what is promised the window spends; None without a promise."""
        return None if self.target is None else burn_rate(self.at_edge * self.n, self.n, self.target)


def slow_shares(
    live: Floats, windows: Floats, bins: NumericBins, objectives: Iterable[Objective]
) -> tuple[SlowShare, ...]:
    """The share above the threshold of each latency objective, or above the edge nearest to the baseline's p99.

    Args:
        live: [B] requests of the window per bin.
        windows: [K, B] the same of the reference windows.
        objectives: of this model; those without a threshold are passed over.
    """
    base = windows.sum(axis=0)
    if not live.sum() or not base.sum():
        return ()
    wanted = [(objective.threshold_ms, objective.target) for objective in objectives if objective.threshold_ms]
    if not wanted:
        usual = bucket_quantile(0.99, bins.edges, base).value
        return (_share(live, windows, bins, nearest_edge(bins, usual), None),) if usual > 0 else ()
    return tuple(_share(live, windows, bins, threshold, target) for threshold, target in sorted(wanted))


def _share(live: Floats, windows: Floats, bins: NumericBins, threshold_ms: float, target: float | None) -> SlowShare:
    base, n = windows.sum(axis=0), float(live.sum())
    edge_ms = nearest_edge(bins, threshold_ms)
    edge = bins.edges.index(edge_ms)
    test = share_test(float(count_above(live, edge)), n, count_above(windows, edge), windows.sum(axis=1))
    now = share_above_bounds(live, bins.edges, threshold_ms)
    interval = wilson(now[0] * n, n)[0], wilson(now[1] * n, n)[1]
    return SlowShare(
        threshold_ms=threshold_ms,
        target=target,
        now=now,
        baseline=share_above_bounds(base, bins.edges, threshold_ms),
        edge_ms=edge_ms,
        at_edge=test.now,
        at_edge_baseline=test.baseline,
        interval=interval,
        p=test.p if math.isfinite(test.p) else 1.0,
        n=n,
        n_baseline=test.n_baseline,
    )
