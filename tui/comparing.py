"""The comparison page: two versions of the model in focus, asked for anew while the page is open."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual import work

from analysis.answer import PanelStatus, State
from analysis.comparison import Comparison, ComparisonRow
from tui.exploring import Exploring
from tui.keys import PAGES
from widgets.listing import ListPanel
from widgets.versions import VersionsPanel

if TYPE_CHECKING:
    from analysis.answer import Snapshot

PAGE_OF_MEASURE = {"requests": "latency", "p50": "latency", "p95": "latency", "p99": "latency", "unsure": "confidence",
                   "inputs": "features"}  # fmt: skip
"""The page that Enter opens on a measure, where it is not the measure's own name."""


class Comparing(Exploring):
    """The part of the application that compares versions."""

    _compared: tuple[str, str | None, str | None] = ("", None, None)
    """Model, A and B as the reader chose them."""
    _fetched_at = 0.0
    _took_s = 0.0

    def fetch_page(self) -> None:
        """See `Navigation`."""
        super().fetch_page()
        if self.main.page == "versions":
            self.show_versions()

    def arrived(self, snapshot: Snapshot) -> None:
        """See `Navigation`; an open comparison grows with the data."""
        super().arrived(snapshot)
        from tui.versions import AGAIN_S

        due = self._fetched_at + max(AGAIN_S, 20 * self._took_s)
        if self.main.page == "versions" and snapshot.view.live and time.monotonic() >= due:
            self.show_versions()

    @work(exclusive=True, group="page", exit_on_error=False)
    async def show_versions(self) -> None:
        """Fetch the comparison of the model in focus; a newer question takes the place of this one."""
        from tui.versions import fetch

        session, snapshot = self.session, self.snapshot
        if session is None or snapshot is None:
            return
        model = snapshot.focus
        if self._compared[0] != model:
            self._compared = (model, None, None)
        part, compared = self.main.query_one(VersionsPanel).part, self._compared
        other = part is None or part.model != model
        self._fetched_at = time.monotonic()
        loading = Comparison(PanelStatus(State.LOADING), model) if other else None
        await self.fill(VersionsPanel, compared, loading, lambda: fetch(session, *compared))
        self._took_s = time.monotonic() - self._fetched_at

    def action_version(self, side: str) -> None:
        """The next version as A or as B."""
        part = self.main.query_one(VersionsPanel).part
        if self.main.page != "versions" or part is None or not part.versions:
            self.notify("versions are chosen on their page (V)", severity="warning")
            return
        a, b = part.a, part.b
        others = [version for version in part.versions if version not in (a, b)]
        if not others:
            self._compared = (part.model, b, a)
        else:
            now = part.versions.index(a if side == "a" else b)
            ahead = [*part.versions[now + 1 :], *part.versions[:now]]
            following = next(version for version in ahead if version in others)
            self._compared = (part.model, following, b) if side == "a" else (part.model, a, following)
        self.show_versions()

    def on_list_panel_selected(self, event: ListPanel.Selected) -> None:
        """Enter on a measure opens its page."""
        if isinstance(event.panel, VersionsPanel) and isinstance(event.item, ComparisonRow):
            page = PAGE_OF_MEASURE.get(event.item.measure, event.item.measure)
            if page in PAGES:
                self.action_page(page)
