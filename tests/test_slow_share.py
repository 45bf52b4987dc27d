"""The share of slow requests: bounded by the bins, equal to what the error budget counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import PanelStatus, Signal, State
from analysis.burn import budget, tally
from analysis.evidence import Traffic
from analysis.latency import latency_panel
from analysis.objectives import Objective
from analysis.quantiles import share_above, share_above_bounds
from analysis.slices import model_histogram, window_sum, window_sums
from analysis.slow_share import SlowShare, slow_shares
from analysis.triage import evaluate
from analysis.view import View
from tests.evidence import FRAME, LOG_BINS, NOW, ONSET, PROMETHEUS_BINS, Model, after, evidence, model_logs, steady

EDGES = (0.0, 100.0, 250.0, 500.0, math.inf)


def shares(model: Model, *objectives: Objective) -> tuple[SlowShare, ...]:
    traffic = traffic_of(model)
    assert traffic.latency is not None
    return latency_panel(traffic.latency, FRAME, "shop", PanelStatus(State.LIVE), objectives).slow


def traffic_of(model: Model) -> Traffic:
    traffic = model_logs(model).traffic
    assert traffic is not None
    return traffic


def promise(threshold_ms: float, target: float = 0.99) -> Objective:
    return Objective("shop", "latency", target, threshold_ms)


def test_at_an_edge_the_share_is_exact_and_between_edges_it_has_bounds() -> None:
    counts = [50.0, 30.0, 15.0, 5.0]
    assert share_above_bounds(counts, EDGES, 250.0) == (0.20, 0.20)
    assert share_above_bounds(counts, EDGES, 300.0) == (0.05, 0.20)
    assert share_above_bounds(counts, EDGES, 0.25 * 1_000) == (0.20, 0.20)
    assert share_above_bounds(counts, EDGES, 800.0) == (0.0, 0.05)
    assert share_above_bounds(counts, EDGES, -1.0) == (1.0, 1.0)
    assert all(math.isnan(bound) for bound in share_above_bounds([0.0] * 4, EDGES, 300.0))


@given(
    st.lists(st.integers(1, 2_000), min_size=1, max_size=200),
    st.integers(1, 2_500),
)
def test_the_true_share_lies_within_the_bounds(latencies: list[int], threshold: int) -> None:
    values = np.array(latencies, dtype=float)
    counts = np.histogram(values, bins=(0.0, 100.0, 250.0, 500.0, 1e9))[0]
    low, high = share_above_bounds(counts, EDGES, float(threshold))
    assert low <= (values > threshold).mean() <= high or low <= (values >= threshold).mean() <= high


def test_the_shares_of_two_spans_add_up_by_their_requests() -> None:
    a, b = np.array([90.0, 5.0, 4.0, 1.0]), np.array([10.0, 0.0, 0.0, 10.0])
    both = float(share_above(a + b, 2))
    assert both == pytest.approx((float(share_above(a, 2)) * a.sum() + float(share_above(b, 2)) * b.sum()) / 120)


def test_without_a_promise_the_edge_nearest_to_the_usual_p99_serves() -> None:
    (slow,) = shares(Model(slow_share=after(ONSET, 0.08, 0.0)))
    assert slow.target is None
    assert slow.burn is None
    assert slow.threshold_ms == slow.edge_ms
    assert slow.now[0] == slow.now[1] == slow.at_edge
    assert slow.at_edge_baseline == pytest.approx(0.01, rel=0.3)
    assert slow.at_edge == pytest.approx(slow.at_edge_baseline + 17 / 30 * 0.08, abs=0.01)
    assert slow.p < 0.0005
    assert slow.interval[0] < slow.at_edge < slow.interval[1]


def test_a_quiet_window_shows_no_change_of_the_share() -> None:
    (slow,) = shares(Model(clumping=0.3))
    assert slow.p > 0.001
    assert slow.interval[0] <= slow.at_edge_baseline <= slow.interval[1]


def test_every_latency_objective_has_its_share_and_availability_has_none() -> None:
    found = shares(Model(), promise(300.0), promise(100.0, 0.9), Objective("shop", "availability", 0.999))
    assert [(slow.threshold_ms, slow.target) for slow in found] == [(100.0, 0.9), (300.0, 0.99)]


@pytest.mark.parametrize("threshold_ms", [90.0, 100.0, 180.0, 400.0, 1_000.0])
def test_the_share_and_the_error_budget_agree(threshold_ms: float) -> None:
    """The budget counts at the nearest edge: its share lies within the bounds, and is the share shown at that edge."""
    model = Model(latency_bins=PROMETHEUS_BINS, median_ms=steady(90.0), rate=steady(50.0))
    traffic, objective = traffic_of(model), promise(threshold_ms)
    (slow,) = shares(model, objective)
    spent = budget(objective, [tally(traffic, [objective])], FRAME.live.end, FRAME.span.start)
    assert spent is not None
    assert spent.edge_ms == slow.edge_ms
    half_hour = next(spend for spend in spent.spends if spend.window_s == FRAME.live.length)
    assert half_hour.bad / half_hour.n == pytest.approx(slow.at_edge)
    assert slow.now[0] - 1e-12 <= half_hour.bad / half_hour.n <= slow.now[1] + 1e-12
    assert half_hour.burn == pytest.approx(slow.burn)


def test_nothing_is_said_without_requests_on_both_sides() -> None:
    histogram = traffic_of(Model()).latency
    assert histogram is not None
    own = model_histogram(histogram, "shop")
    live, windows = window_sum(own.t, own.n[:, 0], FRAME.live), window_sums(own.t, own.n[:, 0], FRAME.references)
    assert slow_shares(live * 0, windows, LOG_BINS, ()) == ()
    assert slow_shares(live, windows * 0, LOG_BINS, ()) == ()


def test_the_panel_carries_the_finding_that_is_measured_from_its_onset() -> None:
    slower = model_logs(Model(median_ms=after(ONSET, 240, 80)))
    snapshot, _ = evaluate(evidence(slower), View(), FRAME, NOW, threshold=0.6)
    told = snapshot.latency.told
    assert told is not None
    assert told.signal is Signal.LATENCY
    assert told.n < snapshot.latency.n
    quiet, _ = evaluate(evidence(model_logs(Model())), View(), FRAME, NOW, threshold=0.6)
    assert quiet.latency.told is None
