"""WHERE: the segments that carry a finding, by the share of the change they explain."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from analysis.answer import Finding, Segment, Signal
from widgets.lines import Column, Line, Run, cells, heading, layout, row
from widgets.listing import ListPanel
from widgets.look import Scene
from widgets.text import count, percent, ratio


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
        cause = [(f"  cause? {self.foreign(part.causes[0].words, 100)}", "dim")] if part.causes else []
        return [(f" {self.foreign(part.model, 40)} ", "accent"), (self.foreign(part.title), ""), *cause]

    def empty(self, part: Finding, scene: Scene, width: int) -> list[Line]:
        if part.mix:
            arrow = "->" if self.look.ascii else "→"
            moved: list[Line] = [
                (
                    (f"  {self.named(shift.where)}", "bold"),
                    (f"  {percent(shift.share_before)} {arrow} {percent(shift.share_now)} of rows", ""),
                    (f"  at a rate of {percent(shift.rate_before)}", "dim"),
                    (f"  makes {percent(shift.share_of_change)} of the change", "dim"),
                )
                for shift in part.mix
            ]
            return [(("  traffic moved, rates did not", "bold"),), *moved]
        said, why = _nowhere(part)
        return [((f"  {said}: ", "bold"), (why, "dim"))]

    def summary(self, part: Finding, scene: Scene) -> list[Run]:
        if not part.where:
            return [(_nowhere(part)[0], "dim")]
        return [(f"{self.named(part.where[0].where)} {percent(part.where[0].share_of_change)}", "")]

    def title_of(self, segment: Segment) -> str:
        """The name, marked `~` while it is estimated from a sample, with the other names of the same rows."""
        same = "".join(f", same rows as {self.named(alias)}" for alias in segment.aliases[:1])
        return f"{'~' if segment.sampled else ''}{self.named(segment.where)}{same}"

    def table(self, part: Finding, scene: Scene, width: int) -> tuple[list[Line], Callable[[Segment], Line]]:
        names = max((cells(((self.title_of(segment), ""),)) for segment in part.where), default=7)
        columns = [
            Column("segment", min(max(7, names), 18), right=False, grow=3, most=max(7, names)),
            Column("explains", 8),
            Column("", 8, right=False, rank=6, grow=1, most=20),
            Column("in", 6, rank=1),
            Column("outside", 7, rank=2),
            Column("before", 6, rank=3),
            Column("lift", 6, rank=4),
            Column("of rows", 7, rank=5),
            Column("n", 6, rank=7),
            Column("p", 7, rank=8),
        ]
        sizes = layout(columns, width)
        full, rest = ("#", ".") if self.look.ascii else ("█", "░")

        def draw(segment: Segment) -> Line:
            explained = max(0.0, min(1.0, segment.share_of_change))
            filled = round(explained * sizes[2])
            values: list[Run] = [
                (self.title_of(segment), "dim" if segment.alternative else "bold"),
                (percent(segment.share_of_change), "warning" if explained >= 0.5 else ""),
                (full * filled + rest * (sizes[2] - filled), "spark"),
                (percent(segment.rate_in), ""),
                (percent(segment.rate_out), "dim"),
                (percent(segment.rate_before), "dim"),
                (ratio(segment.lift, 1.0), ""),
                (percent(segment.support), "dim"),
                (count(segment.n), "dim"),
                ("<.001" if segment.p_adjusted < 0.001 else f"{segment.p_adjusted:.3f}", "dim"),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], draw


def _nowhere(part: Finding) -> tuple[str, str]:
    """What is said of a finding without segments, and why it has none."""
    if part.check == "duplicate_ids":
        return "no segment is sought", "a row does not say that another one has its id"
    reason = "a version stands for itself" if part.signal is Signal.VERSION else "it is spread over all of them"
    return "no segment carries this change", reason
