"""The table of segments that several pages share: what a segment holds, its rates, how large and how sure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.answer import Segment
from widgets.lines import Column, Line, Run, cells, heading, layout, row
from widgets.text import count, percent, ratio


@dataclass(frozen=True, slots=True)
class Wording:
    """What one page calls the columns, and how it writes a rate."""

    share: str
    rate_in: str
    rate_before: str = ""
    """Empty where there is no baseline."""
    lift: str = "lift"
    rate: Callable[[float], str] = percent
    compared: Callable[[float], str] = lambda lift: ratio(lift, 1.0)


def segment_table(
    segments: Sequence[Segment],
    width: int,
    wording: Wording,
    title: Callable[[Segment], str],
    share: Callable[[Segment], float],
    *,
    ascii: bool,  # noqa: A002
    narrowest: int = 18,
    bar: int = 20,
) -> tuple[list[Line], Callable[[Segment], Line]]:
    """Heading and the line of each segment in `width` cells.

    Args:
        title: how a segment is named.
        share: the number of its first column and its bar, 0..1.
        narrowest: cells that a name keeps where there is little room. `bar`: cells of the longest bar.
    """
    names = max((cells(((title(segment), ""),)) for segment in segments), default=7)
    # A third of the line before the bar and the lesser numbers: "device=i…" is not a segment that can be told.
    narrowest = max(narrowest, width // 3)
    before = [Column(wording.rate_before, max(6, len(wording.rate_before)), rank=3)] if wording.rate_before else []
    columns = [
        Column("segment", min(max(7, names), narrowest), right=False, grow=3, most=max(7, names)),
        Column(wording.share, 8),
        Column("", 8, right=False, rank=6, grow=1, most=bar),
        Column(wording.rate_in, max(6, len(wording.rate_in)), rank=1),
        Column("outside", 7, rank=2),
        *before,
        Column(wording.lift, 6, rank=4),
        Column("of rows", 7, rank=5),
        Column("n", 6, rank=7),
        Column("p", 7, rank=8),
    ]
    sizes = layout(columns, width)
    full, rest = ("#", ".") if ascii else ("█", "░")

    def put(segment: Segment) -> Line:
        held = share(segment)
        filled = round(max(0.0, min(1.0, held)) * sizes[2])
        values: list[Run] = [
            (title(segment), "dim" if segment.alternative else "bold"),
            (percent(held), "warning" if held >= 0.5 else ""),
            (full * filled + rest * (sizes[2] - filled), "spark"),
            (wording.rate(segment.rate_in), ""),
            (wording.rate(segment.rate_out), "dim"),
            *([(wording.rate(segment.rate_before), "dim")] if before else []),
            (wording.compared(segment.lift), ""),
            (percent(segment.support), "dim"),
            (count(segment.n), "dim"),
            ("<.001" if segment.p_adjusted < 0.001 else f"{segment.p_adjusted:.3f}", "dim"),
        ]
        return row(columns, sizes, values, ascii=ascii)

    return [heading(columns, sizes)], put
