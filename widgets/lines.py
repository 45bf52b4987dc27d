"""A picture as plain values: a line is runs of (text, role), one style per run, so that it can be tested as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from widgets.text import cut, fit

Run = tuple[str, str]
"""(text without line breaks, role of `widgets.palette`)."""

Line = tuple[Run, ...]


def plain(line: Line) -> str:
    """The text alone."""
    return "".join(text for text, _ in line)


def cells(line: Line) -> int:
    """Width in terminal cells."""
    return sum(len(text) if text.isascii() else cell_len(text) for text, _ in line)


def merged(runs: Iterable[Run]) -> Line:
    """The same line with neighbours of one role joined and empty runs gone."""
    out: list[Run] = []
    for text, role in runs:
        if not text:
            continue
        if out and out[-1][1] == role:
            out[-1] = (out[-1][0] + text, role)
        else:
            out.append((text, role))
    return tuple(out)


def fitted(line: Iterable[Run], width: int, *, ascii: bool = False) -> Line:  # noqa: A002
    """The line in exactly `width` cells: cut with an ellipsis, or padded with blanks."""
    out: list[Run] = []
    left = width
    for text, role in line:
        size = len(text) if text.isascii() else cell_len(text)
        if size > left:
            out.append((fit(cut(text, left, ascii=ascii), left), role))
            return merged(out)
        out.append((text, role))
        left -= size
    return merged([*out, (" " * left, "")])


def wrapped(line: Line, width: int, lines: int) -> list[Line]:
    """The line in at most `lines` rows, broken at blanks to at most `width` cells; the last row keeps the rest."""
    out: list[list[Run]] = [[]]
    for text, role in line:
        for word in re.findall(r"\s*\S+|\s+$", text):
            if len(out) < lines and cells((*out[-1], (word, role))) > width and any(run.strip() for run, _ in out[-1]):
                out.append([(" " + word.lstrip(), role)])
            else:
                out[-1].append((word, role))
    return [merged(row) for row in out]


def beside(left: Sequence[Line], right: Sequence[Line], left_width: int, gap: int = 2) -> list[Line]:
    """Two blocks next to each other; the shorter one ends in blanks."""
    height = max(len(left), len(right))
    blank: Line = ()
    return [
        merged(
            [
                *fitted(left[i] if i < len(left) else blank, left_width),
                (" " * gap, ""),
                *(right[i] if i < len(right) else blank),
            ]
        )
        for i in range(height)
    ]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    width: int
    right: bool = True
    rank: int = 0
    """Columns of the highest rank leave first where there is no room; rank 0 stays."""
    grow: int = 0
    """Share of the room that is left over."""
    most: int = 1_000
    """Widest that it grows."""


def layout(columns: Sequence[Column], width: int) -> list[int]:
    """The width of each column in cells, 0 for one that has no room; columns stand two cells apart at most.

    Columns leave by rank, then the growing ones share what is left.
    """
    kept = list(range(len(columns)))
    while len(kept) > 1 and sum(columns[i].width for i in kept) + len(kept) - 1 > width:
        worst = max(kept, key=lambda i: (columns[i].rank, i))
        if columns[worst].rank == 0:
            break
        kept.remove(worst)
    sizes = [columns[i].width if i in kept else 0 for i in range(len(columns))]
    spare = width - sum(sizes) - (len(kept) - 1)
    if spare < 0:
        widest = max(kept, key=lambda i: sizes[i])
        sizes[widest] = max(1, sizes[widest] + spare)
        return sizes
    while spare > 0:
        open_ = [i for i in kept if columns[i].grow and sizes[i] < columns[i].most]
        if not open_:
            break
        parts = sum(columns[i].grow for i in open_)
        given = 0
        for i in open_:
            more = min(max(1, spare * columns[i].grow // parts), columns[i].most - sizes[i], spare - given)
            sizes[i] += more
            given += more
        spare -= given
    return sizes


def row(columns: Sequence[Column], sizes: Sequence[int], values: Sequence[Run], *, ascii: bool = False) -> Line:  # noqa: A002
    """One row of a table: the value of each column in its width, one blank between."""
    out: list[Run] = []
    for column, size, (text, role) in zip(columns, sizes, values, strict=True):
        if size:
            if out:
                out.append((" ", out[-1][1] if out[-1][1] == role else ""))
            out.append((fit(text, size, right=column.right, ascii=ascii), role))
    return merged(out)


def heading(columns: Sequence[Column], sizes: Sequence[int]) -> Line:
    """The names of the columns."""
    return row(columns, sizes, [(column.name, "dim") for column in columns])
