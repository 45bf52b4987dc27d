"""From the incidents of a journal to what the screen shows of them: rows, and marks on the charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from analysis.answer import Mark, PanelStatus, State
from analysis.words import duration
from tui.incident_delivery import words
from widgets.incidents import IncidentRow, IncidentsPart, Moment

if TYPE_CHECKING:
    from incidents.place import Place
    from incidents.record import Incident, Line
    from incidents.silencing import Heard
    from incidents.watching import Watched

MARKED = ("declared", "note", "status", "resolved", "reopened", "merged", "severity", "silenced", "unsilenced",
          "paged")  # fmt: skip
"""Kinds of events that are moments on the charts."""

SILENCES = 3
"""Silences of one incident that are shown, the newest."""


def part_of(
    known: Sequence[Watched],
    place: Place,
    now: float,
    seen: Sequence[Mark] = (),
    heard: Mapping[str, Heard] = MappingProxyType({}),
) -> IncidentsPart:
    """The page of incidents.

    Args:
        now: unix seconds.
        seen: what the charts mark: it belongs to the timelines of open incidents.
        heard: what each Alertmanager said of its silences.
    """
    rows = tuple(_row(one, now, seen, heard) for one in known)
    return IncidentsPart(PanelStatus(State.LIVE), rows, place_words(place), now, place.demo)


def place_words(place: Place) -> str:
    """`/var/lib/mltriage/incidents (shared)`."""
    return f"{place.folder} ({'demo, ' if place.demo else ''}{'shared' if place.shared else 'private'})"


def unreadable(place: Place, error: OSError, now: float) -> IncidentsPart:
    """The page when the folder cannot be read."""
    message = (
        f"{place.folder} cannot be read: {error.strerror or error}; check its rights, or name another folder in "
        "$MLTRIAGE_INCIDENT_DIR"
    )
    return IncidentsPart(PanelStatus(State.FAILED, message), (), str(place.folder), now)


def marks_of(known: Sequence[Watched], *, drills: bool = False) -> tuple[Mark, ...]:
    """When an incident was declared, noted upon, changed and resolved; drills are marks where all are."""
    return tuple(
        Mark(line.t, "incident", f"{_mark_word(line)} {one.incident.id[-4:]}", one.incident.model)
        for one in known
        if drills or not one.incident.drill
        for line in one.incident.timeline
        if line.kind in MARKED and not line.retracted
    )


def _mark_word(line: Line) -> str:
    """What a mark says: the new status, else what happened."""
    return line.text.partition(":")[0] if line.kind == "status" else line.kind


def _row(watched: Watched, now: float, seen: Sequence[Mark], heard: Mapping[str, Heard]) -> IncidentRow:
    from incidents.record import DELIVERY

    known = watched.incident
    told = {delivery.target: delivery for delivery in watched.deliveries}
    return IncidentRow(
        id=known.id,
        severity=known.severity,
        status="merged" if known.merged_into else str(known.status),
        open=known.open,
        drill=known.drill,
        title=known.title,
        model=known.model,
        who=known.declared_by.user if known.declared_by is not None else "",
        declared=known.declared,
        facts=tuple((name, value) for name, value in _facts(watched, now, heard) if value),
        deliveries=tuple(map(words, told.values())),
        timeline=tuple(
            Moment(line.t, line.actor.user, line.text or line.kind, line.retracted)
            for line in sorted((*known.timeline, *_beside(known, seen)), key=lambda line: line.t)
            if not line.kind.startswith(DELIVERY)
        ),
    )


def _beside(known: Incident, seen: Sequence[Mark]) -> Iterator[Line]:
    """What the charts mark since an open incident began, and its events do not hold yet."""
    from incidents.fold import line_of
    from incidents.record import OBSERVED

    since = known.onset or known.declared or 0.0
    for mark in seen:
        if known.open and mark.kind in OBSERVED and mark.model in ("", known.model) and mark.t >= since:
            line = line_of(mark.t, mark.kind, mark.text)
            if line not in known.timeline:
                yield line


def _facts(watched: Watched, now: float, heard: Mapping[str, Heard]) -> Iterator[tuple[str, str]]:
    from incidents.criteria import criterion_words
    from incidents.export import reading_words, scope, times, utc
    from incidents.silencing import silence_words

    known, took = watched.incident, times(watched.incident)
    yield "severity", f"{known.severity}{f', {known.severity_reason}' if known.severity_reason else ''}"
    yield "merged", known.merged_into
    told = [one for one in known.silences if not (one.replaced and one.end_told == "ok")]
    for silence in told[-SILENCES:]:
        yield "silence", silence_words(silence, now, heard.get(silence.at))
    yield "where", scope(known)
    onset = f"{utc(known.onset)} (estimated)" if known.onset is not None else "no onset could be told"
    declared = f", declared +{duration(took.declare)}" if took.declare is not None else ""
    resolved = f", resolved +{duration(took.resolve)}" if took.resolve is not None else ""
    yield "since", f"{onset}{declared}{resolved}"
    for i, criterion in enumerate(known.criteria, 1):
        yield "exit" if i == 1 else "", criterion_words(i, criterion)
    yield "signal", reading_words(known.readings[0]) if known.readings else ""
    yield "impact", known.impact
    yield "roles", ", ".join(f"{role} {who}" for role, who in known.roles.items())
    yield "links", "  ".join(known.links)
    yield "evidence", "; ".join(f"{', '.join(kept.blobs)} of {utc(kept.t)}" for kept in known.evidence) or "none kept"
    yield "damaged", "; ".join(watched.damage)
