"""When a share or a level left its usual course, as a moment on the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.onset import onset, start_of_change
from analysis.slices import grid, inside
from analysis.view import Frame, Window

TRACE = 0.03
"""Part of a change's size that does not count as its beginning; a ramp is dated later by as much of its length."""

TYPICAL = 3
"""The size of a change is what that many buckets reach."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Since:
    """The bucket in which a change began and the first and last bucket that it may as well be; unix seconds."""

    start: int
    low: int
    high: int


def since(t: Ints, hits: Floats, n: Floats, frame: Frame) -> Since | None:
    """When the share hits / n of the live window left the course of the reference windows. hits, n: [T]"""
    step = frame.step

    def share(window_hits: Floats, window_n: Floats) -> Floats:
        shares: Floats = np.divide(window_hits, window_n, out=np.full(len(window_n), np.nan), where=window_n > 0)
        return shares

    rows = grid(t, n, frame.live, step)
    live = share(grid(t, hits, frame.live, step), rows)
    history = np.array([share(grid(t, hits, w, step), grid(t, n, w, step)) for w in frame.references])
    return _moment(live, history, frame, 0.5 / max(1.0, float(np.median(rows))))


def since_level(t: Ints, n: Floats, frame: Frame, newest: float | None) -> Since | None:
    """When the count per bucket left the course of the references. n: [T]

    Buckets from the one of the newest row on are still being filled; without a newest row, the last one.
    """
    live = grid(t, n, frame.live, frame.step)
    filling = len(live) - 1 if newest is None else (int(newest) - frame.live.start) // frame.step
    live[max(0, filling) :] = np.nan
    history = np.array([grid(t, n, w, frame.step) for w in frame.references])
    return _moment(live, history, frame, 1.0)


def since_value(t: Ints, v: Floats, frame: Frame) -> Since | None:
    """When a gauge left the course of the reference windows; a bucket without a sample is a gap. v: [T]"""
    known = np.isfinite(v)
    t, v = t[known], v[known]

    def sampled(window: Window) -> Floats:
        values = np.full(window.length // frame.step, np.nan)
        rows = inside(t, window)
        values[(t[rows] - window.start) // frame.step] = v[rows]
        return values

    live = sampled(frame.live)
    top = float(np.nanmax(np.abs(live))) if np.isfinite(live).any() else 0.0
    return _moment(live, np.array([sampled(w) for w in frame.references]), frame, 0.01 * top or 1.0)


def _moment(live: Floats, history: Floats, frame: Frame, least: float) -> Since | None:
    """`least` stands in for the noise of a history of nothing but zeros, which has none of its own."""
    filled = history[np.isfinite(history).any(axis=1)]
    if not len(filled):
        return None
    found = onset(live, filled) if np.nan_to_num(filled).any() else start_of_change(live / least)
    if found is None:
        return None
    start, step = frame.live.start, frame.step
    index = max(found.index, _sizable(live, filled, found.index))
    low, high = (found.low, found.high) if index == found.index else (index, max(index, found.high))
    return Since(start + index * step, start + low * step, start + high * step)


def _sizable(live: Floats, history: Floats, index: int) -> int:
    """The first bucket from `index` on that is more than a trace of what the change becomes.

    Beside a change of a hundred noise widths a blip of three before it is no beginning.
    """
    away = np.abs(live[index:] - float(np.nanmedian(history)))
    known = away[np.isfinite(away)]
    if len(known) < TYPICAL:
        return index
    largest = float(np.sort(known)[-TYPICAL])
    return index + int(np.argmax(away >= TRACE * largest))
