"""Whether an urgent change lasts, or was a short interruption that is over: a pause, a cold cache, a lost connection.

A window shows an interruption for as long as the window is, so that a finding stands is no sign that the change does.
What is over within minutes has healed before anyone can act: it is told without urgency.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

INTERRUPTION_S = 240
"""Seconds that a short interruption lasts at most."""

_LEAST = 1e-6
"""A share of none or all has no likelihood."""

OVER = math.log(20)
"""Log likelihood ratio from which the newest rows are the usual ones again (Wald 1945, at 5 %)."""


def interruption(step: int) -> int:
    """Buckets of `step` seconds that a short interruption lasts at most."""
    return max(1, INTERRUPTION_S // step)


def share_is_over(hits: Floats, n: Floats, before: float, now: float, buckets: int) -> bool:
    """Whether the newest rows speak for the share `before` rather than `now`, by 20 to 1.

    The rows of the newest bucket, of the newest two, and so on are asked: one bucket of a busy model tells at once, a
    quiet one needs more of them. Sequential probability ratio of binomial counts, Wald 1945.

    Args:
        hits: [T] rows with the property per bucket, newest last.
        n: [T] rows per bucket.
        before: the usual share.
        now: the changed share.
        buckets: how many are asked at most.
    """
    before, now = (min(max(share, _LEAST), 1 - _LEAST) for share in (before, now))
    k, rows = hits[::-1][:buckets].cumsum(), n[::-1][:buckets].cumsum()
    ratio = k * math.log(before / now) + (rows - k) * math.log((1 - before) / (1 - now))
    return bool(len(ratio) and ratio.max() > OVER)


def rate_is_over(n: Floats, before: float, now: float) -> bool:
    """Whether the newest two complete buckets are nearer to the usual count than to the changed one, as a factor.

    Args:
        n: [T] rows per complete bucket, newest last.
        before: usual rows per bucket, above zero.
        now: changed rows per bucket, above zero.
    """
    if not len(n):
        return False
    newest, middle = float(n[-2:].mean()), math.sqrt(before * now)
    return newest > middle if now < before else newest < middle


def without_interruption(excess: Floats, buckets: int) -> NDArray[np.bool_] | None:
    """[T] the buckets outside the `buckets` consecutive ones with the largest sum of `excess`.

    None when no more are left than are taken out: that is too little to judge.
    """
    if len(excess) <= 2 * buckets:
        return None
    kept = np.ones(len(excess), dtype=bool)
    worst = int(np.argmax(np.convolve(excess, np.ones(buckets), "valid")))
    kept[worst : worst + buckets] = False
    return kept
