"""How much of a latency rise the latency of a dependency explains: means add up, percentiles do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.answer import Signal
from analysis.dependencies import call_gauges, latency_share, split_calls, with_latency_shares
from analysis.detect import detect
from analysis.evidence import Histogram, LogEvidence, NumericBins, Series
from analysis.gauges import Reading, readings
from analysis.infra import infra_cases
from analysis.merging import merge_logs
from analysis.view import View
from tests.evidence import FRAME, ONSET, Model, Over, after, evidence, gauge, model_logs, steady

CALLS_PER_BUCKET = 1_200.0
"""One per request at twenty a second."""


def latency(mean_ms: Over) -> Histogram:
    """A model whose mean latency is given exactly."""
    traffic = model_logs(Model()).traffic
    assert traffic is not None
    held = traffic.latency
    assert held is not None
    n = held.n.sum(axis=2)
    return replace(held, total=n * np.array([[mean_ms(float(t))] for t in held.t]))


def gauges(dependency_ms: Over, calls: float = CALLS_PER_BUCKET) -> tuple[Series, ...]:
    return (
        gauge("dependency_latency", dependency_ms, unit="ms", noise=0.5, model="shop", dependency="features"),
        gauge("dependency_requests", steady(calls), unit="req", model="shop", dependency="features"),
    )


def share(dependency_ms: Over, mean_ms: Over, calls: float = CALLS_PER_BUCKET) -> float | None:
    slower, called = _read(dependency_ms, calls)
    return latency_share(slower, called, latency(mean_ms), "shop", FRAME)


def _read(dependency_ms: Over, calls: float) -> tuple[Reading, Reading]:
    slower, called = readings(gauges(dependency_ms, calls), FRAME)
    return slower, called


def test_a_rise_that_is_all_the_dependencys_is_explained_wholly() -> None:
    assert share(after(ONSET, 110.0, 10.0), after(ONSET, 180.0, 80.0)) == pytest.approx(1.0, rel=0.05)


def test_half_a_rise_is_explained_by_half() -> None:
    assert share(after(ONSET, 60.0, 10.0), after(ONSET, 180.0, 80.0)) == pytest.approx(0.5, rel=0.05)


def test_calls_per_request_count() -> None:
    half = share(after(ONSET, 110.0, 10.0), after(ONSET, 180.0, 80.0), CALLS_PER_BUCKET / 2)
    assert half == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("dependency_ms", "mean_ms"),
    [
        (after(ONSET, 110.0, 10.0), steady(80.0)),  # latency did not rise
        (after(ONSET, 12.0, 10.0), after(ONSET, 82.0, 80.0)),  # by too little to be sure
        (steady(10.0), after(ONSET, 180.0, 80.0)),  # the dependency is as fast as ever
    ],
)
def test_without_a_sure_rise_of_both_nothing_is_explained(dependency_ms: Over, mean_ms: Over) -> None:
    told = share(dependency_ms, mean_ms)
    assert told is None or told < 0.05


def test_the_finding_of_the_dependency_says_its_part() -> None:
    held = readings(gauges(after(ONSET, 110.0, 10.0)), FRAME)
    cases = infra_cases(held, FRAME)
    (told,) = with_latency_shares(cases, held, {"shop": latency(after(ONSET, 180.0, 80.0))}, FRAME)
    assert told.finding.title.endswith("% of the latency rise")
    assert told.finding.key == cases[0].finding.key
    (plain,) = with_latency_shares(cases, held, {}, FRAME)
    assert plain == cases[0]


def logged(seconds: Over) -> Histogram:
    """A wait of every request of the model, as a store counts it."""
    traffic = model_logs(Model()).traffic
    assert traffic is not None
    n = traffic.requests.n.sum(axis=1)[:, None]
    none, total = np.zeros_like(n), n * np.array([[seconds(float(t))] for t in traffic.requests.t])
    bins = NumericBins((-np.inf, 0.0, np.inf))
    return Histogram(traffic.requests.t, FRAME.step, (("shop",),), bins, np.stack([none, n], axis=2), none, none, total)


def test_waits_in_the_rows_are_judged_as_those_of_metrics() -> None:
    inputs, calls = split_calls(
        {"fs_s": logged(after(ONSET, 0.11, 0.01)), "amount": logged(steady(1.0))}, {"fs_s": ("features", 1_000.0)}
    )
    assert inputs.keys() == {"amount"}
    assert calls is not None
    known = model_logs(Model())
    assert known.traffic is not None
    rows = replace(
        known, calls=calls, features={}, traffic=replace(known.traffic, latency=latency(after(ONSET, 180.0, 80.0)))
    )
    found = detect(evidence(rows), View(), FRAME, float(FRAME.live.end), threshold=0.6)
    (told,) = (case.finding for case in found.cases if case.finding.signal is Signal.DEPENDENCY)
    assert (told.model, told.subject) == ("shop", "features")
    assert told.title == "features latency 10ms -> 110ms x11, ~100% of the latency rise"


def test_what_metrics_say_of_a_dependency_is_not_said_twice() -> None:
    _, calls = split_calls({"fs_s": logged(steady(0.01))}, {"fs_s": ("features", 1_000.0)})
    assert calls is not None
    assert [series.metric for series in call_gauges(calls)] == ["dependency_latency", "dependency_requests"]
    assert call_gauges(calls, readings(gauges(steady(10.0)), FRAME)) == ()


def test_waits_of_two_columns_and_two_stores_add_up() -> None:
    columns = {"a_ms": logged(steady(2.0)), "b_s": logged(steady(0.004))}
    _, calls = split_calls(columns, {"a_ms": ("db", 1.0), "b_s": ("db", 1_000.0)})
    assert calls is not None
    twice = merge_logs(LogEvidence(calls=calls), LogEvidence(calls=calls)).calls
    assert twice is not None
    (mean, requests) = call_gauges(twice)
    assert mean.v == pytest.approx(3.0)
    assert requests.v == pytest.approx(2 * 2 * columns["a_ms"].n.sum(axis=(1, 2)))
