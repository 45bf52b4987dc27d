"""What the tests of the outbox share: targets with secrets, an incident to tell of, and waits that are short."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from incidents import outbox as outbox_module
from incidents import sending
from incidents.events import Kind
from incidents.flagging import declare, draft
from incidents.fold import fold
from incidents.journal import Journal
from incidents.outbox import Channel, Delivery, Outbox
from incidents.secret import SecretSource
from incidents.targets.alertmanager import Alertmanager
from incidents.targets.base import Target
from incidents.targets.grafana import Grafana
from incidents.targets.pagerduty import PagerDuty
from incidents.targets.silences import Silences
from incidents.targets.slack import Slack
from incidents.targets.webhook import Webhook
from tests.incident_sample import ALICE, Ticking, journal_at
from tests.sample import NOW, sample

CANARY = "canary" + "0123456789abcdef" * 2
KEY = "0123456789abcdef0123456789abcdef"
KINDS = ("pagerduty", "slack", "grafana", "webhook")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, a hundred times shorter."""
    for module, name, value in (
        (outbox_module, "FIRST_WAIT_S", 0.01),
        (outbox_module, "JITTER_S", 0.01),
        (sending, "ANSWER_S", 0.4),
    ):
        monkeypatch.setattr(module, name, value)


def secret_in(tmp_path: Path, text: str) -> SecretSource:
    file = tmp_path / f"secret-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    file.write_text(f"{text}\n")
    file.chmod(0o600)
    return SecretSource(str(file))


def channel(kind: str, url: str, tmp_path: Path, secret: str = KEY) -> Channel:
    targets: dict[str, Callable[[], Target]] = {
        "pagerduty": lambda: PagerDuty(kind, f"{url}/v2/enqueue"),
        "slack": lambda: replace(Slack(kind), spacing_s=0.0),
        "grafana": lambda: Grafana(kind, url),
        "webhook": lambda: Webhook(kind, f"{url}/hook"),
        "alertmanager": lambda: Alertmanager(kind, url),
        "silence": lambda: Silences(kind, url),
    }
    return Channel(targets[kind](), secret_in(tmp_path, f"{url}/services/{secret}" if kind == "slack" else secret))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = journal_at(tmp_path / "journal", ALICE, Ticking(NOW + 60))
    yield found
    found.close()


def flag(journal: Journal, *targets: str, long: bool = False) -> str:
    snapshot = sample()
    finding = replace(snapshot.findings[0], title="p99 " + "slow " * 2_000) if long else snapshot.findings[0]
    wanted = draft(replace(snapshot, findings=(finding,)), finding)
    return declare(journal, wanted, title=finding.title if long else None, notify=targets).event.incident


def told(journal: Journal, incident: str) -> dict[str, str]:
    return dict(fold(incident, journal.history(incident).events).told)


async def deliver(journal: Journal, *channels: Channel, budget_s: float = 20.0) -> tuple[Delivery, ...]:
    now = NOW + 60.0

    def clock() -> float:
        nonlocal now
        now += 0.05
        return now

    return await Outbox(journal, channels, clock=clock).deliver(budget_s)


def silence(journal: Journal) -> str:
    """An incident because of which alerts are to be held back for an hour."""
    incident = flag(journal)
    data = {"at": "am", "matchers": 'model="fraud"', "until": NOW + 3_660, "comment": "known", "notify": ["silence"]}
    journal.append(incident, Kind.SILENCED, data)
    return incident
