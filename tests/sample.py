"""A rich snapshot for tests: version 42 of `fraud` is slow and fails in one region, `churn` is silent."""

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
    Finding,
    InfraPanel,
    InfraRow,
    LatencyPanel,
    Mark,
    MixShift,
    ModelRow,
    PanelStatus,
    ScoreBand,
    Segment,
    Severity,
    Signal,
    Snapshot,
    SourceStatus,
    State,
)
from analysis.evidence import OTHER, UNSEEN, CategoryBins, NumericBins
from analysis.slow_share import SlowShare
from analysis.view import Baseline, View

if TYPE_CHECKING:
    from analysis.evidence import Floats, Ints

NOW = 1_789_960_364
"""2026-09-21 03:12:44 UTC."""
ONSET = NOW - 10 * 60 - 44
_MINUTES = 30


def sample(
    *,
    now: float = NOW,
    state: State = State.LIVE,
    message: str = "",
    data: bool = True,
    seed: int = 7,
    window_s: int = _MINUTES * 60,
) -> Snapshot:
    """A snapshot at `now` whose panels are in `state`; without `data` they have nothing to draw."""
    view = View(window_s=window_s, baseline=Baseline("1d"), focus="fraud")
    frame = view.frame(now)
    rng = np.random.default_rng(seed)
    t = np.arange(frame.live.start, frame.live.end, frame.step, dtype=np.int64)
    sample_at = now - 4 if state is not State.STALE else now - 7 * 60
    status = PanelStatus(state, message, "prometheus", sample_at if data else None, "histogram_quantile(...)", 0.12)
    found = Snapshot(
        generated_at=now,
        view=view,
        frame=frame,
        focus="fraud",
        sources=_sources(now),
        models=_models(now, rng),
        findings=_findings(now),
        marks=(
            Mark(ONSET - 70, "version", "42", "fraud"),
            Mark(ONSET, "onset", "p99", "fraud"),
            Mark(ONSET, "onset", "p99", "rank"),
        ),
        latency=_latency(status, t, rng),
        confidence=_confidence(status, t, rng),
        errors=_errors(status, t, rng),
        features=_features(status, rng),
        infra=_infra(status, t, rng),
        revision=1,
        notes=("the baseline has 5 of 7 days",),
        accuracy=_accuracy(status, t, rng),
    )
    return found if data else without_data(found)


def without_data(snapshot: Snapshot) -> Snapshot:
    """The same question and status, with nothing to draw in any panel."""
    return replace(
        snapshot,
        latency=LatencyPanel(snapshot.latency.status, "fraud"),
        confidence=ConfidencePanel(snapshot.confidence.status, "fraud"),
        errors=ErrorsPanel(snapshot.errors.status, "fraud"),
        features=FeaturesPanel(snapshot.features.status, "fraud"),
        infra=InfraPanel(snapshot.infra.status),
        accuracy=AccuracyPanel(snapshot.accuracy.status, "fraud"),
    )


def _sources(now: float) -> tuple[SourceStatus, ...]:
    return (
        SourceStatus("prometheus", "prometheus", State.LIVE, now - 4),
        SourceStatus("logs", "duckdb", State.LIVE, now - 9),
    )


def _models(now: float, rng: np.random.Generator) -> tuple[ModelRow, ...]:
    def trend(level: float, end: float) -> tuple[float, ...]:
        course = np.where(np.arange(_MINUTES) < 19, level, end) + rng.normal(0, level * 0.05, _MINUTES)
        return tuple(course.tolist())

    def row(name: str, rate: float, p50: float, p99: float, error: float, conf: float, drift: float) -> ModelRow:
        quantiles = {"p50": p50, "p90": p50 * 2, "p95": p50 * 3, "p99": p99}
        return ModelRow(name, Severity.OK, False, rate, quantiles, error, conf, drift, trend(p99, p99), now - 4, ("7",))

    fraud = replace(
        row("fraud", 612, 41, 712, 0.048, 0.71, 0.42),
        state=Severity.CRITICAL,
        trend=trend(182, 712),
        versions=("41", "42"),
    )
    quiet = (float("nan"),) * 18
    churn = ModelRow(
        "churn", Severity.WARNING, True, None, {}, None, None, None, trend(30, 30)[:12] + quiet, now - 431, ("3",)
    )
    return (
        fraud,
        churn,
        replace(row("search-embed", 88, 95, 310, 0.004, 0.9, 0.12), state=Severity.WARNING),
        row("rank", 2_104, 12, 58, 0.0002, 0.88, 0.03),
        row("ads-ctr", 9_870, 4.2, 19, 0.0001, 0.34, 0.02),
        row("recs-v2", 1_240, 22, 96, 0.0004, 0.64, 0.01),
    )


def _findings(now: float) -> tuple[Finding, ...]:
    def segment(share: float, *where: tuple[str, str]) -> Segment:
        return Segment(where, share, 0.214, 0.011, 0.009, 19.4, 0.18, 51_200, 0.0001)

    eu = (segment(0.83, ("region", "eu-w1")), segment(0.71, ("version", "42")), segment(0.22, ("tier", "free")))
    fraud = Finding(Signal.LATENCY, "fraud", Severity.CRITICAL, "", 4.1, 3.9, 1.1e6, 7.4e6, onset=ONSET)
    return (
        replace(fraud, title="p99 182ms -> 712ms x3.9", now=712, baseline=182, unit="ms", subject="p99", where=eu),
        replace(
            fraud,
            signal=Signal.ERROR,
            title="Timeout 0.1% -> 4.8% NEW on eu-w1",
            subject="Timeout",
            where=(segment(0.97, ("region", "eu-w1"), ("version", "42")),),
        ),
        replace(
            fraud,
            signal=Signal.VERSION,
            severity=Severity.INFO,
            title="version 41 -> 42",
            subject="42",
            onset=ONSET - 70,
        ),
        replace(
            fraud,
            signal=Signal.CONFIDENCE,
            severity=Severity.WARNING,
            title="share below .6 3% -> 19%",
            onset=now - 8 * 60,
            where=(segment(0.64, ("merchant_cat", "crypto")),),
        ),
        replace(
            fraud,
            signal=Signal.FEATURE,
            severity=Severity.WARNING,
            title="merchant_cat drift .42, null 0% -> 12%",
            subject="merchant_cat",
            onset=now - 8 * 60,
            mix=(MixShift((("tier", "free"),), 0.21, 0.44, 0.31, 0.92),),
        ),
        replace(
            fraud,
            signal=Signal.STALENESS,
            model="churn",
            severity=Severity.WARNING,
            title="no sample for 7m",
            onset=now - 431,
        ),
        replace(
            fraud,
            signal=Signal.INFRA,
            severity=Severity.WARNING,
            title="memory 3.6Gi of 4Gi, full in 22m",
            subject="memory",
            onset=now - 3 * 3_600,
            where=(segment(0.5, ("pod", "fraud-7c9d-x2")),),
        ),
    )


def _latency(status: PanelStatus, t: Ints, rng: np.random.Generator) -> LatencyPanel:
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


def _confidence(status: PanelStatus, t: Ints, rng: np.random.Generator) -> ConfidencePanel:
    edges = tuple(i / 20 for i in range(21))
    middle = np.array(edges[:-1]) + 0.025
    before = middle**6 * (1.02 - middle) ** 0.7
    now = 0.75 * before / before.sum() + 0.25 * _bell(middle, 0.48, 0.12)
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


def _accuracy(status: PanelStatus, t: Ints, rng: np.random.Generator) -> AccuracyPanel:
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


def _bell(x: Floats, at: float, width: float) -> Floats:
    weight: Floats = np.exp(-0.5 * ((x - at) / width) ** 2)
    weight /= weight.sum()
    return weight


def _errors(status: PanelStatus, t: Ints, rng: np.random.Generator) -> ErrorsPanel:
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


def _features(status: PanelStatus, rng: np.random.Generator) -> FeaturesPanel:
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
            _bell(places, 6 + moved, 2.2),
            _bell(places, 6, 2.2),
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


def _infra(status: PanelStatus, t: Ints, rng: np.random.Generator) -> InfraPanel:
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
