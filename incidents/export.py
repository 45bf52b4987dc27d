"""An incident as text: the draft of a postmortem, JSON for programs, and twelve lines for the next shift."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from analysis.answer import PanelStatus, Snapshot
from analysis.printable import printable
from analysis.words import duration, measured, percent, quantity, ratio
from incidents.criteria import criterion_words
from incidents.events import Kind
from incidents.reading import History
from incidents.record import DELIVERY, Incident, Line, Reading, silencer_of
from incidents.silencing import held, silence_words
from incidents.suspects import suspect_words, suspects

SCHEMA = 1
HANDOFF_LINES = 12
HANDOFF_WIDTH = 120
QUIET = (Kind.NOTIFY_QUEUED, Kind.NOTIFY_SENDING, Kind.NOTIFY_OK, Kind.NOTIFY_RETRY)
"""Deliveries that went as they should: a postmortem names those that did not."""

CLOSING = (Kind.STATUS, Kind.RESOLVED)
HANDOFF_SILENCES = 2
"""Silences that the next shift is told of, the newest that last; one line stays for what happened last."""
QUERY_CHARS = 1_000
"""A longer query was written by a program, and is run again by one."""

TEXT_CHARS = 100_000
"""A query that was cut short cannot be run again."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from the onset to each step; None where one of the two is not known."""

    detect: float | None
    declare: float | None
    mitigate: float | None
    resolve: float | None


def times(incident: Incident) -> Times:
    """How long it took, from the estimated onset. Without one nothing can be told."""

    def since_onset(moment: float | None) -> float | None:
        return None if incident.onset is None or moment is None else max(0.0, moment - incident.onset)

    return Times(*map(since_onset, (incident.detected, incident.declared, incident.mitigated, incident.resolved)))


def as_json(incident: Incident, history: History, snapshot: Snapshot | None = None) -> str:
    """Everything that is known, as documented in docs/incidents.md; times in UTC, numbers that are not known null."""
    plain = asdict(incident)
    for name in ("onset", "detected", "declared", "mitigated", "resolved"):
        plain[name] = utc(plain[name])
    plain["window"] = None if incident.window is None else [utc(float(t)) for t in incident.window]
    for reading in plain["readings"]:
        reading["where"] = [list(pair) for pair in reading["where"]]
        reading["onset"] = utc(reading["onset"])
    for line in (*plain["timeline"], *plain["evidence"]):
        line["t"] = utc(line["t"])
    for criterion in plain["criteria"]:
        criterion["t"] = utc(criterion["t"])
    for silence in plain["silences"]:
        silence["until"], silence["told_at"] = utc(silence["until"]), utc(silence["told_at"] or None)
    whole = {
        "schema": SCHEMA,
        **plain,
        "open": incident.open,
        "responders": list(incident.responders),
        "times_s": asdict(times(incident)),
        "queries": queries(snapshot),
        "torn_lines": history.torn,
        "problems": list(history.problems),
    }
    return json.dumps(_finite(whole), indent=2, allow_nan=False)


def as_markdown(
    incident: Incident,
    snapshot: Snapshot | None = None,
    screen: str = "",
    *,
    replay: str = "mltriage replay",
    again: str = "",
) -> str:
    """The draft of a postmortem: what is known stands there, what only people know is asked for.

    Args:
        snapshot: the numbers that were kept.
        screen: the text that was on the screen or in the report.
        replay: the command that opens what was kept.
        again: the command that asks the sources the same question again; empty where they are gone.
    """
    known = incident
    sections = [
        [f"# {known.id}: {_text(known.title)}{' (DRILL)' if known.drill else ''}", "", *_facts(known)],
        ["## Summary", "", *_summary(known)],
        ["## Impact", "", *_impact(known)],
        ["## Detection", "", *_detection(known)],
        *([["## Exit criteria", "", *_criteria(known)]] if known.criteria else []),
        ["## Timeline (UTC)", "", *_timeline(known)],
        ["## Evidence", "", *_evidence(known, screen, replay)],
        ["## Contributing factors", "", *_factors(known)],
        ["## Action items", "", "| what | who | by when |", "| --- | --- | --- |", "| | | |"],
        ["## Responders", "", *_responders(known)],
        *([["## Queries to run again", "", *_queries(snapshot, again)]] if snapshot is not None else []),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def handoff(incident: Incident, now: float) -> str:
    """What the next shift must know, in twelve lines of at most 120 characters, newest things last.

    Args:
        now: unix seconds, for ages.
    """
    near = suspects(incident)[:1] if incident.onset is not None else ()
    roles = ", ".join(f"{role} {who}" for role, who in incident.roles.items()) or "no role taken"
    told = ", ".join(f"{target} {state}" for target, state in incident.told.items()) or "nobody outside mltriage"
    lines = [
        f"{incident.id} SEV-{incident.severity} {incident.status}{' DRILL' if incident.drill else ''}"
        f"{f', merged into {incident.merged_into}' if incident.merged_into else ''}"
        f"{f': {incident.severity_reason}' if incident.severity_reason else ''}",
        f"what: {incident.title}",
        f"where: {scope(incident) or 'not narrowed down'}",
        f"since: {utc(incident.onset) or 'no onset could be told'}"
        f"{f' ({duration(now - incident.onset)} ago)' if incident.onset is not None else ''}"
        f", declared {utc(incident.declared)} by {incident.declared_by.user if incident.declared_by else '?'}"
        f"{''.join(f'; {suspect_words(one, incident.onset or 0.0)}' for one in near)}",
        f"signals: {'; '.join(reading_words(r) for r in incident.readings[:3]) or 'none kept'}",
        f"impact: {incident.impact or 'not written down yet'}",
        f"who: {roles}; told: {told}",
    ]
    lines += [f"links: {'  '.join(incident.links)}"] if incident.links else []
    criteria = "; ".join(criterion_words(i, one) for i, one in enumerate(incident.criteria, 1))
    lines += [f"done when: {criteria}"] if criteria else []
    lines += [f"silence: {silence_words(one, now)}" for one in incident.silences if held(one, now)][-HANDOFF_SILENCES:]
    spoken = [line for line in incident.timeline if not line.kind.startswith(DELIVERY) and not line.retracted]
    latest = [f"{utc(line.t)} {line.actor.user}: {line.text}" for line in spoken[-(HANDOFF_LINES - len(lines)) :]]
    return "\n".join(printable(line, HANDOFF_WIDTH - 1) for line in (*lines, *latest)) + "\n"


def reading_words(reading: Reading) -> str:
    """`latency fraud p99 182ms -> 712ms x3.9, 83% of the change in region=eu-w1`."""
    where = " ".join(f"{dim}={value}" for dim, value in reading.where)
    share = f"{percent(reading.share)} of the change in " if reading.share is not None else ""
    # A title such as "version 41 -> 42" names its signal already.
    signal = "" if reading.title.startswith(reading.signal) else f"{reading.signal} "
    return f"{signal}{reading.model} {reading.title}{f', {share}{where}' if where else ''}"


def queries(snapshot: Snapshot | None) -> dict[str, str]:
    """The query behind each panel, to run again."""
    if snapshot is None:
        return {}
    statuses = {
        field.name: part.status
        for field in fields(snapshot)
        if isinstance(getattr(part := getattr(snapshot, field.name), "status", None), PanelStatus)
    }
    return {name: status.query for name, status in statuses.items() if status.query}


def utc(t: float | None) -> str | None:
    """Unix seconds as `2026-11-26T03:12:44Z`."""
    return None if t is None else datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _facts(known: Incident) -> Iterable[str]:
    took = times(known)
    facts = (
        ("Severity", f"SEV-{known.severity}{f' ({known.severity_reason})' if known.severity_reason else ''}"),
        ("Status", f"{known.status}{f', merged into {known.merged_into}' if known.merged_into else ''}"),
        ("Scope", scope(known)),
        ("Onset", f"{utc(known.onset) or 'not known'}{f', {known.onset_method}' if known.onset_method else ''}"),
        ("Time to detect", _took(took.detect)),
        ("Time to declare", _took(took.declare)),
        ("Time to mitigate", _took(took.mitigate)),
        ("Time to resolve", _took(took.resolve)),
    )
    return ["| | |", "| --- | --- |", *(f"| {name} | {_text(value)} |" for name, value in facts)]


def _took(seconds: float | None) -> str:
    return "--" if seconds is None else duration(seconds)


def _summary(known: Incident) -> Iterable[str]:
    began = f"At {utc(known.onset)} (estimated)" if known.onset is not None else "At a moment that could not be told"
    first = reading_words(known.readings[0]) if known.readings else known.title
    told = "; ".join(_course(known))
    return [f"{began}: {_text(first)}. {_text(told)}.", "", "_One paragraph for a reader who was not there._"]


def _course(known: Incident) -> Iterable[str]:
    """What was done after which time, from the onset where it is known."""
    took, who = times(known), known.declared_by.user if known.declared_by is not None else "somebody"
    if took.detect is not None:
        yield f"mltriage showed it after {duration(took.detect)}"
    yield f"{who} declared it{f' after {duration(took.declare)}' if took.declare is not None else ''}"
    if took.mitigate is not None and took.mitigate != took.resolve:
        yield f"mitigated after {duration(took.mitigate)}"
    if known.resolved is None:
        yield "still open"
        return
    words = (line.text.partition(": ") for line in reversed(known.timeline) if line.kind in CLOSING)
    why = next((after for status, _, after in words if status == str(known.status)), "")
    when = f"after {duration(took.resolve)}" if took.resolve is not None else f"at {utc(known.resolved)}"
    yield f"{known.status} {when}{f': {why}' if why else ''}"


def _impact(known: Incident) -> list[str]:
    lines = [_text(known.impact) if known.impact else "_Who noticed, how many, for how long?_"]
    if not known.readings:
        return lines
    lines += [
        "",
        "| signal | model | before | during | ratio | where | rows | in words |",
        "| --- | --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for r in known.readings:
        times_ = ratio(r.now, r.baseline) if r.now is not None and r.baseline is not None else ""
        where = " ".join(f"{dim}={value}" for dim, value in r.where)
        share = f" ({percent(r.share)} of the change)" if r.share is not None else ""
        name = f"{r.signal} {r.subject}".strip()
        cells = (
            name,
            r.model,
            measured(r.baseline, r.unit),
            measured(r.now, r.unit),
            times_,
            f"{where}{share}",
            quantity(r.n),
            r.title,
        )
        lines.append("| " + " | ".join(_text(cell) for cell in cells) + " |")
    return [*lines, *_failed_more(known)]


def _failed_more(known: Incident) -> Iterable[str]:
    """How many requests of the window failed that would not have failed before."""
    for r in known.readings:
        if r.signal == "error" and r.now is not None and r.baseline is not None and r.now > r.baseline:
            more, whole = quantity((r.now - r.baseline) * r.n), quantity(r.n)
            yield from (
                "",
                f"About {more} of {whole} requests ended in {_text(r.subject or 'an error')} beyond the usual.",
            )


def _factors(known: Incident) -> Iterable[str]:
    """What may have brought it about, for people to judge."""
    for one in suspects(known):
        yield f"- {_text(suspect_words(one, known.onset or 0.0))}: a cause?"
    yield from ("", "_What had to be true for this to happen? More than one thing._")


def _detection(known: Incident) -> Iterable[str]:
    who = f" by {known.declared_by.user} on {known.declared_by.host}" if known.declared_by is not None else ""
    lines = [f"Declared {utc(known.declared) or 'never'}{_text(who)}, from what mltriage showed"]
    lines[0] += f" at {utc(known.detected)}." if known.detected is not None else "."
    if known.window is not None:
        lines.append(f"Window {utc(float(known.window[0]))} to {utc(float(known.window[1]))}.")
    if known.filter:
        lines.append(f"Rows: {_text(known.filter)}.")
    told = _first_told(known)
    lines.append(
        f"Told: {_text(', '.join(f'{name} {utc(t)}' for name, t in told.items()) or 'nobody outside mltriage')}."
    )
    return lines


def _criteria(known: Incident) -> Iterable[str]:
    for one in known.criteria:
        when = f" ({_text(one.by)}, {utc(one.t)})" if one.met else ""
        yield f"- [{'x' if one.met else ' '}] {_text(one.text)}{when}"


def _first_told(known: Incident) -> dict[str, float]:
    """When each target first knew of it."""
    silencers = {silencer_of(silence.at) for silence in known.silences}
    found: dict[str, float] = {}
    for line in known.timeline:
        name = line.text.partition(":")[0]
        if line.kind == Kind.NOTIFY_OK and name not in silencers:
            found.setdefault(name, line.t)
    return found


def _timeline(known: Incident) -> Iterable[str]:
    moments = [(known.onset, "", "onset (estimated)")] if known.onset is not None else []
    moments += [(line.t, line.actor.user, _said(line)) for line in known.timeline if line.kind not in QUIET]
    rows = sorted(moments, key=lambda row: row[0] or 0.0)
    return [
        "| time | who | what |",
        "| --- | --- | --- |",
        *(f"| {utc(t)} | {_text(who)} | {_text(what)} |" for t, who, what in rows),
    ]


def _said(line: Line) -> str:
    return f"(retracted) {line.text}" if line.retracted else f"{line.text or line.kind}"


def _evidence(known: Incident, screen: str, replay: str) -> Iterable[str]:
    lines = [f"- {utc(kept.t)} {_text(kept.text)}: {', '.join(kept.blobs)}" for kept in known.evidence]
    lines += [f"- {_text(link)}" for link in known.links]
    lines = lines or ["Nothing was kept."]
    if known.evidence:
        lines += ["", f"`{replay} {known.id}` opens the screens on what was kept."]
    if screen:
        lines += ["", "What the screen said:", "", *_fenced(screen)]
    return lines


def _queries(snapshot: Snapshot, again: str) -> Iterable[str]:
    """How to ask again, and each query that a reader can take in; of the others where they stand."""
    if again:
        yield from ("All of them at once, as they were asked:", "", *_fenced(again), "")
    found = queries(snapshot)
    for name, query in found.items():
        if len(query) <= QUERY_CHARS:
            yield from (f"{name}:", "", *_fenced(query), "")
    long = [name for name, query in found.items() if len(query) > QUERY_CHARS]
    if long:
        yield f"Longer ones, in `queries` of `--format json`: {', '.join(long)}."


def _fenced(text: str) -> list[str]:
    """A block of text that nothing in it can end early."""
    lines = [printable(line, TEXT_CHARS) for line in text.rstrip("\n").split("\n")]
    fence = "`" * max(3, *(len(line) - len(line.lstrip("`")) + 1 for line in lines))
    return [fence, *lines, fence]


def _responders(known: Incident) -> Iterable[str]:
    by_role = {who: role for role, who in known.roles.items()}
    names = dict.fromkeys((*by_role, *known.responders))
    return [f"- {_text(name)}{f', {_text(by_role[name])}' if name in by_role else ''}" for name in names]


def scope(known: Incident) -> str:
    """Model, version, environment, segment and filter; empty where nothing is narrowed down."""
    segment = known.readings[0].where if known.readings else ()
    where = " ".join(f"{dim}={value}" for dim, value in segment)
    version = f"version {known.version}" if known.version and "version" not in dict(segment) else ""
    return ", ".join(filter(None, (known.model, version, known.environment, where, known.filter)))


_MARKUP = str.maketrans({c: f"\\{c}" for c in "\\|[]*_"} | {"<": "&lt;", "`": "'"})


def _text(text: str) -> str:
    """Text from outside as Markdown that is nothing but text: no table, link, image or HTML."""
    return printable(text, TEXT_CHARS).translate(_MARKUP)


def _finite(value: Any) -> Any:
    """NaN and infinities as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
