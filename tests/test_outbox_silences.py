"""Silences through the outbox: set once, extended and ended by their id, and told as over when they are gone."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from pathlib import Path

import httpx
import pytest

from incidents import sending
from incidents.events import Kind
from incidents.fold import fold
from incidents.journal import Journal
from incidents.outbox import Outbox
from tests.alertmanager_server import alertmanager
from tests.incident_sample import ALICE, Ticking, journal_at
from tests.outbox_sample import channel, deliver, flag, hurried, journal, silence, told
from tests.receivers import receiver
from tests.sample import NOW

__all__ = ["hurried", "journal"]


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


def ended(journal: Journal) -> str:
    """An incident whose silence, called s-1 at its Alertmanager, is to end."""
    incident = flag(journal)
    data = {"at": "am", "matchers": 'model="fraud"', "reference": "s-1", "notify": ["silence"]}
    journal.append(incident, Kind.UNSILENCED, data)
    return incident


def refusing(standing: list[dict[str, object]], asked: list[str]) -> httpx.MockTransport:
    """An Alertmanager that ends nothing and has these silences; what it is asked is written to `asked`."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if request.method == "DELETE":
            return httpx.Response(500, json="silence not found")
        return httpx.Response(200, json=standing)

    return httpx.MockTransport(answer)


@pytest.mark.parametrize("standing", [[], [{"id": "s-1", "status": {"state": "expired"}}]])
async def test_a_silence_that_the_alertmanager_has_forgotten_is_told_as_over_at_once(
    standing: list[dict[str, object]], journal: Journal, tmp_path: Path
) -> None:
    incident, asked = ended(journal), list[str]()
    way = channel("silence", "http://127.0.0.1:9", tmp_path)
    outbox = Outbox(journal, [way], clock=Ticking(NOW + 61), transport=refusing(standing, asked))
    assert await outbox.deliver(60.0) == ()
    assert asked == ["DELETE", "GET"]
    assert fold(incident, journal.history(incident).events).timeline[-1].text == f"silence: ok ({sending.OVER})"


async def test_a_silence_that_still_holds_is_ended_again_and_again(journal: Journal, tmp_path: Path) -> None:
    incident, asked = ended(journal), list[str]()
    way = channel("silence", "http://127.0.0.1:9", tmp_path)
    clock = Ticking(NOW + 61)

    def waited() -> float:
        clock.later(20.0)
        return clock()

    standing: list[dict[str, object]] = [{"id": "s-1", "status": {"state": "active"}}]
    (left,) = await Outbox(journal, [way], clock=waited, transport=refusing(standing, asked)).deliver(100.0)
    assert (left.state, told(journal, incident)) == ("retry", {"silence": "retry"})
    assert asked.count("DELETE") > 1


@pytest.mark.skipif(shutil.which("prometheus-alertmanager") is None, reason="needs prometheus-alertmanager")
async def test_a_real_alertmanager_that_never_had_the_silence_has_it_told_as_over(tmp_path: Path) -> None:
    journal = journal_at(tmp_path / "journal", ALICE, time.time)
    incident = flag(journal)
    data = {"at": "am", "matchers": 'model="fraud"', "reference": str(uuid.uuid4()), "notify": ["silence"]}
    journal.append(incident, Kind.UNSILENCED, data)
    with receiver("any") as hook, alertmanager(hook.url) as server:
        assert await Outbox(journal, [channel("silence", server.url, tmp_path)]).deliver(20.0) == ()
    assert told(journal, incident) == {"silence": "ok"}
