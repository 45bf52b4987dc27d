"""Which requests became slower: all of them, the tail, or a part; and how sure each percentile is."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import NumericBins
from analysis.quantiles import Interpolation, mover_ratio, quantile_bounds, quantiles
from analysis.words import milliseconds, ratio

Floats = NDArray[np.float64]
Bounds = Mapping[str, tuple[float, float]]

_BODY = tuple(i / 20 for i in range(2, 19))
"""The 10th to the 90th percentile."""

MAX_SPREAD = 0.35
"""Coefficient of variation of the change over the body up to which all requests moved alike."""

COARSE = 1.5
"""Bins of the body wider than this ratio tell neither a factor from an addition nor a part from the whole."""


def percentile_bounds(counts: Floats, bins: NumericBins, named: Mapping[str, float]) -> Bounds:
    """95 % bounds of each named percentile of [B] counts, in the unit of the bins; without those that have none."""
    found = {name: quantile_bounds(q, bins.edges, counts) for name, q in named.items()}
    return {name: bounds for name, bounds in found.items() if not math.isnan(bounds[0])}


def ratio_bounds(
    now: Mapping[str, float | None], base: Mapping[str, float | None], now_bounds: Bounds, base_bounds: Bounds
) -> Bounds:
    """95 % bounds of now / base for each percentile that both sides know."""
    out: dict[str, tuple[float, float]] = {}
    for name in now_bounds.keys() & base_bounds.keys():
        a, b = now.get(name), base.get(name)
        if a is not None and b is not None and min(a, b) > 0:
            low, _, high = mover_ratio((a, *now_bounds[name]), (b, *base_bounds[name]))
            out[name] = low, high
    return out


def change_in_words(
    live: Floats, base: Floats, bins: NumericBins, changed: Collection[str], interpolation: Interpolation
) -> str:
    """What moved, given the percentiles (p50, p95, p99) of which a change is sure; "" without any.

    [B] counts of both. The median unmoved, or moved by less than a tenth and a quarter of the tail: the tail. The same
    factor or the same addition from the 10th to the 90th percentile: all requests. Anything else: a part of them, a
    mixture. The rule and how often it is right: docs/statistics.md.
    """
    if not changed:
        return ""
    shares = (*_BODY, 0.95, 0.99)
    now, before = quantiles(np.stack([live, base]), bins.edges, shares, interpolation=interpolation)
    if not (before > 0).all() or not (now > 0).all():
        return ""
    logs, differences = np.log(now / before), now - before
    body, added, middle = logs[: len(_BODY)], differences[: len(_BODY)], _BODY.index(0.5)
    farthest = float(np.abs(logs[-2:]).max())
    if "p50" not in changed or abs(logs[middle]) < min(math.log(1.1), farthest / 4):
        return "the tail; the median holds"
    if _coarse(before[: len(_BODY)], bins):
        return "the body; the bins are too coarse to say more"
    times, plus = _variation(body), _variation(added)
    if min(times, plus) >= MAX_SPREAD:
        return "a part of the requests: look for its segment"
    if times <= plus:
        return f"all requests {ratio(float(np.exp(body.mean())), 1.0)}"
    sign = "+" if added.mean() > 0 else "-"
    return f"all requests {sign}{milliseconds(abs(float(added.mean())))}"


def _variation(x: Floats) -> float:
    centre = abs(float(x.mean()))
    return float(x.std()) / centre if centre > 0 else math.inf


def _coarse(values: Floats, bins: NumericBins) -> bool:
    """Whether most of the values lie in bins wider than `COARSE`, or in open ones."""
    edges = np.asarray(bins.edges)
    at = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(bins) - 1)
    low, high = edges[at], edges[at + 1]
    wide = (low <= 0) | ~np.isfinite(high) | (high > COARSE * np.where(low > 0, low, 1.0))
    return bool(wide.mean() > 0.5)
