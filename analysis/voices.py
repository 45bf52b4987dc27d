"""What all sources know, and which of them speaks for which part of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from analysis.answer import SourceStatus, State
from analysis.evidence import ErrorCounts, LogEvidence, MetricEvidence, Traffic
from analysis.slices import key_index


@dataclass(frozen=True, slots=True)
class Evidence:
    """What all sources know of one frame."""

    logs: LogEvidence | None = None
    metrics: MetricEvidence | None = None
    by_version: bool = False
    """Whether the metrics hold another version where the references are, as logs do for such a baseline."""
    log_sources: tuple[SourceStatus, ...] = ()
    metric_sources: tuple[SourceStatus, ...] = ()
    queries: Mapping[str, str] = field(default_factory=dict)
    """Part (traffic, errors, confidence, features, metrics) -> the query that was sent."""
    elapsed_s: Mapping[str, float] = field(default_factory=dict)
    filtered: bool = False
    """A filter is set that no metric source can apply: only the logs answer."""
    unfiltered: str = ""
    """Why not, and which sources, in words."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelEvidence:
    """The evidence of one model and where each part of it comes from."""

    name: str
    traffic: Traffic | None
    errors: ErrorCounts | None
    failures: Traffic | None
    """The traffic of the source that knows the errors: a share has both parts from one source."""
    from_logs: bool
    errors_from_logs: bool
    newest: float | None
    errors_newest: float | None
    stale: bool
    """Whether no source of its kind flows."""


def choose(name: str, logs: LogEvidence | None, metrics: MetricEvidence | None, evidence: Evidence) -> ModelEvidence:
    """Logs where they flow, because they can be filtered and cut by segment; metrics where they do not."""
    own, measured = _traffic_of(name, logs), _traffic_of(name, metrics)
    from_logs = own is not None and (measured is None or _flows(evidence.log_sources))
    first, second = (own, measured) if from_logs else (measured, own)
    traffic = first
    if first is not None and first.latency is None and second is not None:
        traffic = Traffic(first.requests, first.errors, second.latency)
    log_errors = logs.errors if logs is not None else None
    metric_errors = metrics.errors if metrics is not None else None
    own_known = own is not None and (log_errors is not None or own.errors is not None)
    measured_known = measured is not None and (metric_errors is not None or measured.errors is not None)
    errors_from_logs = own_known and (from_logs or not measured_known)
    if not own_known and not measured_known:
        errors_from_logs = from_logs
    newest_row, newest_sample = logs.newest if logs is not None else None, newest_of(evidence.metric_sources)
    sources = evidence.log_sources if from_logs else evidence.metric_sources
    return ModelEvidence(
        name=name,
        traffic=traffic,
        errors=log_errors if errors_from_logs else metric_errors,
        failures=own if errors_from_logs else measured,
        from_logs=from_logs,
        errors_from_logs=errors_from_logs,
        newest=newest_row if from_logs else newest_sample,
        errors_newest=newest_row if errors_from_logs else newest_sample,
        stale=bool(sources) and all(source.state in (State.STALE, State.FAILED) for source in sources),
    )


def _traffic_of(name: str, source: LogEvidence | MetricEvidence | None) -> Traffic | None:
    """The traffic of a source that knows a model."""
    traffic = source.traffic if source is not None else None
    return traffic if traffic is not None and key_index(traffic.requests.keys, model=name).size else None


def _flows(sources: Iterable[SourceStatus]) -> bool:
    return any(source.state in (State.LIVE, State.LOADING) for source in sources)


def newest_of(sources: Iterable[SourceStatus]) -> float | None:
    """Unix seconds of the newest sample of any source."""
    return max((s.newest_sample for s in sources if s.newest_sample is not None), default=None)
