"""WHAT CHANGED: the ranked findings, one line each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from analysis.answer import Finding, Segment, Severity, Signal
from widgets.lines import Column, Line, Run, cells, layout, row
from widgets.listing import ListPanel
from widgets.look import Scene
from widgets.palette import SEVERITY_WORDS
from widgets.text import ago, count, percent

SIGNAL_WORDS = {
    Signal.REQUEST_RATE: "rate",
    Signal.CONFIDENCE: "conf",
    Signal.CALIBRATION: "calib",
    Signal.AGREEMENT: "agree",
    Signal.STALENESS: "stale",
    Signal.VERSION: "deploy",
    Signal.DEPENDENCY: "depend",
}
"""Short words for the column of signals; the others are short enough."""


class ChangesPanel(ListPanel[tuple[Finding, ...], Finding]):
    """Findings by rank: when, what, for whom, where, how bad. Takes `Snapshot.findings`, whose order it keeps."""

    NAME = "WHAT CHANGED"
    CLOCKED = True

    def items(self, part: tuple[Finding, ...]) -> Sequence[Finding]:
        return part

    def key_of(self, item: Finding) -> Hashable:
        return item.key

    def has_data(self, part: tuple[Finding, ...]) -> bool:
        return True

    def heading(self, part: tuple[Finding, ...], scene: Scene) -> list[Run]:
        out: list[Run] = []
        for severity in (Severity.CRITICAL, Severity.WARNING, Severity.INFO):
            if number := sum(1 for finding in part if finding.severity is severity):
                out.append((f" {number} {SEVERITY_WORDS[severity][1][1:-1]}", str(severity.value)))
        hidden = len(part) - len(self._at)
        if part and self._at and hidden > 0:
            out.append((f"  {hidden} more", "dim"))
        return out

    def empty(self, part: tuple[Finding, ...], scene: Scene, width: int) -> list[Line]:
        if not scene.models:
            return [(("  no model has been seen yet", "dim"),)]
        models = "1 model" if scene.models == 1 else f"{scene.models} models"
        return [(("  nothing changed: ", "bold"), (f"{models} within their usual range ({scene.baseline})", "dim"))]

    def summary(self, part: tuple[Finding, ...], scene: Scene) -> list[Run]:
        if not part:
            return [("nothing changed", "dim")]
        first = part[0]
        return [
            (SEVERITY_WORDS[first.severity][0], str(first.severity.value)),
            (f" {self.foreign(first.model)} {self.foreign(first.title)}", ""),
        ]

    def table(
        self, part: tuple[Finding, ...], scene: Scene, width: int
    ) -> tuple[list[Line], Callable[[Finding], Line]]:
        models = max((len(self.foreign(finding.model)) for finding in part), default=5)
        titles = max((cells(((self.foreign(finding.title), ""),)) for finding in part), default=10)
        shown = 1 if width < 90 else 2 if width < 150 else 3
        places = max((cells(((self._where(finding, shown), ""),)) for finding in part), default=0)
        columns = [
            Column("when", 6, right=False, rank=4),
            Column("signal", 8, right=False, rank=3),
            Column("model", min(models, 14 if width < 100 else 24), right=False),
            Column("change", min(18, titles), right=False, grow=3, most=max(titles, 18)),
            Column("where", min(places, 14), right=False, rank=5 if width < 64 else 0, grow=2, most=max(places, 14)),
            Column("n", 6, rank=6),
        ]
        if width < 100:
            columns = columns[:-1]
        sizes = layout(columns, width - 7)

        def draw(finding: Finding) -> Line:
            severity = str(finding.severity.value)
            values: list[Run] = [
                (ago(finding.onset, scene.now), "dim"),
                (SIGNAL_WORDS.get(finding.signal, finding.signal.value), "dim"),
                (self.foreign(finding.model), "bold"),
                (self.foreign(finding.title), severity if finding.severity is Severity.CRITICAL else ""),
                (self._where(finding, shown), "accent"),
                (_rows(finding), "dim"),
            ][: len(columns)]
            word = SEVERITY_WORDS[finding.severity][1]
            # Beside the text, not at the far edge of a wide screen, where the eye would lose the row.
            return (*row(columns, sizes, values, ascii=self.look.ascii), (" ", ""), (word, severity))

        return [], draw

    def _where(self, finding: Finding, most: int) -> str:
        return "; ".join(
            f"{self.segment(segment)} {percent(min(1.0, segment.share_of_change))}" for segment in finding.where[:most]
        )

    def segment(self, segment: Segment) -> str:
        """`region=eu-w1 tier=free`."""
        return " ".join(f"{self.foreign(name, 40)}={self.foreign(value, 60)}" for name, value in segment.where)


def _rows(finding: Finding) -> str:
    return f"n {count(finding.n)}" if finding.n > 0 else ""
