"""The answer as text for a terminal, and as Markdown for a ticket."""

from __future__ import annotations

from analysis.answer import Finding, ModelRow, Segment, Severity, Snapshot
from analysis.filters import format_filter
from analysis.objectives import times, words
from analysis.outline import OutlineRow, outline
from analysis.printable import printable
from analysis.words import duration, milliseconds, percent, quantity, quiet
from tui.report_json import iso, status_word
from widgets.text import since as began
from widgets.text import within


def as_text(snapshot: Snapshot) -> str:
    """The answer for a person's terminal: what changed, the models, the sources."""
    lines = [f"{status_word(snapshot).upper()}  {_question(snapshot)}", "", "WHAT CHANGED"]
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
            _state(row),
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


def _state(row: ModelRow) -> str:
    if row.stale:
        return "stale"
    return "no base" if not row.compared and row.state is Severity.OK else str(row.state)


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
    words = f"{iso(live.start)} to {iso(live.end)} ({duration(live.length)}) against {view.baseline.label}"
    return printable(", ".join([words, *filter(None, rows)]))


def nothing(snapshot: Snapshot) -> str:
    """What to say when no finding is listed."""
    if snapshot.status is None:
        return "cannot tell: no model has data in this window"
    compared = sum(model.compared for model in snapshot.models)
    return quiet(compared, len(snapshot.models), snapshot.view.baseline.label)


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
        f"# mltriage: {status_word(snapshot)}",
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
                "" if finding.onset is None else f"{iso(finding.onset)}{within(finding.onset_between)}",
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
            f"| {_cell(row.model)} | {_state(row)} | {quantity(row.request_rate)} |"
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
