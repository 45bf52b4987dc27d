"""The one-line prompt at the foot of the screen: filters, moments, baselines and names are typed here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Label

from analysis.printable import printable

Take = Callable[[str], str | None]
"""Gets an answer; returns what is wrong with it, or None to close the prompt."""

Complete = Callable[[str], Awaitable[Sequence[str]]]
"""Gets what is typed so far; returns whole lines that it could become, the likeliest first."""

OFFERED = 6
"""Completions that are named beside the prompt."""


async def nothing(_: str) -> Sequence[str]:
    """Completes nothing."""
    return ()


class Prompt(Horizontal):
    """Asks for a line; what cannot be read stays on screen with the reason beside it. Tab completes."""

    DEFAULT_CSS = """
    Prompt { height: 1; }
    Prompt Label { width: auto; height: 1; text-style: bold; }
    Prompt Input { width: 1fr; height: 1; border: none; padding: 0; }
    Prompt #problem { color: $warning; max-width: 60%; }
    Prompt #offers { color: $text-muted; text-style: none; max-width: 60%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", show=False),
        Binding("tab", "complete", "Complete", show=False),
        Binding("down", "offer(1)", "Next completion", show=False),
        Binding("up", "offer(-1)", "Previous completion", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name for it
        super().__init__(id=id)
        self._take: Take = lambda _: None
        self._complete: Complete = nothing
        self._offers: tuple[str, ...] = ()
        self._offer = 0
        self._chosen: str | None = None
        """The offer that stands in the field while others can still take its place."""

    def compose(self) -> ComposeResult:
        yield Label("", id="question", markup=False)
        yield Input(compact=True)
        yield Label("", id="offers", markup=False)
        yield Label("", id="problem", markup=False)

    def ask(self, question: str, take: Take, value: str = "", complete: Complete = nothing) -> None:
        """Open with a question and a line to begin with."""
        self._take, self._complete = take, complete
        self._show_offers(())
        self.query_one("#question", Label).update(f" {question} ")
        self.query_one("#problem", Label).update("")
        field = self.query_one(Input)
        field.value = value
        field.cursor_position = len(value)
        self.add_class("-open")
        field.focus()
        self._look_up(value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another character, or an offer: while there are others to choose from, they stay."""
        event.stop()
        if self.has_class("-open") and event.value != self._chosen:
            self._look_up(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        event.stop()
        problem = self._take(event.value)
        if problem is None:
            self.action_close()
        else:
            self.query_one("#problem", Label).update(f" {printable(problem, 300)} ")

    @work(exclusive=True, group="complete", exit_on_error=False)
    async def _look_up(self, text: str) -> None:
        """Find completions; keys go on meanwhile, and a later character takes the place of this one."""
        self._show_offers(tuple(await self._complete(text)), text)

    def _show_offers(self, offers: tuple[str, ...], typed: str = "") -> None:
        """Name the offers, without the words that are typed already."""
        self._offers, self._offer, self._chosen = offers, -1, None
        words = [printable(without(typed[: typed.rfind(" ") + 1], offer), 40) for offer in offers[:OFFERED]]
        more = " …" if len(offers) > OFFERED else ""
        self.query_one("#offers", Label).update(f" {'  '.join(words)}{more} " if words else "")

    def action_complete(self) -> None:
        """Take the first completion, or the one after it."""
        self.action_offer(1)

    def action_offer(self, steps: int) -> None:
        """Take another completion."""
        if self._offers:
            self._offer = (self._offer + steps) % len(self._offers) if self._offer >= 0 else 0 if steps > 0 else -1
            self._offer %= len(self._offers)
            field = self.query_one(Input)
            self._chosen = self._offers[self._offer] if len(self._offers) > 1 else None
            field.value = self._offers[self._offer]
            field.cursor_position = len(field.value)

    def action_close(self) -> None:
        """Close without an answer; the focus goes back."""
        self.workers.cancel_group(self, "complete")
        self.remove_class("-open")
        self.screen.focus_previous()


def without(typed: str, offer: str) -> str:
    """What an offer adds to the words that are typed."""
    return offer[len(typed) :] if offer.lower().startswith(typed.lower()) else offer
