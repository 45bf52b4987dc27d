"""Moving through the data: each key or click here makes a new view, and nothing else."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import work
from textual.app import App
from textual.driver import Driver

from analysis.answer import Finding, PanelStatus, Snapshot, State
from analysis.filters import ALL, Eq, Filter, FilterError, Not, conjunction, format_filter, parse_filter
from analysis.records import Record, Records
from analysis.view import Baseline, View
from tui.keys import PAGES
from tui.options import Options
from tui.screens.main import PAGE_OF, MainScreen
from tui.screens.prompt import Prompt
from tui.timespec import TimeSpecError, parse_time
from widgets.changes import ChangesPanel
from widgets.listing import ListPanel
from widgets.models import ModelsPanel
from widgets.panel import Panel
from widgets.records import RecordsPanel
from widgets.segments import SegmentsPanel

if TYPE_CHECKING:
    from tui.polling import Poller
    from tui.session import Session

BASELINES = (Baseline("previous"), Baseline("1d"), Baseline("1w"))
"""What `c` steps through."""


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

    def ask(self, view: View) -> None:
        """A new question: what is being asked for the old one is dropped."""
        session = self.session
        if session is None or view == session.view:
            return
        before = session.generation
        session.ask(view)
        if self.main.page == "records":
            self.show_records()
        if session.generation != before and self.poller is not None:
            self.run_worker(self.poller.restart(), group="restart", exclusive=True, exit_on_error=False)
        self.due.set()

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
            self.main.open(PAGE_OF.get(item.signal, "overview"))
        elif isinstance(panel, ModelsPanel):
            self.ask(replace(self.view, focus=getattr(item, "model", None)))
            self.main.open("latency")
        elif isinstance(panel, SegmentsPanel):
            self.add_segment(exclude=False)
        elif isinstance(panel, RecordsPanel) and isinstance(item, Record) and panel.part is not None:
            from tui.screens.record import RecordScreen

            self.push_screen(RecordScreen(item, panel.part.fields))

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Enter on a chart: its page."""
        if event.panel.id in PAGES:
            self.action_page(str(event.panel.id))

    def add_segment(self, *, exclude: bool) -> None:
        """Filter by the segment under the cursor, or leave it out."""
        segment = self.main.query_one(SegmentsPanel).item
        if segment is None:
            self.notify("no segment under the cursor: open a finding first (Enter)", severity="warning")
            return
        rows = conjunction(*(Eq(dim, value) for dim, value in segment.where))
        self.filter_by(conjunction(self.view.where, Not(rows) if exclude else rows))

    def filter_by(self, where: Filter) -> None:
        """Ask for these rows; `u` comes back."""
        self.earlier.append(self.view)
        self.ask(replace(self.view, where=where))

    def action_drill(self) -> None:
        """Enter outside a list goes to the segments."""
        self.main.set_focus(self.main.query_one(SegmentsPanel))

    async def action_back(self) -> None:
        """Back to the page before; on the overview, undo the last filter."""
        if not self.main.back():
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
        if page == "records":
            self.main.pin(self.main.finding)
            self.main.open(page)
            self.show_records()
        elif page in PAGES:
            self.main.pin(None if page == "overview" else self.main.finding_of(page))
            self.main.open(page)

    @work(exclusive=True, group="records", exit_on_error=False)
    async def show_records(self) -> None:
        """Fetch the rows behind the finding at hand; a newer question or another page takes the place of this one."""
        from tui.records import fetch

        session, snapshot = self.session, self.snapshot
        if session is None or snapshot is None:
            return
        finding = self.main.finding
        case = session.case(finding.key) if finding is not None else None
        model = finding.model if finding is not None and finding.model else snapshot.focus
        shown = self.main.query_one(RecordsPanel).part
        self.main.show_records(Records(PanelStatus(State.LOADING), model))
        records = await fetch(session, model, case, self.options.sensitive)
        if shown is not None and shown.shown and set(shown.shown) <= set(records.fields):
            records = records.choose(shown.shown)
        self.main.show_records(records)

    def action_columns(self) -> None:
        """Type the columns of the records."""
        panel = self.main.query_one(RecordsPanel)
        records = panel.part
        if self.main.page != "records" or records is None:
            self.notify("columns belong to the records: open them first (o)", severity="warning")
            return

        def take(text: str) -> str | None:
            try:
                self.main.show_records(records.choose(text.replace(",", " ").split()))
            except KeyError as error:
                return f"no field {error.args[0]}: {' '.join(records.fields)}"
            return None

        self.main.query_one(Prompt).ask("columns", take, " ".join(records.shown or records.fields))

    def action_filter(self) -> None:
        """Type a filter."""

        def take(text: str) -> str | None:
            try:
                where = parse_filter(text)
            except FilterError as error:
                return str(error)
            self.filter_by(where if text.strip() else ALL)
            return None

        self.main.query_one(Prompt).ask("/", take, format_filter(self.view.where))

    def action_jump(self) -> None:
        """Type a moment."""

        def take(text: str) -> str | None:
            now = time.time()
            try:
                moment = parse_time(text, now, self.options.zone)
            except TimeSpecError as error:
                return str(error)
            self.ask(replace(self.view, end=None if moment >= now else moment))
            return None

        self.main.query_one(Prompt).ask("@", take)

    def action_pause(self) -> None:
        """Hold the moment, or follow the clock again."""
        self.ask(replace(self.view, end=int(time.time()) if self.view.live else None))

    def action_live(self) -> None:
        """Follow the clock."""
        self.ask(replace(self.view, end=None))

    def action_move(self, steps: int) -> None:
        """A quarter window earlier or later."""
        self.ask(self.view.moved(steps, time.time()))

    def action_zoom(self, steps: int) -> None:
        """A longer or a shorter window."""
        self.ask(self.view.zoomed(steps))

    def action_baseline(self) -> None:
        """The next baseline."""
        kinds = [baseline.kind for baseline in BASELINES]
        now = self.view.baseline.kind
        step = BASELINES[(kinds.index(now) + 1) % len(kinds)] if now in kinds else BASELINES[0]
        self.ask(replace(self.view, baseline=step))

    def action_next_model(self) -> None:
        """The next model in focus."""
        rows = [row.model for row in self.snapshot.models] if self.snapshot is not None else []
        if rows and self.snapshot is not None:
            at = rows.index(self.snapshot.focus) if self.snapshot.focus in rows else -1
            self.ask(replace(self.view, focus=rows[(at + 1) % len(rows)]))
