"""An incident as text for a terminal: what is known, then the timeline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from analysis.printable import printable
from tui.incident_store import record

if TYPE_CHECKING:
    from incidents.journal import Journal


def as_text(journal: Journal, incident_id: str) -> str:
    """What the next shift must know, every line of the timeline, the evidence, and what is damaged."""
    from incidents.export import handoff, utc

    incident, history = record(journal, incident_id), journal.history(incident_id)
    lines = [handoff(incident, time.time()).rstrip("\n"), "", "TIMELINE"]
    for line in incident.timeline:
        taken = "(retracted) " if line.retracted else ""
        lines.append(f"  {utc(line.t)}  {line.actor.user:<10} {line.kind:<14} {taken}{printable(line.text)}")
    lines += [f"evidence: {utc(kept.t)} {', '.join(kept.blobs.values())}" for kept in incident.evidence]
    if history.torn or history.problems:
        lines += [f"note: {history.torn} torn lines", *(f"note: {printable(p)}" for p in history.problems)]
    return "\n".join(lines) + "\n"
