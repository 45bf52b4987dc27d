"""An application around panels, for tests and benchmarks."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from textual.app import App, ComposeResult
from textual.message import Message

from analysis.answer import Snapshot
from tests.sample import sample
from widgets.accuracy import AccuracyPanel
from widgets.changes import ChangesPanel
from widgets.confidence import ConfidencePanel
from widgets.errors import ErrorsPanel
from widgets.features import FeaturesPanel
from widgets.header import HeaderPanel, HeaderPart
from widgets.infra import InfraPanel
from widgets.keys import Hint, KeysLine
from widgets.latency import LatencyPanel
from widgets.listing import ListPanel
from widgets.look import Look, Scene
from widgets.models import ModelsPanel
from widgets.panel import Panel
from widgets.segments import SegmentsPanel

LOOK = Look(zone=ZoneInfo("Europe/Berlin"))
HINTS = (
    Hint("Enter", "drill"),
    Hint("/", "filter"),
    Hint("F", "flag", enabled=False),
    Hint("Space", "pause"),
    Hint("?", "help"),
)
PANELS: tuple[type[Panel[Any]], ...] = (
    ChangesPanel,
    ModelsPanel,
    LatencyPanel,
    ConfidencePanel,
    ErrorsPanel,
    FeaturesPanel,
    InfraPanel,
    AccuracyPanel,
    SegmentsPanel,
)


def give(panel: Panel[Any], snapshot: Snapshot) -> None:
    """Show the panel its part of the snapshot."""
    parts = {
        ChangesPanel: snapshot.findings,
        ModelsPanel: snapshot.models,
        LatencyPanel: snapshot.latency,
        ConfidencePanel: snapshot.confidence,
        ErrorsPanel: snapshot.errors,
        FeaturesPanel: snapshot.features,
        InfraPanel: snapshot.infra,
        AccuracyPanel: snapshot.accuracy,
        SegmentsPanel: snapshot.findings[0] if snapshot.findings else None,
        HeaderPanel: HeaderPart.of(snapshot, environment="prod-eu", incidents=1),
    }
    panel.show(parts[type(panel)], Scene.of(snapshot))


class PanelApp(App[None]):
    """The given panels below each other, filled from one snapshot; messages of lists are kept."""

    def __init__(self, *panels: Panel[Any], snapshot: Snapshot | None = None, theme: str = "textual-dark") -> None:
        super().__init__()
        self.panels = panels
        self.snapshot = snapshot or sample()
        self.heard: list[Message] = []
        self.theme = theme

    def compose(self) -> ComposeResult:
        """The panels."""
        yield from self.panels

    def on_mount(self) -> None:
        """Fill them."""
        for panel in self.panels:
            if isinstance(panel, KeysLine):
                panel.put(HINTS)
            else:
                give(panel, self.snapshot)

    def on_panel_opened(self, message: Panel.Opened) -> None:
        """Keep it."""
        self.heard.append(message)

    def on_list_panel_highlighted(self, message: ListPanel.Highlighted) -> None:
        """Keep it."""
        self.heard.append(message)

    def on_list_panel_selected(self, message: ListPanel.Selected) -> None:
        """Keep it."""
        self.heard.append(message)
