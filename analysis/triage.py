"""From evidence to answer: every signal of every model, one ranked list, and the panels of the model in focus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.answer import (
    AccuracyPanel,
    ConfidencePanel,
    ErrorsPanel,
    FeatureRow,
    FeaturesPanel,
    Finding,
    InfraPanel,
    LatencyPanel,
    Mark,
    ModelRow,
    PanelStatus,
    Severity,
    ShadowPanel,
    Signal,
    Snapshot,
    State,
)
from analysis.cases import Case
from analysis.causes import told
from analysis.confidence import confidence_panel
from analysis.detect import Detected, as_of, detect
from analysis.errors import errors_panel
from analysis.evidence import Traffic
from analysis.exported import exported_of, exported_panel
from analysis.gauges import Reading
from analysis.infra_panel import infra_panel
from analysis.knee import knee_of
from analysis.latency import QUANTILES, latency_panel
from analysis.model_rows import model_row
from analysis.objectives import Objective
from analysis.reliability import accuracy_panel
from analysis.seasons import LeftOut, baseline_notes, on_other_days, usable
from analysis.settling import LONGEST_STEP, Standing, earlier, minutes_to_believe, must_settle, progress, settle
from analysis.shadow import shadow_panel
from analysis.slices import key_index
from analysis.together import together
from analysis.trust import LabelJudgement
from analysis.view import Frame, View
from analysis.voices import Evidence, ModelEvidence, newest_of

__all__ = ["Evidence", "Judgement", "evaluate", "judge", "picture"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found in some evidence, whichever model is in focus."""

    frame: Frame
    models: tuple[ModelEvidence, ...]
    gauges: tuple[Reading, ...]
    features: Mapping[str, tuple[FeatureRow, ...]]
    labels: Mapping[str, LabelJudgement]
    rows: tuple[ModelRow, ...]
    findings: tuple[Finding, ...]
    cases: tuple[Case, ...]
    """In the order of the findings."""
    versions: tuple[Mark, ...]
    left_out: tuple[LeftOut, ...]
    """Days that the baseline asks for and that are unfit."""
    standing: Standing
    """How long each urgent finding has stood, for the next judgement of the same view."""


def evaluate(
    evidence: Evidence, view: View, frame: Frame, now: float, *, threshold: float
) -> tuple[Snapshot, tuple[Case, ...]]:
    """The answer to a view: the snapshot, and its cases in the order of its findings.

    Args:
        now: unix seconds, for the ages of sources.
        threshold: confidence below which a row counts as unsure.
    """
    judgement = judge(evidence, view, frame, now, threshold=threshold)
    return picture(judgement, evidence, view, now, threshold=threshold), judgement.cases


def judge(
    evidence: Evidence, view: View, frame: Frame, now: float, *, threshold: float, standing: Standing | None = None
) -> Judgement:
    """Every change of every model and source; the arguments are those of `evaluate`.

    Args:
        standing: what the judgement before left of the same view. None: it is found from the moments before, in the
            same evidence, so that one question has one answer.
    """
    frame, left_out = usable(frame, _traffic(evidence)) if on_other_days(view, frame) else (frame, ())
    found = detect(evidence, view, frame, now, threshold=threshold)
    models, features, labels = found.models, found.features, found.labels
    if standing is None:
        standing = _stood(found, evidence, view, frame, threshold)
    cases, standing = settle(standing, found.cases, progress(evidence, frame), at_once=frame.step > LONGEST_STEP)
    cases, logs = together(cases, features), evidence.logs
    if left_out:
        # Segments are compared with the same days as the whole.
        cases = tuple(case if case.references else replace(case, references=frame.references) for case in cases)
    findings = told([case.finding for case in cases], frame.step)
    by_key = {case.finding.key: case for case in cases}
    rows = sorted(
        (
            model_row(model, logs, frame, findings, features.get(model.name, ()), labels.get(model.name))
            for model in models
        ),
        key=lambda row: (-row.state.rank, not row.stale, row.model),
    )
    return Judgement(
        frame=frame,
        models=models,
        gauges=found.gauges,
        features=features,
        labels=labels,
        rows=tuple(rows),
        findings=findings,
        cases=tuple(by_key[finding.key] for finding in findings),
        versions=found.versions,
        left_out=left_out,
        standing=standing,
    )


def _stood(found: Detected, evidence: Evidence, view: View, frame: Frame, threshold: float) -> Standing:
    """How long the findings of a first look have stood: the same evidence as it was in the buckets before."""
    standing: Standing = {}
    minutes = [minutes_to_believe(case.finding.signal) for case in found.cases if must_settle(case.finding)]
    if frame.step > LONGEST_STEP or not minutes:
        return standing
    # Rows that are on their way are no minutes of data.
    behind = max(0, (frame.live.end - 1) // 60 - progress(evidence, frame)) * 60 // frame.step
    for back in range(behind + max(minutes) - 1, behind, -1):
        before = earlier(frame, back)
        if before is None:
            continue
        known = as_of(evidence, before.live.end)
        cases = detect(known, view, before, float(before.live.end), threshold=threshold).cases
        _, standing = settle(standing, cases, progress(known, before))
    return standing


def picture(
    judgement: Judgement,
    evidence: Evidence,
    view: View,
    now: float,
    *,
    threshold: float,
    objectives: Sequence[Objective] = (),
) -> Snapshot:
    """What the screen shows of a judgement: the lists, and the panels of the model in focus.

    Args:
        objectives: what the models promise; a latency threshold says which requests are slow.
    """
    frame, findings, models = judgement.frame, judgement.findings, judgement.models
    focus = _focus(view, findings, judgement.rows)
    onsets = [
        Mark(finding.onset, "onset", finding.title, finding.model)
        for finding in findings
        if finding.onset is not None and finding.severity.rank >= Severity.WARNING.rank and finding.model == focus
    ]
    features = judgement.features.get(focus, ())
    return Snapshot(
        generated_at=now,
        view=view,
        frame=frame,
        focus=focus,
        sources=(*evidence.log_sources, *evidence.metric_sources),
        models=judgement.rows,
        findings=findings,
        marks=tuple(sorted((*judgement.versions, *onsets[:1]), key=lambda mark: mark.t)),
        latency=_latency(evidence, judgement, focus, objectives),
        confidence=_confidence(evidence, frame, focus, threshold),
        errors=_errors(evidence, models, frame, focus),
        features=FeaturesPanel(_status(evidence, "features", from_logs=True, present=bool(features)), focus, features),
        infra=_infra(evidence, judgement.gauges, judgement.cases, frame, focus),
        shadow=_shadow(evidence, frame, focus),
        notes=(*_baseline_notes(evidence, judgement, view), *evidence.notes),
        accuracy=_accuracy(evidence, judgement, view, now, focus),
    )


def _focus(view: View, findings: tuple[Finding, ...], rows: tuple[ModelRow, ...]) -> str:
    known = [row.model for row in rows]
    if view.focus in known:
        return str(view.focus)
    return next((f.model for f in findings if f.model in known), known[0] if known else "")


def _status(evidence: Evidence, part: str, *, from_logs: bool, present: bool) -> PanelStatus:
    """What a panel says of its data: the state of its source, or that the part is not logged."""
    sources = evidence.log_sources if from_logs else evidence.metric_sources
    if not sources:
        kind = "logs" if from_logs else "metrics"
        return PanelStatus(
            State.ABSENT, f"no {kind} source: start with --{'logs PATH' if from_logs else 'prometheus URL'}"
        )
    worst = max(sources, key=lambda s: _BADNESS[s.state])
    state, message = worst.state, ""
    if state is State.FAILED:
        message = ": ".join(text for text in (worst.error, worst.hint) if text)
    elif state is State.STALE:
        message = "no new data"
    elif not present and state is State.LIVE:
        word = {"traffic": "latency", "pairs": "shadow rows of this model"}.get(part, part)
        state, message = State.ABSENT, f"{worst.name} {'logs' if from_logs else 'exposes'} no {word}"
        if evidence.filtered and not from_logs:
            message = f"{evidence.unfiltered} (u takes the filter back)"
    elif state is State.EMPTY:
        message = "no data in this window"
    asked = part if from_logs else "metrics"
    query, elapsed_s = evidence.queries.get(asked, ""), evidence.elapsed_s.get(asked, 0.0)
    return PanelStatus(state, message, worst.name, newest_of(sources), query, elapsed_s)


_BADNESS = {State.LIVE: 0, State.ABSENT: 1, State.LOADING: 2, State.EMPTY: 3, State.STALE: 4, State.FAILED: 5}


def _of(models: Iterable[ModelEvidence], focus: str) -> ModelEvidence | None:
    return next((model for model in models if model.name == focus), None)


def _latency(evidence: Evidence, judgement: Judgement, focus: str, objectives: Iterable[Objective]) -> LatencyPanel:
    model = _of(judgement.models, focus)
    traffic = model.traffic if model is not None else None
    latency = traffic.latency if traffic is not None else None
    from_logs = model.from_logs if model is not None else bool(evidence.log_sources)
    logged = evidence.logs.traffic if evidence.logs is not None else None
    if latency is not None:
        from_logs = logged is not None and latency is logged.latency
    status = _status(evidence, "traffic", from_logs=from_logs, present=latency is not None)
    frame, promised = judgement.frame, [objective for objective in objectives if objective.model == focus]
    quantiles = evidence.metrics.quantiles if evidence.metrics is not None and not evidence.filtered else {}
    if latency is not None and key_index(latency.keys, model=focus).size:
        panel = replace(latency_panel(latency, frame, focus, status, promised), knee=knee_of(latency, focus))
    elif traffic is not None and exported_of(quantiles, focus):
        status = _status(evidence, "traffic", from_logs=False, present=True)
        panel = exported_panel(quantiles, traffic.requests, frame, focus, status)
    else:
        return LatencyPanel(status, focus)
    told_of = (
        f for f in judgement.findings if f.signal is Signal.LATENCY and f.model == focus and f.check in QUANTILES
    )
    return replace(panel, told=next(told_of, None))


def _confidence(evidence: Evidence, frame: Frame, focus: str, threshold: float) -> ConfidencePanel:
    confidence = evidence.logs.confidence if evidence.logs is not None else None
    present = confidence is not None and key_index(confidence.keys, model=focus).size > 0
    status = _status(evidence, "confidence", from_logs=True, present=present)
    if confidence is None or not present:
        return ConfidencePanel(status, focus)
    return confidence_panel(confidence, frame, focus, threshold, status)


def _accuracy(evidence: Evidence, judgement: Judgement, view: View, now: float, focus: str) -> AccuracyPanel:
    labels = evidence.logs.labels if evidence.logs is not None else None
    status = _status(evidence, "labels", from_logs=True, present=labels is not None)
    drifting = any(row.state == "DRIFT" for row in judgement.features.get(focus, ()))
    moment = now if view.end is None else float(view.end)
    said = judgement.labels.get(focus)
    return accuracy_panel(labels, said, judgement.frame, focus, moment, status, inputs_moved=drifting)


def _errors(evidence: Evidence, models: Iterable[ModelEvidence], frame: Frame, focus: str) -> ErrorsPanel:
    model = _of(models, focus)
    failures = model.failures if model is not None else None
    errors = model.errors if model is not None else None
    from_logs = model.errors_from_logs if model is not None else bool(evidence.log_sources)
    known = errors is not None or (failures is not None and failures.errors is not None)
    status = _status(evidence, "errors", from_logs=from_logs, present=known)
    if failures is None or not known:
        return ErrorsPanel(status, focus)
    return errors_panel(errors, failures, frame, focus, status)


def _infra(
    evidence: Evidence, gauges: tuple[Reading, ...], cases: Sequence[Case], frame: Frame, focus: str
) -> InfraPanel:
    logged = bool(gauges) and not evidence.metric_sources
    status = _status(evidence, "infrastructure", from_logs=logged, present=bool(gauges))
    held = evidence.metrics.gauges if evidence.metrics is not None and not evidence.filtered else ()
    return infra_panel(gauges, cases, frame, status, focus, held)


def _shadow(evidence: Evidence, frame: Frame, focus: str) -> ShadowPanel:
    pairs = evidence.logs.pairs if evidence.logs is not None else None
    present = pairs is not None and any(key[0] == focus for key in pairs.counts.keys)
    status = _status(evidence, "pairs", from_logs=True, present=present)
    if pairs is None or not present:
        return ShadowPanel(status, focus)
    return shadow_panel(pairs, frame, focus, status)


def _baseline_notes(evidence: Evidence, judgement: Judgement, view: View) -> tuple[str, ...]:
    told = evidence.logs is not None or evidence.by_version
    version = view.baseline.version if told and view.baseline.kind == "version" else None
    traffic = next(iter(_traffic(evidence)), None)
    return baseline_notes(traffic, view, judgement.frame, judgement.left_out, version)


def _traffic(evidence: Evidence) -> tuple[Traffic, ...]:
    """What each kind of source says of requests."""
    logged = evidence.logs.traffic if evidence.logs is not None else None
    counted = evidence.metrics.traffic if evidence.metrics is not None and not evidence.filtered else None
    return tuple(part for part in (logged, counted) if part is not None)
