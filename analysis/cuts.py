"""Numeric features as dimensions: cut at quantiles of the baseline, and written as `12..120` where a value stands."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from analysis.evidence import Floats, NumericBins

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles of the baseline at which a feature is cut: tails and quarters, so few values that each has rows enough."""
_DIGITS = 4


def cut_points(bins: NumericBins, n: Floats) -> tuple[float, ...]:
    """Ascending values near the quantiles of a baseline, written with at most four digits; empty without rows.

    Args:
        n: [B] rows of the baseline per bin. The cuts are edges of the bins, so equal cuts collapse.
    """
    total = float(n.sum())
    if total <= 0:
        return ()
    below = np.cumsum(n) / total
    inner = np.array(bins.edges[1:-1])
    if not len(inner):
        return ()
    chosen = [float(inner[int(np.argmin(np.abs(below[:-1] - share)))]) for share in SHARES]
    return tuple(sorted({float(f"{edge:.{_DIGITS}g}") for edge in chosen if math.isfinite(edge)}))


def stretch(low: float | None, high: float | None) -> str:
    """low <= x < high as a value: `12..120`, `..12`, `120..`."""
    return f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"


def stretches(cuts: tuple[float, ...]) -> tuple[str, ...]:
    """The values that ascending cuts make, from the lowest on."""
    edges = (None, *cuts, None)
    return tuple(stretch(low, high) for low, high in pairwise(edges))


def parse_stretch(text: str) -> tuple[float | None, float | None] | None:
    """(low, high) of `12..120`, either end open; None when the text is no such thing."""
    low, dots, high = text.partition("..")
    if not dots or not (low or high):
        return None
    try:
        ends = tuple(float(end) if end else None for end in (low, high))
    except ValueError:
        return None
    return (ends[0], ends[1]) if all(end is None or math.isfinite(end) for end in ends) else None
