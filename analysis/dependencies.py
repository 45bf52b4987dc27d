"""Dependencies: calls that fail, and how much of a model's latency their own latency explains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Signal
from analysis.cases import Case
from analysis.evidence import Calls, Counts, Histogram, Series
from analysis.gauges import DEPENDENCY_LABELS, Reading, live_samples
from analysis.slices import merge_calls, model_histogram, tiles, window_sum, window_sums
from analysis.view import Frame, Window
from analysis.words import percent

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

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

    Means add up where percentiles do not: a request waits for each of its calls, so its mean rises by what its calls
    take longer together. Calls that run side by side make it less, so this is at most what is explained. Both are read
    over the last fifth of the window, and over the references.
    """
    own = model_histogram(latency, model)
    n, total = own.n[:, 0].sum(axis=1), own.total[:, 0]
    length = max(frame.step * 3, frame.live.length // 5)
    t, waited = _waited(slower.series, calls.series)
    times = live_samples(slower.series, frame)[0]
    if not len(times) or not total.any():
        return None
    end = int(times[-1]) + frame.step
    recent, stretches = Window(max(frame.live.start, end - length), end), tiles(frame.references, length)
    served = float(window_sum(own.t, n, recent))
    sums, counts = (window_sums(own.t, v, stretches) for v in (total, n))
    usual = sums[counts > 0] / counts[counts > 0]
    if served <= 0 or len(usual) < 2:
        return None
    before = float(sums.sum() / counts.sum())
    now = float(window_sum(own.t, total, recent)) / served
    rise = now - before
    if rise < LEAST_RISE_MS or now < LEAST_RATIO * before or rise < CERTAIN * float(usual.std(ddof=1)):
        return None
    known = _known(t, stretches)
    if not known.any():
        return None
    waits = float(window_sums(t, waited, stretches)[known].sum() / counts[known].sum()) if counts[known].any() else 0.0
    longer = float(window_sum(t, waited, recent)) / served - waits
    return longer / rise if longer > 0 else None


def _waited(slower: Series, calls: Series) -> tuple[Ints, Floats]:
    """Time spent in calls per bucket, milliseconds, where both their number and their mean are known."""
    t, at, of = np.intersect1d(slower.t, calls.t, return_indices=True)
    known = np.isfinite(slower.v[at]) & np.isfinite(calls.v[of])
    return t[known], (slower.v[at] * calls.v[of])[known]


def _known(t: Ints, windows: Sequence[Window]) -> NDArray[np.bool_]:
    """[W] whether anything is known of a window."""
    return window_sums(t, np.ones(len(t)), windows) > 0


def call_gauges(calls: Calls, measured: Sequence[Reading] = ()) -> tuple[Series, ...]:
    """Logged waits as gauges, so that they are judged as the metrics of a dependency are: mean wait, and calls.

    Args:
        measured: readings of metrics; what they say of a dependency of a model is not said twice.
    """
    known = {(reading.model, reading.series.label(*DEPENDENCY_LABELS)) for reading in measured}
    found: list[Series] = []
    for i, (model, dependency) in enumerate(calls.rows.keys):
        n, total = calls.rows.n[:, i], calls.total.n[:, i]
        if (model, dependency) in known or not n.any():
            continue
        labels = (("dependency", dependency), ("model", model))
        mean = np.divide(total, n, out=np.full(len(n), math.nan), where=n > 0)
        found.append(Series("dependency_latency", labels, "ms", calls.rows.t, mean))
        found.append(Series("dependency_requests", labels, "req", calls.rows.t, n))
    return tuple(found)


def split_calls(
    features: Mapping[str, Histogram], calls: Mapping[str, tuple[str, float]]
) -> tuple[Mapping[str, Histogram], Calls | None]:
    """(inputs of the model, waits for other services) of what a log store binned as features.

    Args:
        calls: feature -> (dependency, milliseconds per unit).
    """
    waits: Calls | None = None
    for name, (dependency, ms) in calls.items():
        if name not in features:
            continue
        held = features[name]
        keys = tuple((key[0], dependency) for key in held.keys)
        rows = Counts(held.t, held.step, keys, held.n.sum(axis=2))
        more = Calls(rows, replace(rows, n=held.total * ms))
        waits = more if waits is None else merge_calls(waits, more)
    return {name: held for name, held in features.items() if name not in calls}, waits
