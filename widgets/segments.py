"""WHERE: the segments that carry a finding, by the share of the change they explain."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from analysis.answer import Finding, MixShift, Segment, Signal
from analysis.cases import NOTHING
from widgets.lines import Line, Run
from widgets.listing import ListPanel
from widgets.look import Scene
from widgets.segment_table import Wording, segment_table
from widgets.text import percent

WORDING = Wording("explains", "in", "before")


class SegmentsPanel(ListPanel[Finding, Segment]):
    """`Finding.where` of one finding: share of the change, rate in and outside and before, lift, support, certainty."""

    NAME = "WHERE"

    def items(self, part: Finding) -> Sequence[Segment]:
        return part.where

    def key_of(self, item: Segment) -> Hashable:
        return item.where

    def has_data(self, part: Finding) -> bool:
        return True

    def heading(self, part: Finding, scene: Scene) -> list[Run]:
        counted = max((segment.counted for segment in part.where if segment.sampled), default=None)
        progress = [(f"  sampled; every row is counted: {percent(counted)}", "dim")] if counted is not None else []
        cause = [(f"  cause? {self.foreign(part.causes[0].words, 100)}", "dim")] if part.causes else []
        left = [(" of what the filter leaves", "dim")] if scene.filtered else []
        title = (self.foreign(part.title), "")
        return [(f" {self.foreign(part.model, 40)} ", "accent"), title, *left, *progress, *cause]

    def empty(self, part: Finding, scene: Scene, width: int) -> list[Line]:
        if part.mix:
            arrow = "->" if self.look.ascii else "→"
            moved: list[Line] = [
                (
                    (f"  {self.named(shift.where)}", "bold"),
                    (f"  {percent(shift.share_before)} {arrow} {percent(shift.share_now)} of rows", ""),
                    (f"  at a rate of {percent(shift.rate_before)}", "dim"),
                    (f"  makes {percent(_part(shift))} of the change", "dim"),
                )
                for shift in part.mix
            ]
            rolled_out = part.mix[0].where[0][0] == "version"
            said = "rows moved to another version, no version changed" if rolled_out else "traffic moved, rates did not"
            return [((f"  {said}", "bold"),), *moved]
        said, why = _nowhere(part, scene)
        return [((f"  {said}: ", "bold"), (why, "dim"))]

    def summary(self, part: Finding, scene: Scene) -> list[Run]:
        if not part.where:
            return [(_nowhere(part, scene)[0], "dim")]
        return [(f"{self.named(part.where[0].where)} {percent(part.where[0].share_of_change)}", "")]

    def title_of(self, segment: Segment) -> str:
        """The name, marked `~` while it is estimated from a sample, with the other names of the same rows."""
        same = "".join(f", same rows as {self.named(alias)}" for alias in segment.aliases[:1])
        return f"{'~' if segment.sampled else ''}{self.named(segment.where)}{same}"

    def table(self, part: Finding, scene: Scene, width: int) -> tuple[list[Line], Callable[[Segment], Line]]:
        return segment_table(
            part.where, width, WORDING, self.title_of, lambda segment: segment.share_of_change, ascii=self.look.ascii
        )


def _part(shift: MixShift) -> float:
    """What a moved share makes of the change: where another works against it, it is not told as more than all."""
    return min(1.0, shift.share_of_change) if abs(shift.share_of_change) >= 0.0005 else 0.0


def _nowhere(part: Finding, scene: Scene) -> tuple[str, str]:
    """What is said of a finding without segments, and why it has none."""
    if part.check == NOTHING:
        if scene.loading:
            return "not known yet", "a source is still being read"
        if not scene.compared:
            return "nothing to compare", "the baseline holds none of these rows"
        if scene.filtered:
            return "nothing to locate", "nothing changed in the rows that the filter leaves"
        return "nothing to locate", "no finding stands for these rows"
    if part.check == "duplicate_ids":
        return "no segment is sought", "a row does not say that another one has its id"
    reason = "a version stands for itself" if part.signal is Signal.VERSION else "it is spread over all of them"
    return "no segment carries this change", reason
