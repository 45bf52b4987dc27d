"""The two lengths at which a change is looked for: the whole window, and its most recent part.

A fault that began minutes ago is diluted in a window of half an hour, and a slow one is lost in five minutes. Each
length is compared with reference windows of the same length.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.slices import tiles
from analysis.view import Frame, Window

RECENT_BUCKETS = 5
MAX_REFERENCES = 24
"""Of short windows; each costs as much as the live one, and more of them say little more about the spread."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A live window and reference windows of its length."""

    live: Window
    references: tuple[Window, ...]


def scales(frame: Frame, newest: float | None) -> tuple[Scale, ...]:
    """The whole window, and its last five buckets when that is at most half of it.

    Args:
        newest: unix seconds of the newest row; the recent part ends on its bucket: late data is not read as none.
    """
    whole = Scale(frame.live, frame.references)
    length = RECENT_BUCKETS * frame.step
    if length * 2 > frame.live.length:
        return (whole,)
    end = frame.live.end
    if newest is not None:
        end = max(frame.live.start + length, min(end, (int(newest) // frame.step + 1) * frame.step))
    return (whole, Scale(Window(end - length, end), _spread(tiles(frame.references, length))))


def scale_since(frame: Frame, start: float, newest: float | None) -> Scale | None:
    """The part of the live window from an onset on, with references of its length; None when it is under two buckets.

    A change is as large as it has been since it began: measured over a longer window it is diluted.
    """
    begin = max(frame.live.start, int(start) // frame.step * frame.step)
    end = frame.live.end if newest is None else min(frame.live.end, (int(newest) // frame.step + 1) * frame.step)
    if end - begin < 2 * frame.step:
        return None
    return Scale(Window(begin, end), _spread(tiles(frame.references, end - begin)))


def _spread(windows: tuple[Window, ...]) -> tuple[Window, ...]:
    """At most `MAX_REFERENCES` of them, evenly over the whole time."""
    return windows[:: -(-len(windows) // MAX_REFERENCES)] if windows else windows
