"""SPLIT: one model by the values of a dimension, a row and a small chart each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from analysis.split import Measure, Split, SplitRow
from widgets.axis import Axis
from widgets.chart import Polyline, draw
from widgets.latency import extremes
from widgets.lines import Column, Line, Run, beside, cells, fitted, heading, layout, row
from widgets.listing import ListPanel, Room
from widgets.look import Look, Scene
from widgets.text import NONE, between, count, duration, ms, percent, points, quantity, ratio, sparkline, tenths

CHART_WIDTH, CHART_HEIGHT = 36, 6
"""Least cells of a small chart, its heading included."""

TITLES = {
    Measure.P99: "p99",
    Measure.ERRORS: "errors per request",
    Measure.RATE: "requests per second",
    Measure.RIGHT: "accuracy",
}
LOUD = 1.5


class SplitPanel(ListPanel[Split, SplitRow]):
    """A table of the values; below it, where there is room, the course of each on one common scale."""

    NAME = "SPLIT"

    def __init__(self, look: Look | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(look, id=id, classes=classes)
        self._axis, self._shares = Axis(), Axis(zero=False)

    def items(self, part: Split) -> Sequence[SplitRow]:
        return part.rows

    def key_of(self, item: SplitRow) -> Hashable:
        return item.value

    def heading(self, part: Split, scene: Scene) -> list[Run]:
        return [
            (f" {self.foreign(part.model, 40)}", "accent"),
            (f" by {self.foreign(part.dim, 40)}: ", ""),
            (TITLES[part.measure], "bold"),
            # Labels are late, so this may reach further back than the window.
            (f" of {duration(part.span_s)}" if part.span_s else "", "dim"),
        ]

    def summary(self, part: Split, scene: Scene) -> list[Run]:
        return [(f"by {self.foreign(part.dim, 40)} ", "")]

    def room(self, part: Split, width: int, height: int) -> Room:
        table = len(part.rows) + 1
        left = height - table
        return Room(width, table, width, left) if left >= CHART_HEIGHT else Room(width, height)

    def table(self, part: Split, scene: Scene, width: int) -> tuple[list[Line], Callable[[SplitRow], Line]]:
        names = max((cells(((self.foreign(found.value, 60), ""),)) for found in part.rows), default=5)
        first = Column(self.foreign(part.dim, 40), min(max(8, names), 20), right=False, grow=2, most=max(8, names))
        return self._right(first, width) if part.measure is Measure.RIGHT else self._traffic(first, width)

    def _right(self, first: Column, width: int) -> tuple[list[Line], Callable[[SplitRow], Line]]:
        columns = [
            first,
            Column("labels", 6, rank=3),
            Column("known", 6, rank=4),
            Column("right", 6),
            Column("95%", 11, rank=1),
            Column("before", 6, rank=2),
            Column("change", 7),
            Column("p", 6, rank=2),
            Column("share", 13, rank=5),
            Column("course", 8, right=False, rank=6, grow=3, most=60),
        ]
        sizes = layout(columns, width)

        def put(found: SplitRow) -> Line:
            told = found.right
            if told is None:
                return row(columns, sizes, [(self.foreign(found.value, 60), "")], ascii=self.look.ascii)
            change = None if told.share is None or told.baseline is None else told.share - told.baseline
            values: list[Run] = [
                (self.foreign(found.value, 60), "bold" if told.fell else ""),
                (count(told.n), "dim"),
                (percent(told.coverage), "dim"),
                (tenths(told.share), "warning" if told.fell else ""),
                (NONE if told.share is None else between(told.interval), "dim"),
                (tenths(told.baseline), "dim"),
                (NONE if change is None else points(change), "warning" if told.fell else "dim"),
                (NONE if change is None else "<.001" if told.p < 0.001 else f"{told.p:.3f}", "dim"),
                (f"{percent(found.share_baseline)} -> {percent(found.share)}", "dim"),
                (sparkline(found.now.tolist(), sizes[9], ascii=self.look.ascii), "spark"),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], put

    def _traffic(self, first: Column, width: int) -> tuple[list[Line], Callable[[SplitRow], Line]]:
        columns = [
            first,
            Column("n", 6, rank=4),
            Column("share", 13, rank=5),
            Column("p50", 7, rank=3),
            Column("p99", 7),
            Column("before", 7, rank=2),
            Column("ratio", 6, rank=1),
            Column("err%", 6),
            Column("before", 6, rank=2),
            Column("course", 8, right=False, rank=6, grow=3, most=60),
        ]
        sizes = layout(columns, width)

        def put(found: SplitRow) -> Line:
            loud = found.p99 is not None and found.p99_baseline is not None and found.p99 > LOUD * found.p99_baseline
            failing = found.errors is not None and found.errors > LOUD * (found.errors_baseline or 0.0) + 0.001
            values: list[Run] = [
                (self.foreign(found.value, 60), "bold" if loud or failing else ""),
                (count(found.n), "dim"),
                (f"{percent(found.share_baseline)} -> {percent(found.share)}", "dim"),
                (ms(found.p50), ""),
                (ms(found.p99), "warning" if loud else ""),
                (ms(found.p99_baseline), "dim"),
                (ratio(found.p99, found.p99_baseline), "warning" if loud else "dim"),
                (percent(found.errors), "warning" if failing else ""),
                (percent(found.errors_baseline), "dim"),
                (sparkline(found.now.tolist(), sizes[9], ascii=self.look.ascii), "spark"),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], put

    def detail(self, part: Split, scene: Scene, item: SplitRow, width: int, height: int) -> list[Line]:
        """As many small charts as fit, in the order of the rows from the one under the cursor on; one scale for all."""
        if part.t is None:
            return []
        across = max(1, min(len(part.rows), width // CHART_WIDTH))
        down = max(1, min(-(-len(part.rows) // across), height // CHART_HEIGHT))
        first = 0 if across * down >= len(part.rows) else part.rows.index(item)
        shown = part.rows[first : first + across * down]
        each, tall = (width - 2 * (across - 1)) // across, height // down
        own = self._shares if part.measure is Measure.RIGHT else self._axis
        axis = own.about((part.model, part.dim, part.measure, scene.question))
        limits = axis.limits(*extremes([found.now for found in part.rows]))
        out: list[Line] = []
        for start in range(0, len(shown), across):
            block: list[Line] = []
            for i, found in enumerate(shown[start : start + across]):
                name: Run = (f" {self.foreign(found.value, 60)}", "bold")
                at = scene.cursor_in(part.t)
                read = [(f"  n {count(found.n)}", "dim")]
                if at is not None:
                    read = self.reading([("", quantity(float(found.now[at]), part.measure.unit), "now")])
                title = fitted([name, *read], each)
                chart = draw(
                    [Polyline(part.t, found.now, "p99", found.value, step=scene.step)],
                    (each, tall - 1),
                    limits=limits,
                    span=(scene.start, scene.end),
                    unit=part.measure.unit,
                    marks=self.chart_marks(),
                    marker=self.look.dots,
                    zone=self.look.clock_zone,
                )
                small = [title, *chart]
                block = small if i == 0 else beside(block, small, each * i + 2 * (i - 1))
            out += block
        return out
