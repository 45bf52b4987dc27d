"""Silences of an Alertmanager, API v2: alerts that engineers know of are held back until a stated moment.

Alertmanager keeps silences over a restart, unlike alerts. A silence has no idempotency key: posted twice it is there
twice, so it bears the id of its event in its comment, and is looked for before it is repeated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

from incidents.events import Kind, rfc3339
from incidents.matchers import Matcher, parse_matchers
from incidents.targets.base import Message, Request, as_json, cut

COMMENT_CHARS = 1_000
PATIENCE_S = 300.0
"""A silence that begins later than this hides what nobody meant by it."""


@dataclass(frozen=True, slots=True)
class Silences:
    """The silences of one Alertmanager."""

    name: str
    url: str
    repeatable: bool = False
    spacing_s: float = 0.0

    def wants(self, kind: str) -> bool:
        """Nothing but silences, and each is asked for by name."""
        return kind == Kind.SILENCED

    def patience_s(self, kind: str) -> float:
        """See `PATIENCE_S`."""
        return PATIENCE_S

    def request(self, message: Message, secret: str, now: float) -> Request:
        """The silence that the event describes; see `Target.request`."""
        event = message.event
        silence = {
            "matchers": [matcher.as_json for matcher in _matchers(message)],
            "startsAt": rfc3339(now),
            "endsAt": rfc3339(float(event.data.get("until", now))),
            "createdBy": cut(event.actor.user, COMMENT_CHARS),
            "comment": cut(f"{event.data.get('comment', '')} ({event.incident} {event.id})".strip(), COMMENT_CHARS),
        }
        return Request("POST", f"{self._api}/silences", _headers(secret), as_json(silence))

    def probe(self, message: Message, secret: str) -> Request | None:
        """The silences with the same matchers."""
        query = "&".join(f"filter={quote(str(matcher))}" for matcher in _matchers(message))
        return Request("GET", f"{self._api}/silences?{query}", _headers(secret))

    def told(self, message: Message, answer: bytes) -> bool:
        """Whether one of them is that of the event."""
        try:
            return any(message.event.id in str(silence.get("comment", "")) for silence in json.loads(answer))
        except (ValueError, AttributeError):
            return False

    def reference(self, answer: bytes) -> str:
        """The id of the silence."""
        try:
            return str(json.loads(answer).get("silenceID", ""))
        except (ValueError, AttributeError):
            return ""

    @property
    def _api(self) -> str:
        return f"{self.url.rstrip('/')}/api/v2"


def firing_request(url: str, secret: str) -> Request:
    """The request for the alerts that fire at an Alertmanager and are not held back yet."""
    query = "active=true&silenced=false&inhibited=false"
    return Request("GET", f"{url.rstrip('/')}/api/v2/alerts?{query}", _headers(secret))


def _matchers(message: Message) -> tuple[Matcher, ...]:
    return parse_matchers(str(message.event.data.get("matchers", "")))


def _headers(secret: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    return {**headers, "Authorization": f"Bearer {secret}"} if secret else headers
