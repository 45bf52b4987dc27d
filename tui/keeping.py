"""Keeping an answer whole: the panels of every model, not only of the one in focus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tui.options import Options

if TYPE_CHECKING:
    from analysis.answer import Snapshot
    from tui.session import Session

KEPT_MODELS = 24
"""Models whose panels are kept: those with findings first, then in the order of the table."""


def others(session: Session, snapshot: Snapshot) -> Iterator[Snapshot]:
    """The same answer with each other model in focus; the evidence is not judged again. Pure numbers."""
    names = [f.model for f in snapshot.findings] + [row.model for row in snapshot.models]
    for model in list(dict.fromkeys(filter(None, names)))[:KEPT_MODELS]:
        if model != snapshot.focus and (other := session.focused(snapshot, model)) is not None:
            yield other


async def evaluate_whole(options: Options) -> tuple[Snapshot, tuple[Snapshot, ...]]:
    """One answer, and the same with each other model in focus."""
    from tui.report import answered
    from tui.sources import open_session

    session = open_session(options)
    try:
        snapshot = await answered(session)
        return snapshot, tuple(others(session, snapshot))
    finally:
        await session.close()
