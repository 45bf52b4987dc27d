"""What is said of latency."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.answer import PanelStatus, Severity, State
from analysis.cases import Case
from analysis.evidence import Histogram, NumericBins
from analysis.filters import Range
from analysis.latency import latency_case, latency_panel, log_quantile_errors, percentiles, summary
from analysis.view import Baseline, View, Window
from tests.evidence import (
    FRAME,
    LOG_BINS,
    NEWEST,
    NOW,
    ONSET,
    PROMETHEUS_BINS,
    RECENT,
    Model,
    after,
    listed,
    lognormal_shares,
    model_logs,
    steady,
    without_references,
)


def latency_of(model: Model, seed: int = 1) -> Histogram:
    traffic = model_logs(model, seed).traffic
    assert traffic is not None
    assert traffic.latency is not None
    return traffic.latency


def case_of(model: Model, seed: int = 1) -> Case | None:
    return latency_case(latency_of(model, seed), FRAME, NEWEST, model.name)


@pytest.mark.parametrize("seed", range(3))
def test_a_slower_model_is_found_with_its_percentile_numbers_and_onset(seed: int) -> None:
    case = case_of(Model(median_ms=after(ONSET, 240, 80), wobble=0.03, clumping=0.2), seed)
    assert case is not None
    finding = case.finding
    assert finding.severity is Severity.CRITICAL
    assert finding.check in ("p50", "p95", "p99")
    quantile = {"p50": 0.0, "p95": 1.645, "p99": 2.326}[finding.check]
    assert finding.now == pytest.approx(240 * math.exp(0.5 * quantile), rel=0.12)
    assert finding.baseline == pytest.approx(80 * math.exp(0.5 * quantile), rel=0.08)
    assert finding.onset is not None
    assert abs(finding.onset - ONSET) <= 60
    assert case.window == Window(int(finding.onset), FRAME.live.end)
    assert finding.effect > 0
    assert finding.title.startswith(finding.check)


def test_a_change_of_the_last_minutes_is_measured_over_them_alone() -> None:
    case = case_of(Model(median_ms=after(RECENT, 400, 80)))
    assert case is not None
    assert case.window.start >= RECENT - 60
    assert case.finding.now is not None
    assert case.finding.baseline is not None
    assert case.finding.now / case.finding.baseline == pytest.approx(5, rel=0.2)


def test_a_slow_tail_leaves_the_median_alone() -> None:
    case = case_of(Model(slow_share=after(ONSET, 0.03, 0.0)))
    assert case is not None
    assert case.finding.check == "p99"
    assert case.finding.now == pytest.approx(1_100, rel=0.1)
    assert isinstance(case.outcome, Range)
    assert case.outcome.low is not None
    assert 200 < case.outcome.low < 400


@pytest.mark.parametrize("onset", [ONSET, RECENT])
def test_prometheus_buckets_show_a_change_as_well(onset: int) -> None:
    case = case_of(Model(median_ms=after(onset, 320, 80), latency_bins=PROMETHEUS_BINS))
    assert case is not None
    assert case.finding.severity.rank >= Severity.WARNING.rank
    assert case.finding.onset is not None
    assert abs(case.finding.onset - onset) <= 60
    assert isinstance(case.outcome, Range)
    assert case.outcome.low in PROMETHEUS_BINS.edges


def minutes_slow(*ago: int) -> Model:
    """A model whose requests took five times as long in some minutes of the last half hour."""
    slow = {FRAME.live.end - 60 * minutes for minutes in ago}
    return Model(median_ms=lambda t: 400.0 if t in slow else 80.0)


@pytest.mark.parametrize("over_for", [2, 5, 20])
def test_a_pause_of_four_minutes_that_is_over_is_told_without_urgency(over_for: int) -> None:
    case = case_of(minutes_slow(*range(over_for, over_for + 4)))
    assert case is not None
    assert case.finding.severity is Severity.INFO
    assert listed(case) is not None


def test_slow_minutes_that_come_again_and_again_warn_between_them_too() -> None:
    case = case_of(minutes_slow(*range(4, 30, 4)))
    assert case is not None
    assert case.finding.severity.rank >= Severity.WARNING.rank


def test_a_slowdown_that_goes_on_warns_at_the_size_at_which_one_that_is_over_does_not() -> None:
    case = case_of(minutes_slow(1, 2, 3, 4))
    assert case is not None
    assert case.finding.severity.rank >= Severity.WARNING.rank


def test_a_faster_model_is_worth_knowing_and_no_warning() -> None:
    case = case_of(Model(median_ms=after(ONSET, 20, 80)))
    assert case is not None
    assert case.finding.severity is Severity.INFO
    assert case.finding.effect < 0
    assert case.finding.score < 1
    assert isinstance(case.outcome, Range)
    assert case.outcome.high is not None


@pytest.mark.parametrize("bins", [LOG_BINS, PROMETHEUS_BINS])
@pytest.mark.parametrize(("rate", "clumping"), [(2, 0.3), (20, 0.3), (500, 0.1)])
def test_healthy_traffic_is_left_in_peace(bins: NumericBins, rate: float, clumping: float) -> None:
    daily = Model(
        rate=lambda t: rate * (1 + 0.4 * math.sin(2 * math.pi * t / 86_400)),
        clumping=clumping, wobble=0.04, latency_bins=bins,
    )  # fmt: skip
    assert [listed(case_of(daily, seed)) for seed in range(4)] == [None] * 4


def test_too_few_requests_claim_nothing() -> None:
    assert case_of(Model(rate=after(FRAME.live.start, 0.002, 20), median_ms=after(ONSET, 800, 80))) is None


def test_without_a_baseline_nothing_is_claimed() -> None:
    traffic = without_references(model_logs(Model(median_ms=after(ONSET, 800, 80)))).traffic
    assert traffic is not None
    assert traffic.latency is not None
    assert latency_case(traffic.latency, FRAME, NEWEST, "shop") is None


def test_a_model_that_appears_or_vanishes_says_nothing_about_its_latency() -> None:
    assert case_of(Model(rate=after(ONSET, 20, 0))) is None
    assert case_of(Model(rate=after(FRAME.live.start, 0, 20))) is None
    assert latency_case(latency_of(Model()), FRAME, NEWEST, "no such model") is None


def test_minutes_without_a_request_are_gaps_and_no_change() -> None:
    quiet = Model(rate=lambda t: 0.0 if t // 60 % 3 == 0 else 20.0)
    assert case_of(quiet) is None
    panel = latency_panel(latency_of(quiet), FRAME, "shop", PanelStatus(State.LIVE))
    assert np.isnan(panel.now["p99"]).sum() == 10


def test_the_same_hour_of_other_days_can_be_the_baseline() -> None:
    frame = replace(View(), baseline=Baseline("1d")).frame(NOW)
    traffic = model_logs(Model(median_ms=after(ONSET, 240, 80)), frame=frame).traffic
    assert traffic is not None
    assert traffic.latency is not None
    case = latency_case(traffic.latency, frame, NEWEST, "shop")
    assert case is not None
    assert case.finding.onset is not None
    assert abs(case.finding.onset - ONSET) <= 60


def test_requests_that_leave_a_coarse_bucket_upwards_are_seen_at_its_upper_edge() -> None:
    """As many requests as before take over 250 ms; of these far more take over 500."""
    empty = np.zeros((270, 1))
    counts = np.zeros((270, 1, 4))
    counts[:, 0] = (450, 400, 150, 0)
    counts[-30:, 0] = (450, 80, 470, 0)
    t = np.arange(FRAME.span.start, FRAME.span.end, 60)
    bins = NumericBins((0.0, 250.0, 500.0, 1_000.0, math.inf))
    case = latency_case(Histogram(t, 60, (("shop",),), bins, counts, empty, empty, empty), FRAME, NEWEST, "shop")
    assert case is not None
    assert case.finding.check == "p50"
    assert case.outcome == Range("latency_ms", low=500.0)
    assert (case.finding.n, case.finding.n_baseline) == (30_000, 240_000)


def test_a_percentile_on_a_cliff_is_judged_by_the_share_beyond_it() -> None:
    """One in a hundred requests takes a second more: a few more or fewer throw p99 from 300 ms to a second."""
    cliff = Model(rate=steady(500), slow_share=after(FRAME.live.start, 0.0115, 0.009))
    histogram = latency_of(cliff)
    panel = latency_panel(histogram, FRAME, "shop", PanelStatus(State.LIVE))
    now, base = panel.window["p99"], panel.window_baseline["p99"]
    assert now is not None
    assert base is not None
    assert now > 2 * base
    assert listed(latency_case(histogram, FRAME, NEWEST, "shop")) is None


def test_the_panel_shows_the_window_against_the_same_minutes_before() -> None:
    histogram = latency_of(Model(median_ms=after(ONSET, 240, 80)))
    panel = latency_panel(histogram, FRAME, "shop", PanelStatus(State.LIVE))
    assert panel.t is not None
    assert panel.rate is not None
    assert len(panel.t) == len(panel.now["p50"]) == len(panel.baseline["p50"]) == 30
    since = int(np.searchsorted(panel.t, ONSET))
    assert panel.now["p50"][:since] == pytest.approx(80, rel=0.1)
    assert panel.now["p50"][since:] == pytest.approx(240, rel=0.1)
    assert panel.baseline["p50"] == pytest.approx(80, rel=0.05)
    assert panel.rate.mean() == pytest.approx(20, rel=0.05)
    assert panel.n == pytest.approx(36_000, rel=0.05)
    assert panel.n_baseline == pytest.approx(8 * panel.n, rel=0.05)


def test_a_percentile_of_too_few_requests_is_not_known() -> None:
    few = summary(np.round(100 * lognormal_shares(LOG_BINS.edges, 80, 0.5)), LOG_BINS)
    assert few["p50"] == pytest.approx(80, rel=0.1)
    assert few["p99"] is None
    assert summary(np.zeros(len(LOG_BINS)), LOG_BINS) == dict.fromkeys(("p50", "p90", "p95", "p99"))


def test_the_error_of_a_percentile_is_the_spread_of_resampled_ones() -> None:
    rng = np.random.default_rng(5)
    shares = lognormal_shares(LOG_BINS.edges, 80, 0.5)
    drawn = rng.multinomial(2_000, shares, size=400)
    for i, name in ((0, "p50"), (2, "p95")):
        spread = float(np.log(percentiles(drawn.astype(np.float64), LOG_BINS)[:, i]).std())
        assert log_quantile_errors(2_000 * shares, LOG_BINS)[name] == pytest.approx(spread, rel=0.25)


def test_steady_traffic_is_what_a_healthy_model_looks_like() -> None:
    assert case_of(Model(rate=steady(20))) is None
