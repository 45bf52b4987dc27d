"""One scale for all signals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import Finding, Severity, Signal
from analysis.proportions import share_test
from analysis.ranking import Z, lower_bound, ranked, severity, share_bound, standard_error, weighted
from tests.vectors import vector

effects = st.floats(-50, 50)
errors = st.floats(0, 50)
units = st.floats(0.001, 5)


def finding(signal: Signal, level: Severity, score: float, onset: float | None = None, model: str = "m") -> Finding:
    return Finding(signal, model, level, "title", 1.0, score, 10, 10, onset=onset)


def test_the_lower_bound_is_the_one_that_was_simulated() -> None:
    given_, expected = vector("rank.lower_bound")
    bounds = [lower_bound(e, se, 1.0) for e, se in zip(given_["effect_in_units"], given_["total_se"], strict=True)]
    assert given_["z"] == Z
    assert bounds == pytest.approx(expected, abs=1e-9)


@given(effects, effects, errors, units)
def test_a_larger_effect_never_has_a_lower_bound(a: float, b: float, error: float, unit: float) -> None:
    small, large = sorted((a, b), key=abs)
    assert lower_bound(small, error, unit) <= lower_bound(large, error, unit)


@given(effects, errors, errors, units)
def test_more_noise_never_raises_the_bound(effect: float, a: float, b: float, unit: float) -> None:
    assert lower_bound(effect, max(a, b), unit) <= lower_bound(effect, min(a, b), unit)


@given(effects, errors, units)
def test_the_bound_lies_between_nothing_and_the_effect(effect: float, error: float, unit: float) -> None:
    assert 0 <= lower_bound(effect, error, unit) <= abs(effect) / unit


@pytest.mark.parametrize("effect", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_has_no_bound(effect: float) -> None:
    assert lower_bound(effect, 1.0, 1.0) == 0
    assert lower_bound(1.0, math.inf, 1.0) == 0


@given(st.lists(st.floats(-10, 10), max_size=12), st.floats(0, 10), units)
def test_the_standard_error_is_at_least_the_shrunk_sampling_error(
    history: list[float], sampling: float, unit: float
) -> None:
    error = standard_error(history, sampling, unit)
    floor = max(sampling, 0.05 * unit)
    assert error >= floor * math.sqrt(4 / (len(history) + 4)) * (1 - 1e-12)
    assert error <= math.sqrt(max(floor, float(np.std(history, ddof=1)) if len(history) > 1 else 0) ** 2) * (1 + 1e-9)


def test_the_standard_error_of_a_worked_example() -> None:
    assert standard_error([1.0, -1.0, 1.0, -1.0], 0.5, 1.0) == pytest.approx(math.sqrt((4 * 4 / 3 + 4 * 0.25) / 8))


def test_one_reference_window_promises_no_certainty() -> None:
    assert standard_error([0.0], 0.5, 1.0) == standard_error([], 0.5, 1.0) == 0.5
    assert standard_error([math.nan, 0.0], 0.5, 1.0) == 0.5


def test_a_share_is_bounded_by_the_spread_of_its_reference_windows() -> None:
    n = np.full(8, 1_000.0)
    calm, restless = np.full(8, 10.0), np.array([0.0, 20.0] * 4)
    assert calm.sum() == restless.sum()
    bounds = [share_bound(share_test(60, 1_000, hits, n), hits, n, 0.01) for hits in (calm, restless)]
    assert bounds[0] > bounds[1] > 0
    empty = np.zeros(8)
    assert share_bound(share_test(60, 1_000, empty, empty), empty, empty, 0.01) == 0


@pytest.mark.parametrize(
    ("signal", "bound", "level"),
    [
        (Signal.LATENCY, 0.9, Severity.INFO), (Signal.LATENCY, 1.0, Severity.WARNING),
        (Signal.LATENCY, 3.0, Severity.CRITICAL), (Signal.FEATURE, 30.0, Severity.WARNING),
        (Signal.CONFIDENCE, 30.0, Severity.WARNING), (Signal.DEPENDENCY, 3.0, Severity.CRITICAL),
    ],
)  # fmt: skip
def test_only_what_users_feel_can_be_critical(signal: Signal, bound: float, level: Severity) -> None:
    assert severity(signal, bound) is level


def test_the_list_is_ordered_by_urgency_then_score_then_onset() -> None:
    findings = [
        finding(Signal.FEATURE, Severity.WARNING, 3.0),
        finding(Signal.ERROR, Severity.CRITICAL, 4.5, 200.0, "late"),
        finding(Signal.ERROR, Severity.CRITICAL, 4.5, 100.0, "early"),
        finding(Signal.ERROR, Severity.CRITICAL, 4.5, None, "never"),
        finding(Signal.LATENCY, Severity.CRITICAL, 9.0),
        finding(Signal.INFRA, Severity.INFO, 0.4),
        finding(Signal.VERSION, Severity.INFO, 0.1),
    ]
    order = [(f.signal, f.model) for f in ranked(findings)]
    assert order == [
        (Signal.LATENCY, "m"), (Signal.ERROR, "early"), (Signal.ERROR, "late"), (Signal.ERROR, "never"),
        (Signal.FEATURE, "m"), (Signal.VERSION, "m"),
    ]  # fmt: skip


def test_a_symptom_leads_a_cause_of_the_same_size() -> None:
    assert weighted(Signal.LATENCY, 2.0) > weighted(Signal.FEATURE, 2.0)
