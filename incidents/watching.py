"""Watching a journal: what all writers have done, read again only where something was added."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from incidents.fold import fold
from incidents.journal import Journal
from incidents.outbox import Delivery, deliveries
from incidents.record import Incident


@dataclass(frozen=True, slots=True)
class Watched:
    """An incident as it stands, and what its targets were told."""

    incident: Incident
    deliveries: tuple[Delivery, ...]
    damage: tuple[str, ...] = ()
    """What of it cannot be read, in words."""


class Watch:
    """Looks at a journal again and again. One thread at a time."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[str, tuple[Hashable, Watched]] = {}

    def look(self) -> tuple[Watched, ...]:
        """Every incident, the last declared first; an incident to which nothing was added is the same object.

        Raises:
            OSError: the folder cannot be read.
        """
        found: dict[str, tuple[Hashable, Watched]] = {}
        for name in self._journal.incidents():
            stamp, known = self._journal.stamp(name), self._known.get(name)
            found[name] = known if known is not None and known[0] == stamp else (stamp, self._read(name))
        self._known = found
        seen = (watched for _, watched in found.values())
        return tuple(sorted(seen, key=lambda one: one.incident.declared or 0.0, reverse=True))

    def _read(self, name: str) -> Watched:
        history = self._journal.history(name)
        torn = (f"{history.torn} torn lines",) if history.torn else ()
        return Watched(fold(name, history.events), deliveries(history.events), (*torn, *history.problems))
