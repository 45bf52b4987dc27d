"""Merging sources and spans: what was counted is counted once, whatever was cut or moved on the way."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.evidence import LogEvidence, MetricEvidence, NumericBins, Series
from analysis.merging import cut_metrics, merge_logs, merge_metrics, merge_series, shift_logs
from analysis.slices import cut_errors, cut_features, cut_histogram, cut_traffic
from tests.evidence import EARLIER, FRAME, Ints, Model, as_metrics, fleet_logs, gauge, model_logs, steady

BINS = NumericBins((-math.inf, 0.0, 1.0, math.inf))
LOGS = fleet_logs(
    [Model(name, features={"x": (BINS, lambda _: np.array([0.2, 0.5, 0.3]))}) for name in ("a", "b")], seed=4
)
METRICS = as_metrics(LOGS, [gauge("cpu", steady(0.4), noise=0.1, replica="r1")])

cuts = st.integers(FRAME.span.start - 120, FRAME.span.end + 120)


def totals(logs: LogEvidence) -> list[float]:
    assert logs.traffic is not None
    assert logs.traffic.errors is not None
    assert logs.traffic.latency is not None
    assert logs.confidence is not None
    assert logs.errors is not None
    histograms = (logs.traffic.latency, logs.confidence, *logs.features.values())
    counts = (logs.traffic.requests, logs.traffic.errors, logs.errors.counts)
    return [*(float(c.n.sum()) for c in counts), *(float(h.n.sum() + h.null.sum()) for h in histograms)]


def part(logs: LogEvidence, low: float, high: float) -> LogEvidence:
    def keep(t: Ints) -> NDArray[np.bool_]:
        return (t >= low) & (t < high)

    assert logs.traffic is not None
    assert logs.confidence is not None
    assert logs.errors is not None
    return LogEvidence(
        cut_traffic(logs.traffic, keep), cut_histogram(logs.confidence, keep), cut_features(logs.features, keep),
        cut_errors(logs.errors, keep), logs.newest,
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(cuts)
def test_two_parts_of_the_logs_add_up_to_the_whole(at: int) -> None:
    joined = merge_logs(part(LOGS, -math.inf, at), part(LOGS, at, math.inf))
    assert totals(joined) == totals(LOGS)
    assert joined.traffic is not None
    assert LOGS.traffic is not None
    assert np.array_equal(joined.traffic.requests.t, LOGS.traffic.requests.t)
    assert np.array_equal(joined.traffic.requests.n, LOGS.traffic.requests.n)


@settings(max_examples=25, deadline=None)
@given(cuts)
def test_two_parts_of_the_metrics_add_up_to_the_whole(at: int) -> None:
    joined = merge_metrics(cut_metrics(METRICS, lambda t: t < at), cut_metrics(METRICS, lambda t: t >= at))
    assert joined.traffic is not None
    assert METRICS.traffic is not None
    assert np.array_equal(joined.traffic.requests.n, METRICS.traffic.requests.n)
    assert np.array_equal(joined.gauges[0].t, METRICS.gauges[0].t)
    assert np.array_equal(joined.gauges[0].v, METRICS.gauges[0].v)


@settings(max_examples=25, deadline=None)
@given(st.integers(-100, 100))
def test_moving_logs_moves_every_part_and_changes_no_count(minutes: int) -> None:
    moved = shift_logs(LOGS, minutes * 60)
    assert totals(moved) == totals(LOGS)
    assert moved.traffic is not None
    assert moved.traffic.errors is not None
    assert moved.traffic.latency is not None
    assert moved.confidence is not None
    assert moved.errors is not None
    assert LOGS.traffic is not None
    assert LOGS.errors is not None
    expected = LOGS.traffic.requests.t + minutes * 60
    for t in (
        moved.traffic.requests.t, moved.traffic.errors.t, moved.traffic.latency.t, moved.confidence.t,
        moved.features["x"].t, moved.errors.counts.t,
    ):  # fmt: skip
        assert np.array_equal(t, expected)
    for key, first in LOGS.errors.first_seen.items():
        assert moved.errors.first_seen[key] == first + minutes * 60


def test_moving_there_and_back_is_no_move() -> None:
    back = shift_logs(shift_logs(LOGS, 1_800), -1_800)
    assert back.traffic is not None
    assert LOGS.traffic is not None
    assert np.array_equal(back.traffic.requests.t, LOGS.traffic.requests.t)


def test_logs_that_lack_everything_take_all_from_the_other() -> None:
    assert totals(merge_logs(LogEvidence(), LOGS)) == totals(merge_logs(LOGS, LogEvidence())) == totals(LOGS)
    assert shift_logs(LogEvidence(), 60) == LogEvidence()
    assert merge_logs(LogEvidence(newest=3.0), LogEvidence(newest=5.0)).newest == 5.0


def test_a_feature_that_is_binned_differently_stays_that_of_the_first() -> None:
    other = NumericBins((-math.inf, 5.0, math.inf))
    second = model_logs(Model("a", features={"x": (other, lambda _: np.array([0.5, 0.5]))}), seed=9)
    assert merge_logs(LOGS, second).features["x"] is LOGS.features["x"]


def test_of_two_samples_at_one_time_the_later_given_counts() -> None:
    def cpu(times: list[int], values: list[float], replica: str = "r1") -> Series:
        return Series("cpu", (("replica", replica),), "ratio", np.array(times), np.array(values))

    (joined,) = merge_series([cpu([0, 60], [0.1, 0.2]), cpu([60, 120], [0.9, 0.3])])
    assert list(joined.t) == [0, 60, 120]
    assert list(joined.v) == [0.1, 0.9, 0.3]
    assert len(merge_series([cpu([0], [0.1]), cpu([0], [0.1], "r2")])) == 2


def test_merging_metrics_with_nothing_is_no_change() -> None:
    nothing = MetricEvidence(None, None, {}, ())
    for joined in (merge_metrics(METRICS, nothing), merge_metrics(nothing, METRICS)):
        assert joined.traffic is METRICS.traffic
        assert joined.errors is METRICS.errors
    assert cut_metrics(METRICS, lambda t: t < EARLIER).gauges[0].t.size == 0
