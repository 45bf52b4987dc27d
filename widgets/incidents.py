"""INCIDENTS: what was flagged on this store, by whom, and beside it the timeline of the one under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from analysis.answer import PanelStatus
from widgets.lines import Column, Line, Run, heading, layout, row
from widgets.listing import ListPanel, Room
from widgets.look import Scene
from widgets.text import NONE, age, clock, wrap

SIDE_BY_SIDE = 160
"""Cells from which on the detail stands beside the list."""

KEYS = "a note  S level  T status  X exit  R role  L link  y copy  Enter all  W then Z P"
KEYS_CLOSED = "a note  T status, to open it again  L link  y copy  Enter whole"
"""What can be done with an incident, where there is room to say it."""

LISTED = 7
"""Rows of the list where the detail stands below it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline."""

    t: float
    """Unix seconds."""
    who: str
    text: str
    retracted: bool = False


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident."""

    id: str
    severity: int
    """1 is the worst, 5 the least."""
    status: str
    open: bool
    drill: bool
    title: str
    model: str
    who: str
    """Who declared it."""
    declared: float | None
    """Unix seconds."""
    facts: tuple[tuple[str, str], ...] = ()
    """(name, value), the most important first."""
    deliveries: tuple[str, ...] = ()
    """The last word of each target: `chat: retry 2 (HTTP 503)`."""
    timeline: tuple[Moment, ...] = ()
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class IncidentsPart:
    """All incidents of a store."""

    status: PanelStatus
    rows: tuple[IncidentRow, ...] = ()
    """The last declared first."""
    place: str = ""
    """Where they are, and whether others can add to it."""
    now: float = 0.0
    """Unix seconds of the clock: an incident grows older although the charts are held."""

    demo: bool = False
    """Whether all of them are exercises, and count as if they were not."""

    @property
    def open(self) -> int:
        """How many need somebody; drills do not."""
        return sum(row.open and (self.demo or not row.drill) for row in self.rows)


class IncidentsPanel(ListPanel[IncidentsPart, IncidentRow]):
    """Every incident, one per line; what is known of the one under the cursor, with its newest lines."""

    NAME = "INCIDENTS"

    def items(self, part: IncidentsPart) -> Sequence[IncidentRow]:
        return part.rows

    def key_of(self, item: IncidentRow) -> Hashable:
        return item.id

    def heading(self, part: IncidentsPart, scene: Scene) -> list[Run]:
        return [(f" {part.open} open of {len(part.rows)} ", "bold"), (self.foreign(part.place, 200), "dim")]

    def summary(self, part: IncidentsPart, scene: Scene) -> list[Run]:
        return [(f"{part.open} open ", "")]

    def empty(self, part: IncidentsPart, scene: Scene, width: int) -> list[Line]:
        return [((" nothing was flagged yet: F flags the change under the cursor", "dim"),)]

    def has_data(self, part: IncidentsPart) -> bool:
        return bool(part.rows) or not part.status.message

    def room(self, part: IncidentsPart, width: int, height: int) -> Room:
        if width >= SIDE_BY_SIDE:
            left = width * 11 // 20
            return Room(left, height, width - left - 2, height, right=True)
        listed = min(len(part.rows) + 2, LISTED + 2, max(2, height // 2))
        return Room(width, listed, width, height - listed)

    def table(self, part: IncidentsPart, scene: Scene, width: int) -> tuple[list[Line], Callable[[IncidentRow], Line]]:
        columns = [
            Column("id", 15, right=False),
            Column("sev", 3),
            Column("status", 13, right=False),
            Column("age", 4),
            Column("by", 8, right=False, rank=2),
            Column("model", 8, right=False, rank=1, grow=1, most=14),
            Column("title", 16, right=False, grow=4),
        ]
        sizes = layout(columns, width)

        def draw(item: IncidentRow) -> Line:
            role = _role(item)
            passed = None if item.declared is None else part.now - item.declared
            values: list[Run] = [
                (item.id, role),
                (str(item.severity), role),
                (item.status, role),
                (age(passed), "dim"),
                (self.foreign(item.who, 40), "dim"),
                (self.foreign(item.model, 40), "dim" if not item.open else ""),
                (f"{'DRILL ' if item.drill else ''}{self.foreign(item.title)}", "dim" if not item.open else ""),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], draw

    def detail(self, part: IncidentsPart, scene: Scene, item: IncidentRow, width: int, height: int) -> list[Line]:
        lines: list[Line] = [((text, "bold"),) for text in wrap(self.foreign(item.title, 400), width, 2)]
        lines += [self._fact(name, value) for name, value in item.facts]
        lines.append(self._fact("told", "  ".join(item.deliveries) or "nobody outside mltriage"))
        # The newest lines say how it stands: with too little room the facts end first, then the oldest lines.
        lines = lines[: max(1, height - 4)]
        rest = max(0, height - len(lines) - 1)
        shown = item.timeline[len(item.timeline) - min(rest, len(item.timeline)) :]
        left = len(item.timeline) - len(shown)
        more = f", {left} earlier: Enter" if left else ""
        lines.append(((f"TIMELINE {len(item.timeline)} lines{more}", "title"),))
        told = [*lines, *(self._moment(moment) for moment in shown)][:height]
        if len(told) < height - 1:
            told += [(), ((KEYS if item.open else KEYS_CLOSED, "dim"),)]
        return told

    def _fact(self, name: str, value: str) -> Line:
        return ((f"{name:<9}", "dim"), (self.foreign(value, 400) or NONE, ""))

    def _moment(self, moment: Moment) -> Line:
        text = self.foreign(moment.text, 400)
        said: Run = (f"(retracted) {text}", "dim") if moment.retracted else (text, "")
        return (
            (f"{clock(moment.t, self.look.clock_zone, seconds=True, named=False)} ", "dim"),
            (f"{self.foreign(moment.who, 10):<8} ", "accent"),
            said,
        )


def _role(item: IncidentRow) -> str:
    if not item.open:
        return "dim"
    return "critical" if item.severity <= 2 else "warning" if item.severity == 3 else "info"
