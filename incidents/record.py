"""The incident record: what the events of one incident add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from incidents.events import Actor


class Status(StrEnum):
    """Where an incident stands."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MITIGATING = "mitigating"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    FALSE_ALARM = "false alarm"

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something."""
        return self not in (Status.RESOLVED, Status.FALSE_ALARM)

    @property
    def mitigated(self) -> bool:
        """Whether users no longer feel it."""
        return self in (Status.MONITORING, Status.RESOLVED)


DELIVERY = "notify_"
"""How the kinds begin that tell of a target."""

OBSERVED = ("version", "alert", "annotation")
"""Kinds of lines that nobody wrote: what was seen on the charts. They bear no event."""

LATEST = 1e11
"""Unix seconds of a moment that a calendar still has."""

SEVERITIES = (1, 2, 3, 4, 5)
"""1 is the worst. When in doubt, take the worse one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one signal showed when the incident was flagged."""

    signal: str
    model: str
    title: str
    subject: str = ""
    now: float | None = None
    baseline: float | None = None
    unit: str = ""
    onset: float | None = None
    """Unix seconds, estimated from the change point of the signal."""
    n: float = 0.0
    """Rows of the window."""
    where: tuple[tuple[str, str], ...] = ()
    """The segment that carries the change."""
    share: float | None = None
    """Its share of the change, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline."""

    t: float
    """Unix seconds."""
    actor: Actor
    kind: str
    text: str
    event: str
    """The id of its event."""
    retracted: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """Numbers and pictures that were kept."""

    t: float
    text: str
    blobs: Mapping[str, str]
    """What it is, such as snapshot or screen -> the name of its blob."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """Something that has to hold before an incident may be called resolved."""

    text: str
    met: bool = False
    by: str = ""
    """Who has said last how it stands."""
    t: float | None = None
    """Unix seconds of that."""


def silencer_of(target: str) -> str:
    """How the silences of an Alertmanager are called among the targets, beside its alerts."""
    return f"silence at {target}"


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that somebody has held back because of this incident, as the events tell it."""

    at: str
    """The target that was asked to."""
    matchers: str
    until: float
    """Unix seconds."""
    event: str = ""
    """The id of the event that asked for it."""
    by: str = ""
    comment: str = ""
    reference: str = ""
    """How the target calls it."""
    told: str = "queued"
    """The last word of the target about its beginning: queued, sending, ok, retry, failed or unknown."""
    told_at: float = 0.0
    """Unix seconds of that word."""
    ending: str = ""
    """The id of the event that asked for its early end, or for another in its place; empty while nobody has."""
    ended_by: str = ""
    replaced: bool = False
    """Whether it was to end because another takes its place."""
    end_told: str = ""
    """The last word of the target about that end."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as all its events tell it."""

    id: str
    title: str = ""
    severity: int = 3
    severity_reason: str = ""
    status: Status = Status.INVESTIGATING
    drill: bool = False
    onset: float | None = None
    """Unix seconds, estimated; None where no onset could be told."""
    onset_method: str = ""
    detected: float | None = None
    """Unix seconds of the answer that showed it."""
    declared: float | None = None
    mitigated: float | None = None
    resolved: float | None = None
    declared_by: Actor | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    """Role, such as commander -> who has it."""
    model: str = ""
    version: str = ""
    environment: str = ""
    filter: str = ""
    """The filter of the view, as typed."""
    window: tuple[int, int] | None = None
    """Unix seconds of the live window in which it was seen."""
    readings: tuple[Reading, ...] = ()
    impact: str = ""
    links: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    timeline: tuple[Line, ...] = ()
    """Oldest first; every value that a field ever had is in it."""
    evidence: tuple[Evidence, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    """In the order in which they were stated."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Target -> how it calls this incident."""
    told: Mapping[str, str] = field(default_factory=dict)
    """Target -> the last word of it: queued, sending, ok, retry, failed or unknown."""
    merged_into: str = ""
    silences: tuple[Silence, ...] = ()

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.status.open and not self.merged_into

    @property
    def responders(self) -> tuple[str, ...]:
        """Everybody who did something, in order of appearance."""
        return tuple(dict.fromkeys(line.actor.user for line in self.timeline if line.kind not in OBSERVED))

    @property
    def changed(self) -> float:
        """Unix seconds of the newest event."""
        return max((line.t for line in self.timeline if line.kind not in OBSERVED), default=0.0)
