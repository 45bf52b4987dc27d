"""Exit criteria: stated, met and dropped by whoever writes, and shown wherever an incident is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from incidents.closing import still_unmet
from incidents.criteria import meant, unmet
from incidents.events import Kind
from incidents.export import as_json, as_markdown, handoff
from incidents.fold import fold
from incidents.journal import Journal
from incidents.record import Criterion, Incident
from tests.incident_sample import ALICE, BOB, Ticking, flagged, journal_at
from tui.screens.prompt import without
from tui.typed import criterion_offers, read_criterion

FAST, QUIET = "p99 below 200 ms for 30 min", "no Timeout for an hour"


def told(journal: Journal, incident: str) -> Incident:
    """The record as its events tell it."""
    return fold(incident, journal.history(incident).events)


@pytest.fixture
def known(tmp_path: Path) -> Incident:
    """An incident with two criteria, of which bob has called one met; both engineers stated it."""
    clock = Ticking()
    alice, bob = journal_at(tmp_path, ALICE, clock), journal_at(tmp_path, BOB, clock)
    incident = flagged(alice)
    for journal, data in (
        (alice, {"text": FAST}),
        (bob, {"text": QUIET}),
        (alice, {"text": QUIET, "state": "open"}),
        (bob, {"text": QUIET, "state": "met"}),
    ):
        journal.history(incident)
        journal.append(incident, Kind.CRITERION, data)
    return told(alice, incident)


def test_what_two_writers_state_is_one_criterion_and_the_last_word_holds(known: Incident) -> None:
    assert [(one.text, one.met, one.by) for one in known.criteria] == [(FAST, False, "alice"), (QUIET, True, "bob")]
    assert [line.text for line in known.timeline[-2:]] == [f"exit criterion: {QUIET}", f"met: {QUIET}"]
    assert unmet(known) == (f"1 [ ] {FAST}",)


def test_a_criterion_is_dropped_and_one_that_nobody_stated_is_not(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    incident = flagged(journal)
    for data in ({"text": FAST}, {"text": FAST, "state": "dropped"}, {"text": QUIET, "state": "dropped"}):
        journal.append(incident, Kind.CRITERION, data)
    assert told(journal, incident).criteria == ()


def test_the_exports_say_what_holds_and_who_says_so(known: Incident, tmp_path: Path) -> None:
    text = as_markdown(known)
    assert f"## Exit criteria\n\n- [ ] {FAST}\n- [x] {QUIET} (bob, 20" in text
    whole = json.loads(as_json(known, journal_at(tmp_path).history(known.id)))
    assert [(one["text"], one["met"]) for one in whole["criteria"]] == [(FAST, False), (QUIET, True)]
    assert whole["criteria"][1]["t"].endswith("Z")
    lines = handoff(known, known.changed)
    assert f"done when: 1 [ ] {FAST}; 2 [x] {QUIET} (bob)" in lines
    assert len(lines.splitlines()) == 12


def test_whoever_resolves_is_told_what_is_not_met(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    incident = flagged(journal)
    journal.append(incident, Kind.CRITERION, {"text": FAST})
    assert still_unmet(told(journal, incident)) == ""
    journal.append(incident, Kind.RESOLVED)
    assert FAST in still_unmet(told(journal, incident))


KNOWN = (Criterion(FAST), Criterion(QUIET, met=True))


@pytest.mark.parametrize(
    ("typed", "data"),
    [
        ("errors below 0.1 %", {"text": "errors below 0.1 %", "state": "open"}),
        ("met 1", {"text": FAST, "state": "met"}),
        ("open 2", {"text": QUIET, "state": "open"}),
        ("drop 2", {"text": QUIET, "state": "dropped"}),
        ("met our promise", {"text": "met our promise", "state": "open"}),
    ],
)
def test_the_prompt_takes_a_text_or_a_number(typed: str, data: dict[str, str]) -> None:
    assert read_criterion(typed, KNOWN) == data


@pytest.mark.parametrize(("typed", "problem"), [("", "what has to hold"), ("met 3", "has 2"), ("drop 0", "has 2")])
def test_the_prompt_says_what_is_wrong(typed: str, problem: str) -> None:
    assert problem in str(read_criterion(typed, KNOWN))


def test_what_can_be_said_is_offered_and_what_is_typed_is_not_repeated() -> None:
    assert criterion_offers(KNOWN) == ("met 1", "open 2", "drop 1", "drop 2")
    assert (without("", "false alarm"), without("false ", "false alarm")) == ("false alarm", "alarm")
    assert without("region=eu ", "region=eu tier=free") == "tier=free"


def test_a_number_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no exit criterion 3"):
        meant(KNOWN, "3")
