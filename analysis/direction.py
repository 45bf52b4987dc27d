"""What a distribution did, in words an engineer reads at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.distances import shares
from analysis.evidence import OTHER, UNSEEN, Bins, CategoryBins, NumericBins
from analysis.quantiles import quantiles

if TYPE_CHECKING:
    from analysis.evidence import Floats

CONSTANT_SHARE = 0.9
"""A bin that holds this share is a constant when it held less than `CONSTANT_BEFORE` in the baseline."""
CONSTANT_BEFORE = 0.5
UNSEEN_SHARE = 0.002
CLIPPED_TAIL = 0.01
"""Baseline share beyond an edge whose loss is called clipping."""

_PROBES = (0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9)
_UNITS = (10, 12, 16, 24, 60, 100, 1_000, 1_024, 3_600, 10_000, 86_400, 100_000, 1_000_000, 1_048_576, 1_000_000_000)
_CONVERSIONS = (1.609344, 1.852, 2.20462, 2.54, 3.28084, 4.184, 28.3495, 30.48)
"""Mile, sea mile, pound, inch, foot, calorie, ounce, foot in centimetres."""
_OUTER_JUMP = 0.5
_UNIT_TOLERANCE = 0.15
_CONVERSION_TOLERANCE = 0.02
"""Conversions lie close together, and close to factors by which a population may differ."""


def number(value: float) -> str:
    """A value in at most four significant digits and no exponent below 1e7."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 1_000 and abs(value) < 1e7:
        return f"{value:.0f}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A share as a percentage, with a decimal only where it is needed to be told from zero."""
    return f"{share * 100:.0f}%" if share >= 0.0995 or share == 0 else f"{share * 100:.2g}%"


def constant_bin(live: Floats, baseline: Floats, bins: Bins) -> int | None:
    """The bin that holds at least 90 % now and held less than half before; None when there is none.

    Not a bin of many values: an open outer bin, `OTHER` or `UNSEEN`.
    """
    p, q = shares(live), shares(baseline)
    top = int(np.argmax(p))
    if p[top] < CONSTANT_SHARE or q[top] >= CONSTANT_BEFORE:
        return None
    if isinstance(bins, CategoryBins):
        return None if bins.labels[top] in (OTHER, UNSEEN) else top
    return top if math.isfinite(bins.edges[top]) and math.isfinite(bins.edges[top + 1]) else None


def scale_factor(
    live: Floats,
    baseline: Floats,
    edges: Sequence[float],
    *,
    mean: float | None = None,
    mean_baseline: float | None = None,
) -> float | None:
    """The factor by which all values were multiplied, such as 100 after a change of unit; None when no one factor fits.

    Read from the log-ratios of seven quantiles, which agree under a multiplication and under nothing else. When most
    values left the baseline's finite bins their quantiles are unknown, and the ratio of the means (sum / count)
    stands in.
    """
    p, q = shares(live), shares(baseline)
    outer = sum(p[i] - q[i] for i, edge in ((0, edges[0]), (-1, edges[-1])) if not math.isfinite(edge))
    if outer >= _OUTER_JUMP:
        if mean is None or mean_baseline is None or mean * mean_baseline <= 0:
            return None
        return _unit(mean / mean_baseline)
    now, before = quantiles(np.stack([live, baseline]), edges, _PROBES, "log")
    usable = (now > edges[1]) & (now < edges[-2]) & (before > edges[1]) & (before < edges[-2])
    usable &= np.where(before != 0, now * before > 0, False)
    if usable.sum() < 4:
        return None
    logs = np.log(now[usable] / before[usable])
    middle = float(np.median(logs))
    if abs(middle) < math.log(1.5) or float(np.std(logs)) > 0.15 * abs(middle):
        return None
    return _unit(math.exp(middle))


def _unit(factor: float) -> float | None:
    """The factor, or that of the change of unit that it is near to; None when it is too near to one."""
    if not math.isfinite(factor) or abs(math.log(factor)) < math.log(1.5):
        return None
    size = max(factor, 1 / factor)
    for known, tolerance in ((_CONVERSIONS, _CONVERSION_TOLERANCE), (_UNITS, _UNIT_TOLERANCE)):
        near = min(known, key=lambda unit: abs(math.log(size / unit)))
        if abs(math.log(size / near)) < tolerance:
            size = float(near)
            break
    return size if factor > 1 else 1 / size


def is_unit(factor: float) -> bool:
    """Whether a factor of `scale_factor` is a usual change of unit, such as x1000 or miles to kilometres."""
    size = max(factor, 1 / factor)
    return any(math.isclose(size, unit, rel_tol=1e-9) for unit in (*_UNITS, *_CONVERSIONS))


def direction(
    live: Floats,
    baseline: Floats,
    bins: Bins,
    *,
    mean: float | None = None,
    mean_baseline: float | None = None,
    unseen: Sequence[str] = (),
) -> str:
    """How [B] live counts differ from [B] baseline counts, in words; empty when either side has no rows.

    `mean` and `mean_baseline` (sum / count) name constants and changes of unit; `unseen` names the values in `UNSEEN`.
    Looks in this order: constant, unseen values, a changed category, a factor, one value that many rows have, clipped
    at one end, wider or narrower, moved up or down.
    """
    p, q = shares(live), shares(baseline)
    if p.sum() == 0 or q.sum() == 0:
        return ""
    stuck = constant_bin(live, baseline, bins)
    if isinstance(bins, CategoryBins):
        return _category_words(p, q, bins, stuck, unseen)
    if stuck is not None:
        value = bins.point(stuck) if bins.point(stuck) is not None else mean
        return (
            f"constant at {number(value)}"
            if value is not None
            else f"constant in {number(bins.edges[stuck])} to {number(bins.edges[stuck + 1])}"
        )
    factor = scale_factor(live, baseline, bins.edges, mean=mean, mean_baseline=mean_baseline)
    if factor is not None:
        return f"values x{number(factor)}" if factor >= 1 else f"values /{number(1 / factor)}"
    return _numeric_words(p, q, bins)


def _category_words(p: Floats, q: Floats, bins: CategoryBins, stuck: int | None, unseen: Sequence[str]) -> str:
    last = bins.labels.index(UNSEEN) if UNSEEN in bins.labels else None
    if last is not None and p[last] - q[last] >= UNSEEN_SHARE:
        names = ", ".join(unseen[:2]) if unseen else "unseen values"
        change = p - q
        if change[last] >= 0.5 * np.abs(change).sum() / 2:
            return f"new: {names} {percent(float(p[last]))}"
    if stuck is not None:
        return f"constant at {bins.labels[stuck]}"
    i = int(np.argmax(np.abs(p - q)))
    label = "other values" if bins.labels[i] == OTHER else "unseen values" if i == last else f"'{bins.labels[i]}'"
    return f"{'more' if p[i] > q[i] else 'fewer'} {label} {percent(float(q[i]))} -> {percent(float(p[i]))}"


def may_be_clipped(now: Floats, before: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """[F] whether `clipped_bin` can find anything in [F, B] shares: a tail that held 1 % is gone, at either end."""
    found = np.zeros(len(now), dtype=np.bool_)
    for order in (slice(None), slice(None, None, -1)):
        beyond_now = np.cumsum(now[:, order], axis=1)
        beyond = np.cumsum(before[:, order], axis=1)
        found |= ((beyond >= CLIPPED_TAIL) & (beyond_now <= 0.1 * beyond)).any(axis=1)
    return found


def clipped_bin(live: Floats, baseline: Floats) -> int | None:
    """The bin on which all that lay beyond it was piled up, at the upper or the lower end; None when there is none.

    [B] counts. At least 1 % of the baseline lay beyond, at most a tenth of that does now, and the bin gained seven
    tenths of what is missing: a narrower distribution spreads it over all bins.
    """
    p, q = shares(live), shares(baseline)
    for order in (slice(None), slice(None, None, -1)):
        now, before = p[order], q[order]
        beyond_now = np.cumsum(now[::-1])[::-1][1:]
        beyond = np.cumsum(before[::-1])[::-1][1:]
        clipped = np.flatnonzero((beyond >= CLIPPED_TAIL) & (beyond_now <= 0.1 * beyond))
        if clipped.size:
            i = int(clipped[0])
            if now[i] - before[i] >= 0.7 * (beyond[i] - beyond_now[i]):
                return i if order.step is None else len(p) - 1 - i
    return None


def _edge(bins: NumericBins, i: int) -> str:
    """The inner edge i in words."""
    return number(bins.shown_edge(i))


def _point_words(p: Floats, q: Floats, bins: NumericBins) -> str:
    """One value whose share explains half of what moved."""
    change = p - q
    i = int(np.argmax(np.abs(change)))
    value = bins.point(i)
    if value is None or abs(change[i]) < 0.5 * float(np.abs(change).sum()) / 2:
        return ""
    return (
        f"{'more' if change[i] > 0 else 'fewer'} at {number(value)}: {percent(float(q[i]))} -> {percent(float(p[i]))}"
    )


def _clipped_words(p: Floats, q: Floats, bins: NumericBins) -> str:
    i = clipped_bin(p, q)
    if i is None:
        return ""
    value = bins.point(i)
    if value is not None:
        return f"clipped at {number(value)}"
    return f"clipped between {_edge(bins, i)} and {_edge(bins, i + 1)}"


def _numeric_words(p: Floats, q: Floats, bins: NumericBins) -> str:
    if len(p) < 2:
        return ""
    special = _point_words(p, q, bins) or _clipped_words(p, q, bins)
    if special:
        return special
    above = np.cumsum(q)[:-1] - np.cumsum(p)[:-1]
    """[B-1] how much more of the mass lies above each inner edge than before."""
    up, down = float(above.max()), float(-above.min())
    i, j = int(np.argmax(above)), int(np.argmin(above))
    if min(up, down) >= 0.4 * max(up, down):
        low, high = sorted((i, j))
        if i > j:
            return f"wider: more below {_edge(bins, low + 1)} and above {_edge(bins, high + 1)}"
        return f"narrower: more between {_edge(bins, low + 1)} and {_edge(bins, high + 1)}"
    edge = i if up >= down else j
    now, before = float(p[edge + 1 :].sum()), float(q[edge + 1 :].sum())
    if up >= down:
        return f"mass moved above {_edge(bins, edge + 1)}: {percent(before)} -> {percent(now)}"
    below = "below" if bins.point(edge) is None else "to or below"
    return f"mass moved {below} {_edge(bins, edge + 1)}: {percent(1 - before)} -> {percent(1 - now)}"
