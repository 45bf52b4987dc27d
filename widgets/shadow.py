"""SHADOW: versions that answer beside the live one, over the requests that both answered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

from analysis.answer import ShadowPanel as ShadowPart
from analysis.answer import ShadowRow
from widgets.lines import Column, Line, Run, heading, layout, row
from widgets.listing import ListPanel, Room, stacked
from widgets.look import Scene
from widgets.text import NONE, count, ms, percent, points, wrap

SURE = 0.05
DETAIL = 5
"""Lines of a detail that is worth its room: one for each thing that is compared."""
TERM = 12
"""Cells of the first words of a detail's line."""


class ShadowPanel(ListPanel[ShadowPart, ShadowRow]):
    """Agreement with its interval, and latency, confidence, errors and accuracy of both sides."""

    NAME = "SHADOW"

    def items(self, part: ShadowPart) -> Sequence[ShadowRow]:
        return part.rows

    def key_of(self, item: ShadowRow) -> Hashable:
        return (item.live, item.shadow)

    def heading(self, part: ShadowPart, scene: Scene) -> list[Run]:
        return [(f" {self.foreign(part.model, 40)}", "accent")]

    def summary(self, part: ShadowPart, scene: Scene) -> list[Run]:
        said = (f"{self.foreign(found.shadow, 20)} agrees {percent(found.agreement)}" for found in part.rows)
        return [(f"{', '.join(said)} ", "")]

    def table(self, part: ShadowPart, scene: Scene, width: int) -> tuple[list[Line], Callable[[ShadowRow], Line]]:
        columns = [
            Column("shadow", 6, right=False, grow=1, most=16),
            Column("of", 6, right=False, grow=1, most=16),
            Column("agrees", 6),
            Column("95%", 12, rank=4),
            Column("before", 6),
            Column("pairs", 6, rank=1),
            Column("p50", 15, rank=3),
            Column("p99", 15, rank=2),
            Column("conf", 12, rank=5),
            Column("moved", 6, rank=7),
            Column("errors", 14, rank=6),
            Column("who is right", 25, right=False, grow=4, most=48),
        ]
        sizes = layout(columns, width)
        arrow = " -> "

        def both(values: tuple[str, str] | None) -> str:
            return NONE if values is None else arrow.join(values)

        def put(found: ShadowRow) -> Line:
            low, high = found.interval
            times = found.latency_ms
            values: list[Run] = [
                (self.foreign(found.shadow, 40), "bold"),
                (self.foreign(found.live, 40), ""),
                (_fine(found.agreement), "bold"),
                (f"{_fine(low)}..{_fine(high)}" if found.agreement is not None else NONE, "dim"),
                (_fine(found.agreement_baseline), "dim"),
                (count(found.n), "dim"),
                (both(times and _times(times, "p50")), ""),
                (both(times and _times(times, "p99")), ""),
                (both(found.confidence and (f"{found.confidence[0]:.2f}", f"{found.confidence[1]:.2f}")), ""),
                (NONE if found.moved is None else f"{found.moved:.3f}", "dim"),
                (both(found.errors and (percent(found.errors[0]), percent(found.errors[1]))), ""),
                _right(found),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], put

    def room(self, part: ShadowPart, width: int, height: int) -> Room:
        least = len(part.rows) + 1 + DETAIL
        return stacked(len(part.rows), width, height, DETAIL) if height >= least else Room(width, height)

    def detail(self, part: ShadowPart, scene: Scene, item: ShadowRow, width: int, height: int) -> list[Line]:
        lines: list[Line] = []
        for term, text, role in _told(item, self.foreign(item.live, 40), self.foreign(item.shadow, 40)):
            rows = wrap(text, max(1, width - TERM - 4), height)
            lines += [((f"  {term if not i else '':<{TERM}}", "dim"), (row, role)) for i, row in enumerate(rows)]
        return lines[:height]


def _told(found: ShadowRow, live: str, shadow: str) -> list[tuple[str, str, str]]:
    """(what is compared, both sides in words, role) for each thing that is known."""
    low, high = found.interval
    verdict, role = _verdict(found)
    told = [("right", f"{verdict}: {_labels(found, live, shadow)}" if found.labelled else verdict, role)]
    if found.agreement is not None:
        between = f"{_fine(found.agreement)} of {count(found.n)} answers, 95% between {_fine(low)} and {_fine(high)}"
        told.append(("agrees", f"{between}; before {_fine(found.agreement_baseline)}", ""))
    if found.latency_ms is not None:
        names = ("p50", "p90", "p95", "p99")
        times = (f"{name} {' -> '.join(_times(found.latency_ms, name))}" for name in names)
        told.append(("latency", ", ".join(times), ""))
    if found.confidence is not None:
        apart = "" if found.moved is None else f", {found.moved:.3f} apart on average"
        told.append(("confidence", f"{found.confidence[0]:.2f} -> {found.confidence[1]:.2f}{apart}", ""))
    if found.errors is not None:
        told.append(("errors", f"{percent(found.errors[0])} -> {percent(found.errors[1])}", ""))
    return told


def _labels(found: ShadowRow, live: str, shadow: str) -> str:
    """The labelled pairs in words, with both tests where they can be made."""
    text = f"of {count(found.labelled)} labelled answers only {shadow} was right in {count(found.only_shadow_right)}"
    text += f", only {live} in {count(found.only_live_right)}"
    if found.accuracy_difference is not None:
        text += f"; accuracy {points(found.accuracy_difference)}"
    if found.p is not None and found.p_always is not None:
        text += f"; p {_p(found.p_always)} however often one looks, McNemar {_p(found.p)}"
    return text


def _times(sides: tuple[Mapping[str, float | None], Mapping[str, float | None]], name: str) -> tuple[str, str]:
    return ms(sides[0].get(name)), ms(sides[1].get(name))


def _fine(share: float | None) -> str:
    """A share to a tenth of a point: agreement is near one, where whole points hide what matters."""
    return NONE if share is None else f"{100 * share:.1f}%"


def _verdict(found: ShadowRow) -> Run:
    """Which side is right more often, or why that cannot be told, in a word or three."""
    if not found.labelled:
        return ("no labels yet", "dim")
    if found.p is None or found.p_always is None:
        return ("too few labels", "dim")
    if found.p_always >= SURE:
        return ("unclear", "dim")
    worse = found.only_shadow_right < found.only_live_right
    return ("worse", "warning") if worse else ("better", "")


def _right(found: ShadowRow) -> Run:
    """The verdict with the labelled pairs that only one side got right, and both tests."""
    verdict, role = _verdict(found)
    if not found.labelled:
        return (verdict, role)
    split = f"{count(found.only_shadow_right)} to {count(found.only_live_right)}"
    if found.p is None or found.p_always is None:
        return (f"{verdict}: {split}", role)
    return (f"{verdict}, {split}, p {_p(found.p_always)}, McNemar {_p(found.p)}", role)


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.0001 else "<0.0001"
