"""How it went with each target lately, as the journal tells it: nobody is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from incidents.events import Event, Kind
from incidents.record import DELIVERY


@dataclass(frozen=True, slots=True)
class Reach:
    """The last word of one target, and since when it says so."""

    state: str
    """ok, retry, failed or unknown."""
    since: float
    """Unix seconds of the first such word after a different one; of ok, of the last one."""
    incident: str
    """Of the last word."""
    reason: str = ""
    ok: float | None = None
    """Unix seconds of the last delivery that arrived."""


ENDS = (Kind.NOTIFY_OK, Kind.NOTIFY_RETRY, Kind.NOTIFY_FAILED, Kind.NOTIFY_UNKNOWN)


def reached(events: Iterable[Event]) -> dict[str, Reach]:
    """By target, from the events of any number of incidents."""
    found: dict[str, Reach] = {}
    for event in sorted((event for event in events if event.kind in ENDS), key=lambda event: event.order):
        target, state = str(event.data.get("target", "?")), event.kind.removeprefix(DELIVERY)
        before = found.get(target)
        same = before is not None and before.state == state != "ok"
        found[target] = Reach(
            state,
            before.since if before is not None and same else event.t,
            event.incident,
            str(event.data.get("reason", "")),
            event.t if state == "ok" else before.ok if before is not None else None,
        )
    return found
