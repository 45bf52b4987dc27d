"""Tail probabilities against published values and against sums that need no special function."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.special import (
    beta_cdf,
    binom_quantile,
    binom_sf,
    chi2_sf,
    f_sf,
    gamma_sf,
    hypergeom_sf,
    nbinom_cdf,
    nbinom_sf,
    normal_sf,
    t_sf,
    t_two_sided,
)
from tests.vectors import vector


def test_chi_squared_tails_match_scipy() -> None:
    inputs = vector("tests.chi2_g")[1]
    assert float(chi2_sf(inputs["X2"], 7)) == pytest.approx(inputs["p_chi2"], rel=1e-10)
    assert float(chi2_sf(inputs["G"], 7)) == pytest.approx(inputs["p_G"], rel=1e-10)


def test_the_f_tail_matches_scipy() -> None:
    expected = vector("shift.dispersion_F_overdispersed")[1]
    assert float(f_sf(expected["X2"] / 7 / expected["D_raw"], 7, 42)) == pytest.approx(expected["p_F"], rel=1e-10)


def test_the_normal_tail_keeps_its_digits_far_out() -> None:
    # Mills' ratio with four terms is exact to 1e-9 at 37.
    z = 37.0
    mills = math.exp(-z * z / 2) / (z * math.sqrt(2 * math.pi)) * (1 - 1 / z**2 + 3 / z**4 - 15 / z**6)
    assert float(normal_sf(z)) == pytest.approx(mills, rel=1e-9)
    assert float(normal_sf(60.0)) == 0.0


def test_chi_squared_with_two_degrees_is_an_exponential() -> None:
    x = np.array([0.1, 3.0, 50.0, 1300.0])
    np.testing.assert_allclose(chi2_sf(x, 2), np.exp(-x / 2), rtol=1e-10)


@pytest.mark.parametrize("t", [0.3, 2.0, 11.0, 1e4])
def test_student_t_with_one_and_two_degrees_has_its_closed_form(t: float) -> None:
    assert float(t_sf(t, 1)) == pytest.approx(math.atan2(1, t) / math.pi, rel=1e-10)
    root = math.sqrt(2 + t * t)
    assert float(t_sf(t, 2)) == pytest.approx(1 / (root * (root + t)), rel=1e-10)
    assert float(t_two_sided(-t, 2)) == pytest.approx(2 * float(t_sf(t, 2)), rel=1e-12)


def test_the_f_test_with_unknown_dispersion_reduces_to_chi_squared() -> None:
    assert float(f_sf(2.5, 7, math.inf)) == pytest.approx(float(chi2_sf(17.5, 7)), rel=1e-12)
    assert float(f_sf(2.5, 7, 1e9)) == pytest.approx(float(chi2_sf(17.5, 7)), rel=1e-6)
    assert float(f_sf(2.5, 0, 10)) == 1.0


@pytest.mark.parametrize(("k", "n", "p"), [(0, 5, 0.2), (7, 12, 0.6), (59, 200, 0.1), (199, 400, 0.03)])
def test_binomial_tails_equal_the_sum_of_their_terms(k: int, n: int, p: float) -> None:
    total = math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1, n + 1))
    assert float(binom_sf(k, n, p)) == pytest.approx(total, rel=1e-9)


def test_a_large_symmetric_binomial_splits_at_its_middle() -> None:
    n = 10_000_001
    assert float(binom_sf((n - 1) // 2, n, 0.5)) == pytest.approx(0.5, rel=1e-8)


def test_negative_binomial_tails_match_scipy_and_add_up_to_one() -> None:
    for name in ("errors.nb_predictive", "errors.nb_predictive_new"):
        inputs, expected = vector(name)
        r, p = expected["r"], expected["p_param"]
        assert float(nbinom_sf(inputs["x"] - 1, r, p)) == pytest.approx(expected["p_up"], rel=1e-9)
        assert float(nbinom_cdf(inputs["x"], r, p)) == pytest.approx(expected["p_down"], rel=1e-9)


def test_fishers_one_sided_p_matches_scipy() -> None:
    i, expected = vector("latency.exceedance_exact")
    population, events = i["n_live"] + i["n_base"], i["k_live"] + i["k_base"]
    assert hypergeom_sf(i["k_live"], population, events, i["n_live"]) == pytest.approx(expected, rel=1e-9)
    assert hypergeom_sf(0, population, events, i["n_live"]) == 1.0
    assert hypergeom_sf(events + 1, population, events, i["n_live"]) == 0.0


@given(st.integers(1, 400), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_the_binomial_quantile_is_the_smallest_count_that_reaches_q(n: int, p: float, q: float) -> None:
    k = binom_quantile(q, n, p)
    assert 1 - float(binom_sf(k, n, p)) >= q - 1e-12
    assert k == 0 or 1 - float(binom_sf(k - 1, n, p)) < q + 1e-12


@given(st.floats(0.05, 500), st.floats(0.05, 500), st.floats(0.001, 0.999))
def test_the_incomplete_beta_function_is_symmetric_and_bounded(a: float, b: float, x: float) -> None:
    left, right = float(beta_cdf(a, b, x)), float(beta_cdf(b, a, 1 - x))
    assert 0 <= left <= 1
    assert left + right == pytest.approx(1, abs=1e-9)


@given(st.floats(0.05, 500), st.floats(0.01, 900))
def test_the_incomplete_gamma_function_falls_and_obeys_its_recurrence(a: float, x: float) -> None:
    here = float(gamma_sf(a, x))
    assert float(gamma_sf(a, x * 1.01)) <= here + 1e-12
    step = math.exp(a * math.log(x) - x - math.lgamma(a + 1))
    assert float(gamma_sf(a + 1, x)) == pytest.approx(here + step, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0.05, 5e5), st.floats(0.05, 5e5), st.floats(0.0, 1.0)), min_size=1, max_size=20))
def test_few_and_many_values_of_the_incomplete_beta_function_are_the_same(
    cases: list[tuple[float, float, float]],
) -> None:
    a, b, x = (np.array(column) for column in zip(*cases, strict=True))
    alone = [float(beta_cdf(*one)) for one in cases]
    many = beta_cdf(*(np.tile(column, 20) for column in (a, b, x)))[: len(cases)]
    assert many == pytest.approx(alone, rel=1e-9, abs=1e-290)
