"""Write mode: nothing is silenced and nobody is paged without it, a capital key and a yes that names the target."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from incidents.record import Incident
from tests.alertmanager_server import alertmanager
from tests.incident_sample import Ticking
from tests.receivers import receiver
from tests.test_app import NOW, app_of, fleet, located, options, until
from tests.test_incident_screen import MINUTE, declared, kept, settled, store, writer
from tui.app import Triage
from tui.config_schema import IncidentTarget
from tui.firing import firing
from tui.options import Options
from tui.screens.card import CardScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.main import MainScreen
from tui.screens.silence import SilenceScreen
from tui.screens.silences import SilencesScreen
from tui.write_mode import LASTS_S, WriteMode
from widgets.header import HeaderPanel
from widgets.incidents import IncidentsPanel
from widgets.panel import text_of

__all__ = ["fleet", "store"]

KEY = "0123456789abcdef0123456789abcdef"
needs_alertmanager = pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None, reason="needs the Debian package prometheus-alertmanager"
)


def silencer(url: str, name: str = "am") -> IncidentTarget:
    return IncidentTarget(name=name, kind="alertmanager", url=url)


def pager(url: str, folder: Path) -> IncidentTarget:
    secret = folder / "key"
    secret.write_text(KEY)
    secret.chmod(0o600)
    return IncidentTarget(name="pager", kind="pagerduty", url=url, secret_file=str(secret))


def said(app: Triage) -> list[str]:
    return [str(note.message) for note in app._notifications]


def page(app: Triage) -> str:
    """The page of incidents."""
    return "\n".join(text_of(app.main.query_one(IncidentsPanel)))


def silence_of(app: Triage) -> str:
    """The newest silence on the page, as it is said to stand."""
    return next((line for line in reversed(page(app).splitlines()) if line.startswith("silence ")), "")


def silences(url: str) -> list[dict[str, Any]]:
    """What an Alertmanager holds back, and has held back."""
    found: list[dict[str, Any]] = json.loads(get(url, "/api/v2/silences"))
    return found


def state(silence: dict[str, Any]) -> str:
    return str(silence["status"]["state"])


def header(app: Triage) -> str:
    return text_of(app.main.query_one(HeaderPanel))[0]


def only(chosen: Options) -> Incident:
    (incident,) = kept(chosen)
    return incident


async def with_incident(pilot: Pilot[None], store: Path) -> Triage:
    """The app once it knows of an open incident about the fraud model in a segment."""
    reading = {"signal": "latency", "model": "fraud", "title": "p99", "where": [["region", "eu-w1"]]}
    declared(writer(store, Ticking(NOW - 12 * MINUTE)), readings=[reading])
    app = await located(pilot)
    await until(pilot, lambda: app.incident_at_hand is not None)
    return app


def test_write_mode_ends_by_its_key_and_by_time_and_lasts_on_where_it_is_used() -> None:
    mode = WriteMode()
    assert mode.left_s(0.0) == 0.0
    assert mode.turn(0.0)
    mode.used(100.0)
    assert mode.left_s(100.0 + LASTS_S - 1) == 1.0
    assert mode.left_s(100.0 + LASTS_S) == 0.0
    mode.used(100.0 + LASTS_S)  # too late: it must be entered again
    assert mode.left_s(100.0 + LASTS_S) == 0.0
    assert mode.turn(1_000.0)
    assert not mode.turn(1_001.0)


@needs_alertmanager
async def test_a_silence_needs_write_mode_and_a_yes_and_holds_back_what_the_form_named(
    fleet: Path, store: Path
) -> None:
    with receiver("any") as hook, alertmanager(hook.url) as server:
        for name, model in (("HighLatency", "fraud"), ("Down", "rank")):
            server.post("/api/v2/alerts", [{"labels": {"alertname": name, "model": model}}])
        chosen = replace(options(fleet), targets=(silencer(server.url),))
        async with Triage(chosen).run_test(size=(120, 40)) as pilot:
            app = await with_incident(pilot, store)
            assert "read-only" in header(app)
            await pilot.press("Z")
            assert any("W turns write mode on" in text for text in said(app))
            await pilot.press("W", "Z")
            assert "WRITE until" in header(app)
            form = await opened(pilot, SilenceScreen)
            # No alert has a label region: the segment of the logs is left out, and the form says so.
            await until(pilot, lambda: "1 of 2 firing alerts: HighLatency; no alert has region" in form.held())
            form.query_one("#for", Input).value = "2h"
            await pilot.press("enter")
            question = await opened(pilot, ConfirmScreen)
            assert f"SILENCE ALERTS AT am ({server.url.removeprefix('http://')})?" in question.text().plain
            await pilot.press("enter")
            assert app.screen is question  # the key that was pressed for the form answers nothing
            await pilot.press("y")
            await until(pilot, lambda: only(chosen).told.get("silence at am") == "ok")
            await pilot.press("W")
            assert "WRITE" not in header(app)
        incident = only(chosen)
        (silence,) = json.loads(get(server.url, "/api/v2/silences"))
        assert [m["name"] for m in silence["matchers"]] == ["model", "alertname"]
        assert silence["comment"].startswith(incident.title)
        assert incident.id in silence["comment"]
        assert incident.references["silence at am"] == silence["id"]
        states = {a["labels"]["alertname"]: a["status"]["state"] for a in server.alerts()}
        assert states == {"HighLatency": "suppressed", "Down": "active"}
        lines = [line.text.split(":")[0] for line in incident.timeline]
        assert 'silenced model="fraud" alertname!="MltriageIncident" at am for 2h' in lines


@needs_alertmanager
async def test_a_silence_is_listed_with_its_time_left_and_extended_and_ended_from_the_screen_also_after_restarts(
    fleet: Path, store: Path
) -> None:
    with receiver("any") as hook, alertmanager(hook.url) as server:
        alert = [{"labels": {"alertname": "HighLatency", "model": "fraud"}}]
        server.post("/api/v2/alerts", alert)
        chosen = replace(options(fleet), targets=(silencer(server.url),))
        async with Triage(chosen).run_test(size=(120, 40)) as pilot:
            app = await with_incident(pilot, store)
            await pilot.press("8", "W", "Z")
            form = await opened(pilot, SilenceScreen)
            await until(pilot, lambda: "1 of 1" in form.held())
            await pilot.press("enter")
            await opened(pilot, ConfirmScreen)
            await pilot.press("y")
            await until(pilot, lambda: "59m left" in silence_of(app))
        # Both programs forget what is not on a disk.
        server.restart()
        server.post("/api/v2/alerts", alert)
        async with Triage(chosen).run_test(size=(120, 40)) as pilot:
            app = await located(pilot)
            await pilot.press("8")
            await until(pilot, lambda: "59m left" in silence_of(app))
            await pilot.press("Z")
            assert any("W turns write mode on" in text for text in said(app))
            await pilot.press("W", "Z")
            listed = await opened(pilot, SilencesScreen)
            assert "set by" in listed.text().plain
            await pilot.press("X")
            form = await opened(pilot, SilenceScreen)
            await until(pilot, lambda: "1 of 1 firing alerts: HighLatency" in form.held())
            form.query_one("#for", Input).value = "3h"
            await pilot.press("enter")
            question = await opened(pilot, ConfirmScreen)
            assert "EXTEND THE SILENCE AT am (127.0.0.1:" in question.text().plain
            await pilot.press("y")
            await until(pilot, lambda: "2h59m left" in silence_of(app))
            assert sorted(state(one) for one in silences(server.url)) == ["active", "expired"]
            await pilot.press("Z")
            await opened(pilot, SilencesScreen)
            await pilot.press("E")
            question = await opened(pilot, ConfirmScreen)
            assert "END THE SILENCE AT am (127.0.0.1:" in question.text().plain
            assert "fires again at once: HighLatency" in question.text().plain
            await pilot.press("escape")
            await opened(pilot, MainScreen)
            assert "active" in map(state, silences(server.url))
            await pilot.press("Z")
            await opened(pilot, SilencesScreen)
            await pilot.press("E")
            await opened(pilot, ConfirmScreen)
            await pilot.press("y")
            await until(pilot, lambda: "ended by" in silence_of(app))
        assert set(map(state, silences(server.url))) == {"expired"}
        assert server.alerts()[0]["status"]["state"] == "active"
    ended = 'ended the silence of model="fraud" alertname!="MltriageIncident" at am'
    assert ended in [line.text for line in only(chosen).timeline]


@needs_alertmanager
async def test_what_an_alertmanager_says_of_a_silence_counts_more_than_the_journal(fleet: Path, store: Path) -> None:
    with receiver("any") as hook, alertmanager(hook.url) as server:
        chosen = replace(options(fleet), targets=(silencer(server.url),))
        async with Triage(chosen).run_test(size=(120, 40)) as pilot:
            app = await with_incident(pilot, store)
            await pilot.press("8", "W", "Z")
            await opened(pilot, SilenceScreen)
            await pilot.press("enter")
            await opened(pilot, ConfirmScreen)
            await pilot.press("y")
            await until(pilot, lambda: only(chosen).told.get("silence at am") == "ok")
            await pilot.press("T", *"resolved", "enter")
            await until(pilot, lambda: any("still silent: " in text and "59m left" in text for text in said(app)))
            (silence,) = silences(server.url)
            server.delete(f"/api/v2/silence/{silence['id']}")  # as another tool ends it
            assert app.session is not None
            await app.session.outside.read_silences(chosen.targets[0])
            await until(pilot, lambda: "over for " in silence_of(app))


@needs_alertmanager
async def test_only_the_alertmanager_that_was_named_holds_back_alerts(fleet: Path, store: Path) -> None:
    with receiver("any") as hook, alertmanager(hook.url) as one, alertmanager(hook.url) as other:
        chosen = replace(options(fleet), targets=(silencer(one.url), silencer(other.url, "other")))
        async with Triage(chosen).run_test(size=(120, 40)) as pilot:
            app = await with_incident(pilot, store)
            await pilot.press("W", "Z", *"am", "enter")
            await confirmed(pilot)
            await until(pilot, lambda: len(app.silences_of(only(chosen).id)) == 1)
            await pilot.press("Z")
            await opened(pilot, SilencesScreen)
            await pilot.press("N", *"other", "enter")
            await confirmed(pilot)
            await until(pilot, lambda: only(chosen).told.get("silence at other") == "ok")
        assert [len(silences(server.url)) for server in (one, other)] == [1, 1]


async def confirmed(pilot: Pilot[None]) -> None:
    """Send the form of a silence, and say yes."""
    await opened(pilot, SilenceScreen)
    await pilot.press("enter")
    await opened(pilot, ConfirmScreen)
    await pilot.press("y")


@needs_alertmanager
async def test_nothing_falls_silent_without_a_yes_or_from_a_form_that_cannot_be_read(fleet: Path, store: Path) -> None:
    with receiver("any") as hook, alertmanager(hook.url) as server:
        chosen = replace(options(fleet), targets=(silencer(server.url),))
        async with Triage(chosen).run_test(size=(80, 24)) as pilot:
            await with_incident(pilot, store)
            await pilot.press("W", "Z")
            form = await opened(pilot, SilenceScreen)
            for field, value, words in (
                ("#matchers", "model=~.*", "at least one label must have a value"),
                ("#for", "2d", "at most 1d"),
                ("#comment", "", "say why"),
            ):
                before = form.query_one(field, Input).value
                form.query_one(field, Input).value = value
                await pilot.press("enter")
                assert words in str(form.query_one("#problem").render())
                form.query_one(field, Input).value = before
            await pilot.press("enter")
            await opened(pilot, ConfirmScreen)
            await pilot.press("escape")
            await opened(pilot, MainScreen)
        assert json.loads(get(server.url, "/api/v2/silences")) == []
        assert only(chosen).silences == ()


async def test_a_page_needs_write_mode_and_a_yes_and_the_card_alone_pages_nobody(
    fleet: Path, store: Path, tmp_path: Path
) -> None:
    with receiver("pagerduty") as server:
        chosen = replace(options(fleet), targets=(pager(f"{server.url}/v2/enqueue", tmp_path),))
        async with Triage(chosen).run_test(size=(120, 40)) as pilot:
            app = await located(pilot)
            await pilot.press("F")
            await opened(pilot, CardScreen)
            await pilot.press("enter")
            await until(pilot, lambda: app.incident_at_hand is not None)
            assert only(chosen).told == {}
            await pilot.press("P")
            assert any("W turns write mode on" in text for text in said(app))
            await pilot.press("W", "P")
            question = await opened(pilot, ConfirmScreen)
            assert "PAGE WHOEVER IS ON CALL AT pager (127.0.0.1:" in question.text().plain
            await pilot.press("n", "P")
            await opened(pilot, ConfirmScreen)
            assert server.got == []
            await pilot.press("y")
            await until(pilot, lambda: only(chosen).told == {"pager": "ok"})
    assert [taken["event_action"] for taken in server.taken] == ["trigger"]
    assert "paged through pager" in [line.text for line in only(chosen).timeline]


async def test_who_cannot_be_asked_is_said_in_words(fleet: Path, store: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await with_incident(pilot, store)
        await pilot.press("W", "Z", "P")
        assert any("no targets of the kind alertmanager" in text for text in said(app))
        assert any("no targets of the kind pagerduty" in text for text in said(app))


async def test_with_two_alertmanagers_the_name_is_asked_for(fleet: Path, store: Path) -> None:
    targets = (silencer("http://127.0.0.1:9"), silencer("http://127.0.0.1:9/b", "other"))
    async with Triage(replace(options(fleet), targets=targets)).run_test(size=(80, 24)) as pilot:
        await with_incident(pilot, store)
        await pilot.press("W", "Z", *"other", "enter")
        form = await opened(pilot, SilenceScreen)
        assert form._target.startswith("other")
        await until(pilot, lambda: "not known what fires: no connection" in form.held())


async def test_write_mode_leaves_the_header_when_its_time_is_over(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    monkeypatch.setattr("tui.write_mode.LASTS_S", 0.3)
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("W")
        assert any(text.startswith("write mode") for text in said(app))
        await until(pilot, lambda: not app.writing and "read-only" in header(app))


async def test_an_answer_that_is_no_list_of_alerts_is_not_taken_for_silence() -> None:
    with receiver("any", ["ok"]) as server:
        server.taken.append({"no": "labels"})
        assert (await firing(silencer(server.url))).problem == "the answer cannot be read: no list of alerts"
    locked = IncidentTarget(name="am", kind="alertmanager", url=server.url, secret_file="/nonexistent/secret")
    assert (await firing(locked)).problem == "/nonexistent/secret cannot be read: No such file or directory"


async def opened(pilot: Pilot[None], kind: type[Any]) -> Any:
    """The screen on top, once it is of this kind."""
    await until(pilot, lambda: isinstance(app_of(pilot).screen, kind) and app_of(pilot).screen.is_running)
    return app_of(pilot).screen


def get(url: str, path: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(f"{url}{path}", timeout=5) as answer:
        content: bytes = answer.read()
        return content


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("step", ["form", "question"])
def test_silence(
    fleet: Path, store: Path, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], step: str
) -> None:
    from tui.screens.silence import Firing

    async def known(_: object) -> Firing:
        return Firing(({"alertname": "HighLatency", "model": "fraud"}, {"alertname": "Down", "model": "rank"}))

    monkeypatch.setattr("tui.firing.firing", known)
    monkeypatch.setattr("tui.incident_rows.place_words", lambda _: "/var/lib/mltriage/incidents (shared)")

    async def run(pilot: Pilot[None]) -> None:
        await settled(pilot)
        await with_incident(pilot, store)
        await pilot.press("8", "W", "Z")
        form = await opened(pilot, SilenceScreen)
        await until(pilot, lambda: "1 of 2" in form.held())
        if step == "question":
            await pilot.press("enter")
            await opened(pilot, ConfirmScreen)

    app = Triage(replace(options(fleet), targets=(silencer("http://alertmanager:9093"),)))
    monkeypatch.setattr(app, "wall", lambda: float(NOW))
    monkeypatch.setattr(app, "notify", lambda *_, **__: None)
    assert snap_compare(app, terminal_size=size, run_before=run)
