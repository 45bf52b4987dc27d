"""Corrections for many tests against statsmodels and against what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.multiple import benjamini_hochberg, cauchy_combine
from tests.vectors import vector

p_values = st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=30)


def test_q_values_match_statsmodels() -> None:
    i, expected = vector("multi.bh")
    np.testing.assert_allclose(benjamini_hochberg(i["p"]), expected["q"], rtol=1e-12)


def test_the_cauchy_combination_matches_its_formula() -> None:
    i, expected = vector("combine.cauchy")
    assert float(cauchy_combine(i["p"])) == pytest.approx(expected, rel=1e-9)


def test_a_missing_test_changes_nothing() -> None:
    assert benjamini_hochberg([0.01, math.nan, 0.04]).tolist()[::2] == pytest.approx([0.02, 0.04])
    assert float(cauchy_combine([0.001, math.nan, 0.2])) == pytest.approx(float(cauchy_combine([0.001, 0.2])))
    assert math.isnan(float(cauchy_combine([math.nan])))
    assert math.isnan(benjamini_hochberg([math.nan])[0])


def test_a_vanishing_p_value_survives_the_combination() -> None:
    assert float(cauchy_combine([1e-200, 0.5])) == pytest.approx(2e-200, rel=1e-9)


@given(p_values)
def test_q_values_never_fall_below_p_and_keep_its_order(p: list[float]) -> None:
    q = benjamini_hochberg(p)
    assert (q >= np.array(p) - 1e-15).all()
    assert (q <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(q[order]) >= -1e-15).all()


@given(p_values)
def test_a_combination_of_equal_values_is_that_value(p: list[float]) -> None:
    value = min(p[0], 0.999)
    assert float(cauchy_combine([value] * 5)) == pytest.approx(value, rel=1e-6)
    assert 0 <= float(cauchy_combine(p)) <= 1
