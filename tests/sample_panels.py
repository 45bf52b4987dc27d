"""The panels of the sample snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.answer import (
    AccuracyPanel,
    ConfidencePanel,
    ErrorRow,
    ErrorsPanel,
    FeatureRow,
    FeaturesPanel,
    InfraPanel,
    InfraRow,
    LatencyPanel,
    PanelStatus,
    ScoreBand,
    Severity,
)
from analysis.evidence import OTHER, UNSEEN, CategoryBins, NumericBins
from analysis.slow_share import SlowShare

if TYPE_CHECKING:
    from analysis.evidence import Floats, Ints

NOW = 1_789_960_364
"""2026-09-21 03:12:44 UTC."""
ONSET = NOW - 10 * 60 - 44


def latency(status: PanelStatus, t: Ints, rng: np.random.Generator) -> LatencyPanel:
    size = len(t)

    def course(level: float, end: float) -> Floats:
        return np.where(t < ONSET, level, end) * rng.normal(1, 0.04, size)

    now = {"p50": course(40, 41), "p90": course(95, 210), "p95": course(120, 400), "p99": course(182, 712)}
    now["p99"][size // 4 : size // 4 + 2] = np.nan
    before = {"p50": 40.0, "p90": 95.0, "p95": 120.0, "p99": 182.0}
    return LatencyPanel(
        status,
        "fraud",
        t,
        now,
        {name: level * rng.normal(1, 0.03, size) for name, level in before.items()},
        {"p50": 41, "p90": 208, "p95": 398, "p99": 712},
        dict(before),
        1_101_600,
        7_700_000,
        rng.normal(612, 12, size),
        slow=(
            SlowShare(
                threshold_ms=250.0,
                target=0.99,
                now=(0.021, 0.034),
                baseline=(0.004, 0.007),
                edge_ms=256.0,
                at_edge=0.021,
                at_edge_baseline=0.004,
                interval=(0.0207, 0.0343),
                p=1e-9,
                n=1_101_600,
                n_baseline=7_700_000,
            ),
        ),
    )


def confidence(status: PanelStatus, t: Ints, rng: np.random.Generator) -> ConfidencePanel:
    edges = tuple(i / 20 for i in range(21))
    middle = np.array(edges[:-1]) + 0.025
    before = middle**6 * (1.02 - middle) ** 0.7
    now = 0.75 * before / before.sum() + 0.25 * bell(middle, 0.48, 0.12)
    return ConfidencePanel(
        status,
        "fraud",
        edges,
        now / now.sum(),
        before / before.sum(),
        mean=0.71,
        mean_baseline=0.83,
        threshold=0.6,
        below=0.19,
        below_baseline=0.03,
        shift=0.31,
        direction="less sure: 24% of rows moved down",
        entropy=0.74,
        entropy_baseline=0.61,
        n=1_101_600,
        n_baseline=7_700_000,
        t=t,
        mean_over_time=np.where(t < ONSET + 120, 0.83, 0.71) + rng.normal(0, 0.006, len(t)),
    )


def accuracy(status: PanelStatus, t: Ints, rng: np.random.Generator) -> AccuracyPanel:
    bands = [
        ScoreBand(low, low + 0.1, n, right, (right - 0.02, right + 0.02), said, before, n * 8.0, z)
        for low, n, right, said, before, z in (
            (0.5, 410.0, 0.47, 0.56, 0.57, -4.1),
            (0.6, 1_900.0, 0.55, 0.66, 0.66, -7.9),
            (0.7, 3_300.0, 0.68, 0.75, 0.75, -6.2),
            (0.8, 4_200.0, 0.83, 0.85, 0.85, -1.4),
            (0.9, 2_600.0, 0.95, 0.94, 0.94, 0.6),
        )
    ]
    age = np.arange(len(t), dtype=float)[::-1]
    return AccuracyPanel(
        status,
        "fraud",
        span_s=1_800,
        now=0.741,
        interval=(0.733, 0.749),
        baseline=0.802,
        difference=(-0.069, -0.053),
        n=12_410,
        n_baseline=98_300,
        coverage=0.41,
        coverage_baseline=0.42,
        median_delay_s=1_260.0,
        most_delay_s=3_900.0,
        level=0.732,
        estimate=0.798,
        estimate_band=(0.789, 0.807),
        doubt="the same scores are right 5.9pp less often",
        ece=0.061,
        ece_floor=0.004,
        ece_debiased=0.058,
        ece_baseline=0.005,
        concept=-0.059,
        inputs=-0.002,
        concept_p=1e-12,
        bands=tuple(bands),
        t=t,
        right_over_time=np.where(age < 4, np.nan, np.where(t < ONSET, 0.8, 0.7) + rng.normal(0, 0.01, len(t))),
        usual_over_time=np.where(age < 4, np.nan, 0.802),
    )


def bell(x: Floats, at: float, width: float) -> Floats:
    weight: Floats = np.exp(-0.5 * ((x - at) / width) ** 2)
    weight /= weight.sum()
    return weight


def errors(status: PanelStatus, t: Ints, rng: np.random.Generator) -> ErrorsPanel:
    def row(kind: str, state: str, now: float, before: float, counts: Floats, sample: str) -> ErrorRow:
        return ErrorRow(kind, state, float(counts.sum()), now, before, counts, ONSET if before == 0 else None, sample)

    size = len(t)
    after = t >= ONSET
    return ErrorsPanel(
        status,
        "fraud",
        t,
        (
            row(
                "FeatureStoreTimeout",
                "NEW",
                41.2,
                0.0,
                after * rng.poisson(1_500, size).astype(float),
                "feature store did not answer in 250 ms: GET /v2/features?entity=\x1b[31mcard_77120\x1b[0m "
                "(eu-w1, attempt 3 of 3, pool exhausted: 64 of 64 connections in use)",
            ),
            row("Timeout", "rising", 6.4, 0.9, (30 + after * 200) * rng.normal(1, 0.1, size), "deadline exceeded"),
            row("BadInput", "steady", 0.31, 0.28, rng.poisson(11, size).astype(float), "amount is not a number"),
            row("ModelNotLoaded", "fading", 0.05, 0.4, rng.poisson(2, size).astype(float), "shard 3 is warming up"),
        ),
        0.048,
        0.0012,
        1_101_600,
    )


def features(status: PanelStatus, rng: np.random.Generator) -> FeaturesPanel:
    def numeric(name: str, shift: float, moved: float, state: str = "ok") -> FeatureRow:
        edges = (-np.inf, *np.round(np.geomspace(1, 5_000, 13), 1).tolist(), np.inf)
        places = np.arange(len(edges) - 1, dtype=float)
        return FeatureRow(
            name,
            "numeric",
            state,
            shift,
            0.02,
            0.0001 if state != "ok" else 0.61,
            "higher x2.1" if moved else "",
            0.001,
            0.001,
            NumericBins(edges),
            bell(places, 6 + moved, 2.2),
            bell(places, 6, 2.2),
            1_101_600,
            7_700_000,
            per_minute=36_720.0,
            per_minute_baseline=36_650.0,
        )

    labels = ("grocery", "travel", "fuel", "crypto", "games", OTHER, UNSEEN)
    category = FeatureRow(
        "merchant_cat",
        "categorical",
        "DRIFT",
        0.42,
        0.02,
        0.00001,
        "crypto 1% -> 24%",
        0.12,
        0.0,
        CategoryBins(labels),
        np.array([0.28, 0.17, 0.12, 0.24, 0.05, 0.07, 0.07]),
        np.array([0.41, 0.24, 0.18, 0.01, 0.06, 0.10, 0.0]),
        1_101_600,
        7_700_000,
        unseen=0.07,
        per_minute=32_310.0,
        per_minute_baseline=36_650.0,
    )
    numbers = (
        numeric("amount", 0.27, 2.4, "DRIFT"),
        replace(numeric("account_age_days", 0.05, 0.3, "null_rate"), null=0.31, null_baseline=0.01, direction=""),
        *(numeric(name, float(rng.uniform(0, 0.03)), 0.0) for name in ("hour", "n_tx_24h", "device_score", "lat_km")),
    )
    return FeaturesPanel(status, "fraud", (category, *numbers))


def infra(status: PanelStatus, t: Ints, rng: np.random.Generator) -> InfraPanel:
    size = len(t)
    gi = float(2**30)

    def row(metric: str, name: str, now: float, before: float, unit: str, *, noise: float = 0.03) -> InfraRow:
        course = np.linspace(before, now, size) * rng.normal(1, noise, size)
        return InfraRow(metric, name, "fraud", now, before, unit, Severity.OK, t=t, v=course)

    return InfraPanel(
        status,
        (
            replace(
                row("memory", "fraud-7c9d-x2", 3.6 * gi, 2.1 * gi, "bytes", noise=0.005),
                state=Severity.CRITICAL,
                limit=4 * gi,
                note="full in 22m at 18Mi/m",
            ),
            replace(
                row("dependency_latency", "feature-store", 240, 22, "ms"),
                state=Severity.WARNING,
                note="x11, eu-w1 only",
            ),
            row("memory", "fraud-7c9d-k8", 2.2 * gi, 2.1 * gi, "bytes", noise=0.005),
            row("cpu", "fraud-7c9d-x2", 0.61, 0.58, "ratio"),
            row("queue_depth", "fraud", 14, 12, "count"),
            row("in_flight", "fraud", 58, 22, "count"),
            replace(row("restarts", "fraud-7c9d-x2", 2, 0, "count"), note="OOMKilled 02:58Z", state=Severity.WARNING),
        ),
    )
