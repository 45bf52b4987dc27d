"""Percentiles of binned counts against Prometheus and scipy, and the laws that every quantile obeys."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.proportions import newcombe, rate_test_conditional, share_test, two_proportion_z, wilson
from analysis.quantiles import (
    bucket_quantile,
    count_above,
    exceedance_test,
    from_cumulative,
    min_count,
    mover_ratio,
    nearest_edge,
    order_statistic_interval,
    quantile_bounds,
    quantiles,
    rebin,
    share_above,
)
from analysis.special import normal_sf
from tests.vectors import vector

EDGES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, math.inf)
counts_of = st.lists(st.integers(0, 500), min_size=6, max_size=6).filter(any)


def _edges(le: list[object]) -> tuple[float, ...]:
    return (-math.inf, *(float(str(bound)) for bound in le))


def test_bucket_quantiles_equal_prometheus() -> None:
    inputs, expected = vector("latency.bucket_quantile")
    edges, counts = _edges(inputs["le"]), from_cumulative(inputs["cum"])
    for q, want in expected.items():
        got = bucket_quantile(float(q), edges, counts)
        assert got.value == pytest.approx(want["value"], rel=1e-9)
        assert (got.low, got.high) == tuple(float(bound) for bound in want["bounds"])


@pytest.mark.parametrize(
    "name",
    [
        "latency.bucket_quantile_clickhouse_doc",
        "latency.bucket_quantile_negative_first",
        "latency.bucket_quantile_nonmonotonic",
    ],
)
def test_odd_buckets_are_read_as_prometheus_reads_them(name: str) -> None:
    inputs, expected = vector(name)
    got = bucket_quantile(inputs["q"], _edges(inputs["le"]), from_cumulative(inputs["cum"]))
    assert got.value == pytest.approx(expected, rel=1e-9)


def test_no_observation_is_no_number() -> None:
    assert math.isnan(bucket_quantile(0.5, EDGES, [0] * 6).value)
    many = quantiles([[0] * 6, [0, 10, 0, 0, 0, 0]], EDGES, (0.5, 0.99))
    assert np.isnan(many[0]).all()
    assert np.isfinite(many[1]).all()


def test_log_interpolation_is_geometric_inside_a_bin() -> None:
    assert float(quantiles([0, 0, 100, 0, 0, 0], EDGES, (0.5,), "log")[0]) == pytest.approx(math.sqrt(8))
    assert float(quantiles([100, 0, 0, 0, 0, 0], EDGES, (0.5,), "log")[0]) == pytest.approx(0.5)


@given(counts_of, st.floats(0.001, 0.999), st.floats(0.001, 0.999), st.sampled_from(["linear", "log"]))
def test_quantiles_rise_with_q_and_stay_in_their_bin(counts: list[int], a: float, b: float, kind: str) -> None:
    low, high = quantiles(counts, EDGES, sorted((a, b)), "log" if kind == "log" else "linear")
    assert low <= high + 1e-9
    found = bucket_quantile(a, EDGES, counts)
    assert found.low - 1e-9 <= found.value <= found.high + 1e-9


@given(counts_of, st.integers(2, 50))
def test_quantiles_do_not_depend_on_the_size_of_the_sample(counts: list[int], times: int) -> None:
    qs = (0.1, 0.5, 0.9, 0.99)
    one, many = quantiles(counts, EDGES, qs), quantiles(np.array(counts) * times, EDGES, qs)
    np.testing.assert_allclose(one, many, rtol=1e-6, atol=1e-6)


def test_the_sample_sizes_that_bound_a_quantile_are_the_known_ones() -> None:
    for q, n in vector("latency.min_n_for_bounded_upper")[1].items():
        assert min_count(float(q)) == n
    assert min_count(0.1) == min_count(0.9)


@pytest.mark.parametrize("name", ["0.5_100", "0.95_200", "0.99_1000", "0.99_200"])
def test_order_statistic_intervals_match_the_binomial(name: str) -> None:
    inputs, expected = vector(f"latency.order_ci_{name}")
    got = order_statistic_interval(inputs["q"], inputs["n"], inputs["conf"])
    assert (got.lower_rank, got.upper_rank) == (expected["lower_rank"], expected["upper_rank"])
    assert got.coverage == pytest.approx(expected["coverage"], rel=1e-9)
    assert (got.upper_rank > inputs["n"]) is expected["unbounded_above"]


def test_order_statistics_of_raw_values_bound_a_quantile_as_scipy_does() -> None:
    inputs, expected = vector("latency.quantile_test_scipy")
    values = range(1, 1001)
    got = order_statistic_interval(inputs["p"], len(values), 0.95)
    assert (values[got.lower_rank - 1], values[got.upper_rank - 1]) == (expected["low"], expected["high"])


def test_the_bounds_of_a_quantile_widen_with_dispersion_and_open_when_the_sample_is_small() -> None:
    counts = [100, 200, 300, 400, 300, 200]
    low, high = quantile_bounds(0.5, EDGES, counts)
    wide_low, wide_high = quantile_bounds(0.5, EDGES, counts, dispersion=50)
    assert wide_low <= low <= high <= wide_high
    assert quantile_bounds(0.99, EDGES, [10, 20, 30, 5, 1, 0])[1] == math.inf
    assert math.isnan(quantile_bounds(0.5, EDGES, [0] * 6)[0])


def test_the_bounds_of_a_quantile_in_an_open_bin_are_open() -> None:
    low, high = quantile_bounds(0.99, (0.0, 1.0, 10.0, math.inf), [0, 100, 900])
    assert (low, high) == (10.0, math.inf)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.9, 0.95]), st.sampled_from([200, 2_000, 20_000]))
def test_the_bounds_hold_the_true_quantile_about_as_often_as_they_say(seed: int, q: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    truth = math.exp(0.6 * NormalDist().inv_cdf(q))
    edges = (0.0, *(2.0 ** (i / 4) for i in range(-12, 20)), math.inf)
    held = 0
    for _ in range(20):
        counts, _edges = np.histogram(rng.lognormal(0, 0.6, n), edges)
        low, high = quantile_bounds(q, edges, counts)
        held += low <= truth <= high
    assert held >= 14


def test_the_ratio_interval_matches_mover() -> None:
    inputs, expected = vector("latency.mover_ratio")
    got = mover_ratio(tuple(inputs["live"]), tuple(inputs["baseline"]))
    assert got == pytest.approx(tuple(expected), rel=1e-9)


def test_counts_above_an_edge_are_exact() -> None:
    counts = [[1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0]]
    assert count_above(counts, 4).tolist() == [11, 0]
    above = share_above(counts, 4)
    assert above[0] == pytest.approx(11 / 21)
    assert math.isnan(above[1])
    assert EDGES[nearest_edge(EDGES, 3.5)] == 4.0
    assert EDGES[nearest_edge(EDGES, 1e9)] == 16.0


def test_an_exceedance_is_judged_by_the_windows_own_spread() -> None:
    rng = np.random.default_rng(1)
    steady = rng.multinomial(2000, [0.3, 0.3, 0.2, 0.15, 0.04, 0.01], size=7)
    restless = steady.copy()
    restless[::2, 5] += 100
    live = rng.multinomial(2000, [0.29, 0.29, 0.2, 0.15, 0.04, 0.03])
    assert exceedance_test(live, steady, 5).p < 1e-3
    assert exceedance_test(live, restless, 5).p > 0.05


@given(counts_of, st.lists(st.sampled_from(EDGES[1:-1]), min_size=1, unique=True))
def test_rebinning_to_fewer_edges_is_exact_addition(counts: list[int], inner: list[float]) -> None:
    kept = (EDGES[0], *sorted(inner), EDGES[-1])
    want = [sum(n for n, low in zip(counts, EDGES, strict=False) if a <= low < b) for a, b in pairwise(kept)]
    np.testing.assert_allclose(rebin(counts, EDGES, kept), want, atol=1e-9)


@given(counts_of, st.lists(st.floats(0.1, 30), min_size=1, max_size=5, unique=True))
def test_rebinning_keeps_the_total(counts: list[int], inner: list[float]) -> None:
    got = rebin(counts, EDGES, (0.0, *sorted(inner), math.inf))
    assert got.sum() == pytest.approx(sum(counts))
    assert (got >= -1e-9).all()


@pytest.mark.parametrize("name", ["8_20", "0_30", "50_50", "1_1", "188_200"])
def test_wilson_intervals_match_statsmodels(name: str) -> None:
    i, expected = vector(f"prop.wilson_{name}")
    assert wilson(i["k"], i["n"], i["conf"]) == pytest.approx(tuple(expected), abs=1e-9)


def test_newcombes_interval_matches_statsmodels() -> None:
    i, expected = vector("prop.newcombe")
    assert newcombe(i["k1"], i["n1"], i["k2"], i["n2"]) == pytest.approx(tuple(expected), abs=1e-9)
    assert newcombe(1, 0, 1, 5) == (-1.0, 1.0)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_two_proportion_z_matches_statsmodels_and_shrinks_with_dispersion() -> None:
    i, expected = vector("components.prop_z")
    z = two_proportion_z(i["k1"], i["n1"], i["k2"], i["n2"])
    assert z == pytest.approx(expected["z"], rel=1e-9)
    assert 2 * float(normal_sf(z)) == pytest.approx(expected["p"], rel=1e-8)
    assert two_proportion_z(i["k1"], i["n1"], i["k2"], i["n2"], 2) == pytest.approx(expected["z_with_D2"], rel=1e-9)


def test_rates_are_compared_by_the_conditional_binomial() -> None:
    i, expected = vector("errors.poisson_conditional")
    assert rate_test_conditional(i["x"], i["y"], 1, 8) == pytest.approx(expected["p_up"], rel=1e-9)


@given(st.integers(0, 200), st.integers(200, 1000), st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_a_share_test_is_a_probability_and_unmoved_by_the_order_of_windows(k: int, n: int, ks: list[int]) -> None:
    sizes = [500] * len(ks)
    one, other = share_test(k, n, ks, sizes), share_test(k, n, ks[::-1], sizes)
    assert 0 <= one.p <= 1
    assert one.p == pytest.approx(other.p, rel=1e-9, abs=1e-12)
    assert one.se > 0
