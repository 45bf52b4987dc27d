"""Percentiles that a server computed itself are drawn, said to be that, and judged replica by replica."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.answer import LatencyPanel, PanelStatus, Signal, State
from analysis.evidence import MetricEvidence, Series, Traffic
from analysis.exported import exported_case, exported_panel
from analysis.triage import evaluate
from analysis.view import View
from tests.evidence import FRAME, NOW, ONSET, Model, Over, after, evidence, gauge, listed, model_logs, steady
from tests.sample import sample
from widgets.latency import LatencyPanel as Panel
from widgets.lines import plain
from widgets.look import Scene


def summaries(*replicas: Over, quantile: float = 0.99, noise: float = 4.0) -> dict[float, tuple[Series, ...]]:
    """One series per replica in milliseconds, as a Triton with summaries exports it."""
    return {
        quantile: tuple(
            gauge("latency", value, unit="ms", noise=noise, seed=i, model="shop", version="1", replica=f"triton-{i}")
            for i, value in enumerate(replicas)
        )
    }


def traffic() -> Traffic:
    found = model_logs(Model(latency_bins=None)).traffic
    assert found is not None
    return found


def title_of(quantiles: dict[float, tuple[Series, ...]]) -> str | None:
    return listed(exported_case(quantiles, traffic().requests, FRAME, "shop"))


def panel_of(quantiles: dict[float, tuple[Series, ...]]) -> LatencyPanel:
    return exported_panel(quantiles, traffic().requests, FRAME, "shop", PanelStatus(State.LIVE))


def test_one_slow_replica_of_three_is_named_and_dated() -> None:
    case = exported_case(
        summaries(steady(45.0), after(ONSET, 180.0, 45.0), steady(45.0)), traffic().requests, FRAME, "shop"
    )
    assert case is not None
    assert case.finding.title == "p99 45ms -> 179ms x4.0 as exported (triton-1; 1 of 3 replicas)"
    assert case.finding.check == "p99"
    assert case.finding.onset == ONSET
    assert case.outcome is None


def test_a_single_server_needs_no_replica_in_its_title() -> None:
    title = title_of(summaries(after(ONSET, 180.0, 45.0)))
    assert title is not None
    assert title.endswith("as exported")


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_many_replicas_is_no_finding(seed: int) -> None:
    """Of thirty replicas one is always the highest."""
    rng = np.random.default_rng(seed)
    levels = rng.uniform(30, 60, 30)
    noisy = [lambda t, level=level: level * math.exp(0.25 * math.sin(t * 0.7 + level)) for level in levels]
    assert title_of(summaries(*noisy, noise=3.0)) is None


def test_a_percentile_that_falls_is_no_finding() -> None:
    assert title_of(summaries(after(ONSET, 20.0, 45.0))) is None


def test_replicas_without_a_past_or_with_too_few_samples_are_not_judged() -> None:
    young = gauge("latency", steady(500.0), unit="ms", since=ONSET, model="shop", replica="a")
    gone = gauge("latency", after(ONSET, 500.0, 40.0), unit="ms", until=FRAME.live.end - 25 * 60, model="shop")
    assert title_of({0.99: (young,)}) is None
    assert title_of({0.99: (gone,)}) is None


def test_another_models_series_say_nothing_of_this_one() -> None:
    assert exported_case(summaries(after(ONSET, 180.0, 45.0)), traffic().requests, FRAME, "fraud") is None


def test_the_panel_shows_the_worst_replica_at_each_moment_and_never_a_mean_of_percentiles() -> None:
    panel = panel_of(summaries(steady(45.0), after(ONSET, 180.0, 45.0), noise=0.0))
    assert panel.t is not None
    since = int(np.searchsorted(panel.t, ONSET))
    assert (panel.now["p99"][:since] == 45.0).all()
    assert (panel.now["p99"][since:] == 180.0).all()
    assert (panel.baseline["p99"] == 45.0).all()
    assert panel.window == {"p99": 180.0}
    assert panel.window_baseline == {"p99": 45.0}
    assert panel.bounds == {}
    assert "2 replicas" in panel.exported


def test_an_idle_server_reports_nothing_and_leaves_a_gap() -> None:
    panel = panel_of(summaries(lambda t: math.nan if t >= ONSET else 45.0, noise=0.0))
    assert panel.t is not None
    assert np.isnan(panel.now["p99"][int(np.searchsorted(panel.t, ONSET)) :]).all()


def test_where_only_summaries_exist_the_answer_judges_and_draws_them() -> None:
    held = traffic()
    metrics = MetricEvidence(Traffic(held.requests, held.errors, None), None, summaries(after(ONSET, 180.0, 45.0)), ())
    snapshot, _ = evaluate(evidence(metrics=metrics), View(), FRAME, NOW, threshold=0.6)
    assert snapshot.latency.exported
    assert snapshot.latency.told is not None
    assert [f.signal for f in snapshot.findings if f.severity.rank >= 2] == [Signal.LATENCY]
    filtered, _ = evaluate(evidence(metrics=metrics, filtered=True), View(), FRAME, NOW, threshold=0.6)
    assert not filtered.latency.exported


def test_the_page_says_that_such_percentiles_cannot_be_added() -> None:
    part = panel_of(summaries(steady(45.0), steady(50.0)))
    lines = [plain(line) for line in Panel().body(part, Scene.of(sample()), 100, 24)]
    assert any("summary quantiles as exported" in line and "cannot be added over replicas" in line for line in lines)
    assert any(line.startswith("  lately") for line in lines)
