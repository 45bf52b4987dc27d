"""ACCURACY: what the labels say, by score band and over time, and what the scores promise where labels are missing."""

from __future__ import annotations

from analysis.answer import AccuracyPanel as AccuracyPart
from analysis.answer import ScoreBand
from widgets.axis import Axis
from widgets.chart import MIN_HEIGHT, Picture, Polyline, draw
from widgets.latency import extremes
from widgets.lines import Column, Line, Run, cells, heading, layout, row
from widgets.look import Look, Scene
from widgets.panel import OPEN, Panel
from widgets.text import between, count, duration, percent, points, share, tenths

LOUD_Z = 3.3
"""A change of a band that chance makes once in a thousand times."""

LOUD_POINTS = 0.02
"""Points of accuracy that are worth a look."""

BAR = 20
"""Cells of a bar from 0 to 1."""

_COLUMNS = (
    Column("score", 9, right=False),
    Column("labels", 7),
    Column("says", 5),
    Column("right", 6),
    Column("95 %", 11, rank=2),
    Column("before", 6),
    Column("change", 8, rank=1),
    Column("", BAR, right=False, rank=3),
)


class AccuracyPanel(Panel[AccuracyPart], can_focus=True):
    """The shares in words, the score bands as a table and, with room, the course over time."""

    NAME = "ACCURACY"
    BINDINGS = OPEN

    def __init__(self, look: Look | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(look, id=id, classes=classes)
        self._axis = Axis(zero=False)
        self._line = Picture()

    def has_data(self, part: AccuracyPart) -> bool:
        return part.coverage is not None or part.estimate is not None

    def heading(self, part: AccuracyPart, scene: Scene) -> list[Run]:
        name: list[Run] = [(f" {self.foreign(part.model, 40)}", "accent")] if part.model else []
        at = scene.cursor_in(part.t)
        if at is not None and part.right_over_time is not None and part.usual_over_time is not None:
            now, usual = float(part.right_over_time[at]), float(part.usual_over_time[at])
            return name + self.reading([("right", tenths(now), "now"), ("usual", tenths(usual), "base")])
        if part.span_s and self.size.width >= 60:
            return [*name, (f" labels of the last {duration(part.span_s)}, compared at equal age", "dim")]
        return name

    def summary(self, part: AccuracyPart, scene: Scene) -> list[Run]:
        shown = f"{self.foreign(part.model, 40)} right {tenths(part.baseline)} -> {tenths(part.now)} "
        return [(f"{shown}n {count(part.n)} ", _loud(part))]

    def body(self, part: AccuracyPart, scene: Scene, width: int, height: int) -> list[Line]:
        lines = self._words(part, width)
        table = self._table(part, width)
        left = height - len(lines) - len(table) - 1
        if left < MIN_HEIGHT + 3:
            return [*lines, *table][:height]
        title: Line = ((" share right over time, dotted: usual at that age", "dim"),)
        return [*lines, *table, title, *self._chart(part, scene, (width, min(left, 18)))]

    def _words(self, part: AccuracyPart, width: int) -> list[Line]:
        lines = [
            *_folded(self._now(part), width),
            *_folded(self._labels(part), width),
            *_folded(self._promise(part), width),
            *_folded(self._meaning(part), width),
        ]
        if part.note:
            lines.insert(0, ((f" {part.note}", "warning" if part.n else "dim"),))
        return lines

    def _now(self, part: AccuracyPart) -> list[Line]:
        if part.now is None:
            return []
        role = _loud(part) if part.like else "dim"
        first: Line = (
            (" accuracy ", "dim"),
            (tenths(part.now), role),
            (f" [{between(part.interval)}]", "dim"),
            (f"  before {tenths(part.baseline)}", "dim"),
        )
        groups = [first]
        if part.difference is not None and part.baseline is not None:
            low, high = (bound * 100 for bound in part.difference)
            groups.append(
                ((f"  {points(part.now - part.baseline)}", role), (f" [{low:+.1f} {high:+.1f}]", "dim")),
            )
        if part.concept is not None and part.inputs is not None:
            groups.append(
                ((f"  at the same scores {points(part.concept)}, by other inputs {points(part.inputs)}", "dim"),)
            )
        return groups

    def _labels(self, part: AccuracyPart) -> list[Line]:
        if part.coverage is None:
            return []
        usual = f" of the rows (usual at this age {percent(part.coverage_baseline)})"
        groups: list[Line] = [
            ((" labels ", "dim"), (count(part.n), "bold"), (f", {percent(part.coverage)}{usual}", "dim")),
        ]
        if part.median_delay_s is not None:
            most = "" if part.most_delay_s is None else f", most in {_about(part.most_delay_s)}"
            groups.append(((f"  half come in {_about(part.median_delay_s)}{most}", "dim"),))
        if part.level is not None:
            groups.append(((f"  with all of them accuracy {tenths(part.level)}", "dim"),))
        return groups

    def _promise(self, part: AccuracyPart) -> list[Line]:
        if part.estimate is None:
            return []
        first: Line = (
            (" scores promise ", "dim"),
            (tenths(part.estimate), "dim" if part.doubt else "bold"),
            (f" [{between(part.estimate_band)}]", "dim"),
        )
        if part.doubt:
            return [first, ((f"  do not rely on it: {part.doubt}", "warning"),)]
        return [first, (("  if a score means what it meant", "dim"),)]

    def _meaning(self, part: AccuracyPart) -> list[Line]:
        if part.ece is None:
            return []
        loud = part.ece_debiased is not None and part.ece_debiased >= LOUD_POINTS
        return [
            ((" calibration error ", "dim"), (tenths(part.ece), "warning" if loud else "bold")),
            ((f"  chance alone {tenths(part.ece_floor)}, before {tenths(part.ece_baseline)}", "dim"),),
        ]

    def _table(self, part: AccuracyPart, width: int) -> list[Line]:
        if not part.bands:
            return []
        sizes = layout(_COLUMNS, width - 2)
        head: Line = (("  ", ""), *heading(_COLUMNS, sizes))
        rows = [(("  ", ""), *row(_COLUMNS, sizes, self._band(band))) for band in part.bands]
        return [head, *rows]

    def _band(self, band: ScoreBand) -> list[Run]:
        known = band.right is not None and band.right_baseline is not None
        change = points((band.right or 0.0) - (band.right_baseline or 0.0)) if known else ""
        loud = "warning" if band.z is not None and abs(band.z) >= LOUD_Z else "bold"
        return [
            (f"{band.low:.1f}-{band.high:.1f}", ""),
            (count(band.n), "dim"),
            (share(band.said), "dim"),
            (tenths(band.right), loud),
            (between(band.interval) if band.n else "", "dim"),
            (tenths(band.right_baseline), "dim"),
            (change, loud if loud == "warning" else "dim"),
            (self._bar(band), "now"),
        ]

    def _bar(self, band: ScoreBand) -> str:
        """The share right as a bar with a mark where the score says it is."""
        if band.right is None:
            return ""
        full, tick = ("#", "|") if self.look.ascii else ("━", "┃")
        filled = round(band.right * BAR)
        bar = list(full * filled + " " * (BAR - filled))
        if band.said is not None:
            bar[min(BAR - 1, max(0, round(band.said * BAR) - 1))] = tick
        return "".join(bar)

    def _chart(self, part: AccuracyPart, scene: Scene, size: tuple[int, int]) -> list[Line]:
        t, right, usual = part.t, part.right_over_time, part.usual_over_time
        if t is None or right is None or usual is None:
            return []

        def make() -> list[Line]:
            series = [
                Polyline(t, usual, "base", "usual", dotted=True, step=scene.step),
                Polyline(t, right, "now", "right", step=scene.step),
            ]
            return draw(
                series,
                size,
                limits=self._axis.about((part.model, scene.question)).limits(*extremes([usual, right])),
                span=(scene.start, scene.end),
                unit="share",
                marks=self.chart_marks(),
                marker=self.look.dots,
                zone=self.look.clock_zone,
            )

        return self._line.get((size, self.look, scene.start, scene.end, self.chart_marks()), (t, right, usual), make)


def _folded(groups: list[Line], width: int) -> list[Line]:
    """Groups of runs behind each other; one that has no room begins a new line."""
    lines: list[Line] = []
    for group in groups:
        if lines and cells(lines[-1]) + cells(group) <= width:
            lines[-1] = (*lines[-1], *group)
        else:
            lines.append(group)
    return lines


def _about(seconds: float) -> str:
    """A delay to the minute from ten minutes on."""
    return duration(round(seconds / 60) * 60 if seconds >= 600 else seconds)


def _loud(part: AccuracyPart) -> str:
    """Whether accuracy moved by what is worth a look, as surely as the interval says."""
    if part.difference is None:
        return "bold"
    low, high = part.difference
    return "warning" if high < 0 and (low + high) / 2 <= -LOUD_POINTS / 2 else "bold"
