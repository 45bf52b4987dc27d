"""Infrastructure: memory against its limit, saturation, restarts and dependencies, from gauges over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, InfraPanel, InfraRow, PanelStatus, Severity, Signal
from analysis.cases import Case
from analysis.evidence import Series
from analysis.ranking import lower_bound, severity, standard_error, weighted
from analysis.slices import inside
from analysis.view import Frame, Window
from analysis.words import duration, measured, ratio

Floats = NDArray[np.float64]

MODEL_LABELS = ("model", "model_name", "deployment", "application", "service_name")
REPLICA_LABELS = ("replica", "pod", "instance", "container", "gpu", "gpu_uuid", "job")
DEPENDENCY_LABELS = ("dependency", "upstream")

RATIO_UNIT = 0.15
"""Fifteen points of utilisation are worth a look (statistics.md 6.2)."""

LEVEL_UNIT = math.log(2)
"""Doubling of a queue or of requests in flight is worth a look."""

DEPENDENCY_UNIT = 0.01
LATENCY_UNIT = math.log(1.5)
MEMORY_HORIZON_S = 3_600
"""A memory limit that is reached within this time is worth a look."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One gauge summed up for a frame."""

    series: Series
    now: float
    """Mean of the last fifth of the live window."""
    baseline: float
    """Mean over the reference windows."""
    history: Floats
    """[K] means of the reference windows."""
    spread: float
    """Standard deviation of the samples within a reference window, typical."""

    @property
    def model(self) -> str:
        """The model that the series belongs to; empty for hosts."""
        return self.series.label(*MODEL_LABELS) or ""

    @property
    def name(self) -> str:
        """Replica, dependency or host, whichever the series names."""
        return self.series.label(*DEPENDENCY_LABELS) or self.series.label(*REPLICA_LABELS) or self.model


def read(series: Series, frame: Frame) -> Reading | None:
    """Sum up one gauge; None when the live window has no sample."""
    recent = Window(frame.live.end - max(frame.step * 3, frame.live.length // 5), frame.live.end)
    now = series.v[inside(series.t, recent) & np.isfinite(series.v)]
    if not len(now):
        return None
    windows = [series.v[inside(series.t, w) & np.isfinite(series.v)] for w in frame.references]
    filled = [w for w in windows if len(w)]
    history = np.array([w.mean() for w in filled])
    spread = float(np.median([w.std() for w in filled])) if filled else math.inf
    baseline = float(history.mean()) if len(history) else math.nan
    return Reading(series, float(now.mean()), baseline, history, spread)


def readings(gauges: Iterable[Series], frame: Frame) -> tuple[Reading, ...]:
    """Every gauge that has a sample in the live window."""
    return tuple(reading for series in gauges if (reading := read(series, frame)) is not None)


def infra_cases(all_readings: Sequence[Reading], frame: Frame) -> list[Case]:
    """What the gauges say: memory on its way to the limit, saturation, queues, restarts, dependencies."""
    by_metric: dict[str, list[Reading]] = {}
    for reading in all_readings:
        by_metric.setdefault(reading.series.metric, []).append(reading)
    limits = {r.series.labels: r.now for r in by_metric.get("memory_limit", ())}
    cases: list[Case | None] = [memory_case(r, limits.get(r.series.labels), frame) for r in by_metric.get("memory", ())]
    for metric in ("cpu", "gpu", "gpu_memory", "cache_usage"):
        cases += [level_case(r, frame) for r in by_metric.get(metric, ())]
    for metric in ("queue_depth", "queue_time", "in_flight"):
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
    """Memory that grows steadily: how long until the limit, from the slope of the live window (Theil-Sen median)."""
    series = reading.series
    live = inside(series.t, frame.live) & np.isfinite(series.v)
    t, v = series.t[live].astype(float), series.v[live]
    if series.unit == "ratio":
        limit = 1.0
    if limit is None or limit <= 0 or len(t) < 5:
        return None
    recent = t >= t[-1] - max(600.0, frame.live.length / 3)
    per_s, _ = slope(t[recent], v[recent])
    typical = _typical_slope(series, frame)
    left = (limit - v[-1]) / per_s if per_s > 0 else math.inf
    rising = per_s * 600 > 0.01 * limit and per_s > 4 * typical
    near = v[-1] / limit >= 0.9 and v[-1] / limit - reading.baseline / limit > 0.05
    if not ((rising and left < 3 * MEMORY_HORIZON_S) or near):
        return None
    bound = 3 * MEMORY_HORIZON_S / max(left, 60.0) if rising else 2.0
    bound = min(max(bound, 2.0 if near else 0.5), 10.0)
    until = f", limit in ~{duration(max(0.0, left))}" if rising else ""
    return _case(
        Signal.INFRA,
        reading,
        f"{reading.name} memory {measured(reading.baseline, series.unit)} -> {measured(float(v[-1]), series.unit)}"
        f" of {measured(limit, series.unit)}{until}",
        bound,
        frame,
        now=float(v[-1]),
        onset=_rise_start(t, v, reading.baseline, reading.spread),
    )


def level_case(reading: Reading, frame: Frame, signal: Signal = Signal.INFRA) -> Case | None:
    """A level that left its usual range: utilisation in points, queues and times as a ratio."""
    if not len(reading.history):
        return None
    series = reading.series
    if series.unit == "ratio":
        unit, effect, history = RATIO_UNIT, reading.now - reading.baseline, reading.history - reading.baseline
        sampling = reading.spread
    else:
        unit = LATENCY_UNIT if signal is Signal.DEPENDENCY or series.unit in ("ms", "s") else LEVEL_UNIT
        floor = 1.0 if series.unit in ("", "req", "count") else 1e-9
        effect = math.log((reading.now + floor) / (reading.baseline + floor))
        history = np.log((reading.history + floor) / (reading.baseline + floor))
        sampling = reading.spread / (reading.baseline + floor)
    bound = lower_bound(effect, standard_error(history, min(sampling, 10.0), unit), unit)
    if bound <= 0 or effect < 0:
        return None
    what = series.metric.replace("_", " ")
    if signal is Signal.DEPENDENCY:
        what = "latency"
    return _case(
        signal,
        reading,
        f"{reading.name} {what} {measured(reading.baseline, series.unit)} -> {measured(reading.now, series.unit)}"
        f" {ratio(reading.now, reading.baseline) if series.unit != 'ratio' else ''}".rstrip(),
        # A queue is a cause and not yet a symptom: it warns, and leaves paging to latency and errors.
        min(bound, 2.9) if signal is Signal.INFRA else bound,
        frame,
        onset=_rise_start(*_live(series, frame), reading.baseline, reading.spread),
    )


def counter_case(reading: Reading, frame: Frame) -> Case | None:
    """Restarts or out-of-memory kills in the live window where the reference windows have fewer."""
    series = reading.series
    t, v = _live(series, frame)
    events = float(v.sum())
    if events <= 0 or events <= reading.history.max(initial=0.0) * max(1, len(t)):
        return None
    return _case(
        Signal.INFRA,
        reading,
        f"{reading.name} {events:.0f} {series.metric}",
        1.0 + math.log2(events + 1),
        frame,
        now=events,
        onset=float(t[int(np.argmax(v > 0))]),
    )


def dependency_error_case(errors: Reading, requests: Reading, frame: Frame) -> Case | None:
    """The share of calls to a dependency that fail, against the reference windows."""
    if requests.now <= 0 or not len(requests.history) or len(errors.history) != len(requests.history):
        return None
    history = errors.history / np.maximum(requests.history, 1e-9)
    baseline = float(errors.history.sum() / max(1e-9, requests.history.sum()))
    now = errors.now / requests.now
    calls = max(1.0, requests.now * 5)
    sampling = math.sqrt(max(baseline, 1 / calls) * (1 - min(baseline, 0.99)) / calls)
    bound = lower_bound(now - baseline, standard_error(history - baseline, sampling, DEPENDENCY_UNIT), DEPENDENCY_UNIT)
    if bound <= 0 or now <= baseline:
        return None
    t, failed = _live(errors.series, frame)
    _, called = _live(requests.series, frame)
    shares = failed / np.maximum(called, 1e-9) if len(failed) == len(called) else failed
    return _case(
        Signal.DEPENDENCY,
        errors,
        f"{errors.name} errors {measured(baseline, 'ratio')} -> {measured(now, 'ratio')} of calls",
        min(bound, 20.0),
        frame,
        now=now,
        baseline=baseline,
        unit="ratio",
        onset=_rise_start(t, shares, baseline, float(history.std())),
    )


def infra_panel(
    all_readings: Sequence[Reading], cases: Sequence[Case], frame: Frame, status: PanelStatus, model: str = ""
) -> InfraPanel:
    """Every reading of the model in focus and of the hosts, the worst first."""
    limits = {r.series.labels: r.now for r in all_readings if r.series.metric == "memory_limit"}
    states = {(c.finding.check, c.finding.model, c.finding.subject): c.finding for c in cases}
    rows = []
    for r in all_readings:
        if r.series.metric == "memory_limit" or (model and r.model and r.model != model):
            continue
        found = states.get((r.series.metric, r.model, _subject(r)))
        named = found is not None and r.name in found.title
        t, v = _live(r.series, frame)
        rows.append(
            InfraRow(
                metric=r.series.metric,
                name=r.name,
                model=r.model,
                now=r.now,
                baseline=r.baseline if math.isfinite(r.baseline) else None,
                unit=r.series.unit,
                state=found.severity if found and named else Severity.OK,
                note=found.title if found and named else "",
                limit=limits.get(r.series.labels) if r.series.metric == "memory" else None,
                t=t.astype(np.int64),
                v=v,
            )
        )
    rows.sort(key=lambda row: (-row.state.rank, ORDER.index(row.metric) if row.metric in ORDER else 99, row.name))
    return InfraPanel(status, tuple(rows))


ORDER = (
    "memory", "cpu", "gpu", "gpu_memory", "queue_depth", "queue_time", "in_flight", "restarts", "oom",
    "dependency_errors", "dependency_latency", "dependency_requests",
)  # fmt: skip
"""The order of the infra strip."""


def slope(t: Floats, v: Floats) -> tuple[float, float]:
    """Theil-Sen slope per second and intercept: the median slope of all pairs, which a restart does not bend."""
    if len(t) < 2:
        return 0.0, float(v[-1]) if len(v) else 0.0
    keep = np.linspace(0, len(t) - 1, min(len(t), 60)).astype(int)
    x, y = t[keep], v[keep]
    i, j = np.triu_indices(len(x), k=1)
    gradient = float(np.median((y[j] - y[i]) / np.maximum(x[j] - x[i], 1e-9)))
    return gradient, float(np.median(y - gradient * x))


def _typical_slope(series: Series, frame: Frame) -> float:
    slopes = []
    for window in frame.references:
        rows = inside(series.t, window) & np.isfinite(series.v)
        if rows.sum() >= 3:
            slopes.append(abs(slope(series.t[rows].astype(float), series.v[rows])[0]))
    return float(np.median(slopes)) if slopes else 0.0


def _live(series: Series, frame: Frame) -> tuple[Floats, Floats]:
    rows = inside(series.t, frame.live) & np.isfinite(series.v)
    return series.t[rows].astype(float), series.v[rows]


def _rise_start(t: Floats, v: Floats, baseline: float, spread: float) -> float | None:
    """When a level left its usual range for good: after its last sample within four spreads of the baseline."""
    if not len(v) or not math.isfinite(baseline):
        return None
    usual = np.abs(v - baseline) <= 4 * max(spread, 0.01 * abs(baseline))
    if usual.all() or not usual.any():
        return None if usual.all() else float(t[0])
    last = int(np.flatnonzero(usual)[-1])
    return float(t[last + 1]) if last + 1 < len(t) else None


def _subject(reading: Reading) -> str:
    dependency = reading.series.label(*DEPENDENCY_LABELS)
    return dependency if dependency is not None else reading.series.metric


def _case(
    signal: Signal,
    reading: Reading,
    title: str,
    bound: float,
    frame: Frame,
    *,
    now: float | None = None,
    baseline: float | None = None,
    unit: str | None = None,
    onset: float | None = None,
) -> Case:
    return Case(
        Finding(
            signal=signal,
            model=reading.model,
            severity=severity(signal, bound),
            title=title,
            effect=bound,
            score=weighted(signal, bound),
            n=float(len(reading.series.v)),
            n_baseline=float(len(reading.history)),
            now=reading.now if now is None else now,
            baseline=reading.baseline if baseline is None else baseline,
            unit=reading.series.unit if unit is None else unit,
            onset=onset,
            subject=_subject(reading),
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
