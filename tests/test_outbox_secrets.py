"""Secrets of targets: read when something is sent, and in no journal, log, error or request that is shown."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from incidents.journal import Journal
from incidents.outbox import Channel, Delivery, Outbox
from incidents.secret import SecretError, SecretSource, masked
from incidents.sending import State
from incidents.targets.webhook import Webhook
from tests.outbox_sample import CANARY, KINDS, channel, deliver, flag, hurried, journal, silence
from tests.receivers import receiver

__all__ = ["hurried", "journal"]


@pytest.mark.parametrize("kind", [*KINDS, "alertmanager", "silence"])
@pytest.mark.parametrize("step", ["ok", "404", "500", "hang"])
async def test_no_secret_reaches_the_journal_the_logs_or_an_error(
    kind: str, step: str, journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[Delivery] = []
    with receiver("any", [step, "404"]) as server:
        way = channel(kind, server.url, tmp_path, CANARY)
        incident = silence(journal) if kind == "silence" else flag(journal, kind)
        outbox = Outbox(journal, [way], news=said.append)
        await outbox.deliver(3.0)
        events = journal.history(incident).events
        last = next(i for i, event in enumerate(events) if event.data.get("notify"))
        shown = [str(request) for _, request in outbox.payloads(events[: last + 1], [kind])]
    assert server.got  # the secret was used
    assert kind == "slack" or any(CANARY in str(got) or kind == "webhook" for got in server.got)
    files = [path.read_bytes() for path in (tmp_path / "journal").rglob("*") if path.is_file()]
    texts = [*map(repr, said), *shown, caplog.text, *(file.decode("latin-1") for file in files)]
    assert [text for text in texts if CANARY in text] == []


def test_a_secret_that_others_can_read_is_refused_without_being_told(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(CANARY)
    file.chmod(0o644)
    with pytest.raises(SecretError, match="chmod 600") as caught:
        SecretSource(str(file)).read()
    assert CANARY not in str(caught.value)
    with pytest.raises(SecretError, match="cannot be read"):
        SecretSource(str(tmp_path / "none")).read()


def test_a_secret_may_come_from_a_command_and_its_failure_tells_nothing() -> None:
    assert SecretSource(command=("printf", CANARY)).read() == CANARY
    with pytest.raises(SecretError) as caught:
        SecretSource(command=("sh", "-c", f"echo {CANARY}; exit 3")).read()
    assert CANARY not in str(caught.value)
    with pytest.raises(SecretError, match="cannot be run"):
        SecretSource(command=("/nonexistent/program",)).read()


def test_the_longest_secret_is_masked_first() -> None:
    assert masked("https://h/x?k=abcdef", ["abcd", "abcdef"]) == "https://h/x?k=***"
    assert masked("abc", ["abc", ""]) == "abc"
    assert masked("POST /services/T0/AAAABBBBCCCC failed", ["https://h/services/T0/AAAABBBBCCCC"]) == "POST *** failed"


async def test_a_secret_that_is_missing_is_told_and_tried_again(journal: Journal) -> None:
    way = Channel(Webhook("webhook", "http://127.0.0.1:9/"), SecretSource("/nonexistent/secret"))
    flag(journal, "webhook")
    (left,) = await deliver(journal, way, budget_s=0.4)
    assert left.state == State.RETRY
    assert "/nonexistent/secret cannot be read" in left.reason
