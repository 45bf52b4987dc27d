"""Questions beside the snapshot, asked when an engineer opens their page: raw records, splits, selections."""

from __future__ import annotations

from collections.abc import Sequence

from textual import work

from analysis.answer import PanelStatus, State
from analysis.filters import FilterError
from analysis.records import Record, Records
from analysis.selection import Choice, Selection
from analysis.split import Split
from tui.completion import Completer, starting
from tui.screens.prompt import Prompt
from tui.searching import Searching
from widgets.listing import ListPanel
from widgets.means import MeansPanel
from widgets.mix import MixPanel
from widgets.records import RecordsPanel
from widgets.segments import SegmentsPanel
from widgets.selection import SelectionPanel
from widgets.split import SplitPanel
from widgets.text import clock


class Exploring(Searching):
    """The part of the application that looks at rows and at the values of one dimension."""

    _chosen: Choice | None = None
    """The rows that the selection page is about."""

    def fetch_page(self) -> None:
        """See `Navigation`."""
        if self.main.page == "records":
            self.show_records()
        elif self.main.page == "split":
            self.show_split()
        elif self.main.page == "mix":
            self.show_mix()
        elif self.main.page == "means":
            self.show_means()
        elif self.main.page == "selection" and self._chosen is not None:
            self.show_selection(self._chosen)

    @work(exclusive=True, group="page", exit_on_error=False)
    async def show_records(self) -> None:
        """Fetch the rows behind the finding at hand; a newer question takes the place of this one."""
        from tui.records import fetch

        session, snapshot = self.session, self.snapshot
        if session is None or snapshot is None:
            return
        finding = self.main.finding
        case = session.case(finding.key) if finding is not None else None
        model = finding.model if finding is not None and finding.model else snapshot.focus
        shown = self.main.query_one(RecordsPanel).part

        async def chosen() -> Records:
            records = await fetch(session, model, case, self.options.sensitive)
            same = shown is not None and shown.shown and set(shown.shown) <= set(records.fields)
            return records.choose(shown.shown) if same and shown is not None else records

        asked = (model, None if case is None else (case.finding.key, case.outcome, case.window))
        await self.fill(RecordsPanel, asked, Records(PanelStatus(State.LOADING), model), chosen)

    @work(exclusive=True, group="page", exit_on_error=False)
    async def show_split(self, dim: str = "") -> None:
        """Fetch the split by `dim`, or the one that is on the screen again."""
        from tui.split import fetch, measure_of

        session, snapshot = self.session, self.snapshot
        known = self.main.query_one(SplitPanel).part
        dim = dim or (known.dim if known is not None else "")
        if session is None or snapshot is None or not dim:
            return
        finding = self.main.finding
        model = finding.model if finding is not None and finding.model else snapshot.focus
        measure = measure_of(finding, self.main.came_from)
        other = known is None or (known.dim, known.model) != (dim, model)
        loading = Split(PanelStatus(State.LOADING), model, dim, measure) if other else None
        await self.fill(SplitPanel, (model, dim, measure), loading, lambda: fetch(session, model, dim, measure))

    @work(exclusive=True, group="page", exit_on_error=False)
    async def show_selection(self, chosen: Choice) -> None:
        """Find what the selected rows have in common; Esc or another page stops the search."""
        from tui.selection import fetch

        session, snapshot = self.session, self.snapshot
        if session is None or snapshot is None:
            return
        finding = self.main.finding
        model = finding.model if finding is not None and finding.model else snapshot.focus
        loading = Selection(PanelStatus(State.LOADING), model, chosen.title)
        await self.fill(SelectionPanel, (model, chosen), loading, lambda: fetch(session, model, chosen))

    def on_list_panel_selected(self, event: ListPanel.Selected) -> None:
        """Enter on a record shows it whole, on a value of a split it becomes the filter."""
        panel, item = event.panel, event.item
        if isinstance(panel, RecordsPanel) and isinstance(item, Record) and panel.part is not None:
            from tui.screens.record import RecordScreen

            self.push_screen(RecordScreen(item, panel.part.fields))
        elif isinstance(panel, SplitPanel | SelectionPanel | MixPanel | MeansPanel):
            self.add_segment(exclude=False)

    def action_split(self) -> None:
        """Type the dimension to split by; the one of the first segment stands there already."""
        from tui.split import dims_of

        session = self.session
        dims = dims_of(session) if session is not None else ()
        if not dims:
            why = "nothing to split by: no log has a dimension, no metric a label but the model's"
            self.notify(f"{why}; doctor says what each source has", severity="warning")
            return

        def take(text: str) -> str | None:
            if text.strip() not in dims:
                return f"no dimension {text.strip()}: {' '.join(dims)}"
            self.main.pin(self.main.finding)
            self.main.open("split")
            self.show_split(text.strip())
            return None

        segment = self.main.query_one(SegmentsPanel).item
        likely = next((dim for dim, _ in segment.where if dim in dims), dims[0]) if segment is not None else dims[0]
        completer = self.completer
        if completer is not None:
            self.main.query_one(Prompt).ask("split by", take, likely, completer.dims)

    def action_select(self) -> None:
        """With the time cursor: one end of a range of time, then the other. Without it: type which rows."""
        from tui.selection import WORDS, between, choice

        snapshot, session, cursor = self.snapshot, self.session, self.main.cursor
        if snapshot is None or session is None:
            return
        if cursor is not None:
            if self.main.selection is None:
                self.main.put_cursor(cursor, (cursor, cursor))
                self.notify("move the cursor to the other end, then v again", timeout=4)
                return
            start, end = sorted((self.main.selection[0], cursor))
            end += snapshot.frame.step
            zone = self.main.look.clock_zone
            self._select(between(start, end, f"{clock(start, zone)} to {clock(end, zone)}"))
            return

        def take(text: str) -> str | None:
            try:
                self._select(choice(text, snapshot, session.confidence_threshold))
            except FilterError as error:
                return str(error)
            return None

        completer = Completer(session)

        async def complete(text: str) -> Sequence[str]:
            return (*starting(WORDS, text), *(await completer.filter(text) if text else ()))

        self.main.query_one(Prompt).ask("select", take, "", complete)

    def _select(self, chosen: Choice) -> None:
        self._chosen = chosen
        self.main.pin(self.main.finding)
        self.main.put_cursor(None)
        self.main.open("selection")
        self.show_selection(chosen)

    async def action_back(self) -> None:
        """Back, and whatever the page was still asking for is not asked any more."""
        self.workers.cancel_group(self, "page")
        await super().action_back()

    def action_columns(self) -> None:
        """Type the columns of the records."""
        records = self.main.query_one(RecordsPanel).part
        if self.main.page != "records" or records is None:
            self.notify("columns belong to the records: open them first (o)", severity="warning")
            return

        def take(text: str) -> str | None:
            try:
                self.main.show_page(RecordsPanel, records.choose(text.replace(",", " ").split()))
            except KeyError as error:
                return f"no field {error.args[0]}: {' '.join(records.fields)}"
            return None

        self.main.query_one(Prompt).ask("columns", take, " ".join(records.shown or records.fields))
