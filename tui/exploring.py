"""Questions beside the snapshot, asked when an engineer opens their page: raw records, and splits by a dimension."""

from __future__ import annotations

from textual import work

from analysis.answer import PanelStatus, State
from analysis.records import Record, Records
from analysis.split import Split
from tui.screens.prompt import Prompt
from tui.timecursor import TimeCursor
from widgets.listing import ListPanel
from widgets.records import RecordsPanel
from widgets.segments import SegmentsPanel
from widgets.split import SplitPanel


class Exploring(TimeCursor):
    """The part of the application that looks at rows and at the values of one dimension."""

    def fetch_page(self) -> None:
        """See `Navigation`."""
        if self.main.page == "records":
            self.show_records()
        elif self.main.page == "split":
            self.show_split()

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
        self.main.show_page(RecordsPanel, Records(PanelStatus(State.LOADING), model))
        records = await fetch(session, model, case, self.options.sensitive)
        if shown is not None and shown.shown and set(shown.shown) <= set(records.fields):
            records = records.choose(shown.shown)
        self.main.show_page(RecordsPanel, records)

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
        if known is None or (known.dim, known.model) != (dim, model):
            self.main.show_page(SplitPanel, Split(PanelStatus(State.LOADING), model, dim, measure))
        self.main.show_page(SplitPanel, await fetch(session, model, dim, measure))

    def on_list_panel_selected(self, event: ListPanel.Selected) -> None:
        """Enter on a record shows it whole, on a value of a split it becomes the filter."""
        panel, item = event.panel, event.item
        if isinstance(panel, RecordsPanel) and isinstance(item, Record) and panel.part is not None:
            from tui.screens.record import RecordScreen

            self.push_screen(RecordScreen(item, panel.part.fields))
        elif isinstance(panel, SplitPanel) and panel.part is not None:
            self.filter_by_value(panel.part.dim, item.value)

    def action_split(self) -> None:
        """Type the dimension to split by; the one of the first segment stands there already."""
        from tui.split import dims_of

        session = self.session
        dims = dims_of(session) if session is not None else ()
        if not dims:
            self.notify("no dimension is logged: a split needs a log source", severity="warning")
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
