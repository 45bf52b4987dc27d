"""Every change of every model and source at one moment, before anything is said of how long it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from analysis.answer import FeatureRow, Finding, Mark, Signal, SourceStatus, State
from analysis.cases import Case
from analysis.confidence import confidence_case
from analysis.dependencies import call_gauges, with_latency_shares
from analysis.errors import error_cases
from analysis.evidence import LogEvidence, MetricEvidence
from analysis.exported import exported_case
from analysis.exporters import exporter_cases
from analysis.features import feature_changes
from analysis.gauges import Reading, readings
from analysis.infra import infra_cases
from analysis.knee import with_knee
from analysis.latency import latency_case
from analysis.out_of_scale import PROBABLE, out_of_scale_case
from analysis.ranking import severity, weighted
from analysis.repeats import repeats_case
from analysis.rollout import staged_cases, with_own_changes
from analysis.shadow import agreement_cases
from analysis.slices import key_index
from analysis.traffic import models_of, rate_case, silence_case, version_events
from analysis.trust import LabelJudgement, judge_labels
from analysis.view import Frame, View
from analysis.voices import Evidence, ModelEvidence, choose
from analysis.words import duration


@dataclass(frozen=True, slots=True)
class Detected:
    """What one moment shows, whichever model is in focus."""

    models: tuple[ModelEvidence, ...]
    gauges: tuple[Reading, ...]
    features: Mapping[str, tuple[FeatureRow, ...]]
    labels: Mapping[str, LabelJudgement]
    cases: tuple[Case, ...]
    versions: tuple[Mark, ...]


def detect(evidence: Evidence, view: View, frame: Frame, now: float, *, threshold: float) -> Detected:
    """The changes in some evidence; the arguments are those of `triage.evaluate`."""
    logs, metrics = evidence.logs, None if evidence.filtered else evidence.metrics
    models = tuple(choose(name, logs, metrics, evidence) for name in _names(logs, metrics, view))
    gauges = readings(metrics.gauges, frame) if metrics is not None else ()
    # A source may lag behind another, so what is recent is told for each by itself.
    gauges += readings(call_gauges(logs.calls, gauges), frame) if logs is not None and logs.calls is not None else ()
    latency = {model.name: model.traffic.latency for model in models if model.traffic is not None}
    shared = with_latency_shares(infra_cases(gauges, frame), gauges, latency, frame)
    silent = exporter_cases(metrics.gauges, frame) if metrics is not None else []
    cases: list[Case] = [*shared, *silent, *_source_cases(evidence, frame, now)]
    marks: list[Mark] = []
    names = tuple(model.name for model in models)
    inputs = logs.features if logs is not None else {}
    changes = feature_changes(inputs, frame, logs.newest if logs is not None else None, names)
    features = {name: tuple(change.row for change in own) for name, own in changes.items()}
    moment = now if view.end is None else float(view.end)
    labels = judge_labels(logs.labels if logs is not None else None, frame, names, moment, pinned=not view.live)
    for model in models:
        own, own_marks = _model_cases(model, logs, metrics, view, frame, threshold)
        cases += own
        marks += own_marks
        cases += [change.case for change in changes[model.name] if change.case is not None]
        said = labels.get(model.name)
        cases += [said.case] if said is not None and said.case is not None else []
        if logs is not None and logs.pairs is not None and view.baseline.kind != "version":
            cases += agreement_cases(logs.pairs, frame, logs.newest, model.name)
    return Detected(models, gauges, features, labels, tuple(cases), tuple(marks))


def as_of(evidence: Evidence, end: int) -> Evidence:
    """What was known at an earlier moment (unix seconds) of what changes by the minute: no labels, no pairs."""
    last = float(end - 1)
    logs = evidence.logs
    if logs is not None:
        logs = replace(logs, labels=None, pairs=None, newest=None if logs.newest is None else min(logs.newest, last))
    sources = tuple(
        replace(source, newest_sample=None if source.newest_sample is None else min(source.newest_sample, last))
        for source in evidence.metric_sources
    )
    return replace(evidence, logs=logs, metric_sources=sources)


def _names(logs: LogEvidence | None, metrics: MetricEvidence | None, view: View) -> tuple[str, ...]:
    found: set[str] = set()
    for traffic in (logs.traffic if logs else None, metrics.traffic if metrics else None):
        if traffic is not None:
            found |= set(models_of(traffic.requests))
    return tuple(sorted(found & set(view.models) if view.models else found))


def _model_cases(
    model: ModelEvidence,
    logs: LogEvidence | None,
    metrics: MetricEvidence | None,
    view: View,
    frame: Frame,
    threshold: float,
) -> tuple[list[Case], list[Mark]]:
    traffic, name, newest = model.traffic, model.name, model.newest
    if traffic is None:
        return [], []
    cases: list[Case | None] = []
    marks: list[Mark] = []
    confidence = logs.confidence if logs is not None else None
    if confidence is not None and not key_index(confidence.keys, model=name).size:
        confidence = None
    slow: Case | None = None
    if traffic.latency is not None:
        slow = latency_case(traffic.latency, frame, newest, name)
    elif metrics is not None:
        slow = exported_case(metrics.quantiles, traffic.requests, frame, name)
    # Another version as the baseline differs in its traffic by design.
    if view.baseline.kind != "version":
        silence = silence_case(traffic.requests, frame, newest, name)
        rate = silence or rate_case(traffic.requests, frame, newest, name)
        cases.append(with_knee(rate, slow, traffic.latency, frame, name))
        for case, mark in version_events(traffic.requests, frame, name):
            cases.append(with_own_changes(case, traffic, frame, name, confidence))
            marks.append(mark)
        cases += staged_cases(traffic, frame, name, confidence)
    cases.append(slow)
    if model.failures is not None:
        cases += error_cases(model.errors, model.failures, frame, model.errors_newest, name)
    if logs is not None and confidence is not None:
        scale = out_of_scale_case(confidence, frame, logs.newest, name)
        cases.append(scale)
        # Of values on two scales no mean says how sure the model is; those outside 0..1 are in none.
        if scale is None or scale.outcome != PROBABLE:
            cases.append(confidence_case(confidence, frame, logs.newest, name, threshold))
    if logs is not None and logs.repeats is not None:
        cases.append(repeats_case(logs.repeats, frame, logs.newest, name))
    return [case for case in cases if case is not None], marks


def _source_cases(evidence: Evidence, frame: Frame, now: float) -> list[Case]:
    """Sources that fell silent or fail: what they would have said is unknown."""
    cases = []
    moment = min(now, float(frame.live.end))
    for source in (*evidence.log_sources, *evidence.metric_sources):
        if source.state is State.STALE and source.newest_sample is not None:
            age = moment - source.newest_sample
            title, onset = f"{source.name}: no new {_things(source)} for {duration(age)}", source.newest_sample
        elif source.state is State.FAILED and source.failing_since is not None:
            age = moment - source.failing_since
            title, onset = f"{source.name}: {source.error}", source.failing_since
        else:
            continue
        bound = 1.0 + math.log10(max(1.0, age / 60))
        cases.append(
            Case(
                Finding(
                    signal=Signal.STALENESS,
                    model="",
                    severity=severity(Signal.STALENESS, bound),
                    title=title,
                    effect=-bound,
                    score=weighted(Signal.STALENESS, bound),
                    n=0.0,
                    n_baseline=0.0,
                    now=max(0.0, age),
                    unit="s",
                    onset=onset,
                    subject=source.name,
                ),
                None,
                frame.live,
            )
        )
    return cases


def _things(source: SourceStatus) -> str:
    return "samples" if source.kind in ("prometheus", "scrape") else "rows"
