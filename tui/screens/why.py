"""Why a segment stands where it does: the numbers in words, and the question that produced them."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from analysis.answer import Finding
from analysis.printable import printable
from analysis.why import why
from tui.screens.sheet import Sheet


class WhySheet(Sheet):
    """One segment of a finding, explained; `?` goes on to the help of the page."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,f1", "page_help", "Help", show=False)]

    def __init__(self, finding: Finding, at: int, query: str, page: str, *, filtered: bool) -> None:
        """`filtered`: the finding is of the rows that a filter leaves."""
        super().__init__()
        self._words = why(finding, at, filtered=filtered)
        self._finding, self._at, self._page = finding, at, page
        self._query = query or "its query is no longer known: the answer is kept from before"

    @property
    def _segment(self) -> str:
        return " ".join(f"{dim}={value}" for dim, value in self._finding.where[self._at].where)

    def text(self) -> Text:
        finding = self._finding
        text = Text(f"{printable(self._segment, 400)}\n", style="bold")
        text.append(f"{printable(f'{finding.model} {finding.title}', 400)}\n\n", style="not bold dim")
        text.append("\n".join(printable(line, 400) for line in self._words), style="not bold")
        text.append("\n\nTHE QUERY, AS SENT\n", style="bold")
        text.append("\n".join(printable(line, 4_000) for line in self._query.splitlines()), style="not bold dim")
        text.append("\n\ny copies this, ? shows the help of the page and all keys, Esc closes.", style="dim not bold")
        return text

    def copied(self) -> str:
        return "\n".join((self._segment, *self._words, "", self._query, ""))

    def action_page_help(self) -> None:
        """The help of the page in place of this."""
        from tui.screens.help import HelpScreen

        self.app.switch_screen(HelpScreen(self._page))
