"""Numbers of a split: requests, errors and latency per value, now and in the baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import Counts, Histogram, NumericBins, Traffic
from analysis.latency import percentiles, summary
from analysis.slices import grid, grid_times, key_index, window_sum
from analysis.split import Measure, SplitRow
from analysis.view import Frame, Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def split_rows(traffic: Traffic, frame: Frame, model: str, measure: Measure) -> tuple[SplitRow, ...]:
    """Every value of the second part of the keys of `traffic`, by the requests of the live window.

    Args:
        traffic: requests, errors and latency by (model, value).
        measure: what the course of each row is.
    """
    requests = traffic.requests
    values = [requests.keys[i][1] for i in key_index(requests.keys, model=model)]
    live_total = sum(_sum(requests, model, value, (frame.live,)) for value in values)
    base_total = sum(_sum(requests, model, value, frame.references) for value in values)
    rows = []
    for value in values:
        n, base = (_sum(requests, model, value, windows) for windows in ((frame.live,), frame.references))
        if n == 0 and base == 0:
            continue
        now, before = _latency(traffic.latency, frame, model, value)
        rows.append(
            SplitRow(
                value=value,
                n=n,
                share=n / live_total if live_total else 0.0,
                share_baseline=base / base_total if base_total else 0.0,
                rate=n / frame.live.length,
                p50=now.get("p50"),
                p99=now.get("p99"),
                p99_baseline=before.get("p99"),
                errors=_ratio(traffic, model, value, (frame.live,)),
                errors_baseline=_ratio(traffic, model, value, frame.references),
                now=_course(traffic, frame, model, value, measure),
            )
        )
    return tuple(sorted(rows, key=lambda row: (-row.n, row.value)))


def _column(counts: Counts, model: str, value: str) -> Floats:
    at = key_index(counts.keys, model=model, second=value)
    column: Floats = counts.n[:, at].sum(axis=1)
    return column


def _sum(counts: Counts, model: str, value: str, windows: tuple[Window, ...]) -> float:
    column = _column(counts, model, value)
    return float(sum(window_sum(counts.t, column, window) for window in windows))


def _ratio(traffic: Traffic, model: str, value: str, windows: tuple[Window, ...]) -> float | None:
    requests = _sum(traffic.requests, model, value, windows)
    if traffic.errors is None or not requests:
        return None
    return _sum(traffic.errors, model, value, windows) / requests


def _bins(latency: Histogram, model: str, value: str) -> Floats:
    at = key_index(latency.keys, model=model, second=value)
    counts: Floats = latency.n[:, at].sum(axis=1)
    return counts


def _latency(
    latency: Histogram | None, frame: Frame, model: str, value: str
) -> tuple[dict[str, float | None], dict[str, float | None]]:
    if latency is None or not isinstance(latency.bins, NumericBins):
        return {}, {}
    counts = _bins(latency, model, value)
    before = np.sum([window_sum(latency.t, counts, window) for window in frame.references], axis=0)
    return summary(window_sum(latency.t, counts, frame.live), latency.bins), summary(before, latency.bins)


def _course(traffic: Traffic, frame: Frame, model: str, value: str, measure: Measure) -> Floats:
    requests = traffic.requests
    n = grid(requests.t, _column(requests, model, value), frame.live, requests.step)
    gaps: Floats = np.full(len(n), np.nan)
    if measure is Measure.RATE:
        return np.where(n > 0, n / requests.step, gaps)
    if measure is Measure.ERRORS:
        if traffic.errors is None:
            return gaps
        failed = grid(traffic.errors.t, _column(traffic.errors, model, value), frame.live, requests.step)
        return np.divide(failed, n, out=gaps, where=n > 0)
    latency = traffic.latency
    if latency is None or not isinstance(latency.bins, NumericBins):
        return gaps
    course: Floats = percentiles(grid(latency.t, _bins(latency, model, value), frame.live, latency.step), latency.bins)
    return course[:, 3]


def times(frame: Frame) -> Ints:
    """[T] bucket starts of the courses."""
    return grid_times(frame.live, frame.step)
