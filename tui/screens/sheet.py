"""One page of text over the screen: it scrolls, `y` copies it, Esc closes it."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from analysis.printable import printable


class Sheet(ModalScreen[None]):
    """Text that can be scrolled and copied."""

    DEFAULT_CSS = """
    Sheet { align: center middle; background: $background 60%; }
    Sheet VerticalScroll {
        width: 100; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss_sheet", "Close", show=False),
        Binding("y", "copy_sheet", "Copy", show=False),
    ]

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self.text(), markup=False)

    def text(self) -> Text:
        """What is shown; text from outside must be harmless already."""
        raise NotImplementedError

    def copied(self) -> str:
        """What `y` copies."""
        raise NotImplementedError

    @work(group="copy", exit_on_error=False)
    async def action_copy_sheet(self) -> None:
        """Copy it."""
        from tui.clipboard import copy

        copied = await copy(self.copied(), self.app)
        self.app.notify(copied.words)

    def action_dismiss_sheet(self) -> None:
        """Close."""
        self.dismiss()


class IncidentSheet(Sheet):
    """One incident, whole."""

    def __init__(self, incident: str) -> None:
        super().__init__()
        self._incident = incident

    def text(self) -> Text:
        lines = (printable(line, 4_000) for line in self._incident.splitlines())
        first, *rest = lines
        text = Text(f"{first}\n", style="bold")
        text.append("\n".join(rest), style="not bold")
        text.append("\n\ny copies this incident as text; Esc closes it.", style="dim not bold")
        return text

    def copied(self) -> str:
        return self._incident
