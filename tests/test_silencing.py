"""Silences of an incident: what is said of them follows the events, and the Alertmanager where it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from incidents.events import Kind
from incidents.export import as_json, handoff, utc
from incidents.fold import fold
from incidents.journal import Journal
from incidents.record import Incident, Silence
from incidents.silencing import Heard, Standing, held, silence_words
from incidents.targets.silences import read_firing, read_held, read_standing
from tests.incident_sample import ALICE, BOB, Ticking, journal_at

T0 = 1_793_800_000.0
HOUR = 3_600.0
ID = "INC-261104-7K2Q"
TAKEN = Silence("am", 'model="fraud"', T0 + HOUR, "01", "alice", "known", "s-1", "ok", T0)
ASKED = ' at am: model="fraud"'


def heard(after: float, **standing: object) -> Heard:
    """What the Alertmanager says some seconds after T0; nothing of the silence where no `active` is given."""
    if not standing:
        return Heard(T0 + after)
    known = {"reference": "s-1", "event": "01", "active": True, "until": T0 + HOUR} | standing
    return Heard(T0 + after, {"01": Standing(**known)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("silence", "now", "said", "words", "holds"),
    [
        (TAKEN, 60, None, "59m left (by the journal)", True),
        (TAKEN, HOUR, None, "over", False),
        (replace(TAKEN, told="queued"), 60, None, "not known to be set (queued)", True),
        (replace(TAKEN, told="failed"), 60, None, "not known to be set (failed)", False),
        (replace(TAKEN, told="unknown"), 60, heard(50, active=True), "59m left", True),
        (replace(TAKEN, ending="02", ended_by="bob", end_told="retry"), 60, None, "59m left, its end is retry", True),
        (replace(TAKEN, ending="02", ended_by="bob", end_told="ok"), 60, None, "ended by bob", False),
        (replace(TAKEN, ending="02", ended_by="bob", end_told="ok", replaced=True), 60, None, "extended by bob", False),
        (TAKEN, 60, heard(50, active=True, until=T0 + 2 * HOUR), "1h59m left", True),
        (TAKEN, 600, heard(590, active=False, until=T0 + 300), "over for 5m", False),
        (TAKEN, 60, heard(1), "59m left", True),
        (TAKEN, 60, heard(30), "not known any more (30s ago)", False),
    ],
)
def test_what_the_alertmanager_says_counts_more_than_what_it_was_told(
    silence: Silence, now: float, said: Heard | None, words: str, holds: bool
) -> None:
    assert silence_words(silence, T0 + now, said) == f"{words}{ASKED}"
    assert held(silence, T0 + now, said) is holds


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = journal_at(tmp_path, ALICE, Ticking(T0))
    yield found
    found.close()


def folded(journal: Journal) -> Incident:
    return fold(ID, journal.history(ID).events)


def answered(journal: Journal, event: str, reference: str = "") -> None:
    journal.append(ID, Kind.NOTIFY_OK, {"target": "silence at am", "event": event, "n": 1, "ref": reference})


def test_a_silence_is_set_extended_and_ended_by_its_events(journal: Journal) -> None:
    journal.append(ID, Kind.DECLARED, {"title": "slow", "severity": 2})
    asked = {"at": "am", "matchers": 'model="fraud"', "until": T0 + HOUR, "comment": "known"}
    first = journal.append(ID, Kind.SILENCED, asked).event
    answered(journal, first.id, "s-1")
    longer = {**asked, "until": T0 + 3 * HOUR, "replaces": first.id, "reference": "s-1"}
    second = journal.append(ID, Kind.SILENCED, longer).event
    journal.append(ID, Kind.NOTIFY_OK, {"target": "chat", "event": second.id, "n": 1})
    one, other = folded(journal).silences
    assert (one.end_told, other.told) == ("queued", "queued")
    answered(journal, second.id, "s-2")
    one, other = folded(journal).silences
    assert (one.end_told, one.replaced, other.reference) == ("ok", True, "s-2")
    assert [line for line in handoff(folded(journal), T0 + 60).splitlines() if line.startswith("silence: ")] == [
        f"silence: 2h59m left (by the journal){ASKED}"
    ]
    end = journal.append(ID, Kind.UNSILENCED, {**asked, "silence": second.id, "reference": "s-2"}).event
    answered(journal, end.id)
    known = folded(journal)
    assert not any(held(silence, T0 + 60) for silence in known.silences)
    (exported, _) = json.loads(as_json(known, journal.history(ID)))["silences"]
    assert (exported["until"], exported["reference"]) == (utc(T0 + HOUR), "s-1")
    said = [line.text for line in known.timeline if line.kind in ("silenced", "unsilenced")]
    assert said[0].startswith('silenced model="fraud" at am for 1h: known')
    assert said[1].startswith('goes on silencing model="fraud" at am for 3h')
    assert said[2] == 'ended the silence of model="fraud" at am'
    assert len(handoff(known, T0).splitlines()) == 11


def test_the_silences_of_this_program_are_known_by_their_comment() -> None:
    own = (
        b'[{"id": "s-1", "comment": "known (INC-261104-7K2Q 01KBXXXXXXXXXXXXXXXXXXXXXX)", '
        b'"status": {"state": "pending"}, "endsAt": "2026-11-04T14:00:00Z"}, '
        b'{"id": "s-2", "comment": "of somebody else", "status": {"state": "active"}, "endsAt": "x"}]'
    )
    (standing,) = read_standing(own).values()
    assert (standing.reference, standing.active, standing.event) == ("s-1", True, "01KBXXXXXXXXXXXXXXXXXXXXXX")


def test_the_alerts_of_one_silence_are_told_from_those_of_another() -> None:
    alerts = (
        b'[{"labels": {"alertname": "A"}, "status": {"silencedBy": ["s-1"]}},'
        b' {"labels": {"alertname": "B"}, "status": {"silencedBy": ["s-2"]}}]'
    )
    assert read_held(alerts, "s-1") == ({"alertname": "A"},)
    assert len(read_firing(alerts)) == 2


OF_NOBODY = b'[{"comment": "(INC-1 01KBXXXXXXXXXXXXXXXXXXXXXX)"}]'


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (read_firing, b"{}"),
        (read_firing, b"[1]"),
        (read_firing, b'[{"labels": 1}]'),
        (read_standing, b"no"),
        (read_standing, OF_NOBODY),
        (lambda content: read_held(content, "s-1"), b'[{"labels": {}}]'),
    ],
)
def test_an_answer_that_is_no_list_is_never_taken_for_an_empty_one(
    read: Callable[[bytes], object], content: bytes
) -> None:
    with pytest.raises(ValueError, match=r"no list of|Expecting value"):
        read(content)


def test_who_ends_a_silence_need_not_be_who_set_it(journal: Journal, tmp_path: Path) -> None:
    journal.append(ID, Kind.DECLARED, {"title": "slow", "severity": 2})
    asked = {"at": "am", "matchers": 'model="fraud"', "until": T0 + HOUR, "comment": "known"}
    first = journal.append(ID, Kind.SILENCED, asked).event
    answered(journal, first.id, "s-1")
    bob = journal_at(tmp_path, BOB, Ticking(T0 + 60))
    bob.history(ID)
    end = bob.append(ID, Kind.UNSILENCED, {**asked, "silence": first.id, "reference": "s-1"}).event
    answered(bob, end.id)
    (silence,) = folded(journal).silences
    assert (silence.by, silence.ended_by) == ("alice", "bob")
    bob.close()
