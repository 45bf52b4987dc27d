"""SELECTION: the segments in which selected rows are more frequent than among the rest of the window."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from analysis.answer import Segment
from analysis.selection import Selection
from widgets.lines import Line, Run
from widgets.listing import ListPanel
from widgets.look import Scene
from widgets.segment_table import Wording, segment_table
from widgets.text import count

WORDING = Wording("holds", "selected")


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
        def held(segment: Segment) -> float:
            return segment.rate_in * segment.n / part.n if part.n else 0.0

        return segment_table(
            part.segments, width, WORDING, lambda segment: self.named(segment.where), held,
            ascii=self.look.ascii, narrowest=24, bar=30,
        )  # fmt: skip
