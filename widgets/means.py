"""MEANS: the segments whose mean of a measured value moved most."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial

from analysis.answer import Segment
from analysis.means import Means
from analysis.words import measured
from widgets.lines import Line, Run
from widgets.listing import ListPanel
from widgets.look import Scene
from widgets.segment_table import Wording, segment_table
from widgets.text import count, ratio


class MeansPanel(ListPanel[Means, Segment]):
    """Per segment: its part of the moved sum, its mean now, before and outside, and how sure."""

    NAME = "MEANS"

    def items(self, part: Means) -> Sequence[Segment]:
        return part.segments

    def key_of(self, item: Segment) -> Hashable:
        return item.where

    def has_data(self, part: Means) -> bool:
        return part.n > 0

    def heading(self, part: Means, scene: Scene) -> list[Run]:
        runs: list[Run] = [
            (f" {self.foreign(part.model, 40)} ", "accent"),
            (f"mean {self.foreign(part.value, 40)}", "bold"),
        ]
        if part.now is not None and part.before is not None:
            arrow = "->" if self.look.ascii else "→"
            moved = f"  {measured(part.before, part.unit)} {arrow} {measured(part.now, part.unit)}"
            runs.append((moved, ""))
            runs.append((f"  n {count(part.n)} against {count(part.n_baseline)}", "dim"))
        return runs

    def summary(self, part: Means, scene: Scene) -> list[Run]:
        return [(f"mean {self.foreign(part.value, 40)} ", "")]

    def empty(self, part: Means, scene: Scene, width: int) -> list[Line]:
        if not part.n_baseline:
            return [(("  no row of the baseline has a value", "bold"),)]
        return [(("  no segment's mean moved ", "bold"), ("by more than chance and 0.3 standard deviations", "dim"))]

    def table(self, part: Means, scene: Scene, width: int) -> tuple[list[Line], Callable[[Segment], Line]]:
        wording = Wording(
            "explains", "mean in", "before", "times", partial(measured, unit=part.unit), lambda lift: ratio(lift, 1.0)
        )
        return segment_table(
            part.segments, width, wording, lambda segment: self.named(segment.where), _share, ascii=self.look.ascii
        )


def _share(segment: Segment) -> float:
    return segment.share_of_change
