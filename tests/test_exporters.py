"""A replica that exports nothing and a gauge that is stuck are named; what others say goes on."""

from __future__ import annotations

import math

import pytest

from analysis.answer import PanelStatus, Severity, Signal, State
from analysis.evidence import MetricEvidence, Series
from analysis.exporters import exporter_cases, silent_series
from analysis.gauges import readings
from analysis.infra_panel import infra_panel
from analysis.triage import evaluate
from analysis.view import View
from tests.evidence import FRAME, NOW, Model, as_metrics, evidence, gauge, model_logs, steady

SINCE = FRAME.live.end - 15 * 60


def cpu(replica: int, *, since: float = -math.inf, until: float = math.inf, noise: float = 0.03) -> Series:
    return gauge(
        "cpu", steady(0.4), noise=noise, seed=replica, since=since, until=until, model="shop", replica=str(replica)
    )


def stuck(metric: str = "cpu", at: float = 0.43, unit: str = "ratio", before: float = 0.03) -> Series:
    series = gauge(metric, steady(at), noise=before, unit=unit, seed=9, model="shop", replica="9")
    series.v[series.t >= SINCE] = at
    return series


def titles(*series: Series) -> list[str]:
    return [case.finding.title for case in exporter_cases(series, FRAME)]


def test_a_missing_replica_is_named_with_its_age_and_how_many_go_on() -> None:
    (case,) = exporter_cases([cpu(0), cpu(1), cpu(2, until=SINCE)], FRAME)
    finding = case.finding
    assert finding.title == "replica 2 exports nothing for 14m, 2 of 3 go on"
    assert finding.severity is Severity.INFO
    assert (finding.signal, finding.model, finding.check) == (Signal.INFRA, "shop", "missing")
    assert finding.onset == SINCE


def test_several_missing_replicas_are_one_finding() -> None:
    assert titles(cpu(0), cpu(1, until=SINCE), cpu(2, until=SINCE)) == [
        "2 replicas (1, 2) export nothing for 14m, 1 of 3 go on"
    ]


def test_a_replica_that_was_replaced_is_not_missing() -> None:
    assert titles(cpu(0), cpu(1, until=SINCE), cpu(2, since=SINCE)) == []


def test_a_replica_that_went_long_ago_or_just_now_is_not_told() -> None:
    assert titles(cpu(0), cpu(1, until=FRAME.live.start - 600)) == []
    assert titles(cpu(0), cpu(1, until=FRAME.live.end - 120)) == []


def test_a_source_that_is_silent_as_a_whole_is_told_elsewhere() -> None:
    assert titles(cpu(0, until=SINCE), cpu(1, until=SINCE)) == []
    assert silent_series([cpu(0, until=SINCE), cpu(1, until=SINCE)], FRAME) == ()


def test_a_gauge_that_used_to_move_and_is_stuck_is_named() -> None:
    (title,) = titles(cpu(0), stuck())
    assert title == "replica 9 cpu exactly 43% for 15m: exporter stuck?"


@pytest.mark.parametrize(
    "series",
    [
        stuck(before=0.0),  # it never moved
        stuck(at=0.0),  # nothing is asked of it
        stuck(at=1.0),  # it is full
        stuck("restarts"),  # a counter rests
        cpu(1),
    ],
)
def test_a_gauge_that_rests_for_a_reason_is_not_stuck(series: Series) -> None:
    assert titles(cpu(0), series) == []


def counted(replica: str, per_minute: float = 300.0, *, since: float = -math.inf, until: float = math.inf) -> Series:
    """The requests of a replica per bucket: none after `until`, while it goes on exporting."""
    series = gauge(
        "replica_requests", steady(per_minute), noise=0.05, unit="req", since=since, model="shop", replica=replica
    )
    series.v[series.t >= until] = 0.0
    return series


def test_a_replica_that_counts_no_requests_while_others_do_is_named() -> None:
    (case,) = exporter_cases([counted("0"), counted("1"), counted("2", until=SINCE), cpu(2)], FRAME)
    finding = case.finding
    assert finding.title == "replica 2 counts no requests for 15m, 2 of 3 go on"
    assert (finding.check, finding.severity, finding.onset) == ("idle", Severity.INFO, SINCE)
    assert titles(counted("0"), counted("1", until=SINCE), counted("2", until=SINCE)) == [
        "2 replicas (1, 2) count no requests for 15m, 1 of 3 go on"
    ]


def test_a_replica_that_never_had_requests_or_few_or_was_replaced_is_not_idle() -> None:
    assert titles(counted("0"), counted("1", 0.0)) == []
    assert titles(counted("0"), counted("1", 0.2, until=SINCE)) == []
    assert titles(counted("0"), counted("1", until=SINCE), counted("2", since=SINCE)) == []
    assert titles(counted("0"), counted("1", until=FRAME.live.start - 600)) == []
    assert titles(counted("0"), counted("1", until=FRAME.live.end - 120)) == []
    # Where all stand still the model is silent, which is told elsewhere.
    assert titles(counted("0", until=SINCE), counted("1", until=SINCE)) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_fleet_has_no_such_finding(seed: int) -> None:
    fleet = [cpu(100 * seed + i) for i in range(10)]
    assert titles(*fleet) == []


def test_the_panel_keeps_a_silent_series_without_a_value_and_shows_every_age() -> None:
    gauges = (cpu(0), cpu(1, until=SINCE))
    panel = infra_panel(readings(gauges, FRAME), (), FRAME, PanelStatus(State.LIVE), "shop", gauges)
    rows = {row.name: row for row in panel.rows}
    assert rows["replica 0"].newest == FRAME.live.end - 60
    assert rows["replica 1"].now is None
    assert rows["replica 1"].newest == SINCE
    assert rows["replica 1"].note
    other = infra_panel((), (), FRAME, PanelStatus(State.LIVE), "fraud", gauges)
    assert other.rows == ()


def test_the_others_go_on_and_the_model_is_not_called_stale() -> None:
    gauges = (cpu(0), cpu(1, until=SINCE))
    known = MetricEvidence(as_metrics(model_logs(Model())).traffic, None, {}, gauges)
    snapshot, _ = evaluate(evidence(metrics=known), View(), FRAME, NOW, threshold=0.6)
    assert [finding.check for finding in snapshot.findings] == ["missing"]
    assert not snapshot.models[0].stale
    assert {row.name for row in snapshot.infra.rows} == {"replica 0", "replica 1"}
