"""CONFIDENCE: the distribution of the model's confidence, now against the baseline."""

from __future__ import annotations

from analysis.answer import ConfidencePanel as ConfidencePart
from widgets.axis import Axis
from widgets.chart import HISTOGRAM_HEIGHT, HISTOGRAM_WIDTH, MIN_HEIGHT, MIN_WIDTH, Picture, Polyline, draw, histogram
from widgets.latency import extremes
from widgets.lines import Line, Run, beside
from widgets.look import Look, Scene
from widgets.panel import OPEN, Panel
from widgets.text import count, percent, share

LOUD_SHIFT = 0.1
"""A noise-adjusted distance from which the shift is written in the colour of a warning."""


class ConfidencePanel(Panel[ConfidencePart], can_focus=True):
    """Histogram and numbers; with room, the mean over time as well."""

    NAME = "CONFIDENCE"
    BINDINGS = OPEN

    def __init__(self, look: Look | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(look, id=id, classes=classes)
        self._axis = Axis(zero=False)
        self._bars = Picture()
        self._line = Picture()

    def has_data(self, part: ConfidencePart) -> bool:
        return part.now is not None and len(part.now) > 0

    def heading(self, part: ConfidencePart, scene: Scene) -> list[Run]:
        name: list[Run] = [(f" {self.foreign(part.model, 40)}", "accent")] if part.model else []
        if not self.has_data(part) or self.size.width < 46:
            return name
        at = scene.cursor_in(part.t)
        if at is not None and part.mean_over_time is not None:
            return name + self.reading([("mean", share(float(part.mean_over_time[at])), "now")])
        block, outline = ("#", ".") if self.look.ascii else ("█", "┄")
        return [*name, (" now ", "dim"), (block, "now"), (f" {scene.baseline} ", "dim"), (outline, "base")]

    def summary(self, part: ConfidencePart, scene: Scene) -> list[Run]:
        below = f"below {share(part.threshold)} {percent(part.below_baseline)} -> {percent(part.below)} "
        return [(f"{self.foreign(part.model, 40)} mean {share(part.mean)} {below}", "")]

    def body(self, part: ConfidencePart, scene: Scene, width: int, height: int) -> list[Line]:
        if height < MIN_HEIGHT or width < max(24, MIN_WIDTH):
            return self._numbers(part, 0)[:height]
        if height < 14 or part.t is None or part.mean_over_time is None:
            line = self._one_line(part, width) if height >= 6 else []
            return [*self._histogram(part, (width, height - len(line))), *line]
        trend_height = max(6, height * 2 // 5)
        upper = min(HISTOGRAM_HEIGHT, height - trend_height - 1)
        trend_height = height - upper - 1
        if width >= 70:
            numbers = self._numbers(part, upper)
            left = min(HISTOGRAM_WIDTH, width - 30)
            top = beside(self._histogram(part, (left, upper)), numbers, left)
        else:
            line = self._one_line(part, width)
            top = [*self._histogram(part, (width, upper - len(line))), *line]
        title: Line = ((" mean over time", "dim"),)
        return [*top[:upper], title, *self._trend(part, scene, (width, trend_height))]

    def _histogram(self, part: ConfidencePart, size: tuple[int, int]) -> list[Line]:
        now = part.now
        if now is None:
            return []
        edges = [share(edge) for edge in part.edges]
        return self._bars.get(
            (size, self.look.dots, part.edges),
            (now, part.baseline),
            lambda: histogram(now, part.baseline, size, edges=edges, marker=self.look.dots),
        )

    def _trend(self, part: ConfidencePart, scene: Scene, size: tuple[int, int]) -> list[Line]:
        t, mean = part.t, part.mean_over_time
        if t is None or mean is None:
            return []
        expected = () if part.mean_baseline is None else ((part.mean_baseline, "base"),)

        def make() -> list[Line]:
            low, high = extremes([mean])
            if part.mean_baseline is not None:
                low, high = min(low, part.mean_baseline), max(high, part.mean_baseline)
            return draw(
                [Polyline(t, mean, "now", step=scene.step)],
                size,
                limits=self._axis.about((part.model, scene.question)).limits(low, high),
                span=(scene.start, scene.end),
                marks=self.chart_marks(),
                marker=self.look.dots,
                zone=self.look.clock_zone,
                rules=expected,
            )

        return self._line.get((size, self.look, scene.start, scene.end, self.chart_marks(), expected), (t, mean), make)

    def _one_line(self, part: ConfidencePart, width: int) -> list[Line]:
        runs: list[Run] = [(" mean ", "dim"), (f"{share(part.mean_baseline)} -> {share(part.mean)}", "bold")]
        if part.outside:
            runs += [("  out of 0..1 ", "dim"), (_outside(part), "warning")]
        if not part.outside or width >= 72:
            below = f"{percent(part.below_baseline)} -> {percent(part.below)}"
            runs += [(f"  below {share(part.threshold)} ", "dim"), (below, _loud(part))]
        if width >= 64 and not part.outside:
            runs += [("  shift ", "dim"), (share(part.shift), _loud(part))]
        if part.entropy is not None and width >= 84:
            runs += [("  entropy ", "dim"), (f"{share(part.entropy_baseline)} -> {share(part.entropy)}", "bold")]
        if width >= 96:
            runs += [("  n ", "dim"), (count(part.n), "dim")]
        if part.direction and width >= 120:
            runs.append((f"  {self.foreign(part.direction, 60)}", _loud(part)))
        return [tuple(runs)]

    def _numbers(self, part: ConfidencePart, height: int) -> list[Line]:
        """One number per line; the mean and the share below the threshold first."""
        threshold = f"below {share(part.threshold)}"
        rows: list[tuple[str, str, str]] = [
            ("mean", f"{share(part.mean_baseline)} -> {share(part.mean)}", "bold"),
            (threshold, f"{percent(part.below_baseline)} -> {percent(part.below)}", _loud(part)),
            ("entropy", f"{share(part.entropy_baseline)} -> {share(part.entropy)}", "bold"),
            ("shift", share(part.shift), _loud(part)),
            ("direction", self.foreign(part.direction, 60) or "none", _loud(part)),
            ("n", count(part.n), "dim"),
            ("n baseline", count(part.n_baseline), "dim"),
        ]
        if part.outside:
            rows.insert(1, ("out of 0..1", _outside(part), "warning"))
        blank: list[Line] = [()] if height > len(rows) else []
        return [*blank, *(((f" {name:<12}", "dim"), (value, role)) for name, value, role in rows)]


def _outside(part: ConfidencePart) -> str:
    return f"{percent(part.outside_baseline)} -> {percent(part.outside)}"


def _loud(part: ConfidencePart) -> str:
    return "warning" if part.shift is not None and part.shift >= LOUD_SHIFT else "bold"
