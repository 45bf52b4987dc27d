"""A selection: some rows of the window, and the segments in which they are more frequent than among the rest."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.answer import PanelStatus, Segment
from analysis.filters import Filter


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows to select."""

    word: str
    """What is typed for it: slow, errors, unsure, time, or a filter."""
    title: str
    """In words, such as "slower than 133ms"."""
    rows: Filter


@dataclass(frozen=True, slots=True)
class Selection:
    """The answer to "what do these rows have in common"."""

    status: PanelStatus
    model: str = ""
    title: str = ""
    n: float = 0.0
    """Selected rows of the window."""
    of: float = 0.0
    """All rows of the window."""
    segments: tuple[Segment, ...] = ()
