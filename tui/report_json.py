"""The answer as plain data and JSON, as docs/report.md has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from analysis.answer import (
    FeatureRow,
    Finding,
    FindingKey,
    MixShift,
    ModelRow,
    Segment,
    Signal,
    Snapshot,
    SourceStatus,
)
from analysis.filters import format_filter
from analysis.objectives import Budget
from tui.report_latency import latency, number

SCHEMA = 1

SUBJECT_KEYS = {
    Signal.ERROR: "error_type",
    Signal.FEATURE: "feature",
    Signal.QUALITY: "feature",
    Signal.INFRA: "metric",
    Signal.DEPENDENCY: "dependency",
    Signal.BUSINESS: "measure",
    Signal.VERSION: "version",
    Signal.AGREEMENT: "version",
    Signal.STALENESS: "source",
}
"""How the JSON names what a finding is about."""


def status_word(snapshot: Snapshot) -> str:
    """The status in one word; unknown where nothing could be evaluated."""
    status = snapshot.status
    return "unknown" if status is None else str(status)


def as_json(snapshot: Snapshot) -> str:
    """The answer as documented in docs/report.md; numbers that are not known are null.

    Only ASCII: a terminal and a file of any encoding take it, and no character of a label acts on either.
    """
    return json.dumps(as_dict(snapshot), indent=2, allow_nan=False)


def as_dict(snapshot: Snapshot) -> dict[str, Any]:
    """The answer as plain data."""
    frame, view = snapshot.frame, snapshot.view
    return {
        "schema": SCHEMA,
        "generated_at": iso(snapshot.generated_at),
        "status": status_word(snapshot),
        "view": {
            "from": iso(frame.live.start),
            "to": iso(frame.live.end),
            "baseline": view.baseline.label,
            "baseline_from": iso(frame.span.start),
            "baseline_to": iso(max(window.end for window in frame.references)),
            "baseline_windows": len(frame.references),
            "filter": format_filter(view.where),
            "models": list(view.models),
        },
        "sources": [_source(source, snapshot.moment) for source in snapshot.sources],
        "models": [_model(row) for row in snapshot.models],
        "budgets": [_budget(budget) for budget in snapshot.budgets],
        "findings": _findings(snapshot),
        "latency": latency(snapshot.latency),
        "features": {"model": snapshot.focus, "rows": [_feature(row) for row in snapshot.features.rows]},
        "notes": list(snapshot.notes),
    }


def _source(source: SourceStatus, now: float) -> dict[str, Any]:
    newest = source.newest_sample
    return {
        "name": source.name,
        "kind": source.kind,
        "state": str(source.state),
        "newest_sample": iso(newest),
        "age_s": None if newest is None else number(max(0.0, now - newest)),
        "error": source.error,
        "hint": source.hint,
    }


def _model(row: ModelRow) -> dict[str, Any]:
    return {
        "model": row.model,
        "state": str(row.state),
        "stale": row.stale,
        "versions": list(row.versions),
        "request_rate": number(row.request_rate),
        "latency_ms": {name: number(value) for name, value in row.latency_ms.items()},
        "error_ratio": number(row.error_ratio),
        "confidence_mean": number(row.confidence_mean),
        "accuracy": number(row.accuracy),
        "label_coverage": number(row.label_coverage),
        "compared": row.compared,
        "drift": number(row.drift),
        "newest_sample": iso(row.newest_sample),
    }


def _budget(budget: Budget) -> dict[str, Any]:
    objective = budget.objective
    return {
        "model": objective.model,
        "kind": objective.kind,
        "target": objective.target,
        "threshold_ms": number(objective.threshold_ms),
        "counted_at_ms": number(budget.edge_ms),
        "severity": str(budget.severity),
        "fires": budget.fires,
        "left": number(budget.left),
        "known_s": number(budget.known_s),
        "gone_in_s": number(budget.gone_in_s),
        "pages_in_s": number(budget.pages_in_s),
        "windows": [
            {"window_s": spend.window_s, "n": number(spend.n), "bad": number(spend.bad), "burn": number(spend.burn)}
            for spend in budget.spends
        ],
        "note": budget.note,
    }


def _findings(snapshot: Snapshot) -> list[dict[str, Any]]:
    ranks = {finding.key: i for i, finding in enumerate(snapshot.findings, 1)}
    return [_finding(finding, snapshot.moment, ranks) for finding in snapshot.findings]


def _finding(finding: Finding, now: float, ranks: Mapping[FindingKey, int]) -> dict[str, Any]:
    named = finding.subject and finding.signal in SUBJECT_KEYS and finding.check != "mix"
    subject = {SUBJECT_KEYS[finding.signal]: finding.subject} if named else {}
    return {
        "rank": ranks[finding.key],
        "signal": str(finding.signal),
        **subject,
        **({"check": finding.check} if finding.check else {}),
        "model": finding.model,
        "severity": str(finding.severity),
        "phase": finding.phase,
        "title": finding.title,
        "onset": iso(finding.onset),
        "onset_between": None if finding.onset_between is None else [iso(at) for at in finding.onset_between],
        "onset_s_ago": None if finding.onset is None else number(max(0.0, now - finding.onset)),
        "now": number(finding.now),
        "baseline": number(finding.baseline),
        "unit": finding.unit,
        "effect": number(finding.effect),
        "score": number(finding.score),
        "n": number(finding.n),
        "n_baseline": number(finding.n_baseline),
        "where": [_segment(segment) for segment in finding.where],
        "mix": [_mix(shift) for shift in finding.mix],
        "caused_by": [
            {"rank": ranks[cause.key], "words": cause.words, "confidence": cause.confidence}
            for cause in finding.causes
            if cause.key in ranks
        ],
        "folded_into": None if finding.folded_into is None else ranks.get(finding.folded_into),
    }


def _feature(row: FeatureRow) -> dict[str, Any]:
    read = row.readings
    return {
        "feature": row.feature,
        "kind": row.kind,
        "state": row.state,
        "shift": number(row.shift),
        "noise": number(row.noise),
        "q": number(row.q),
        "direction": row.direction,
        "null_rate": number(row.null),
        "null_rate_baseline": number(row.null_baseline),
        "unseen": number(row.unseen),
        "values_per_minute": number(row.per_minute),
        "values_per_minute_baseline": number(row.per_minute_baseline),
        "n": number(row.n),
        "n_baseline": number(row.n_baseline),
        "psi": None if read is None else number(read.psi),
        "jensen_shannon": None if read is None else number(read.js),
        "kolmogorov_smirnov": None if read is None else number(read.ks),
        "wasserstein_normalised": None if read is None else number(read.wasserstein),
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "segment": dict(segment.where),
        "share_of_change": number(segment.share_of_change),
        "rate_in": number(segment.rate_in),
        "rate_out": number(segment.rate_out),
        "rate_before": number(segment.rate_before),
        "lift": number(segment.lift),
        "support": number(segment.support),
        "n": number(segment.n),
        "p_adjusted": number(segment.p_adjusted),
        "rate_without": number(segment.rate_without),
        "aliases": [dict(alias) for alias in segment.aliases],
        "sampled": segment.sampled,
        "alternative": segment.alternative,
    }


def _mix(shift: MixShift) -> dict[str, Any]:
    return {
        "segment": dict(shift.where),
        "share_before": number(shift.share_before),
        "share_now": number(shift.share_now),
        "rate_before": number(shift.rate_before),
        "share_of_change": number(shift.share_of_change),
    }


def iso(t: float | None) -> str | None:
    """RFC 3339 in UTC, to the second; None for a moment outside the years 1 to 9999, which a broken clock writes."""
    try:
        return None if t is None else datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None
