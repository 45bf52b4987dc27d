"""Error types against the negative binomial predictive, and the state that each earns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.error_states import classify_errors, nb_predictive, phi_moment, phi_shrunk
from tests.vectors import vector

K = 8


def _state(live: float, windows: list[float], **more: object) -> str:
    quiet = [[40.0, 40, 40]] * len(windows)
    table = np.column_stack([windows, quiet])
    return classify_errors([live, 40, 40, 40], table, 10_000, [10_000] * len(windows), **more)[0].state  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["errors.nb_predictive", "errors.nb_predictive_new"])
def test_the_predictive_matches_scipy(name: str) -> None:
    i, expected = vector(name)
    got = nb_predictive([i["x"]], np.array(i["windows"])[:, None], i["phi"])
    for field in ("mu", "var", "r", "p_up", "p_down"):
        assert float(getattr(got, field)[0]) == pytest.approx(expected[field], rel=1e-9)


def test_the_moment_of_the_dispersion_matches_its_formula() -> None:
    i, expected = vector("errors.phi_moment")
    assert float(phi_moment(np.array(i["windows"])[:, None])[0]) == pytest.approx(expected, rel=1e-9)


def test_rare_types_borrow_the_dispersion_of_frequent_ones() -> None:
    windows = np.column_stack([[40, 52, 38, 61, 47, 33, 55, 49], [0, 0, 1, 0, 0, 0, 3, 0]])
    phi = phi_shrunk(windows)
    assert phi[1] == pytest.approx(phi_moment(windows)[0])
    assert phi_shrunk(np.zeros((8, 1)))[0] == 0.1


def test_a_type_never_seen_before_is_new_from_three_errors_on() -> None:
    assert _state(3, [0] * K) == "NEW"
    assert _state(2, [0] * K) == "steady"
    early: dict[str, object] = {"first_seen": [50.0, 1, 1, 1], "window_start": 100.0}
    assert _state(3, [0] * K, **early) != "NEW"


def test_rising_fading_gone_and_steady_types_are_told_apart() -> None:
    base = [50.0, 46, 54, 49, 51, 47, 53, 50]
    assert _state(200, base) == "rising"
    assert _state(4, base) == "fading"
    assert _state(0, base) == "gone"
    assert _state(56, base) == "steady"


def test_a_type_that_always_comes_in_clumps_is_not_rising() -> None:
    assert _state(100, [5.0, 160, 2, 40, 90, 1, 20, 82]) == "steady"
    assert _state(100, [50.0, 46, 54, 49, 51, 47, 53, 50]) == "rising"


def test_more_traffic_alone_is_no_rise() -> None:
    windows = np.full((K, 3), 50.0)
    same_rate = classify_errors([150, 150, 150], windows, 30_000, [10_000] * K)
    assert {row.state for row in same_rate} == {"steady"}
    assert same_rate[0].per_1k_live == pytest.approx(same_rate[0].per_1k_base)
    assert same_rate[0].ratio == pytest.approx(1)
    assert classify_errors([150, 150, 150], windows, 10_000, [10_000] * K)[0].state == "rising"


def test_half_of_the_errors_in_one_bucket_is_a_burst() -> None:
    buckets = np.zeros((10, 4))
    buckets[3, 0], buckets[5, 0], buckets[:, 1:] = 30, 20, 4
    base = [50.0, 46, 54, 49, 51, 47, 53, 50]
    assert _state(50, base, buckets=buckets) == "burst"
    assert _state(50, base, buckets=np.full((10, 4), 5.0)) == "steady"


def test_without_reference_traffic_nothing_is_claimed() -> None:
    got = classify_errors([500], np.zeros((2, 1)), 1000, [0, 0])
    assert (got[0].state, got[0].q, got[0].per_1k_live) == ("steady", 1.0, 500.0)


def test_quiet_refreshes_of_sixty_clumpy_types_are_rarely_flagged() -> None:
    rng = np.random.default_rng(5)
    means = rng.lognormal(2.5, 1.5, 60)
    flagged = 0
    for _ in range(40):
        rates = rng.gamma(10, 0.1, (K + 1, 60)) * means
        counts = rng.poisson(rates)
        states = [row.state for row in classify_errors(counts[0], counts[1:], 1e5, [1e5] * K)]
        flagged += any(state != "steady" for state in states)
    assert flagged <= 6


@given(
    st.lists(st.integers(0, 200), min_size=3, max_size=3),
    st.lists(st.lists(st.integers(0, 100), min_size=3, max_size=3), min_size=1, max_size=8),
    st.permutations(range(3)),
)
def test_states_do_not_depend_on_the_order_of_types(
    live: list[int], windows: list[list[int]], order: list[int]
) -> None:
    one = classify_errors(live, windows, 1000, [1000] * len(windows))
    other = classify_errors(np.array(live)[order], np.array(windows)[:, order], 1000, [1000] * len(windows))
    assert [one[i].state for i in order] == [row.state for row in other]
    assert all(0 <= row.q <= 1 for row in one)
