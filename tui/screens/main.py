"""The screen of the program: every panel once, arranged by page and by the room there is."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

from textual.app import ComposeResult
from textual.containers import Container
from textual.events import Resize
from textual.screen import Screen

from analysis.answer import Finding, Mark, Segment, Signal, Snapshot
from analysis.cases import all_requests
from analysis.mix import MixRow
from tui.keys import KEYS, ON_DEMAND
from tui.screens.prompt import Prompt
from widgets.accuracy import AccuracyPanel
from widgets.changes import ChangesPanel
from widgets.confidence import ConfidencePanel
from widgets.errors import ErrorsPanel
from widgets.features import FeaturesPanel
from widgets.header import HeaderPanel, HeaderPart
from widgets.incidents import IncidentsPanel, IncidentsPart
from widgets.infra import InfraPanel
from widgets.keys import Hint, KeysLine
from widgets.latency import LatencyPanel
from widgets.look import Look, Scene
from widgets.means import MeansPanel
from widgets.mix import MixPanel
from widgets.models import ModelsPanel
from widgets.panel import Panel, Part, text_of
from widgets.records import RecordsPanel
from widgets.segments import SegmentsPanel
from widgets.selection import SelectionPanel
from widgets.shadow import ShadowPanel
from widgets.split import SplitPanel
from widgets.versions import VersionsPanel

SIZES = ((160, 42, "large"), (100, 32, "medium"), (80, 24, "small"))
"""Least columns and rows of each arrangement; anything smaller is a list."""

PAGE_OF = {
    Signal.LATENCY: "latency",
    Signal.REQUEST_RATE: "latency",
    Signal.VERSION: "versions",
    Signal.AGREEMENT: "versions",
    Signal.CONFIDENCE: "confidence",
    Signal.ACCURACY: "accuracy",
    Signal.CALIBRATION: "accuracy",
    Signal.ERROR: "errors",
    Signal.FEATURE: "features",
    Signal.QUALITY: "features",
    Signal.INFRA: "infra",
    Signal.DEPENDENCY: "infra",
    Signal.STALENESS: "latency",
}
"""The page that shows a finding of each signal."""


def page_of(finding: Finding) -> str:
    """The page that shows a finding."""
    own = finding.signal is Signal.QUALITY and finding.subject == "confidence"
    return "confidence" if own else PAGE_OF.get(finding.signal, "overview")


def size_class(columns: int, rows: int) -> str:
    """The arrangement for a terminal of this size."""
    return next((name for width, height, name in SIZES if columns >= width and rows >= height), "tiny")


@runtime_checkable
class Player(Protocol):
    """What shows a recording."""

    @property
    def plays(self) -> bool:
        """Whether it goes on by itself, or waits at its end for more."""


class MainScreen(Screen[None]):
    """Shows a `Snapshot`. The page and the size of the terminal decide which panels are visible and how large."""

    AUTO_FOCUS = "#changes"

    def __init__(
        self, look: Look, columns: int, rows: int, *, environment: str = "", player: Player | None = None
    ) -> None:
        """`environment` is what the fleet is called, such as production; `player` is there in a replay."""
        # Classes given here cost nothing; each one added later makes Textual style every widget again.
        super().__init__(classes=f"-overview -{size_class(columns, rows)}")
        self.look = look
        self.page = "overview"
        self.snapshot: Snapshot | None = None
        self._pinned: tuple[str, str, str] | None = None
        self.cursor: float | None = None
        self.selection: tuple[float, float] | None = None
        self._incidents: IncidentsPart | None = None
        self._incident_marks: tuple[Mark, ...] = ()
        self._write_until: float | None = None
        self._environment = environment
        self._player = player
        self.came_from = "overview"
        """The page from which records or a split were opened."""

    def compose(self) -> ComposeResult:
        look = self.look
        yield HeaderPanel(look, id="header")
        with Container(id="top"):
            yield ChangesPanel(look, id="changes")
            yield ModelsPanel(look, id="models")
        with Container(id="grid"):
            yield LatencyPanel(look, id="latency")
            yield ConfidencePanel(look, id="confidence")
            yield ErrorsPanel(look, id="errors")
            yield FeaturesPanel(look, id="features")
            yield AccuracyPanel(look, id="accuracy")
        yield VersionsPanel(look, id="versions")
        yield ShadowPanel(look, id="shadow")
        with Container(id="bottom"):
            yield InfraPanel(look, id="infra")
            yield SegmentsPanel(look, id="segments")
        yield RecordsPanel(look, id="records")
        yield SplitPanel(look, id="split")
        yield SelectionPanel(look, id="selection")
        yield MixPanel(look, id="mix")
        yield MeansPanel(look, id="means")
        yield IncidentsPanel(look, id="incidents")
        yield Prompt(id="prompt")
        yield KeysLine(look, id="keys")

    def on_mount(self) -> None:
        self.query_one(KeysLine).put(tuple(Hint(key.label, key.hint) for key in KEYS if key.hint))

    def on_resize(self, event: Resize) -> None:
        size = size_class(event.size.width, event.size.height)
        if not self.has_class(f"-{size}"):
            self.remove_class("-tiny", *(f"-{name}" for _, _, name in SIZES))
            self.add_class(f"-{size}")

    def open(self, page: str) -> None:
        """Show a page; the focus goes to what can be moved through there."""
        if page in ON_DEMAND and self.page not in ON_DEMAND:
            self.came_from = self.page
        self.remove_class(f"-{self.page}")
        self.page = page
        self.add_class(f"-{page}")
        charts = ("latency", "confidence", "accuracy")
        target = "#changes" if page == "overview" else "#segments" if page in charts else f"#{page}"
        self.set_focus(self.query_one(target))
        self.show_finding()

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot: each panel redraws only what differs from what it shows."""
        self.snapshot = snapshot
        scene = self.scene
        with self.app.batch_update():
            self.query_one(HeaderPanel).show(self._header(snapshot), scene)
            self.query_one(ChangesPanel).show(snapshot.findings, scene)
            models = self.query_one(ModelsPanel)
            models.show(snapshot.models, scene)
            if not models.has_focus:
                models.put_cursor(snapshot.focus)
            self.query_one(LatencyPanel).show(snapshot.latency, scene)
            self.query_one(ConfidencePanel).show(snapshot.confidence, scene)
            self.query_one(ErrorsPanel).show(snapshot.errors, scene)
            self.query_one(FeaturesPanel).show(snapshot.features, scene)
            self.query_one(InfraPanel).show(snapshot.infra, scene)
            self.query_one(ShadowPanel).show(snapshot.shadow, scene)
            self.query_one(AccuracyPanel).show(snapshot.accuracy, scene)
            if self._incidents is not None:
                self.query_one(IncidentsPanel).show(self._incidents, scene)
            self.show_finding()

    def show_incidents(self, part: IncidentsPart, marks: tuple[Mark, ...]) -> None:
        """Draw the incidents of this store, count them in the header and mark them on the charts."""
        counted = self._open_incidents
        moved, self._incidents, self._incident_marks = marks != self._incident_marks, part, marks
        if self.snapshot is None:
            return
        if moved or counted != self._open_incidents:
            self.show(self.snapshot)
        else:
            self.query_one(IncidentsPanel).show(part, self.scene)

    @property
    def _open_incidents(self) -> int:
        return self._incidents.open if self._incidents is not None else 0

    def show_write_mode(self, until: float | None) -> None:
        """Say in the header until when (unix seconds) other systems may be asked to act; None: they may not."""
        self._write_until = until
        if self.snapshot is not None:
            self.query_one(HeaderPanel).show(self._header(self.snapshot), self.scene)

    def _header(self, snapshot: Snapshot) -> HeaderPart:
        return HeaderPart.of(
            snapshot,
            environment=self._environment,
            incidents=self._open_incidents,
            write_until=self._write_until,
            plays=self._player.plays if self._player is not None else None,
        )

    def as_text(self) -> str:
        """What is on the screen, panel by panel, without colours."""
        shown = (panel for panel in self.query(Panel) if panel.region.area)
        return "\n".join(line.rstrip() for panel in shown for line in text_of(panel)) + "\n"

    def show_page(self, panel: type[Panel[Part]], part: Part) -> None:
        """Draw what was fetched when its page was opened; it is no part of a snapshot."""
        if self.snapshot is not None:
            self.query_one(panel).show(part, self.scene)

    def back(self) -> bool:
        """One page back; False on the overview, from where nothing leads further."""
        if self.page == "overview":
            return False
        if self.page in ON_DEMAND and self.came_from != "overview":
            self.open(self.came_from)
        else:
            self.pin(None)
            self.open("overview")
        return True

    @property
    def stands(self) -> bool:
        """Whether the panels are there: not yet before the first paint, and no more while the program ends."""
        return bool(self.query(KeysLine))

    @property
    def scene(self) -> Scene:
        """What all panels share: the snapshot's moment, and the time cursor on top of it."""
        if self.snapshot is None:
            raise RuntimeError("there is nothing to see before the first answer")
        scene = Scene.of(self.snapshot)
        own = tuple(mark for mark in self._incident_marks if mark.model in ("", self.snapshot.focus))
        return replace(scene, marks=(*scene.marks, *own), cursor=self.cursor, selection=self.selection)

    def put_cursor(self, cursor: float | None, selection: tuple[float, float] | None = None) -> None:
        """Mark a moment, and a range, on every chart."""
        self.cursor, self.selection = cursor, selection
        if self.snapshot is not None:
            self.show(self.snapshot)
            for panel in self.query(Panel):
                if panel.part is not None and panel.id in ON_DEMAND:
                    panel.show(panel.part, self.scene)

    def tick(self, now: float) -> None:
        """Only time has passed: ages grow."""
        if self.snapshot is None or self.snapshot.view.end is not None:
            return
        scene = replace(self.scene, now=now)
        self.query_one(HeaderPanel).show(self._header(self.snapshot), scene)

    def restyle(self, look: Look) -> None:
        """Draw with another zone or character set."""
        self.look = look
        for panel in self.query(Panel):
            panel.restyle(look)

    @property
    def where_at_hand(self) -> tuple[tuple[str, str], ...]:
        """The segment under the cursor, or the value of a split; empty where there is none."""
        if self.page == "split":
            split = self.query_one(SplitPanel)
            return ((split.part.dim, split.item.value),) if split.part is not None and split.item is not None else ()
        item: Segment | MixRow | None
        match self.page:
            case "selection":
                item = self.query_one(SelectionPanel).item
            case "mix":
                item = self.query_one(MixPanel).item
            case "means":
                item = self.query_one(MeansPanel).item
            case _:
                item = self.query_one(SegmentsPanel).item
        return item.where if item is not None else ()

    @property
    def finding(self) -> Finding | None:
        """The finding whose segments are shown: the one that was opened, else the one under the cursor."""
        findings = self.snapshot.findings if self.snapshot is not None else ()
        pinned = next((finding for finding in findings if finding.key == self._pinned), None)
        if self.page == "overview" or pinned is None:
            return self.query_one(ChangesPanel).item
        return pinned

    def finding_of(self, page: str) -> Finding | None:
        """The finding that a page explains: the one at hand if it belongs there, else the model's first that does."""
        at_hand, snapshot = self.finding, self.snapshot
        if snapshot is None or (at_hand is not None and page_of(at_hand) == page):
            return at_hand
        own = (f for f in snapshot.findings if f.model == snapshot.focus and page_of(f) == page)
        return next(own, at_hand)

    def finding_about(self, subject: str) -> Finding | None:
        """The first finding about an error type or a feature of the model in focus, on its page."""
        if self.snapshot is None:
            return None
        own = (f for f in self.snapshot.findings if f.model == self.snapshot.focus and f.subject == subject)
        return next((f for f in own if page_of(f) == self.page), None)

    def focus_segments(self) -> None:
        """Move the cursor to WHERE, if it is on the screen."""
        panel = self.query_one(SegmentsPanel)
        if panel.display:
            self.set_focus(panel)

    def pin(self, finding: Finding | None) -> None:
        """Keep the segments of one finding in view while its page is open."""
        self._pinned = None if finding is None else finding.key

    def show_finding(self) -> None:
        """Show the segments of the finding in question."""
        finding, snapshot = self.finding, self.snapshot
        if snapshot is not None:
            shown = finding if finding is not None else all_requests(snapshot.focus, snapshot.frame.live).finding
            self.query_one(SegmentsPanel).show(shown, self.scene)
