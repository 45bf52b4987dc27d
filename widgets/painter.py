"""Lines painted with dots inside character cells: braille (2x4 dots), quadrant blocks (2x2) or ASCII (1x3).

The painter is ours because line charts move at every refresh: it takes 1-3 ms where plotext takes 8-30, a gap (NaN)
stays a gap, and no value can make it run away, since every point is clipped to the picture before it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from analysis.evidence import Floats, Ints

CELL = {"braille": (2, 4), "hd": (2, 2), "ascii": (1, 3)}
"""Marker -> dots per cell (columns, rows)."""

_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLOCKS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
_ASCII = " '-\".:=|"


@dataclass(frozen=True, slots=True, eq=False)
class Polyline:
    """One line of a chart."""

    t: Ints | Floats
    """[T] unix seconds, ascending."""
    v: Floats
    """[T]; anything not finite is a gap."""
    role: str
    """Role of the palette."""
    label: str = ""
    dotted: bool = False
    """Every second pair of dots only: the expectation, next to what is."""
    step: float = 0.0
    """Seconds between points; a longer silence is a gap. 0: told from the data."""


def paint(
    lines: Sequence[Polyline],
    width: int,
    height: int,
    limits: tuple[float, float],
    span: tuple[float, float],
    marker: str,
) -> tuple[list[str], np.ndarray[tuple[int, int], np.dtype[np.int8]]]:
    """The dots of all lines as text.

    Args:
        lines: later lines are on top: a cell that two lines share has both dots and the style of the later one.
        width: cells.
        height: cells.
        limits: values at the lower and upper edge; what lies outside is drawn on the edge.
        span: unix seconds at the left and right edge; what lies outside is not drawn.
        marker: a key of `CELL`.

    Returns:
        `height` rows of `width` characters, and [height, width] the index of the line on top, -1 where there is none.
    """
    import numpy as np

    per_x, per_y = CELL[marker]
    dots = np.zeros((height * per_y, width * per_x), dtype=bool)
    owner = np.full((height, width), -1, dtype=np.int8)
    for index, line in enumerate(lines):
        x, y = _dots(line, dots.shape[1], dots.shape[0], limits, span)
        if line.dotted:
            keep = (x // per_x) % 2 == 0 if per_x == 1 else x % 4 < 2
            x, y = x[keep], y[keep]
        dots[y, x] = True
        owner[y // per_y, x // per_x] = index
    weights, characters = _alphabet(marker)
    cells = dots.reshape(height, per_y, width, per_x).transpose(0, 2, 1, 3).reshape(height, width, -1)
    codes = characters[(cells * weights).sum(axis=2)]
    return [row.tobytes().decode("utf-32-le") for row in codes], owner


@cache
def _alphabet(
    marker: str,
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.uint32]]]:
    """Weight of each dot of a cell in reading order, and the code point of each sum."""
    import numpy as np

    if marker == "braille":
        points = np.arange(0x2800, 0x2900, dtype="<u4")
        points[0] = ord(" ")
        return np.array([weight for row in _BRAILLE for weight in row]), points
    characters = _BLOCKS if marker == "hd" else _ASCII
    weights = 2 ** np.arange(CELL[marker][0] * CELL[marker][1])
    return weights, np.array([ord(char) for char in characters], dtype="<u4")


def _dots(
    line: Polyline, columns: int, rows: int, limits: tuple[float, float], span: tuple[float, float]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The dots (x, y) of one line, y counted from the top; joined where neighbours are not a gap apart."""
    import numpy as np

    nothing = np.zeros(0, dtype=np.int64)
    size = min(len(line.t), len(line.v))
    (low, high), (start, end) = limits, span
    if not size or not columns or not rows or not high > low or not end > start:
        return nothing, nothing
    t = np.asarray(line.t[:size], dtype=np.float64)
    v = np.asarray(line.v[:size], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        inside = np.isfinite(t) & (t >= start) & (t < end)
    t, v = t[inside], v[inside]
    good = np.isfinite(v)
    if not good.any():
        return nothing, nothing
    x = np.clip((t - start) / (end - start) * columns, 0, columns - 1).astype(np.int64)
    share = (np.clip(np.where(good, v, low), low, high) / (high - low)) - low / (high - low)
    y = np.clip(np.rint((1 - share) * (rows - 1)), 0, rows - 1).astype(np.int64)
    silence = np.diff(t) > 1.6 * (line.step or (float(np.median(np.diff(t))) if len(t) > 1 else 1.0))
    joined = good[:-1] & good[1:] & ~silence
    if len(t) > 4 * columns:
        x, y, joined = _thinned(x[good], y[good])
        good = np.ones(len(x), dtype=bool)
    first = np.flatnonzero(joined)
    dx, dy = x[first + 1] - x[first], y[first + 1] - y[first]
    steps = np.maximum(np.maximum(np.abs(dx), np.abs(dy)), 1)
    which = np.repeat(np.arange(len(first)), steps)
    along = np.arange(len(which)) - np.repeat(np.cumsum(steps) - steps, steps)
    part = along / steps[which]
    lone = np.flatnonzero(good)
    at_x = np.concatenate([x[first][which] + np.rint(part * dx[which]).astype(np.int64), x[lone]])
    at_y = np.concatenate([y[first][which] + np.rint(part * dy[which]).astype(np.int64), y[lone]])
    return at_x, at_y


def _thinned(
    x: np.ndarray[tuple[int], np.dtype[np.int64]], y: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.int64]],
    np.ndarray[tuple[int], np.dtype[np.int64]],
    np.ndarray[tuple[int], np.dtype[np.bool_]],
]:
    """The highest and the lowest point of each column of dots; columns next to each other are joined."""
    import numpy as np

    starts = np.flatnonzero(np.diff(x, prepend=-1))
    column = np.repeat(x[starts], 2)
    value = np.empty(len(starts) * 2, dtype=np.int64)
    value[::2], value[1::2] = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return column, value, np.diff(column) <= 1
