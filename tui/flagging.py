"""Writing incidents, for the command line and for the screen: what is saved, and who is to be told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tui.incident_store import record
from tui.options import Options
from tui.targets import actors, channels_of

if TYPE_CHECKING:
    from incidents.events import Kind
    from incidents.flagging import Draft
    from incidents.journal import Journal, Saved
    from incidents.record import Incident


@dataclass(frozen=True, slots=True)
class Wish:
    """What an engineer wants of an incident, beside what the answer suggests."""

    finding: int | None = None
    """Rank of the finding, from 1; None takes the first."""
    title: str | None = None
    severity: int | None = None
    note: str = ""
    join: str | None = None
    """The incident to add to."""
    new: bool = False
    """Declare another although one is open about the same."""
    drill: bool = False
    dry_run: bool = False
    impact: str = ""
    commander: str = ""
    """Who leads."""
    link: str = ""
    criteria: tuple[str, ...] = ()
    """What has to hold before it is over."""


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told, and for how long it may take."""

    to: tuple[str, ...] | None = None
    """Names of targets; None for all that want it, () for none."""
    wait_s: float = 10.0
    """What is not told by then stays in the outbox."""
    asked: str = ""
    """The one target that is to hold alerts back, let them through or wake somebody; no other such target is told."""


def wanted_by(options: Options, telling: Telling, kind: Kind, incident: Incident | None = None) -> list[str]:
    """The targets that are to be told of an event: of a known incident, those that know of it."""
    from incidents.outbox import names_for

    among = telling.to if telling.to is not None or incident is None else (*incident.told, telling.asked)
    names = names_for(channels_of(options), kind, among)
    others = set(actors(options)) - {telling.asked} if telling.asked else ()
    return [name for name in names if name not in others]


def save(
    journal: Journal, options: Options, wanted: Draft, wish: Wish, telling: Telling, join: str | None = None
) -> Saved:
    """Declare an incident, or add the evidence to the incident `join`; when this returns it is on the disk.

    Raises:
        NotSavedError: neither disk nor memory took it.
    """
    from incidents import flagging
    from incidents.events import Kind
    from incidents.journal import NotSavedError

    if join is not None:
        notify = wanted_by(options, telling, Kind.EVIDENCE, record(journal, join))
        saved = flagging.join(journal, join, wanted, text=wish.title or "", notify=notify)
    else:
        saved = flagging.declare(
            journal,
            wanted,
            title=wish.title,
            severity=wish.severity,
            drill=wish.drill,
            environment=options.incidents.environment or "",
            impact=wish.impact,
            notify=wanted_by(options, telling, Kind.DECLARED),
        )
    for kind, data in _after(wish):
        try:
            more = add(journal, options, saved.event.incident, kind, data, telling)
        except NotSavedError as error:  # the incident itself is saved, and must not be declared twice
            return replace(saved, problem=f"its {kind} is not saved: {error}")
        saved = saved if more.durable else replace(saved, problem=more.problem)
    return saved


def _after(wish: Wish) -> Iterator[tuple[Kind, Mapping[str, Any]]]:
    """What is written after an incident, as an event of its own."""
    from incidents.events import Kind

    if wish.commander:
        yield Kind.ROLE, {"role": "commander", "who": wish.commander}
    if wish.link:
        yield Kind.LINK, {"text": wish.link}
    for text in wish.criteria:
        yield Kind.CRITERION, {"text": text}
    if wish.note:
        yield Kind.NOTE, {"text": wish.note}


def add(
    journal: Journal, options: Options, incident: str, kind: Kind, data: Mapping[str, Any], telling: Telling
) -> Saved:
    """Add one event to an incident, and queue it for the targets that know of it.

    Raises:
        NotSavedError: neither disk nor memory took it.
    """
    # Read before it is written to, so that the new event comes after all that is known.
    known = record(journal, incident)
    return journal.append(known.id, kind, {**data, "notify": wanted_by(options, telling, kind, known)})
