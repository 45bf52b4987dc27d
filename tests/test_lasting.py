"""What is over, and what comes and goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.lasting import OVER, interruption, rate_is_over, share_is_over, without_interruption


def test_a_busy_model_shows_in_one_bucket_that_the_usual_share_is_back_and_a_quiet_one_needs_more() -> None:
    slow, usual = [50.0, 50.0, 50.0], [10.0]
    assert share_is_over(np.array(slow + usual), np.full(4, 1_000.0), 0.01, 0.05, 5)
    assert not share_is_over(np.array(slow), np.full(3, 1_000.0), 0.01, 0.05, 5)
    assert not share_is_over(np.array([1.0, 1.0, 0.0]), np.full(3, 20.0), 0.01, 0.05, 5)
    assert share_is_over(np.zeros(5), np.full(5, 20.0), 0.01, 0.05, 5)


def test_what_is_over_is_decided_by_the_newest_buckets_alone() -> None:
    assert share_is_over(np.array([500.0, 10.0]), np.full(2, 1_000.0), 0.01, 0.05, 5)
    assert not share_is_over(np.array([10.0] * 5 + [50.0] * 5), np.full(10, 1_000.0), 0.01, 0.05, 5)


@pytest.mark.parametrize(("before", "now"), [(0.0, 0.5), (0.5, 1.0), (1.0, 0.2)])
def test_a_share_of_none_or_all_is_a_share_too(before: float, now: float) -> None:
    rows = np.full(5, 100.0)
    assert share_is_over(before * rows, rows, before, now, 5)
    assert not share_is_over(now * rows, rows, before, now, 5)


def test_a_change_that_goes_on_is_seldom_called_over() -> None:
    """At most one in twenty by the likelihood ratio's own bound, whatever the number of rows (Ville 1939)."""
    assert pytest.approx(20) == np.exp(OVER)
    rng = np.random.default_rng(3)
    for rows in (30.0, 300.0, 3_000.0):
        hits = rng.binomial(int(rows), 0.03, (2_000, 5)).astype(float)
        over = [share_is_over(k, np.full(5, rows), 0.01, 0.03, 5) for k in hits]
        assert np.mean(over) <= 0.05


def test_traffic_is_back_when_two_buckets_are_nearer_to_what_is_usual() -> None:
    assert rate_is_over(np.array([30.0, 30.0, 100.0, 100.0]), 100.0, 30.0)
    assert not rate_is_over(np.array([100.0, 30.0, 30.0]), 100.0, 30.0)
    assert rate_is_over(np.array([300.0, 100.0, 110.0]), 100.0, 300.0)
    assert not rate_is_over(np.array([100.0, 300.0, 280.0]), 100.0, 300.0)
    assert not rate_is_over(np.zeros(0), 100.0, 300.0)


def test_an_interruption_is_four_minutes_and_never_less_than_a_bucket() -> None:
    assert [interruption(step) for step in (60, 120, 300)] == [4, 2, 1]


@given(st.lists(st.floats(-100, 100), max_size=30), st.integers(1, 4))
def test_what_is_taken_out_is_the_worst_stretch_and_more_than_it_is_left(excess: list[float], buckets: int) -> None:
    kept = without_interruption(np.array(excess), buckets)
    if kept is None:
        assert len(excess) <= 2 * buckets
        return
    out = np.flatnonzero(~kept)
    assert list(out) == list(range(out[0], out[0] + buckets))
    taken = np.array(excess)[out].sum()
    assert all(taken >= sum(excess[i : i + buckets]) - 1e-6 for i in range(len(excess) - buckets + 1))
