"""From an answer to an incident: what is filled in before an engineer is asked, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.answer import Finding, Severity, Snapshot, State
from analysis.filters import format_filter
from incidents.alike import lookalike
from incidents.codec import encode
from incidents.events import Kind
from incidents.fold import fold, reading_of
from incidents.journal import Blob, Journal, Saved
from incidents.record import OBSERVED, Incident, Reading
from incidents.severity import severity_of

READINGS = 8
"""Changes of the model that are kept as numbers of the record; the snapshot beside it has all of them."""

SEEN = 50
"""Marks of the charts that are kept as lines of the timeline, the newest."""

TITLE_CHARS = 120


@dataclass(frozen=True, slots=True)
class Draft:
    """An incident that is not written yet."""

    title: str
    severity: int
    severity_reason: str
    readings: tuple[Reading, ...]
    snapshot: Snapshot
    blobs: dict[str, Blob]


def draft(
    snapshot: Snapshot, finding: Finding | None = None, *, others: Iterable[Snapshot] = (), screen: str = ""
) -> Draft:
    """What the answer suggests.

    Args:
        finding: what it is about; without one, the state of the sources is.
        others: the same answer with other models in focus, kept for whoever replays it.
        screen: the text that was on the screen, or the report.
    """
    told = _told_with(finding, snapshot.findings) if finding is not None else []
    severity, reason = severity_of(finding, snapshot.budgets)
    blobs = {"snapshot": Blob(encode(snapshot, others), "json")}
    if screen:
        blobs["screen"] = Blob(screen.encode("utf-8", "backslashreplace"), "txt")
    readings = tuple(reading_of(f) for f in told[:READINGS])
    return Draft(title_of(snapshot, finding), severity, reason, readings, snapshot, blobs)


def _told_with(finding: Finding, findings: Iterable[Finding]) -> list[Finding]:
    """A finding, the rest of its story (what it brought about may be milder than it), and what else is wrong there."""
    others = [f for f in findings if f.model == finding.model and f != finding]
    story = finding.folded_into or finding.key
    of_it = [f for f in others if story in (f.key, f.folded_into)]
    rest = [f for f in others if f not in of_it and f.severity.rank >= Severity.WARNING.rank]
    return [finding, *of_it, *rest]


def title_of(snapshot: Snapshot, finding: Finding | None) -> str:
    """One line: the model, what changed, and the segment that carries it."""
    if finding is None:
        failed = [source.name for source in snapshot.sources if source.state is State.FAILED]
        return f"no data from {', '.join(failed)}" if failed else "flagged by hand, no change was found"
    where = " ".join(f"{dim}={value}" for dim, value in finding.where[0].where) if finding.where else ""
    return " ".join(filter(None, (finding.model, finding.title, where)))[:TITLE_CHARS]


def alike(journal: Journal, wanted: Draft, now: float) -> Incident | None:
    """The open incident that this one would repeat."""
    if not wanted.readings:
        return None
    known = (fold(incident, journal.history(incident).events) for incident in journal.incidents())
    return lookalike(known, wanted.readings[:1], now)


def declare(
    journal: Journal,
    wanted: Draft,
    *,
    title: str | None = None,
    severity: int | None = None,
    drill: bool = False,
    environment: str = "",
    impact: str = "",
    notify: Sequence[str] = (),
) -> Saved:
    """Write a new incident; when this returns, it and its evidence are on the disk.

    Args:
        title: instead of the suggested one.
        severity: instead of the suggested one.
        drill: an exercise.
        notify: names of the targets that are to be told. The same line queues them: no crash comes between.

    Raises:
        NotSavedError: neither disk nor memory took it.
    """
    data = {
        **_seen(wanted),
        "title": title or wanted.title,
        "severity": severity or wanted.severity,
        "severity_reason": "set by hand" if severity and severity != wanted.severity else wanted.severity_reason,
        "drill": drill,
        "environment": environment,
        "impact": impact,
        "detected": wanted.snapshot.generated_at if wanted.readings else None,
        "notify": list(notify),
    }
    return journal.append(journal.new_incident(), Kind.DECLARED, data, wanted.blobs)


def join(journal: Journal, incident: str, wanted: Draft, *, text: str = "", notify: Sequence[str] = ()) -> Saved:
    """Add the evidence to an incident that is there already.

    Raises:
        NotSavedError: neither disk nor memory took it.
    """
    data = {**_seen(wanted), "text": text or f"seen again: {wanted.title}", "notify": list(notify)}
    return journal.append(incident, Kind.EVIDENCE, data, wanted.blobs)


def _seen(wanted: Draft) -> dict[str, Any]:
    """What the answer says, as data of an event."""
    snapshot, first = wanted.snapshot, next(iter(wanted.readings), None)
    row = next((row for row in snapshot.models if first is not None and row.model == first.model), None)
    onset = first.onset if first is not None else None
    return {
        "model": first.model if first is not None else snapshot.focus,
        "version": row.versions[-1] if row is not None and row.versions else "",
        "filter": format_filter(snapshot.view.where),
        "window": [snapshot.frame.live.start, snapshot.frame.live.end],
        "onset": onset,
        "onset_method": f"change point of {first.signal}" if first is not None and onset is not None else "",
        "readings": [_known(reading) for reading in wanted.readings],
        "seen": seen(snapshot, first.model if first is not None else snapshot.focus),
    }


def seen(snapshot: Snapshot, model: str, after: float = 0.0) -> list[dict[str, Any]]:
    """What the charts of a model mark beside its onset, as data of an event: deploys, alerts, annotations.

    Args:
        after: unix seconds up to which it is known already.
    """
    marks = [mark for mark in snapshot.marks if mark.kind in OBSERVED and mark.model in ("", model) and mark.t > after]
    return [{"t": mark.t, "kind": mark.kind, "text": mark.text} for mark in marks[-SEEN:]]


def _known(reading: Reading) -> dict[str, Any]:
    """A reading as JSON has it: no NaN."""
    plain = asdict(reading)
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in plain.items()
    }
