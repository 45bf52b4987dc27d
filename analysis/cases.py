"""A case: a finding together with the rows that show it, so that a segment search can ask where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.answer import Finding
from analysis.filters import ALL, Filter
from analysis.view import Window


@dataclass(frozen=True, slots=True)
class Case:
    """One change that was found, and how to recognise the rows behind it."""

    finding: Finding
    outcome: Filter | None
    """The rows that are "bad"; None when the change is one of traffic, or has no rows."""
    window: Window
    """The part of the live window in which the change shows: from its onset on, where that is known."""
    among: Filter = ALL
    """The rows that can be "bad" at all, such as those with a label."""
    references: tuple[Window, ...] = ()
    """What the window is compared with where that is not the frame's references."""
