"""The list of what is held back for an incident, as it looks: two silences, one of them being extended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from incidents.events import Kind
from tests.incident_sample import BOB, Ticking
from tests.test_app import NOW, fleet, options, until
from tests.test_incident_screen import MINUTE, SIZES, declared, settled, store, writer
from tests.test_write_mode import silencer
from tui.app import Triage
from tui.screens.silences import SilencesScreen

__all__ = ["fleet", "store"]

WHY = "rolling back 42, the alert is known; dan has the follow-up for the canary rules of the whole region"


def held_back(store: Path) -> None:
    """An incident for which bob has held alerts back at two moments."""
    clock = Ticking(NOW - 12 * MINUTE)
    bob = writer(store, clock, BOB)
    incident = declared(bob)
    for matchers, comment in (('alertname="HighLatency",model="fraud",region="eu-w1"', WHY), ('model="fraud"', "")):
        clock.later(MINUTE)
        data = {"at": "am", "matchers": matchers, "until": clock.now + 60 * MINUTE, "comment": comment}
        event = bob.append(incident, Kind.SILENCED, data).event.id
        bob.append(incident, Kind.NOTIFY_OK, {"target": "silence at am", "event": event, "ref": matchers})
    bob.close()


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody outside is asked or told."""
    monkeypatch.setattr("tui.outside.Outside.__bool__", lambda _: False)
    monkeypatch.setattr("tui.incident_rows.place_words", lambda _: "/var/lib/mltriage/incidents (shared)")


@pytest.mark.usefixtures("asleep")
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_list(
    fleet: Path, store: Path, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    held_back(store)
    app = Triage(replace(options(fleet), targets=(silencer("http://127.0.0.1:9"),)))
    monkeypatch.setattr(app, "wall", lambda: float(NOW))
    monkeypatch.setattr(app, "notify", lambda *_, **__: None)

    async def run(pilot: Pilot[None]) -> None:
        await settled(pilot)
        await until(pilot, lambda: app.incident_at_hand is not None)
        await pilot.press("8", "W", "Z")
        await until(pilot, lambda: isinstance(app.screen, SilencesScreen))
        await pilot.press("down")

    assert snap_compare(app, terminal_size=size, run_before=run)


@pytest.mark.usefixtures("asleep")
async def test_what_was_said_in_passing_does_not_lie_over_a_question_but_a_warning_does(
    fleet: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_back(store)
    app = Triage(replace(options(fleet), targets=(silencer("http://127.0.0.1:9"),)))
    monkeypatch.setattr(app, "wall", lambda: float(NOW))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.snapshot is not None and app.incident_at_hand is not None)
        await pilot.press("W")
        app.clear_notifications()
        app.notify("saved")
        await pilot.press("Z")
        await until(pilot, lambda: isinstance(app.screen, SilencesScreen))
        assert list(app._notifications) == []
        await pilot.press("escape")
        app.notify("NOT SAVED", severity="error")
        await pilot.press("a")
        assert [note.message for note in app._notifications] == ["NOT SAVED"]
