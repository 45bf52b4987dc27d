"""The record: what events add up to, which incident a new one repeats, and how it is written for people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.answer import Severity, Signal, SourceStatus, State
from analysis.objectives import Budget, Objective
from incidents.alike import JOIN_WITHIN_S, lookalike
from incidents.events import Event, Kind
from incidents.export import HANDOFF_LINES, as_json, as_markdown, handoff, times
from incidents.flagging import alike, declare, draft, join, title_of
from incidents.fold import fold
from incidents.journal import Journal
from incidents.record import Incident, Status
from incidents.severity import severity_of
from tests.incident_sample import ALICE, BOB, Ticking, flagged, journal_at
from tests.sample import NOW, ONSET, sample
from tests.test_burn import failing

OTHER = Objective("rank", "latency", 0.999, 250.0)


def told(journal: Journal, incident: str) -> Incident:
    return fold(incident, journal.history(incident).events)


def test_a_declared_incident_says_what_the_answer_said(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    found = told(journal, flagged(journal))
    assert found.title == "fraud p99 182ms -> 712ms x3.9 region=eu-w1"
    assert (found.model, found.version, found.severity) == ("fraud", "42", 2)
    assert found.severity_reason.startswith("critical")
    assert (found.onset, found.onset_method, found.declared) == (ONSET, "change point of latency", NOW)
    assert found.declared_by == ALICE
    first = found.readings[0]
    assert (first.now, first.baseline, first.unit, first.where, first.share) == (
        712,
        182,
        "ms",
        (("region", "eu-w1"),),
        0.83,
    )
    assert {r.signal for r in found.readings} == {"latency", "error", "confidence", "feature", "infra"}
    assert found.evidence[0].blobs.keys() == {"snapshot", "screen"}


def test_the_later_value_holds_and_every_value_stays_in_the_timeline(tmp_path: Path) -> None:
    clock = Ticking()
    alice, bob = journal_at(tmp_path, ALICE, clock), journal_at(tmp_path, BOB, clock)
    incident = flagged(alice)
    clock.later(5)
    alice.append(incident, Kind.SEVERITY, {"severity": 3, "reason": "few users"})
    clock.later(5)
    bob.append(incident, Kind.SEVERITY, {"severity": 1, "reason": "all of Europe"})
    found = told(alice, incident)
    assert (found.severity, found.severity_reason) == (1, "all of Europe")
    assert [line.text for line in found.timeline if line.kind == Kind.SEVERITY] == [
        "severity 3: few users",
        "severity 1: all of Europe",
    ]
    assert found.responders == ("alice", "bob")


def test_the_times_of_an_incident_count_from_its_onset(tmp_path: Path) -> None:
    clock = Ticking()
    journal = journal_at(tmp_path, ALICE, clock)
    incident = flagged(journal)
    for status, minutes in (("mitigating", 5), ("monitoring", 5), ("mitigating", 5), ("monitoring", 10)):
        clock.later(minutes * 60)
        journal.append(incident, Kind.STATUS, {"status": status})
    clock.later(600)
    journal.append(incident, Kind.RESOLVED)
    found = told(journal, incident)
    took, before = times(found), NOW - ONSET
    assert (took.detect, took.declare) == (before, before)
    assert took.mitigate == before + 25 * 60
    assert took.resolve == before + 35 * 60
    assert not found.open
    journal.append(incident, Kind.REOPENED)
    again = told(journal, incident)
    assert (again.status, again.resolved, again.mitigated) == (Status.INVESTIGATING, None, None)


def test_without_an_onset_no_time_is_told(tmp_path: Path) -> None:
    journal, snapshot = journal_at(tmp_path), sample()
    finding = replace(snapshot.findings[0], onset=None)
    saved = declare(journal, draft(replace(snapshot, findings=(finding,)), finding))
    found = told(journal, saved.event.incident)
    assert times(found).declare is None
    assert "not known" in as_markdown(found)


KEYS = (
    "text",
    "severity",
    "status",
    "onset",
    "detected",
    "window",
    "readings",
    "blobs",
    "notify",
    "labels",
    "state",
)
ODD = st.none() | st.text(max_size=4) | st.integers() | st.lists(st.text(max_size=2), max_size=2) | st.just({"a": 1})


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(Kind)), max_size=12), st.dictionaries(st.sampled_from(KEYS), ODD))
def test_no_history_however_odd_stops_the_record_from_being_read(kinds: list[Kind], data: dict[str, object]) -> None:
    events = [Event(f"{i:026}", "INC-260921-ABCD", NOW + i, ALICE, kind, data) for i, kind in enumerate(kinds)]
    found = fold("INC-260921-ABCD", [*events, Event("z" * 26, "INC-260921-ABCD", NOW, ALICE, "sung", data)])
    assert len(found.timeline) == len(kinds) + 1 - kinds.count(Kind.NOTIFY_SENDING)
    assert handoff(found, NOW)
    assert as_markdown(found)


def test_a_retracted_line_stays_readable_and_says_so(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    incident = flagged(journal)
    wrong = journal.append(incident, Kind.NOTE, {"text": "it is the database"}).event.id
    journal.append(incident, Kind.RETRACTED, {"event": wrong})
    found = told(journal, incident)
    assert "(retracted) it is the database" in as_markdown(found)
    assert "it is the database" not in handoff(found, NOW)


def test_an_open_incident_about_the_same_is_found_and_nothing_else_is(tmp_path: Path) -> None:
    clock = Ticking()
    journal, snapshot = journal_at(tmp_path, ALICE, clock), sample()
    wanted = draft(snapshot, snapshot.findings[0])
    assert alike(journal, wanted, NOW) is None
    incident = flagged(journal)
    found = alike(journal, wanted, NOW + 60)
    assert found is not None
    assert found.id == incident
    known, about = [told(journal, incident)], wanted.readings[:1]
    assert lookalike(known, about, NOW + JOIN_WITHIN_S + 1) is None
    assert lookalike(known, [replace(about[0], model="rank")], NOW) is None
    assert lookalike(known, [replace(about[0], signal="quality")], NOW) is None
    assert lookalike(known, [replace(about[0], where=(("region", "us-e1"),))], NOW) is None
    assert lookalike(known, [replace(about[0], where=(("region", "eu-w1"), ("tier", "free")))], NOW) is not None
    assert lookalike(known, [replace(about[0], where=(("tier", "free"),))], NOW) is not None
    assert lookalike([replace(known[0], drill=True)], about, NOW) is None
    journal.append(incident, Kind.RESOLVED)
    assert alike(journal, wanted, NOW) is None


def test_joining_adds_the_evidence_and_what_was_not_known(tmp_path: Path) -> None:
    journal, snapshot = journal_at(tmp_path), sample()
    incident = flagged(journal)
    stale = snapshot.findings[5]
    join(journal, incident, draft(snapshot, stale))
    found = told(journal, incident)
    assert len(found.evidence) == 2
    assert found.readings[0].signal == "latency"
    assert ("staleness", "churn") in {(r.signal, r.model) for r in found.readings}


def test_the_severity_is_suggested_with_its_reason() -> None:
    first = sample().findings[0]
    effect = "21% of region=eu-w1 slow, 0.90% before"
    assert severity_of(first) == (2, f"critical: p99 182ms -> 712ms x3.9; {effect}")
    errors = replace(first, signal=Signal.ERROR, now=0.4, unit="ratio")
    assert severity_of(errors)[0] == 1
    assert severity_of(replace(first, severity=Severity.WARNING))[0] == 3
    assert severity_of(None)[1]


def test_what_the_budget_says_decides_the_severity_and_stands_in_its_reason() -> None:
    first = replace(sample().findings[0], severity=Severity.WARNING)
    fast = Objective("fraud", "latency", 0.999, 250.0)
    effect = "21% of region=eu-w1 slow, 0.90% before"

    def judged(budget: Budget) -> tuple[int, str]:
        return severity_of(first, [replace(budget, objective=fast), replace(failing(1.0, 300), objective=OTHER)])

    assert judged(failing(0.05, 30)) == (2, f"burn 25x over 1h, 50x over 5m: pages; {effect}")
    assert judged(failing(0.05, 5)) == (
        2,
        f"burn 4.2x over 1h, 50x over 5m: pages in ~13m if this holds; {effect}",
    )
    assert judged(failing(0.0002, 300)) == (
        3,
        f"warning, although burn 0.2x over 1h, 0.2x over 5m: pages nobody; {effect}",
    )
    # What spends no budget itself is as severe as the budget of its model that burns.
    drift = replace(sample().findings[4], severity=Severity.INFO)
    assert severity_of(drift, [replace(failing(0.05, 30), objective=fast)])[0] == 2
    assert severity_of(drift, [replace(failing(0.0002, 300), objective=fast)])[0] == 4


def test_an_incident_can_be_flagged_while_every_source_is_down(tmp_path: Path) -> None:
    down = (SourceStatus("prod", "prometheus", State.FAILED, error="refused"),)
    snapshot = replace(sample(data=False), sources=down, findings=(), models=())
    journal = journal_at(tmp_path)
    wanted = draft(snapshot)
    assert wanted.title == title_of(snapshot, None) == "no data from prod"
    assert declare(journal, wanted).durable


def test_the_postmortem_has_its_headings_its_numbers_and_the_queries(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    found = told(journal, flagged(journal))
    text = as_markdown(found, sample(), "what the screen said")
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "Summary",
        "Impact",
        "Detection",
        "Timeline (UTC)",
        "Evidence",
        "Contributing factors",
        "Action items",
        "Responders",
        "Queries to run again",
    ]
    assert "| latency p99 | fraud | 182ms | 712ms | x3.9 | region=eu-w1 (83% of the change) | 1.1M | p99 182ms" in text
    assert "histogram_quantile(...)" in text
    assert "what the screen said" in text


def test_the_postmortem_tells_the_course_and_only_deliveries_that_went_wrong(tmp_path: Path) -> None:
    clock = Ticking(NOW)
    journal = journal_at(tmp_path, clock=clock)
    incident = flagged(journal)
    event = journal.history(incident).events[0].id
    for kind, target in ((Kind.NOTIFY_RETRY, "am"), (Kind.NOTIFY_OK, "am"), (Kind.NOTIFY_FAILED, "chat")):
        clock.later(30)
        journal.append(
            incident, kind, {"target": target, "event": event, "n": 1, "reason": "gone" * (target == "chat")}
        )
    clock.later(300)
    journal.append(incident, Kind.RESOLVED, {"text": "rolled back to 41"})
    text = as_markdown(told(journal, incident))
    summary = text.split("## Summary")[1].split("## Impact")[0]
    assert "alice declared it after" in summary
    assert "resolved after" in summary
    assert "m: rolled back to 41." in summary
    timeline = text.split("## Timeline")[1].split("## Evidence")[0]
    assert "chat: failed (gone)" in timeline
    assert "am:" not in timeline
    assert "Told: am 2026-" in text


def test_what_a_change_has_brought_about_is_kept_with_it_although_it_is_milder(tmp_path: Path) -> None:
    snapshot = sample()
    first, *_ = snapshot.findings
    mild = replace(first, subject="p50", title="p50 90ms -> 99ms", severity=Severity.INFO, folded_into=first.key)
    other = replace(mild, subject="p95", title="p95", folded_into=None)
    wanted = draft(replace(snapshot, findings=(first, mild, other)), first)
    assert [reading.title for reading in wanted.readings] == [first.title, "p50 90ms -> 99ms"]


def test_text_from_outside_is_only_text_in_an_export(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    incident = flagged(journal)
    journal.append(incident, Kind.NOTE, {"text": "a | b [x](javascript:1) <img> \x1b[2J ```"})
    found = told(journal, incident)
    text = as_markdown(found, None, "```\n# not a heading\n```` \x1b[31m")
    assert "\x1b" not in text + handoff(found, NOW)
    assert "a \\| b \\[x\\](javascript:1) &lt;img> ␛\\[2J '''" in text
    fence = next(line for line in text.splitlines() if line.startswith("```"))
    assert len(fence) > 4


def test_the_handoff_has_twelve_short_lines(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    incident = flagged(journal)
    for i in range(20):
        journal.append(incident, Kind.NOTE, {"text": f"note {i} " + "long " * 50})
    lines = handoff(told(journal, incident), NOW + 3_600).splitlines()
    assert len(lines) == HANDOFF_LINES
    assert max(map(len, lines)) <= 120
    assert "note 19" in lines[-1]


def test_the_json_is_plain_and_has_the_times(tmp_path: Path) -> None:
    journal, snapshot = journal_at(tmp_path), sample()
    finding = replace(snapshot.findings[0], now=float("nan"))
    incident = declare(journal, draft(snapshot, finding)).event.incident
    whole = json.loads(as_json(told(journal, incident), journal.history(incident), snapshot))
    assert whole["schema"] == 1
    assert whole["onset"] == "2026-09-21T03:02:00Z"
    assert whole["times_s"]["declare"] == NOW - ONSET
    assert whole["readings"][0]["now"] is None
    assert whole["queries"]["latency"] == "histogram_quantile(...)"


@pytest.mark.parametrize("kind", [Kind.NOTIFY_OK, Kind.NOTIFY_FAILED, Kind.NOTIFY_UNKNOWN])
def test_the_last_word_of_each_target_is_known(tmp_path: Path, kind: Kind) -> None:
    journal = journal_at(tmp_path)
    snapshot = sample()
    incident = declare(journal, draft(snapshot, snapshot.findings[0]), notify=["pager"]).event.incident
    assert told(journal, incident).told == {"pager": "queued"}
    journal.append(incident, kind, {"target": "pager", "reason": "because", "ref": "X1"})
    found = told(journal, incident)
    assert found.told == {"pager": kind.removeprefix("notify_")}
    assert "because" in found.timeline[-1].text
