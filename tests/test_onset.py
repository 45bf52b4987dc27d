"""Change points against ruptures, and onsets of steps, ramps, recoveries and of quiet correlated noise."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.onset import Onset, onset, onsets, op_l2, standardise, start_of_change
from tests.vectors import vector

T = 240
Array = NDArray[np.float64]


def _noise(rng: np.random.Generator, phi: float, rows: int, length: int = T) -> Array:
    shocks = rng.normal(size=(rows, length + 60)) * math.sqrt(1 - phi * phi)
    out = np.zeros_like(shocks)
    for i in range(1, length + 60):
        out[:, i] = phi * out[:, i - 1] + shocks[:, i]
    return out[:, 60:]


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("onset.op_l2_step", lambda t: np.where(t < 70, 0, 1.6)),
        ("onset.op_l2_bump", lambda t: 2.0 * ((t >= 40) & (t < 60))),
        ("onset.op_l2_none", lambda t: 0.0 * t),
    ],
)
def test_change_points_equal_those_of_pelt(name: str, level: object) -> None:
    i, expected = vector(name)
    t = np.arange(120)
    series = level(t) + 0.8 * np.sin(1.7 * t) + 0.5 * np.cos(2.9 * t)  # type: ignore[operator]
    assert op_l2(series, i["penalty"], i["min_seg"]) == [expected]


@given(st.lists(st.floats(-5, 5), min_size=12, max_size=40), st.floats(0.5, 20))
def test_the_partition_costs_no_more_than_any_single_split(values: list[float], penalty: float) -> None:
    z = np.array(values)

    def cost(changes: list[int]) -> float:
        bounds = [0, *changes, len(z)]
        parts = [z[a:b] for a, b in pairwise(bounds)]
        return sum(float(((part - part.mean()) ** 2).sum()) for part in parts) + penalty * len(changes)

    found = op_l2(z, penalty)[0]
    rivals = [[], *([i] for i in range(3, len(z) - 2))]
    assert cost(found) <= min(cost(rival) for rival in rivals) + 1e-6


def test_a_batch_of_series_is_partitioned_as_each_alone() -> None:
    rng = np.random.default_rng(4)
    series = rng.normal(size=(6, 80)) + np.where(np.arange(80) > 50, 2, 0)
    assert op_l2(series, 9.0) == [op_l2(row, 9.0)[0] for row in series]


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_a_step_is_dated_to_the_minute_and_quiet_correlated_noise_is_not_dated(phi: float) -> None:
    rng = np.random.default_rng(int(phi * 10))
    quiet, stepped = _noise(rng, phi, 40), _noise(rng, phi, 40)
    stepped[:, 180:] += 6
    references = [_noise(rng, phi, 7) for _ in range(40)]
    assert sum(found is not None for found in onsets(list(quiet), references)) <= 2
    found = [one for one in onsets(list(stepped), references) if one is not None]
    assert len(found) == 40
    assert np.mean([abs(one.index - 180) <= 2 for one in found]) >= 0.95
    assert np.mean([one.low <= 180 <= one.high for one in found]) >= 0.9


def test_the_start_of_a_ramp_is_its_foot_and_not_its_middle() -> None:
    rng = np.random.default_rng(2)
    rows, references = _noise(rng, 0.3, 20), [_noise(rng, 0.3, 7) for _ in range(20)]
    rows += 8 * np.clip((np.arange(T) - 150) / 36, 0, 1)
    found = [one for one in onsets(list(rows), references) if one is not None]
    assert len(found) == 20
    assert np.median([abs(one.index - 150) for one in found]) <= 5


def test_a_recovered_incident_keeps_its_start() -> None:
    rng = np.random.default_rng(6)
    row = _noise(rng, 0.3, 1)[0]
    row[120:150] += 6
    got = onset(row, _noise(rng, 0.3, 7))
    assert got is not None
    assert abs(got.index - 120) <= 2


def test_a_seasonal_reference_explains_a_daily_shape() -> None:
    rng = np.random.default_rng(8)
    shape = 10 * np.sin(np.arange(T) / T * 2 * np.pi)
    history = _noise(rng, 0.3, 7) + shape
    today = _noise(rng, 0.3, 1)[0] + shape
    assert onset(today, history) is None
    today[200:] += 6
    got = onset(today, history)
    assert got is not None
    assert abs(got.index - 200) <= 2


def test_gaps_are_no_change_and_the_index_counts_them() -> None:
    rng = np.random.default_rng(9)
    row = _noise(rng, 0.0, 1)[0]
    row[50:90] = np.nan
    row[180:] += 6
    history = _noise(rng, 0.0, 7)
    history[2, 10:60] = np.nan
    history[:, 100] = np.nan
    got = onset(row, history)
    assert got is not None
    assert abs(got.index - 180) <= 1


def test_a_single_spike_is_no_onset() -> None:
    rng = np.random.default_rng(10)
    row = _noise(rng, 0.0, 1)[0]
    row[130] += 40
    assert onset(row, _noise(rng, 0.0, 7)) is None


def test_without_a_reference_no_onset_is_claimed() -> None:
    row = np.r_[np.zeros(100), np.ones(100) * 9]
    assert onset(row, np.zeros((0,))) is None
    assert onset(row, np.array([1.0, 2.0])) is None
    assert onset(np.ones(4), np.arange(100.0)) is None
    assert standardise(row, np.full(50, np.nan)) is None


def test_values_in_noise_units_are_dated_directly() -> None:
    rng = np.random.default_rng(12)
    z = rng.normal(size=100)
    assert start_of_change(z) is None
    z[:] = rng.normal(size=100) + 5
    assert start_of_change(z) == Onset(0, 0, 0)
    flat = rng.normal(size=60) * 0.1
    constant_reference = onset(np.r_[np.zeros(60), np.full(40, 3.0)] + 7, np.full(60, 7.0))
    assert constant_reference is not None
    assert constant_reference.index == 60
    assert onset(flat, rng.normal(size=300)) is None


NILE = (
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
    831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
    781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
    744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
)  # fmt: skip
"""Annual flow of the Nile at Aswan, 1871 to 1970, in 10^8 cubic metres (Cobb 1978)."""


def test_the_flow_of_the_nile_changed_in_1899() -> None:
    inputs, expected = vector("onset.nile")
    flow = np.array(NILE, dtype=float)
    z = (flow - flow.mean()) / flow.std()
    assert len(flow) == 100
    assert op_l2(z[None], np.array([inputs["penalty"]])) == [expected["change"]]
    assert 1871 + expected["change"][0] == expected["year"]
