"""Calibration, the estimate without labels, and concept drift, against independently computed values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.arrival import final_accuracy, reverse_hazard
from analysis.calibration import calibration_error, estimated_accuracy
from analysis.concept import concept_test, parts
from analysis.proportions import newcombe, wilson
from tests.vectors import vector


@pytest.mark.parametrize("case", ["8_20", "0_30", "50_50", "1_1", "188_200"])
def test_the_interval_of_a_share_is_wilsons(case: str) -> None:
    given_, expected = vector(f"prop.wilson_{case}")
    assert wilson(given_["k"], given_["n"], given_["conf"]) == pytest.approx(expected, abs=1e-9)


def test_the_interval_of_a_difference_is_newcombes() -> None:
    given_, expected = vector("prop.newcombe")
    assert newcombe(given_["k1"], given_["n1"], given_["k2"], given_["n2"]) == pytest.approx(expected, abs=1e-9)


def test_the_calibration_error_its_floor_and_its_debiased_form() -> None:
    given_, expected = vector("confidence.ece")
    found = calibration_error(given_["n"], given_["correct"], given_["sum_conf"])
    assert found.ece == pytest.approx(expected["ece"], abs=1e-9)
    assert found.debiased == pytest.approx(expected["rms_ce_debiased"], abs=1e-9)
    assert found.floor == pytest.approx(expected["ece_noise_if_calibrated"], abs=1e-9)


def test_without_labels_no_calibration_error_is_claimed() -> None:
    assert math.isnan(calibration_error([0, 0], [0, 0], [0, 0]).ece)


def test_the_accuracy_estimated_from_scores_and_a_labelled_reference() -> None:
    given_, expected = vector("confidence.cbpe_binned")
    found = estimated_accuracy(given_["live_counts"], given_["ref_correct"], given_["ref_counts"])
    assert found is not None
    assert found.accuracy == pytest.approx(expected["estimate"], abs=1e-9)
    assert found.se_label == pytest.approx(expected["se_label"], abs=1e-9)
    assert found.se_map == pytest.approx(expected["se_map"], abs=1e-9)
    assert found.se == pytest.approx(expected["se"], abs=1e-9)
    assert found.outside == 0.0


def test_with_a_perfect_map_the_estimate_is_nannymls() -> None:
    given_, expected = vector("confidence.cbpe_functions")
    right = np.maximum(given_["y_pred_proba"], 1 - np.array(given_["y_pred_proba"]))
    labels = np.full(len(right), 1e12)
    found = estimated_accuracy(np.ones(len(right)), right * labels, labels)
    assert found is not None
    assert found.accuracy == pytest.approx(expected["accuracy"], abs=1e-9)


def test_the_estimate_agrees_with_nannyml_end_to_end_and_covers_what_came_true() -> None:
    _, expected = vector("confidence.cbpe_end_to_end")
    rng = np.random.default_rng(42)

    def draw(n: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal(n) + shift
        score = 1 / (1 + np.exp(-1.5 * x))
        return score, rng.random(n) < score

    (reference, truth), (live, outcome) = draw(5_000, 0.0), draw(1_000, 0.5)
    edges = np.linspace(0, 1, 21)[1:-1]
    band, live_band = np.digitize(reference, edges), np.digitize(live, edges)
    right = (reference >= 0.5) == truth
    assert right.mean() == pytest.approx(expected["ref_acc"])
    found = estimated_accuracy(
        np.bincount(live_band, minlength=20),
        np.bincount(band, weights=right, minlength=20),
        np.bincount(band, minlength=20),
    )
    assert found is not None
    assert found.accuracy == pytest.approx(expected["accuracy_value"], abs=0.01)
    assert found.se_label == pytest.approx(expected["accuracy_sampling_error"], abs=0.002)
    realised = float(((live >= 0.5) == outcome).mean())
    assert realised == pytest.approx(expected["realised_accuracy"])
    assert found.low <= realised <= found.high


def test_rows_in_bands_with_few_labels_are_outside_the_calibrated_range() -> None:
    found = estimated_accuracy([50, 50], [5, 80], [10, 100])
    assert found is not None
    assert found.outside == 0.5
    assert estimated_accuracy([0, 0], [1, 1], [2, 2]) is None


def test_the_score_band_test_is_that_of_statsmodels() -> None:
    given_, expected = vector("concept.score_bin_test")
    found = concept_test(given_["n_live"], given_["pos_live"], given_["n_base"], given_["pos_base"])
    assert found.z == pytest.approx(expected["z_bins"], abs=1e-9)
    assert found.x2 == pytest.approx(expected["X2"], abs=1e-9)
    assert found.bands == expected["df"]
    assert found.p_x2 == pytest.approx(expected["p"], abs=1e-9)
    assert found.common_z == pytest.approx(expected["mantel_haenszel_z"], abs=1e-9)
    assert min(found.p_x2, expected["mh_p"]) < 3 * found.p


def test_other_inputs_with_the_same_meaning_are_no_concept_drift() -> None:
    n, base = np.array([100.0, 900.0]), np.array([900.0, 100.0])
    right, before = n * [0.6, 0.9], base * [0.6, 0.9]
    scores = (n * [0.6, 0.9], base * [0.6, 0.9])
    assert concept_test(n, right, base, before, *scores).p > 0.9
    made = parts(n, right, scores[0], base, before, scores[1])
    assert made.concept == pytest.approx(0.0)
    assert made.inputs == pytest.approx(0.24)


def test_a_shift_of_the_scores_inside_a_band_is_no_concept_drift() -> None:
    n = np.array([50_000.0])
    moved = concept_test(n, n * 0.65, n, n * 0.62, n * 0.65, n * 0.62)
    assert moved.p > 0.9
    assert concept_test(n, n * 0.65, n, n * 0.62).p < 1e-6


def test_high_scores_that_lose_and_low_ones_that_gain_are_a_slope() -> None:
    n = np.full(5, 400.0)
    before = n * [0.5, 0.6, 0.7, 0.8, 0.9]
    after = n * [0.58, 0.64, 0.7, 0.76, 0.82]
    found = concept_test(n, after, n, before)
    assert abs(found.common_z) < 1
    assert found.slope_z < -4
    assert found.p < 0.001


bands = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500)), min_size=1
)


@given(bands)
def test_the_parts_of_a_change_add_up_to_it(rows: list[tuple[int, int, int, int]]) -> None:
    n, right, base, before = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    right, before = np.minimum(n, right), np.minimum(base, before)
    made = parts(n, right, n * 0.5, base, before, base * 0.4)
    if n.sum() and base.sum():
        assert made.concept + made.inputs == pytest.approx(right.sum() / n.sum() - before.sum() / base.sum())
    else:
        assert (made.concept, made.inputs) == (0.0, 0.0)


@given(bands)
def test_a_concept_test_gives_probabilities_for_any_counts(rows: list[tuple[int, int, int, int]]) -> None:
    n, right, base, before = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = concept_test(n, np.minimum(n, right), base, np.minimum(base, before))
    assert 0 <= found.p <= 1
    assert 0 <= found.p_x2 <= 1


def test_labels_that_come_late_when_wrong_are_weighted_up() -> None:
    given_, expected = vector("labels.reverse_hazard")
    counts = given_["correct_seen"], given_["wrong_seen"]
    assert counts[0] / sum(counts) == pytest.approx(expected["naive"], abs=1e-9)
    found = final_accuracy(*counts, given_["p_seen_given_correct"], given_["p_seen_given_wrong"])
    assert found == pytest.approx(expected["corrected"], abs=1e-9)
    assert final_accuracy(10, 0, 0.5, 0.0) is None


def test_young_rows_do_not_make_labels_look_fast() -> None:
    arrives, rows = np.array([0.2, 0.3, 0.5]), 1_000
    ages = np.repeat([1, 2, 3, 3], 50)
    at_risk = np.arange(3)[None, :] < ages[:, None]
    counts = np.where(at_risk, rows * arrives, 0.0)
    assert reverse_hazard(counts, at_risk) == pytest.approx(np.cumsum(arrives))
    assert counts.sum(axis=0)[0] / counts.sum() > 0.25
    assert np.isnan(reverse_hazard(counts * 0, at_risk)).all()
