"""Statements about two versions hold however often they are looked at."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.canary import (
    LogRatio,
    always_valid_p,
    log_e,
    log_rate_ratio,
    mean_reach,
    mixture_rho2,
    staged_log_e,
    staged_mean_log_e,
)
from tests.vectors import vector

counts = st.integers(0, 5_000)
shares = st.floats(0.01, 0.99)


def test_the_e_value_of_a_canary_equals_the_beta_binomial_mixture() -> None:
    given_, expected = vector("canary.beta_evalue")
    value = log_e(given_["k_canary"], given_["k_live"], given_["rho"], given_["kappa"])
    assert value == pytest.approx(expected["log_e"], rel=1e-9)
    assert math.exp(value) == pytest.approx(expected["e"], rel=1e-9)
    assert always_valid_p([value]) == pytest.approx(expected["p_always"], rel=1e-9)


def test_the_log_rate_ratio_and_its_mixture_equal_the_sequential_ratio_test() -> None:
    given_, expected = vector("canary.msprt_logrr")
    found = log_rate_ratio(given_["k1"], given_["n1"], given_["k2"], given_["n2"])
    assert found.value == pytest.approx(expected["theta"], rel=1e-9)
    assert found.variance == pytest.approx(expected["V"], rel=1e-9)
    assert found.log_mixture(given_["tau"]) == pytest.approx(expected["log_lambda"], rel=1e-9)
    assert always_valid_p(found.log_mixture(given_["tau"])) == pytest.approx(expected["p"], rel=1e-9)


def test_the_confidence_sequence_of_a_mean_equals_the_time_uniform_boundary() -> None:
    given_, expected = vector("canary.asymptotic_cs")
    assert mixture_rho2(given_["t_opt"], given_["alpha"]) == pytest.approx(expected["rho2"], rel=1e-9)
    reach = mean_reach(given_["sd"], given_["t"], given_["alpha"], given_["t_opt"])
    assert reach == pytest.approx(expected["half_width"], rel=1e-9)
    assert reach > expected["fixed_n_half_width"]


def test_a_staged_roll_out_is_judged_interval_by_interval() -> None:
    given_, expected = vector("canary.staged_eprocess")
    found = staged_log_e(given_["k_canary"], given_["k_live"], given_["rho"], given_["prior_pseudo"])
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_intervals_in_which_only_one_version_ran_say_nothing() -> None:
    alone = staged_log_e([3, 0, 5], [20, 30, 25], [0.1, 0.0, 0.2])
    assert alone[1] == alone[0]
    assert alone[2] == pytest.approx(staged_log_e([3, 5], [20, 25], [0.1, 0.2])[-1])
    assert log_e(5, 5, 0.0) == 0.0


@given(st.integers(0, 60), shares)
def test_under_equal_rates_the_expected_e_value_is_one(failures: int, share: float) -> None:
    """The defining property of an e-value, summed exactly over the binomial distribution."""
    total = 0.0
    for k in range(failures + 1):
        chance = math.comb(failures, k) * share**k * (1 - share) ** (failures - k)
        total += chance * math.exp(log_e(k, failures - k, share))
    assert total == pytest.approx(1.0, abs=1e-6)


@given(counts, counts, shares)
def test_swapping_the_versions_swaps_nothing_but_their_names(k1: int, k2: int, share: float) -> None:
    assert log_e(k1, k2, share) == pytest.approx(log_e(k2, k1, 1 - share), abs=1e-6)
    forth, back = log_rate_ratio(k1, 100.0, k2, 900.0), log_rate_ratio(k2, 900.0, k1, 100.0)
    assert forth.value == pytest.approx(-back.value)
    low, high = forth.interval()
    assert (1 / high, 1 / low) == pytest.approx(back.interval())


@given(st.floats(-3, 3), st.floats(1e-6, 5))
def test_the_interval_of_a_ratio_excludes_one_exactly_where_the_mixture_rejects(value: float, variance: float) -> None:
    ratio = LogRatio(value, variance)
    low, high = ratio.interval(0.05)
    rejects = ratio.log_mixture() - math.log(20)
    if abs(rejects) > 1e-9:
        assert (not low <= 1 <= high) == (rejects > 0)


def test_more_observations_narrow_every_interval() -> None:
    wide, narrow = LogRatio(0.2, 0.1), LogRatio(0.2, 0.1).with_more(10)
    assert wide.interval()[0] < narrow.interval()[0] < narrow.interval()[1] < wide.interval()[1]
    assert mean_reach(1.0, 0) == math.inf
    assert mean_reach(1.0, 1_000) < mean_reach(1.0, 100)


def test_looking_every_half_minute_for_an_hour_rarely_calls_equal_versions_different() -> None:
    """400 roll-outs of 5 % at 100 requests a second and 1 % errors; a z test of fixed size calls 38 % different."""
    rng = np.random.default_rng(3)
    runs, looks = 400, 120
    k1, k2 = (np.cumsum(rng.poisson(30 * rate, (runs, looks)), axis=1) for rate in (0.05, 0.95))
    alarms = sum(
        any(log_e(float(a), float(b), 0.05) >= math.log(20) for a, b in zip(k1[i, ::4], k2[i, ::4], strict=True))
        for i in range(runs)
    )
    assert alarms / runs <= 0.05


MIDDLES = (np.arange(20) + 0.5) / 20
STAGES = np.repeat([0.01, 0.05, 0.2], 25)


def scored(rng: np.random.Generator, fall: float, drift: float, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """[T, 20] rows of a new and an old version over the stages of a roll-out, the new one's mean lower by `fall`."""
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for i, share in enumerate(STAGES):
        new = rng.binomial(rows, share)
        mean = 0.85 + drift * math.sin(i / 8)
        for side, n, moved in zip(sides, (new, rows - new), (fall, 0.0), strict=True):
            values = rng.beta(12 * (mean - moved), 12 * (1 - mean + moved), n)
            side.append(np.histogram(values, 20, (0, 1))[0])
    return np.stack(sides[0]).astype(float), np.stack(sides[1]).astype(float)


@pytest.mark.parametrize("drift", [0.0, 0.08])
def test_equal_versions_are_hardly_ever_called_less_sure_at_any_look(drift: float) -> None:
    rng = np.random.default_rng(4)
    worst = [float(staged_mean_log_e(*scored(rng, 0.0, drift), MIDDLES).max()) for _ in range(200)]
    assert sum(value >= math.log(200) for value in worst) <= 1
    assert sum(value >= math.log(20) for value in worst) <= 10


@pytest.mark.parametrize("drift", [0.0, 0.08])
def test_a_version_that_is_less_sure_is_found_and_one_that_is_surer_is_not(drift: float) -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        assert staged_mean_log_e(*scored(rng, 0.07, drift), MIDDLES)[-1] > math.log(200)
        assert staged_mean_log_e(*scored(rng, -0.05, drift), MIDDLES).max() < math.log(20)


def test_values_in_one_bin_and_intervals_of_one_version_say_nothing_of_means() -> None:
    alone = np.zeros((3, 20))
    alone[:, 19] = 50
    assert staged_mean_log_e(alone, alone, MIDDLES).tolist() == [0.0, 0.0, 0.0]
    new, old = scored(np.random.default_rng(6), 0.1, 0.0)
    new[40] = 0.0
    found = staged_mean_log_e(new, old, MIDDLES)
    assert found[40] == found[39]
    assert np.isfinite(found).all()


@given(st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_the_e_value_of_means_depends_on_no_unit(scale: float, zero: float) -> None:
    new, old = scored(np.random.default_rng(7), 0.05, 0.0)
    plain = staged_mean_log_e(new, old, MIDDLES)
    np.testing.assert_allclose(staged_mean_log_e(new, old, MIDDLES * scale + zero), plain, rtol=1e-6, atol=1e-6)


def test_the_first_interval_bets_nothing_and_the_order_of_bins_does_not_count() -> None:
    new, old = scored(np.random.default_rng(8), 0.07, 0.0)
    found = staged_mean_log_e(new, old, MIDDLES)
    assert found[0] == 0.0
    order = np.random.default_rng(9).permutation(20)
    np.testing.assert_allclose(staged_mean_log_e(new[:, order], old[:, order], MIDDLES[order]), found)
