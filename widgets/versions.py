"""VERSIONS: two versions of the model in focus on one traffic, a row per measure with a verdict in words."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from textual.geometry import Size

from analysis.comparison import Comparison, ComparisonRow, Verdict
from widgets.lines import Column, Line, Run, heading, layout, row
from widgets.listing import ListPanel
from widgets.look import Scene
from widgets.text import NONE, clock, count, duration, ms, percent

_ROLES = {Verdict.WORSE: "warning", Verdict.DIFFERENT: "warning", Verdict.OPEN: "dim"}

WIDEST_RATIO = 100.0
"""Ratios beyond this, and below its inverse, are shown as no more than that."""


class VersionsPanel(ListPanel[Comparison, ComparisonRow]):
    """Version A against B: values, the difference on the mix of B with its always-valid interval, what may be said."""

    NAME = "VERSIONS"

    def arrived(self, part: Comparison) -> None:
        super().arrived(part)
        if self.is_mounted and self.size.height != self._height(part):
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._height(self.part)

    def _height(self, part: Comparison | None) -> int:
        """A line per measure below title and head; without measures the reason and its source."""
        return 2 + len(part.rows) if part is not None and part.rows else 3

    def items(self, part: Comparison) -> Sequence[ComparisonRow]:
        return part.rows

    def key_of(self, item: ComparisonRow) -> Hashable:
        return item.measure

    def heading(self, part: Comparison, scene: Scene) -> list[Run]:
        runs: list[Run] = [(f" {self.foreign(part.model, 40)}", "accent")]
        if not part.rows or part.since is None or part.until is None:
            return runs
        a, b = self.foreign(part.a, 30), self.foreign(part.b, 30)
        runs += [(f" A {a} against B {b}", "bold")]
        since = clock(part.since, self.look.clock_zone)
        runs += [(f", {duration(part.until - part.since)} since {since}", "dim")]
        if len(part.versions) > 2:
            runs.append((f", {len(part.versions)} versions ran", "dim"))
        if part.dims:
            dims = " ".join(self.foreign(dim, 30) for dim in part.dims)
            runs.append((f", on B's mix of {dims}", "dim"))
        return runs

    def summary(self, part: Comparison, scene: Scene) -> list[Run]:
        worse = [found.measure for found in part.rows if found.verdict is Verdict.WORSE]
        return [(f"B worse: {', '.join(worse)} " if worse else "no measure surely worse ", "")]

    def table(self, part: Comparison, scene: Scene, width: int) -> tuple[list[Line], Callable[[ComparisonRow], Line]]:
        a, b = self.foreign(part.a, 20), self.foreign(part.b, 20)
        columns = [
            Column("measure", 10, right=False),
            Column(f"A {a}", 7, grow=1, most=12),
            Column(f"B {b}", 7, grow=1, most=12),
            Column("B to A", 6),
            Column("always valid", 13, rank=2),
            Column("verdict", 33, right=False, grow=1, most=40),
            Column("n A", 6, rank=3),
            Column("n B", 6, rank=1),
            Column("of what", 19, right=False, rank=4, grow=1, most=30),
        ]
        sizes = layout(columns, width)

        def put(found: ComparisonRow) -> Line:
            role = _ROLES.get(found.verdict, "")
            values: list[Run] = [
                (found.measure, "bold" if role == "warning" else ""),
                (_value(found.a, found.unit), ""),
                (_value(found.b, found.unit), role if role == "warning" else ""),
                (_difference(found), role),
                (_interval(found), "dim"),
                (self.foreign(found.words, 200), role),
                (count(found.n_a), "dim"),
                (count(found.n_b), "dim"),
                (found.note, "dim"),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], put


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return NONE
    match unit:
        case "ms":
            return ms(value)
        case "ratio":
            return percent(value)
        case "score":
            return f"{value:.2f}"
        case "rate":
            return f"{count(value)}/s"
        case _:
            return count(value)


def _difference(found: ComparisonRow) -> str:
    if found.difference is None:
        return ""
    return f"x{_times(found.difference)}" if found.relative else f"{found.difference:+.2f}"


def _interval(found: ComparisonRow) -> str:
    if found.interval is None:
        return ""
    low, high = found.interval
    return f"{_times(low)}..{_times(high)}" if found.relative else f"{low:+.2f}..{high:+.2f}"


def _times(value: float) -> str:
    if value >= WIDEST_RATIO:
        return f">{WIDEST_RATIO:.0f}"
    if value < 1 / WIDEST_RATIO:
        return f"<{1 / WIDEST_RATIO:g}"
    return f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"
