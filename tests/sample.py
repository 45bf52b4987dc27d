"""A rich snapshot for tests: version 42 of `fraud` is slow and fails in one region, `churn` is silent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.answer import (
    AccuracyPanel,
    ConfidencePanel,
    ErrorsPanel,
    FeaturesPanel,
    Finding,
    InfraPanel,
    LatencyPanel,
    Mark,
    MixShift,
    ModelRow,
    PanelStatus,
    Segment,
    Severity,
    Signal,
    Snapshot,
    SourceStatus,
    State,
)
from analysis.view import Baseline, View
from tests.sample_panels import NOW, ONSET, accuracy, confidence, errors, features, infra, latency

__all__ = ["NOW", "ONSET", "sample", "without_data"]

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
        latency=latency(status, t, rng),
        confidence=confidence(status, t, rng),
        errors=errors(status, t, rng),
        features=features(status, rng),
        infra=infra(status, t, rng),
        revision=1,
        notes=("the baseline has 5 of 7 days",),
        accuracy=accuracy(status, t, rng),
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
