"""Distances, their noise and the drift rule against scipy, and what an engineer reads about the direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.direction import clipped_bin, is_unit, scale_factor
from analysis.distances import (
    binned_mean_sd,
    chi_squared,
    hellinger,
    js_distance,
    js_divergence,
    js_noise,
    ks,
    psi,
    psi_noise,
    tv,
    tv_noise,
    w1,
)
from analysis.evidence import OTHER, UNSEEN, CategoryBins, NumericBins, just_above
from analysis.shift import ShiftCase, direction, dispersion, pool_small, shift_test, shift_tests, trend_z
from analysis.special import chi2_sf
from tests.vectors import vector

counts_of = st.lists(st.integers(0, 300), min_size=6, max_size=6).filter(lambda n: sum(n) > 0)
BINS = NumericBins((-math.inf, 1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99, math.inf), reference=True)
FLAT = np.array([10.0, 90, 100, 100, 100, 100, 100, 100, 100, 100, 90, 10])


def test_distances_match_their_definitions_and_scipy() -> None:
    i, expected = vector("distances.base")
    x, y = i["live"], i["baseline"]
    assert float(psi(x, y, fill=0)) == pytest.approx(expected["psi_raw"], abs=1e-12)
    assert float(psi(x, y)) == pytest.approx(expected["psi_jeffreys_0_5"], abs=1e-12)
    assert float(js_distance(x, y)) == pytest.approx(expected["js_distance_base2"], abs=1e-12)
    assert math.sqrt(js_divergence(x, y)) == pytest.approx(expected["js_distance_nat"], abs=1e-12)
    assert float(tv(x, y)) == pytest.approx(expected["tv"], abs=1e-12)
    assert float(hellinger(x, y)) == pytest.approx(expected["hellinger"], abs=1e-12)
    assert float(ks(x, y)) == pytest.approx(expected["ks"], abs=1e-12)


def test_an_empty_bin_leaves_every_distance_finite() -> None:
    i, expected = vector("distances.zero_bins")
    assert float(psi(i["live"], i["baseline"])) == pytest.approx(expected["psi_jeffreys_0_5"], abs=1e-12)
    assert float(js_distance(i["live"], i["baseline"])) == pytest.approx(expected["js_distance_base2"], abs=1e-12)


def test_the_wasserstein_distance_is_the_area_between_the_cumulative_curves() -> None:
    i, expected = vector("distances.w1_hist")
    found, sd = float(w1(i["live"], i["baseline"], i["edges"])), float(binned_mean_sd(i["baseline"], i["edges"])[1])
    assert found == pytest.approx(expected["w1"], abs=1e-12)
    assert sd == pytest.approx(expected["baseline_sd"], abs=1e-12)
    assert found / sd == pytest.approx(expected["w1_norm"], abs=1e-12)


def test_the_noise_floors_match_their_closed_forms() -> None:
    i, expected = vector("noise.closed_forms")
    n, m, bins = i["n"], i["m"], i["B"]
    assert float(psi_noise(n, m, bins)) == pytest.approx(expected["psi"])
    assert float(js_noise(n, m, bins)) == pytest.approx(expected["js"])
    assert tv_noise(n, m, np.ones(bins)) == pytest.approx(expected["tv_uniform"])


def test_chi_squared_matches_scipy() -> None:
    i, expected = vector("tests.chi2_g")
    statistic, df = chi_squared(i["live"], i["baseline"])
    assert (float(statistic), float(df)) == pytest.approx((expected["X2"], expected["df"]))
    assert float(chi2_sf(statistic, df)) == pytest.approx(expected["p_chi2"])


def test_one_reference_window_gives_the_textbook_test() -> None:
    i, expected = vector("shift.noise_adjusted_iid")
    got = shift_test(i["live"], [i["baseline"]], ordered=False, min_expected=0)
    assert got.p == pytest.approx(expected["p"], rel=1e-9)
    assert (got.js, got.noise, got.js_adj) == pytest.approx(
        (expected["js"], expected["js_noise"], expected["js_adj"]), rel=1e-9
    )
    assert got.psi_adj == pytest.approx(expected["psi_adj"], rel=1e-9)


@pytest.mark.parametrize("name", ["shift.dispersion_F", "shift.dispersion_F_overdispersed"])
def test_restless_reference_windows_raise_the_bar(name: str) -> None:
    i, expected = vector(name)
    raw, ddf = dispersion(i["windows"])
    assert (raw, ddf) == pytest.approx((expected["D_raw"], expected["ddf"]))
    got = shift_test(i["live"], i["windows"], ordered=False, min_expected=0)
    assert got.p == pytest.approx(expected["p_F"], rel=1e-9)
    assert got.psi_adj == pytest.approx(expected["psi_adj"], rel=1e-9)
    assert got.js_adj == pytest.approx(expected["js_adj"], rel=1e-9)


def test_the_trend_z_matches_its_pooled_formula() -> None:
    i, expected = vector("components.trend_z")
    assert float(trend_z(i["live"], i["baseline"], i["score"])) == pytest.approx(expected["z"], rel=1e-9)


@given(counts_of, counts_of, st.permutations(range(6)), st.integers(2, 9))
def test_distances_are_bounded_symmetric_and_blind_to_order_and_size(
    x: list[int], y: list[int], order: list[int], times: int
) -> None:
    a, b = np.array(x), np.array(y)
    for distance in (js_distance, hellinger, tv):
        value = float(distance(a, b))
        assert -1e-12 <= value <= 1 + 1e-12
        assert float(distance(b, a)) == pytest.approx(value, abs=1e-7)
        assert float(distance(a[order], b[order])) == pytest.approx(value, abs=1e-7)
        assert float(distance(a * times, b)) == pytest.approx(value, abs=1e-7)
    assert float(distance(a, a)) == pytest.approx(0, abs=1e-7)
    assert float(ks(a, b)) <= float(tv(a, b)) + 1e-9


@given(counts_of, st.lists(counts_of, min_size=1, max_size=5), st.booleans())
def test_pooling_keeps_every_row_and_the_test_is_a_probability(
    x: list[int], windows: list[list[int]], ordered: bool
) -> None:
    live, before = np.array([x], dtype=float), np.array([windows], dtype=float)
    a, b = pool_small(live, before, [ordered], 5)
    assert a.sum() == live.sum()
    np.testing.assert_allclose(b.sum(axis=2), before.sum(axis=2))
    got = shift_test(x, windows, ordered=ordered)
    assert 0 <= got.p <= 1
    assert 0 <= got.js_adj <= got.js + 1e-9
    assert got.D >= 1


def test_a_batch_gives_what_one_at_a_time_gives() -> None:
    rng = np.random.default_rng(3)
    cases = [
        ShiftCase(rng.poisson(20, b).astype(float), rng.poisson(20, (k, b)).astype(float), bool(b % 2))
        for b, k in ((3, 8), (12, 1), (30, 5), (2, 2))
    ]
    for case, got in zip(cases, shift_tests(cases), strict=True):
        alone = shift_test(case.live, case.windows, ordered=case.ordered)
        assert (got.p, got.js, got.js_adj, got.D, got.auc) == pytest.approx(
            (alone.p, alone.js, alone.js_adj, alone.D, alone.auc), rel=1e-9
        )


def test_quiet_features_are_rarely_called_and_a_shift_always_is() -> None:
    rng = np.random.default_rng(7)
    shares = FLAT / FLAT.sum()

    # Each window has its own wobble: the textbook test would call most of these.
    def window() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return rng.multinomial(3000, rng.dirichlet(shares * 600)).astype(float)

    quiet = [ShiftCase(window(), np.stack([window() for _ in range(8)]), True) for _ in range(300)]
    moved = [ShiftCase(np.roll(window(), 1), np.stack([window() for _ in range(8)]), True) for _ in range(20)]
    naive = [float(chi2_sf(*chi_squared(case.live, case.windows.sum(axis=0)))) < 0.01 for case in quiet]
    assert np.mean(naive) > 0.5
    assert np.mean([test.p < 0.01 for test in shift_tests(quiet)]) <= 0.02
    assert all(test.p < 0.01 and test.js_adj > 0.06 for test in shift_tests(moved))


def test_an_empty_window_is_no_shift() -> None:
    got = shift_test([0, 0, 0], [[1, 2, 3], [3, 2, 1]], ordered=True)
    assert (got.p, got.js, got.js_adj, got.auc) == (1.0, 0.0, 0.0, 0.5)
    assert shift_test([5, 5], np.zeros((0, 2)), ordered=False).p == 1.0


def test_moved_mass_is_told_with_the_edge_and_both_shares() -> None:
    up = FLAT.copy()
    up[9:11] += 300
    assert direction(up, FLAT, BINS) == "mass moved above 80: 20% -> 50%"
    assert direction(up[::-1], FLAT, BINS) == "mass moved below 20: 20% -> 50%"


def test_a_spread_that_changed_is_told_as_wider_or_narrower() -> None:
    wide, narrow = FLAT.copy(), FLAT.copy()
    wide[[1, 10]] += 400
    narrow[[5, 6]] += 400
    assert direction(wide, FLAT, BINS) == "wider: more below 10 and above 90"
    assert direction(narrow, FLAT, BINS) == "narrower: more between 40 and 60"


def test_a_changed_unit_is_told_as_a_factor() -> None:
    gone = np.zeros(12)
    gone[-1] = 1000
    assert direction(gone * 0.8 + FLAT * 0.05, FLAT, BINS, mean=4870.0, mean_baseline=50.0) == "values x100"
    edges = tuple(float(e) for e in np.geomspace(1, 1e6, 61))
    rng = np.random.default_rng(2)
    values = rng.lognormal(4, 0.5, 20_000)
    before, now = (np.histogram(v, edges)[0].astype(float) for v in (values, values * 60))
    assert scale_factor(now, before, edges) == 60
    assert scale_factor(before, now, edges) == pytest.approx(1 / 60)
    assert scale_factor(before, before, edges) is None
    shifted = np.histogram(values + 200, edges)[0].astype(float)
    assert scale_factor(shifted, before, edges) is None


def test_a_stuck_feature_is_told_with_its_value() -> None:
    stuck = np.zeros(12)
    stuck[1] = 500
    assert direction(stuck, FLAT, BINS, mean=6.0, mean_baseline=50.0) == "constant at 6"
    assert direction(stuck, FLAT, BINS) == "constant in 1 to 10"


def test_categories_are_told_by_name() -> None:
    bins = CategoryBins(("a", "b", OTHER, UNSEEN))
    base = np.array([400.0, 500, 100, 0])
    assert direction(np.array([220.0, 600, 180, 0]), base, bins) == "fewer 'a' 40% -> 22%"
    assert direction(np.array([370.0, 470, 100, 60]), base, bins, unseen=("tiktok_v2",)) == "new: tiktok_v2 6%"
    assert direction(np.array([10.0, 980, 10, 0]), base, bins) == "more 'b' 50% -> 98%"
    assert direction(np.array([980.0, 10, 10, 0]), base, bins) == "constant at a"
    assert direction(np.zeros(4), base, bins) == ""


def test_nulls_are_part_of_the_score() -> None:
    """12 % of the rows lost their value and the rest kept its shape."""
    windows, nulls = np.tile(FLAT, (8, 1)), np.full(8, 10.0)
    quiet = shift_test(FLAT, windows, ordered=True, null=10, nulls=nulls)
    burst = shift_test(FLAT * 0.88, windows, ordered=True, null=130, nulls=nulls)
    assert (quiet.js_adj, quiet.p) == (0, 1) or quiet.p > 0.1
    assert burst.p < 1e-6
    assert burst.js_adj > 0.2
    assert burst.auc == pytest.approx(0.5)
    assert burst.n == pytest.approx(0.88 * FLAT.sum() + 130)


def test_a_few_nulls_are_no_bin_of_their_own() -> None:
    windows = np.tile(FLAT, (8, 1))
    without = shift_test(FLAT, windows, ordered=True)
    with_few = shift_test(FLAT, windows, ordered=True, null=1, nulls=np.ones(8))
    assert (with_few.js, with_few.p, with_few.n) == (without.js, without.p, without.n)


def test_nothing_but_nulls_is_the_largest_shift() -> None:
    gone = shift_test(np.zeros(12), np.tile(FLAT, (8, 1)), ordered=True, null=1000, nulls=np.zeros(8))
    assert gone.js == pytest.approx(1)
    assert gone.auc == 0.5
    assert gone.p < 1e-9


def test_a_value_that_many_rows_have_is_told_by_itself() -> None:
    bins = NumericBins((-math.inf, 0.0, just_above(0.0), 5, 10, 20, math.inf), reference=True)
    base = np.array([0.0, 300, 200, 200, 200, 100])
    assert bins.point(1) == 0
    assert bins.point(2) is None
    assert direction(np.array([0.0, 650, 100, 100, 100, 50]), base, bins) == "more at 0: 30% -> 65%"
    assert direction(np.array([0.0, 0, 300, 300, 300, 100]), base, bins) == "fewer at 0: 30% -> 0%"
    assert direction(np.array([0.0, 970, 10, 10, 10, 0]), base, bins, mean=0.3) == "constant at 0"


def test_values_cut_off_at_a_limit_are_told_with_the_limit() -> None:
    clipped = np.array([10.0, 90, 100, 100, 100, 100, 100, 100, 300, 0, 0, 0])
    assert direction(clipped, FLAT, BINS) == "clipped between 70 and 80"
    assert direction(clipped[::-1], FLAT, BINS) == "clipped between 20 and 30"
    narrow = FLAT.copy()
    narrow[[0, 1, 10, 11]] = 0
    assert clipped_bin(narrow, FLAT) is None


def test_a_conversion_of_units_is_named_and_a_factor_between_is_not_a_unit() -> None:
    edges = tuple(float(e) for e in np.geomspace(1e-3, 1e6, 361))
    values = np.random.default_rng(2).lognormal(4, 0.5, 50_000)
    before = np.histogram(values, edges)[0].astype(float)

    def factor(times: float) -> float:
        found = scale_factor(np.histogram(values * times, edges)[0].astype(float), before, edges)
        assert found is not None
        return found

    assert factor(1.609344) == 1.609344
    assert factor(1 / 2.20462) == pytest.approx(1 / 2.20462)
    assert is_unit(factor(1_000))
    assert is_unit(factor(0.001))
    assert factor(1.75) == pytest.approx(1.75, rel=0.02)
    assert not is_unit(factor(1.75))
