"""Stories: one incident is told once, the symptom first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import Finding, Segment, Severity, Signal
from analysis.causes import told
from analysis.outline import outline

T = 1_789_960_000.0
LEVELS = {"critical": 4.0, "warning": 2.0, "info": 0.6}


def finding(
    signal: Signal,
    level: str = "warning",
    *,
    model: str = "fraud",
    subject: str = "",
    at: float | None = 0.0,
    where: dict[str, str] | None = None,
    check: str = "",
    score: float | None = None,
) -> Finding:
    """A finding that began `at` minutes after T."""
    found = Finding(signal, model, Severity(level), f"{signal} {subject}".strip(), 1.0, score or LEVELS[level], 9, 9)
    segment = () if where is None else (Segment(tuple(where.items()), 0.9, 0.2, 0.01, 0.01, 20, 0.1, 900, 0.001),)
    onset = None if at is None else T + 60 * at
    return replace(found, subject=subject, onset=onset, where=segment, check=check)


def names(findings: tuple[Finding, ...]) -> list[str]:
    return [f"{f.signal} {f.model}" for f in findings]


def leaders(findings: tuple[Finding, ...]) -> list[str]:
    return names(tuple(f for f in findings if f.folded_into is None))


def test_a_slow_canary_leads_with_the_latency_and_names_the_version_as_its_cause() -> None:
    version = finding(Signal.VERSION, "info", subject="42", at=-1)
    slow = finding(Signal.LATENCY, "critical", where={"version": "42"})
    unsure = finding(Signal.CONFIDENCE, "warning", where={"version": "42"}, at=2)
    listed = told([version, unsure, slow], 60)
    assert names(listed) == ["latency fraud", "version fraud", "confidence fraud"]
    assert leaders(listed) == ["latency fraud"]
    (cause,) = listed[0].causes
    assert cause.key == version.key
    assert cause.words == "version 42 appeared 1m before and carries it"
    assert cause.confidence == "high"


@pytest.mark.parametrize("check", ["idle", "missing"])
def test_requests_that_a_replica_no_longer_counts_explain_a_fall_and_no_rise(check: str) -> None:
    replica = finding(Signal.INFRA, "info", subject=check, check=check)
    fall = replace(finding(Signal.REQUEST_RATE, "warning", at=0), effect=-1.0)
    linked = {f.signal: f.causes for f in told([replica, fall], 60)}
    assert [cause.key for cause in linked[Signal.REQUEST_RATE]] == [replica.key]
    rise = {f.signal: f.causes for f in told([replica, replace(fall, effect=1.0)], 60)}
    assert rise[Signal.REQUEST_RATE] == ()
    full = finding(Signal.INFRA, "warning", subject="r1", check="cpu")
    assert {f.signal: f.causes for f in told([full, fall], 60)}[Signal.REQUEST_RATE] == ()


def test_a_version_that_does_not_carry_the_change_is_mentioned_but_not_blamed() -> None:
    version = finding(Signal.VERSION, "info", subject="42", at=-1)
    slow = finding(Signal.LATENCY, "critical", where={"region": "eu-w1"})
    listed = told([slow, version], 60)
    assert listed[0].causes[0].confidence == "low"
    assert leaders(listed) == ["latency fraud", "version fraud"]


def test_a_dependency_that_fails_for_two_models_is_one_story() -> None:
    findings = [
        finding(signal, "critical", model=model, subject=subject)
        for model in ("fraud", "rank")
        for signal, subject in ((Signal.DEPENDENCY, "store"), (Signal.ERROR, "StoreDown"), (Signal.LATENCY, ""))
    ]
    listed = told([*findings, finding(Signal.INFRA, "warning", subject="in_flight", check="in_flight", at=-1)], 60)
    (lead, *_) = rows = outline(listed)
    assert len(listed) == 7
    assert [row.leads for row in rows] == [True, False]
    assert lead.also == ("rank",)
    assert lead.hidden == 5
    assert rows[1].finding.signal is Signal.DEPENDENCY
    assert rows[1].tag == "cause?"


def test_a_load_spike_without_a_critical_symptom_leads_with_the_load_and_shows_what_users_feel() -> None:
    rate = replace(finding(Signal.REQUEST_RATE, "critical"), effect=4.0)
    cpu = finding(Signal.INFRA, "critical", subject="cpu", check="cpu", score=9.0)
    slow = finding(Signal.LATENCY, "warning")
    rows = outline(told([cpu, slow, rate], 60))
    assert [(row.finding.signal, row.tag) for row in rows] == [("request_rate", ""), ("latency", "effect")]
    assert rows[0].hidden == 1


def test_fewer_requests_slow_nothing_down() -> None:
    rate = replace(finding(Signal.REQUEST_RATE, "warning"), effect=-4.0)
    assert told([rate, finding(Signal.LATENCY)], 60)[0].causes == ()


def test_changes_of_two_models_that_share_nothing_are_two_stories() -> None:
    listed = told([finding(Signal.LATENCY, "critical"), finding(Signal.LATENCY, model="rank")], 60)
    assert leaders(listed) == ["latency fraud", "latency rank"]


def test_changes_far_apart_in_time_or_in_other_places_are_two_stories() -> None:
    late = told([finding(Signal.LATENCY), finding(Signal.ERROR, subject="Timeout", at=12)], 60)
    assert len(leaders(late)) == 2
    here, there = {"region": "eu-w1"}, {"region": "us-e1"}
    apart = told([finding(Signal.LATENCY, where=here), finding(Signal.ERROR, subject="E", where=there)], 60)
    assert len(leaders(apart)) == 2


def test_an_input_that_breaks_on_the_same_segment_is_the_cause_of_low_confidence() -> None:
    where = {"region": "eu-w1"}
    null = finding(Signal.QUALITY, subject="merchant_cat", at=-6, where=where)
    unsure = finding(Signal.CONFIDENCE, where=where)
    listed = told([null, unsure], 60)
    assert names(listed) == ["confidence fraud", "quality fraud"]
    assert listed[0].causes[0].words == "quality merchant_cat 6m before on the same segment"


def test_accuracy_that_falls_as_the_scores_say_stands_below_the_confidence() -> None:
    accuracy = finding(Signal.ACCURACY, check="inputs", score=9.0)
    listed = told([accuracy, finding(Signal.CONFIDENCE)], 60)
    assert names(listed) == ["confidence fraud", "accuracy fraud"]
    assert names(told([replace(accuracy, check="concept"), finding(Signal.CONFIDENCE)], 60))[0] == "accuracy fraud"


@pytest.mark.parametrize(
    ("check", "effect", "gap", "blamed"),
    [
        ("mean", 3.0, "over_confident", True),
        ("mean", -3.0, "under_confident", True),
        ("below", 3.0, "under_confident", True),
        ("below", 3.0, "over_confident", False),
        ("mean", 3.0, "under_confident", False),
        ("collapse", 3.0, "over_confident", True),
    ],
)
def test_a_gap_stands_below_the_confidence_that_moves_with_it_and_blames_what_can_open_it(
    check: str, effect: float, gap: str, blamed: bool
) -> None:
    moved = replace(finding(Signal.CONFIDENCE, check=check), effect=effect)
    opened = finding(Signal.CALIBRATION, at=1.0, check=gap)
    found = {f.signal: f for f in told([opened, moved], 60)}
    confidence, calibration = found[Signal.CONFIDENCE], found[Signal.CALIBRATION]
    assert blamed is any(cause.key == confidence.key for cause in calibration.causes)
    if blamed:
        assert calibration.folded_into == confidence.key


def test_what_came_after_is_no_cause() -> None:
    listed = told([finding(Signal.CONFIDENCE), finding(Signal.QUALITY, subject="amount", at=8)], 60)
    assert all(f.causes == () for f in listed)


def test_ten_moved_features_are_one_story() -> None:
    listed = told([finding(Signal.FEATURE, subject=f"f{i}", at=i % 3) for i in range(10)], 60)
    assert len(leaders(listed)) == 1
    assert len(outline(listed)) == 1
    assert len(outline(listed, [listed[0].key])) == len(outline(listed, None)) == 10


def test_a_memory_leak_explains_the_restart_and_the_errors_after_it() -> None:
    leak = finding(Signal.INFRA, "critical", subject="memory", check="memory", at=-25)
    killed = finding(Signal.INFRA, "warning", subject="oom", check="oom", at=-1)
    failing = finding(Signal.ERROR, "critical", subject="Unavailable")
    listed = told([leak, killed, failing], 60)
    lead = next(f for f in listed if f.signal is Signal.ERROR)
    assert [cause.key[2] for cause in lead.causes] == ["oom", "memory"]
    assert lead.folded_into is None


_signals = st.sampled_from(list(Signal))
_places = st.sampled_from([None, {"region": "eu"}, {"region": "us"}, {"version": "42"}])
_findings = st.builds(
    finding,
    _signals,
    st.sampled_from(["critical", "warning", "info"]),
    model=st.sampled_from(["", "fraud", "rank"]),
    subject=st.sampled_from(["", "42", "memory", "store"]),
    at=st.none() | st.integers(-25, 5).map(float),
    where=_places,
    check=st.sampled_from(["", "memory", "in_flight", "cpu"]),
)
_lists = st.lists(_findings, max_size=14, unique_by=lambda f: f.key)


@given(_lists)
def test_nothing_is_lost_and_every_story_has_one_leader(findings: list[Finding]) -> None:
    listed = told(findings, 60)
    assert {f.key for f in listed} == {f.key for f in findings}
    assert len(listed) == len(findings)
    leading = {f.key for f in listed if f.folded_into is None}
    assert all(f.folded_into in leading for f in listed if f.folded_into is not None)
    assert [row.finding for row in outline(listed)] == list(listed[: len(outline(listed))])
    assert {row.finding.key for row in outline(listed, None)} == {f.key for f in findings}


@given(_lists)
def test_the_order_of_arrival_does_not_matter_and_telling_twice_changes_nothing(
    findings: list[Finding],
) -> None:
    once = told(findings, 60)
    assert told(once, 60) == once
    assert told(findings[::-1], 60) == once


@given(_lists)
def test_the_leader_is_as_bad_as_anything_in_its_story(findings: list[Finding]) -> None:
    listed = told(findings, 60)
    by_key = {f.key: f for f in listed}
    assert all(by_key[f.folded_into].severity.rank >= f.severity.rank for f in listed if f.folded_into is not None)
    assert [f.severity.rank for f in listed if f.folded_into is None] == sorted(
        (f.severity.rank for f in listed if f.folded_into is None), reverse=True
    )
