"""One record, whole: every field with its value, and the row as JSON for the clipboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from analysis.printable import printable
from tui.screens.sheet import Sheet
from widgets.text import TIMES, exact

if TYPE_CHECKING:
    from analysis.records import Record

NAME_CELLS = 20


class RecordScreen(Sheet):
    """A record that can be scrolled; `y` copies it as JSON."""

    def __init__(self, record: Record, fields: tuple[str, ...]) -> None:
        super().__init__()
        self._record = record
        self._fields = fields

    def text(self) -> Text:
        """`field  value`, one field per line; text from outside is shown, never interpreted."""
        text = Text("RECORD\n", style="bold")
        width = min(NAME_CELLS, max((len(name) for name in self._fields), default=1))
        for name in self._fields:
            value = self._record.values.get(name)
            if name in TIMES and isinstance(value, int | float) and 0 < value < 1e11:
                value = f"{exact(value, dated=True)}  ({value})"
            text.append(f" {printable(name, 60):<{width}}  ", style="dim not bold")
            text.append("null\n" if value is None else f"{printable(str(value), 4_000)}\n", style="not bold")
        text.append("\ny copies this record as JSON; Esc closes it.", style="dim not bold")
        return text

    def copied(self) -> str:
        from tui.records import as_json

        return as_json(self._record)
