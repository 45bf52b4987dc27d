"""The whole way to a real Alertmanager and out of it again, to a local webhook."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from incidents.events import Kind
from incidents.flagging import declare, draft
from incidents.journal import Journal
from incidents.outbox import Channel, Outbox, names_for
from incidents.secret import SecretSource
from incidents.targets.alertmanager import Alertmanager
from tests.alertmanager_server import Server, alertmanager
from tests.incident_sample import ALICE, journal_at
from tests.receivers import Receiver, receiver, until
from tests.sample import sample

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None, reason="needs the Debian package prometheus-alertmanager"
)


@pytest.fixture
def hook() -> Iterator[Receiver]:
    """Where Alertmanager delivers."""
    with receiver("any") as server:
        yield server


@pytest.fixture
def server(hook: Receiver) -> Iterator[Server]:
    with alertmanager(hook.url) as found:
        yield found


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return journal_at(tmp_path, ALICE, time.time)


def deliveries(hook: Receiver, status: str, incident: str) -> list[object]:
    return [
        alert
        for post in hook.taken
        for alert in post["alerts"]
        if alert["status"] == status and alert["labels"]["incident"] == incident
    ]


async def test_an_incident_fires_once_survives_a_restart_can_be_silenced_and_resolves(
    server: Server, hook: Receiver, journal: Journal
) -> None:
    way = Channel(Alertmanager("alerts", server.url, {"team": "ml"}), SecretSource())
    outbox = Outbox(journal, [way])
    snapshot = sample(now=time.time())
    incident = declare(journal, draft(snapshot, snapshot.findings[0]), notify=["alerts"]).event.incident
    assert await outbox.deliver(20) == ()
    until(lambda: deliveries(hook, "firing", incident))
    (alert,) = server.alerts()
    assert alert["labels"] == {
        "alertname": "MltriageIncident",
        "incident": incident,
        "model": "fraud",
        "team": "ml",
    }
    assert alert["annotations"]["summary"].startswith(f"{incident} SEV-2: fraud p99")

    # Another severity is the same alert: the label set has not changed.
    notify = list(names_for([way], Kind.SEVERITY))
    journal.append(incident, Kind.SEVERITY, {"severity": 1, "notify": notify})
    assert await outbox.deliver(20) == ()
    (again,) = server.alerts()
    assert again["fingerprint"] == alert["fingerprint"]
    assert "SEV-1" in again["annotations"]["summary"]

    server.restart()
    assert server.alerts() == []
    assert await outbox.assert_open() == 1
    (asserted,) = server.alerts()
    assert asserted["fingerprint"] == alert["fingerprint"]

    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "incident", "value": incident, "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(seconds=1.5)).isoformat(),
        "createdBy": "test",
        "comment": incident,
    }
    assert server.post("/api/v2/silences", silence)["silenceID"]
    assert await outbox.assert_open() == 1
    until(lambda: server.alerts()[0]["status"]["state"] == "suppressed")
    until(lambda: server.alerts()[0]["status"]["state"] == "active")

    journal.append(incident, Kind.RESOLVED, {"notify": list(names_for([way], Kind.RESOLVED))})
    assert await outbox.deliver(20) == ()
    until(lambda: deliveries(hook, "resolved", incident))
    assert server.alerts() == []
    assert await outbox.assert_open() == 0


async def test_it_takes_what_is_long_or_odd(server: Server, journal: Journal) -> None:
    snapshot = sample(now=time.time())
    wanted = draft(snapshot, snapshot.findings[0])
    outbox = Outbox(journal, [Channel(Alertmanager("alerts", server.url), SecretSource())])
    declare(journal, wanted, title="\ud800\x1b[31m ü " + "x" * 20_000, environment="prod\n", notify=["alerts"])
    assert await outbox.deliver(20) == ()
    (alert,) = server.alerts()
    assert len(alert["annotations"]["summary"]) == 300
    assert "\x1b" not in str(alert)
