"""PagerDuty Events API v2: the incident's id is the deduplication key, so that each incident is one alert there."""

from __future__ import annotations

import json
from dataclasses import dataclass

from incidents.events import rfc3339
from incidents.targets import base
from incidents.targets.base import Message, Request, Unasked, as_json, cut, facts

URL = "https://events.pagerduty.com/v2/enqueue"
SUMMARY_CHARS = 1_024
DETAIL_CHARS = 4_000
"""Ten details of this length stay far below the limit of 512 KB of a request."""

SEVERITY = {1: "critical", 2: "error", 3: "warning", 4: "info", 5: "info"}


@dataclass(frozen=True, slots=True)
class PagerDuty(Unasked):
    """One integration of one service."""

    name: str
    url: str = URL
    repeatable: bool = True
    spacing_s: float = 0.5
    """About 120 requests a minute are taken."""

    def wants(self, kind: str) -> bool:
        """What opens, closes or changes the alert."""
        return kind in base.OPENING | base.CLOSING | base.UPDATES

    def patience_s(self, kind: str) -> float:
        """Pages must come soon or not at all."""
        return base.PAGE_PATIENCE_S if kind in base.OPENING else base.NOTE_PATIENCE_S

    def request(self, message: Message, secret: str, now: float) -> Request:
        """A trigger while it is open, else a resolve."""
        incident, known = message.incident, facts(message)
        action = "trigger" if message.open else "resolve"
        event: dict[str, object] = {"routing_key": secret, "dedup_key": incident.id, "event_action": action}
        if message.open:
            event |= {
                "client": "mltriage",
                "payload": {
                    "summary": cut(message.title, SUMMARY_CHARS),
                    "source": cut(incident.model or "mltriage", SUMMARY_CHARS),
                    "severity": SEVERITY[incident.severity],
                    "timestamp": rfc3339(message.event.t),
                    "component": cut(incident.model, SUMMARY_CHARS),
                    "custom_details": {name: cut(value, DETAIL_CHARS) for name, value in known.items()},
                },
            }
        return Request("POST", self.url, {"Content-Type": "application/json"}, as_json(event))

    def reference(self, answer: bytes) -> str:
        """The key it has filed the incident under."""
        try:
            return str(json.loads(answer).get("dedup_key", ""))
        except (ValueError, AttributeError):
            return ""
