"""Latency percentiles that a server computed itself, such as Triton's summaries: shown and judged replica by replica.

They cannot be added over replicas or over time (Prometheus, *Histograms and summaries*): a percentile of percentiles is
none. So each series is compared with its own past, and where one number is wanted it is the worst replica's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, LatencyPanel, PanelStatus, Signal
from analysis.cases import Case
from analysis.evidence import Counts, Series
from analysis.gauges import MODEL_LABELS, Reading, live_samples, readings
from analysis.latency import QUANTILES, UNITS
from analysis.ranking import lower_bound, severity, standard_error, weighted
from analysis.since import since_value
from analysis.slices import grid_times, inside, model_counts, window_sum, window_sums
from analysis.view import Frame, Window
from analysis.words import milliseconds, ratio

Floats = NDArray[np.float64]
Exported = Mapping[float, Sequence[Series]]
"""Quantile -> series in milliseconds."""

MIN_SAMPLES = 3
"""Samples in the recent part of the window below which a series is not judged."""


def exported_of(quantiles: Exported, model: str) -> dict[str, tuple[Series, ...]]:
    """p50, p90, p95, p99 -> the series of one model, one per replica and version; without those that are not exported.

    A server reports NaN while nothing is asked of it: such series are no percentiles.
    """
    found: dict[str, tuple[Series, ...]] = {}
    for name, q in QUANTILES.items():
        series = next((held for at, held in quantiles.items() if math.isclose(at, q)), ())
        own = tuple(s for s in series if s.label(*MODEL_LABELS) == model and np.isfinite(s.v).any())
        if own:
            found[name] = own
    return found


def exported_case(quantiles: Exported, requests: Counts, frame: Frame, model: str) -> Case | None:
    """The surest rise of a percentile of one replica against its own past; None when none is real and large enough.

    Real and large: the lower bound of its log ratio, with the spread of stretches of the references as long as the
    recent one, is positive, and it is above every one of them: of many replicas one always is the highest by chance.
    """
    series = exported_of(quantiles, model)
    found = [
        (bound, name, reading)
        for name in UNITS
        for reading in readings(series.get(name, ()), frame)
        if (bound := _bound(reading, name, frame)) > 0
    ]
    if not found:
        return None
    bound, name, worst = max(found, key=lambda rise: rise[0])
    risen = sum(1 for _, of, _ in found if of == name)
    replicas = len(series[name])
    onset = since_value(worst.series.t, worst.series.v, frame)
    window = frame.live if onset is None else Window(onset.start, frame.live.end)
    n = model_counts(requests, model)
    where = f" ({worst.name}; {risen} of {replicas} replicas)" if replicas > 1 else ""
    change = f"{milliseconds(worst.baseline)} -> {milliseconds(worst.now)} {ratio(worst.now, worst.baseline)}"
    return Case(
        Finding(
            signal=Signal.LATENCY,
            model=model,
            severity=severity(Signal.LATENCY, bound),
            title=f"{name} {change} as exported{where}",
            effect=math.log(worst.now / worst.baseline) / UNITS[name],
            score=weighted(Signal.LATENCY, bound),
            n=float(window_sum(requests.t, n, window)),
            n_baseline=float(window_sums(requests.t, n, frame.references).sum()),
            now=worst.now,
            baseline=worst.baseline,
            unit="ms",
            onset=None if onset is None else float(onset.start),
            onset_between=None if onset is None else onset.between,
            check=name,
        ),
        None,
        window,
    )


def _bound(reading: Reading, name: str, frame: Frame) -> float:
    """Lower bound of the rise of one series in units; 0 where it has no past or does not stand out of it."""
    history = reading.history[reading.history > 0]
    recent = live_samples(reading.series, frame)[0]
    if len(history) < 2 or len(recent) < MIN_SAMPLES or min(reading.now, reading.baseline) <= 0:
        return 0.0
    if reading.now <= float(history.max()):
        return 0.0
    unit = UNITS[name]
    logs = np.log(history / reading.baseline)
    error = standard_error(logs, reading.spread / reading.baseline, unit)
    return lower_bound(math.log(reading.now / reading.baseline), error, unit)


def exported_panel(
    quantiles: Exported, requests: Counts, frame: Frame, model: str, status: PanelStatus
) -> LatencyPanel:
    """The worst replica at each moment, and the worst one's recent level against its own usual one."""
    series = exported_of(quantiles, model)
    times = grid_times(frame.live, frame.step)
    worst = {
        name: max(read, key=lambda reading: reading.now)
        for name, own in series.items()
        if (read := readings(own, frame))
    }
    now = {name: _highest(own, frame.live, frame.step) for name, own in series.items()}
    usual = {
        name: _mean(np.array([_highest(own, window, frame.step) for window in frame.references]))
        for name, own in series.items()
    }
    n = model_counts(requests, model)
    replicas = max(map(len, series.values()), default=0)
    of = f"the worst of {replicas} replicas" if replicas > 1 else "one replica"
    return LatencyPanel(
        status=status,
        model=model,
        t=times,
        now=now,
        baseline=usual,
        window={name: reading.now for name, reading in worst.items()},
        window_baseline={
            name: reading.baseline if math.isfinite(reading.baseline) else None for name, reading in worst.items()
        },
        n=float(window_sum(requests.t, n, frame.live)),
        n_baseline=float(window_sums(requests.t, n, frame.references).sum()),
        exported=f"summary quantiles as exported, {of}; cannot be added over replicas",
    )


def _highest(series: Sequence[Series], window: Window, step: int) -> Floats:
    """[T] the highest sample of any series in each bucket of a window; NaN is a gap."""
    out = np.full(window.length // step, -np.inf)
    for one in series:
        rows = inside(one.t, window)
        np.maximum.at(out, (one.t[rows] - window.start) // step, np.nan_to_num(one.v[rows], nan=-np.inf))
    return np.where(np.isfinite(out), out, np.nan)


def _mean(rows: Floats) -> Floats:
    """[K, T] -> [T] mean of the known values; NaN where none is."""
    known = np.isfinite(rows)
    counted = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    mean: Floats = np.divide(total, counted, out=np.full(total.shape, np.nan), where=counted > 0)
    return mean
