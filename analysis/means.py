"""Where the mean of a measured value moved, as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.answer import PanelStatus, Segment


@dataclass(frozen=True, slots=True)
class Means:
    """The answer to "where did the mean of this value move"."""

    status: PanelStatus
    model: str = ""
    value: str = ""
    """Field or feature."""
    unit: str = ""
    now: float | None = None
    before: float | None = None
    n: float = 0.0
    n_baseline: float = 0.0
    segments: tuple[Segment, ...] = ()
