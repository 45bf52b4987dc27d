"""Silences of an Alertmanager, API v2: alerts that engineers know of are held back until a stated moment.

Alertmanager keeps silences over a restart, unlike alerts. A silence has no idempotency key: posted twice it is there
twice, so it bears the id of its event in its comment, and is looked for before it is repeated. One that is posted with
the id of another takes the place of that other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from incidents.events import Kind, parse_rfc3339, rfc3339
from incidents.matchers import Matcher, parse_matchers
from incidents.silencing import Standing
from incidents.targets.base import NOTE_PATIENCE_S, Message, Request, as_json, cut

COMMENT_CHARS = 1_000
PATIENCE_S = 300.0
"""A silence that begins later than this hides what nobody meant by it."""

OWN = re.compile(r"\(INC-\S+ (\w{26})\)$")
"""How the comments of this program end: the incident, and the event that asked for the silence."""


@dataclass(frozen=True, slots=True)
class Silences:
    """The silences of one Alertmanager."""

    name: str
    url: str
    repeatable: bool = False
    spacing_s: float = 0.0

    def wants(self, kind: str) -> bool:
        """Nothing but silences and their ends, and each is asked for by name."""
        return kind in (Kind.SILENCED, Kind.UNSILENCED)

    def patience_s(self, kind: str) -> float:
        """See `PATIENCE_S`; alerts that are let through again are never too late."""
        return NOTE_PATIENCE_S if kind == Kind.UNSILENCED else PATIENCE_S

    def request(self, message: Message, secret: str, now: float) -> Request:
        """The silence that the event describes, or its end; see `Target.request`."""
        event = message.event
        reference = str(event.data.get("reference", ""))
        if self.ends(message):
            if not reference:
                raise ValueError("the event does not say which silence")
            return Request("DELETE", self._one(reference), _headers(secret))
        comment = cut(str(event.data.get("comment", "")), COMMENT_CHARS)
        silence = {
            **({"id": reference} if reference else {}),
            "matchers": [matcher.as_json for matcher in _matchers(message)],
            "startsAt": rfc3339(now),
            "endsAt": rfc3339(float(event.data.get("until", now))),
            "createdBy": cut(event.actor.user, COMMENT_CHARS),
            "comment": f"{comment} ({event.incident} {event.id})".strip(),
        }
        return Request("POST", f"{self._api}/silences", _headers(secret), as_json(silence))

    def probe(self, message: Message, secret: str) -> Request | None:
        """The silences with the same matchers; of an end all of them, so that one that is not there is told as gone."""
        if self.ends(message):
            return standing_request(self.url, secret)
        query = "&".join(f"filter={quote(str(matcher))}" for matcher in _matchers(message))
        return Request("GET", f"{self._api}/silences?{query}", _headers(secret))

    def told(self, message: Message, answer: bytes) -> bool:
        """Whether one of them is that of the event; of an end, whether the silence is over or not there any more."""
        reference = str(message.event.data.get("reference", ""))
        try:
            if self.ends(message):
                return not any(one["id"] == reference and _active(one) for one in _items(answer, "silences"))
            return any(message.event.id in str(one.get("comment", "")) for one in _items(answer, "silences"))
        except (ValueError, KeyError, TypeError):
            return False

    def ends(self, message: Message) -> bool:
        """Whether it is the end of a silence."""
        return message.event.kind == Kind.UNSILENCED

    def reference(self, answer: bytes) -> str:
        """The id of the silence."""
        try:
            return str(json.loads(answer).get("silenceID", ""))
        except (ValueError, AttributeError):
            return ""

    def _one(self, reference: str) -> str:
        return f"{self._api}/silence/{quote(reference, safe='')}"

    @property
    def _api(self) -> str:
        return f"{self.url.rstrip('/')}/api/v2"


def firing_request(url: str, secret: str) -> Request:
    """The request for the alerts that fire at an Alertmanager and are not held back yet."""
    query = "active=true&silenced=false&inhibited=false"
    return Request("GET", f"{url.rstrip('/')}/api/v2/alerts?{query}", _headers(secret))


def held_request(url: str, secret: str) -> Request:
    """The request for the alerts that fire and are held back by a silence."""
    query = "active=false&silenced=true&inhibited=false"
    return Request("GET", f"{url.rstrip('/')}/api/v2/alerts?{query}", _headers(secret))


def standing_request(url: str, secret: str) -> Request:
    """The request for all silences, those that are over included."""
    return Request("GET", f"{url.rstrip('/')}/api/v2/silences", _headers(secret))


def read_firing(content: bytes) -> tuple[Mapping[str, str], ...]:
    """The labels of each alert.

    Raises:
        ValueError: no list of alerts.
    """
    return tuple(_labels(alert) for alert in _items(content, "alerts"))


def read_held(content: bytes, reference: str) -> tuple[Mapping[str, str], ...]:
    """The labels of each alert that one silence holds back, by its id at the Alertmanager.

    Raises:
        ValueError: no list of alerts.
    """
    try:
        return tuple(
            _labels(alert) for alert in _items(content, "alerts") if reference in alert["status"]["silencedBy"]
        )
    except (TypeError, KeyError):
        raise ValueError("no list of alerts") from None


def read_standing(content: bytes) -> dict[str, Standing]:
    """The silences of this program, by the event that asked for each.

    Raises:
        ValueError: no list of silences.
    """
    try:
        return {
            own[1]: Standing(str(one["id"]), own[1], _active(one), parse_rfc3339(one["endsAt"]))
            for one in _items(content, "silences")
            if (own := OWN.search(str(one.get("comment", ""))))
        }
    except (TypeError, KeyError):
        raise ValueError("no list of silences") from None


def _items(content: bytes, what: str) -> Iterator[Mapping[str, Any]]:
    found = json.loads(content)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"no list of {what}")
    return iter(found)


def _labels(alert: Mapping[str, Any]) -> Mapping[str, str]:
    labels = alert.get("labels")
    if not isinstance(labels, dict):
        raise ValueError("no list of alerts")
    return {str(name): str(value) for name, value in labels.items()}


def _active(silence: Mapping[str, Any]) -> bool:
    return str(silence["status"]["state"]) != "expired"


def _matchers(message: Message) -> tuple[Matcher, ...]:
    return parse_matchers(str(message.event.data.get("matchers", "")))


def _headers(secret: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    return {**headers, "Authorization": f"Bearer {secret}"} if secret else headers
