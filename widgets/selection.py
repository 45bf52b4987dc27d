"""SELECTION: the segments in which selected rows are more frequent than among the rest of the window."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from analysis.answer import Segment
from analysis.selection import Selection
from widgets.lines import Column, Line, Run, cells, heading, layout, row
from widgets.listing import ListPanel
from widgets.look import Scene
from widgets.text import count, percent, ratio


class SelectionPanel(ListPanel[Selection, Segment]):
    """Per segment: how many of the selected rows it holds, the share selected in it and outside, and how sure."""

    NAME = "SELECTION"

    def items(self, part: Selection) -> Sequence[Segment]:
        return part.segments

    def key_of(self, item: Segment) -> Hashable:
        return item.where

    def has_data(self, part: Selection) -> bool:
        return part.of > 0

    def heading(self, part: Selection, scene: Scene) -> list[Run]:
        runs: list[Run] = [(f" {self.foreign(part.model, 40)} ", "accent"), (self.foreign(part.title, 80), "bold")]
        if part.of:
            runs.append((f"  {count(part.n)} of {count(part.of)} rows", "dim"))
        return runs

    def summary(self, part: Selection, scene: Scene) -> list[Run]:
        return [(f"{self.foreign(part.title, 60)} ", "")]

    def empty(self, part: Selection, scene: Scene, width: int) -> list[Line]:
        if not part.n:
            return [(("  no row of the window is selected", "bold"),)]
        return [(("  the selected rows have nothing in common ", "bold"), ("that the others do not have", "dim"))]

    def table(self, part: Selection, scene: Scene, width: int) -> tuple[list[Line], Callable[[Segment], Line]]:
        names = max((cells(((self.named(segment.where), ""),)) for segment in part.segments), default=7)
        columns = [
            Column("segment", min(max(7, names), 24), right=False, grow=3, most=max(7, names)),
            Column("holds", 8),
            Column("", 8, right=False, rank=6, grow=1, most=30),
            Column("selected", 8, rank=1),
            Column("outside", 7, rank=2),
            Column("lift", 6, rank=3),
            Column("of rows", 7, rank=4),
            Column("n", 6, rank=5),
            Column("p", 7, rank=7),
        ]
        sizes = layout(columns, width)
        full, rest = ("#", ".") if self.look.ascii else ("█", "░")

        def put(segment: Segment) -> Line:
            held = segment.rate_in * segment.n / part.n if part.n else 0.0
            filled = round(min(1.0, held) * sizes[2])
            values: list[Run] = [
                (self.named(segment.where), "bold"),
                (percent(held), "warning" if held >= 0.5 else ""),
                (full * filled + rest * (sizes[2] - filled), "spark"),
                (percent(segment.rate_in), ""),
                (percent(segment.rate_out), "dim"),
                (ratio(segment.lift, 1.0), ""),
                (percent(segment.support), "dim"),
                (count(segment.n), "dim"),
                ("<.001" if segment.p_adjusted < 0.001 else f"{segment.p_adjusted:.3f}", "dim"),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], put
