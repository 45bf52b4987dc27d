"""Checks that what the journal says it holds is there and whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from incidents.fold import fold
from incidents.journal import Journal
from incidents.reading import BLOB_KEY


@dataclass(frozen=True, slots=True)
class Checked:
    """One incident, read to the last byte."""

    events: int
    blobs: int
    """Blobs that are there and whole."""
    torn: int
    """Files that end within a line. A writer that was killed leaves one; nothing acknowledged is lost by it."""
    problems: tuple[str, ...]


def check(journal: Journal, incident: str) -> Checked:
    """Read all events and blobs of an incident, and compare each blob with the hash in its name."""
    history = journal.history(incident)
    names = {name for kept in fold(incident, history.events).evidence for name in kept.blobs.values()}
    names |= {str(event.data[BLOB_KEY]) for event in history.events if BLOB_KEY in event.data}
    problems, whole = list(history.problems), 0
    for name in sorted(names):
        try:
            digest = hashlib.sha256(journal.blob(incident, name)).hexdigest()
        except OSError as error:
            problems.append(f"blob {name} cannot be read: {error.strerror or error}")
            continue
        if digest == name.partition(".")[0]:
            whole += 1
        else:
            problems.append(f"blob {name} is not what was written: its hash is {digest}")
    ahead = [event for event in history.events if event.clock is not None and event.t - event.clock > 1.0]
    if ahead:
        worst = max(event.t - event.clock for event in ahead if event.clock is not None)
        problems.append(f"clocks differ by {worst:.0f} s or more: the order is kept, the times are not exact")
    return Checked(len(history.events), whole, history.torn, tuple(problems))
