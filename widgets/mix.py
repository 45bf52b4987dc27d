"""MIX: how traffic moved - the share of each value before and now, and what of the rate's change that makes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from analysis.mix import Mix, MixRow
from widgets.lines import Column, Line, Run, cells, heading, layout, row
from widgets.listing import ListPanel
from widgets.look import Scene
from widgets.text import count, percent


class MixPanel(ListPanel[Mix, MixRow]):
    """Per value of a dimension: share before and now, rate before and now, and its part of the change."""

    NAME = "MIX"

    def items(self, part: Mix) -> Sequence[MixRow]:
        return part.rows

    def key_of(self, item: MixRow) -> Hashable:
        return item.where

    def has_data(self, part: Mix) -> bool:
        return bool(part.rows)

    def heading(self, part: Mix, scene: Scene) -> list[Run]:
        return [(f" {self.foreign(part.model, 40)} ", "accent"), (self.foreign(part.title, 80), "")]

    def summary(self, part: Mix, scene: Scene) -> list[Run]:
        return [(f"{self.foreign(part.title, 60)} ", "")]

    def empty(self, part: Mix, scene: Scene, width: int) -> list[Line]:
        return [(("  too few rows to compare the traffic with", "bold"),)]

    def said(self, part: Mix) -> list[Line]:
        """The answer in one line, or two where a value was replaced."""
        if part.rate_now is None or part.rate_before is None:
            return [((f"  how the {count(part.n)} rows were distributed, before and now", "bold"),)]
        arrow = "->" if self.look.ascii else "→"
        rates = f"rate {percent(part.rate_before)} {arrow} {percent(part.rate_now)}"
        if part.replaced is not None:
            dim, old, new = part.replaced.dim, part.replaced.before, part.replaced.now
            words = f"{self.named(((dim, new),))} took over from {self.named(((dim, old),))}"
            told = f"  few rows keep their {self.foreign(dim, 40)}: no telling mix from rates"
            return [((f"  {rates}: ", "bold"), (words, "")), ((told, "dim"),)]
        if part.part is None:
            return [((f"  {rates}", "bold"),)]
        if part.part < 0.05:
            words = "moved traffic makes none of it, rates do"
        elif part.dim == "version":
            of_version = (item for item in part.rows if item.where[0][0] == part.dim)
            grown = max(of_version, key=lambda item: item.share_now - item.share_before)
            words = f"the move to {self.named(grown.where)} makes {percent(min(part.part, 1.0))} of it"
        else:
            words = f"moved traffic makes {percent(min(part.part, 1.0))} of it, by {self.foreign(part.dim, 40)}"
        return [((f"  {rates}: ", "bold"), (words, ""))]

    def table(self, part: Mix, scene: Scene, width: int) -> tuple[list[Line], Callable[[MixRow], Line]]:
        names = max((cells(((self.named(item.where), ""),)) for item in part.rows), default=7)
        rates = part.rate_now is not None
        judged = [
            Column("rate before", 11, rank=3),
            Column("rate now", 8, rank=2),
            Column("of change", 9, rank=1),
        ]
        columns = [
            Column("value", min(max(7, names), 24), right=False, grow=3, most=max(7, names)),
            Column("before", 7),
            Column("now", 7),
            Column("moved", 8, rank=0),
            *(judged if rates else []),
            Column("n", 6, rank=4),
        ]
        sizes = layout(columns, width)

        def put(item: MixRow) -> Line:
            moved = 100 * (item.share_now - item.share_before)
            told: list[Run] = [
                (_or_gap(item.rate_before), "dim"),
                (_or_gap(item.rate_now), "dim"),
                (_or_gap(item.part), "warning" if item.part is not None and item.part >= 0.5 else ""),
            ]
            values: list[Run] = [
                (self.named(item.where), "bold"),
                (percent(item.share_before), "dim"),
                (percent(item.share_now), ""),
                (f"{moved:+.1f}pt", "warning" if abs(moved) >= 5 else ""),
                *(told if rates else []),
                (count(item.n), "dim"),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [*self.said(part), heading(columns, sizes)], put


def _or_gap(value: float | None) -> str:
    """A share, and what is too little to write is nothing, whatever its sign."""
    return "--" if value is None else percent(value if abs(value) >= 0.0005 else 0.0)
