"""What a distribution of confidence did, in words, and how undecided the model is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from analysis.distances import shares, tv
from analysis.shift import AUC_FLOOR, JS_FLOOR, ShiftTest, may_matter, shift_test, trend_z
from analysis.words import percent

if TYPE_CHECKING:
    from analysis.evidence import Floats

MAX_P = 0.001
SURE_Z = 3.3
"""|z| of a mean or a spread, dispersion included, from which a shape is called by it: p of about .001."""
GROWN = 1.3
"""Factor by which the share below the threshold, or of the top tenth, must grow."""
COLLAPSE_SHARE, COLLAPSE_GROWN = 0.2, 3.0
HUMP_SHARE = 0.02
"""Share by which each end must grow to be a hump."""
_STEPS = 16


@dataclass(frozen=True, slots=True)
class Shape:
    """A change of the shape of a distribution of confidence that is real and matters."""

    word: str
    """down, over-confident, two humps, collapse or shape."""
    text: str
    test: ShiftTest


def confidence_shape(live: ArrayLike, windows: ArrayLike, cut: int) -> Shape | None:
    """The shape that [B] live counts took, of which bins before `cut` are below the threshold; None when none did.

    Two gates, as for every drift: p < .001 with the dispersion of the [K, B] reference windows, and a distance or a
    mean rank that matters. Then, in this order: *two humps* when both outer thirds grew, the middle shrank and the
    spread is wider (z > 3.3); *collapse* when one bin holds three times its share and a fifth of the rows; *down* when
    the mean fell (z < -3.3) and 1.3 times as many rows are below the threshold; *over-confident* when the mean rose and
    1.3 times as many rows are in the top tenth; else *shape*. The words are a convention of this program.
    """
    x, c = np.asarray(live, dtype=np.float64), np.asarray(windows, dtype=np.float64)
    if not may_matter(x, c.sum(axis=0), True):
        return None
    test = shift_test(x, c, ordered=True)
    if test.p >= MAX_P or not (test.js_adj >= JS_FLOOR or abs(test.auc - 0.5) >= AUC_FLOOR):
        return None
    base = c.sum(axis=0)
    p, q = shares(x), shares(base)
    change, width = p - q, len(p)
    place = (np.arange(width) + 0.5) / width
    centre = float((q * place).sum())
    scale = math.sqrt(test.D)
    mean_z = float(trend_z(x, base, place)) / scale
    spread_z = float(trend_z(x, base, (place - centre) ** 2)) / scale
    third, tenth = max(1, width // 3), max(1, width // 10)
    low, middle, high = change[:third].sum(), change[third:-third].sum(), change[-third:].sum()
    top = int(np.argmax(p))
    moved = percent(float(tv(x, base)))
    if min(low, high) >= HUMP_SHARE and middle < 0 and spread_z > SURE_Z:
        return Shape("two humps", f"two humps: {percent(float(low + high))} of rows moved to both ends", test)
    if p[top] >= COLLAPSE_SHARE and p[top] >= COLLAPSE_GROWN * q[top]:
        return Shape("collapse", f"collapse: {percent(float(p[top]))} of rows at {place[top]:.2f}", test)
    if mean_z < -SURE_Z and p[:cut].sum() >= GROWN * q[:cut].sum():
        return Shape("down", f"less sure: {moved} of rows moved down", test)
    if mean_z > SURE_Z and p[-tenth:].sum() >= GROWN * q[-tenth:].sum():
        return Shape("over-confident", f"surer: {moved} of rows moved up, labels must say if rightly", test)
    return Shape("shape", f"{moved} of rows moved {'down' if mean_z < 0 else 'up'}", test)


def normalised_entropy(p: ArrayLike) -> Floats:
    """[...] Shannon entropy of [..., C] class probabilities over its maximum, ln C: 0 decided, 1 undecided."""
    share = np.asarray(p, dtype=np.float64)
    terms = share * np.log(np.where(share > 0, share, 1.0))
    entropy: Floats = -terms.sum(axis=-1) / math.log(share.shape[-1])
    return entropy


def mean_entropy(counts: ArrayLike, edges: Sequence[float]) -> float | None:
    """Mean normalised entropy of [B] counts of top-1 confidence, taken as one class against the rest; None if empty.

    Rows are spread evenly between the [B+1] edges of their bin. With more than two classes this is the entropy of
    "right or not", the only one that the confidence of the answer determines.
    """
    n, bounds = np.asarray(counts, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    if n.sum() <= 0:
        return None
    inside = bounds[:-1, None] + np.diff(bounds)[:, None] * ((np.arange(_STEPS) + 0.5) / _STEPS)
    sure = np.clip(inside, 0.0, 1.0)
    per_bin = normalised_entropy(np.stack([sure, 1 - sure], axis=-1)).mean(axis=1)
    return float((shares(n) * per_bin).sum())
