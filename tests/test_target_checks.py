"""The doctor and the targets: asked or connected to, never paged, and what the journal knows of each."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from incidents.events import Kind
from incidents.reach import reached
from tests.alertmanager_server import alertmanager
from tests.incident_sample import ALICE, Ticking, journal_at
from tests.prometheus_server import free_port
from tests.receivers import receiver
from tests.test_app import NOW, fleet, options
from tests.test_incident_screen import store, writer
from tui.config_schema import IncidentTarget
from tui.doctor import Check
from tui.options import Options
from tui.target_checks import target_checks

__all__ = ["fleet", "store"]

KEY = "canary0123456789abcdef0123456789"


@pytest.fixture
def bare(fleet: Path, store: Path) -> Options:
    """Options with a journal of this test."""
    return options(fleet)


def target(kind: str, url: str, folder: Path, secret: str | None = None, mode: int = 0o600) -> IncidentTarget:
    """A target; what is secret of a chat is its whole URL."""
    if secret is None:
        secret = f"{url}/{KEY}" if kind == "slack" else KEY
    file = folder / f"secret-{kind}"
    file.write_text(secret)
    file.chmod(mode)
    return IncidentTarget(
        name=f"my-{kind}", kind=cast(Any, kind), url=None if kind == "slack" else url, secret_file=str(file)
    )


async def checked(chosen: Options, *targets: IncidentTarget) -> list[list[Check]]:
    """The checks of each target; none of them says a secret."""
    found = await target_checks(replace(chosen, targets=targets))
    assert KEY not in str(found)
    return [checks for _, checks in found]


@pytest.mark.parametrize(
    ("kind", "words"), [("pagerduty", "it would page"), ("slack", "it would post"), ("webhook", "it would post")]
)
async def test_who_would_be_paged_or_posted_to_is_only_connected_to(
    kind: str, words: str, bare: Options, tmp_path: Path
) -> None:
    with receiver(kind) as server:
        ((first, *_),) = await checked(bare, target(kind, server.url, tmp_path))
    assert first.state == "ok"
    assert first.what.startswith("takes connections; whether ")
    assert first.what.endswith(f"not checked: {words}")
    assert server.got == []


@pytest.mark.parametrize("kind", ["pagerduty", "slack", "webhook", "alertmanager", "grafana"])
async def test_who_is_not_there_is_a_failure(kind: str, bare: Options, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    ((first, *_),) = await checked(bare, target(kind, nowhere, tmp_path))
    assert first.state == "FAIL"
    assert "connection" in first.what
    assert "reachable from here" in first.hint


@pytest.mark.skipif(shutil.which("prometheus-alertmanager") is None, reason="needs prometheus-alertmanager")
async def test_a_real_alertmanager_tells_its_version(bare: Options, tmp_path: Path) -> None:
    with receiver("any") as hook, alertmanager(hook.url) as server:
        ((first, *_),) = await checked(bare, target("alertmanager", server.url, tmp_path))
        assert server.alerts() == []
    assert first.state == "ok"
    assert first.what.startswith("answers: Alertmanager 0.")


async def test_credentials_that_are_refused_are_told_from_a_target_that_is_not_there(
    bare: Options, tmp_path: Path
) -> None:
    with receiver("grafana", ["401"]) as server:
        mine = target("grafana", server.url, tmp_path)
        ((refused, *_),) = await checked(bare, mine)
        ((taken, *_),) = await checked(bare, mine)
    assert refused == Check(
        "FAIL", "credentials refused: HTTP 401: no: Bearer ***", "check its secret_file or secret_command"
    )
    assert (taken.state, taken.what[:7]) == ("ok", "answers")


@pytest.mark.parametrize(
    ("kind", "secret", "mode", "words"),
    [
        ("webhook", KEY, 0o644, "can be read by others: chmod 600"),
        ("pagerduty", "short", 0o600, "its key has 5 characters"),
        ("slack", KEY, 0o600, "its secret is no URL"),
    ],
)
async def test_a_secret_that_cannot_be_the_right_one_is_said_without_it(
    kind: str, secret: str, mode: int, words: str, bare: Options, tmp_path: Path
) -> None:
    ((first, *_),) = await checked(bare, target(kind, "http://127.0.0.1:9", tmp_path, secret, mode))
    assert first.state == "FAIL"
    assert words in first.what


async def test_the_journal_says_since_when_it_is_not_known_whether_a_target_was_told(
    bare: Options, store: Path, tmp_path: Path
) -> None:
    clock = Ticking(NOW - 7_200)
    journal = writer(store, clock)
    event = journal.append("INC-261104-7K2Q", Kind.DECLARED, {"title": "slow", "notify": ["my-slack"]}).event
    for kind in (Kind.NOTIFY_OK, Kind.NOTIFY_UNKNOWN, Kind.NOTIFY_UNKNOWN):
        clock.later(60)
        data = {
            "target": "my-slack",
            "event": event.id,
            "n": 1,
            "reason": "no answer" if kind != Kind.NOTIFY_OK else "",
        }
        journal.append("INC-261104-7K2Q", kind, data)
    (one, other) = await checked(
        bare, target("slack", "", tmp_path), target("webhook", f"http://127.0.0.1:{free_port()}", tmp_path)
    )
    assert one[1].state == "warn"
    assert one[1].what.startswith("my-slack: unknown since 2026-11-04T12:")
    assert "(INC-261104-7K2Q): no answer; last told " in one[1].what
    assert other[1].what == "was never told of an incident of this folder"


def test_of_words_that_repeat_the_first_one_is_since_when(tmp_path: Path) -> None:
    clock = Ticking(NOW)
    journal = journal_at(tmp_path, ALICE, clock)
    for kind in (Kind.NOTIFY_RETRY, Kind.NOTIFY_OK, Kind.NOTIFY_OK, Kind.NOTIFY_RETRY, Kind.NOTIFY_RETRY):
        clock.later(1)
        journal.append("INC-261104-7K2Q", kind, {"target": "chat", "event": "01"})
    found = reached(journal.history("INC-261104-7K2Q").events)["chat"]
    assert (found.state, round(found.since - NOW), round((found.ok or 0.0) - NOW)) == ("retry", 4, 3)
    journal.close()
