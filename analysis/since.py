"""When a share or a level left its usual course, as a moment on the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.onset import onset
from analysis.slices import grid
from analysis.view import Frame

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

    live = share(grid(t, hits, frame.live, step), grid(t, n, frame.live, step))
    history = np.array([share(grid(t, hits, w, step), grid(t, n, w, step)) for w in frame.references])
    return _moment(live, history, frame)


def since_level(t: Ints, n: Floats, frame: Frame) -> Since | None:
    """When the count per bucket left the course of the references; the bucket being filled is left out. n: [T]"""
    live = grid(t, n, frame.live, frame.step)
    live[-1] = np.nan
    history = np.array([grid(t, n, w, frame.step) for w in frame.references])
    return _moment(live, history, frame)


def _moment(live: Floats, history: Floats, frame: Frame) -> Since | None:
    filled = history[np.isfinite(history).any(axis=1)]
    if not len(filled):
        return None
    found = onset(live, filled)
    if found is None:
        return None
    start, step = frame.live.start, frame.step
    return Since(start + found.index * step, start + found.low * step, start + found.high * step)
