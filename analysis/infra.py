"""Infrastructure: memory against its limit, saturation, restarts and dependencies, from gauges over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, Signal
from analysis.cases import Case
from analysis.evidence import Series
from analysis.gauges import DEPENDENCY_LABELS, Reading, live_samples, samples
from analysis.proportions import ShareTest, share_test
from analysis.ranking import Z, lower_bound, severity, share_bound, standard_error, weighted
from analysis.scales import scales
from analysis.since import TRACE, Since, since, since_value
from analysis.slices import inside, tiles, window_sum, window_sums
from analysis.view import Frame, Window
from analysis.words import duration, measured, ratio

Floats = NDArray[np.float64]

RATIO_UNIT = 0.15
"""Fifteen points of utilisation are worth a look."""

LEVEL_UNIT = math.log(2)
"""Doubling of a queue or of requests in flight is worth a look."""

DEPENDENCY_UNIT = 0.01
LATENCY_UNIT = math.log(1.5)
MEMORY_HORIZON_S = 3 * 3_600
"""A memory limit that is reached within this time is worth a look; within a third of it, critical."""

NEGLIGIBLE = {"ms": 10.0, "cores": 0.1}
"""What is added to both sides of a ratio of levels, by unit, so that nothing against next to nothing is no change; 1
for counts and bytes."""

FULL = 0.85
"""Utilisation below which a rise is at most a warning."""


def infra_cases(all_readings: Sequence[Reading], frame: Frame) -> list[Case]:
    """What the gauges say: memory on its way to the limit, saturation, queues, restarts, dependencies."""
    by_metric: dict[str, list[Reading]] = {}
    for reading in all_readings:
        by_metric.setdefault(reading.series.metric, []).append(reading)
    limits = {r.series.labels: r.now for r in by_metric.get("memory_limit", ())}
    cases: list[Case | None] = [memory_case(r, limits.get(r.series.labels), frame) for r in by_metric.get("memory", ())]
    for metric in ("cpu", "gpu", "gpu_memory", "cache_usage", "queue_depth", "queue_time", "in_flight"):
        cases += [level_case(r, frame) for r in by_metric.get(metric, ())]
    cases += [counter_case(r, frame) for metric in ("restarts", "oom") for r in by_metric.get(metric, ())]
    requests = {r.series.labels: r for r in by_metric.get("dependency_requests", ())}
    cases += [
        dependency_error_case(r, requests[r.series.labels], frame)
        for r in by_metric.get("dependency_errors", ())
        if r.series.labels in requests
    ]
    cases += [level_case(r, frame, Signal.DEPENDENCY) for r in by_metric.get("dependency_latency", ())]
    return _strongest_per_subject(case for case in cases if case is not None)


def memory_case(reading: Reading, limit: float | None, frame: Frame) -> Case | None:
    """Memory that grows steadily: how long until the limit, from the slope of the live window (Theil-Sen median).

    Steadily: the slope less 2.576 times what slopes of that length differ by in the reference windows still reaches the
    limit in time, and the level is above all that they saw by as much as the samples of a window differ. Noise with a
    memory climbs steeply, but as steeply at other times; a collected heap climbs to a height that it had before.
    Without references every part of the live window has to climb so.
    """
    series = reading.series
    t, v = live_samples(series, frame)
    if series.unit == "ratio":
        limit = 1.0
    if limit is None or limit <= 0 or len(t) < 5:
        return None
    length = max(600, frame.live.length // 3)
    per_s, level = _climb(t[t > t[-1] - length], v[t > t[-1] - length])
    left = max(0.0, (limit - level) / per_s) if per_s > 0 else math.inf
    rising = per_s * 600 > 0.01 * limit and left < MEMORY_HORIZON_S
    if rising:
        slopes, highest = _climbs(series, tiles(frame.references, length))
        if len(slopes):
            surely = per_s - Z * standard_error(slopes, 0.0, limit / MEMORY_HORIZON_S)
            new = level > highest + (reading.spread if math.isfinite(reading.spread) else 0.0)
        else:
            surely, new = min(_climbs(series, tiles((frame.live,), length))[0], default=0.0), True
        rising = new and surely * MEMORY_HORIZON_S > limit - level
    near = v[-1] / limit >= 0.9 and v[-1] / limit - reading.baseline / limit > 0.05
    if not (rising or near):
        return None
    bound = min(max(MEMORY_HORIZON_S / max(left, 60.0) if rising else 0.0, 2.0 if near else 0.0), 10.0)
    before = f"{measured(reading.baseline, series.unit)} -> " if math.isfinite(reading.baseline) else ""
    until = f"full in ~{duration(left)}, " if rising else ""
    return _case(
        Signal.INFRA,
        reading,
        f"memory {until}{before}{measured(float(v[-1]), series.unit)} of {measured(limit, series.unit)}",
        bound,
        frame,
        now=float(v[-1]),
        onset=since_value(series.t, series.v, frame, TRACE),
    )


def level_case(reading: Reading, frame: Frame, signal: Signal = Signal.INFRA) -> Case | None:
    """A level above its usual range: utilisation in points, queues and times as a ratio."""
    if not len(reading.history):
        return None
    series = reading.series
    if series.unit == "ratio":
        unit, effect, history = RATIO_UNIT, reading.now - reading.baseline, reading.history - reading.baseline
        sampling = reading.spread
    else:
        unit = LATENCY_UNIT if signal is Signal.DEPENDENCY or series.unit == "ms" else LEVEL_UNIT
        least = NEGLIGIBLE.get(series.unit, 1.0)
        usual = max(0.0, reading.baseline) + least
        effect = math.log((max(0.0, reading.now) + least) / usual)
        history = np.log((np.maximum(reading.history, 0.0) + least) / usual)
        sampling = reading.spread / usual
    bound = lower_bound(effect, standard_error(history, sampling, unit), unit)
    if bound <= 0 or effect < 0:
        return None
    if series.unit == "ratio" and reading.now < FULL:
        bound = min(bound, 2.9)
    what = "latency" if signal is Signal.DEPENDENCY else series.metric.replace("_", " ")
    times = ratio(reading.now, reading.baseline) if series.unit != "ratio" else ""
    return _case(
        signal,
        reading,
        f"{what} {measured(reading.baseline, series.unit)} -> {measured(reading.now, series.unit)} {times}",
        min(bound, 20.0),
        frame,
        onset=since_value(series.t, series.v, frame),
    )


def counter_case(reading: Reading, frame: Frame) -> Case | None:
    """Restarts or out-of-memory kills in the live window where no reference window has as many.

    They are events, not levels: a replica without history that restarts is one too.
    """
    series = reading.series
    t, v = live_samples(series, frame)
    events = round(float(v.sum()))
    before = [float(np.nansum(series.v[inside(series.t, window)])) for window in frame.references]
    if events <= max(before, default=0.0):
        return None
    what = series.metric if events > 1 else series.metric.removesuffix("s")
    return _case(
        Signal.INFRA,
        reading,
        f"{events} {what}",
        1.0 + math.log2(events + 1),
        frame,
        now=float(events),
        baseline=float(np.mean(before)) if len(reading.history) else math.nan,
        onset=Since(first := int(t[int(np.argmax(v > 0))]), first, first),
    )


def dependency_error_case(errors: Reading, requests: Reading, frame: Frame) -> Case | None:
    """The share of calls to a dependency that fail, against the reference windows.

    A counter of errors appears with the first error: where calls are known and errors are not, there were none.
    """
    called = np.isfinite(requests.series.v)
    t, calls = requests.series.t[called], requests.series.v[called]
    failed = np.zeros(len(t))
    _, at, of = np.intersect1d(t, errors.series.t, return_indices=True)
    failed[at] = np.nan_to_num(errors.series.v[of])
    best: tuple[float, ShareTest] | None = None
    for scale in scales(frame, float(t[-1]) if len(t) else None):
        n, reference_n = float(window_sum(t, calls, scale.live)), window_sums(t, calls, scale.references)
        hits = window_sums(t, failed, scale.references)
        test = share_test(min(n, float(window_sum(t, failed, scale.live))), n, hits, reference_n)
        bound = share_bound(test, hits, reference_n, DEPENDENCY_UNIT)
        if test.p < 0.001 and test.now > test.baseline and (best is None or bound > best[0]):
            best = bound, test
    if best is None or best[0] <= 0:
        return None
    bound, test = best
    return _case(
        Signal.DEPENDENCY,
        errors,
        f"errors {measured(test.baseline, 'ratio')} -> {measured(test.now, 'ratio')} of calls",
        min(bound, 20.0),
        frame,
        now=test.now,
        baseline=test.baseline,
        unit="ratio",
        onset=since(t, failed, calls, frame),
    )


def slope(t: Floats, v: Floats) -> tuple[float, float]:
    """Theil-Sen slope per second and intercept: the median slope of all pairs, which a restart does not bend."""
    if len(t) < 2:
        return 0.0, float(v[-1]) if len(v) else 0.0
    keep = np.linspace(0, len(t) - 1, min(len(t), 60)).astype(int)
    x, y = t[keep], v[keep]
    i, j = np.triu_indices(len(x), k=1)
    gradient = float(np.median((y[j] - y[i]) / np.maximum(x[j] - x[i], 1e-9)))
    return gradient, float(np.median(y - gradient * x))


def _climb(t: Floats, v: Floats) -> tuple[float, float]:
    """Slope per second, and the level at the end of the line, which one noisy sample does not move."""
    gradient, intercept = slope(t - t[-1], v)
    return gradient, intercept


def _climbs(series: Series, windows: Iterable[Window]) -> tuple[Floats, float]:
    """[K] climb per second within each window that holds three samples or more, and the highest sample of them all."""
    slopes: list[float] = []
    highest = -math.inf
    for window in windows:
        t, v = samples(series, window)
        if len(t) >= 3:
            slopes.append(_climb(t, v)[0])
            highest = max(highest, float(v.max()))
    return np.array(slopes), highest


def subject_of(reading: Reading) -> str:
    """What a finding about a reading is called by: its dependency, else its metric."""
    dependency = reading.series.label(*DEPENDENCY_LABELS)
    return dependency if dependency is not None else reading.series.metric


def _case(
    signal: Signal,
    reading: Reading,
    change: str,
    bound: float,
    frame: Frame,
    *,
    now: float | None = None,
    baseline: float | None = None,
    unit: str | None = None,
    onset: Since | None,
) -> Case:
    usual = reading.baseline if baseline is None else baseline
    return Case(
        Finding(
            signal=signal,
            model=reading.model,
            severity=severity(signal, bound),
            title=f"{reading.name} {change}".strip(),
            effect=bound,
            score=weighted(signal, bound),
            n=float(len(reading.series.v)),
            n_baseline=float(len(reading.history)),
            now=reading.now if now is None else now,
            baseline=usual if math.isfinite(usual) else None,
            unit=reading.series.unit if unit is None else unit,
            onset=None if onset is None else float(onset.start),
            onset_between=None if onset is None else onset.between,
            subject=subject_of(reading),
            check=reading.series.metric,
        ),
        None,
        frame.live,
    )


def _strongest_per_subject(cases: Iterable[Case]) -> list[Case]:
    """One case per subject of a model: replicas that move together, errors and latency of one dependency, are one."""
    best: dict[tuple[str, str, str], Case] = {}
    for case in cases:
        key = case.finding.key
        if key not in best or case.finding.score > best[key].finding.score:
            best[key] = case
    return list(best.values())
