"""Arithmetic on sets of time windows: what is needed, what is already known, what is still to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.view import Window


def union(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The same seconds as disjoint, ascending windows; touching windows become one."""
    merged: list[Window] = []
    for window in sorted((w for w in windows if w.end > w.start), key=lambda w: w.start):
        if merged and window.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, window.end))
        else:
            merged.append(window)
    return tuple(merged)


def subtract(windows: Iterable[Window], known: Iterable[Window]) -> tuple[Window, ...]:
    """The seconds of `windows` that `known` does not hold, as disjoint, ascending windows."""
    left = list(union(windows))
    for hole in union(known):
        left = [
            piece
            for w in left
            for piece in (Window(w.start, min(w.end, hole.start)), Window(max(w.start, hole.end), w.end))
            if piece.end > piece.start
        ]
    return tuple(left)


def intersect(windows: Iterable[Window], other: Iterable[Window]) -> tuple[Window, ...]:
    """The seconds that both sets hold, as disjoint, ascending windows."""
    mine = union(windows)
    return subtract(mine, subtract(mine, other))


def pieces(windows: Sequence[Window], most: int) -> tuple[tuple[Window, ...], ...]:
    """Ascending windows in at most `most` groups of about equal length; a window is cut where a group ends."""
    ordered = union(windows)
    total = sum(window.length for window in ordered)
    count = max(1, min(most, total))
    ends = [total * (i + 1) // count for i in range(count)]
    groups: list[list[Window]] = [[]]
    done = 0
    for window in ordered:
        start = window.start
        while start < window.end:
            stop = min(window.end, start + ends[len(groups) - 1] - done)
            groups[-1].append(Window(start, stop))
            done, start = done + stop - start, stop
            if done == ends[len(groups) - 1] and done < total:
                groups.append([])
    return tuple(tuple(group) for group in groups if group)
