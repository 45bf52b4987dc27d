"""Errors of other kinds, as many as before: told where it is real and large, and silent about clumps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import PanelStatus, Severity, State
from analysis.cases import Case
from analysis.distances import g_statistic
from analysis.error_mix import mix_change
from analysis.errors import error_cases, errors_panel
from analysis.filters import Eq
from analysis.special import chi2_sf
from tests.evidence import FRAME, NEWEST, ONSET, Model, after, listed, model_logs, steady
from tests.vectors import vector


def test_g_equals_scipys_and_the_handbooks() -> None:
    i, expected = vector("tests.chi2_g")
    g, df = g_statistic(i["live"], i["baseline"])
    assert float(g) == pytest.approx(expected["G"])
    assert float(chi2_sf(g, df)) == pytest.approx(expected["p_G"])
    # McDonald, Handbook of Biological Statistics, "G-test of independence": G = 7.30, 2 d.f., P = 0.026.
    g, df = g_statistic([268, 199, 42], [807, 759, 184])
    assert (round(float(g), 2), float(df), round(float(chi2_sf(g, df)), 3)) == (7.30, 2.0, 0.026)


@given(st.lists(st.integers(0, 300), min_size=2, max_size=8), st.integers(1, 9))
def test_the_same_mix_has_no_g_however_many_errors_there_are(counts: list[int], times: int) -> None:
    g, _ = g_statistic(counts, [count * times for count in counts])
    assert float(g) == pytest.approx(0.0, abs=1e-6)


def test_a_moved_mix_is_real_large_and_names_the_kind_that_grew() -> None:
    windows = np.tile([60.0, 30.0, 10.0], (8, 1)) + np.arange(8.0)[:, None] % 3
    change = mix_change(np.array([25.0, 65.0, 10.0]), windows)
    assert change is not None
    assert change.matters
    assert change.grown == 1
    assert change.moved == pytest.approx(0.35 - 0.05, abs=0.04)


def test_too_few_errors_or_one_kind_say_nothing_of_the_mix() -> None:
    assert mix_change(np.array([20.0, 20.0]), np.full((8, 2), 40.0)) is None
    assert mix_change(np.array([200.0]), np.full((8, 1), 200.0)) is None
    assert mix_change(np.array([200.0, 0.0]), np.tile([200.0, 0.0], (8, 1))) is None


def test_kinds_that_come_in_clumps_are_no_change_of_the_mix() -> None:
    """The mix of every reference window is as far from the mean as the live one's."""
    rng = np.random.default_rng(7)
    told = 0
    for _ in range(300):
        shares = rng.dirichlet([3.0, 3.0, 3.0, 3.0], size=9)
        counts = np.array([rng.multinomial(200, share) for share in shares], dtype=float)
        change = mix_change(counts[0], counts[1:])
        told += change is not None and change.matters
    assert told <= 3


def cases_of(model: Model) -> list[Case]:
    logs = model_logs(model)
    assert logs.traffic is not None
    return error_cases(logs.errors, logs.traffic, FRAME, NEWEST, "shop")


def test_a_change_of_the_mix_alone_is_listed_as_information() -> None:
    onset = FRAME.live.start + 60
    shares = {"a": 0.0018, "b": 0.0018, "c": 0.0056, "d": 0.0056}
    errors = {name: after(onset, share, 0.004) for name, share in shares.items()}
    swapped = Model(rate=steady(60.0), clumping=0.2, errors=errors)
    (case,) = cases_of(swapped)
    finding = case.finding
    assert finding.check == "mix"
    assert finding.severity is Severity.INFO
    assert finding.title.startswith("error mix changed: ")
    assert finding.title.endswith("of errors, as many in all")
    assert case.outcome in (Eq("error_type", "c"), Eq("error_type", "d"))
    assert finding.n > 50


def test_a_kind_that_rises_is_told_itself_and_not_as_a_mix() -> None:
    found = cases_of(Model(errors={"timeout": after(ONSET, 0.08, 0.002), "oom": steady(0.002)}))
    assert [case.finding.subject for case in found] == ["timeout"]


@pytest.mark.parametrize("seed", range(10))
def test_a_quiet_day_has_no_change_of_the_mix(seed: int) -> None:
    logs = model_logs(Model(rate=steady(60.0), clumping=0.4, errors={n: steady(0.004) for n in "abcd"}), seed=seed)
    assert logs.traffic is not None
    assert [listed(case) for case in error_cases(logs.errors, logs.traffic, FRAME, NEWEST, "shop")] == []
    panel = errors_panel(logs.errors, logs.traffic, FRAME, "shop", PanelStatus(State.LIVE))
    assert panel.mix == "mix holds"
