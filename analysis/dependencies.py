"""Dependencies: calls that fail, and how much of a model's latency their own latency explains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Signal
from analysis.cases import Case
from analysis.evidence import Histogram
from analysis.gauges import DEPENDENCY_LABELS, Reading, live_samples
from analysis.slices import model_histogram, tiles, window_sum, window_sums
from analysis.view import Frame, Window
from analysis.words import percent

Floats = NDArray[np.float64]

LEAST_RISE_MS = 5.0
LEAST_RATIO = 1.1
"""Rise of a model's mean latency below which no part of it is told."""

LEAST_SHARE = 0.05

CERTAIN = 2.576
"""Standard deviations of the past by which the mean latency must have risen."""


def with_latency_shares(
    cases: Sequence[Case], readings: Sequence[Reading], latency: Mapping[str, Histogram | None], frame: Frame
) -> list[Case]:
    """The cases, those of dependencies with the part of their model's latency rise that they explain.

    Args:
        latency: model -> its latency, milliseconds.
    """
    by_name: dict[tuple[str, str], dict[str, Reading]] = {}
    for reading in readings:
        dependency = reading.series.label(*DEPENDENCY_LABELS)
        if dependency is not None:
            by_name.setdefault((reading.model, dependency), {})[reading.series.metric] = reading
    return [_explained(case, by_name, latency, frame) for case in cases]


def _explained(
    case: Case,
    by_name: Mapping[tuple[str, str], Mapping[str, Reading]],
    latency: Mapping[str, Histogram | None],
    frame: Frame,
) -> Case:
    finding = case.finding
    known = by_name.get((finding.model, finding.subject), {}) if finding.signal is Signal.DEPENDENCY else {}
    own, slower, calls = latency.get(finding.model), known.get("dependency_latency"), known.get("dependency_requests")
    if own is None or slower is None or calls is None:
        return case
    share = latency_share(slower, calls, own, finding.model, frame)
    if share is None or share < LEAST_SHARE:
        return case
    title = f"{finding.title}, ~{percent(min(share, 1.0))} of the latency rise"
    return replace(case, finding=replace(finding, title=title))


def latency_share(slower: Reading, calls: Reading, latency: Histogram, model: str, frame: Frame) -> float | None:
    """Part of the rise of a model's mean latency that calls to a dependency explain; None where none is sure.

    Means add up where percentiles do not: a request waits for each of its calls, so its mean rises by calls per request
    times what a call takes longer. Calls that run side by side make it less, so this is at most what is explained. Both
    are read over the last fifth of the window, and over the references.
    """
    own = model_histogram(latency, model)
    n, total = own.n[:, 0].sum(axis=1), own.total[:, 0]
    length = max(frame.step * 3, frame.live.length // 5)
    t = live_samples(slower.series, frame)[0]
    if not len(t) or not total.any():
        return None
    end = int(t[-1]) + frame.step
    recent = Window(max(frame.live.start, end - length), end)
    now = _mean(float(window_sum(own.t, total, recent)), float(window_sum(own.t, n, recent)))
    sums, counts = (window_sums(own.t, v, tiles(frame.references, length)) for v in (total, n))
    usual = sums[counts > 0] / counts[counts > 0]
    if math.isnan(now) or len(usual) < 2:
        return None
    before = float(sums.sum() / counts.sum())
    rise = now - before
    if rise < LEAST_RISE_MS or now < LEAST_RATIO * before or rise < CERTAIN * float(usual.std(ddof=1)):
        return None
    called = float(window_sum(calls.series.t, np.nan_to_num(calls.series.v), recent))
    served = float(window_sum(own.t, n, recent))
    longer = slower.now - slower.baseline
    return longer * called / served / rise if served > 0 and longer > 0 else None


def _mean(total: float, n: float) -> float:
    return total / n if n > 0 else math.nan
