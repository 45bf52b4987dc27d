"""The silences of one incident: which still hold alerts back, and what is to become of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from analysis.printable import printable

if TYPE_CHECKING:
    from incidents.record import Silence

Deed = Literal["end", "extend", "new"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be done, and with which silence; a new one needs none."""

    deed: Deed
    silence: Silence | None = None


class SilencesScreen(ModalScreen[Choice | None]):
    """Lists what is held back; capital keys choose what to do, which is asked about again. Esc leaves all as it is."""

    DEFAULT_CSS = """
    SilencesScreen { align: center middle; background: $background 60%; }
    SilencesScreen VerticalScroll {
        width: 90; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $warning; padding: 0 1;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("E", "choose('end')", "End it", show=False),
        Binding("X", "choose('extend')", "Extend it", show=False),
        Binding("N", "choose('new')", "Another", show=False),
        Binding("escape,q", "cancel", "Close", show=False),
    ]

    def __init__(self, incident: str, silences: Sequence[tuple[Silence, str]], *, more: bool) -> None:
        """`silences` are those that hold alerts back, each with its words; `more`: whether another may be set."""
        super().__init__()
        self._incident = incident
        self._silences = tuple(silences)
        self._more = more
        self._at = 0

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Static(self.text(), markup=False)

    def text(self) -> Text:
        """One line per silence, who set it and why, and the keys."""
        text = Text(f"ALERTS HELD BACK FOR {self._incident}\n", style="bold")
        for i, (silence, words) in enumerate(self._silences):
            here = i == self._at
            text.append(f"{'>' if here else ' '} {printable(words, 400)}\n", style="reverse" if here else "not bold")
            said = f"    set by {silence.by or '?'}{f': {silence.comment}' if silence.comment else ''}\n"
            text.append(printable(said.rstrip("\n"), 400) + "\n", style="dim not bold")
        text.append("\nE ends it   X extends it   ", style="bold")
        text.append("N sets another   " if self._more else "", style="bold")
        text.append("Esc leaves all as it is", style="not bold")
        return text

    def action_move(self, step: int) -> None:
        """Another silence."""
        self._at = min(max(0, self._at + step), len(self._silences) - 1)
        self.query_one(Static).update(self.text())

    def action_choose(self, deed: Deed) -> None:
        """Close with what is to be done."""
        if deed != "new":
            self.dismiss(Choice(deed, self._silences[self._at][0]))
        elif self._more:
            self.dismiss(Choice(deed))

    def action_cancel(self) -> None:
        """Close; nothing is done."""
        self.dismiss(None)
