"""The one-line prompt at the foot of the screen: filters and moments are typed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Label


class Prompt(Horizontal):
    """Asks for a line; what cannot be read stays on screen with the reason beside it."""

    DEFAULT_CSS = """
    Prompt { height: 1; }
    Prompt Label { width: auto; height: 1; text-style: bold; }
    Prompt Input { width: 1fr; height: 1; border: none; padding: 0; }
    Prompt #problem { color: $warning; max-width: 60%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close", show=False)]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name for it
        super().__init__(id=id)
        self._take: Callable[[str], str | None] = lambda _: None

    def compose(self) -> ComposeResult:
        yield Label("", id="question", markup=False)
        yield Input(compact=True)
        yield Label("", id="problem", markup=False)

    def ask(self, question: str, take: Callable[[str], str | None], value: str = "") -> None:
        """Open with a question; `take` gets each answer and returns what is wrong with it, or None to close."""
        self._take = take
        self.query_one("#question", Label).update(f" {question} ")
        self.query_one("#problem", Label).update("")
        field = self.query_one(Input)
        field.value = value
        field.cursor_position = len(value)
        self.add_class("-open")
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        event.stop()
        problem = self._take(event.value)
        if problem is None:
            self.action_close()
        else:
            self.query_one("#problem", Label).update(f" {problem} ")

    def action_close(self) -> None:
        """Close without an answer; the focus goes back."""
        self.remove_class("-open")
        self.screen.focus_previous()
