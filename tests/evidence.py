"""Synthetic evidence: traffic that is clumped and swings over the day, with changes planted at a known second.

Every quantity is a function of the bucket's time, so a fault is `after(ONSET, 3.0, 1.0)`: 1 before its onset, then 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.answer import SourceStatus, State
from analysis.cases import Case
from analysis.evidence import (
    CategoryBins,
    Counts,
    ErrorCounts,
    Histogram,
    Key,
    LogEvidence,
    MetricEvidence,
    NumericBins,
    Series,
    Traffic,
)
from analysis.merging import merge_logs
from analysis.ranking import ranked
from analysis.slices import cut_errors, cut_features, cut_histogram, cut_traffic
from analysis.triage import Evidence
from analysis.view import Frame, View

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Over = Callable[[float], float]
"""Unix seconds -> value."""
SharesOver = Callable[[float], Floats]
"""Unix seconds -> [B] shares."""

NOW = 1_800_000_000
FRAME = View().frame(NOW)
"""Half an hour and the eight before it, in minutes."""
NEWEST = float(FRAME.live.end - 1)
ONSET = FRAME.live.start + 13 * 60
RECENT = FRAME.live.end - 4 * 60
"""An onset that half an hour dilutes to a seventh."""
EARLIER = FRAME.live.start - 10 * 3_600

LOG_BINS = NumericBins((-math.inf, *(0.1 * 2 ** (i / 8) for i in range(189)), math.inf))
PROMETHEUS_BINS = NumericBins((0.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, math.inf))
CONFIDENCE_BINS = NumericBins(tuple(i / 20 for i in range(21)))


def after(moment: float, then: float, before: float) -> Over:
    """`before` up to a moment, `then` from it on."""
    return lambda t: then if t >= moment else before


def steady(value: float) -> Over:
    """The same at all times."""
    return lambda _: value


def shares_after(moment: float, then: Floats, before: Floats) -> SharesOver:
    """Shares `before` up to a moment, `then` from it on."""
    return lambda t: then if t >= moment else before


def times(frame: Frame = FRAME) -> Ints:
    """Every bucket of the frame."""
    starts = {t for w in (frame.live, *frame.references) for t in range(w.start, w.end, frame.step)}
    return np.array(sorted(starts), dtype=np.int64)


def normal_shares(edges: Sequence[float], mean: float, sd: float) -> Floats:
    """Share of a normal distribution per bin; what lies beyond finite outer edges counts in the outermost bins."""
    below = [0.5 * (1 + math.erf((edge - mean) / (sd * math.sqrt(2)))) for edge in edges[1:-1]]
    return np.diff([0.0, *below, 1.0])


def lognormal_shares(edges: Sequence[float], median: float, sigma: float) -> Floats:
    """Share of a lognormal distribution per bin."""
    logs = [math.log(edge) if edge > 0 else -math.inf for edge in edges]
    return normal_shares(logs, math.log(median), sigma)


def reference_bins(draw: Callable[[np.random.Generator, int], Floats], bins: int = 10) -> NumericBins:
    """Bins of a numeric feature as a store freezes them: quantiles of its baseline, open at both ends."""
    sample = draw(np.random.default_rng(0), 20_000)
    inner = np.quantile(sample, [0.001, *(np.arange(1, bins) / bins), 0.999])
    return NumericBins((-math.inf, *(float(edge) for edge in inner), math.inf), reference=True)


_TWENTY_A_SECOND, _EIGHTY_MS, _NONE, _SURE = steady(20.0), steady(80.0), steady(0.0), steady(0.85)


@dataclass(frozen=True)
class Model:
    """How one model behaves."""

    name: str = "shop"
    rate: Over = _TWENTY_A_SECOND
    """Requests per second."""
    clumping: float = 0.0
    """Coefficient of variation of the rate from bucket to bucket."""
    wobble: float = 0.0
    """Standard deviation of the log median latency from bucket to bucket, half of it carried over to the next."""
    versions: Mapping[str, Over] = field(default_factory=lambda: {"v1": steady(1.0)})
    median_ms: Over = _EIGHTY_MS
    slow_share: Over = _NONE
    """Share of requests that take a second more."""
    latency_bins: NumericBins | None = LOG_BINS
    errors: Mapping[str, Over] = field(default_factory=lambda: {"timeout": steady(0.002), "oom": steady(0.0005)})
    """Error type -> share of the requests."""
    typed: bool = True
    """Whether the log says which error it was."""
    confidence: Over | None = _SURE
    """Mean."""
    features: Mapping[str, tuple[NumericBins | CategoryBins, SharesOver]] = field(default_factory=dict)
    nulls: Mapping[str, Over] = field(default_factory=dict)


def model_logs(model: Model, seed: int = 1, frame: Frame = FRAME, newest: float | None = None) -> LogEvidence:
    """What a log store would know of one model."""
    rng = np.random.default_rng(seed)
    t = times(frame)
    end = float(frame.live.end - 1) if newest is None else newest
    carried = np.zeros(len(t))
    for i in range(1, len(t)):
        carried[i] = 0.5 * carried[i - 1] + rng.normal() * model.wobble
    clumps = rng.gamma(1 / model.clumping**2, model.clumping**2, len(t)) if model.clumping else np.ones(len(t))
    expected = np.array([model.rate(float(x)) for x in t]) * clumps * frame.step
    n = rng.poisson(np.where(t <= end, expected, 0.0))
    versions = tuple(sorted(model.versions))
    split = np.array([[model.versions[v](float(x)) for v in versions] for x in t])
    by_version = rng.multinomial(n, split / split.sum(axis=1, keepdims=True)).astype(float)
    keys = tuple((model.name, version) for version in versions)
    failed = {name: rng.binomial(n, np.array([share(float(x)) for x in t])) for name, share in model.errors.items()}
    all_failed = np.sum(list(failed.values()), axis=0) if failed else np.zeros(len(t))
    known: ErrorCounts | None = None
    if failed:
        by_type = np.stack([*failed.values()], axis=1).astype(np.float64)
        first: dict[Key, float] = {(model.name, name): float(t[k > 0][0]) for name, k in failed.items() if k.any()}
        known = ErrorCounts(Counts(t, frame.step, tuple((model.name, name) for name in failed), by_type), first)
    # The errors of a model are those of its first version: nothing here looks at errors by version.
    errors = np.column_stack([all_failed, *[np.zeros(len(t))] * (len(keys) - 1)]).astype(float)
    return LogEvidence(
        traffic=Traffic(
            Counts(t, frame.step, keys, by_version),
            Counts(t, frame.step, keys, errors),
            None if model.latency_bins is None else _latency(rng, model, t, frame, by_version, keys, carried),
        ),
        confidence=None if model.confidence is None else _confidence(rng, model, model.confidence, t, frame, n),
        features={name: _feature(rng, model, name, t, frame, n) for name in model.features},
        errors=known if model.typed else None,
        newest=end,
    )


def _latency(
    rng: np.random.Generator, model: Model, t: Ints, frame: Frame, by_version: Floats,
    keys: tuple[tuple[str, str], ...], carried: Floats,
) -> Histogram:  # fmt: skip
    assert model.latency_bins is not None
    edges = model.latency_bins.edges
    shares = []
    for x, log_shift in zip(t, carried, strict=True):
        median, slow = model.median_ms(float(x)) * math.exp(log_shift), model.slow_share(float(x))
        usual = lognormal_shares(edges, median, 0.5)
        shares.append((1 - slow) * usual + slow * lognormal_shares(edges, median + 1_000, 0.05) if slow else usual)
    n = np.stack([rng.multinomial(by_version[:, k].astype(int), shares) for k in range(len(keys))], axis=1)
    empty = np.zeros(n.shape[:2])
    return Histogram(t, frame.step, keys, model.latency_bins, n.astype(float), empty, empty, empty)


def _confidence(rng: np.random.Generator, model: Model, mean: Over, t: Ints, frame: Frame, n: Ints) -> Histogram:
    shares = [normal_shares(CONFIDENCE_BINS.edges, mean(float(x)), 0.12) for x in t]
    counts = rng.multinomial(n, shares).astype(float)[:, None]
    empty = np.zeros((len(t), 1))
    return Histogram(t, frame.step, ((model.name,),), CONFIDENCE_BINS, counts, empty, empty, counts @ _middles())


def _middles() -> Floats:
    edges = np.array(CONFIDENCE_BINS.edges)
    middles: Floats = (edges[1:] + edges[:-1]) / 2
    return middles


def _feature(rng: np.random.Generator, model: Model, name: str, t: Ints, frame: Frame, n: Ints) -> Histogram:
    bins, shares = model.features[name]
    null_share = model.nulls.get(name, steady(0.01))
    nulls = rng.binomial(n, np.array([null_share(float(x)) for x in t]))
    counts = rng.multinomial(n - nulls, [shares(float(x)) for x in t]).astype(float)[:, None]
    total = np.zeros((len(t), 1))
    if isinstance(bins, NumericBins):
        finite = np.clip(bins.edges, bins.edges[1], bins.edges[-2])
        total = counts @ ((finite[1:] + finite[:-1]) / 2)
    return Histogram(
        t, frame.step, ((model.name,),), bins, counts, nulls[:, None].astype(np.float64), np.zeros((len(t), 1)), total
    )


def fleet_logs(
    models: Sequence[Model], seed: int = 1, frame: Frame = FRAME, newest: float | None = None
) -> LogEvidence:
    """What a log store would know of several models."""
    merged: LogEvidence | None = None
    for i, model in enumerate(models):
        one = model_logs(model, seed * 1_000 + i, frame, newest)
        merged = one if merged is None else merge_logs(merged, one)
    return merged or LogEvidence()


def as_metrics(logs: LogEvidence, gauges: Sequence[Series] = ()) -> MetricEvidence:
    """The same fleet as a Prometheus would know it: extrapolated counts have fractions."""
    assert logs.traffic is not None
    requests = logs.traffic.requests
    scaled = Counts(requests.t, requests.step, requests.keys, requests.n * 1.0137)
    return MetricEvidence(Traffic(scaled, logs.traffic.errors, logs.traffic.latency), logs.errors, {}, tuple(gauges))


def gauge(
    metric: str, value: Over, *, noise: float = 0.0, unit: str = "ratio", seed: int = 1, frame: Frame = FRAME,
    since: float = -math.inf, until: float = math.inf, **labels: str,
) -> Series:  # fmt: skip
    """One sample per bucket with normal noise; NaN before `since` and after `until`."""
    t = times(frame)
    rng = np.random.default_rng(seed)
    v = (
        np.array([value(float(x)) for x in t]) + rng.normal(0.0, noise, len(t))
        if noise
        else [value(float(x)) for x in t]
    )
    known = np.where((t >= since) & (t <= until), v, np.nan)
    return Series(metric, tuple(sorted(labels.items())), unit, t, known)


def source(
    kind: str = "logs", state: State = State.LIVE, newest: float | None = NEWEST, **more: str | float
) -> SourceStatus:
    """The status of one source."""
    return SourceStatus(
        "shop-logs" if kind == "logs" else "prom",
        kind,
        state,
        newest,
        error=str(more["error"]) if "error" in more else None,
        failing_since=float(more["failing_since"]) if "failing_since" in more else None,
    )


def evidence(
    logs: LogEvidence | None = None,
    metrics: MetricEvidence | None = None,
    *,
    log_state: State = State.LIVE,
    metric_state: State = State.LIVE,
    filtered: bool = False,
) -> Evidence:
    """The evidence of at most one source of each kind."""
    return Evidence(
        logs=logs,
        metrics=metrics,
        log_sources=() if logs is None else (source("logs", log_state, logs.newest),),
        metric_sources=() if metrics is None else (source("prometheus", metric_state),),
        queries={"traffic": "SELECT 1", "metrics": "up"},
        elapsed_s={"traffic": 0.2, "metrics": 0.1},
        filtered=filtered,
    )


def without_references(logs: LogEvidence, frame: Frame = FRAME) -> LogEvidence:
    """The same logs as if the service had started with the live window."""

    def keep(t: Ints) -> NDArray[np.bool_]:
        return t >= frame.live.start

    return LogEvidence(
        None if logs.traffic is None else cut_traffic(logs.traffic, keep),
        None if logs.confidence is None else cut_histogram(logs.confidence, keep),
        cut_features(logs.features, keep),
        None if logs.errors is None else cut_errors(logs.errors, keep),
        logs.newest,
    )


def listed(case: Case | None) -> str | None:
    """The title of a case that the list of findings shows."""
    return None if case is None or not ranked([case.finding]) else case.finding.title
