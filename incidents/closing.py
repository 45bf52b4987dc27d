"""What an incident leaves behind when it is closed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from incidents.criteria import unmet
from incidents.events import Kind
from incidents.record import Incident, Status
from incidents.silencing import Heard, holding

CLOSING = (Kind.STATUS, Kind.RESOLVED, Kind.MERGED)
"""Kinds of events that may close one."""


def still_silent(known: Incident, now: float, heard: Mapping[str, Heard] = MappingProxyType({})) -> str:
    """The silences of a closed incident that still hold alerts back; empty where none does.

    Args:
        now: unix seconds.
        heard: what each Alertmanager said of its silences.
    """
    words = "" if known.open else "; ".join(said for _, said in holding(known.silences, now, heard))
    return f"still silent: {words}" if words else ""


def still_unmet(known: Incident) -> str:
    """The exit criteria of a resolved incident that nobody has called met; empty where there are none."""
    missing = "; ".join(unmet(known)) if known.status is Status.RESOLVED else ""
    return f"resolved, though nobody said that it holds: {missing}" if missing else ""
