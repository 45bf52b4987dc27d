"""RECORDS: raw rows of the log behind what is on the screen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from analysis.filters import Scalar
from analysis.records import MASKED, Record, Records
from widgets.lines import Column, Line, Run, cells, heading, layout, row
from widgets.listing import ListPanel, Room
from widgets.look import Scene
from widgets.text import TIMES, count, exact

WIDEST = 26
"""Cells of a column; longer values are read whole in the record."""


class RecordsPanel(ListPanel[Records, Record]):
    """The newest rows, one per line; beside them, where there is room, every field of the row under the cursor."""

    NAME = "RECORDS"

    def items(self, part: Records) -> Sequence[Record]:
        return part.rows

    def key_of(self, item: Record) -> Hashable:
        return item.number

    def heading(self, part: Records, scene: Scene) -> list[Run]:
        more = "newest " if len(part.rows) >= part.limit else ""
        runs: list[Run] = [(f" {self.foreign(part.model, 40)} ", "accent")] if part.model else [(" ", "")]
        runs.append((f"{more}{count(len(part.rows))} rows ", "bold"))
        return [*runs, (self.foreign(part.question, 300), "dim")]

    def summary(self, part: Records, scene: Scene) -> list[Run]:
        return [(f"{count(len(part.rows))} rows ", "")]

    def room(self, part: Records, width: int, height: int) -> Room:
        if width < 110:
            return Room(width, height)
        left = width * 2 // 3
        return Room(left, height, width - left - 2, height, right=True)

    def table(self, part: Records, scene: Scene, width: int) -> tuple[list[Line], Callable[[Record], Line]]:
        names = part.shown or part.fields
        texts = [[self.value(record, name) for name in names] for record in part.rows]
        widths = [
            min(WIDEST, max(cells(((text, ""),)) for text in (self.foreign(name, 40), *(line[i] for line in texts))))
            for i, name in enumerate(names)
        ]
        columns = [
            Column(self.foreign(name, 40), widths[i], right=_is_number(part, name), rank=i)
            for i, name in enumerate(names)
        ]
        sizes = layout(columns, width)

        def draw(record: Record) -> Line:
            values: list[Run] = [
                (text, _role(record.values.get(name))) for name, text in zip(names, texts[record.number], strict=True)
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], draw

    def value(self, record: Record, name: str) -> str:
        """One value as the list writes it: times as the clock of the screen, numbers short, null as `-`."""
        value = record.values.get(name)
        if value is None:
            return "-"
        if name in TIMES and isinstance(value, int | float) and 0 < value < 1e11:
            served = record.values.get("ts")
            far = isinstance(served, int | float) and abs(value - served) >= 86_400
            return exact(value, self.look.clock_zone, dated=far)
        if isinstance(value, float):
            return f"{value:.6g}"
        return self.foreign(str(value), 200)

    def detail(self, part: Records, scene: Scene, item: Record, width: int, height: int) -> list[Line]:
        names = part.fields[:height]
        room = min(max((cells(((self.foreign(name, 40), ""),)) for name in names), default=1), width // 2)
        columns = [Column("", room, right=False), Column("", max(1, width - room - 1), right=False)]
        sizes = [column.width for column in columns]
        return [
            row(
                columns,
                sizes,
                [(self.foreign(name, 40), "dim"), (self.value(item, name), _role(item.values.get(name)))],
                ascii=self.look.ascii,
            )
            for name in names
        ]


def _is_number(part: Records, name: str) -> bool:
    values = [record.values.get(name) for record in part.rows]
    return any(isinstance(value, int | float) for value in values) and name not in TIMES


def _role(value: Scalar | None) -> str:
    return "dim" if value is None or value == MASKED else ""
