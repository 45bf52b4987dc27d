"""Alertmanager, API v2. The label set is the identity of an alert: it never holds what may change.

Measured with 0.25: alerts do not survive a restart, and end by themselves five minutes after a request without
`endsAt`; one bad alert of a batch is refused while the others are taken; texts of any size are passed on. So both times
are sent, one alert per request, the texts are cut here, and open incidents are asserted again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from incidents.events import rfc3339
from incidents.targets import base
from incidents.targets.base import Message, Request, Unasked, as_json, cut, facts

SUMMARY_CHARS = 300
DESCRIPTION_CHARS = 2_000
LASTS_S = 24 * 3_600.0
"""An alert that nobody asserts again ends by itself after a day."""

ALERT = "MltriageIncident"
"""What every incident is called there."""

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Alertmanager(Unasked):
    """One Alertmanager."""

    name: str
    url: str
    labels: Mapping[str, str] = field(default_factory=dict)
    """Further labels, for its routes."""
    repeatable: bool = True
    spacing_s: float = 0.0

    def wants(self, kind: str) -> bool:
        """Whatever changes the alert."""
        return kind in base.OPENING | base.CLOSING | base.UPDATES

    def patience_s(self, kind: str) -> float:
        """Alerts page; ends and updates may come late."""
        return base.PAGE_PATIENCE_S if kind in base.OPENING else base.NOTE_PATIENCE_S

    def request(self, message: Message, secret: str, now: float) -> Request:
        """The alert as it stands now, firing or ended."""
        incident, first = message.incident, message.declared
        labels = {
            **self.labels,
            "alertname": ALERT,
            "incident": incident.id,
            "model": first.model,
            "environment": first.environment,
            "drill": "true" if first.drill else "",
        }
        began = first.declared if first.onset is None else first.onset
        alert = {
            "labels": {name: cut(value, SUMMARY_CHARS) for name, value in labels.items() if value},
            "annotations": {
                "summary": cut(message.title, SUMMARY_CHARS),
                "description": cut("\n".join(f"{k}: {v}" for k, v in facts(message).items()), DESCRIPTION_CHARS),
                "severity": str(incident.severity),
            },
            "startsAt": rfc3339(min(now, began or now)),
            "endsAt": rfc3339(now + LASTS_S if message.open else now),
        }
        headers = {"Content-Type": "application/json"}
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        return Request("POST", f"{self.url.rstrip('/')}/api/v2/alerts", headers, as_json([alert]))


def status_request(url: str, secret: str) -> Request:
    """Asks for version and state; nothing is changed by it."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return Request("GET", f"{url.rstrip('/')}/api/v2/status", headers)


def read_version(content: bytes) -> str:
    """The version from the answer to `status_request`.

    Raises:
        ValueError: no such answer.
    """
    try:
        return str(json.loads(content)["versionInfo"]["version"])
    except (TypeError, KeyError):
        raise ValueError("no status of an Alertmanager") from None
