"""Questions about segments: why one stands there, what else to search by, where a mean or the traffic itself moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work

from analysis.answer import PanelStatus, Signal, State
from analysis.cases import all_requests
from analysis.means import Means
from analysis.mix import Mix
from tui.completion import starting
from tui.screens.prompt import Prompt
from tui.timecursor import TimeCursor
from widgets.means import MeansPanel
from widgets.mix import MixPanel
from widgets.segments import SegmentsPanel

if TYPE_CHECKING:
    from tui.screens.why import WhySheet


ALL_SEARCHED = "every feature that is logged is a dimension already: nothing to add"


class Searching(TimeCursor):
    """The part of the application that asks where something moved."""

    @work(exclusive=True, group="page", exit_on_error=False)
    async def show_mix(self) -> None:
        """Fetch how the traffic behind the finding at hand moved."""
        from tui.mixing import fetch

        session, snapshot, finding = self.session, self.snapshot, self.main.finding
        if session is None or snapshot is None:
            return
        case = session.case(finding.key) if finding is not None else None
        if case is None or (case.outcome is None and case.finding.signal is not Signal.REQUEST_RATE):
            case = all_requests(snapshot.focus, snapshot.frame.live)
        loading = Mix(PanelStatus(State.LOADING), case.finding.model, case.finding.title)
        await self.fill(MixPanel, (case.finding.key, case.outcome), loading, lambda: fetch(session, case))

    @work(exclusive=True, group="page", exit_on_error=False)
    async def show_means(self, value: str = "") -> None:
        """Fetch where the mean of a value moved, or of the one that is on the screen again."""
        from tui.means import fetch

        session, snapshot = self.session, self.snapshot
        known = self.main.query_one(MeansPanel).part
        value = value or (known.value if known is not None else "")
        if session is None or snapshot is None or not value:
            return
        finding = self.main.finding
        model = finding.model if finding is not None and finding.model else snapshot.focus
        loading = Means(PanelStatus(State.LOADING), model, value)
        await self.fill(MeansPanel, (model, value), loading, lambda: fetch(session, model, value))

    def segment_in_focus(self) -> WhySheet | None:
        """The words for the segment under the cursor of WHERE, if that has the focus."""
        panel, finding = self.main.query_one(SegmentsPanel), self.main.finding
        segment = panel.item
        if self.session is None or finding is None or segment is None or not panel.has_focus:
            return None
        if segment not in finding.where:
            return None
        from tui.screens.why import WhySheet

        query = self.session.segment_query(finding.key)
        filtered = self.main.scene.filtered
        return WhySheet(finding, finding.where.index(segment), query, self.main.page, filtered=filtered)

    def action_means(self) -> None:
        """Type the value whose mean is searched; the one that the finding is about stands there already."""
        from tui.means import values_of

        session, finding = self.session, self.main.finding
        known = values_of(session) if session is not None else ()
        if not known:
            self.notify("no number is logged: a mean needs a log source: start with --logs PATH", severity="warning")
            return

        def take(text: str) -> str | None:
            if text.strip() not in known:
                return f"no number {text.strip()}: {' '.join(known)}"
            self.main.pin(self.main.finding)
            self.main.open("means")
            self.show_means(text.strip())
            return None

        async def complete(text: str) -> Sequence[str]:
            return starting(known, text)

        subject = finding.subject if finding is not None else ""
        likely = "confidence" if finding is not None and finding.signal is Signal.CONFIDENCE else subject
        self.main.query_one(Prompt).ask("mean of", take, likely if likely in known else known[0], complete)

    def action_dims(self) -> None:
        """Type the features that segments are searched by, beside the dimensions."""
        session = self.session
        known = session.features() if session is not None else ()
        if session is None or not known:
            logged = session is not None and session.logs
            self.notify(ALL_SEARCHED if logged else "features are in logs: start with --logs PATH", severity="warning")
            return

        def take(text: str) -> str | None:
            names = known if text.strip() == "all" else tuple(text.replace(",", " ").split())
            unknown = [name for name in names if name not in known]
            if unknown:
                return f"no feature {unknown[0]}: all, or some of {' '.join(known)}"
            session.search_by(names)
            self.poll_anew()
            self.due.set()
            return None

        async def complete(text: str) -> Sequence[str]:
            head, _, typed = text.rpartition(" ")
            return tuple(f"{head} {name}".strip() for name in starting(("all", *known), typed))

        self.main.query_one(Prompt).ask("search by features", take, " ".join(session.search_features), complete)
