"""The outbox: each target is told, once, of what it wants to know, whatever breaks in between; no secret leaks."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
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
from incidents.outbox import Channel, Delivery, Outbox, deliveries, message_of, names_for
from incidents.secret import SecretError, SecretSource, masked
from incidents.sending import State
from incidents.targets.alertmanager import Alertmanager
from incidents.targets.base import Target
from incidents.targets.grafana import Grafana
from incidents.targets.pagerduty import PagerDuty
from incidents.targets.silences import Silences
from incidents.targets.slack import Slack
from incidents.targets.webhook import SIGNATURE, Webhook
from tests.incident_sample import ALICE, BOB, Ticking, journal_at
from tests.receivers import Receiver, receiver
from tests.sample import NOW, ONSET, sample

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


def silence(journal: Journal) -> str:
    """An incident because of which alerts are to be held back for an hour."""
    incident = flag(journal)
    data = {"at": "am", "matchers": 'model="fraud"', "until": NOW + 3_660, "comment": "known", "notify": ["silence"]}
    journal.append(incident, Kind.SILENCED, data)
    return incident


@pytest.mark.parametrize("step", ["hang", "lost"])
async def test_a_silence_that_may_have_arrived_is_looked_for_before_it_is_repeated(
    step: str, journal: Journal, tmp_path: Path
) -> None:
    with receiver("any", [step, "ok"]) as server:
        incident = silence(journal)
        assert await deliver(journal, channel("silence", server.url, tmp_path)) == ()
    (taken,) = server.taken
    assert taken["matchers"] == [{"name": "model", "value": "fraud", "isRegex": False, "isEqual": True}]
    assert taken["createdBy"] == "alice"
    assert told(journal, incident) == {"silence": "ok"}


@pytest.mark.parametrize("kind", [Kind.SILENCED, Kind.UNSILENCED])
async def test_a_silence_that_is_extended_or_ended_is_named_by_its_id(
    kind: Kind, journal: Journal, tmp_path: Path
) -> None:
    incident = silence(journal)
    data = {"at": "am", "matchers": 'model="fraud"', "until": NOW + 7_200, "reference": "s/1", "notify": ["silence"]}
    journal.append(incident, kind, data)
    with receiver("any", ["ok", "ok"]) as server:
        await deliver(journal, channel("silence", server.url, tmp_path))
    method, path, _, body = server.got[1]
    if kind is Kind.SILENCED:
        assert json.loads(body)["id"] == "s/1"
    else:
        assert (method, path) == ("DELETE", "/api/v2/silence/s%2F1")


async def test_a_comment_that_is_too_long_does_not_cut_off_what_a_silence_is_known_by(
    journal: Journal, tmp_path: Path
) -> None:
    incident = flag(journal)
    data = {"matchers": 'model="fraud"', "until": NOW + 3_660, "comment": "x" * 5_000, "notify": ["silence"]}
    event = journal.append(incident, Kind.SILENCED, data).event
    with receiver("any") as server:
        assert await deliver(journal, channel("silence", server.url, tmp_path)) == ()
    assert server.taken[0]["comment"].endswith(f"… ({incident} {event.id})")


async def test_a_silence_that_comes_too_late_or_cannot_be_read_hides_nothing(journal: Journal, tmp_path: Path) -> None:
    incident = silence(journal)
    journal.append(incident, Kind.SILENCED, {"matchers": "model=~.*", "notify": ["silence"]})
    late = journal_at(tmp_path / "journal", ALICE, Ticking(NOW + 360))
    with receiver("any", ["500", "500", "500"]) as server:
        outbox = Outbox(late, [channel("silence", server.url, tmp_path)], clock=Ticking(NOW + 361))
        assert await outbox.deliver(60.0) == ()
    assert server.taken == []
    said = [
        line.text for line in fold(incident, late.history(incident).events).timeline if line.kind == "notify_failed"
    ]
    assert "given up after 1 tries: HTTP 500" in said[0]
    assert "cannot be sent: at least one label must have a value" in said[1]


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
    import asyncio

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


async def test_a_dry_run_shows_the_request_and_sends_nothing(journal: Journal, tmp_path: Path) -> None:
    with receiver("pagerduty") as server:
        outbox = Outbox(journal, [channel("pagerduty", server.url, tmp_path)])
        incident = flag(journal)
        ((name, request),) = outbox.payloads(journal.history(incident).events, ["pagerduty"])
    assert server.got == []
    assert name == "pagerduty"
    assert json.loads(request.body)["routing_key"] == "***"


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


@pytest.mark.parametrize("value", ["-5", "nan", "soon", "Wed, 21 Oct 2099 07:28:00 GMT", ""])
def test_an_odd_retry_after_never_breaks_the_delivery(value: str) -> None:
    after = sending._retry_after(value)
    assert after is None or after >= 0


async def test_a_secret_that_is_missing_is_told_and_tried_again(journal: Journal) -> None:
    way = Channel(Webhook("webhook", "http://127.0.0.1:9/"), SecretSource("/nonexistent/secret"))
    flag(journal, "webhook")
    (left,) = await deliver(journal, way, budget_s=0.4)
    assert left.state == State.RETRY
    assert "/nonexistent/secret cannot be read" in left.reason


def test_receivers_refuse_what_the_real_ones_would() -> None:
    from tests.receivers import cloudevents, grafana, pagerduty, slack

    assert pagerduty({"routing_key": "short", "event_action": "trigger"}, {})
    assert slack({"text": "x", "blocks": [{"type": "header", "text": {"text": "x" * 151}}]}, {})
    assert grafana({"time": NOW, "text": "seconds, not milliseconds"}, {"authorization": "Bearer x"})
    assert cloudevents({"specversion": "1.0"}, {"content-type": "application/cloudevents+json"})
    assert Receiver("http://h").got == []
