"""The outbox tells each target once, whatever breaks in between: refusals, lost answers, crashes, two processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from incidents import sending
from incidents.events import Kind
from incidents.fold import fold
from incidents.journal import Journal
from incidents.outbox import deliveries
from tests.incident_sample import ALICE, BOB, Ticking, journal_at
from tests.outbox_sample import KINDS, channel, deliver, flag, hurried, journal, told
from tests.receivers import receiver
from tests.sample import NOW

__all__ = ["hurried", "journal"]


@pytest.mark.parametrize("kind", KINDS)
async def test_too_many_requests_and_server_errors_are_tried_again(kind: str, journal: Journal, tmp_path: Path) -> None:
    with receiver(kind, ["429", "500", "ok"]) as server:
        incident = flag(journal, kind)
        assert await deliver(journal, channel(kind, server.url, tmp_path)) == ()
    assert len(server.taken) == 1
    kinds = [event.kind for event in journal.history(incident).events]
    assert kinds.count(Kind.NOTIFY_RETRY) == 2
    assert kinds[-1] == Kind.NOTIFY_OK


@pytest.mark.parametrize("kind", KINDS)
async def test_another_refusal_is_final_and_its_words_are_shown(kind: str, journal: Journal, tmp_path: Path) -> None:
    with receiver(kind, ["404"]) as server:
        incident = flag(journal, kind)
        assert await deliver(journal, channel(kind, server.url, tmp_path)) == ()
    assert len(server.got) == 1
    assert told(journal, incident) == {kind: "failed"}
    assert "HTTP 404: no:" in fold(incident, journal.history(incident).events).timeline[-1].text


@pytest.mark.parametrize("step", ["hang", "lost"])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_may_have_arrived_is_repeated_only_where_that_is_safe(
    kind: str, step: str, journal: Journal, tmp_path: Path
) -> None:
    with receiver(kind, [step, "ok", "ok"]) as server:
        incident = flag(journal, kind)
        assert await deliver(journal, channel(kind, server.url, tmp_path)) == ()
    # PagerDuty and CloudEvents have a key; Grafana is asked and has it; Slack can be neither asked nor told twice.
    assert len(server.taken) == {"pagerduty": 2, "webhook": 2, "grafana": 1, "slack": 1}[kind]
    assert told(journal, incident) == {kind: "unknown" if kind == "slack" else "ok"}


async def test_a_connection_that_ends_unread_is_no_reason_to_give_up(journal: Journal, tmp_path: Path) -> None:
    with receiver("pagerduty", ["close", "ok"]) as server:
        incident = flag(journal, "pagerduty")
        await deliver(journal, channel("pagerduty", server.url, tmp_path))
    assert told(journal, incident) == {"pagerduty": "ok"}


async def test_a_target_that_is_down_keeps_its_place_in_the_outbox(journal: Journal, tmp_path: Path) -> None:
    with receiver("webhook") as server:
        way = channel("webhook", server.url, tmp_path)
    incident = flag(journal, "webhook")
    journal.append(incident, Kind.NOTE, {"text": "later", "notify": ["webhook"]})
    left = await deliver(journal, way, budget_s=0.5)
    assert [delivery.state for delivery in left] == ["retry", "queued"]  # the note does not overtake
    assert "no connection" in left[0].reason


async def test_a_page_that_is_too_late_is_given_up(tmp_path: Path) -> None:
    late = journal_at(tmp_path / "journal", ALICE, Ticking(NOW - 14 * 60))
    with receiver("pagerduty") as server:
        way = channel("pagerduty", server.url, tmp_path)
    incident = flag(late, "pagerduty")
    assert await deliver(late, way, budget_s=300.0) == ()
    found = fold(incident, late.history(incident).events)
    line = [line for line in found.timeline if line.event][-1]
    assert line.kind == Kind.NOTIFY_FAILED
    assert "given up" in line.text


async def test_after_a_crash_the_outbox_goes_on_and_what_was_sent_is_not_sent_again(
    journal: Journal, tmp_path: Path
) -> None:
    incident = flag(journal, "slack", "pagerduty")
    declared = journal.history(incident).events[0].id
    for target in ("slack", "pagerduty"):  # killed between sending and the answer
        journal.append(incident, Kind.NOTIFY_SENDING, {"target": target, "event": declared, "n": 0})
    again = journal_at(tmp_path / "journal", ALICE, Ticking(NOW + 120))
    with receiver("slack") as chat, receiver("pagerduty") as pager:
        await deliver(again, channel("slack", chat.url, tmp_path), channel("pagerduty", pager.url, tmp_path))
    assert told(again, incident) == {"slack": "unknown", "pagerduty": "ok"}
    assert (len(chat.taken), len(pager.taken)) == (0, 1)


async def test_the_outbox_of_somebody_else_is_left_alone(journal: Journal, tmp_path: Path) -> None:
    incident = flag(journal, "webhook")
    bob = journal_at(tmp_path / "journal", BOB)
    with receiver("webhook") as server:
        assert await deliver(bob, channel("webhook", server.url, tmp_path)) == ()
    assert server.got == []
    assert told(journal, incident) == {"webhook": "queued"}


async def test_two_processes_of_one_user_tell_nobody_twice(journal: Journal, tmp_path: Path) -> None:
    other = journal_at(tmp_path / "journal", ALICE, Ticking(NOW + 61))
    incident = flag(journal, "slack")
    with receiver("slack") as server:
        way = channel("slack", server.url, tmp_path)
        await asyncio.gather(deliver(journal, way), deliver(other, way))
    assert len(server.taken) == 1
    assert told(journal, incident) == {"slack": "ok"}


async def test_a_target_that_left_the_configuration_is_told_as_failed(journal: Journal) -> None:
    incident = flag(journal, "gone")
    assert await deliver(journal) == ()
    assert told(journal, incident) == {"gone": "failed"}


def test_the_states_of_deliveries_are_read_from_the_journal(journal: Journal) -> None:
    incident = flag(journal, "a", "b")
    event = journal.history(incident).events[0].id
    journal.append(incident, Kind.NOTIFY_RETRY, {"target": "a", "event": event, "n": 3, "reason": "HTTP 503"})
    found = {d.target: (d.state, d.tries, d.reason, d.pending) for d in deliveries(journal.history(incident).events)}
    assert found == {"a": ("retry", 3, "HTTP 503", True), "b": ("queued", 0, "", True)}


@pytest.mark.parametrize("value", ["-5", "nan", "soon", "Wed, 21 Oct 2099 07:28:00 GMT", ""])
def test_an_odd_retry_after_never_breaks_the_delivery(value: str) -> None:
    after = sending._retry_after(value)
    assert after is None or after >= 0
