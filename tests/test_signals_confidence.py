"""What is said of a model's confidence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.answer import PanelStatus, Severity, State
from analysis.cases import Case
from analysis.confidence import confidence_case, confidence_panel, threshold_bin
from analysis.evidence import Histogram
from analysis.filters import Or, Range
from tests.evidence import (
    CONFIDENCE_BINS,
    FRAME,
    NEWEST,
    ONSET,
    RECENT,
    Model,
    after,
    listed,
    model_logs,
    normal_shares,
    steady,
    without_references,
)


def confidence_of(model: Model, seed: int = 1) -> Histogram:
    confidence = model_logs(model, seed).confidence
    assert confidence is not None
    return confidence


def case_of(model: Model, seed: int = 1) -> Case | None:
    return confidence_case(confidence_of(model, seed), FRAME, NEWEST, model.name, 0.6)


@pytest.mark.parametrize("onset", [ONSET, RECENT])
def test_a_less_sure_model_is_found_with_its_numbers_and_onset(onset: int) -> None:
    case = case_of(Model(confidence=after(onset, 0.65, 0.85)))
    assert case is not None
    finding = case.finding
    assert finding.severity is Severity.WARNING
    if finding.check == "below":
        now, base = (normal_shares(CONFIDENCE_BINS.edges, mean, 0.12)[:12].sum() for mean in (0.65, 0.85))
        assert finding.title.startswith("confidence<0.6 ")
    else:
        now, base = 0.65, 0.84
        assert finding.title == "confidence mean 0.84 -> 0.65"
    assert finding.now == pytest.approx(now, abs=0.02)
    assert finding.baseline == pytest.approx(base, abs=0.01)
    assert finding.onset is not None
    assert abs(finding.onset - onset) <= 60
    assert case.outcome == Range("confidence", high=0.6)
    assert case.window.start == finding.onset


def test_a_surer_model_is_found_by_its_mean() -> None:
    case = case_of(Model(confidence=after(ONSET, 0.93, 0.8)))
    assert case is not None
    assert case.finding.check == "mean"
    assert case.finding.effect > 0
    assert case.outcome == Range("confidence", low=0.6)
    assert case.finding.title == "confidence mean 0.80 -> 0.90"


@pytest.mark.parametrize(("rate", "clumping"), [(2, 0.3), (20, 0.3), (500, 0.1)])
def test_healthy_confidence_is_left_in_peace(rate: float, clumping: float) -> None:
    daily = Model(rate=lambda t: rate * (1 + 0.4 * math.sin(2 * math.pi * t / 86_400)), clumping=clumping)
    assert [listed(case_of(daily, seed)) for seed in range(4)] == [None] * 4


def test_too_few_rows_claim_nothing() -> None:
    assert case_of(Model(rate=after(FRAME.live.start, 0.1, 20), confidence=after(FRAME.live.start, 0.3, 0.85))) is None


def test_without_a_baseline_nothing_is_claimed() -> None:
    confidence = without_references(model_logs(Model(confidence=after(ONSET, 0.4, 0.85)))).confidence
    assert confidence is not None
    assert confidence_case(confidence, FRAME, NEWEST, "shop", 0.6) is None


def test_a_model_that_appears_or_vanishes_says_nothing_about_its_confidence() -> None:
    assert case_of(Model(rate=after(ONSET, 20, 0))) is None
    assert case_of(Model(rate=after(FRAME.live.start, 0, 20))) is None


def test_the_panel_shows_both_distributions_and_their_means() -> None:
    histogram = confidence_of(Model(confidence=after(ONSET, 0.5, 0.85)))
    panel = confidence_panel(histogram, FRAME, "shop", 0.6, PanelStatus(State.LIVE))
    assert panel.now is not None
    assert panel.baseline is not None
    assert panel.mean_over_time is not None
    assert panel.t is not None
    assert panel.now.sum() == pytest.approx(1)
    assert panel.baseline.sum() == pytest.approx(1)
    since = int(np.searchsorted(panel.t, ONSET))
    assert panel.mean_over_time[since:] == pytest.approx(0.5, abs=0.02)
    assert panel.mean_over_time[:since] == pytest.approx(0.84, abs=0.02)
    assert panel.mean_baseline == pytest.approx(0.84, abs=0.02)
    assert panel.shift is not None
    assert panel.shift > 0.2
    assert panel.direction.endswith("moved down")


def test_an_empty_panel_knows_nothing_and_shows_no_zero() -> None:
    histogram = confidence_of(Model(rate=after(FRAME.live.start, 0, 20)))
    panel = confidence_panel(histogram, FRAME, "shop", 0.6, PanelStatus(State.LIVE))
    assert panel.now is None
    assert panel.mean is None
    assert panel.below is None
    assert panel.shift is None
    assert panel.mean_over_time is not None
    assert np.isnan(panel.mean_over_time).all()


def test_the_threshold_is_the_first_bin_at_or_above_it() -> None:
    assert threshold_bin(CONFIDENCE_BINS, 0.6) == 12
    assert threshold_bin(CONFIDENCE_BINS, 0.0) == 0
    assert threshold_bin(CONFIDENCE_BINS, 1.0) == 20


def test_a_distribution_that_splits_is_found_although_its_mean_stays() -> None:
    middle = normal_shares(CONFIDENCE_BINS.edges, 0.65, 0.1)
    humps = 0.5 * middle
    humps[[5, 19]] += 0.25
    histogram = confidence_of(Model(confidence=steady(0.65)))
    moved = histogram.n.copy()
    rows = histogram.t >= ONSET
    moved[rows, 0] = np.random.default_rng(1).multinomial(1_200, humps, int(rows.sum()))
    centres = (np.array(CONFIDENCE_BINS.edges)[1:] + np.array(CONFIDENCE_BINS.edges)[:-1]) / 2
    case = confidence_case(replace(histogram, n=moved, total=moved @ centres), FRAME, NEWEST, "shop", 0.1)
    assert case is not None
    assert case.finding.check == "two humps"
    assert case.finding.title.startswith("confidence two humps")
    assert case.finding.onset is not None
    assert abs(case.finding.onset - ONSET) <= 120
    edges = CONFIDENCE_BINS.edges
    assert case.outcome == Or((Range("confidence", edges[5], edges[6]), Range("confidence", edges[19], edges[20])))
    assert case.finding.severity is Severity.WARNING


def test_the_panel_tells_how_undecided_the_model_is() -> None:
    histogram = confidence_of(Model(confidence=after(FRAME.live.start, 0.55, 0.9)))
    panel = confidence_panel(histogram, FRAME, "shop", 0.6, PanelStatus(State.LIVE))
    assert panel.entropy is not None
    assert panel.entropy_baseline is not None
    assert panel.entropy > panel.entropy_baseline + 0.2
    empty = confidence_of(Model(rate=after(FRAME.live.start, 0, 20)))
    assert confidence_panel(empty, FRAME, "shop", 0.6, PanelStatus(State.LIVE)).entropy is None


def test_a_panel_of_few_rows_says_so() -> None:
    few = confidence_of(Model(rate=after(FRAME.live.start, 0.05, 20), confidence=after(FRAME.live.start, 0.3, 0.9)))
    assert confidence_panel(few, FRAME, "shop", 0.6, PanelStatus(State.LIVE)).direction == "too few rows"
