"""Any other system: CloudEvents 1.0 in structured mode, signed with HMAC-SHA256 where there is a key.

A receiver takes a repeated `id` for the same event. Intermediaries must pass on 64 KiB; so no more is sent.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, dataclass

from incidents.events import rfc3339
from incidents.record import DELIVERY
from incidents.targets import base
from incidents.targets.base import Message, Request, Unasked, as_json, cut

LIMIT_BYTES = 64 * 1024
TEXT_CHARS = 4_000
SIGNATURE = "X-Mltriage-Signature"


@dataclass(frozen=True, slots=True)
class Webhook(Unasked):
    """One receiver."""

    name: str
    url: str
    repeatable: bool = True
    spacing_s: float = 0.0

    def wants(self, kind: str) -> bool:
        """Everything."""
        return not kind.startswith(DELIVERY)

    def patience_s(self, kind: str) -> float:
        """An event may come late: it bears its time."""
        return base.NOTE_PATIENCE_S

    def request(self, message: Message, secret: str, now: float) -> Request:
        """The event, and the incident as it stands."""
        event, incident = message.event, message.incident
        data = {
            "incident": incident.id,
            "title": cut(incident.title, TEXT_CHARS),
            "severity": incident.severity,
            "status": str(incident.status),
            "open": incident.open,
            "is_drill": incident.drill,
            "model": incident.model,
            "version": incident.version,
            "environment": incident.environment,
            "onset": None if incident.onset is None else rfc3339(incident.onset),
            "actor": event.actor.user,
            "text": cut(message.text, TEXT_CHARS),
            "readings": [asdict(reading) for reading in incident.readings],
        }
        cloud = {
            "specversion": "1.0",
            "id": event.id,
            "source": "mltriage",
            "type": f"mltriage.incident.{event.kind}",
            "subject": incident.id,
            "time": rfc3339(event.t),
            "datacontenttype": "application/json",
            "data": data,
        }
        body = as_json(cloud)
        if len(body) > LIMIT_BYTES:
            body = as_json({**cloud, "data": {**data, "readings": [], "text": cut(message.text, 500)}})
        headers = {"Content-Type": "application/cloudevents+json"}
        if secret:
            headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
        return Request("POST", self.url, headers, body)
