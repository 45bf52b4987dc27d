"""How much quiet leaves and quiet values of a dim differ from their expectation, beyond Poisson.

Both are taken from medians over many cells, so that the few cells of a cause do not count as noise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from analysis.cubes import Aligned
    from analysis.evidence import Floats

_LEAF_EVENTS = 4.0
"""Expected events from which a leaf tells its noise apart from Poisson's."""
_MIN_CELLS = 20
_MEDIAN_CHI2 = 0.4549
"""Median of chi-square with one degree of freedom."""
_LARGEST = 4.0


def between_leaves(counts: Floats, expected: Floats, rests_on_share: Floats) -> float:
    """Relative standard deviation of a leaf's rate: V = E (1 + share) + (s E)^2; 0 when it cannot be told.

    Args:
        counts, expected: [L].
        rests_on_share: [L] live rows over the baseline rows behind each expectation.
    """
    filled = expected >= _LEAF_EVENTS
    if filled.sum() < _MIN_CELLS:
        return 0.0
    c, e = counts[filled], expected[filled]
    poisson = e * (1 + rests_on_share[filled])
    middle = float(np.median(c / e))
    squares = (c - e * min(max(middle, 0.5), 2.0)) ** 2
    low, high = 0.0, _LARGEST
    for _ in range(20):
        s2 = (low + high) / 2
        if float(np.median(squares / (poisson + s2 * e**2))) > _MEDIAN_CHI2:
            low = s2
        else:
            high = s2
    return math.sqrt(low)


def between_values(table: Aligned, counts: Floats, expected: Floats, least: float, inflation: float = 1.0) -> float:
    """Robust spread of log(count / expected) over the values of single dims with `least` expected, Poisson taken off.

    `inflation`: variance over Poisson variance of a count minus its expectation.
    """
    logs, noise = [], []
    for codes in table.codes:
        seen, means = np.bincount(codes, counts), np.bincount(codes, expected)
        big = (means >= least) & (seen > 0)
        ratio = np.log(seen[big] / means[big])
        logs.append(ratio - np.median(ratio) if len(ratio) else ratio)
        noise.append(inflation / means[big])
    spread = np.concatenate(logs)
    if len(spread) < 6:
        return 0.0
    variance = (1.4826 * float(np.median(np.abs(spread)))) ** 2 - float(np.median(np.concatenate(noise)))
    return math.sqrt(max(variance, 0.0))
