"""From evidence to the answer: what is listed, what is in focus, and what each panel says of its data."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.answer import Severity, Signal, Snapshot, State
from analysis.evidence import LogEvidence, MetricEvidence, Traffic
from analysis.triage import Evidence, evaluate
from analysis.view import Baseline, View
from tests.evidence import (
    FRAME,
    NEWEST,
    NOW,
    ONSET,
    Model,
    after,
    as_metrics,
    evidence,
    fleet_logs,
    gauge,
    model_logs,
    shares_after,
    source,
    steady,
    without_references,
)
from tests.test_signals_features import AGE, HEALTHY, aged

HEALTHY_FLEET = [Model("ads", rate=steady(5), features=HEALTHY), Model("shop", features=HEALTHY)]
SLOW_SHOP = [HEALTHY_FLEET[0], replace(HEALTHY_FLEET[1], median_ms=after(ONSET, 240, 80))]


def answer(given: Evidence, view: View | None = None, now: float = NOW) -> Snapshot:
    snapshot, cases = evaluate(given, view or View(), FRAME, now, threshold=0.6)
    assert [case.finding.key for case in cases] == [finding.key for finding in snapshot.findings]
    return snapshot


def alarms(snapshot: Snapshot) -> list[tuple[Signal, str]]:
    return [(f.signal, f.model) for f in snapshot.findings if f.severity.rank >= Severity.WARNING.rank]


def test_a_healthy_fleet_has_rows_and_no_findings() -> None:
    snapshot = answer(evidence(fleet_logs(HEALTHY_FLEET)))
    assert snapshot.findings == ()
    assert snapshot.status is Severity.OK
    assert snapshot.notes == ()
    assert snapshot.focus == "ads"
    assert [row.model for row in snapshot.models] == ["ads", "shop"]
    shop = snapshot.models[1]
    assert shop.request_rate == pytest.approx(20, rel=0.03)
    assert shop.latency_ms["p50"] == pytest.approx(80, rel=0.03)
    assert shop.error_ratio == pytest.approx(0.0025, rel=0.2)
    assert shop.confidence_mean == pytest.approx(0.84, abs=0.01)
    assert shop.drift is not None
    assert shop.drift < 0.06
    assert shop.versions == ("v1",)
    assert len(shop.trend) == 30
    assert not shop.stale


def test_the_model_of_the_first_finding_is_in_focus_unless_one_is_chosen() -> None:
    given = evidence(fleet_logs(SLOW_SHOP))
    assert answer(given).focus == "shop"
    assert answer(given).latency.model == "shop"
    assert answer(given, View(focus="ads")).focus == "ads"
    assert answer(given, View(focus="gone")).focus == "shop"
    assert answer(Evidence()).focus == ""


def test_the_worst_model_leads_the_table() -> None:
    assert [row.model for row in answer(evidence(fleet_logs(SLOW_SHOP))).models] == ["shop", "ads"]


def test_only_the_models_of_the_view_are_judged() -> None:
    snapshot = answer(evidence(fleet_logs(SLOW_SHOP)), View(models=("ads",)))
    assert [row.model for row in snapshot.models] == ["ads"]
    assert snapshot.findings == ()


def test_findings_are_ordered_and_the_first_of_the_focus_is_marked() -> None:
    moved = (AGE, shares_after(ONSET, aged(65), aged(50)))
    model = replace(
        SLOW_SHOP[1], features={"age": moved}, versions={"v1": after(ONSET, 0.5, 1), "v2": after(ONSET, 0.5, 0)}
    )
    snapshot = answer(evidence(fleet_logs([SLOW_SHOP[0], model])))
    assert [f.signal for f in snapshot.findings] == [Signal.LATENCY, Signal.VERSION, Signal.FEATURE]
    kinds = [(mark.kind, mark.model) for mark in snapshot.marks]
    assert sorted(kinds) == [("onset", "shop"), ("version", "shop")]
    assert all(abs(mark.t - ONSET) <= 60 for mark in snapshot.marks)
    assert snapshot.marks == tuple(sorted(snapshot.marks, key=lambda mark: mark.t))


def test_every_panel_is_live_and_shows_its_query() -> None:
    snapshot = answer(evidence(fleet_logs(HEALTHY_FLEET)))
    panels = (snapshot.latency, snapshot.confidence, snapshot.errors, snapshot.features)
    assert [panel.status.state for panel in panels] == [State.LIVE] * 4
    assert snapshot.latency.status.query == "SELECT 1"
    assert snapshot.latency.status.elapsed_s == 0.2
    assert snapshot.infra.status.state is State.ABSENT
    assert "--prometheus" in snapshot.infra.status.message


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (State.LOADING, State.LOADING), (State.STALE, State.STALE), (State.FAILED, State.FAILED),
        (State.EMPTY, State.EMPTY), (State.LIVE, State.LIVE),
    ],
)  # fmt: skip
def test_a_panel_says_the_state_of_its_source_and_keeps_the_last_data(state: State, shown: State) -> None:
    latency = answer(evidence(model_logs(Model()), log_state=state)).latency
    assert latency.status.state is shown
    assert latency.t is not None
    assert latency.n > 0


def test_without_any_source_panels_say_how_to_give_one() -> None:
    snapshot = answer(Evidence())
    for panel in (snapshot.latency, snapshot.confidence, snapshot.errors, snapshot.features, snapshot.infra):
        assert panel.status.state is State.ABSENT
        assert "start with --" in panel.status.message
    assert snapshot.status is None


def test_what_a_store_does_not_log_is_said_and_never_shown_as_zero() -> None:
    logs = model_logs(Model(latency_bins=None, confidence=None))
    assert logs.traffic is not None
    bare = LogEvidence(Traffic(logs.traffic.requests, None, None), newest=NEWEST)
    snapshot = answer(evidence(bare))
    said = [p.status.message for p in (snapshot.latency, snapshot.confidence, snapshot.errors, snapshot.features)]
    assert said == [f"shop-logs logs no {part}" for part in ("latency", "confidence", "errors", "features")]
    (row,) = snapshot.models
    assert row.error_ratio is None
    assert row.confidence_mean is None
    assert set(row.latency_ms.values()) == {None}
    assert len(row.trend) == 30


def test_latency_and_errors_that_logs_lack_come_from_metrics() -> None:
    full = model_logs(replace(SLOW_SHOP[1], errors={"timeout": after(ONSET, 0.1, 0.002)}))
    assert full.traffic is not None
    bare = LogEvidence(Traffic(full.traffic.requests, None, None), newest=NEWEST)
    snapshot = answer(evidence(bare, as_metrics(full)))
    assert {f.signal for f in snapshot.findings} == {Signal.LATENCY, Signal.ERROR}
    assert snapshot.latency.status.source == snapshot.errors.status.source == "prom"
    assert snapshot.latency.status.query == "up"
    assert snapshot.latency.status.elapsed_s == 0.1
    assert snapshot.errors.n == pytest.approx(1.0137 * 36_000, rel=0.05)


def test_a_share_of_errors_takes_both_counts_from_one_source() -> None:
    """Logs may be sampled: errors of all requests over a tenth of them would be ten times too many."""
    full = model_logs(Model())
    assert full.traffic is not None
    tenth = replace(full.traffic.requests, n=full.traffic.requests.n / 10)
    snapshot = answer(evidence(LogEvidence(Traffic(tenth, None, None), newest=NEWEST), as_metrics(full)))
    assert snapshot.findings == ()
    assert snapshot.models[0].error_ratio == pytest.approx(0.0025, rel=0.2)


@pytest.mark.parametrize("state", [State.STALE, State.FAILED])
def test_metrics_stand_in_for_logs_that_do_not_flow(state: State) -> None:
    early = FRAME.live.start + 60.0
    slow = fleet_logs(SLOW_SHOP)
    old = fleet_logs(SLOW_SHOP, newest=early)
    snapshot = answer(evidence(old, as_metrics(slow), log_state=state))
    assert (Signal.LATENCY, "shop") in alarms(snapshot)
    assert snapshot.latency.status.source == "prom"
    assert snapshot.latency.status.state is State.LIVE
    assert snapshot.confidence.status.state is state
    assert not any(f.signal is Signal.CONFIDENCE for f in snapshot.findings)


def test_the_last_minutes_of_logs_that_stopped_are_their_own_last_minutes() -> None:
    """Metrics go on for ten minutes more, in which no confidence is known."""
    newest = FRAME.live.end - 601.0
    logs = fleet_logs([Model(confidence=after(newest - 240, 0.7, 0.85))], newest=newest)
    given = evidence(logs, as_metrics(fleet_logs([Model()])), log_state=State.STALE)
    _, cases = evaluate(given, View(), FRAME, NOW, threshold=0.6)
    (window,) = [case.window for case in cases if case.finding.signal is Signal.CONFIDENCE]
    assert window.end == newest + 1
    assert abs(window.start - (newest - 240)) <= 60


def test_under_a_filter_metrics_say_nothing() -> None:
    slow = as_metrics(fleet_logs(SLOW_SHOP), [gauge("cpu", after(ONSET, 0.99, 0.2), replica="r1")])
    healthy = fleet_logs(HEALTHY_FLEET)
    assert alarms(answer(evidence(healthy, slow, filtered=True))) == []
    assert alarms(answer(evidence(None, slow, filtered=False))) != []
    filtered = answer(evidence(None, slow, filtered=True))
    assert filtered.models == ()
    assert filtered.findings == ()


def test_the_rate_counts_the_seconds_that_the_data_covers() -> None:
    half = FRAME.live.start + 900.0
    (row,) = answer(evidence(model_logs(Model(), newest=half))).models
    assert row.request_rate == pytest.approx(20, rel=0.08)
    assert row.newest_sample == half
    (none,) = answer(evidence(model_logs(Model(), newest=FRAME.live.start - 600.0))).models
    assert none.request_rate is None


def test_a_source_that_went_silent_is_a_finding_and_its_models_are_stale_not_silent() -> None:
    newest = ONSET - 1.0
    snapshot = answer(evidence(fleet_logs(HEALTHY_FLEET, newest=newest), log_state=State.STALE))
    (found,) = snapshot.findings
    assert (found.signal, found.model, found.subject) == (Signal.STALENESS, "", "shop-logs")
    assert found.title == "shop-logs: no new rows for 17m"
    assert found.onset == newest
    assert found.severity is Severity.WARNING
    assert [row.stale for row in snapshot.models] == [True, True]


def test_one_model_that_stops_is_silent_while_its_source_goes_on() -> None:
    snapshot = answer(evidence(fleet_logs([Model("ads"), Model("shop", rate=after(ONSET, 0, 20))])))
    assert alarms(snapshot) == [(Signal.STALENESS, "shop")]
    assert snapshot.findings[0].onset == ONSET
    assert {row.model: row.stale for row in snapshot.models} == {"ads": False, "shop": True}


def test_a_source_that_fails_is_a_finding_with_its_error() -> None:
    failing = source("prometheus", State.FAILED, None, error="refused: no answer", failing_since=NOW - 7_200.0)
    snapshot = answer(replace(evidence(fleet_logs(HEALTHY_FLEET)), metric_sources=(failing,)))
    (found,) = snapshot.findings
    assert found.title == "prom: refused: no answer"
    assert found.severity is Severity.CRITICAL
    assert snapshot.infra.status.state is State.FAILED
    assert snapshot.infra.status.message == "refused: no answer"


def test_without_a_baseline_the_note_says_that_no_change_can_be_told() -> None:
    snapshot = answer(evidence(without_references(fleet_logs(SLOW_SHOP))))
    assert snapshot.findings == ()
    assert snapshot.notes == ("no baseline: the reference windows hold no data, so no change can be told",)
    assert snapshot.models[0].latency_ms["p50"] is not None
    assert {row.compared for row in snapshot.models} == {False}
    assert snapshot.status is None


def test_a_thin_baseline_is_said() -> None:
    young = Model("shop", rate=lambda t: 20.0 if t >= FRAME.live.start - 2 * FRAME.live.length else 0.0)
    assert answer(evidence(model_logs(young))).notes == ("thin baseline: 2 of 8 reference windows hold data",)


def test_a_version_as_the_baseline_says_of_which_models_it_has_no_rows() -> None:
    of_version = View(baseline=Baseline("version", version="41"))
    young = Model("ads", rate=after(FRAME.live.start, 20.0, 0.0))
    assert answer(evidence(fleet_logs([Model(), young])), of_version).notes == (
        "baseline: version 41, last 4h, no other days; not compared: ads",
    )
    assert answer(evidence(model_logs(young)), of_version).notes == (
        "no baseline: version 41 has no rows in the last 4h: c chooses another baseline",
    )


def test_notes_of_the_sources_are_passed_on() -> None:
    assert answer(replace(evidence(model_logs(Model())), notes=("sampled 1 in 10",))).notes == ("sampled 1 in 10",)


def test_a_model_that_appears_has_a_row_and_no_findings() -> None:
    snapshot = answer(evidence(fleet_logs([Model("ads"), Model("new", rate=after(ONSET, 20, 0))])))
    assert snapshot.findings == ()
    assert [row.model for row in snapshot.models] == ["ads", "new"]


def test_another_version_as_the_baseline_is_not_compared_by_its_traffic() -> None:
    model = Model(
        rate=after(FRAME.live.start, 2, 20), median_ms=after(FRAME.live.start, 240, 80),
        versions={"v1": after(FRAME.live.start, 0, 1), "v2": after(FRAME.live.start, 1, 0)},
    )  # fmt: skip
    view = View(baseline=Baseline("version", version="v1"))
    snapshot = answer(evidence(model_logs(model)), view)
    assert {f.signal for f in snapshot.findings} == {Signal.LATENCY}
    assert [mark.kind for mark in snapshot.marks] == ["onset"]


def test_infrastructure_findings_mark_their_readings() -> None:
    metrics = as_metrics(fleet_logs(HEALTHY_FLEET), [gauge("cpu", after(ONSET, 0.99, 0.2), replica="r1", model="shop")])
    snapshot = answer(evidence(None, metrics))
    assert alarms(snapshot) == [(Signal.INFRA, "shop")]
    assert snapshot.focus == "shop"
    (row,) = snapshot.infra.rows
    assert row.state is Severity.CRITICAL
    assert row.note == snapshot.findings[0].title
    assert snapshot.confidence.status.state is State.ABSENT


def test_metrics_without_traffic_still_show_hosts() -> None:
    hosts = MetricEvidence(None, None, {}, (gauge("cpu", steady(0.3), replica="h1"),))
    snapshot = answer(evidence(None, hosts))
    assert snapshot.models == ()
    assert snapshot.infra.status.state is State.LIVE
    assert [row.name for row in snapshot.infra.rows] == ["h1"]


def test_every_number_of_the_answer_is_finite_or_unknown() -> None:
    broken = replace(SLOW_SHOP[1], rate=lambda t: 0.0 if t // 60 % 7 == 0 else 3.0)
    metrics = as_metrics(
        fleet_logs(SLOW_SHOP), [gauge("restarts", after(ONSET, 1, 0), unit="count", since=ONSET, replica="r1")]
    )
    snapshot = answer(evidence(model_logs(broken), metrics))
    for found in snapshot.findings:
        numbers = (found.effect, found.score, found.n, found.n_baseline, found.now, found.baseline, found.onset)
        assert [x for x in numbers if x is not None and not math.isfinite(x)] == []


def daily(rate: float, phase: float) -> Model:
    return Model(
        f"m{rate:g}", rate=lambda t: rate * (1 + 0.4 * math.sin(2 * math.pi * t / 86_400 + phase)),
        clumping=0.2, wobble=0.03, features=HEALTHY,
    )  # fmt: skip


def test_forty_healthy_windows_raise_no_alarm() -> None:
    """Clumped, daily traffic at 2 and 500 requests a second: 80 models with three features each, and two gauges."""
    raised: list[str] = []
    for seed in range(40):
        logs = fleet_logs([daily(rate, seed) for rate in (2, 500)], seed)
        gauges = [
            gauge("cpu", steady(0.4), noise=0.05, seed=seed, replica="r1"),
            gauge("queue_depth", steady(2), noise=1, unit="req", seed=seed, replica="r1"),
        ]
        snapshot = answer(evidence(logs, as_metrics(logs, gauges)))
        raised += [f"{seed} {f.model} {f.title}" for f in snapshot.findings if f.severity.rank >= 2]
    assert raised == []


def test_the_same_evidence_gives_the_same_answer() -> None:
    given = evidence(fleet_logs(SLOW_SHOP))
    first, second = answer(given), answer(given)
    assert first.findings == second.findings
    assert first.models == second.models
    assert np.array_equal(first.latency.now["p99"], second.latency.now["p99"], equal_nan=True)
