"""What happens to an incident: one event is one line of JSON that is never changed."""

from __future__ import annotations

import getpass
import json
import os
import pwd
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ulid import ULID

VERSION = 1
LINE_LIMIT = 64 * 1024
"""Bytes of one line with its newline; what is longer goes to a blob."""

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_INCIDENT_ID = re.compile(rf"INC-\d{{6}}-[{_BASE32}]{{4}}")


class Kind(StrEnum):
    """What an event says."""

    DECLARED = "declared"
    TITLE = "title"
    NOTE = "note"
    SEVERITY = "severity"
    STATUS = "status"
    ROLE = "role"
    LINK = "link"
    CRITERION = "criterion"
    EVIDENCE = "evidence"
    MERGED = "merged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    RETRACTED = "retracted"
    SILENCED = "silenced"
    UNSILENCED = "unsilenced"
    PAGED = "paged"
    NOTIFY_QUEUED = "notify_queued"
    NOTIFY_SENDING = "notify_sending"
    NOTIFY_OK = "notify_ok"
    NOTIFY_RETRY = "notify_retry"
    NOTIFY_FAILED = "notify_failed"
    NOTIFY_UNKNOWN = "notify_unknown"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, and from where."""

    user: str
    host: str
    tty: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one incident."""

    id: str
    """ULID."""
    incident: str
    """INC-<yymmdd>-<4 base32>."""
    t: float
    """Unix seconds, to the microsecond. Never before an event that its writer had seen, so that answers follow what
    they answer although the clocks of two hosts differ."""
    actor: Actor
    kind: str
    """A `Kind`, or the word of a newer version."""
    data: Mapping[str, Any] = field(default_factory=dict)
    clock: float | None = None
    """What the writer's clock said, where that is not `t`."""

    @property
    def order(self) -> tuple[float, str]:
        """Sorts the events of all writers; the last one wins."""
        return (self.t, self.id)


class EventError(ValueError):
    """A line that is not an event."""


def new_incident_id(now: float) -> str:
    """An id that people can read out, from random bits: no counter, so no lock."""
    day = datetime.fromtimestamp(now, UTC).strftime("%y%m%d")
    return f"INC-{day}-{''.join(secrets.choice(_BASE32) for _ in range(4))}"


def is_incident_id(text: str) -> bool:
    """Whether a text is the id of an incident, and so safe as the name of a folder."""
    return _INCIDENT_ID.fullmatch(text) is not None


def new_event_id(now: float) -> str:
    """A ULID of a moment in unix seconds."""
    return str(ULID.from_timestamp(now))


def this_actor(environment: Mapping[str, str] = os.environ) -> Actor:
    """The person at the keyboard: `$MLTRIAGE_USER`, `$SUDO_USER`, the login name."""
    user = environment.get("MLTRIAGE_USER") or environment.get("SUDO_USER") or _login()
    return Actor(user, socket.gethostname(), _tty())


def _login() -> str:
    try:
        return os.getlogin()
    except OSError:
        pass
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return getpass.getuser() if os.environ.get("USER") else f"uid {os.getuid()}"


def _tty() -> str:
    for descriptor in (0, 1, 2):
        try:
            return os.ttyname(descriptor).removeprefix("/dev/")
        except OSError:
            continue
    return ""


def rfc3339(t: float) -> str:
    """Unix seconds as `2026-11-26T03:12:44.117000Z`."""
    return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> float:
    """Unix seconds of a moment with a zone.

    Raises:
        ValueError: no such moment, or one without a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return moment.timestamp()


def to_line(event: Event) -> bytes:
    """The event as one line of ASCII JSON with its newline.

    Raises:
        ValueError: `data` holds something that JSON does not have, such as NaN.
    """
    actor = {"user": event.actor.user, "host": event.actor.host, "tty": event.actor.tty}
    known = {"v": VERSION, "id": event.id, "inc": event.incident, "ts": rfc3339(event.t)}
    if event.clock is not None:
        known["clock"] = rfc3339(event.clock)
    text = json.dumps({**known, "actor": actor, "kind": str(event.kind), "data": event.data}, allow_nan=False)
    return text.encode("ascii") + b"\n"


def from_line(line: bytes) -> Event:
    """The event of a line. Keys of a newer version are passed over.

    Raises:
        EventError: not an event.
    """
    try:
        raw = json.loads(line)
        actor = raw["actor"]
        clock = raw.get("clock")
        return Event(
            id=str(raw["id"]),
            incident=str(raw["inc"]),
            t=parse_rfc3339(raw["ts"]),
            actor=Actor(str(actor["user"]), str(actor.get("host", "")), str(actor.get("tty", ""))),
            kind=str(raw["kind"]),
            data=dict(raw["data"]),
            clock=None if clock is None else parse_rfc3339(clock),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EventError(f"{type(error).__name__}: {error}") from None
