"""Data-quality checks: what fires, and what looks like it and must not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.evidence import OTHER, UNSEEN, CategoryBins, NumericBins
from analysis.quality import (
    clipping,
    constant,
    null_rate,
    out_of_range,
    quality_checks,
    unit_change,
    unseen_category,
)

BINS = NumericBins((-math.inf, 0.0, 1.0, 2.0, 3.0, math.inf), reference=True)
STEADY = np.array([1.0, 300, 400, 298, 1])


def test_more_nulls_fire_with_both_rates_and_the_difference_in_points() -> None:
    found = null_rate(120, 1000, [20, 22, 18, 19, 21, 20, 23, 17], [1000] * 8)
    assert found is not None
    assert (found.check, found.now, found.baseline) == ("null_rate", 0.12, 0.02)
    assert found.effect_pp == pytest.approx(10)
    assert found.p < 1e-3


@pytest.mark.parametrize(
    ("nulls", "n", "windows", "why"),
    [
        (24, 1000, [20] * 8, "a small difference at this size"),
        (2_300, 100_000, [2_000] * 8, "real, but not by half a point"),
        (12_000, 100_000, [10_000] * 8, "real and two points, but not by a factor of 1.5"),
        (100, 1000, [0, 95, 4, 120, 0, 88, 3, 60], "windows that swing as far themselves"),
    ],
)
def test_nulls_within_the_noise_or_below_the_floor_are_quiet(nulls: int, n: int, windows: list[int], why: str) -> None:
    assert null_rate(nulls, n, windows, [n] * 8) is None, why


def test_values_beyond_the_baseline_range_fire_on_a_rise_only() -> None:
    found = out_of_range(30, 1000, [2] * 8, [1000] * 8)
    assert found is not None
    assert found.baseline == pytest.approx(0.002)
    assert out_of_range(4, 1000, [2] * 8, [1000] * 8) is None
    assert out_of_range(0, 1000, [30] * 8, [1000] * 8) is None


def test_unseen_values_need_three_rows_a_share_and_evidence() -> None:
    assert unseen_category(60, 1000, 0, 8000) is not None
    assert unseen_category(2, 100, 0, 8000) is None
    assert unseen_category(15, 10_000, 0, 80_000) is None
    assert unseen_category(3, 1000, 0, 1000) is None
    assert unseen_category(60, 1000, 480, 8000) is None


def test_a_feature_that_sticks_is_constant_and_one_that_always_was_is_not() -> None:
    stuck = np.array([0.0, 2, 97, 1, 0])
    found = constant(stuck, STEADY, BINS)
    assert found is not None
    assert (found.now, found.baseline) == (0.97, 0.4)
    assert constant(stuck, stuck * 8, BINS) is None
    assert constant(np.array([0.0, 0, 20, 0, 0]), STEADY, BINS) is None
    assert constant(np.array([0.0, 0, 0, 0, 500]), STEADY, BINS) is None


def test_each_kind_of_feature_gets_the_checks_that_apply_to_it() -> None:
    windows = np.tile(STEADY, (8, 1))
    assert quality_checks(STEADY, 10, windows, [10] * 8, BINS) == []
    beyond = quality_checks(np.array([0.0, 150, 200, 150, 500]), 10, windows, [10] * 8, BINS)
    assert [check.check for check in beyond] == ["out_of_range"]
    category = CategoryBins(("a", "b", OTHER, UNSEEN))
    table = np.tile([500.0, 400, 100, 0], (8, 1))
    new = quality_checks([450, 380, 90, 80], 200, table, [10] * 8, category)
    assert [check.check for check in new] == ["null_rate", "unseen_category"]


def test_values_piled_up_at_a_limit_are_clipped() -> None:
    bins = NumericBins((-math.inf, 0.0, 1.0, 2.0, 3.0, math.inf))
    windows = np.tile([50.0, 200, 400, 250, 100], (8, 1))
    cut = np.array([50.0, 200, 400, 350, 0])
    found = clipping(cut, windows, bins)
    assert found is not None
    assert (found.check, found.now, found.baseline) == ("clipping", 0.35, 0.25)
    assert found.effect_pp == pytest.approx(10)
    assert clipping(cut / 20, windows, bins) is None, "too few rows to be sure"
    assert clipping(np.array([100.0, 250, 450, 200, 0]), windows, bins) is None, "moved down, not piled up"


def test_a_usual_change_of_unit_is_a_fault_of_quality_and_another_factor_is_not() -> None:
    edges = (-math.inf, *(float(e) for e in np.geomspace(0.1, 1e6, 141)), math.inf)
    values = np.random.default_rng(5).lognormal(2, 0.6, 20_000)
    base = np.histogram(values, edges)[0].astype(float)

    def checked(times: float, p: float = 1e-9) -> float | None:
        live = np.histogram(values * times, edges)[0].astype(float)
        found = unit_change(live, base, NumericBins(edges), p, mean=None, mean_baseline=None)
        return None if found is None else found.effect_pp

    thousand = checked(1_000)
    assert thousand is not None
    assert thousand > 90
    assert checked(1.75) is None
    assert checked(1_000, p=0.2) is None
