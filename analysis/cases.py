"""A case: a finding together with the rows that show it, so that a segment search can ask where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.answer import Finding, Severity, Signal
from analysis.filters import ALL, Filter
from analysis.view import Window

GUARD = 0.1
"""Of the window's length: what just before it belongs to neither side."""


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

    def before(self, references: tuple[Window, ...]) -> tuple[Window, ...]:
        """The baseline of the rows, `references` where the case has none of its own.

        Without what lies between the onset and the window, and a tenth of the window's length before that: an onset
        may be dated minutes late, and a few rows of something new in the baseline make it look as if it had always
        been there.
        """
        windows, start = self.references or references, self.window.start
        onset = self.finding.onset
        end = (start if onset is None else min(start, int(onset))) - int(GUARD * self.window.length)
        kept = tuple(Window(w.start, min(w.end, end)) if w.start < start else w for w in windows)
        kept = tuple(w for w in kept if w.length > 0)
        return kept or windows


NOTHING = "nothing"
"""The check of a finding that stands for all requests, where none is at hand."""


def all_requests(model: str, window: Window) -> Case:
    """Every request of a model: what is asked about where no finding is at hand."""
    finding = Finding(Signal.REQUEST_RATE, model, Severity.INFO, "all requests", 0.0, 0.0, 0.0, 0.0, check=NOTHING)
    return Case(finding, None, window)
