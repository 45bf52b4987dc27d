"""ERRORS: error types of the model in focus, NEW and rising ones first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from analysis.answer import ErrorRow, State
from analysis.answer import ErrorsPanel as ErrorsPart
from widgets.lines import Column, Line, Run, heading, layout, row
from widgets.listing import ListPanel, Room, stacked
from widgets.look import Scene
from widgets.text import age, clock, count, percent, ratio, sparkline, wrap

_ROLES = {"NEW": "critical", "back": "warning", "rising": "warning", "burst": "warning", "fading": "dim", "gone": "dim"}


class ErrorsPanel(ListPanel[ErrorsPart, ErrorRow]):
    """Error types with their rate per 1,000 requests, their course and a raw message of the one under the cursor."""

    NAME = "ERRORS"
    CLOCKED = True

    def items(self, part: ErrorsPart) -> Sequence[ErrorRow]:
        return part.rows

    def key_of(self, item: ErrorRow) -> Hashable:
        return item.error_type

    def has_data(self, part: ErrorsPart) -> bool:
        return bool(part.rows) or part.status.state in (State.LIVE, State.STALE)

    def heading(self, part: ErrorsPart, scene: Scene) -> list[Run]:
        out: list[Run] = [(f" {self.foreign(part.model, 40)}", "accent")] if part.model else []
        at = scene.cursor_in(part.t)
        if at is not None:
            worst = sorted(part.rows, key=lambda error: -float(error.counts[at]))[:3]
            read = [(self.foreign(error.error_type, 30), count(float(error.counts[at])), "bold") for error in worst]
            return out + self.reading(read)
        if part.ratio is not None:
            out.append((f" {percent(part.ratio_baseline)} -> ", "dim"))
            out.append((percent(part.ratio), "bold"))
            out.append((f"  n {count(part.n)}", "dim"))
        if part.mix:
            out.append((f"  {part.mix}", "warning" if part.mix.startswith("mix changed") else "dim"))
        return out

    def summary(self, part: ErrorsPart, scene: Scene) -> list[Run]:
        first = f" {part.rows[0].state} {self.foreign(part.rows[0].error_type)} " if part.rows else " "
        return [(f"{self.foreign(part.model, 40)} {percent(part.ratio)}{first}", "")]

    def empty(self, part: ErrorsPart, scene: Scene, width: int) -> list[Line]:
        if part.ratio:
            return [((f"  {percent(part.ratio)} of {count(part.n)} requests failed: of which kind is not told", ""),)]
        return [((f"  no errors in {count(part.n)} requests", "dim"),)]

    def table(self, part: ErrorsPart, scene: Scene, width: int) -> tuple[list[Line], Callable[[ErrorRow], Line]]:
        names = max((len(self.foreign(error.error_type)) for error in part.rows), default=5)
        columns = [
            Column("state", 6, right=False),
            Column("error type", min(max(10, names), 20), right=False, grow=4, most=max(10, names)),
            Column("per 1k", 6),
            Column("before", 6, rank=1),
            Column("ratio", 6, rank=3),
            Column("count", 5, rank=4),
            Column("course", 8, right=False, rank=2, grow=2, most=60),
            Column("first seen", 10, rank=5),
        ]
        sizes = layout(columns, width)

        def draw(error: ErrorRow) -> Line:
            role = _ROLES.get(error.state, "")
            gone = self.look.ascii
            course = sparkline(error.counts.tolist(), sizes[6], ascii=gone)
            fresh = error.per_1k_baseline == 0 and error.per_1k > 0
            values: list[Run] = [
                (error.state, role or "dim"),
                (self.foreign(error.error_type), "bold" if role in ("critical", "warning") else ""),
                (count(error.per_1k), role if role != "dim" else ""),
                (count(error.per_1k_baseline), "dim"),
                ("new" if fresh else ratio(error.per_1k, error.per_1k_baseline), role or "dim"),
                (count(error.count), "dim"),
                (course, role if role in ("critical", "warning") else "spark"),
                (age(scene.now - error.first_seen) + " ago" if error.first_seen is not None else "--", "dim"),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], draw

    def room(self, part: ErrorsPart, width: int, height: int) -> Room:
        return stacked(len(part.rows), width, height, 4) if height >= 12 else Room(width, height)

    def detail(self, part: ErrorsPart, scene: Scene, item: ErrorRow, width: int, height: int) -> list[Line]:
        rule = ("-" if self.look.ascii else "─") * max(0, width - 4)
        head: list[Run] = [("  ", ""), (self.foreign(item.error_type), "bold")]
        if item.first_seen is not None:
            head.append((f"  first seen {clock(item.first_seen, self.look.clock_zone, seconds=True)}", "dim"))
        text = self.foreign(item.sample, 2_000) or "no message is logged for this type"
        rows: list[Line] = [(("  " + line, ""),) for line in wrap(text, max(1, width - 4), height - 2)]
        return [(("  " + rule, "rule"),), tuple(head), *rows][:height]
