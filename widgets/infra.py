"""INFRA: memory, CPU, queues, restarts and dependencies of the fleet or of the model in focus."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

from analysis.answer import InfraPanel as InfraPart
from analysis.answer import InfraRow, Severity
from widgets.axis import Axis
from widgets.chart import Picture, Polyline, draw
from widgets.latency import extremes
from widgets.lines import Column, Line, Run, heading, layout, row
from widgets.listing import ListPanel, Room, stacked
from widgets.look import Look, Scene
from widgets.palette import SEVERITY_WORDS
from widgets.text import age, quantity, sparkline


class InfraPanel(ListPanel[InfraPart, InfraRow]):
    """Readings with their limits; with room, the course of the one under the cursor against its limit."""

    NAME = "INFRA"

    def __init__(self, look: Look | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(look, id=id, classes=classes)
        self._axes = {binary: Axis(binary=binary) for binary in (False, True)}
        self._picture = Picture()

    def items(self, part: InfraPart) -> Sequence[InfraRow]:
        return part.rows

    def key_of(self, item: InfraRow) -> Hashable:
        return (item.metric, item.model, item.name)

    def heading(self, part: InfraPart, scene: Scene) -> list[Run]:
        bad = sum(1 for reading in part.rows if reading.state.rank >= Severity.WARNING.rank)
        return [(f" {len(part.rows)}", "dim"), *([(f"  {bad} not ok", "warning")] if bad else [])]

    def summary(self, part: InfraPart, scene: Scene) -> list[Run]:
        worst = max(part.rows, key=lambda reading: reading.state.rank, default=None)
        if worst is None or worst.state.rank < Severity.WARNING.rank:
            return [(f"{len(part.rows)} readings ok ", "")]
        words = f"{worst.metric} {self.foreign(worst.name)} {quantity(worst.now, worst.unit)} "
        return [(SEVERITY_WORDS[worst.state][0], str(worst.state.value)), (f" {words}", "")]

    def table(self, part: InfraPart, scene: Scene, width: int) -> tuple[list[Line], Callable[[InfraRow], Line]]:
        names = max((len(self.foreign(reading.name)) for reading in part.rows), default=4)
        notes = max((len(self.foreign(reading.note)) for reading in part.rows), default=0)
        metrics = max((len(reading.metric) for reading in part.rows), default=6)
        columns = [
            Column("metric", min(max(6, metrics), 19), right=False),
            Column("where", min(max(5, names), 12), right=False, rank=1, grow=2, most=max(5, names)),
            Column("now", 8),
            Column("baseline", 8, rank=3),
            Column("limit", 7, rank=4),
            Column("age", 4, rank=5),
            Column("state", 6, right=False),
            Column("course", 8, right=False, rank=2, grow=2, most=40),
            Column("note", min(max(4, notes), 16), right=False, rank=5, grow=4, most=max(4, notes)),
        ]
        sizes = layout(columns, width)

        def draw_row(reading: InfraRow) -> Line:
            role = str(reading.state.value)
            loud = reading.state.rank >= Severity.WARNING.rank
            course = [] if reading.v is None else reading.v.tolist()
            values: list[Run] = [
                (reading.metric, "bold" if loud else ""),
                (self.foreign(reading.name), ""),
                (quantity(reading.now, reading.unit), role if loud else ""),
                (quantity(reading.baseline, reading.unit), "dim"),
                (quantity(reading.limit, reading.unit) if reading.limit is not None else "", "dim"),
                (age(None if reading.newest is None else scene.now - reading.newest), "dim"),
                (SEVERITY_WORDS[reading.state][0], role),
                (sparkline(course, sizes[7], ascii=self.look.ascii), role if loud else "spark"),
                (self.foreign(reading.note), role if loud else "dim"),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], draw_row

    def room(self, part: InfraPart, width: int, height: int) -> Room:
        return stacked(len(part.rows), width, height, 9) if height >= 14 else Room(width, height)

    def detail(self, part: InfraPart, scene: Scene, item: InfraRow, width: int, height: int) -> list[Line]:
        t, v = item.t, item.v
        name = f"  {item.metric} {self.foreign(item.name)}"
        at = scene.cursor_in(t)
        note = [(f"  {self.foreign(item.note)}", "dim")]
        if at is not None and v is not None:
            note = self.reading([("", quantity(float(v[at]), item.unit), "now")])
        head: Line = ((name, "bold"), *note)
        if t is None or v is None or not len(t):
            return [head, (("  only the newest value is known", "dim"),)]
        key = self.key_of(item)
        axis = self._axes[item.unit in ("B", "bytes")].about((key, scene.question))
        rules = [(value, role) for value, role in ((item.baseline, "base"), (item.limit, "limit")) if value is not None]
        size = (width, height - 1)

        def make() -> list[Line]:
            low, high = extremes([v])
            near = [item.limit] if item.limit is not None and high > 0.5 * item.limit else []
            high = max([high, *near]) if math.isfinite(high) else high
            return draw(
                [Polyline(t, v, "now")],
                size,
                limits=axis.limits(low, high),
                span=(scene.start, scene.end),
                unit=item.unit,
                marks=self.chart_marks(),
                marker=self.look.dots,
                zone=self.look.clock_zone,
                rules=rules,
            )

        marks = (size, self.look, scene.start, scene.end, self.chart_marks(), key, tuple(rules))
        return [head, *self._picture.get(marks, (t, v), make)]
