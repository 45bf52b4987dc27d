"""The answer on stdout, without a screen: text for people, JSON for programs, Markdown for a ticket."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from analysis.answer import (
    FeatureRow,
    Finding,
    FindingKey,
    MixShift,
    ModelRow,
    Segment,
    Severity,
    Signal,
    Snapshot,
    SourceStatus,
)
from analysis.filters import format_filter
from analysis.objectives import Budget, times, words
from analysis.outline import OutlineRow, outline
from analysis.printable import printable
from analysis.words import duration, milliseconds, percent, quantity
from tui.options import Options
from tui.report_latency import latency, number
from widgets.text import since as began
from widgets.text import within

if TYPE_CHECKING:
    from tui.session import Session

SCHEMA = 1
EXIT = {Severity.OK: 0, Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2, None: 3}
"""Exit code of each status: 0 ok, 1 warning, 2 critical, 3 cannot tell."""

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


def run(options: Options, output: str) -> int:
    """Ask every source once, print the answer, and return the exit code of its status."""
    snapshot = asyncio.run(evaluate(options))
    write({"json": as_json, "markdown": as_markdown, "text": as_text}[output](snapshot) + "\n")
    return EXIT[snapshot.status]


def write(text: str) -> None:
    """Text on stdout; what its encoding does not have becomes an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _status_word(snapshot: Snapshot) -> str:
    status = snapshot.status
    return "unknown" if status is None else str(status)


async def evaluate(options: Options) -> Snapshot:
    """The snapshot of one question, with the segment of each of its first findings."""
    from tui.sources import open_session

    session = open_session(options)
    try:
        return await answered(session)
    finally:
        await session.close()


async def answered(session: Session) -> Snapshot:
    """The whole answer of a session to its view: every source is asked once, and segments are looked for."""
    await session.poll_all()
    _, cases = session.answer()
    await session.explain(cases)
    snapshot, _ = session.answer()
    return snapshot


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
        "generated_at": _time(snapshot.generated_at),
        "status": _status_word(snapshot),
        "view": {
            "from": _time(frame.live.start),
            "to": _time(frame.live.end),
            "baseline": view.baseline.label,
            "baseline_from": _time(frame.span.start),
            "baseline_to": _time(max(window.end for window in frame.references)),
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
        "newest_sample": _time(newest),
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
        "drift": number(row.drift),
        "newest_sample": _time(row.newest_sample),
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
        "onset": _time(finding.onset),
        "onset_between": None if finding.onset_between is None else [_time(at) for at in finding.onset_between],
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


def _time(t: float | None) -> str | None:
    """RFC 3339 in UTC, to the second; None for a moment outside the years 1 to 9999, which a broken clock writes."""
    try:
        return None if t is None else datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None


def as_text(snapshot: Snapshot) -> str:
    """The answer for a person's terminal: what changed, the models, the sources."""
    lines = [f"{_status_word(snapshot).upper()}  {_question(snapshot)}", "", "WHAT CHANGED"]
    lines += [f"  {line}" for line in _finding_lines(snapshot)] or [f"  {nothing(snapshot)}"]
    if snapshot.budgets:
        lines += ["", "BUDGETS", *(f"  {line}" for line in _budget_lines(snapshot))]
    lines += [
        "",
        "MODELS",
        "  " + "  ".join(f"{name:>9}" for name in ("state", "req/s", "p50", "p99", "errors", "conf")),
    ]
    for row in snapshot.models:
        cells = (
            "stale" if row.stale else str(row.state),
            quantity(row.request_rate),
            milliseconds(row.latency_ms.get("p50")),
            milliseconds(row.latency_ms.get("p99")),
            percent(row.error_ratio),
            "--" if row.confidence_mean is None else f"{row.confidence_mean:.2f}",
        )
        lines.append("  " + "  ".join(f"{cell:>9}" for cell in cells) + f"  {printable(row.model)}")
    lines += ["", "SOURCES"]
    lines += [f"  {line}" for line in source_lines(snapshot)]
    lines += [f"note: {printable(note)}" for note in snapshot.notes]
    return "\n".join(lines)


def _budget_lines(snapshot: Snapshot) -> list[str]:
    """One line per objective: what is promised, the burn, and what limits the numbers."""
    lines = []
    for budget in snapshot.budgets:
        windows = " ".join(f"{times(spend.burn)}/{duration(spend.window_s)}" for spend in budget.spends)
        edge = "" if budget.edge_ms is None else f", counted at {milliseconds(budget.edge_ms)}"
        note = f" ({budget.note})" if budget.note else ""
        known = f", of what {duration(budget.known_s)} show"
        said = f"{printable(budget.objective.model)} {budget.objective.words}{edge}: {words(budget)}{known}"
        lines.append(f"{budget.severity!s:<8} {said}; {windows}{note}")
    return lines


def _question(snapshot: Snapshot) -> str:
    """Window, baseline, and which rows and models were looked at."""
    live, view = snapshot.frame.live, snapshot.view
    rows = [format_filter(view.where), f"models {', '.join(view.models)}" if view.models else ""]
    words = f"{_time(live.start)} to {_time(live.end)} ({duration(live.length)}) against {view.baseline.label}"
    return printable(", ".join([words, *filter(None, rows)]))


def nothing(snapshot: Snapshot) -> str:
    """What to say when no finding is listed."""
    if snapshot.status is None:
        return "cannot tell: no model has data in this window"
    return f"nothing: {len(snapshot.models)} models within their usual range"


def _finding_lines(snapshot: Snapshot) -> list[str]:
    now = snapshot.moment
    lines = []
    for row in outline(snapshot.findings, None):
        finding = row.finding
        since = "" if finding.onset is None else f"t-{duration(max(0.0, now - finding.onset))}"
        where = f"  {segment_words(finding.where[0])}" if finding.where else ""
        if row.leads and finding.onset_between is not None:
            where += f"  since {began(finding.onset, finding.onset_between, near=now)}"
        lines.append(
            f"{'' if row.leads else '  '}{finding.severity!s:<8} {since:<7} {finding.signal:<12}"
            f" {printable(finding.model):<8} {printable(finding.title)}{_phase(finding)}{where}"
            f"{_relation(row)}".rstrip()
        )
    return lines


def _phase(finding: Finding) -> str:
    """Whether a finding is too young to be believed, or gone."""
    return "" if finding.phase == "confirmed" else f"  ({finding.phase})"


def _relation(row: OutlineRow) -> str:
    """What a line has to do with the leader of its story, or which models share it."""
    if row.leads:
        return f"  (also {', '.join(map(printable, row.also))})" if row.also else ""
    return f"  {row.tag}" if row.tag else ""


def segment_words(segment: Segment) -> str:
    """A segment as a filter with its share: `region=eu-w1 version=42 83%`."""
    terms = " ".join(printable(f"{dim}={value}") for dim, value in segment.where)
    return f"{terms} {percent(segment.share_of_change)} of the change"


def source_lines(snapshot: Snapshot) -> list[str]:
    """One line per source: name, kind, state, age of its newest sample, error and hint."""
    now = snapshot.moment
    lines = []
    for source in snapshot.sources:
        aged = "" if source.newest_sample is None else f", newest {duration(max(0.0, now - source.newest_sample))} old"
        problem = f": {printable(source.error)}" if source.error else ""
        hint = f" ({printable(source.hint)})" if source.hint and source.error else ""
        lines.append(f"{printable(source.name)} {source.kind} {source.state}{aged}{problem}{hint}")
    return lines


def as_markdown(snapshot: Snapshot) -> str:
    """The answer for a ticket or a chat."""
    lines = [
        f"# mltriage: {_status_word(snapshot)}",
        "",
        f"{_cell(_question(snapshot))}.",
        "",
        "## What changed",
        "",
    ]
    if snapshot.findings:
        lines += ["| severity | since | signal | model | change | where |", "| --- | --- | --- | --- | --- | --- |"]
        for line in outline(snapshot.findings, None):
            finding = line.finding
            where = segment_words(finding.where[0]) if finding.where else ""
            hook, title = "" if line.leads else "└ ", f"{finding.title}{_phase(finding)}{_relation(line)}"
            cells = (
                f"{hook}{finding.severity}",
                "" if finding.onset is None else f"{_time(finding.onset)}{within(finding.onset_between)}",
                finding.signal,
                finding.model,
                title,
                where,
            )
            lines.append("| " + " | ".join(_cell(str(cell)) for cell in cells) + " |")
    else:
        lines.append(_cell(nothing(snapshot)))
    if snapshot.budgets:
        lines += ["", "## Budgets", "", *(f"- {_cell(line)}" for line in _budget_lines(snapshot))]
    lines += ["", "## Models", "", "| model | state | req/s | p50 | p99 | errors | confidence |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in snapshot.models:
        confidence = "--" if row.confidence_mean is None else f"{row.confidence_mean:.2f}"
        lines.append(
            f"| {_cell(row.model)} | {'stale' if row.stale else row.state} | {quantity(row.request_rate)} |"
            f" {milliseconds(row.latency_ms.get('p50'))} | {milliseconds(row.latency_ms.get('p99'))} |"
            f" {percent(row.error_ratio)} | {confidence} |"
        )
    lines += ["", "## Sources", "", *(f"- {_cell(line)}" for line in source_lines(snapshot))]
    lines += [f"- {_cell(note)}" for note in snapshot.notes]
    return "\n".join(lines)


_MARKUP = str.maketrans({c: f"\\{c}" for c in "\\|[]*"} | {"<": "&lt;", "`": "'"})


def _cell(text: str) -> str:
    """Text from outside as Markdown that is nothing but text: no table, link, image or HTML."""
    return printable(text).translate(_MARKUP)
