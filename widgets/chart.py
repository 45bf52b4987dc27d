"""Charts as lines of text: line charts by the own painter, histograms by plotext, which only this file imports."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from rich.cells import get_character_cell_size

from analysis.printable import printable
from widgets.axis import time_ticks, value_labels, value_ticks
from widgets.lines import Line, Run, fitted, merged, plain
from widgets.painter import CELL, Polyline, paint
from widgets.text import cut

if TYPE_CHECKING:
    from analysis.evidence import Floats

MIN_WIDTH, MIN_HEIGHT = 12, 4
"""Cells; below this a picture says less than its numbers."""

HISTOGRAM_WIDTH, HISTOGRAM_HEIGHT = 100, 18
"""Cells; a larger one says no more, and plotext takes 17 ms for 170x26 where 100x18 takes 9."""

_NOW, _BASE = 117, 245
"""Colour codes that plotext writes and `_runs` reads back as the roles `now` and `base`."""
_SGR = re.compile("\x1b\\[([0-9;]*)m")
_OVER = {"version": 1, "selection": 2, "time": 3}
_TO_ASCII = str.maketrans("─│┤┬└┘┴┼├┊▲━┄…", "-|+++++++:^=.~")


@dataclass(frozen=True, slots=True)
class ChartMark:
    """A moment on the time axis: an onset is a dashed line, a version a triangle; both carry a word."""

    t: float
    kind: str
    text: str = ""


def draw(
    series: Sequence[Polyline],
    size: tuple[int, int],
    *,
    limits: tuple[float, float],
    span: tuple[float, float],
    unit: str = "",
    marks: Sequence[ChartMark] = (),
    marker: str = "braille",
    zone: tzinfo | None = UTC,
    rules: Sequence[tuple[float, str]] = (),
) -> list[Line]:
    """A line chart over time with its axes.

    Args:
        series: what to draw; the last is on top.
        size: (width, height) in cells, axes included.
        limits: values at the lower and upper edge (see `widgets.axis.Axis`).
        span: unix seconds at the left and right edge.
        unit: of the values: ms, bytes, share, %, /s ...
        marks: moments to mark.
        marker: braille, hd or ascii; ascii makes axes and marks ASCII too.
        zone: of the time labels.
        rules: (value, role) of horizontal lines, such as a limit.

    Returns:
        Exactly `height` lines of `width` cells; of one line that says why where nothing can be drawn.
    """
    width, height = size
    if width <= 0 or height <= 0:
        return []
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return _filled([((cut("no room for a chart", width), "dim"),)], size)
    low, high = limits
    if not (math.isfinite(low) and math.isfinite(high) and -1e300 < low < high < 1e300):
        return _filled([((cut("cannot draw: no limits", width), "dim"),)], size)
    if not -1e12 < span[0] < span[1] < 1e12:
        return _filled([((cut("cannot draw: no window", width), "dim"),)], size)
    with_axis = height >= 6
    rows = height - (2 if with_axis else 1)
    ticks = value_ticks(low, high, max(2, (rows + 1) // 2 + 1), unit)
    labels = value_labels(ticks, unit)
    margin = max(len(label) for label in labels)
    columns = width - margin - 1
    if columns < 4:
        return _filled([((cut("no room for a chart", width), "dim"),)], size)
    painted, owner = paint(series, columns, rows, limits, span, marker)
    roles = [line.role for line in series]
    at_row = {_row(value, limits, rows): label for value, label in zip(ticks, labels, strict=True)}
    ruled = {_row(value, limits, rows): role for value, role in rules if low <= value <= high}
    places = _mark_columns(marks, columns, span)
    pad = (" " * margin, "")
    out: list[Line] = []
    for y in range(rows):
        label = at_row.get(y)
        runs: list[Run] = [((label or "").rjust(margin), "dim"), ("┤" if label is not None else "│", "rule")]
        out.append(merged([*runs, *_row_runs(painted[y], owner[y].tolist(), roles, places, ruled.get(y))]))
    times = time_ticks(span[0], span[1], columns, zone)
    if with_axis:
        out.append(merged([pad, ("└", "rule"), *_axis_runs(columns, times, places)]))
    out.append(fitted([pad, (" ", ""), *_spread(columns, times)], width))
    if marker == "ascii":
        out = [tuple((text.translate(_TO_ASCII), role) for text, role in line) for line in out]
    return out


def _row(value: float, limits: tuple[float, float], rows: int) -> int:
    low, high = limits
    return round((1 - (value / (high - low) - low / (high - low))) * (rows - 1))


def _mark_columns(marks: Sequence[ChartMark], columns: int, span: tuple[float, float]) -> dict[int, ChartMark]:
    """Column -> mark; in the same column a version wins over an onset, and the time cursor over all."""
    start, end = span
    found: dict[int, ChartMark] = {}
    for mark in sorted(marks, key=lambda m: (_OVER.get(m.kind, 0), m.t)):
        if math.isfinite(mark.t) and start <= mark.t < end:
            found[min(columns - 1, int((mark.t - start) / (end - start) * columns))] = mark
    return found


def _row_runs(
    text: str, owner: Sequence[int], roles: Sequence[str], marks: dict[int, ChartMark], ruled: str | None
) -> list[Run]:
    out: list[Run] = []
    for x, char in enumerate(text):
        if owner[x] >= 0:
            run = (char, roles[owner[x]])
        elif x in marks:
            run = ("│" if marks[x].kind == "time" else "┊", marks[x].kind)
        elif ruled is not None:
            run = ("─", ruled)
        else:
            run = (" ", "")
        if out and out[-1][1] == run[1]:
            out[-1] = (out[-1][0] + run[0], run[1])
        else:
            out.append(run)
    return out


def _axis_runs(columns: int, times: Sequence[tuple[int, str]], marks: dict[int, ChartMark]) -> list[Run]:
    """The axis line with a tick per time and the words of the marks."""
    ticks = {column for column, _ in times}
    cells: list[Run] = [("┬" if x in ticks else "─", "rule") for x in range(columns)]
    free = 0
    for column, mark in sorted(marks.items()):
        if column < free:
            continue
        sign = "▲" if mark.kind == "version" else "┊"
        # One character per cell: a wide or combining one would shift the axis.
        word = "".join(char if get_character_cell_size(char) == 1 else "?" for char in printable(mark.text, 40))
        words = f"{sign} {cut(word or mark.kind, 16)} " if columns - column > 6 else sign
        following = min((c for c in marks if c > column), default=columns)
        words = sign if following - column < len(words) else words
        for offset, char in enumerate(words):
            cells[column + offset] = (char, mark.kind)
        free = column + len(words)
    return list(merged(cells))


def _spread(columns: int, labels: Sequence[tuple[int, str]]) -> list[Run]:
    text = ""
    for column, label in labels:
        text = text.ljust(column) + label
    return [(text.ljust(columns)[:columns], "dim")]


def histogram(
    now: Floats,
    baseline: Floats | None,
    size: tuple[int, int],
    *,
    edges: Sequence[str],
    marker: str = "braille",
) -> list[Line]:
    """Shares per bin: now as filled bars, the baseline as a stepped outline over them.

    Args:
        now: [B] shares, 0..1.
        baseline: [B] shares, or None.
        size: (width, height) in cells, axes included; at least 12x4.
        edges: B+1 labels of the bin edges; those that have room are written.
        marker: as for `draw`.

    Returns:
        `height` lines; where plotext cannot draw, one that says why.
    """
    width, height = size
    if width <= 0 or height <= 0:
        return []
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return _filled([((cut("no room for a histogram", width), "dim"),)], size)
    shares = _guarded(now)
    before = _guarded(baseline) if baseline is not None else []
    if not shares or not any(share > 0 for share in (*shares, *before)):
        return _filled([(("no values to draw", "dim"),)], size)
    top = _top(max(*shares, *before, 0.0))
    with_axis = height >= 6
    rows = height - (2 if with_axis else 1)
    ticks = value_ticks(0.0, top, max(2, (rows + 1) // 2 + 1))
    labels = value_labels(ticks, "share")
    margin = max(len(label) for label in labels)
    columns = width - margin - 1
    try:
        text = _plotext_histogram(shares, before, top, (columns, rows), marker)
    # plotext raises whatever its internals meet; one picture less must not end the program.
    except Exception as error:  # noqa: BLE001
        reason = printable(f"cannot draw: {type(error).__name__}: {error}", 200)
        return _filled([((cut(reason, width), "warning"),)], size)
    at_row = {_row(value, (0.0, top), rows): label for value, label in zip(ticks, labels, strict=True)}
    pad = (" " * margin, "")
    places = _edge_labels([printable(edge, 12) for edge in edges], len(shares), columns)
    lines: list[Line] = []
    for y, line in enumerate(text.split("\n")[:rows]):
        label = at_row.get(y)
        lines.append(
            merged([((label or "").rjust(margin), "dim"), ("┤" if label is not None else "│", "rule"), *_runs(line)])
        )
    if with_axis:
        lines.append(merged([pad, ("└", "rule"), *_axis_runs(columns, places, {})]))
    lines.append(merged([pad, (" ", ""), *_spread(columns, places)]))
    if marker == "ascii":
        lines = [tuple((part.translate(_TO_ASCII), role) for part, role in line) for line in lines]
    return _filled(lines, size)


def _edge_labels(edges: Sequence[str], bins: int, columns: int) -> list[tuple[int, str]]:
    """(column, label) of the bin edges, as many at even distances as have room."""
    every = max(1, -(-bins * (2 + max(map(len, edges), default=0)) // max(1, columns)))
    out: list[tuple[int, str]] = []
    after = 0
    for i in range(0, min(bins + 1, len(edges)), every):
        column = min(round(i / bins * columns), columns - max(1, len(edges[i])))
        if edges[i] and column >= after:
            out.append((column, edges[i]))
            after = column + len(edges[i]) + 1
    return out


def _guarded(values: Floats) -> list[float]:
    """Plain floats that plotext survives: non-finite values become 0, the rest is clipped to [0, 1]."""
    return [min(1.0, max(0.0, float(v))) if math.isfinite(v) else 0.0 for v in values.tolist()]


def _plotext_histogram(
    now: Sequence[float], baseline: Sequence[float], top: float, size: tuple[int, int], marker: str
) -> str:
    """The bare canvas: the places of plotext's own ticks differ from run to run, so that the axes are ours."""
    import plotext  # 59 ms, and only when the first histogram is drawn

    columns, rows = size
    bins = len(now)
    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plotsize(columns, rows)
    plotext.theme("clear")
    # plotext gives even an empty bar a row, and an outline in the lowest row would wipe out the low bars behind it.
    floor = top / max(1, rows - 1)
    seen = [i for i in range(bins) if now[i] > floor / 3]
    if seen:
        plotext.bar(
            [i + 0.5 for i in seen],
            [now[i] for i in seen],
            width=1.0,
            color=_NOW,
            marker="#" if marker == "ascii" else "sd",
            minimum=0,
        )
    if baseline and max(baseline) > floor:
        xs = [x for i in range(len(baseline)) for x in (i + 0.02, i + 0.98)]
        ys = [share if share > floor else math.nan for share in baseline for _ in range(2)]
        plotext.plot(xs, ys, color=_BASE, marker={"braille": "braille", "hd": "hd"}.get(marker, "."))
    plotext.xlim(0, bins)
    plotext.ylim(0, top)
    for axis in (plotext.xticks, plotext.yticks):
        axis([])
    plotext.xaxes(False, False)
    plotext.yaxes(False, False)
    return str(plotext.build())


def _top(share: float) -> float:
    return next((top for top in (0.02, 0.04, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8) if share <= top), 1.0)


def _runs(row: str) -> Line:
    """A row of plotext's output as runs: its two colour codes become roles, everything else is the axis."""
    out: list[Run] = []
    role, at = "dim", 0
    for found in _SGR.finditer(row):
        out.append((row[at : found.start()], role))
        code = found[1].rsplit(";", 1)[-1]
        role = {str(_NOW): "now", str(_BASE): "base"}.get(code, "dim")
        at = found.end()
    out.append((row[at:], role))
    return merged(out)


def _filled(lines: Sequence[Line], size: tuple[int, int]) -> list[Line]:
    """Exactly the size: longer lines are cut, missing ones are blank."""
    width, height = size
    blank: Line = ()
    return [fitted(lines[y] if y < len(lines) else blank, width) for y in range(height)]


class Picture:
    """The last picture of a panel, drawn again only when something it depends on is new."""

    def __init__(self) -> None:
        self._key: Hashable = None
        self._kept: tuple[object, ...] = ()
        self._lines: list[Line] = []

    def get(self, key: Hashable, data: tuple[object, ...], make: Callable[[], list[Line]]) -> list[Line]:
        """`make()`, or what it returned before for an equal key (size, theme, marker ...) and the same data objects."""
        fresh = len(data) == len(self._kept) and all(a is b for a, b in zip(data, self._kept, strict=True))
        if not fresh or key != self._key or not self._lines:
            self._lines = make()
            self._key, self._kept = key, data
        return self._lines


def legend(series: Sequence[Polyline], *, ascii: bool = False) -> list[Run]:  # noqa: A002
    """`p99 ━ 1d ago ┄`: the names of the lines with a piece of each, for a title line."""
    out: list[Run] = []
    solid, dotted = ("=", ".") if ascii else ("━", "┄")
    for line in series:
        if line.label:
            out += [(f" {line.label} ", "dim"), (dotted if line.dotted else solid, line.role)]
    return out


__all__ = ["CELL", "ChartMark", "Picture", "Polyline", "draw", "histogram", "legend", "plain"]
