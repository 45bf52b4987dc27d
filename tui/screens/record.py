"""One record, whole: every field with its value, and the row as JSON for the clipboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from analysis.printable import printable

if TYPE_CHECKING:
    from analysis.records import Record

NAME_CELLS = 20


class RecordScreen(ModalScreen[None]):
    """A record that can be scrolled; `y` copies it as JSON."""

    DEFAULT_CSS = """
    RecordScreen { align: center middle; background: $background 60%; }
    RecordScreen VerticalScroll {
        width: 100; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss_record", "Close", show=False),
        Binding("y", "copy_record", "Copy as JSON", show=False),
    ]

    def __init__(self, record: Record, fields: tuple[str, ...]) -> None:
        super().__init__()
        self._record = record
        self._fields = fields

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self.text(), markup=False)

    def text(self) -> Text:
        """`field  value`, one field per line; text from outside is shown, never interpreted."""
        text = Text("RECORD\n", style="bold")
        width = min(NAME_CELLS, max((len(name) for name in self._fields), default=1))
        for name in self._fields:
            value = self._record.values.get(name)
            text.append(f" {printable(name, 60):<{width}}  ", style="dim not bold")
            text.append("null\n" if value is None else f"{printable(str(value), 4_000)}\n", style="not bold")
        text.append("\ny copies this record as JSON; Esc closes it.", style="dim not bold")
        return text

    @work(group="copy", exit_on_error=False)
    async def action_copy_record(self) -> None:
        """Copy the record as JSON."""
        from tui.clipboard import copy
        from tui.records import as_json

        copied = await copy(as_json(self._record), self.app)
        self.app.notify(copied.words)

    def action_dismiss_record(self) -> None:
        """Close."""
        self.dismiss()
