"""A question: what every source is asked about a view."""

from __future__ import annotations

from dataclasses import dataclass, field

from analysis.filters import ALL, Eq, Filter, In, conjunction
from analysis.spans import union
from analysis.view import Baseline, Frame, View, Window


@dataclass(frozen=True, slots=True)
class Question:
    """What a feed is to know: the frame, the rows, and what they are compared with."""

    frame: Frame
    where: Filter = ALL
    baseline: Baseline = field(default_factory=Baseline)
    known_at: float | None = None
    """Unix seconds of a pinned moment, after which nothing was known; None for now."""
    typed: Filter = ALL
    """The filter without the choice of models: what metrics can be narrowed by, if it is one of their labels."""

    @classmethod
    def of(cls, view: View, frame: Frame) -> Question:
        """What a view asks in the windows that it means now."""
        models = view.models
        chosen: Filter = ALL
        if models:
            chosen = Eq("model", models[0]) if len(models) == 1 else In("model", models)
        return cls(frame, conjunction(view.where, chosen), view.baseline, view.end, view.where)

    @property
    def windows(self) -> tuple[Window, ...]:
        """The seconds it is about, as disjoint windows."""
        return union((self.frame.live, *self.frame.references))

    @property
    def version(self) -> str | None:
        """The version whose rows serve as baseline, if one does."""
        return self.baseline.version if self.baseline.kind == "version" else None
