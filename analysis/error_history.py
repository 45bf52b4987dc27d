"""The day before: when an error was last seen that neither the window nor its references explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from analysis.evidence import ErrorCounts, Key
from analysis.slices import window_sum, window_sums
from analysis.spans import subtract
from analysis.view import DAY_S, Frame, Window


def day_before(frame: Frame, known: Sequence[Window]) -> tuple[Window, ...]:
    """The 24 hours before the live window, without what is known of them."""
    return subtract((Window(frame.live.start - DAY_S, frame.live.start),), known)


def unseen(errors: ErrorCounts, frame: Frame) -> frozenset[Key]:
    """Keys with errors in the live window and none in the references."""
    counts = errors.counts
    live = window_sum(counts.t, counts.n, frame.live)
    before = window_sums(counts.t, counts.n, frame.references).sum(axis=0)
    return frozenset(counts.keys[i] for i in np.flatnonzero((live > 0) & (before <= 0)))


def last_seen(errors: ErrorCounts) -> dict[Key, float]:
    """Unix seconds of the end of the last bucket in which each key has errors."""
    counts = errors.counts
    return {
        key: float(counts.t[rows[-1]] + counts.step)
        for i, key in enumerate(counts.keys)
        if len(rows := np.flatnonzero(counts.n[:, i] > 0))
    }


def with_history(errors: ErrorCounts, seen: Mapping[Key, float], frame: Frame) -> ErrorCounts:
    """The errors with what the day before the live window knows of their kinds."""
    first = frame.live.start - DAY_S
    return replace(errors, before={key: at for key, at in seen.items() if first < at <= frame.live.start})
