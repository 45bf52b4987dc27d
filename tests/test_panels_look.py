"""How panels look: SVG baselines in `snapshots/test_panels_look/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from analysis.answer import State
from tests.panel_app import LOOK, PanelApp
from tests.sample import sample
from widgets.accuracy import AccuracyPanel
from widgets.changes import ChangesPanel
from widgets.confidence import ConfidencePanel
from widgets.errors import ErrorsPanel
from widgets.features import FeaturesPanel
from widgets.header import HeaderPanel
from widgets.infra import InfraPanel
from widgets.keys import KeysLine
from widgets.latency import LatencyPanel
from widgets.look import Look
from widgets.models import ModelsPanel
from widgets.panel import Panel
from widgets.segments import SegmentsPanel

Compare = Callable[..., bool]


@pytest.mark.parametrize("kind", [LatencyPanel, ConfidencePanel, ErrorsPanel, FeaturesPanel, InfraPanel, AccuracyPanel])
@pytest.mark.parametrize("size", [(58, 10), (120, 36)], ids=["compact", "large"])
def test_panel(snap_compare: Compare, kind: type[Panel[Any]], size: tuple[int, int]) -> None:
    assert snap_compare(PanelApp(kind(LOOK)), terminal_size=size)


@pytest.mark.parametrize("size", [(80, 16), (160, 24)], ids=["80x16", "160x24"])
def test_lists(snap_compare: Compare, size: tuple[int, int]) -> None:
    app = PanelApp(HeaderPanel(LOOK), ChangesPanel(LOOK), ModelsPanel(LOOK), KeysLine(LOOK))
    assert snap_compare(app, terminal_size=size)


def test_segments(snap_compare: Compare) -> None:
    assert snap_compare(PanelApp(SegmentsPanel(LOOK)), terminal_size=(100, 8))


@pytest.mark.parametrize(
    "state", [State.STALE, State.EMPTY, State.FAILED, State.LOADING, State.ABSENT], ids=lambda state: state.name.lower()
)
def test_states(snap_compare: Compare, state: State) -> None:
    app = PanelApp(
        *(kind(LOOK) for kind in (LatencyPanel, ErrorsPanel, InfraPanel)),
        snapshot=sample(state=state, message="" if state is State.LOADING else "in eu-w1", data=state is State.STALE),
    )
    assert snap_compare(app, terminal_size=(70, 21))


def test_ascii_only(snap_compare: Compare) -> None:
    look = Look(ascii=True)
    app = PanelApp(ChangesPanel(look), LatencyPanel(look), ConfidencePanel(look))
    assert snap_compare(app, terminal_size=(80, 30))


def test_light_background(snap_compare: Compare) -> None:
    app = PanelApp(ChangesPanel(LOOK), LatencyPanel(LOOK), ErrorsPanel(LOOK), theme="textual-light")
    assert snap_compare(app, terminal_size=(80, 30))
