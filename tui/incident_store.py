"""From options to the journal of incidents, and from what is typed to the incident that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.options import Options

if TYPE_CHECKING:
    from analysis.answer import Snapshot
    from incidents.journal import Journal
    from incidents.record import Incident


class UnknownIncidentError(Exception):
    """No incident, or more than one, is called so."""


def open_journal(options: Options) -> Journal:
    """The journal that this run writes; what an earlier one could only keep in memory is brought to the disk."""
    import contextlib

    from incidents.journal import Journal
    from incidents.place import choose, choose_demo

    journal = Journal(choose_demo() if options.demo else choose(options.incidents.folder))
    with contextlib.suppress(OSError):  # the disk still takes nothing: the events stay in memory, and are read there
        journal.rescue()
    return journal


def find(journal: Journal, typed: str) -> str:
    """The id of the incident that is meant: whole, its last characters, or `last`.

    Raises:
        UnknownIncidentError: none or several are meant; the message names those that could be.
    """
    known = journal.incidents()
    if typed == "last":
        newest = max(known, key=lambda one: record(journal, one).declared or 0.0, default=None)
        if newest is None:
            raise UnknownIncidentError(f"no incident in {journal.place.folder}{_in_the_demo(journal)}")
        return newest
    meant = [one for one in known if one == typed.upper() or one.endswith(typed.upper())]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UnknownIncidentError(f"{typed}: several are called so: {', '.join(meant)}")
    raise UnknownIncidentError(f"{typed}: none in {journal.place.folder} is called so{_in_the_demo(journal)}")


def _in_the_demo(journal: Journal) -> str:
    """Where else to look, when the demo has incidents of its own."""
    from incidents.place import choose_demo
    from incidents.reading import Reader

    known = () if journal.place.demo else Reader((choose_demo().folder,)).incidents()
    return f"; the demo has {len(known)}: --demo looks there" if known else ""


def record(journal: Journal, incident: str) -> Incident:
    """The record of an incident as all its events tell it."""
    from incidents.fold import fold

    return fold(incident, journal.history(incident).events)


def kept_snapshot(journal: Journal, incident: Incident) -> Snapshot | None:
    """The first answer that was kept with an incident; None when there is none, or it cannot be read."""
    from incidents.codec import CodecError, decode

    for evidence in incident.evidence:
        if "snapshot" in evidence.blobs:
            try:
                return decode(journal.blob(incident.id, evidence.blobs["snapshot"])).snapshot()
            except (OSError, CodecError):
                continue
    return None


def kept_screen(journal: Journal, incident: Incident) -> str:
    """The first text that was kept with an incident; empty when there is none."""
    for evidence in incident.evidence:
        if "screen" in evidence.blobs:
            try:
                return journal.blob(incident.id, evidence.blobs["screen"]).decode("utf-8", "replace")
            except OSError:
                continue
    return ""
