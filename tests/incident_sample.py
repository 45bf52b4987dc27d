"""A journal with an incident in it, for tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from analysis.answer import Snapshot
from incidents.events import Actor
from incidents.flagging import declare, draft
from incidents.journal import Journal
from incidents.place import Place
from tests.sample import NOW, sample

ALICE = Actor("alice", "bastion1", "pts/3")
BOB = Actor("bob", "bastion2")


class Ticking:
    """A clock that moves only when it is told to."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float) -> None:
        self.now += seconds


def journal_at(
    folder: Path, actor: Actor = ALICE, clock: Callable[[], float] | None = None, memory: Path | None = None
) -> Journal:
    """A journal in `folder`; what the disk refuses goes to `memory`, by default a folder that refuses too."""
    nowhere = Path(os.devnull) / "no-memory"
    return Journal(Place(folder, memory or nowhere), actor, clock or Ticking(), host=actor.host)


def flagged(journal: Journal, snapshot: Snapshot | None = None) -> str:
    """Declare an incident about the first finding of the sample; returns its id."""
    snapshot = snapshot or sample()
    wanted = draft(snapshot, snapshot.findings[0], screen="what the screen said")
    return declare(journal, wanted).event.incident
