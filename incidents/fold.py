"""From events to the record: what all writers together have said of one incident."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from analysis.answer import Finding, Segment
from incidents.criteria import stated
from incidents.events import Actor, Event, Kind
from incidents.record import DELIVERY, LATEST, OBSERVED, SEVERITIES, Evidence, Incident, Line, Reading, Status
from incidents.silencing import ended, silenced, told_of


def fold(incident: str, events: Iterable[Event]) -> Incident:
    """The record of an incident from its events in order; of two values of one field, the later one holds."""
    found, lines, told = Incident(incident), list[Line](), dict[str, str]()
    retracted = set()
    for event in events:
        found, text = _apply(found, event)
        found = told_of(_with_evidence(found, event), event)
        told.update(_told(event))
        if event.kind == Kind.RETRACTED:
            retracted.add(str(event.data.get("event", "")))
        lines += (line for line in observed(event) if line not in lines)
        if event.kind != Kind.NOTIFY_SENDING:  # its end is the line
            lines.append(Line(event.t, event.actor, event.kind, text, event.id))
    lines.sort(key=lambda line: line.t)  # what was seen, was there before it was written
    timeline = tuple(replace(line, retracted=True) if line.event in retracted else line for line in lines)
    return replace(found, timeline=timeline, told=told)


def _apply(known: Incident, event: Event) -> tuple[Incident, str]:
    """The record after an event, and the event in words."""
    data = event.data
    text = str(data.get("text", ""))
    match event.kind:
        case Kind.DECLARED:
            known, text = _declared(known, event), f"declared SEV-{data.get('severity', known.severity)}"
        case Kind.TITLE:
            known, text = replace(known, title=text), f"title: {text}"
        case Kind.SEVERITY:
            severity, why = _severity(data, known.severity), str(data.get("reason", ""))
            known = replace(known, severity=severity, severity_reason=why)
            text = f"severity {severity}{f': {why}' if why else ''}"
        case Kind.STATUS | Kind.RESOLVED | Kind.REOPENED:
            known = _status(known, event)
            text = f"{known.status}{f': {text}' if text else ''}"
        case Kind.ROLE:
            role, who = str(data.get("role", "")), str(data.get("who", ""))
            known, text = replace(known, roles={**known.roles, role: who}), f"{role}: {who}"
        case Kind.LINK:
            known = replace(known, links=(*known.links, text))
        case Kind.CRITERION:
            known, text = stated(known, event)
        case Kind.EVIDENCE:
            known = _read_as(known, event)
        case Kind.MERGED:
            into = str(data.get("into", ""))
            known, text = replace(known, merged_into=into), f"merged into {into}"
        case Kind.RETRACTED:
            text = text or "retracted a line"
        case Kind.SILENCED:
            known, text = silenced(known, event, _moment(data.get("until")))
        case Kind.UNSILENCED:
            known, text = ended(known, event)
        case Kind.PAGED:
            text = f"paged through {data.get('through', '?')}"
        case Kind.NOTIFY_OK if data.get("ref"):
            known = replace(known, references={**known.references, str(data["target"]): str(data["ref"])})
            text = delivery_words(event)
        case _ if event.kind.startswith(DELIVERY):
            text = delivery_words(event)
    return known, text


def observed(event: Event) -> Iterator[Line]:
    """What stood on the charts when an event was written: deploys, alerts and annotations."""
    for mark in _items(event.data.get("seen")):
        if isinstance(mark, Mapping) and (t := _moment(mark.get("t"))) is not None and mark.get("kind") in OBSERVED:
            yield line_of(t, str(mark["kind"]), str(mark.get("text", "")))


def line_of(t: float, kind: str, text: str) -> Line:
    """A mark of the charts as a line of the timeline."""
    return Line(t, Actor(kind, ""), kind, f"{kind} {text}", "")


def _told(event: Event) -> Mapping[str, str]:
    """Target -> its state after an event. An event that is to be told is queued by the line that holds it."""
    if event.kind.startswith(DELIVERY):
        return {str(event.data.get("target", "?")): event.kind.removeprefix(DELIVERY)}
    return dict.fromkeys(map(str, _items(event.data.get("notify"))), "queued")


def delivery_words(event: Event) -> str:
    """What happened at a target: `pager: ok`, `chat: retry 2 (HTTP 503)`."""
    data = event.data
    state = event.kind.removeprefix(DELIVERY)
    count = f" {data['n']}" if event.kind == Kind.NOTIFY_RETRY and "n" in data else ""
    why = f" ({data['reason']})" if data.get("reason") else ""
    return f"{data.get('target', '?')}: {state}{count}{why}"


def _declared(known: Incident, event: Event) -> Incident:
    data = event.data
    found = replace(
        known,
        title=str(data.get("title", "")),
        severity=_severity(data, known.severity),
        severity_reason=str(data.get("severity_reason", "")),
        drill=bool(data.get("drill", False)),
        onset=_moment(data.get("onset")),
        onset_method=str(data.get("onset_method", "")),
        detected=_moment(data.get("detected")),
        declared=event.t,
        declared_by=event.actor,
        environment=str(data.get("environment", "")),
        impact=str(data.get("impact", "")),
        labels=_words(data.get("labels")),
    )
    return _read_as(found, event)


def _read_as(known: Incident, event: Event) -> Incident:
    """The model, the rows and the signals of the evidence of an event, where they are not known yet."""
    data = event.data
    window = [moment for moment in map(_moment, _items(data.get("window"))) if moment is not None]
    known_keys = {(r.signal, r.model, r.subject) for r in known.readings}
    readings = tuple(reading_from(raw) for raw in _items(data.get("readings")) if isinstance(raw, Mapping))
    fresh = tuple(r for r in readings if (r.signal, r.model, r.subject) not in known_keys)
    return replace(
        known,
        model=known.model or str(data.get("model", "")),
        version=known.version or str(data.get("version", "")),
        filter=known.filter or str(data.get("filter", "")),
        window=known.window or ((int(window[0]), int(window[1])) if len(window) == 2 else None),
        readings=(*known.readings, *fresh),
    )


def _with_evidence(known: Incident, event: Event) -> Incident:
    blobs = _words(event.data.get("blobs"))
    if not blobs:
        return known
    kept = Evidence(event.t, str(event.data.get("text", "")) or known.title, blobs)
    return replace(known, evidence=(*known.evidence, kept))


def _status(known: Incident, event: Event) -> Incident:
    named = {Kind.RESOLVED: Status.RESOLVED, Kind.REOPENED: Status.INVESTIGATING}.get(Kind(event.kind))
    try:
        status = named or Status(str(event.data.get("status", "")))
    except ValueError:
        return known
    mitigated, resolved = known.mitigated, known.resolved
    if status.mitigated and mitigated is None:
        mitigated = event.t
    elif not status.mitigated and status.open:
        mitigated = None
    return replace(known, status=status, mitigated=mitigated, resolved=None if status.open else resolved or event.t)


def _severity(data: Mapping[str, Any], known: int) -> int:
    value = data.get("severity")
    return value if value in SEVERITIES else known


def _number(value: Any) -> float | None:
    """A finite number; None for anything else that a line may hold."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and math.isfinite(value) else None


def _moment(value: Any) -> float | None:
    """Unix seconds that a calendar has."""
    t = _number(value)
    return t if t is not None and 0 <= t < LATEST else None


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()


def _words(value: Any) -> dict[str, str]:
    return {str(name): str(word) for name, word in value.items()} if isinstance(value, Mapping) else {}


def reading_of(finding: Finding) -> Reading:
    """What an incident keeps of a finding; the rest is in the snapshot beside it."""
    segment: Segment | None = finding.where[0] if finding.where else None
    return Reading(
        str(finding.signal),
        finding.model,
        finding.title,
        finding.subject,
        finding.now,
        finding.baseline,
        finding.unit,
        finding.onset,
        finding.n,
        segment.where if segment is not None else (),
        segment.share_of_change if segment is not None else None,
    )


def reading_from(raw: Mapping[str, Any]) -> Reading:
    """A reading from the data of an event; keys of a newer version are passed over."""
    return Reading(
        signal=str(raw.get("signal", "")),
        model=str(raw.get("model", "")),
        title=str(raw.get("title", "")),
        subject=str(raw.get("subject", "")),
        now=_number(raw.get("now")),
        baseline=_number(raw.get("baseline")),
        unit=str(raw.get("unit", "")),
        onset=_moment(raw.get("onset")),
        n=_number(raw.get("n")) or 0.0,
        where=tuple((str(pair[0]), str(pair[1])) for pair in _items(raw.get("where")) if len(pair) == 2),
        share=_number(raw.get("share")),
    )
