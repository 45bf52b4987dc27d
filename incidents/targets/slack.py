"""A Slack incoming webhook. Its URL is the secret. No idempotency key: what may have arrived is not repeated."""

from __future__ import annotations

from dataclasses import dataclass

from incidents.events import Kind
from incidents.targets import base
from incidents.targets.base import Message, Request, Unasked, as_json, cut, facts

HEADER_CHARS = 150
SECTION_CHARS = 3_000
TEXT_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Slack(Unasked):
    """One channel."""

    name: str
    repeatable: bool = False
    spacing_s: float = 1.0
    """One message per second is taken."""

    def wants(self, kind: str) -> bool:
        """What a channel talks about."""
        spoken = {Kind.NOTE, Kind.CRITERION, Kind.SILENCED, Kind.UNSILENCED}
        return kind in base.OPENING | base.CLOSING | base.UPDATES | spoken

    def patience_s(self, kind: str) -> float:
        """A message may come late: it bears its time."""
        return base.NOTE_PATIENCE_S

    def request(self, message: Message, secret: str, now: float) -> Request:
        """A header, and what happened."""
        opening = message.event.kind in base.OPENING
        lines = [f"*{k}*: {_escaped(v)}" for k, v in facts(message).items()] if opening else []
        said = f"{message.event.actor.user}: {message.text}" if message.text else message.event.actor.user
        body = "\n".join([_escaped(said), *lines])
        payload = {
            "text": cut(_escaped(f"{message.title}. {said}"), TEXT_CHARS),
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": cut(message.title, HEADER_CHARS)}},
                {"type": "section", "text": {"type": "mrkdwn", "text": cut(body, SECTION_CHARS)}},
            ],
        }
        return Request("POST", secret, {"Content-Type": "application/json"}, as_json(payload))


def _escaped(text: str) -> str:
    """The three characters that Slack reads as markup of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
