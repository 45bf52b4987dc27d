"""Each target is told what it wants to know, in its own words and within its limits."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from incidents.events import Kind
from incidents.fold import fold
from incidents.journal import Journal
from incidents.outbox import Outbox, message_of, names_for
from incidents.targets.alertmanager import Alertmanager
from incidents.targets.webhook import SIGNATURE
from tests.outbox_sample import KEY, KINDS, channel, deliver, flag, hurried, journal, told
from tests.receivers import Receiver, receiver
from tests.sample import NOW, ONSET

__all__ = ["hurried", "journal"]


@pytest.mark.parametrize("kind", KINDS)
async def test_each_target_takes_an_incident_from_declared_to_resolved(
    kind: str, journal: Journal, tmp_path: Path
) -> None:
    with receiver(kind) as server:
        way = channel(kind, server.url, tmp_path)
        incident = flag(journal, kind, long=True)
        assert await deliver(journal, way) == ()
        journal.append(incident, Kind.SEVERITY, {"severity": 1, "notify": list(names_for([way], Kind.SEVERITY))})
        journal.append(incident, Kind.NOTE, {"text": "<b>&", "notify": list(names_for([way], Kind.NOTE))})
        journal.append(incident, Kind.RESOLVED, {"notify": list(names_for([way], Kind.RESOLVED))})
        assert await deliver(journal, way) == ()
        assert await deliver(journal, way) == ()
    assert server.refused == []
    assert len(server.taken) == {"pagerduty": 3, "slack": 4, "grafana": 3, "webhook": 4}[kind]
    assert told(journal, incident) == {kind: "ok"}


async def test_pagerduty_has_one_alert_for_an_incident(journal: Journal, tmp_path: Path) -> None:
    with receiver("pagerduty") as server:
        way = channel("pagerduty", server.url, tmp_path)
        incident = flag(journal, "pagerduty")
        journal.append(incident, Kind.STATUS, {"status": "false alarm", "notify": ["pagerduty"]})
        await deliver(journal, way)
    assert [event["event_action"] for event in server.taken] == ["trigger", "resolve"]
    assert {event["dedup_key"] for event in server.taken} == {incident}
    assert server.taken[0]["payload"]["severity"] == "error"
    assert fold(incident, journal.history(incident).events).references == {"pagerduty": incident}


async def test_slack_markup_in_a_note_is_only_text(journal: Journal, tmp_path: Path) -> None:
    with receiver("slack") as server:
        incident = flag(journal, "slack")
        journal.append(incident, Kind.NOTE, {"text": "<!channel> & <http://x|y>", "notify": ["slack"]})
        await deliver(journal, channel("slack", server.url, tmp_path))
    assert "&lt;!channel&gt; &amp; &lt;http://x|y&gt;" in server.taken[1]["blocks"][1]["text"]["text"]


async def test_grafana_marks_the_onset_in_milliseconds(journal: Journal, tmp_path: Path) -> None:
    with receiver("grafana") as server:
        incident = flag(journal, "grafana")
        await deliver(journal, channel("grafana", server.url, tmp_path))
    assert server.taken[0]["time"] == ONSET * 1_000
    assert incident in server.taken[0]["tags"]


async def test_a_webhook_is_signed_over_its_raw_body(journal: Journal, tmp_path: Path) -> None:
    with receiver("webhook") as server:
        incident = flag(journal, "webhook")
        await deliver(journal, channel("webhook", server.url, tmp_path))
    _, _, headers, body = server.got[0]
    assert headers[SIGNATURE.lower()] == "sha256=" + hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    event = json.loads(body)
    assert (event["type"], event["subject"]) == ("mltriage.incident.declared", incident)
    assert event["id"] == journal.history(incident).events[0].id


def test_the_labels_of_an_alert_never_change_with_the_incident(journal: Journal) -> None:
    incident = flag(journal)
    target = Alertmanager("a", "http://h", {"team": "ml"})
    journal.append(incident, Kind.SEVERITY, {"severity": 1})
    journal.append(incident, Kind.TITLE, {"text": "another"})
    journal.append(incident, Kind.RESOLVED)
    events = journal.history(incident).events
    alerts = [json.loads(target.request(message_of(events, e.id), "", NOW + 600).body)[0] for e in events]
    assert len({json.dumps(alert["labels"], sort_keys=True) for alert in alerts}) == 1
    assert alerts[0]["labels"]["team"] == "ml"
    assert alerts[0]["endsAt"] > alerts[-1]["endsAt"]
    assert all(len(alert["annotations"]["summary"]) <= 300 for alert in alerts)


async def test_a_dry_run_shows_the_request_and_sends_nothing(journal: Journal, tmp_path: Path) -> None:
    with receiver("pagerduty") as server:
        outbox = Outbox(journal, [channel("pagerduty", server.url, tmp_path)])
        incident = flag(journal)
        ((name, request),) = outbox.payloads(journal.history(incident).events, ["pagerduty"])
    assert server.got == []
    assert name == "pagerduty"
    assert json.loads(request.body)["routing_key"] == "***"


def test_receivers_refuse_what_the_real_ones_would() -> None:
    from tests.receivers import cloudevents, grafana, pagerduty, slack

    assert pagerduty({"routing_key": "short", "event_action": "trigger"}, {})
    assert slack({"text": "x", "blocks": [{"type": "header", "text": {"text": "x" * 151}}]}, {})
    assert grafana({"time": NOW, "text": "seconds, not milliseconds"}, {"authorization": "Bearer x"})
    assert cloudevents({"specversion": "1.0"}, {"content-type": "application/cloudevents+json"})
    assert Receiver("http://h").got == []
