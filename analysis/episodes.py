"""Anomalies of one model over everything that is loaded, window and references: where `n` and `N` jump to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import NumericBins, Traffic
from analysis.latency import percentiles
from analysis.slices import grid, grid_times, model_counts, model_histogram
from analysis.view import Frame, Window

Floats = NDArray[np.float64]

RUNNING = 5
"""Buckets of the running median."""

Z = 5.0
"""Robust standard deviations: of ten early-warning rules the one with the fewest false alarms (docs/statistics.md)."""

IN_A_ROW = 2
LEAST = {"p99": 0.25, "errors": 0.005, "rate": 0.25}
"""Least size: relative for p99 and the rate, points of a share for errors."""

WORDS = {"p99": "p99", "errors": "error rate", "rate": "request rate"}


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch in which a signal is far from its usual course."""

    start: float
    """Unix seconds."""
    end: float
    signal: str


def episodes(traffic: Traffic, frame: Frame, model: str) -> tuple[Episode, ...]:
    """Every stretch of the loaded span in which p99, errors or requests leave their usual level, the earliest first.

    The running median of five buckets differs from the median of the whole span by more than five robust standard
    deviations, twice in a row.
    """
    span = frame.span
    window = Window(span.start, span.end - (span.end - span.start) % frame.step)
    t = grid_times(window, frame.step)
    found: list[Episode] = []
    for signal, course in _courses(traffic, window, frame.step, model).items():
        for first, last in _stretches(_smoothed(course), LEAST[signal], relative=signal != "errors"):
            found.append(Episode(float(t[first]), float(t[last] + frame.step), WORDS[signal]))
    return tuple(sorted(found, key=lambda episode: (episode.start, episode.signal)))


def _courses(traffic: Traffic, window: Window, step: int, model: str) -> dict[str, Floats]:
    """Signal -> [T] values per bucket; NaN where the bucket holds no request."""
    requests = traffic.requests
    n = grid(requests.t, model_counts(requests, model), window, step)
    gaps = np.full(len(n), np.nan)
    courses: dict[str, Floats] = {"rate": np.where(n > 0, n / step, gaps)}
    # The last bucket is still being filled.
    courses["rate"][-1:] = np.nan
    if traffic.errors is not None:
        failed = grid(traffic.errors.t, model_counts(traffic.errors, model), window, step)
        courses["errors"] = np.divide(failed, n, out=gaps.copy(), where=n > 0)
    if traffic.latency is not None:
        own = model_histogram(traffic.latency, model)
        if isinstance(own.bins, NumericBins):
            values: Floats = percentiles(grid(own.t, own.n[:, 0], window, step), own.bins)
            courses["p99"] = values[:, 3]
    return courses


def _smoothed(course: Floats) -> Floats:
    """[T] the median of the five buckets around each; NaN where fewer than three of them are known."""
    half = RUNNING // 2
    padded = np.concatenate([np.full(half, np.nan), course, np.full(half, np.nan)])
    around = np.lib.stride_tricks.sliding_window_view(padded, RUNNING)
    known = np.isfinite(around).sum(axis=1)
    out: Floats = np.full(len(course), np.nan)
    enough = known > half
    out[enough] = np.nanmedian(around[enough], axis=1)
    return out


def _stretches(course: Floats, least: float, *, relative: bool) -> list[tuple[int, int]]:
    """(first, last) bucket of each stretch that is far from the median of the course."""
    known = course[np.isfinite(course)]
    if len(known) < 4 * RUNNING:
        return []
    usual = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - usual)))
    bar = max(Z * spread, least * (abs(usual) if relative else 1.0))
    if bar == 0:
        return []
    far = np.nan_to_num(np.abs(course - usual)) > bar
    edges = np.flatnonzero(np.diff(np.concatenate([[0], far.view(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= IN_A_ROW]
