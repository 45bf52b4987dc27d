"""A panel with rows and a cursor that stays on the same key while the data under it change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from widgets.lines import Line, beside, fitted
from widgets.look import Look, Scene
from widgets.panel import Panel

Part = TypeVar("Part")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Room:
    """How a list panel divides its body."""

    list_width: int
    list_height: int
    detail_width: int = 0
    detail_height: int = 0
    right: bool = False
    """The detail stands right of the list, not below it."""


def stacked(rows: int, width: int, height: int, least: int) -> Room:
    """The list as high as its rows, the detail below it with at least `least` lines."""
    list_height = max(2, min(rows + 1, height - least))
    return Room(width, list_height, width, height - list_height)


class ListPanel(Panel[Part], Generic[Part, Item], can_focus=True):
    """Rows with a cursor, and from a certain size on a detail of the row under it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", id="list.up", show=False),
        Binding("down", "move(1)", "Down", id="list.down", show=False),
        Binding("pageup", "page(-1)", "Page up", id="list.page_up", show=False),
        Binding("pagedown", "page(1)", "Page down", id="list.page_down", show=False),
        Binding("home", "move(-1000000)", "First row", id="list.first", show=False),
        Binding("end", "move(1000000)", "Last row", id="list.last", show=False),
        Binding("enter", "choose", "Open", id="list.open", show=False),
    ]

    class RowMessage(Message):
        """Something happened to a row; `panel` is where, `item` is the row."""

        def __init__(self, panel: ListPanel[Any, Any], item: Any) -> None:
            super().__init__()
            self.panel = panel
            self.item = item

        @property
        def control(self) -> ListPanel[Any, Any]:
            """The panel, for `@on(..., "#id")`."""
            return self.panel

    class Highlighted(RowMessage):
        """The reader moved the cursor to another row (an update that moves it says nothing)."""

    class Selected(RowMessage):
        """The reader opened the row under the cursor: Enter, or a click on it."""

    def __init__(self, look: Look | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(look, id=id, classes=classes)
        self._key: Hashable = None
        self._index = 0
        self._top = 0
        self._page = 1
        self._at: dict[int, int] = {}

    def items(self, part: Part) -> Sequence[Item]:
        """The rows in their order."""
        raise NotImplementedError

    def key_of(self, item: Item) -> Hashable:
        """Identity of a row across updates."""
        raise NotImplementedError

    def table(self, part: Part, scene: Scene, width: int) -> tuple[list[Line], Callable[[Item], Line]]:
        """The heading lines, and the function that draws one row of `width` cells."""
        raise NotImplementedError

    def room(self, part: Part, width: int, height: int) -> Room:
        """How list and detail share the body; no detail unless a subclass wants one."""
        return Room(width, height)

    def detail(self, part: Part, scene: Scene, item: Item, width: int, height: int) -> list[Line]:
        """The detail of the row under the cursor."""
        return []

    def empty(self, part: Part, scene: Scene, width: int) -> list[Line]:
        """What stands where there are no rows."""
        return []

    def has_data(self, part: Part) -> bool:
        return bool(self.items(part))

    @property
    def item(self) -> Item | None:
        """The row under the cursor."""
        rows = self.items(self.part) if self.part is not None else ()
        return rows[self._index] if 0 <= self._index < len(rows) else None

    def put_cursor(self, key: Hashable) -> None:
        """Move the cursor to the row with this key, if there is one, without a message."""
        for index, item in enumerate(self.items(self.part) if self.part is not None else ()):
            if self.key_of(item) == key:
                self._move(index)

    def arrived(self, part: Part) -> None:
        keys = [self.key_of(item) for item in self.items(part)]
        self._index = keys.index(self._key) if self._key in keys else max(0, min(self._index, len(keys) - 1))
        self._key = keys[self._index] if keys else self._key

    def body(self, part: Part, scene: Scene, width: int, height: int) -> list[Line]:
        rows = self.items(part)
        self._at = {}
        if not rows:
            return self.empty(part, scene, width)[:height]
        room = self.room(part, width, height)
        head, draw = self.table(part, scene, room.list_width - 2)
        if len(head) >= room.list_height:
            head = []
        self._page = max(1, room.list_height - len(head))
        self._top = max(min(self._top, self._index, len(rows) - self._page), self._index - self._page + 1, 0)
        lines: list[Line] = [(("  ", ""), *line) for line in head]
        for index in range(self._top, min(len(rows), self._top + self._page)):
            self._at[len(lines) + 1] = index
            line: Line = ((("> " if index == self._index else "  "), "accent"), *draw(rows[index]))
            if index == self._index:
                overlay = "cursor" if self.has_focus else "unfocused"
                full = fitted(line, room.list_width, ascii=self.look.ascii)
                line = tuple((text, f"{role}@{overlay}") for text, role in full)
            lines.append(line)
        if room.detail_height <= 0 or room.detail_width <= 0:
            return lines
        found = self.detail(part, scene, rows[self._index], room.detail_width, room.detail_height)
        if room.right:
            return beside(lines, found, room.list_width)
        blank: Line = ()
        return [*lines, *[blank] * (room.list_height - len(lines)), *found]

    def _move(self, index: int) -> bool:
        rows = self.items(self.part) if self.part is not None else ()
        index = max(0, min(index, len(rows) - 1))
        if not rows or (index == self._index and self._key is not None):
            return False
        self._index, self._key = index, self.key_of(rows[index])
        self.redraw()
        return True

    def action_move(self, steps: int) -> None:
        """Move the cursor by rows."""
        if self._move(self._index + steps) and (item := self.item) is not None:
            self.post_message(self.Highlighted(self, item))

    def action_page(self, pages: int) -> None:
        """Move the cursor by what is visible."""
        self.action_move(pages * max(1, self._page - 1))

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if (item := self.item) is not None:
            self.post_message(self.Selected(self, item))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; a click on the row under the cursor opens it."""
        index = self._at.get(event.y)
        if index is None:
            return
        event.stop()
        if index == self._index:
            self.action_choose()
        else:
            self.action_move(index - self._index)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.action_move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """See `on_mouse_scroll_down`."""
        event.stop()
        self.action_move(-1)
