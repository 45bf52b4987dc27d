"""The application: keys change the view, pollers bring evidence, answers reach the screen."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from analysis.answer import Snapshot, State
from tui import lifecycle
from tui.acting import Acting
from tui.driver import CellDiffDriver
from tui.keys import KEYS
from tui.options import Options
from tui.screens.main import MainScreen, Player
from widgets.look import Look

if TYPE_CHECKING:
    from analysis.cases import Case
    from tui.session import Session

BEHIND_S = 1.0
"""A terminal that is this far behind gets no ticks: each would only make the next key wait."""

TOGETHER_S = 0.2
"""Answers of sources that come within this time are drawn together."""

GIVE_WAY_S = 0.0005
"""A thread that judges or searches lets a key through after this; Python's own 5 ms are waited for again and again."""

FAREWELL_S = 2.0
"""How long the last lines may take to write."""


class Answered(Message):
    """A new snapshot. A burst of them collapses to the last."""

    def __init__(self, snapshot: Snapshot, generation: int) -> None:
        super().__init__()
        self.snapshot = snapshot
        self.generation = generation

    def can_replace(self, message: Message) -> bool:
        """A newer answer makes a waiting one pointless."""
        return isinstance(message, Answered)


class Triage(Acting):
    """mltriage's screen: asks, answers, and says what it wrote."""

    TITLE = "mltriage"
    CSS_PATH = "screens/main.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "colon"
    BINDINGS: ClassVar[list[BindingType]] = [key.binding() for key in KEYS if key.id != "palette"]

    def __init__(
        self, options: Options, session: Session | None = None, prepare: Callable[[], Options] | None = None
    ) -> None:
        """`prepare`, run in a thread after the first paint, makes the sources that `options` does not name yet."""
        super().__init__(options, session, CellDiffDriver)
        self._prepare = prepare
        self.look = Look(ascii=options.ascii, utc=options.zone == "utc")
        self.written: list[str] = []
        """Files that the summary names when the program ends."""
        self._lifecycle: lifecycle.Lifecycle | None = None
        self._soon: asyncio.TimerHandle | None = None
        self.animation_level = "none"

    def get_default_screen(self) -> Screen[None]:
        """The one screen."""
        player = self.session if isinstance(self.session, Player) else None
        return MainScreen(self.look, *self.size, environment=self.options.incidents.environment or "", player=player)

    def on_mount(self) -> None:
        self.theme = "textual-dark" if self.options.theme == "dark" else "textual-light"
        self.set_keymap(dict(self.options.keys))
        self._lifecycle = lifecycle.install(self)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """After the first paint: numpy, DuckDB and httpx take longer to import than the screen takes to draw."""
        gc.enable()
        sys.setswitchinterval(GIVE_WAY_S)
        self._answer_loop()
        self.watch_incidents()
        if self.options.targets:
            self._delivery_loop()
        self.set_interval(1.0, self._tick)

    @work(exclusive=True, group="answer", exit_on_error=False)
    async def _answer_loop(self) -> None:
        """Answer whenever there is news, and look for the segments of what was found."""
        if self.session is None:
            self.session = await asyncio.to_thread(self._open)
        from tui.polling import Poller  # and with it the stores' vocabulary, which the first paint can do without

        session = self.session
        self.poller = Poller(session, self.options.refresh_s, self._news)
        self.poller.start()
        if session.outside:
            self._outside_loop(session)
        search: asyncio.Task[None] | None = None
        while True:
            await self.due.wait()
            await self.undisturbed.wait()
            self.due.clear()
            cases = await self._answer(session)
            if search is not None and search.done():
                search.result()  # a defect in it is one of this worker
                search = None
            if cases is not None and search is None:
                search = asyncio.create_task(self._explain(session, cases, session.generation))

    @work(exclusive=True, group="outbox", exit_on_error=False)
    async def _delivery_loop(self) -> None:
        """Go on telling the targets of incidents where an earlier run has stopped."""
        from tui.incident_delivery import keep_delivering

        def say(text: str, bad: bool) -> None:
            if bad or self.main.page != "incidents":  # the page shows each delivery where the eye is
                self.notify(text, severity="error" if bad else "information")

        await keep_delivering(self.options, say)

    @work(exclusive=True, group="outside", exit_on_error=False)
    async def _outside_loop(self, session: Session) -> None:
        """Look now and then what other systems saw."""
        from tui.outside import EVERY_S

        while True:
            if await session.outside.read(session.frame().live):
                self.due.set()
            await asyncio.sleep(EVERY_S)

    def _news(self) -> None:
        """A source has something new: answer soon, so that the sources of one beat share one answer."""
        if self.snapshot is None:
            self.due.set()
        elif self._soon is None or self._soon.when() < asyncio.get_running_loop().time():
            self._soon = asyncio.get_running_loop().call_later(TOGETHER_S, self.due.set)

    async def _explain(self, session: Session, cases: tuple[Case, ...], generation: int) -> None:
        """Search segments beside the answers: a slow store must not hold up the picture."""
        if generation == session.generation and await session.explain(cases, self.due.set):
            self.due.set()

    def _open(self) -> Session:
        from tui.sources import open_session

        if self._prepare is not None:
            self.options = self._prepare()
        return open_session(self.options)

    async def _answer(self, session: Session) -> tuple[Case, ...] | None:
        """Show what is known now; the cases to look into, None when the question has changed meanwhile."""
        generation = session.generation
        snapshot, cases = await asyncio.to_thread(session.answer)
        if generation != session.generation:
            return None
        self.post_message(Answered(snapshot, generation))
        return cases

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A defect in a worker is said aloud; a screen that silently stops to move would be believed."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            self.notify(f"{type(error).__name__}: {error}", title="mltriage has a defect", severity="error", timeout=60)

    def on_answered(self, message: Answered) -> None:
        """Show an answer to the current view; one to an older view is dropped."""
        if self.session is None or message.generation != self.session.generation or not self.stands:
            return
        if not self.undisturbed.is_set():
            self.due.set()
            return
        if not self._recalled(self.session, message.snapshot):
            self.arrived(message.snapshot)

    def _recalled(self, session: Session, snapshot: Snapshot) -> bool:
        """Whether the last whole answer to this view is on the screen and only a part of the next one is there."""
        shown = self.snapshot
        if shown is None or all(source.state is not State.LOADING for source in snapshot.sources):
            return False
        return shown is session.kept(snapshot.view) and snapshot.view.focus in (None, shown.focus)

    def _tick(self) -> None:
        if getattr(self._driver, "lag_s", 0.0) < BEHIND_S and self.stands:
            self.main.tick(time.time())

    def action_zone(self) -> None:
        """Times in UTC or in the reader's zone."""
        self.look = replace(self.look, utc=not self.look.utc)
        self.main.restyle(self.look)

    def action_mouse(self) -> None:
        """Give the mouse to the terminal, for its own selection, or take it back."""
        driver = self._driver
        if isinstance(driver, CellDiffDriver):
            driver.set_mouse(not driver.mouse)
            self.notify("mouse on" if driver.mouse else "mouse off: the terminal selects text")

    def action_refresh(self) -> None:
        """Ask every source again now."""
        if self.poller is not None:
            self.poller.poke()
        if self.session is not None:
            self.session.pages.clear()
        self.fetch_page()

    @work(group="copy", exit_on_error=False)
    async def action_copy(self, what: str = "finding") -> None:
        """Copy what the cursor is on, or the whole report."""
        from tui import output

        await output.copy(self, report=what == "report")

    @work(group="export", exit_on_error=False)
    async def action_export(self) -> None:
        """Write report and screen to files."""
        from tui import output

        await output.export(self)

    def action_help(self) -> None:
        """Why the segment under the cursor is one; elsewhere what the page shows, and all keys."""
        from tui.screens.help import HelpScreen

        told = self.segment_in_focus()
        self.push_screen(told if told is not None else HelpScreen(self.main.page))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every key is in the palette, and every model."""
        for key in KEYS:
            if key.id not in ("palette", "next_panel", "previous_panel", "drill"):
                yield SystemCommand(f"{key.what} ({key.label})", key.id, lambda a=key.action: self.run_action(a))
        for row in self.snapshot.models if self.snapshot is not None else ():
            yield SystemCommand(
                f"model {row.model}", "put in focus", lambda m=row.model: self.ask(replace(self.view, focus=m))
            )

    def _fatal_error(self) -> None:
        """Say where it broke: Textual's own words would show every variable, and one may hold a secret."""
        from rich.text import Text

        from tui.crash import EX_SOFTWARE, told

        self._return_code = EX_SOFTWARE
        error = sys.exc_info()[1] or self._exception
        if error is not None and not self._exit_renderables:  # what breaks after it is broken by it
            self._exit_renderables.append(Text(told(error)))
        self._close_messages_no_wait()

    async def on_unmount(self) -> None:
        if self.poller is not None:
            await self.poller.stop()
        if self.session is not None:
            await self.session.close()
        await self.close_journal()
        if self._lifecycle is not None:
            self._lifecycle.close()


def run(options: Options, prepare: Callable[[], Options] | None = None, session: Session | None = None) -> int:
    """Run the screen; without a usable terminal print the report instead, and say why.

    For `prepare` and `session` see `Triage`.
    """
    problem = lifecycle.terminal_problem()
    if problem is not None:
        gc.enable()
        from tui.report import run as report

        sys.stderr.write(f"mltriage: {problem}; printing the report instead of the screen\n")
        return report(options if prepare is None else prepare(), "text")
    app = Triage(options, session, prepare)
    app.run(mouse=options.mouse)
    from tui.output import farewell

    status = app.return_code or 0
    # Writing to a terminal that takes nothing any more would block for ever.
    guard = lifecycle.leave_within(FAREWELL_S, status)
    sys.stdout.write(farewell(app.snapshot, app.written, app.open_words()))
    sys.stdout.flush()
    guard.cancel()
    return status
