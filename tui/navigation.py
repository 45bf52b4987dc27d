"""Moving through the data: each key or click here makes a new view, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.app import App
from textual.driver import Driver

from analysis.answer import ErrorRow, FeatureRow, Finding, Snapshot, State
from analysis.filters import Eq, Filter, Not, conjunction
from analysis.printable import printable
from analysis.view import View
from tui.keys import ON_DEMAND, PAGES
from tui.options import Options
from tui.screens.main import MainScreen, page_of
from widgets.changes import ChangesPanel
from widgets.listing import ListPanel
from widgets.models import ModelsPanel
from widgets.panel import Panel, Part
from widgets.segments import SegmentsPanel

if TYPE_CHECKING:
    from tui.polling import Poller
    from tui.session import Session

SLOW_SEARCH_S = 1.0
"""A segment search that runs longer is stopped by Esc."""


class Navigation(App[None]):
    """The part of the application that changes the view. Answers arrive in `tui.app`."""

    def __init__(self, options: Options, session: Session | None, driver_class: type[Driver]) -> None:
        super().__init__(driver_class=driver_class)
        self.options = options
        self.session = session
        self.snapshot: Snapshot | None = None
        self.poller: Poller | None = None
        self.due = asyncio.Event()
        """Set when there is something to answer."""
        self.earlier: list[View] = []
        """The views before each filter, for `u`."""

    @property
    def main(self) -> MainScreen:
        """The screen below whatever dialog is open."""
        return next(screen for screen in self.screen_stack if isinstance(screen, MainScreen))

    @property
    def stands(self) -> bool:
        """Whether there is a main screen to show things on: not at the very beginning, nor while the program ends."""
        return any(screen.stands for screen in self.screen_stack if isinstance(screen, MainScreen))

    def ask(self, view: View) -> None:
        """A new question: what is being asked for the old one is dropped."""
        session = self.session
        if session is None or view == session.view:
            return
        if why := session.refusal(view):
            self.notify(why, severity="warning")
            return
        before = session.generation
        session.ask(view)
        kept = session.kept(view)
        if kept is not None and session.generation != before:
            self.arrived(kept)
        self.fetch_page()
        if session.generation != before:
            self.poll_anew()
        self.due.set()

    def poll_anew(self) -> None:
        """Ask every source now, not when its turn comes."""
        if self.poller is not None:
            self.run_worker(self.poller.restart(), group="restart", exclusive=True, exit_on_error=False)

    @property
    def view(self) -> View:
        """The current question."""
        return self.session.view if self.session is not None else self.options.view

    def on_list_panel_highlighted(self, event: ListPanel.Highlighted) -> None:
        """The cursor moved: the panels follow its model."""
        if isinstance(event.panel, ChangesPanel | ModelsPanel):
            model = getattr(event.item, "model", "")
            if model:
                self.ask(replace(self.view, focus=model))
            self.main.show_finding()

    def on_list_panel_selected(self, event: ListPanel.Selected) -> None:
        """Enter: a finding opens its panel, a model its latency, a segment becomes the filter."""
        panel, item = event.panel, event.item
        if isinstance(panel, ChangesPanel) and isinstance(item, Finding):
            self.main.pin(item)
            if item.model:
                self.ask(replace(self.view, focus=item.model))
            self.main.open(page_of(item))
            if item.where:
                self.main.focus_segments()
            self.fetch_page()
        elif isinstance(panel, ModelsPanel):
            self.ask(replace(self.view, focus=getattr(item, "model", None)))
            self.main.open("latency")
        elif isinstance(panel, SegmentsPanel):
            self.add_segment(exclude=False)
        elif isinstance(item, ErrorRow):
            self.locate(item.error_type)
        elif isinstance(item, FeatureRow):
            self.locate(item.feature)

    def locate(self, subject: str) -> None:
        """Show the segments of what changed about an error type or a feature of the model in focus."""
        finding = self.main.finding_about(subject)
        if finding is None:
            self.notify(f"{printable(subject)} has not changed: there is nothing to locate", timeout=4, markup=False)
            return
        self.main.pin(finding)
        self.main.show_finding()
        self.main.focus_segments()

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Enter on a chart: its page."""
        if event.panel.id in PAGES:
            self.action_page(str(event.panel.id))

    def arrived(self, snapshot: Snapshot) -> None:
        """Show an answer to the current view."""
        self.snapshot = snapshot
        self.main.show(snapshot)

    async def fill(
        self, panel: type[Panel[Part]], asked: Hashable, loading: Part | None, fetch: Callable[[], Awaitable[Part]]
    ) -> None:
        """Show what a page asks the sources for; of a held view each question is asked once.

        Args:
            loading: what stands there while they are asked; None leaves what is shown.
        """
        session, view = self.session, self.view
        if session is None:
            return
        key = (panel, replace(view, focus=None), asked)
        part: Part | None = None if view.live else session.pages.get(key)
        if part is None:
            if loading is not None:
                self.main.show_page(panel, loading)
            part = await fetch()
            status = self.main.query_one(panel).status(part)
            if not view.live and status is not None and status.state is State.LIVE:
                session.pages.put(key, part)
        self.main.show_page(panel, part)

    def fetch_page(self) -> None:
        """Ask for what the page shows beside the snapshot, if it shows any such thing."""

    def add_segment(self, *, exclude: bool) -> None:
        """Filter by the segment under the cursor, or leave it out."""
        where = self.main.where_at_hand
        if not where:
            self.notify("no segment under the cursor: open a finding first (Enter)", severity="warning")
            return
        self.filter_by_rows(where, exclude=exclude)

    def filter_by_rows(self, where: Iterable[tuple[str, str]], *, exclude: bool) -> None:
        """Add the rows of a segment to the filter, or leave them out."""
        rows = conjunction(*(Eq(dim, value) for dim, value in where))
        self.filter_by(conjunction(self.view.where, Not(rows) if exclude else rows))

    def filter_by(self, where: Filter) -> None:
        """Ask for these rows; `u` comes back."""
        self.earlier.append(self.view)
        self.ask(replace(self.view, where=where))

    def action_drill(self) -> None:
        """Enter outside a list goes to the segments."""
        self.main.focus_segments()

    async def action_back(self) -> None:
        """Stop a long segment search; else back to the page before; on the overview, undo the last filter."""
        if self.session is not None and self.session.stop_search(SLOW_SEARCH_S):
            self.notify("segment search stopped; it starts again with the next question, or in half a minute")
        elif not self.main.back():
            self.action_undo_filter()

    def action_undo_filter(self) -> None:
        """The view before the last filter, at the present time settings."""
        if self.earlier:
            self.ask(replace(self.view, where=self.earlier.pop().where))

    def action_exclude(self) -> None:
        """Leave out the segment under the cursor."""
        self.add_segment(exclude=True)

    def action_page(self, page: str) -> None:
        """One of the numbered screens."""
        if page in ON_DEMAND:
            self.main.pin(self.main.finding_of(page))
            self.main.open(page)
            self.fetch_page()
        elif page in PAGES:
            self.main.pin(None if page == "overview" else self.main.finding_of(page))
            self.main.open(page)

    def action_pause(self) -> None:
        """Hold the moment, or follow the clock again."""
        if self.session is not None:
            held = replace(self.view, end=int(self.session.clock()))
            self.ask(held if self.view.live else self.session.resumed())

    def action_live(self) -> None:
        """Follow the clock."""
        if self.session is not None:
            self.ask(self.session.newest())

    def action_move(self, steps: int) -> None:
        """A quarter window earlier or later."""
        if self.session is not None:
            self.ask(self.session.moved(steps))

    def action_zoom(self, steps: int) -> None:
        """A longer or a shorter window."""
        self.ask(self.view.zoomed(steps))

    def action_next_model(self) -> None:
        """The next model in focus."""
        rows = [row.model for row in self.snapshot.models] if self.snapshot is not None else []
        if rows and self.snapshot is not None:
            at = rows.index(self.snapshot.focus) if self.snapshot.focus in rows else -1
            self.ask(replace(self.view, focus=rows[(at + 1) % len(rows)]))
