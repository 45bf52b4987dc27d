"""When a share or a level left its usual course, as a moment on the clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.onset import Onset, onsets, start_of_change
from analysis.slices import grid, grids, inside
from analysis.view import Frame, Window

TRACE = 0.03
"""Part of a change's size that does not count as its beginning; a ramp is dated later by as much of its length."""

TRACE_OF_LEVEL = 0.25
"""The same of a count per bucket or a gauge, which wanders by a part of a surge without being its beginning."""

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

    @property
    def between(self) -> tuple[float, float]:
        """The interval alone, as a finding carries it."""
        return float(self.low), float(self.high)


@dataclass(frozen=True, slots=True)
class Course:
    """A share over time: hits of n rows per bucket."""

    t: Ints
    hits: Floats
    """[T]"""
    n: Floats
    """[T]"""


def since(t: Ints, hits: Floats, n: Floats, frame: Frame) -> Since | None:
    """When the share hits / n of the live window left the course of the reference windows. hits, n: [T]"""
    return sinces([Course(t, hits, n)], frame)[0]


def sinces(courses: Sequence[Course], frame: Frame) -> list[Since | None]:
    """`since` of many shares: together they cost a third of one by one."""
    moments: list[tuple[Floats, Floats, float]] = []
    counting: list[float] = []
    for course in courses:
        rows = grid(course.t, course.n, frame.live, frame.step)
        live = _share(grid(course.t, course.hits, frame.live, frame.step), rows)
        hits, of = (grids(course.t, counts, frame.references, frame.step) for counts in (course.hits, course.n))
        typical = max(1.0, float(np.median(rows)))
        usual = min(1.0, float(hits.sum()) / max(1.0, float(of.sum())))
        moments.append((live, _share(hits, of), 0.5 / typical))
        counting.append(math.sqrt(usual * (1 - usual) / typical))
    return _moments(moments, frame, counting=counting)


def _share(hits: Floats, n: Floats) -> Floats:
    shares: Floats = np.divide(hits, n, out=np.full_like(n, np.nan), where=n > 0)
    return shares


def since_level(t: Ints, n: Floats, frame: Frame, newest: float | None) -> Since | None:
    """When the count per bucket left the course of the references. n: [T]

    Buckets from the one of the newest row on are still being filled; without a newest row, the last one.
    """
    live = grid(t, n, frame.live, frame.step)
    filling = len(live) - 1 if newest is None else (int(newest) - frame.live.start) // frame.step
    live[max(0, filling) :] = np.nan
    history = grids(t, n, frame.references, frame.step)
    return _moments([(live, history, 1.0)], frame, TRACE_OF_LEVEL)[0]


def since_value(t: Ints, v: Floats, frame: Frame, trace: float = TRACE_OF_LEVEL) -> Since | None:
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
    history = np.array([sampled(w) for w in frame.references])
    return _moments([(live, history, 0.01 * top or 1.0)], frame, trace)[0]


def _moments(
    series: Sequence[tuple[Floats, Floats, float]], frame: Frame, trace: float = TRACE, counting: Sequence[float] = ()
) -> list[Since | None]:
    """Of (live values, history, least) each.

    `least` stands in for the noise of a history of nothing but zeros, which has none of its own; `counting` is the
    noise that each share has because rows are counted.
    """
    filled = [history[np.isfinite(history).any(axis=1)] for _, history, _ in series]
    noisy = [i for i, history in enumerate(filled) if len(history) and np.nan_to_num(history).any()]
    found: list[Onset | None] = [None] * len(series)
    floors = [counting[i] for i in noisy] if counting else ()
    told = onsets([series[i][0] for i in noisy], [filled[i] for i in noisy], floors)
    for i, one in zip(noisy, told, strict=True):
        found[i] = one
    for i, (live, _, least) in enumerate(series):
        if len(filled[i]) and i not in noisy:
            found[i] = start_of_change(live / least)
    return [
        None if one is None else _on_the_clock(one, live, history, frame, trace)
        for one, (live, _, _), history in zip(found, series, filled, strict=True)
    ]


def _on_the_clock(found: Onset, live: Floats, history: Floats, frame: Frame, trace: float) -> Since:
    start, step = frame.live.start, frame.step
    index = max(found.index, _sizable(live, history, found.index, trace))
    low, high = (found.low, found.high) if index == found.index else (index, max(index, found.high))
    return Since(start + index * step, start + low * step, start + high * step)


def _sizable(live: Floats, history: Floats, index: int, trace: float) -> int:
    """The first bucket from `index` on that is more than a trace of what the change becomes.

    Beside a change of a hundred noise widths a blip of three before it is no beginning.
    """
    away = np.abs(live[index:] - float(np.nanmedian(history)))
    known = away[np.isfinite(away)]
    if len(known) < TYPICAL:
        return index
    largest = float(np.sort(known)[-TYPICAL])
    return index + int(np.argmax(away >= trace * largest))
