"""LATENCY: percentiles of the model in focus over time, now and as expected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.answer import LatencyPanel as LatencyPart
from analysis.objectives import times
from widgets.axis import Axis
from widgets.chart import Picture, Polyline, draw, legend
from widgets.lines import Column, Line, Run, heading, layout, row
from widgets.look import Look, Scene
from widgets.panel import OPEN, Panel
from widgets.text import NONE, count, duration, ms, percent, ratio, since

if TYPE_CHECKING:
    from analysis.evidence import Floats

QUANTILES = ("p50", "p90", "p95", "p99")
_COMPACT = ("p50", "p99")
LOUD = 1.5
"""A percentile this many times its baseline is written in the colour of a warning."""

SURE_P = 0.001
"""Chance below which the share of slow requests has changed."""


class LatencyPanel(Panel[LatencyPart], can_focus=True):
    """p99 against the baseline; with room, all four percentiles and their table."""

    NAME = "LATENCY"
    BINDINGS = OPEN

    def __init__(self, look: Look | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(look, id=id, classes=classes)
        self._axis = Axis()
        self._picture = Picture()

    def has_data(self, part: LatencyPart) -> bool:
        return part.t is not None and len(part.t) > 0 and bool(part.now)

    def heading(self, part: LatencyPart, scene: Scene) -> list[Run]:
        name: list[Run] = [(f" {self.foreign(part.model, 40)}", "accent")] if part.model else []
        if not self.has_data(part) or self.size.width < 46:
            return name
        at = scene.cursor_in(part.t)
        if at is not None:
            read = [(q, ms(float(part.now[q][at])), q) for q in reversed(QUANTILES) if q in part.now]
            if "p99" in part.baseline:
                read.append((f"p99 {scene.baseline}", ms(float(part.baseline["p99"][at])), "base"))
            return name + self.reading(read)
        return name + legend(self._series(part, scene, self._names(part))[::-1], ascii=self.look.ascii)

    def summary(self, part: LatencyPart, scene: Scene) -> list[Run]:
        now, before = part.window.get("p99"), part.window_baseline.get("p99")
        return [(f"{self.foreign(part.model, 40)} p99 {ms(now)} {ratio(now, before)} ", "")]

    def body(self, part: LatencyPart, scene: Scene, width: int, height: int) -> list[Line]:
        if height < 4 or width < 24:
            return [self._numbers(part, width)][:height]
        table = self._table(part, scene, width) if height >= 16 else [self._numbers(part, width)] if height >= 7 else []
        if height >= 18 and part.slow:
            table += self._slow(part, width)
        if part.exported and height >= 9:
            table.append((("  " + part.exported, "dim"),))
        return [*self._chart(part, scene, (width, height - len(table))), *table]

    def _names(self, part: LatencyPart) -> tuple[str, ...]:
        height = self.size.height
        wanted = QUANTILES if height >= 17 else _COMPACT if height >= 12 else ("p99",)
        return tuple(name for name in wanted if name in part.now)

    def _series(self, part: LatencyPart, scene: Scene, names: tuple[str, ...]) -> list[Polyline]:
        if part.t is None:
            return []
        out = [Polyline(part.t, part.now[name], name, name, step=scene.step) for name in names]
        if "p99" in part.baseline:
            label = f"p99 {scene.baseline}" if len(names) > 1 else scene.baseline
            out.insert(0, Polyline(part.t, part.baseline["p99"], "base", label, dotted=True, step=scene.step))
        return out

    def _chart(self, part: LatencyPart, scene: Scene, size: tuple[int, int]) -> list[Line]:
        names = self._names(part)
        key = (size, self.look, scene.start, scene.end, scene.baseline, self.chart_marks(), names)

        def make() -> list[Line]:
            series = self._series(part, scene, names)
            axis = self._axis.about((part.model, part.status.source, scene.question))
            limits = axis.limits(*extremes([line.v for line in series]))
            return draw(
                series,
                size,
                limits=limits,
                span=(scene.start, scene.end),
                unit="ms",
                marks=self.chart_marks(),
                marker=self.look.dots,
                zone=self.look.clock_zone,
            )

        return self._picture.get(key, (part.t, part.now, part.baseline), make)

    def _numbers(self, part: LatencyPart, width: int) -> Line:
        """`p50 41ms  p90 .. p99 712ms x3.9  n 1.1M`; the tail comes first where there is no room for all."""
        out: list[Run] = [(" ", "")]
        for name in QUANTILES if width >= 72 else _COMPACT:
            now, before = part.window.get(name), part.window_baseline.get(name)
            out += [(f"{name} ", "dim"), (ms(now), "bold"), (f" {ratio(now, before)}  ", _loud(now, before))]
        out.append((f"n {count(part.n)}", "dim"))
        return tuple(out)

    def _table(self, part: LatencyPart, scene: Scene, width: int) -> list[Line]:
        columns = [
            Column("lately" if part.exported else f"in {duration(scene.end - scene.start)}", 7, right=False),
            Column("now", 8, grow=1, most=12),
            Column("baseline", 8, grow=1, most=12),
            Column("ratio", 7, grow=1, most=12),
            Column("n", 7, rank=1, grow=1, most=12),
            Column("n baseline", 10, rank=2, grow=1, most=14),
        ]
        if part.bounds:
            columns.insert(2, Column("between", 13, rank=3))
            columns.insert(5, Column("ratio between", 13, rank=4))
        sizes = layout(columns, width - 2)
        out: list[Line] = [(("  ", ""), *heading(columns, sizes))]
        for name in QUANTILES:
            out.append((("  ", ""), *row(columns, sizes, self._row(part, name))))
        if part.moved:
            out.append((("  moved: ", "dim"), (part.moved, "warning")))
        if part.knee is not None:
            words = f"latency climbs with load beyond {part.knee.words}; now {count(part.knee.now)} req/s"
            out.append((("  knee: ", "dim"), (words, "warning" if part.knee.beyond else "dim")))
        if part.told is not None and part.told.onset is not None:
            began = since(part.told.onset, part.told.onset_between, self.look.clock_zone, near=scene.now)
            title, role = self.foreign(part.told.title), str(part.told.severity.value)
            out.append(((f"  since {began}: ", "dim"), (title, role), (f"  n {count(part.told.n)}", "dim")))
        return out

    def _slow(self, part: LatencyPart, width: int) -> list[Line]:
        """The share of requests above each threshold, as far as the bins tell it."""
        columns = [
            Column("slower than", 11, right=False),
            Column("now", 11, grow=1, most=16),
            Column("baseline", 11, grow=1, most=16),
            Column("ratio", 6, grow=1, most=12),
            Column("95% between", 13, rank=3),
            Column("promised", 9, rank=1),
            Column("burn", 5, rank=2),
        ]
        sizes = layout(columns, width - 2)
        out: list[Line] = [(("  ", ""), *heading(columns, sizes))]
        for slow in part.slow:
            worse = slow.p < SURE_P and slow.at_edge > slow.at_edge_baseline
            values: list[Run] = [
                (ms(slow.threshold_ms), ""),
                (_share(slow.now), "bold"),
                (_share(slow.baseline), "dim"),
                (ratio(slow.at_edge, slow.at_edge_baseline), "warning" if worse else "dim"),
                (between(percent(slow.interval[0]), percent(slow.interval[1]), unbounded=False), "dim"),
                ("usual p99" if slow.target is None else f"<= {percent(1 - slow.target)}", "dim"),
                (times(slow.burn), "warning" if slow.burn is not None and slow.burn > 1 else "dim"),
            ]
            out.append((("  ", ""), *row(columns, sizes, values)))
        return out

    def _row(self, part: LatencyPart, name: str) -> list[Run]:
        now, before = part.window.get(name), part.window_baseline.get(name)
        low, high = part.bounds.get(name, (math.nan, math.nan))
        least, most = part.ratio_bounds.get(name, (math.nan, math.nan))
        within: list[Run] = [(between(ms(low), ms(high), math.isinf(high)), "dim")]
        times: list[Run] = [(between(ratio(least, 1.0), ratio(most, 1.0), math.isinf(most)), "dim")]
        return [
            (name, name),
            (f">{ms(now)}" if now is not None and low >= now and math.isinf(high) else ms(now), "bold"),
            *(within if part.bounds else []),
            (ms(before), "dim"),
            (ratio(now, before), _loud(now, before)),
            *(times if part.bounds else []),
            (count(part.n), "dim"),
            (count(part.n_baseline), "dim"),
        ]


def between(low: str, high: str, unbounded: bool) -> str:
    """`250ms-500ms`; `>10s` where nothing is known above."""
    if unbounded:
        return f">{low}" if low != NONE else NONE
    return NONE if NONE in (low, high) else f"{low}-{high}"


def _share(bounds: tuple[float, float]) -> str:
    """`1.2%` where the bins tell it, `0.9%-1.4%` where the threshold lies inside one."""
    low, high = percent(bounds[0]), percent(bounds[1])
    return low if low == high else f"{low}-{high}"


def _loud(now: float | None, before: float | None) -> str:
    return "warning" if now is not None and before is not None and now > before * LOUD else "dim"


def extremes(arrays: list[Floats]) -> tuple[float, float]:
    """Smallest and largest finite value of all arrays; NaN twice where there is none."""
    low, high = math.inf, -math.inf
    for array in arrays:
        finite = [value for value in array.tolist() if math.isfinite(value)]
        if finite:
            low, high = min(low, *finite), max(high, *finite)
    return (low, high) if low <= high else (math.nan, math.nan)
