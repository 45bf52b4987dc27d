"""Rows of a comparison: each measure of two versions, adjusted for the mix of their traffic, with a verdict in words.

Both are compared on the traffic of B: what would A have done with the requests that B got? A canary that serves the
hardest region is not worse for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.canary import ALPHA, LogRatio, log_rate_ratio, mean_reach
from analysis.comparison import ComparisonRow, Verdict
from analysis.cubes import align, expectation
from analysis.proportions import share_dispersion, shrunk_dispersion
from analysis.words import duration

if TYPE_CHECKING:
    from analysis.evidence import Cube

Floats = NDArray[np.float64]
Enough = Callable[[float], bool]
"""Whether that many times the observations settle it."""

EQUIVALENT = 1.1
"""A ratio between 1/1.1 and 1.1 is "no difference"."""

MIX_EVENTS = 5.0
"""Events of A from which half of what the mix seems to explain is believed: few say little about where they happen."""

LONGEST_S = 86_400.0
"""Beyond a day of waiting the traffic is called too little."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """One outcome in both versions."""

    k_a: float
    n_a: float
    k_b: float
    n_b: float
    mix: float
    """Rate that A has on the traffic of B, and at the times of B, over its own rate."""

    @property
    def shares(self) -> tuple[float | None, float | None]:
        """Of A and B; None without rows."""
        return (self.k_a / self.n_a if self.n_a else None, self.k_b / self.n_b if self.n_b else None)


def mixed(b: Cube, a: Cube, outcome: int) -> Mixed:
    """Outcome counts of both versions, and how much of a difference the mix of their traffic explains.

    Args:
        b, a: cubes of the two versions over the same dims and outcomes.
    """
    k_a, n_a = float(a.hits[:, outcome].sum()), float(a.n.sum())
    k_b, n_b = float(b.hits[:, outcome].sum()), float(b.n.sum())
    mix = 1.0
    if k_a > 0 and n_b > 0 and a.dims:
        expected, _ = expectation(align(b, a, outcome))
        whole = float(expected.sum()) / (n_b * k_a / n_a)
        mix = whole ** (k_a / (k_a + MIX_EVENTS)) if whole > 0 else 1.0
    return Mixed(k_a, n_a, k_b, n_b, mix)


def over_time(counts: Mixed, k_a: Floats, n_a: Floats, n_b: Floats) -> Mixed:
    """The same counts with the mix of times of day adjusted too: B may have run mostly when A failed more as well.

    A roll-out over 1, 5 and 20 % under a base rate that triples makes every equal version look worse without it.

    Args:
        k_a, n_a, n_b: [T] outcomes and rows of A, and rows of B, per bucket.
    """
    ran = (n_a > 0) & (n_b > 0)
    failed, rows = float(k_a[ran].sum()), float(n_b[ran].sum())
    if failed <= 0 or rows <= 0:
        return counts
    at_b = float((n_b[ran] * k_a[ran] / n_a[ran]).sum()) / rows
    whole = at_b / (float(k_a.sum()) / float(n_a.sum()))
    return replace(counts, mix=counts.mix * whole ** (failed / (failed + MIX_EVENTS)))


def bucket_dispersion(k: Floats, n: Floats) -> float:
    """Variance of [T] counts per bucket over the binomial one, shrunk to one: failures come in clumps."""
    return float(shrunk_dispersion(share_dispersion(k, n), max(1, int((n > 0).sum()))))


def share_row(
    measure: str,
    values: tuple[float | None, float | None],
    unit: str,
    counts: Mixed,
    seconds: float,
    *,
    dispersion: float = 1.0,
    alpha: float = ALPHA,
    note: str = "",
) -> ComparisonRow:
    """A row whose difference is a ratio of shares, higher being worse.

    Args:
        values: what A and B show, such as a percentile.
        seconds: how long both have been compared.
        dispersion: between buckets.
        alpha: smaller where several rows ask about one thing.
    """
    row = ComparisonRow(measure, unit, *values, counts.n_a, counts.n_b, note=note)
    if counts.n_a <= 0 or counts.n_b <= 0:
        return row
    pooled = (counts.k_a + counts.k_b) / (counts.n_a + counts.n_b)
    ratio = log_rate_ratio(
        counts.k_b, counts.n_b * counts.mix, counts.k_a, counts.n_a, dispersion * max(1 - pooled, 1e-3)
    )
    verdict, words = ratio_verdict(ratio, seconds, alpha)
    return replace(row, difference=math.exp(ratio.value), interval=ratio.interval(alpha), verdict=verdict, words=words)


def ratio_verdict(ratio: LogRatio, seconds: float, alpha: float = ALPHA) -> tuple[Verdict, str]:
    """What may be said of a ratio (above one is worse) after `seconds`, and when there will be more to say.

    "No difference" is claimed only when the whole interval lies within 10 % of one.
    """
    said = _said(ratio, alpha)
    if said is not None:
        return said, "no difference within 10%" if said is Verdict.SAME else str(said)
    return Verdict.OPEN, _waiting(lambda factor: _said(ratio.with_more(factor), alpha) is not None, seconds)


def _said(ratio: LogRatio, alpha: float) -> Verdict | None:
    low, high = ratio.interval(alpha)
    if low > 1:
        return Verdict.WORSE
    if high < 1:
        return Verdict.BETTER
    return Verdict.SAME if low >= 1 / EQUIVALENT and high <= EQUIVALENT else None


def mean_row(
    measure: str,
    unit: str,
    sides: tuple[Moments, Moments],
    seconds: float,
    equal: float,
    *,
    note: str = "",
) -> ComparisonRow:
    """A row whose difference is B - A of two means, lower being worse.

    Each mean has its own confidence sequence at half of alpha; their reaches add in squares, as independent errors do.

    Args:
        sides: of A and B.
        equal: difference within which the two are called equal.
    """
    a, b = sides
    row = ComparisonRow(measure, unit, a.mean, b.mean, a.n, b.n, relative=False, note=note)
    if a.mean is None or b.mean is None:
        return row
    difference = b.mean - a.mean

    def said(factor: float) -> Verdict | None:
        reach = _reach(a, b, factor)
        if abs(difference) > reach:
            return Verdict.WORSE if difference < 0 else Verdict.BETTER
        return Verdict.SAME if abs(difference) + reach <= equal else None

    verdict, reach = said(1.0), _reach(a, b, 1.0)
    words = f"no difference within {equal:g}" if verdict is Verdict.SAME else str(verdict)
    if verdict is None:
        verdict, words = Verdict.OPEN, _waiting(lambda factor: said(factor) is not None, seconds)
    return replace(
        row,
        difference=difference,
        interval=(difference - reach, difference + reach),
        verdict=verdict,
        words=words,
    )


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and standard deviation of one version's values."""

    n: float
    mean: float | None
    sd: float


def _reach(a: Moments, b: Moments, factor: float) -> float:
    return math.hypot(*(mean_reach(m.sd, m.n * factor, ALPHA / 2) for m in (a, b)))


def _waiting(enough: Enough, seconds: float) -> str:
    """How much longer at this traffic, if all stays as it is: the smallest multiple of the rows that is enough."""
    high = 1.0
    while not enough(high):
        high *= 2
        if (high - 1) * seconds > 2 * LONGEST_S:
            return "not enough at this traffic"
    low = high / 2
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    more = (high - 1) * seconds
    if more > LONGEST_S:
        return "not enough at this traffic"
    return f"not enough yet, about {duration(max(60.0, more))} more"
