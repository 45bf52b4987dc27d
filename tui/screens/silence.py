"""The form of a silence: which alerts, for how long, and why; it shows what fires now and would fall silent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from analysis.printable import printable
from tui.timespec import TimeSpecError, parse_duration

if TYPE_CHECKING:
    from incidents.matchers import Matcher

LONGEST_S = 24 * 3_600
"""Longer than a day nobody remembers a silence."""

NAMED = 4
"""Alerts that are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A silence as it is typed."""

    matchers: str
    seconds: int
    comment: str
    held: str
    """The alerts that fire now and would fall silent, in words."""


@dataclass(frozen=True, slots=True)
class Firing:
    """The alerts that an Alertmanager holds."""

    alerts: tuple[Mapping[str, str], ...] = ()
    """The labels of each."""
    problem: str = ""
    """Why they are not known."""

    def fires_again(self) -> str:
        """What no longer falls silent when the silence ends that holds these back."""
        if self.problem:
            return f"not known what it holds back: {printable(self.problem, 300)}"
        return f"fires again at once: {named(self.alerts)}" if self.alerts else "nothing of it fires now"


class SilenceScreen(ModalScreen[Asked | None]):
    """Asks what is to fall silent; Enter goes on to the question that names the target, Esc silences nothing."""

    DEFAULT_CSS = """
    SilenceScreen { align: center middle; background: $background 60%; }
    SilenceScreen VerticalScroll {
        width: 90; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $warning; padding: 0 1;
    }
    SilenceScreen Horizontal { height: 1; }
    SilenceScreen .name { width: 10; color: $text-muted; }
    SilenceScreen Input { width: 1fr; height: 1; border: none; padding: 0; }
    SilenceScreen #head { text-style: bold; }
    SilenceScreen #problem { color: $error; width: 100%; }
    SilenceScreen #firing { width: 1fr; height: auto; }
    SilenceScreen .now { height: auto; }
    SilenceScreen #keys { color: $text-muted; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Previous field", show=False),
    ]

    def __init__(
        self,
        target: str,
        matchers: Sequence[Matcher],
        comment: str,
        look: Callable[[], Awaitable[Firing]],
        *,
        extends: bool = False,
    ) -> None:
        """`look` asks the target what fires; the form can be filled in while it does. `extends`: one stands already."""
        super().__init__()
        self._target = target
        self._extends = extends
        self._offered = tuple(matchers)
        self._comment = comment
        self._look = look
        self._firing: Firing | None = None
        self._left_out: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        from incidents.matchers import format_matchers

        with VerticalScroll(can_focus=False):
            verb = "EXTEND THE SILENCE" if self._extends else "SILENCE ALERTS"
            yield Label(f"{verb} AT {printable(self._target, 100)}", id="head", markup=False)
            typed = format_matchers(self._offered)
            for name, field in (
                ("alerts", Input(typed, id="matchers", compact=True, select_on_focus=False)),
                ("for", Input("1h", id="for", compact=True, select_on_focus=False)),
                ("comment", Input(self._comment, id="comment", compact=True, select_on_focus=False)),
            ):
                with Horizontal():
                    yield Label(name, classes="name")
                    yield field
            with Horizontal(classes="now"):
                yield Label("now", classes="name")
                yield Label("asking what fires ...", id="firing", markup=False)
            yield Label("", id="problem", markup=False)
            yield Label("Enter goes on (you are asked once more)   Tab next field   Esc cancels", id="keys")

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False  # two frames a second for somebody who thinks
        self.query_one("#matchers").focus()
        self._find_out()

    @work(exclusive=True, group="firing", exit_on_error=False)
    async def _find_out(self) -> None:
        from incidents.matchers import borne, format_matchers

        self._firing = await self._look()
        field = self.query_one("#matchers", Input)
        kept = borne(self._offered, self._firing.alerts)
        if kept and kept != self._offered and not self._extends and field.value == format_matchers(self._offered):
            self._left_out = tuple(m.label for m in self._offered if m not in kept)
            field.value = format_matchers(kept)
        self._show()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another character: other alerts would fall silent."""
        event.stop()
        self._show()

    def _show(self) -> None:
        self.query_one("#firing", Label).update(self.held())

    def held(self) -> str:
        """Which of the alerts that fire now would fall silent."""
        from incidents.matchers import MatcherError, matches, parse_matchers

        if self._firing is None:
            return "asking what fires ..."
        if self._firing.problem:
            return f"not known what fires: {printable(self._firing.problem, 300)}"
        try:
            matchers = parse_matchers(self.query_one("#matchers", Input).value)
        except MatcherError:
            return f"{len(self._firing.alerts)} alerts fire"
        held = [alert for alert in self._firing.alerts if matches(matchers, alert)]
        without = f"; no alert has {', '.join(self._left_out)}: left out" if self._left_out else ""
        return f"{len(held)} of {len(self._firing.alerts)} firing alerts: {named(held) or 'none'}{without}"

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter: go on, or say what cannot be read."""
        event.stop()
        try:
            self.dismiss(self.asked())
        except (TimeSpecError, ValueError) as error:
            self.query_one("#problem", Label).update(printable(str(error), 300))

    def asked(self) -> Asked:
        """The form as it stands.

        Raises:
            ValueError: a field cannot be read; the message says what would be.
        """
        from incidents.matchers import format_matchers, parse_matchers

        matchers = parse_matchers(self.query_one("#matchers", Input).value)
        seconds = parse_duration(self.query_one("#for", Input).value)
        if seconds > LONGEST_S:
            raise TimeSpecError("a silence lasts at most 1d: a longer one is forgotten")
        comment = self.query_one("#comment", Input).value.strip()
        if not comment:
            raise ValueError("say why: whoever finds the silence must know")
        return Asked(format_matchers(matchers), seconds, comment, self.held())

    def action_cancel(self) -> None:
        """Close; nothing falls silent."""
        self.dismiss(None)


def named(alerts: Sequence[Mapping[str, str]]) -> str:
    """The names of some alerts, the first few."""
    names = [printable(alert.get("alertname", "?"), 60) for alert in alerts]
    return ", ".join(dict.fromkeys(names[:NAMED])) + (" ..." if len(names) > NAMED else "")
