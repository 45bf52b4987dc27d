"""How to draw and when: the settings of the terminal, and the moment that all panels of one answer share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from analysis.answer import State
from analysis.filters import fields_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.answer import Mark, Snapshot
    from analysis.evidence import Ints
    from analysis.view import View


@dataclass(frozen=True, slots=True)
class Look:
    """What the terminal can show and how the reader wants it."""

    ascii: bool = False
    """Draw with ASCII characters only."""
    marker: str = "braille"
    """Dots of line charts: braille, hd (quadrant blocks) or ascii."""
    utc: bool = True
    """Times in UTC; otherwise in `zone`."""
    zone: tzinfo | None = None
    """The reader's zone; None is the zone of this machine."""

    @property
    def clock_zone(self) -> tzinfo | None:
        """The zone in which panels write times."""
        return UTC if self.utc else self.zone

    @property
    def dots(self) -> str:
        """The marker to draw with: ASCII mode overrules the choice."""
        return "ascii" if self.ascii else self.marker


@dataclass(frozen=True, slots=True)
class Scene:
    """What the panels of one `Snapshot` share."""

    now: float
    """Unix seconds: the moment from which ages and "t-11m" count."""
    start: int
    end: int
    """The live window, unix seconds: the time axis of every chart."""
    step: int
    """Bucket width in seconds."""
    baseline: str
    """What is compared with, in words."""
    marks: tuple[Mark, ...] = ()
    """Onsets and versions of the model in focus."""
    models: int = 0
    """How many models were looked at."""
    compared: int = 0
    """How many of them have a past to be compared with."""
    loading: bool = False
    """Whether a source is still being read, so that what is missing may yet come."""
    cursor: float | None = None
    """Unix seconds of the bucket that every chart marks and reads out."""
    selection: tuple[float, float] | None = None
    """A range of time that is being selected, unix seconds."""
    question: View | None = None
    """What was asked, whenever: the view without its moment and its model in focus."""

    @property
    def filtered(self) -> bool:
        """Whether a filter leaves rows out."""
        return self.question is not None and bool(fields_of(self.question.where))

    @property
    def unseen(self) -> str:
        """What stands in place of models where there are none."""
        if self.filtered:
            return "no model is known under this filter: u takes it back"
        return "no model has been seen yet"

    def cursor_in(self, t: Sequence[float] | Ints | None) -> int | None:
        """The position of the cursor's bucket among bucket starts; None when it is not there."""
        if self.cursor is None or t is None:
            return None
        return next((i for i, start in enumerate(t) if start <= self.cursor < start + self.step), None)

    @classmethod
    def of(cls, snapshot: Snapshot) -> Scene:
        """The scene of a snapshot; a paused view counts from its pinned end."""
        end = snapshot.view.end
        return cls(
            now=snapshot.generated_at if end is None else float(end),
            start=snapshot.frame.live.start,
            end=snapshot.frame.live.end,
            step=snapshot.frame.step,
            baseline=snapshot.view.baseline.label,
            marks=tuple(mark for mark in snapshot.marks if mark.model in ("", snapshot.focus)),
            models=len(snapshot.models),
            question=replace(snapshot.view, end=None, focus=None),
            compared=sum(model.compared for model in snapshot.models),
            loading=any(source.state is State.LOADING for source in snapshot.sources),
        )
