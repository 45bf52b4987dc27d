"""Where a mean moved: segments whose latency, confidence or feature is higher or lower than the baseline predicts.

From additive sums n, sum x, sum x^2 per combination of values. A row is worth (x - mean) / sd + 1: its sum has the
mean and the variance of a Poisson count, so the scan over counts (`segments.py`) serves, mix-adjustment included.
Whatever it finds must stand up to Welch's test (1947) on its own sums: a segment may scatter more than all rows do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.answer import Segment
from analysis.evidence import Cube, Sums
from analysis.segment_cover import MIN_ROWS
from analysis.segments import ALPHA, search

if TYPE_CHECKING:
    from analysis.evidence import Floats
    from analysis.segment_sample import Where

_ROWS = 10.0
"""A row counts as so many, so that the mean worth of a leaf stays below one each."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Rows with their mean and standard deviation, both in the unit of the value."""

    n: float
    mean: float
    sd: float

    @classmethod
    def of(cls, n: float, total: float, squares: float) -> Moments:
        """From additive sums; NaN without rows."""
        if n <= 0:
            return cls(0.0, math.nan, math.nan)
        mean = total / n
        return cls(n, mean, math.sqrt(max(0.0, squares / n - mean * mean)))


def moments(sums: Sums, where: Where = ()) -> Moments:
    """Mean and spread of the rows of a segment, or of all."""
    chosen = np.ones(len(sums.n), dtype=np.bool_)
    for dim, value in where:
        d = sums.dims.index(dim)
        chosen &= sums.codes[:, d] == (sums.values[d].index(value) if value in sums.values[d] else -1)
    return Moments.of(*(float(column[chosen].sum()) for column in (sums.n, sums.total, sums.squares)))


def search_means(live: Sums, baseline: Sums, *, max_order: int = 3, limit: int = 5) -> tuple[Segment, ...]:
    """Segments whose mean moved from what the baseline predicts, those in the direction of the total first.

    In a segment the rates are means in the unit of the value, `lift` is the mean inside over the mean outside,
    `share_of_change` its part of the sum gained (or lost) beyond the expectation, below 0 against the total's way.
    Empty without rows, or where the value never varied before.
    """
    now, before = moments(live), moments(baseline)
    if now.n <= 0 or before.n <= 0 or not before.sd > 0:
        return ()
    first = 1 if now.mean >= before.mean else -1
    found: list[Segment] = []
    for sign in (first, -first):
        cubes = [_worth(sums, before, sign) for sums in (live, baseline)]
        for segment in search(cubes[0], cubes[1], 0, max_order=max_order, limit=limit):
            plain = _plain(segment, live, baseline, before, sign)
            if plain is not None:
                found.append(plain if sign == first else replace(plain, share_of_change=-plain.share_of_change))
    return tuple(found[:limit])


def _worth(sums: Sums, before: Moments, sign: int) -> Cube:
    """The worth of the rows of each leaf as hits; a leaf far on the other side has none."""
    worth: Floats = np.maximum(sign * (sums.total - sums.n * before.mean) / before.sd + sums.n, 0.0)
    return Cube(sums.dims, sums.values, sums.codes, sums.n * _ROWS, worth[:, None], ())


def _plain(segment: Segment, live: Sums, baseline: Sums, before: Moments, sign: int) -> Segment | None:
    """The segment in the unit of the value; None where its own rows do not bear it out."""
    inside, then = moments(live, segment.where), moments(baseline, segment.where)
    if inside.n < MIN_ROWS:
        return None
    if then.n >= 2 and inside.n >= 2:
        error = math.hypot(inside.sd / math.sqrt(inside.n), then.sd / math.sqrt(then.n))
        searched = math.prod(len(live.values[live.dims.index(dim)]) for dim, _ in segment.where)
        gain = sign * (inside.mean - then.mean)
        if gain <= 0 or (error > 0 and (gain / error) ** 2 / 2 <= math.log(searched / ALPHA)):
            return None
    whole = moments(live)
    rest = Moments.of(whole.n - inside.n, whole.n * whole.mean - inside.n * inside.mean, 0.0)
    expected = before.mean + sign * before.sd * (segment.rate_before * _ROWS - 1)
    without = segment.rate_without
    return replace(
        segment,
        rate_in=inside.mean,
        rate_out=rest.mean if rest.n > 0 else whole.mean,
        rate_before=then.mean if then.n > 0 else expected,
        lift=inside.mean / rest.mean if rest.n > 0 and rest.mean else 1.0,
        n=inside.n,
        rate_without=None if without is None else before.mean + sign * before.sd * (without * _ROWS - 1),
    )
