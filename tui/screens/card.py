"""The card of a new incident: prefilled from the answer, changed with Tab and keys, saved with Enter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Label

from analysis.printable import printable


@dataclass(frozen=True, slots=True)
class Prefilled:
    """What the card offers."""

    title: str
    severity: int
    """1 (worst) to 5."""
    reason: str
    """Why this severity, in words."""
    evidence: tuple[str, ...]
    """What can be kept with it."""
    targets: tuple[str, ...]
    """Who can be told."""
    pagers: tuple[str, ...] = ()
    """Who wakes somebody when told: not from here."""
    drill: bool = False
    """Whether it is an exercise unless it is said not to be."""
    alike: tuple[str, str] | None = None
    """Id and title of the open incident that a new one would repeat."""


@dataclass(frozen=True, slots=True)
class Filled:
    """The card as it is saved."""

    title: str
    severity: int
    impact: str
    note: str
    drill: bool
    join: str | None
    """The incident to add to, in place of a new one."""
    evidence: tuple[str, ...]
    targets: tuple[str, ...]
    commander: str = ""
    """Who leads."""
    link: str = ""
    criterion: str = ""
    """What has to hold before it is over."""


Save = Callable[[Filled], Awaitable[str | None]]
"""Saves; returns what is wrong, or None to close the card."""

AsText = Callable[[Filled], str]
"""The incident as text, for when nothing saves it."""


class Tick(Widget, can_focus=True):
    """`[x] word`: Space turns it over, Enter is left to the card."""

    DEFAULT_CSS = """
    Tick { width: auto; height: 1; margin-right: 2; }
    Tick:focus { text-style: reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "turn", "Turn over", show=False)]

    class Turned(Message):
        """It was turned over."""

        def __init__(self, tick: Tick) -> None:
            super().__init__()
            self.tick = tick

        @property
        def control(self) -> Tick:
            """The tick, for `@on(..., "#id")`."""
            return self.tick

    def __init__(
        self,
        word: str,
        on: bool = True,
        *,
        id: str | None = None,  # noqa: A002  Textual's own name
        disabled: bool = False,
    ) -> None:
        super().__init__(id=id, disabled=disabled)
        self.word = word
        self.on = on

    def render(self) -> RenderResult:
        return Text(f"[{'x' if self.on else ' '}] {printable(self.word, 200)}", no_wrap=True, overflow="ellipsis")

    def action_turn(self) -> None:
        """Turn it over."""
        self.on = not self.on
        self.refresh()
        self.post_message(self.Turned(self))

    def on_click(self) -> None:
        """A click turns it over."""
        self.action_turn()


class CardScreen(ModalScreen[None]):
    """Asks what is to be kept, and stays open with the reason when it cannot be."""

    DEFAULT_CSS = """
    CardScreen { align: center middle; background: $background 60%; }
    CardScreen VerticalScroll {
        width: 90; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    CardScreen Horizontal { height: 1; }
    CardScreen .name { width: 10; color: $text-muted; }
    CardScreen Input { width: 1fr; height: 1; border: none !important; padding: 0; }
    CardScreen #severity { width: 3; }
    CardScreen .reason { width: 1fr; color: $text-muted; }
    CardScreen .why, CardScreen .why .reason { height: auto; }
    CardScreen #head { text-style: bold; }
    CardScreen #problem { color: $error; width: 100%; }
    CardScreen #keys { color: $text-muted; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("enter", "save", "Save", show=False),
        Binding("j", "join", "Join", show=False),
        Binding("ctrl+y", "copy", "Copy as text", show=False, priority=True),
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Previous field", show=False),
    ]

    def __init__(
        self, prefilled: Prefilled, save: Save, as_text: AsText, shown: Callable[[], None] = lambda: None
    ) -> None:
        """`shown` is called once it is on the screen."""
        super().__init__()
        self._shown = shown
        self._as_text = as_text
        self._offer = prefilled
        self._save = save
        self._saving = False

    def compose(self) -> ComposeResult:
        offer = self._offer
        joins = offer.alike is not None
        with VerticalScroll(can_focus=False):
            yield Label(_head(offer.alike[0] if offer.alike is not None else None), id="head")
            if offer.alike is not None:
                known, title = offer.alike
                with Horizontal():
                    yield Label("join", classes="name")
                    yield Tick(f"{known}, open about the same: {title}", id="join")
            yield from _field("title", Input(offer.title, id="title", select_on_focus=False, disabled=joins))
            with Horizontal():
                yield Label("severity", classes="name")
                level = str(offer.severity)
                yield Input(level, id="severity", restrict="[1-5]?", max_length=1, disabled=joins)
                yield Label("1 worst to 5", classes="reason")
            with Horizontal(classes="why"):
                yield Label("why", classes="name")
                yield Label(printable(offer.reason, 300), classes="reason", markup=False)
            whom = Input(placeholder="who notices it, how many", id="impact", disabled=joins)
            yield from _field("impact", whom)
            yield from _field("note", Input(placeholder="what is being done", id="note"))
            leads = Input(placeholder="who leads; empty: nobody yet", id="commander")
            yield from _field("commander", leads)
            yield from _field("link", Input(placeholder="a dashboard, a chat, a change", id="link"))
            over = Input(placeholder="what must hold before it is over", id="criterion")
            yield from _field("done when", over)
            yield from _field("keep", *(Tick(name, id=f"keep-{i}") for i, name in enumerate(offer.evidence)))
            if offer.targets:
                yield from _field("tell", *(Tick(name, id=f"tell-{i}") for i, name in enumerate(offer.targets)))
            if offer.pagers:
                names = printable(", ".join(offer.pagers), 100)
                yield from _field("page", Label(f"{names}: W and P, once it is saved", markup=False))
            if not offer.targets and not offer.pagers:
                yield from _field("tell", Label("no targets configured: saved here only"))
            yield from _field("exercise", Tick("a drill", on=offer.drill, id="drill", disabled=joins))
            yield Label("", id="problem", markup=False)
            yield Label("Enter saves   Tab next field   Space ticks   Esc cancels", id="keys")

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False  # two frames a second for somebody who thinks
        self.query_one("#join" if self._offer.alike is not None else "#title").focus()
        self.call_after_refresh(self._shown)

    @on(Tick.Turned, "#join")
    def show_join(self) -> None:
        """Say what Enter does; an incident that is joined keeps its own title, severity and impact."""
        joins = self.filled.join
        self.query_one("#head", Label).update(_head(joins))
        for name in ("#title", "#severity", "#impact", "#drill"):
            self.query_one(name).disabled = joins is not None

    @property
    def filled(self) -> Filled:
        """The card as it stands."""
        offer = self._offer
        typed = self.query_one("#severity", Input).value
        return Filled(
            title=self.query_one("#title", Input).value.strip() or offer.title,
            severity=int(typed) if typed else offer.severity,
            impact=self.query_one("#impact", Input).value.strip(),
            note=self.query_one("#note", Input).value.strip(),
            commander=self.query_one("#commander", Input).value.strip(),
            link=self.query_one("#link", Input).value.strip(),
            criterion=self.query_one("#criterion", Input).value.strip(),
            drill=self.query_one("#drill", Tick).on,
            join=offer.alike[0] if offer.alike is not None and self.query_one("#join", Tick).on else None,
            evidence=self._ticked("keep", offer.evidence),
            targets=self._ticked("tell", offer.targets),
        )

    def _ticked(self, kind: str, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for i, name in enumerate(names) if self.query_one(f"#{kind}-{i}", Tick).on)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field."""
        event.stop()
        self.action_save()

    def action_save(self) -> None:
        """Save it, once."""
        if not self._saving:
            self._saving = True
            self._try_to_save(self.filled)

    @work(group="save", exit_on_error=False)
    async def _try_to_save(self, filled: Filled) -> None:
        try:
            problem = await self._save(filled)
        finally:
            self._saving = False
        if problem is None:
            self.dismiss()
        else:
            self.query_one("#problem", Label).update(printable(problem, 600))

    @work(group="copy", exit_on_error=False)
    async def action_copy(self) -> None:
        """Copy the card as text."""
        from tui.clipboard import copy

        copied = await copy(self._as_text(self.filled), self.app)
        self.app.notify(copied.words)

    def action_join(self) -> None:
        """Join the incident that is open about the same, or declare another."""
        if self._offer.alike is not None:
            self.query_one("#join", Tick).action_turn()

    def action_cancel(self) -> None:
        """Close; nothing is kept."""
        self.dismiss()


def _head(joins: str | None) -> str:
    """What Enter does."""
    return f"ADD THE EVIDENCE TO {joins}   j declares a new one" if joins else "FLAG AN INCIDENT"


def _field(name: str, *widgets: Widget) -> ComposeResult:
    with Horizontal():
        yield Label(name, classes="name")
        yield from widgets
