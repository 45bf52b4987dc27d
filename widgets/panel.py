"""What all panels share: the title line, the states in words, drawing by lines, redrawing only what changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from analysis.answer import PanelStatus, State
from analysis.printable import printable
from widgets.chart import ChartMark
from widgets.lines import Line, Run, cells, fitted, merged, plain
from widgets.look import Look, Scene
from widgets.palette import Ground, styles
from widgets.text import age, clock, cut, wrap

Part = TypeVar("Part")

_WORDS = {
    State.LOADING: ("loading", "dim"),
    State.LIVE: ("live", "dim"),
    State.STALE: ("STALE", "stale"),
    State.EMPTY: ("no data", "stale"),
    State.FAILED: ("FAILED", "critical"),
    State.ABSENT: ("not logged", "dim"),
}
_EXPLAINED = {
    State.LOADING: "waiting for the first answer",
    State.LIVE: "nothing to draw",
    State.STALE: "no sample in this window",
    State.EMPTY: "the source answered: no rows in this window",
    State.FAILED: "the source did not answer",
    State.ABSENT: "not logged by this store",
}


OPEN: list[BindingType] = [Binding("enter", "open", "Open", id="panel.open", show=False)]
"""The keys of a panel without rows that can have the focus."""


def same(a: object, b: object) -> bool:
    """Equality of parts of a snapshot: arrays by their bytes (so NaN equals NaN), dataclasses by their fields."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "tobytes") and hasattr(b, "tobytes"):
        return (getattr(a, "dtype", 0), getattr(a, "shape", 0)) == (
            getattr(b, "dtype", 0),
            getattr(b, "shape", 0),
        ) and bool(a.tobytes() == b.tobytes())
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b)
    return bool(a == b)


class Panel(Widget, Generic[Part]):
    """One part of a `Snapshot` as lines. Subclasses say the title, the body and, for one line of room, the summary."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Panel { width: 1fr; height: 1fr; }
    """
    NAME: ClassVar[str] = ""
    """The heading."""
    CLOCKED: ClassVar[bool] = False
    """Whether the body tells ages, so that it is drawn again when only time has passed."""

    class Opened(Message):
        """Enter on a panel without rows: the reader wants it large."""

        def __init__(self, panel: Panel[Any]) -> None:
            super().__init__()
            self.panel = panel

        @property
        def control(self) -> Panel[Any]:
            """The panel, for `@on(..., "#id")`."""
            return self.panel

    def __init__(self, look: Look | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.look = look or Look()
        self.part: Part | None = None
        self.scene: Scene | None = None
        self._lines: list[Line] = []
        self._body: list[Line] = []
        self._drawn: tuple[Size, Ground] | None = None
        self._body_fresh = False
        self._title_fresh = False
        self._missed = False
        """Whether something came that Textual's cached lines do not hold, because the panel was not on the screen."""

    def show(self, part: Part, scene: Scene) -> None:
        """Draw this part; equal data cost nothing and refresh nothing, other data refresh the lines that differ."""
        old, before = self.part, self.scene
        news = before is None or not same(part, old)
        moved = before is None or dataclasses.replace(before, now=0.0) != dataclasses.replace(scene, now=0.0)
        ticked = before is None or before.now != scene.now
        if not (news or moved or ticked):
            return
        self.part, self.scene = part, scene
        if news:
            self.arrived(part)
        self.redraw(body=news or moved or self.CLOCKED)

    def restyle(self, look: Look) -> None:
        """Draw with another marker, zone or character set."""
        if look != self.look:
            self.look = look
            self.redraw()

    def arrived(self, part: Part) -> None:
        """Called once for each new part, before it is drawn."""

    def heading(self, part: Part, scene: Scene) -> list[Run]:
        """What stands in the title line after the name."""
        return []

    def status(self, part: Part) -> PanelStatus | None:
        """The panel's own state; None where the part has none."""
        found = getattr(part, "status", None)
        return found if isinstance(found, PanelStatus) else None

    def has_data(self, part: Part) -> bool:
        """Whether there is anything to draw: the last good data of a failed source are drawn too."""
        return True

    def body(self, part: Part, scene: Scene, width: int, height: int) -> list[Line]:
        """The lines below the title, at most `height` of at most `width` cells; both are at least 1."""
        raise NotImplementedError

    def summary(self, part: Part, scene: Scene) -> list[Run]:
        """The answer in one line, for a panel that has no room."""
        return []

    def chart_marks(self) -> tuple[ChartMark, ...]:
        """The scene's marks, its time cursor and its selection as a chart takes them."""
        scene = self.scene
        if scene is None:
            return ()
        marks = [ChartMark(m.t, m.kind, "onset" if m.kind == "onset" else m.text or m.kind) for m in scene.marks]
        if scene.selection is not None:
            marks += [ChartMark(t, "selection", word) for t, word in zip(scene.selection, ("from", "to"), strict=True)]
        if scene.cursor is not None:
            marks.append(ChartMark(scene.cursor, "time", clock(scene.cursor, self.look.clock_zone)))
        return tuple(marks)

    def reading(self, values: Sequence[tuple[str, str, str]]) -> list[Run]:
        """The values under the time cursor, for a title: its time, then (name, value, role) each."""
        at = self.scene.cursor if self.scene is not None else None
        runs: list[Run] = [(f" {clock(at, self.look.clock_zone)}", "time")]
        for name, value, role in values:
            runs += [(f" {name} ", "dim"), (value, role)]
        return runs

    def foreign(self, text: str, limit: int = 200) -> str:
        """Text from outside, made safe to show."""
        return printable(text, limit, ascii=self.look.ascii)

    def named(self, where: Sequence[tuple[str, str]]) -> str:
        """A segment as a filter is typed: `region=eu-w1 tier=free`."""
        return " ".join(f"{self.foreign(name, 40)}={self.foreign(value, 60)}" for name, value in where)

    def redraw(self, *, body: bool = True) -> None:
        """Draw again and refresh the lines that changed; a panel that is not on the screen waits until it is."""
        self._title_fresh = False
        self._body_fresh = self._body_fresh and not body
        if not self.is_mounted:
            return
        if not self.region:
            self._missed = True
            return
        old = self._lines
        if self._drawn is None or self._drawn[0] != self.size:
            self.refresh()
            return
        self._draw()
        width = self.size.width
        regions = [
            Region(0, y, width, 1)
            for y in range(self.size.height)
            if (old[y] if y < len(old) else None) != (self._lines[y] if y < len(self._lines) else None)
        ]
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """One line of the panel, from the lines drawn last."""
        self._draw()
        width = self.size.width
        base = self.visual_style.rich_style
        if y >= len(self._lines):
            return Strip.blank(width, base)
        look = styles(self._ground())
        segments = [Segment(text, base + _style(look, role)) for text, role in self._lines[y]]
        return Strip(segments).adjust_cell_length(width, base)

    def action_open(self) -> None:
        """Ask for this panel in large."""
        self.post_message(self.Opened(self))

    def on_show(self) -> None:
        """Back on the screen: Textual paints the lines that it has kept, unless they are told to be old."""
        if self._missed:
            self._missed = False
            self.refresh()

    def on_focus(self) -> None:
        """The title and the cursor show where the keys go."""
        self.redraw()

    def on_blur(self) -> None:
        """See `on_focus`."""
        self.redraw()

    def _ground(self) -> Ground:
        if self.app.native_ansi_color:
            return "ansi"
        return "dark" if self.app.current_theme.dark else "light"

    def _draw(self) -> None:
        state = (self.size, self._ground())
        if self._drawn != state:
            self._body_fresh = self._title_fresh = False
        if self._body_fresh and self._title_fresh:
            return
        width, height = self.size
        part, scene = self.part, self.scene
        if part is None or scene is None:
            self._lines = self._waiting(width, height)
        elif height == 1 and self.NAME:
            runs = [(f"{self.NAME} ", "title"), *self.summary(part, scene), *self._state_runs(part, scene)]
            self._lines = [fitted(runs, width, ascii=self.look.ascii)]
        elif width > 0 and height > 0:
            if not self._body_fresh:
                self._body = self._contents(part, scene, width, height - 1)
            title = self._title(self.heading(part, scene), self._state_runs(part, scene), width)
            self._lines = [title, *(fitted(line, width, ascii=self.look.ascii) for line in self._body[: height - 1])]
        self._drawn = state
        self._body_fresh = self._title_fresh = True

    def _waiting(self, width: int, height: int) -> list[Line]:
        title = self._title([], [("loading", "dim")], width)
        return [title, ((" waiting for the first answer", "dim"),)][:height]

    def _contents(self, part: Part, scene: Scene, width: int, height: int) -> list[Line]:
        if self.has_data(part):
            return self.body(part, scene, width, height)
        status = self.status(part) or PanelStatus(State.EMPTY)
        text = self.foreign(status.message, 600) or _EXPLAINED[status.state]
        role = "critical" if status.state is State.FAILED else "dim"
        lines: list[Line] = [((f" {row}", role),) for row in wrap(text, max(1, width - 2), height)]
        if status.source and len(lines) < height:
            lines.append(((f" source: {self.foreign(status.source, 100)}", "dim"),))
        return lines

    def _state_runs(self, part: Part, scene: Scene) -> list[Run]:
        status = self.status(part)
        if status is None:
            return []
        word, role = _WORDS[status.state]
        runs: list[Run] = [(word, role)]
        if status.newest_sample is not None and status.state in (State.LIVE, State.STALE, State.FAILED):
            runs.append((f" {age(scene.now - status.newest_sample)}", role if status.state is State.STALE else "dim"))
        if status.message and (status.state is not State.LIVE) and self.has_data(part):
            runs.append((f" {self.foreign(status.message, 80)}", role if status.state is State.FAILED else "dim"))
        return runs

    def _title(self, heading: Sequence[Run], right: Sequence[Run], width: int) -> Line:
        """`-- NAME heading ----- state --`; the rule is heavy where the focus is."""
        focused = self.has_focus
        rule = ("=" if focused else "-") if self.look.ascii else ("━" if focused else "─")
        role, name_role = ("accent", "title_focus") if focused else ("rule", "title")
        left = merged([(f"{self.NAME}", name_role), *heading])
        # The state's word and age always have room; its message has what the heading leaves, or a third of the line.
        needed = max(cells(tuple(right[:2])), width - cells(left) - 8, width // 3)
        state = _cut_line(merged(right), min(needed, max(0, width - 8)), ascii=self.look.ascii)
        taken = cells(state) + 3 if state else 0
        left = _cut_line(left, max(0, width - taken - 5), ascii=self.look.ascii)
        fill = width - taken - cells(left) - 4
        tail: list[Run] = [(" ", ""), *state, (" ", ""), (rule, role)] if state else []
        return fitted([(rule * 2 + " ", role), *left, (" " + rule * max(0, fill), role), *tail], width)


def _cut_line(line: Line, width: int, *, ascii: bool) -> Line:  # noqa: A002
    if cells(line) <= width:
        return line
    out: list[Run] = []
    left = width
    for text, role in line:
        if left <= 0:
            break
        piece = cut(text, left, ascii=ascii)
        out.append((piece, role))
        if piece != text:
            break
        left -= cells(((piece, role),))
    return merged(out)


def _style(look: Mapping[str, Style], role: str) -> Style:
    """`role`, or `role@overlay` for a line under the cursor."""
    name, _, overlay = role.partition("@")
    return look[name] + look[overlay] if overlay else look[name]


def text_of(panel: Panel[Part]) -> list[str]:
    """The lines that a panel shows now, without styles."""
    return [plain(line) for line in panel._lines]
