"""The table of models: rates, percentiles, errors, confidence and the trend of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import FeatureRow, Finding, ModelRow, Severity, Signal
from analysis.evidence import Histogram, LogEvidence, NumericBins, Traffic
from analysis.latency import QUANTILES, percentiles, summary
from analysis.probabilities import confidence_of
from analysis.slices import grid, key_index, model_counts, model_histogram, window_sum, window_sums
from analysis.trust import LabelJudgement
from analysis.view import Frame
from analysis.voices import ModelEvidence

Floats = NDArray[np.float64]

TREND_COLUMNS = 30
"""Columns of the trend sparkline."""


@dataclass(frozen=True, slots=True)
class _Served:
    """What a model's requests say."""

    rate: float | None = None
    """Per second."""
    newest: float | None = None
    versions: tuple[str, ...] = ()
    """The most requested first."""
    trend: tuple[float, ...] = ()
    """Requests per second and bucket."""
    compared: bool = False
    """Whether the references hold requests."""


def model_row(
    model: ModelEvidence,
    logs: LogEvidence | None,
    frame: Frame,
    findings: tuple[Finding, ...],
    features: tuple[FeatureRow, ...],
    labels: LabelJudgement | None,
) -> ModelRow:
    """One model as the table shows it.

    Args:
        findings: of all models.
        features: of this model.
    """
    own = [finding for finding in findings if finding.model == model.name]
    served = _Served() if model.traffic is None else _served(model.traffic, model, frame)
    latency, slow = _latency(model, frame)
    return ModelRow(
        model=model.name,
        state=max((finding.severity for finding in own), key=lambda s: s.rank, default=Severity.OK),
        stale=model.stale or any(finding.signal is Signal.STALENESS for finding in own),
        request_rate=served.rate,
        latency_ms=latency,
        error_ratio=_error_ratio(model, frame),
        confidence_mean=None if logs is None else _confidence(logs.confidence, model.name, frame),
        drift=max((row.shift for row in features), default=None),
        trend=(slow or served.trend)[-TREND_COLUMNS:],
        newest_sample=served.newest,
        versions=served.versions,
        accuracy=None if labels is None else labels.accuracy,
        label_coverage=None if labels is None else labels.coverage,
        compared=served.compared,
    )


def _served(traffic: Traffic, model: ModelEvidence, frame: Frame) -> _Served:
    requests = traffic.requests
    n = model_counts(requests, model.name)
    live = grid(requests.t, n, frame.live, requests.step)
    # Nothing is known of the time before the first bucket of any model: it was not quiet.
    first = max(frame.live.start, int(requests.t[0])) if len(requests.t) else frame.live.end
    live[: (first - frame.live.start) // requests.step] = np.nan
    seen = _seen_s(first, frame, model.newest, requests.step)
    rows, newest = requests.t[n > 0], None
    if len(rows):
        newest = float(rows.max()) + requests.step
        newest = newest if model.newest is None else min(newest, model.newest)
    at = key_index(requests.keys, model=model.name)
    by_version = window_sum(requests.t, requests.n[:, at], frame.live)
    return _Served(
        rate=float(np.nansum(live)) / seen if seen else None,
        newest=newest,
        versions=tuple(requests.keys[int(at[i])][1] for i in np.argsort(-by_version) if by_version[i] > 0),
        trend=tuple(live / requests.step),
        compared=bool(window_sums(requests.t, n, frame.references).any()),
    )


def _latency(model: ModelEvidence, frame: Frame) -> tuple[dict[str, float | None], tuple[float, ...]]:
    """Percentiles of the live window, and p99 over its course."""
    if model.traffic is not None and model.traffic.latency is not None:
        own = model_histogram(model.traffic.latency, model.name)
        if isinstance(own.bins, NumericBins) and own.n.any():
            counts = grid(own.t, own.n[:, 0], frame.live, own.step)
            course = percentiles(_columns(counts), own.bins)[:, list(QUANTILES).index("p99")]
            return summary(counts.sum(axis=0), own.bins), tuple(course.tolist())
    return dict.fromkeys(QUANTILES), ()


def _confidence(confidence: Histogram | None, model: str, frame: Frame) -> float | None:
    """Mean of the live window."""
    if confidence is None or not key_index(confidence.keys, model=model).size:
        return None
    own = confidence_of(confidence, model, frame)
    scored = float(window_sum(own.t, own.n[:, 0], frame.live).sum())
    return float(window_sum(own.t, own.total[:, 0], frame.live)) / scored if scored else None


def _error_ratio(model: ModelEvidence, frame: Frame) -> float | None:
    failures = model.failures
    if failures is None or failures.errors is None:
        return None
    requests = float(window_sum(failures.requests.t, model_counts(failures.requests, model.name), frame.live))
    failed = float(window_sum(failures.errors.t, model_counts(failures.errors, model.name), frame.live))
    return failed / requests if requests else None


def _seen_s(first: int, frame: Frame, newest: float | None, step: int) -> float:
    """Seconds of the live window from `first` on that the data covers: rates must not count the part still to come."""
    end = frame.live.end if newest is None else min(float(frame.live.end), newest)
    return max(float(step), end - first) if end > first else 0.0


def _columns(counts: Floats) -> Floats:
    """[T, B] counts summed into at most `TREND_COLUMNS` rows of equal width."""
    width = -(-len(counts) // TREND_COLUMNS)
    padded = np.zeros((-(-len(counts) // width) * width, counts.shape[1]))
    padded[len(padded) - len(counts) :] = counts
    columns: Floats = padded.reshape(-1, width, counts.shape[1]).sum(axis=1)
    return columns
