"""A question before something that cannot be taken back: only `y` says yes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from analysis.printable import printable


class ConfirmScreen(ModalScreen[bool]):
    """Names what would happen and to whom. Enter does nothing: it was pressed for another question."""

    DEFAULT_CSS = """
    ConfirmScreen { align: center middle; background: $background 60%; }
    ConfirmScreen VerticalScroll {
        width: 76; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $warning; padding: 0 1;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", show=False),
        Binding("escape,n,q", "answer(False)", "No", show=False),
    ]

    def __init__(self, question: str, facts: Sequence[tuple[str, str]]) -> None:
        """`question` names the target; `facts` are (name, value), what is sent."""
        super().__init__()
        self._question = question
        self._facts = facts

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self.text(), markup=False)

    def text(self) -> Text:
        """The question, what is sent, and the two answers."""
        text = Text(f"{printable(self._question, 200)}\n", style="bold")
        for name, value in self._facts:
            text.append(f"{name:<9}", style="dim not bold")
            text.append(f"{printable(value, 400)}\n", style="not bold")
        text.append("\ny yes, do it   ", style="bold")
        text.append("Esc no", style="not bold")
        return text

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)
