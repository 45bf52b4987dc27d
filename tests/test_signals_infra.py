"""What is said of infrastructure and dependencies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.answer import PanelStatus, Severity, Signal, State
from analysis.cases import Case
from analysis.evidence import Series
from analysis.gauges import readings
from analysis.infra import infra_cases, slope
from analysis.infra_panel import infra_panel
from bench.healthy import correlated
from tests.evidence import FRAME, ONSET, RECENT, after, gauge, listed, steady

GIB = 2.0**30
LIMIT = gauge("memory_limit", steady(4 * GIB), unit="B", replica="r1", model="shop")


def cases_of(*gauges: Series) -> list[Case]:
    return infra_cases(readings(gauges, FRAME), FRAME)


def growing(since: float, per_minute: float, start: float = 1.5 * GIB) -> Series:
    return gauge(
        "memory", lambda t: start + max(0.0, t - since) / 60 * per_minute,
        noise=0.005 * GIB, unit="B", replica="r1", model="shop",
    )  # fmt: skip


def test_a_leak_tells_when_the_limit_is_reached_and_when_it_began() -> None:
    (case,) = cases_of(growing(ONSET, 0.05 * GIB), LIMIT)
    finding = case.finding
    assert finding.signal is Signal.INFRA
    assert finding.severity is Severity.CRITICAL
    assert finding.onset is not None
    assert abs(finding.onset - ONSET) <= 120
    assert finding.now == pytest.approx(2.3 * GIB, rel=0.03)
    assert finding.baseline == pytest.approx(1.5 * GIB, rel=0.01)
    assert finding.title.startswith("r1 memory full in ~3")
    assert finding.title.endswith(", 1.5Gi -> 2.3Gi of 4Gi")
    assert (finding.model, finding.subject, finding.check) == ("shop", "memory", "memory")


def test_a_leak_that_is_older_than_the_baseline_is_found_too() -> None:
    (case,) = cases_of(growing(FRAME.span.start, 0.01 * GIB, start=0.5 * GIB), LIMIT)
    assert "full in ~" in case.finding.title


def test_a_heap_that_is_collected_is_no_leak() -> None:
    saw = gauge("memory", lambda t: (1 + t % 2_700 / 2_700) * GIB, unit="B", replica="r1", model="shop")
    assert cases_of(saw, LIMIT) == []


@pytest.mark.parametrize("seed", range(6))
def test_memory_that_wanders_is_no_leak(seed: int) -> None:
    noise = 2 * GIB * (1 + 0.03 * correlated(np.random.default_rng(seed), (24 * 60,), tau=20))
    wandering = gauge("memory", lambda t: float(noise[int(t) // 60 % len(noise)]), unit="B", replica="r1", model="shop")
    assert cases_of(wandering, LIMIT) == []


def test_ten_minutes_of_climbing_without_history_are_no_leak_yet() -> None:
    def late(t: float) -> float:
        return GIB + max(0.0, t - RECENT) / 60 * 0.05 * GIB

    new = gauge("memory", late, unit="B", since=FRAME.live.start, replica="r1", model="shop")
    assert cases_of(new, LIMIT) == []


def test_a_share_of_memory_has_one_as_its_limit() -> None:
    (case,) = cases_of(gauge("memory", lambda t: 0.5 + max(0.0, t - ONSET) / 60 * 0.02, noise=0.002, replica="r1"))
    assert "full in ~" in case.finding.title
    assert case.finding.title.endswith("of 100%")


def test_memory_near_its_limit_is_a_warning_without_a_slope() -> None:
    (case,) = cases_of(gauge("memory", after(FRAME.live.start, 3.8 * GIB, 2 * GIB), unit="B", replica="r1"),
                       gauge("memory_limit", steady(4 * GIB), unit="B", replica="r1"))  # fmt: skip
    assert case.finding.severity is Severity.WARNING
    assert "full in" not in case.finding.title


def test_memory_without_a_limit_says_nothing() -> None:
    assert cases_of(growing(ONSET, 0.05 * GIB)) == []


def test_a_leak_without_history_has_no_baseline() -> None:
    new = gauge(
        "memory", lambda t: GIB + (t - FRAME.live.start) / 60 * 0.05 * GIB,
        unit="B", since=FRAME.live.start, replica="r1", model="shop",
    )  # fmt: skip
    (case,) = cases_of(new, LIMIT)
    assert case.finding.baseline is None
    assert case.finding.title.startswith("r1 memory full in ~")
    assert case.finding.title.endswith(", 2.5Gi of 4Gi")


@pytest.mark.parametrize("metric", ["restarts", "oom"])
def test_restarts_are_counted_and_dated(metric: str) -> None:
    (case,) = cases_of(gauge(metric, lambda t: 1.04 if t in (ONSET, RECENT) else 0.0, unit="count", replica="r1"))
    assert case.finding.title.startswith("r1 2 ")
    assert case.finding.now == 2
    assert case.finding.baseline == 0
    assert case.finding.onset == ONSET
    assert case.finding.severity is Severity.WARNING


def test_a_replica_that_restarts_every_half_hour_is_as_usual() -> None:
    assert cases_of(gauge("restarts", lambda t: float(t % 1_800 == 0), unit="count", replica="r1")) == []
    assert cases_of(gauge("restarts", lambda t: 0.2 if t == ONSET else 0.0, unit="count", replica="r1")) == []


@pytest.mark.parametrize("metric", ["cpu", "gpu", "gpu_memory", "cache_usage"])
def test_a_utilisation_that_reaches_the_top_is_critical(metric: str) -> None:
    (case,) = cases_of(gauge(metric, after(ONSET, 0.97, 0.3), noise=0.03, replica="r1", model="shop"))
    assert case.finding.severity is Severity.CRITICAL
    assert case.finding.onset is not None
    assert abs(case.finding.onset - ONSET) <= 60
    assert case.finding.now == pytest.approx(0.97, abs=0.03)


def test_a_utilisation_that_leaves_room_is_a_warning() -> None:
    (case,) = cases_of(gauge("cpu", after(ONSET, 0.75, 0.1), noise=0.02, replica="r1"))
    assert case.finding.severity is Severity.WARNING


def test_a_queue_that_grows_is_found_and_one_that_drains_is_not() -> None:
    grown = gauge("queue_depth", after(ONSET, 60, 3), noise=1, unit="req", replica="r1", model="shop")
    (case,) = cases_of(grown)
    assert case.finding.severity is Severity.CRITICAL
    assert "queue depth 2.9" in case.finding.title
    assert cases_of(gauge("queue_depth", after(ONSET, 1, 60), noise=1, unit="req", replica="r1")) == []


@pytest.mark.parametrize(("unit", "value"), [("ms", 2.0), ("cores", 0.02)])
def test_next_to_nothing_after_nothing_is_no_change(unit: str, value: float) -> None:
    metric = "queue_time" if unit == "ms" else "cpu"
    cases = cases_of(gauge(metric, after(ONSET, value, 0.0), unit=unit, replica="r1"))
    assert [listed(case) for case in cases] == [None] * len(cases)


@pytest.mark.parametrize("seed", range(5))
def test_healthy_gauges_are_left_in_peace(seed: int) -> None:
    daily = lambda t: 0.4 + 0.1 * math.sin(2 * math.pi * t / 86_400)  # noqa: E731
    gauges = [
        gauge("cpu", daily, noise=0.08, seed=seed, replica="r1"),
        gauge("queue_depth", steady(4), noise=2, unit="req", seed=seed + 10, replica="r1"),
        gauge("memory", steady(2 * GIB), noise=0.1 * GIB, unit="B", seed=seed + 20, replica="r1", model="shop"),
        gauge("dependency_latency", steady(30), noise=6, unit="ms", seed=seed + 30, dependency="db"),
        LIMIT,
    ]
    assert [case.finding.title for case in cases_of(*gauges) if listed(case)] == []


def calls(metric: str, value: float, onset: int, then: float, since: float = -math.inf) -> Series:
    rng = np.random.default_rng(3)
    return gauge(
        metric, lambda t: float(rng.poisson(then if t >= onset else value)), unit="req", since=since, dependency="db"
    )


@pytest.mark.parametrize("onset", [ONSET, RECENT])
def test_a_dependency_that_fails_is_found_with_its_share_of_calls(onset: int) -> None:
    (case,) = cases_of(calls("dependency_requests", 1_000, onset, 1_000), calls("dependency_errors", 3, onset, 200))
    finding = case.finding
    assert finding.signal is Signal.DEPENDENCY
    assert finding.severity is Severity.CRITICAL
    assert finding.subject == "db"
    assert finding.unit == "ratio"
    assert finding.baseline == pytest.approx(0.003, rel=0.3)
    assert finding.onset is not None
    assert abs(finding.onset - onset) <= 60


def test_the_first_errors_of_a_dependency_count_from_none() -> None:
    """Many clients create the series of a counter with its first error."""
    (case,) = cases_of(
        calls("dependency_requests", 1_000, ONSET, 1_000), calls("dependency_errors", 0, ONSET, 100, since=ONSET)
    )
    assert case.finding.baseline == 0
    assert case.finding.onset is not None
    assert abs(case.finding.onset - ONSET) <= 60


def test_a_few_failed_calls_are_as_usual() -> None:
    assert cases_of(calls("dependency_requests", 1_000, ONSET, 1_000), calls("dependency_errors", 3, ONSET, 3)) == []
    assert cases_of(calls("dependency_errors", 3, ONSET, 300)) == []


def test_errors_and_latency_of_one_dependency_are_one_finding() -> None:
    cases = cases_of(
        calls("dependency_requests", 1_000, ONSET, 1_000),
        calls("dependency_errors", 3, ONSET, 200),
        gauge("dependency_latency", after(ONSET, 900, 30), noise=3, unit="ms", dependency="db"),
    )
    assert [case.finding.subject for case in cases] == ["db"]


def test_a_slow_dependency_is_found() -> None:
    (case,) = cases_of(gauge("dependency_latency", after(ONSET, 900, 30), noise=3, unit="ms", dependency="db"))
    assert case.finding.title == "db latency 30ms -> 899ms x30"
    assert case.finding.severity is Severity.CRITICAL


def test_replicas_that_move_together_are_one_finding() -> None:
    cases = cases_of(*(gauge("cpu", after(ONSET, 0.95, 0.2), replica=f"r{i}", model="shop") for i in range(3)))
    assert len(cases) == 1


def test_gauges_without_history_or_samples_claim_no_change() -> None:
    assert cases_of(gauge("cpu", steady(0.99), since=FRAME.live.start, replica="r1")) == []
    assert cases_of(gauge("cpu", steady(0.99), until=FRAME.live.start - 1, replica="r1")) == []
    assert readings([], FRAME) == ()


def test_a_source_that_is_late_is_read_up_to_its_newest_sample() -> None:
    late = FRAME.live.end - 12 * 60
    (reading,) = readings([gauge("cpu", after(ONSET - 600, 0.9, 0.2), until=late, replica="r1")], FRAME)
    assert reading.now == pytest.approx(0.9)


def test_gauges_are_read_alike_whatever_others_there_are() -> None:
    gauges = [
        gauge("cpu", after(ONSET, 0.9, 0.4), replica="r1", model="shop"),
        Series("cpu", (("model", "shop"), ("replica", "r2")), "ratio", *_thinned(gauge("cpu", steady(0.3)))),
        gauge("cpu", steady(0.5), replica="r3", model="shop"),
        Series("cpu", (("model", "shop"), ("replica", "r4")), "ratio", *_with_gaps(gauge("cpu", steady(0.2)))),
    ]
    together = readings(gauges, FRAME)
    assert [reading.name for reading in together] == ["r1", "r2", "r3", "r4"]
    for one, reading in zip(gauges, together, strict=True):
        (alone,) = readings([one], FRAME)
        levels = alone.now, alone.baseline, alone.spread
        assert (reading.now, reading.baseline, reading.spread) == pytest.approx(levels, abs=1e-6)
        assert reading.history == pytest.approx(alone.history)


def _thinned(series: Series) -> tuple[np.ndarray, np.ndarray]:
    return series.t[::2], series.v[::2]


def _with_gaps(series: Series) -> tuple[np.ndarray, np.ndarray]:
    return series.t, np.where(series.t % 420 == 0, np.nan, series.v)


def test_a_replica_that_is_gone_has_no_reading() -> None:
    gone = gauge("cpu", steady(0.2), until=FRAME.live.end - 12 * 60, replica="r1")
    (reading,) = readings([gone, gauge("cpu", steady(0.3), replica="r2")], FRAME)
    assert reading.name == "r2"


def test_the_panel_marks_the_replica_that_the_finding_names_and_no_namesake() -> None:
    gauges = [
        gauge("cpu", after(ONSET, 0.95, 0.2), noise=0.01, replica="r10", model="shop"),
        gauge("cpu", steady(0.2), noise=0.01, replica="r1", model="shop"),
        gauge("cpu", steady(0.2), noise=0.01, replica="r2", model="other"),
        growing(ONSET, 0.0),
        LIMIT,
    ]
    held = readings(gauges, FRAME)
    panel = infra_panel(held, infra_cases(held, FRAME), FRAME, PanelStatus(State.LIVE), "shop")
    assert [(row.metric, row.name, row.state.rank >= 2) for row in panel.rows] == [
        ("cpu", "r10", True), ("memory", "r1", False), ("cpu", "r1", False),
    ]  # fmt: skip
    memory = panel.rows[1]
    assert memory.limit == 4 * GIB
    assert memory.v is not None
    assert len(memory.v) == 30


def test_the_slope_is_that_of_most_pairs() -> None:
    t = np.arange(0.0, 600, 30)
    v = 5 + 0.1 * t
    v[7] = 1_000
    gradient, intercept = slope(t, v)
    assert gradient == pytest.approx(0.1)
    assert intercept == pytest.approx(5)
    assert slope(t[:1], v[:1]) == (0.0, 5.0)
