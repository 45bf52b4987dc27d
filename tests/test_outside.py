"""What other systems saw: alerts and annotations are marks on the charts and lines of the timeline."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.answer import Mark
from analysis.view import Window
from connectors.prom_alerts import alerts_query, beginnings
from connectors.prometheus import PrometheusStore
from incidents.events import rfc3339
from tests.alertmanager_server import alertmanager
from tests.prometheus_server import prometheus
from tests.receivers import receiver
from tests.sample import sample
from tests.test_app import NOW, fleet, located, options, until
from tests.test_incident_screen import kept, store
from tests.test_write_mode import silencer
from tui.app import Triage
from tui.config_schema import IncidentTarget
from tui.outside import Outside
from tui.screens.card import Tick
from widgets.incidents import IncidentsPanel
from widgets.latency import LatencyPanel
from widgets.panel import text_of

__all__ = ["fleet", "store"]

DAY = Window(NOW - 86_400, NOW)


def grafana(url: str, folder: Path) -> IncidentTarget:
    token = folder / "token"
    token.write_text("token")
    token.chmod(0o600)
    return IncidentTarget(name="dashboards", kind="grafana", url=url, secret_file=str(token))


def test_an_alert_begins_where_no_sample_was_before_and_nobody_knows_when_the_first_one_did() -> None:
    assert list(beginnings([0, 60, 120, 300, 360], 0, 60)) == [300]
    assert list(beginnings([60, 120], 0, 60)) == []
    assert list(beginnings([180], 0, 60)) == [180]


def test_the_alerts_of_a_prometheus_are_chosen_by_matchers_and_never_our_own() -> None:
    assert alerts_query("") == 'ALERTS{alertstate="firing",alertname!="MltriageIncident"}'
    assert alerts_query('team="ml"') == 'ALERTS{team="ml",alertstate="firing",alertname!="MltriageIncident"}'


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs the Debian package prometheus")
async def test_a_real_prometheus_tells_when_its_alerts_began_to_fire() -> None:
    def series(name: str, model: str, state: str, first: int, last: int) -> str:
        labels = f'alertname="{name}",model="{model}",alertstate="{state}"'
        return "".join(f"ALERTS{{{labels}}} 1 {t}\n" for t in range(first, last, 60))

    text = "# TYPE ALERTS gauge\n" + series("HighLatency", "fraud", "firing", NOW - 600, NOW)
    text += series("HighLatency", "fraud", "pending", NOW - 900, NOW - 600)
    text += series("Standing", "", "firing", NOW - 7_200, NOW) + "# EOF\n"
    with prometheus(text) as server:
        found = await read(PrometheusStore(server.url), Window(NOW - 3_600, NOW))
        assert await read(PrometheusStore(server.url, alerts='model="rank"'), Window(NOW - 3_600, NOW)) == ()
    (mark,) = found
    assert (mark.kind, mark.text, mark.model) == ("alert", "HighLatency", "fraud")
    assert NOW - 600 <= mark.t <= NOW - 540


async def read(asked: PrometheusStore, window: Window) -> tuple[Mark, ...]:
    try:
        return await asked.alerts(window)
    finally:
        await asked.close()


@pytest.mark.skipif(shutil.which("prometheus-alertmanager") is None, reason="needs prometheus-alertmanager")
async def test_a_real_alertmanager_tells_what_fires_and_since_when() -> None:
    began = time.time() - 300
    with receiver("any") as hook, alertmanager(hook.url) as server:
        for name in ("HighLatency", "MltriageIncident"):
            server.post("/api/v2/alerts", [{"labels": {"alertname": name}, "startsAt": rfc3339(began)}])
        outside = Outside(targets=[silencer(server.url)])
        assert await outside.read(DAY)
        assert not await outside.read(DAY)
    (mark,) = outside._known["am"]
    assert (mark.kind, mark.text, mark.model) == ("alert", "HighLatency", "")
    assert mark.t == pytest.approx(began, abs=0.001)


async def test_annotations_of_a_grafana_are_marks_but_those_of_this_program_are_not(tmp_path: Path) -> None:
    with receiver("grafana") as server:
        server.taken += [
            {"time": (NOW - 60) * 1_000, "text": "<b>deploy</b> ranker 18\nby ci", "tags": ["deploy", "model:rank"]},
            {"time": (NOW - 30) * 1_000, "text": "", "tags": ["load test"]},
            {"time": (NOW - 20) * 1_000, "text": "INC-1", "tags": ["mltriage", "INC-1"]},
        ]
        outside = Outside(targets=[grafana(server.url, tmp_path)])
        await outside.read(DAY)
    known = outside._known["dashboards"]
    assert [(m.t, m.kind, m.text, m.model) for m in known] == [
        (NOW - 60, "annotation", "deploy ranker 18", "rank"),
        (NOW - 30, "annotation", "load test", ""),
    ]


async def test_who_does_not_answer_is_a_note_and_what_was_known_stays() -> None:
    with receiver("any") as server:
        server.taken.append({"labels": {"alertname": "A"}, "startsAt": rfc3339(NOW)})
        outside = Outside(targets=[silencer(server.url)])
        await outside.read(DAY)
        server.taken.append({"not": "an alert"})
        assert await outside.read(DAY)
        broken = outside.told(sample(now=NOW + 60))
    assert await outside.read(DAY)
    gone = outside.told(sample(now=NOW + 60))
    for answer, words in ((broken, "the answer cannot be read: KeyError: 'labels'"), (gone, "no connection")):
        assert [mark.text for mark in answer.marks if mark.kind == "alert"] == ["A"]
        assert f"am: no alerts or annotations: {words}" in answer.notes[-1]


async def test_an_alert_is_a_mark_on_the_charts_and_a_line_of_the_timeline_before_and_after_it_is_written(
    fleet: Path, store: Path
) -> None:
    with receiver("any") as server:
        # One alert fires before the incident is flagged, one after.
        first, second = (
            {"labels": {"alertname": name, "model": "fraud"}, "startsAt": rfc3339(NOW - ago)}
            for name, ago in (("HighLatency", 300), ("BurnRate", 200))
        )
        server.taken.append(first)
        chosen = replace(options(fleet), targets=(silencer(server.url),))
        async with Triage(chosen).run_test(size=(120, 40)) as pilot:
            app = await located(pilot)
            panel = app.main.query_one(LatencyPanel)
            await until(pilot, lambda: any(mark.text == "HighLatency" for mark in panel.chart_marks()))
            await pilot.press("F")
            app.screen.query_one("#tell-0", Tick).action_turn()
            await pilot.press("enter")
            await until(pilot, lambda: app.incident_at_hand is not None)
            assert timeline(kept(chosen)[0]) == ["version 41->42", "alert HighLatency"]
            server.taken.append(second)
            assert app.session is not None
            await app.session.outside.read(app.session.frame().live)
            app.due.set()
            await pilot.press("8")
            page = app.main.query_one(IncidentsPanel)
            await until(pilot, lambda: any("alert BurnRate" in line for line in text_of(page)))
            await pilot.press("T", *"resolved", "enter")
            await until(pilot, lambda: len(timeline(kept(chosen)[0])) == 3)
            marks = app.main.scene.marks
            await until(pilot, lambda: any(mark.text.startswith("resolved ") for mark in app.main.scene.marks))
            assert all(mark.model in ("", "fraud") for mark in marks)
    (incident,) = kept(chosen)
    assert timeline(incident) == ["version 41->42", "alert HighLatency", "alert BurnRate"]
    assert "alert" not in incident.responders
    assert incident.changed == max(line.t for line in incident.timeline if line.event)


def timeline(incident: Any) -> list[str]:
    """What was seen on the charts."""
    return [line.text for line in incident.timeline if not line.event]
