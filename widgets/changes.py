"""WHAT CHANGED: the ranked findings, one line each; what one incident explains is folded under its first line."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from analysis.answer import Finding, FindingKey, Segment, Severity, Signal
from analysis.outline import OutlineRow, outline
from analysis.words import quiet
from widgets.lines import Column, Line, Run, cells, layout, row
from widgets.listing import ListPanel
from widgets.look import Look, Scene
from widgets.palette import PHASE_WORDS, SEVERITY_WORDS
from widgets.text import ago, count, cut_words, percent

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
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("full_stop", "fold", "Fold or unfold", id="list.fold", show=False),
    ]

    def __init__(self, look: Look | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(look, id=id, classes=classes)
        self._unfolded: frozenset[FindingKey] = frozenset()
        self._outline: tuple[tuple[Finding, ...] | None, frozenset[FindingKey], tuple[OutlineRow, ...]]
        self._outline = (None, frozenset(), ())

    def rows(self, part: tuple[Finding, ...]) -> tuple[OutlineRow, ...]:
        """The lines of the list."""
        if self._outline[0] is not part or self._outline[1] != self._unfolded:
            self._outline = (part, self._unfolded, outline(part, self._unfolded))
        return self._outline[2]

    def items(self, part: tuple[Finding, ...]) -> Sequence[Finding]:
        return [line.finding for line in self.rows(part)]

    def action_fold(self) -> None:
        """Show all of the story under the cursor, or fold it back under its first line."""
        if (item := self.item) is None or self.part is None:
            return
        leader = item.folded_into or item.key
        self._unfolded ^= {leader}
        if leader not in self._unfolded:
            self._key = leader
        self.arrived(self.part)
        self.redraw()

    def key_of(self, item: Finding) -> Hashable:
        return item.key

    def has_data(self, part: tuple[Finding, ...]) -> bool:
        return True

    def heading(self, part: tuple[Finding, ...], scene: Scene) -> list[Run]:
        out: list[Run] = []
        for severity in (Severity.CRITICAL, Severity.WARNING, Severity.INFO):
            if number := sum(1 for f in part if f.folded_into is None and f.severity is severity):
                out.append((f" {number} {SEVERITY_WORDS[severity][1][1:-1]}", str(severity.value)))
        rows = self.rows(part)
        below = len(rows) - len(self._at)
        if rows and self._at and below > 0:
            out.append((f"  {below} more", "dim"))
        if folded := sum(row.hidden for row in rows):
            out.append((f"  . unfolds {folded}", "dim"))
        return out

    def empty(self, part: tuple[Finding, ...], scene: Scene, width: int) -> list[Line]:
        if not scene.models:
            return [((f"  {scene.unseen}", "dim"),)]
        if scene.loading:
            return [(("  nothing found yet: ", "bold"), ("the sources are still being read", "dim"))]
        said, _, why = quiet(scene.compared, scene.models, scene.baseline).partition(": ")
        return [((f"  {said}: ", "bold"), (why, "dim"))]

    def summary(self, part: tuple[Finding, ...], scene: Scene) -> list[Run]:
        if not part:
            if scene.loading and scene.models:
                return [("nothing found yet", "dim")]
            return [("nothing changed" if scene.compared or not scene.models else "cannot tell", "dim")]
        first = part[0]
        return [
            (SEVERITY_WORDS[first.severity][0], str(first.severity.value)),
            (f" {self.foreign(first.model)} {self.foreign(first.title)}", ""),
        ]

    def table(
        self, part: tuple[Finding, ...], scene: Scene, width: int
    ) -> tuple[list[Line], Callable[[Finding], Line]]:
        models = max((len(self._models(line)) for line in self.rows(part)), default=5)
        titles = max((cells(((self.foreign(finding.title), ""),)) for finding in part), default=10)
        shown = 1 if width < 90 else 2 if width < 150 else 3
        places = max((cells(((self._where(finding, shown), ""),)) for finding in part), default=0)
        columns = [
            Column("when", 6, right=False, rank=4),
            Column("signal", 8, right=False, rank=3),
            Column("model", min(models, 14 if width < 100 else 24), right=False),
            Column("change", min(18, titles), right=False, grow=3, most=max(titles, 18)),
            Column("where", min(places, 14), right=False, rank=5 if width < 64 else 0, grow=2, most=places),
            Column("n", 6, rank=6),
        ]
        if width < 100:
            columns = columns[:-1]
        lines = {line.finding.key: line for line in self.rows(part)}
        fold = 2 if any(not line.leads or line.hidden for line in lines.values()) else 0
        sizes = layout(columns, width - 7 - fold - (4 if fold else 0))

        wide = [*sizes[:3], sizes[3] + 1 + sizes[4], 0, *sizes[5:]] if sizes[4] else sizes

        def draw(finding: Finding) -> Line:
            line = lines[finding.key]
            place = self._place(finding, shown, sizes[4])
            own = sizes if place else wide  # where no segment has room its place is the title's
            severity = str(finding.severity.value)
            values: list[Run] = [
                (ago(finding.onset, scene.now), "dim"),
                (SIGNAL_WORDS.get(finding.signal, finding.signal.value), "dim"),
                (self._models(line), "bold" if line.leads else "dim"),
                (self.foreign(finding.title), severity if finding.severity is Severity.CRITICAL else ""),
                (place, "accent"),
                (_rows(finding), "dim"),
            ][: len(columns)]
            word = line.tag or PHASE_WORDS.get(finding.phase) or SEVERITY_WORDS[finding.severity][1]
            hidden = f" +{line.hidden}" if line.hidden else ""
            # Beside the text, not at the far edge of a wide screen, where the eye would lose the row.
            end: list[Run] = [(" ", ""), (word, severity), (hidden, "dim")]
            return ((self._hook(line)[:fold], "rule"), *row(columns, own, values, ascii=self.look.ascii), *end)

        return [], draw

    def _hook(self, line: OutlineRow) -> str:
        """The sign before a line: folded, unfolded, or part of the line above."""
        if not line.leads:
            return "` " if self.look.ascii else "└ "
        if line.hidden:
            return "+ " if self.look.ascii else "▸ "
        if line.finding.key in self._unfolded:
            return "- " if self.look.ascii else "▾ "
        return "  "

    def _models(self, line: OutlineRow) -> str:
        """The model, and how many others the story concerns."""
        more = f" +{len(line.also)}" if line.also else ""
        return f"{self.foreign(line.finding.model)}{more}"

    def _where(self, finding: Finding, most: int) -> str:
        return "; ".join(
            f"{self.segment(segment)} {percent(min(1.0, segment.share_of_change))}"
            for segment in _places(finding, most)
        )

    def _place(self, finding: Finding, most: int, width: int) -> str:
        """The segments that have room; the share of the first one gives way to its terms, then its last terms do.

        Empty where not even its first term is whole.
        """
        places = _places(finding, most)
        named = self.segment(places[0]) if places else ""
        told = (*(self._where(finding, number) for number in range(most, 0, -1)), named)
        fitting = (text for text in told if cells(((text, ""),)) <= width)
        terms = cut_words(named, width, ascii=self.look.ascii)
        return next(fitting, terms if named.startswith(f"{terms[:-1]} ") else "")

    def segment(self, segment: Segment) -> str:
        """`region=eu-w1 tier=free`."""
        return " ".join(f"{self.foreign(name, 40)}={self.foreign(value, 60)}" for name, value in segment.where)


def _places(finding: Finding, most: int) -> tuple[Segment, ...]:
    """At most `most` segments, without what the title says: that a new version's requests are its own.

    Where one alone has room, what the version does needs it more than where it runs.
    """
    if finding.signal is not Signal.VERSION:
        return finding.where[:most]
    own = (("version", finding.subject),)
    return tuple(segment for segment in finding.where if segment.where != own)[: most if most > 1 else 0]


def _rows(finding: Finding) -> str:
    return f"n {count(finding.n)}" if finding.n > 0 else ""
