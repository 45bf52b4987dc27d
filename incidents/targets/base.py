"""What every target has in common: from an event to the one HTTP request that tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from analysis.printable import printable
from incidents.events import Event, Kind
from incidents.record import Incident

OPENING = frozenset((Kind.DECLARED, Kind.REOPENED, Kind.PAGED))
CLOSING = frozenset((Kind.RESOLVED, Kind.MERGED))
UPDATES = frozenset((Kind.STATUS, Kind.SEVERITY, Kind.TITLE))

PAGE_PATIENCE_S = 15 * 60.0
"""A page that comes later than this wakes somebody for what everybody knows."""

NOTE_PATIENCE_S = 24 * 3_600.0


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told."""

    event: Event
    incident: Incident
    """As it stands after the event."""
    declared: Incident
    """As it stood when it was declared: what identifies it never changes."""
    text: str
    """The event in words."""

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.incident.open

    @property
    def title(self) -> str:
        """One line that names the incident."""
        drill = "[DRILL] " if self.incident.drill else ""
        return f"{drill}{self.incident.id} SEV-{self.incident.severity}: {self.incident.title}"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Target(Protocol):
    """A system that is told."""

    @property
    def name(self) -> str:
        """As the configuration calls it."""

    @property
    def repeatable(self) -> bool:
        """Whether telling it twice is telling it once: it has an idempotency key."""

    @property
    def spacing_s(self) -> float:
        """Seconds that it wants between two requests."""

    def wants(self, kind: str) -> bool:
        """Whether it is told of events of this kind."""

    def patience_s(self, kind: str) -> float:
        """How long an event of this kind is worth telling."""

    def request(self, message: Message, secret: str, now: float) -> Request:
        """The request that tells it.

        Args:
            message: what to tell.
            secret: its token, key or secret URL; empty where it has none.
            now: unix seconds.

        Raises:
            ValueError: the event does not hold what is to be told.
        """

    def probe(self, message: Message, secret: str) -> Request | None:
        """The request that asks whether it was told already; None where it cannot be asked."""

    def told(self, message: Message, answer: bytes) -> bool:
        """Whether the answer to `probe` says so."""

    def ends(self, message: Message) -> bool:
        """Whether the event ends something there: a refusal may mean that there is nothing to end any more."""

    def reference(self, answer: bytes) -> str:
        """How it calls the incident, from its answer; empty where it does not say."""


class Unasked:
    """What holds for a target that cannot be asked, or need not be, and that has no name of its own for an incident."""

    __slots__ = ()

    def probe(self, message: Message, secret: str) -> Request | None:
        """Nothing to ask."""
        return None

    def told(self, message: Message, answer: bytes) -> bool:
        """Never asked."""
        return False

    def ends(self, message: Message) -> bool:
        """Nothing that could be gone."""
        return False

    def reference(self, answer: bytes) -> str:
        """None."""
        return ""


def as_json(payload: Any) -> bytes:
    """A payload as the bytes that are sent: ASCII, so that no proxy can take them for another encoding."""
    return json.dumps(payload, allow_nan=False).encode("ascii")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters without any that act; what was cut off ends in an ellipsis."""
    shown = "\n".join(printable(line, limit) for line in text[:limit].split("\n"))
    return shown if len(shown) <= limit and len(text) <= limit else shown[: limit - 1] + "…"


def facts(message: Message) -> dict[str, str]:
    """What is known in short words, for a human who was just woken."""
    incident = message.incident
    where = " ".join(f"{dim}={value}" for dim, value in incident.readings[0].where) if incident.readings else ""
    known = {
        "incident": incident.id,
        "status": str(incident.status),
        "severity": f"SEV-{incident.severity}",
        "why": incident.severity_reason,
        "model": incident.model,
        "version": incident.version,
        "environment": incident.environment,
        "segment": where,
        "is_drill": "true" if incident.drill else "",
        "changes": "; ".join(f"{r.signal} {r.title}" for r in incident.readings[:5]),
    }
    return {name: value for name, value in known.items() if value}
