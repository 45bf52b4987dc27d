"""Urgent findings are believed when they stay and forgotten when they stay away, by minutes of data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import Finding, Phase, Severity, Signal
from analysis.cases import Case
from analysis.detect import as_of
from analysis.settling import CLEARED, CONFIRMED, Standing, earlier, settle
from analysis.triage import evaluate, judge
from analysis.view import Baseline, View, Window
from tests.evidence import FRAME, NOW, Model, after, evidence, model_logs

LOUD = Finding(Signal.ERROR, "shop", Severity.CRITICAL, "errors x4", effect=5.0, score=4.0, n=1e3, n_baseline=1e4)
QUIET = replace(LOUD, severity=Severity.INFO, effect=0.7, score=0.6)
BETTER = replace(QUIET, effect=-0.7)


def case(finding: Finding = LOUD) -> Case:
    return Case(finding, None, Window(0, 60))


def walk(looks: list[tuple[int, Finding | None]]) -> list[list[tuple[Phase, Severity]]]:
    """Phase and severity of what each look (minute, finding) tells."""
    standing: Standing = {}
    told = []
    for minute, finding in looks:
        cases, standing = settle(standing, [case(finding)] if finding else [], minute)
        told.append([(c.finding.phase, c.finding.severity) for c in cases])
    return told


def test_an_urgent_finding_is_information_until_it_has_shown_in_three_minutes_of_data() -> None:
    told = walk([(10, LOUD), (11, LOUD), (12, LOUD)])
    assert told == [[("new", Severity.INFO)], [("new", Severity.INFO)], [("confirmed", Severity.CRITICAL)]]


@pytest.mark.parametrize("signal", [Signal.LATENCY, Signal.REQUEST_RATE])
def test_what_a_short_interruption_moves_is_believed_after_five_minutes_of_data(signal: Signal) -> None:
    loud = replace(LOUD, signal=signal)
    assert [told[0][0] for told in walk([(10 + i, loud) for i in range(5)])] == ["new"] * 4 + ["confirmed"]


def test_looking_more_often_at_the_same_data_confirms_nothing() -> None:
    assert walk([(10, LOUD)] * 50)[-1] == [("new", Severity.INFO)]


def test_a_minute_without_the_finding_starts_its_confirmation_anew() -> None:
    told = walk([(10, LOUD), (11, LOUD), (12, None), (13, LOUD), (14, LOUD)])
    assert told[2] == []
    assert told[-1] == [("new", Severity.INFO)]


def test_within_one_minute_a_finding_may_flicker() -> None:
    assert walk([(10, LOUD), (10, None), (11, LOUD), (12, LOUD)])[-1] == [("confirmed", Severity.CRITICAL)]


def test_a_confirmed_finding_keeps_its_urgency_while_it_is_half_as_large() -> None:
    told = walk([(10, LOUD), (11, LOUD), (12, LOUD), (13, QUIET)])
    assert told[-1] == [("confirmed", Severity.WARNING)]
    assert walk([(10, LOUD), (11, LOUD), (12, LOUD), (13, BETTER)])[-1] == [("confirmed", Severity.INFO)]


def test_a_finding_that_is_gone_is_listed_for_ten_minutes_without_urgency_and_then_forgotten() -> None:
    seen: list[tuple[int, Finding | None]] = [(10, LOUD), (11, LOUD), (12, LOUD)]
    gone: list[tuple[int, Finding | None]] = [(12 + i, None) for i in range(1, CLEARED + 2)]
    told = walk([*seen, *gone])
    assert told[3] == told[-2] == [("clearing", Severity.INFO)]
    assert told[-1] == []


def test_a_finding_that_comes_back_while_it_clears_is_urgent_at_once() -> None:
    assert walk([(1, LOUD), (2, LOUD), (3, LOUD), (4, None), (9, LOUD)])[-1] == [("confirmed", Severity.CRITICAL)]


def test_a_clock_that_runs_backwards_brings_no_past_along() -> None:
    assert walk([(1, LOUD), (2, LOUD), (3, LOUD), (1, LOUD)])[-1] == [("new", Severity.INFO)]


def test_silence_and_versions_are_told_at_once() -> None:
    for signal in (Signal.STALENESS, Signal.VERSION):
        assert walk([(1, replace(LOUD, signal=signal))]) == [[("confirmed", Severity.CRITICAL)]]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40))
def test_nothing_is_urgent_before_three_minutes_of_data_show_it(steps: list[tuple[int, bool]]) -> None:
    minute, fired = 0, set[int]()
    standing: Standing = {}
    for ahead, shows in steps:
        minute += ahead
        cases, standing = settle(standing, [case()] if shows else [], minute)
        fired |= {minute} if shows else set()
        if any(c.finding.severity is Severity.CRITICAL for c in cases):
            assert len(fired) >= CONFIRMED


def test_a_first_look_finds_in_the_same_evidence_how_long_a_fault_has_stood() -> None:
    slow = model_logs(Model(median_ms=after(FRAME.live.end - 6 * 60, 400.0, 80.0)))
    young = model_logs(Model(median_ms=after(FRAME.live.end - 60, 800.0, 80.0)))
    for logs, phase in ((slow, "confirmed"), (young, "new")):
        snapshot, _ = evaluate(evidence(logs), View(), FRAME, float(NOW), threshold=0.6)
        (found,) = [f for f in snapshot.findings if f.signal is Signal.LATENCY]
        assert found.phase == phase
        assert (found.severity.rank >= Severity.WARNING.rank) == (phase == "confirmed")


@pytest.mark.parametrize("behind_s", [30, 70, 150])
def test_rows_that_come_late_do_not_keep_a_first_look_from_believing_what_has_stood(behind_s: int) -> None:
    newest = FRAME.live.end - behind_s
    for minutes, phase in ((8, "confirmed"), (1, "new")):
        logs = model_logs(Model(errors={"timeout": after(newest - 60 * minutes, 0.2, 0.002)}), newest=float(newest))
        snapshot, _ = evaluate(evidence(logs), View(), FRAME, float(NOW), threshold=0.6)
        (found,) = [f for f in snapshot.findings if f.signal is Signal.ERROR]
        assert found.phase == phase


def test_asking_twice_gives_the_same_answer() -> None:
    known = evidence(model_logs(Model(median_ms=after(FRAME.live.end - 6 * 60, 400.0, 80.0))))
    first = judge(known, View(), FRAME, float(NOW), threshold=0.6)
    again = judge(known, View(), FRAME, float(NOW), threshold=0.6, standing=first.standing)
    assert again.findings == first.findings


def test_an_earlier_frame_asks_for_nothing_that_is_not_known() -> None:
    for kind in ("previous", "1d"):
        frame = View(baseline=Baseline(kind)).frame(NOW)
        before = earlier(frame, 2)
        assert before is not None
        assert before.live.end == frame.live.end - 2 * frame.step
        assert {w.length for w in before.references} == {before.live.length}
        for now, was in zip(frame.references, before.references, strict=True):
            assert now.start <= was.start
            assert was.end <= now.end
        assert (before.references[0].end == before.live.start) == (kind == "previous")
    assert earlier(replace(FRAME, live=Window(FRAME.live.end - 120, FRAME.live.end)), 1) is None


def test_what_was_known_then_has_no_newer_row() -> None:
    known = as_of(evidence(model_logs(Model())), FRAME.live.end - 120)
    assert known.logs is not None
    assert known.logs.newest == FRAME.live.end - 121
