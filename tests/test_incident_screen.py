"""Incidents on the screen: F and Enter keep one on the disk, and the page shows what everybody has done."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from analysis.answer import State
from incidents.events import Actor, Kind
from incidents.journal import Journal
from incidents.place import Place
from incidents.record import Incident, Status
from tests.incident_sample import ALICE, BOB, Ticking
from tests.test_app import NOW, app_of, clipboard, fleet, located, options, until
from tui.app import Answered, Triage
from tui.config_schema import IncidentTarget, LogSource, PrometheusSource
from tui.incident_store import open_journal, record
from tui.options import Options
from tui.screens.card import CardScreen, Tick
from tui.screens.main import MainScreen
from tui.screens.prompt import Prompt
from tui.screens.sheet import IncidentSheet
from widgets.header import HeaderPanel
from widgets.incidents import IncidentsPanel
from widgets.latency import LatencyPanel
from widgets.panel import text_of

__all__ = ["fleet"]

MINUTE = 60.0


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of incidents of this test."""
    folder = tmp_path / "incidents"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("MLTRIAGE_INCIDENT_DIR", str(folder))
    return folder


def kept(chosen: Options) -> list[Incident]:
    """What another process finds on the disk."""
    journal = open_journal(chosen)
    found = [record(journal, one) for one in journal.incidents()]
    journal.close()
    return found


def writer(store: Path, clock: Ticking, actor: Actor = ALICE) -> Journal:
    """A journal of another engineer in the same folder."""
    return Journal(Place(store, store / "no-memory"), actor, clock, host=actor.host)


def declared(journal: Journal, incident: str = "INC-261104-7K2Q", **data: object) -> str:
    """An open incident about the fraud model."""
    reading = {"signal": "latency", "model": "fraud", "title": "p99 180ms -> 710ms x3.9", "n": 9_000}
    known = {"title": "fraud p99 180ms -> 710ms x3.9 version=42", "severity": 2, "model": "fraud", "version": "42"}
    known |= {"severity_reason": "critical: p99 180ms -> 710ms x3.9", "onset": NOW - 11 * MINUTE}
    journal.append(incident, Kind.DECLARED, {**known, "readings": [reading], **data})
    return incident


async def test_f_and_enter_keep_the_change_at_hand_with_its_evidence(fleet: Path, store: Path) -> None:
    chosen = options(fleet)
    async with Triage(chosen).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        assert app.snapshot is not None
        finding = app.snapshot.findings[0]
        await pilot.press("F")
        assert isinstance(app.screen, CardScreen)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
        (incident,) = kept(chosen)
        assert finding.title in incident.title
        assert "version=42" in incident.title
        assert (incident.model, incident.onset) == ("fraud", finding.onset)
        assert set(incident.evidence[0].blobs) == {"snapshot", "screen"}
        assert any(incident.id in str(note.message) for note in app._notifications)
        header = app.main.query_one(HeaderPanel)
        await until(pilot, lambda: "INC 1 open" in text_of(header)[0])


async def test_f_and_enter_keep_an_incident_although_no_source_answers(store: Path, tmp_path: Path) -> None:
    chosen = replace(
        options(tmp_path),
        logs=(LogSource(name="inference", path=str(tmp_path / "nothing")),),
        prometheus=(PrometheusSource(name="prometheus", url="http://127.0.0.1:9", timeout=1.0),),
        scrape=(),
        targets=(IncidentTarget(name="pager", kind="webhook", url="http://127.0.0.1:9/"),),
    )
    async with Triage(chosen).run_test(size=(80, 24)) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.snapshot is not None)
        await pilot.press("F", "enter")
        await until(pilot, lambda: bool(kept(chosen)))
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
    (incident,) = kept(chosen)
    assert "snapshot" in incident.evidence[0].blobs
    assert set(incident.told) == {"pager"}
    assert incident.told["pager"] != "ok"


async def test_the_card_keeps_what_is_typed_and_ticked(fleet: Path, store: Path) -> None:
    targets = (
        IncidentTarget(name="pager", kind="webhook", url="http://127.0.0.1:9/"),
        IncidentTarget(name="chat", kind="webhook", url="http://127.0.0.1:9/"),
    )
    chosen = replace(options(fleet), targets=targets)
    async with Triage(chosen).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("F", "tab")
        app.screen.query_one("#title", Input).value = "canary 42 is slow"
        await pilot.press("1", "tab", *"all", "tab", *"back")
        await pilot.press("tab", *"ann", "tab", *"chat.example/1", "tab", *"quiet", "tab", "tab", "space")
        app.screen.query_one("#tell-1", Tick).focus()
        await pilot.press("space", "enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
    (incident,) = kept(chosen)
    assert (incident.title, incident.severity, incident.impact) == ("canary 42 is slow", 1, "all")
    assert "back" in [line.text for line in incident.timeline]
    assert (incident.roles, incident.links) == ({"commander": "ann"}, ("chat.example/1",))
    assert [one.text for one in incident.criteria] == ["quiet"]
    assert set(incident.evidence[0].blobs) == {"snapshot"}
    assert set(incident.told) == {"pager"}


async def test_escape_leaves_the_card_and_keeps_nothing(fleet: Path, store: Path) -> None:
    chosen = options(fleet)
    async with Triage(chosen).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("F", "escape")
        assert isinstance(app.screen, MainScreen)
    assert kept(chosen) == []


async def test_behind_the_card_stands_what_it_keeps_and_the_answers_go_on_when_it_is_closed(
    fleet: Path, store: Path
) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("F")
        flagged = app.snapshot
        assert flagged is not None
        app.due.set()
        app.post_message(Answered(replace(flagged, notes=("newer",)), app.session.generation if app.session else 0))
        await until(pilot, lambda: (store / f".reserve-{os.getuid()}").exists())  # Enter will not wait for it
        assert app.snapshot is flagged
        await pilot.press("escape")
        await until(pilot, lambda: app.snapshot is not flagged)


async def test_an_open_incident_about_the_same_is_joined_unless_j_declares_another(fleet: Path, store: Path) -> None:
    chosen = options(fleet)
    async with Triage(chosen).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("F", "enter")
        await until(pilot, lambda: app.incident_at_hand is not None)
        await pilot.press("F")
        assert app.screen.query_one("#join", Tick).on
        assert app.screen.query_one("#title").disabled
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
        (incident,) = kept(chosen)
        assert len(incident.evidence) == 2
        await pilot.press("F", "j", "enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
    assert len(kept(chosen)) == 2


async def test_what_cannot_be_written_anywhere_leaves_the_card_open_with_the_reason(
    fleet: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = clipboard(monkeypatch)
    nowhere = Path("/dev/null/incidents")
    monkeypatch.setattr("incidents.place.choose", lambda _: Place(nowhere, nowhere))
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("F", "enter")
        assert isinstance(app.screen, CardScreen)
        problem = app.screen.query_one("#problem")
        await until(pilot, lambda: "NOT SAVED" in str(problem.render()))
        await pilot.press("ctrl+y")
        await until(pilot, lambda: len(copied) == 1)
    assert copied[0].startswith("INCIDENT, not saved by mltriage\ntitle: fraud p99")
    assert "WHAT CHANGED" in copied[0]


async def test_what_is_in_memory_alone_is_said_to_be_not_durable(
    fleet: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(Path("/dev/null/incidents"), tmp_path / "memory")
    monkeypatch.setattr("incidents.place.choose", lambda _: place)
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("F", "enter")
        await until(pilot, lambda: any("NOT DURABLE" in note.message for note in app._notifications))


async def test_another_engineers_incident_appears_and_is_changed_here(fleet: Path, store: Path) -> None:
    chosen = options(fleet)
    async with Triage(chosen).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("8")
        panel = app.main.query_one(IncidentsPanel)
        await until(pilot, lambda: any("nothing was flagged" in line for line in text_of(panel)))
        bob = writer(store, Ticking(), BOB)
        incident = declared(bob)
        await until(pilot, lambda: any(incident in line for line in text_of(panel)))
        await pilot.press("a", *"rolled", "enter")
        await until(pilot, lambda: any("rolled" in line for line in text_of(panel)))
        await pilot.press("S", *"3", "space", *"few", "enter")
        await until(pilot, lambda: kept(chosen)[0].severity == 3)
        await pilot.press("R", *"scribe", "enter")
        await until(pilot, lambda: "scribe" in kept(chosen)[0].roles)
        await pilot.press("R", *"commander", "space", *"dan", "enter")
        await pilot.press("L", *"wiki/7", "enter")
        await until(pilot, lambda: kept(chosen)[0].links == ("wiki/7",))
        assert kept(chosen)[0].roles["commander"] == "dan"
        await until(pilot, lambda: any("commander dan" in line for line in text_of(panel)))
        await pilot.press("X", *"quiet", "enter")
        await until(pilot, lambda: len(kept(chosen)[0].criteria) == 1)
        await until(pilot, lambda: any("1 [ ] quiet" in line for line in text_of(panel)))
        await pilot.press("X", *"met", "space", *"2", "enter")
        assert "the incident has 1" in str(app.main.query_one(Prompt).query_one("#problem").render())
        app.main.query_one(Input).value = "met 1"
        await pilot.press("enter")
        await until(pilot, lambda: kept(chosen)[0].criteria[0].met)
        await pilot.press("T", *"asleep", "enter")
        assert "one of: investigating" in str(app.main.query_one(Prompt).query_one("#problem").render())
        app.main.query_one(Input).value = "resolved rolled back"
        await pilot.press("enter")
        await until(pilot, lambda: kept(chosen)[0].status is Status.RESOLVED)
        await until(pilot, lambda: "0 open of 1" in text_of(panel)[0])
        bob.close()
    assert {line.actor.user for line in kept(chosen)[0].timeline} >= {"bob"}


async def test_enter_shows_an_incident_whole_and_y_copies_it(
    fleet: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = clipboard(monkeypatch)
    incident = declared(writer(store, Ticking()))
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("8")
        await until(pilot, lambda: app.incident_at_hand is not None)
        await pilot.press("y")
        await until(pilot, lambda: len(copied) == 1)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, IncidentSheet))
        await pilot.press("y")
        await until(pilot, lambda: len(copied) == 2)
        await pilot.press("escape")
        assert app.main.page == "incidents"
    assert all(incident in text and "TIMELINE" in text for text in copied)


async def test_an_incident_is_a_mark_on_the_charts_of_its_model(fleet: Path, store: Path) -> None:
    clock = Ticking(NOW - 5 * MINUTE)
    declared(writer(store, clock))
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        panel = app.main.query_one(LatencyPanel)
        await until(pilot, lambda: any(mark.kind == "incident" for mark in panel.chart_marks()))
        (mark,) = (mark for mark in panel.chart_marks() if mark.kind == "incident")
        assert (mark.t, mark.text) == (NOW - 5 * MINUTE, "declared 7K2Q")


async def test_a_folder_that_cannot_be_read_is_said_so(fleet: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def refuse(_: object) -> tuple[str, ...]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("incidents.journal.Journal.incidents", refuse)
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("8")
        panel = app.main.query_one(IncidentsPanel)
        await until(pilot, lambda: any("cannot be read: Permission denied" in line for line in text_of(panel)))


def story(store: Path) -> None:
    """Two engineers, three incidents: one is being worked on, one is a drill, one is over."""
    clock = Ticking(NOW - 50 * MINUTE)
    alice, bob = writer(store, clock), writer(store, clock, BOB)
    over = declared(bob, "INC-261104-Q3M8", title="rank errors 0.1% -> 4.8% NEW", severity=3, model="rank", readings=[])
    clock.later(20 * MINUTE)
    alice.history(over)
    alice.append(over, Kind.RESOLVED, {"text": "feature store is back"})
    declared(alice, "INC-261104-0V5D", title="how do we roll back", severity=5, drill=True, readings=[], model="")
    clock.later(22 * MINUTE)
    known = declared(alice, notify=["pager", "chat"], impact="one checkout in eight is slow")
    event = alice.history(known).events[0].id
    alice.append(known, Kind.NOTIFY_OK, {"target": "pager", "event": event, "n": 1})
    alice.append(known, Kind.NOTIFY_RETRY, {"target": "chat", "event": event, "n": 2, "reason": "HTTP 503"})
    clock.later(2 * MINUTE)
    bob.history(known)
    bob.append(known, Kind.NOTE, {"text": "only version 42; rolling back"})
    clock.later(1 * MINUTE)
    bob.append(known, Kind.STATUS, {"status": "mitigating"})
    alice.close()
    bob.close()


SIZES = [(80, 24), (120, 40)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_page(
    fleet: Path, tmp_path: Path, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    store = tmp_path / "incidents"
    monkeypatch.setattr("incidents.place.choose", lambda _: Place(store, store / "no-memory"))
    monkeypatch.setattr("tui.incident_rows.place_words", lambda _: "/var/lib/mltriage/incidents (shared)")
    story(store)

    async def run(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await settled(pilot)
        await pilot.press("8")
        await until(pilot, lambda: app.incident_at_hand is not None)

    app = Triage(options(fleet))
    monkeypatch.setattr(app, "wall", lambda: float(NOW))
    assert snap_compare(app, terminal_size=size, run_before=run)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_card(
    fleet: Path, store: Path, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    targets = tuple(IncidentTarget(name=name, kind="webhook", url="http://127.0.0.1:9/") for name in ("pager", "chat"))
    clock = Ticking(NOW - 12 * MINUTE)
    declared(writer(store, clock))

    async def run(pilot: Pilot[None]) -> None:
        await settled(pilot)
        app = app_of(pilot)
        await until(pilot, lambda: app.incident_at_hand is not None)
        await pilot.press("F")

    app = Triage(replace(options(fleet), targets=targets))
    monkeypatch.setattr(app, "wall", lambda: float(NOW))
    assert snap_compare(app, terminal_size=size, run_before=run)


async def settled(pilot: Pilot[None]) -> None:
    """Wait until every source has answered and every change has its segment."""
    app = app_of(pilot)
    await until(
        pilot,
        lambda: (
            app.snapshot is not None
            and all(source.state is State.LIVE for source in app.snapshot.sources)
            and bool(app.snapshot.findings)
            and all(finding.where for finding in app.snapshot.findings)
        ),
    )
