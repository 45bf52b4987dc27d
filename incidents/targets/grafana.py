"""Grafana annotations: a mark on every dashboard that shows the tag. No idempotency key, but it can be searched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from incidents.events import Kind
from incidents.targets import base
from incidents.targets.base import Message, Request, as_json, cut

TEXT_CHARS = 2_000
TAG_CHARS = 100


@dataclass(frozen=True, slots=True)
class Grafana:
    """One Grafana."""

    name: str
    url: str
    labels: Mapping[str, str] = field(default_factory=dict)
    """Further tags, as name:value."""
    repeatable: bool = False
    spacing_s: float = 0.0

    def wants(self, kind: str) -> bool:
        """What belongs on a time line."""
        return kind in base.OPENING | base.CLOSING | {Kind.STATUS, Kind.NOTE, Kind.SILENCED, Kind.UNSILENCED}

    def patience_s(self, kind: str) -> float:
        """A mark may come late: it bears its time."""
        return base.NOTE_PATIENCE_S

    def request(self, message: Message, secret: str, now: float) -> Request:
        """A mark at the time of the event; at the onset where the incident is declared."""
        incident, event = message.incident, message.event
        at = incident.onset if event.kind == Kind.DECLARED and incident.onset is not None else event.t
        tags = ["mltriage", incident.id, event.id, *(f"{name}:{value}" for name, value in self.labels.items())]
        if incident.model:
            tags.append(f"model:{incident.model}")
        annotation = {
            "time": int(at * 1_000),
            "tags": [cut(tag, TAG_CHARS) for tag in tags],
            "text": cut(f"{message.title}\n{message.text}".rstrip(), TEXT_CHARS),
        }
        return Request("POST", f"{self.url.rstrip('/')}/api/annotations", _headers(secret), as_json(annotation))

    def probe(self, message: Message, secret: str) -> Request | None:
        """The marks that bear the tags of this event."""
        query = f"tags={quote(message.incident.id)}&tags={quote(message.event.id)}"
        return Request("GET", f"{self.url.rstrip('/')}/api/annotations?{query}", _headers(secret))

    def told(self, message: Message, answer: bytes) -> bool:
        """Whether there is one."""
        try:
            return bool(json.loads(answer))
        except ValueError:
            return False

    def ends(self, message: Message) -> bool:
        """An annotation stays."""
        return False

    def reference(self, answer: bytes) -> str:
        """The number of the annotation."""
        try:
            return str(json.loads(answer).get("id", ""))
        except (ValueError, AttributeError):
            return ""


def _headers(secret: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}


def reading_request(url: str, secret: str) -> Request:
    """Asks for one annotation: whether the token may read, and nothing is changed by it."""
    return Request("GET", f"{url.rstrip('/')}/api/annotations?limit=1", {"Authorization": f"Bearer {secret}"})


def read_any(content: bytes) -> int:
    """How many annotations the answer to `reading_request` holds.

    Raises:
        ValueError: no list.
    """
    found = json.loads(content)
    if not isinstance(found, list):
        raise ValueError("no list of annotations")
    return len(found)
