"""Join before duplicating: the open incident that a new one would repeat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from incidents.record import Incident, Reading

JOIN_WITHIN_S = 3_600.0
"""An incident that nobody touched for longer is another story."""


def lookalike(
    known: Iterable[Incident], readings: Sequence[Reading], now: float, *, drills: bool = False
) -> Incident | None:
    """The newest open incident of the last hour about the same model and signal in an overlapping segment.

    Args:
        known: the incidents of this journal.
        readings: what the new incident would be about.
        now: unix seconds.
        drills: join exercises too.
    """
    alike = [
        incident
        for incident in known
        if incident.open
        and (drills or not incident.drill)
        and abs(now - incident.changed) <= JOIN_WITHIN_S
        and any(_same(a, b) for a in incident.readings for b in readings)
    ]
    return max(alike, key=lambda incident: incident.changed, default=None)


def _same(one: Reading, other: Reading) -> bool:
    return (one.signal, one.model) == (other.signal, other.model) and _overlap(dict(one.where), dict(other.where))


def _overlap(one: dict[str, str], other: dict[str, str]) -> bool:
    """Whether rows can lie in both segments: no dimension has two values."""
    return all(other.get(dim, value) == value for dim, value in one.items())
