"""Where latency begins to climb with load: found in a queue, and not in noise, in a fault, or where no load lies."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.answer import Severity, Signal
from analysis.knee import knee, with_knee
from analysis.latency import latency_case
from analysis.traffic import rate_case
from analysis.triage import evaluate
from analysis.view import View
from tests.evidence import FRAME, NEWEST, NOW, ONSET, Model, evidence, model_logs

Floats = NDArray[np.float64]


def queue(rate: Floats, capacity: float, noise: float, seed: int = 1) -> Floats:
    """Flat up to the capacity, then climbing with the load, as a server that queues behind a fixed pool does."""
    rng = np.random.default_rng(seed)
    over = np.maximum(0.0, np.log(rate / capacity))
    return 40.0 * np.exp(4.0 * over) * np.exp(rng.normal(0, noise, len(rate)))


def loads(low: float, high: float, n: int = 270, seed: int = 2) -> Floats:
    return np.random.default_rng(seed).uniform(low, high, n)


@pytest.mark.parametrize("seed", range(8))
def test_the_knee_of_a_queue_is_found_within_a_tenth(seed: int) -> None:
    rate = loads(200, 600, seed=seed)
    found = knee(rate, queue(rate, 420.0, 0.05, seed))
    assert found is not None
    assert found.rate == pytest.approx(420.0, rel=0.1)
    assert found.low <= found.rate <= found.high
    assert found.climb > 2


def test_the_load_of_the_last_buckets_is_beyond_it_or_not() -> None:
    rate = loads(200, 600)
    rate[-5:] = 580.0
    over = knee(rate, queue(rate, 420.0, 0.05))
    rate[-5:] = 300.0
    under = knee(rate, queue(rate, 420.0, 0.05))
    assert over is not None
    assert under is not None
    assert over.beyond
    assert not under.beyond
    assert over.now == pytest.approx(580.0)
    assert over.words.startswith("~4")


@pytest.mark.parametrize("seed", range(20))
def test_latency_that_does_not_depend_on_load_has_no_knee(seed: int) -> None:
    rate = loads(200, 600, seed=seed)
    assert knee(rate, queue(rate, 1e9, 0.2, seed)) is None


@pytest.mark.parametrize("seed", range(10))
def test_latency_that_grows_evenly_with_load_has_no_knee(seed: int) -> None:
    rate = loads(200, 600, seed=seed)
    rng = np.random.default_rng(seed)
    assert knee(rate, 0.1 * rate * np.exp(rng.normal(0, 0.1, len(rate)))) is None


@pytest.mark.parametrize("seed", range(10))
def test_a_fault_that_falls_together_with_more_load_is_a_step_and_no_knee(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rate = np.concatenate([rng.uniform(280, 320, 240), rng.uniform(560, 640, 30)])
    latency = np.where(np.arange(270) < 240, 40.0, 160.0) * np.exp(rng.normal(0, 0.08, 270))
    assert knee(rate, latency) is None


def test_too_few_buckets_and_gaps_say_nothing() -> None:
    rate = loads(200, 600, 30)
    assert knee(rate, queue(rate, 420.0, 0.05)) is None
    assert knee(np.full(270, np.nan), np.full(270, np.nan)) is None
    assert knee(np.zeros(270), np.full(270, 40.0)) is None


def test_one_load_alone_has_no_knee() -> None:
    assert knee(np.full(270, 300.0), queue(np.full(270, 300.0), 420.0, 0.05)) is None


@given(st.floats(0.1, 100.0), st.floats(0.1, 100.0))
def test_the_knee_moves_with_the_units_of_its_axes(per_s: float, per_ms: float) -> None:
    rate = loads(200, 600)
    latency = queue(rate, 420.0, 0.05)
    plain, scaled = knee(rate, latency), knee(rate * per_s, latency * per_ms)
    assert plain is not None
    assert scaled is not None
    assert scaled.rate == pytest.approx(plain.rate * per_s)
    assert scaled.climb == pytest.approx(plain.climb, rel=1e-4)


def test_the_rate_finding_says_that_the_load_is_beyond_the_knee() -> None:
    """A model whose median climbs with its rate, and a surge above it."""
    wave = 2 * math.pi / 7_200

    def load(t: float) -> float:
        usual = 40.0 + 12.0 * math.sin(wave * t)
        return 300.0 if t >= ONSET else usual

    def median(t: float) -> float:
        return 40.0 * max(1.0, load(t) / 45.0) ** 3

    snapshot, _ = evaluate(evidence(model_logs(Model(rate=load, median_ms=median))), View(), FRAME, NOW, threshold=0.6)
    (rate,) = [finding for finding in snapshot.findings if finding.signal is Signal.REQUEST_RATE]
    assert "beyond the knee of ~4" in rate.title
    found = snapshot.latency.knee
    assert found is not None
    assert found.beyond
    assert found.rate == pytest.approx(45.0, rel=0.15)


def climbing(top: float, base: float = 40.0) -> Model:
    """A load that climbs beyond the knee of 45 requests a second in the last minutes, and a median that follows."""

    def load(t: float) -> float:
        usual = 40.0 + 12.0 * math.sin(2 * math.pi / 7_200 * t)
        return usual if t < ONSET else top

    return Model(rate=load, median_ms=lambda t: base * max(1.0, load(t) / 45.0) ** 3)


def test_a_load_beyond_the_knee_is_the_first_cause_of_the_latency_from_the_moment_it_passed_it() -> None:
    snapshot, _ = evaluate(evidence(model_logs(climbing(70.0))), View(), FRAME, NOW, threshold=0.6)
    latency, rate = snapshot.findings
    assert (latency.signal, rate.signal) == (Signal.LATENCY, Signal.REQUEST_RATE)
    assert rate.severity is Severity.WARNING
    assert rate.onset is not None
    assert abs(rate.onset - ONSET) <= 60
    assert latency.causes[0].key == rate.key


def test_a_load_that_is_no_news_is_a_cause_where_it_is_beyond_the_knee_and_all_slows() -> None:
    logs = model_logs(climbing(62.0))
    assert logs.traffic is not None
    latency = logs.traffic.latency
    slow = latency_case(latency, FRAME, NEWEST, "shop") if latency is not None else None
    assert slow is not None
    case = with_knee(None, slow, latency, FRAME, "shop")
    assert case is not None
    assert re.fullmatch(r"requests beyond the knee of ~4\d req/s: 6[12](\.\d)?", case.finding.title)
    assert case.finding.severity is Severity.WARNING
    assert case.finding.effect > 0
    calm = replace(slow, finding=replace(slow.finding, severity=Severity.INFO))
    assert with_knee(None, calm, latency, FRAME, "shop") is None
    assert with_knee(None, None, latency, FRAME, "shop") is None
    assert with_knee(None, slow, None, FRAME, "shop") is None


def test_a_fall_of_the_load_says_nothing_of_the_knee() -> None:
    logs = model_logs(climbing(70.0))
    assert logs.traffic is not None
    latency = logs.traffic.latency
    assert latency is not None
    rate = rate_case(logs.traffic.requests, FRAME, NEWEST, "shop")
    assert rate is not None
    fallen = replace(rate, finding=replace(rate.finding, effect=-2.0))
    assert with_knee(fallen, latency_case(latency, FRAME, NEWEST, "shop"), latency, FRAME, "shop") is fallen


def test_a_steady_load_shows_no_knee() -> None:
    snapshot, _ = evaluate(evidence(model_logs(Model(clumping=0.05))), View(), FRAME, NOW, threshold=0.6)
    assert snapshot.latency.knee is None
