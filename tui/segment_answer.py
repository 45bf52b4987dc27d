"""What explains one case: the search over a live and a baseline cube, whatever store they are from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from analysis.answer import MixShift, Segment, Signal
from analysis.filters import fields_of

if TYPE_CHECKING:
    from analysis.cases import Case
    from analysis.evidence import Cube
    from analysis.view import Window


@dataclass(frozen=True, slots=True)
class Answer:
    """What explains one case."""

    segments: tuple[Segment, ...] = ()
    mix: tuple[MixShift, ...] = ()
    query: str = field(default="", compare=False)
    """What was asked of the store, as sent."""

    def counted_to(self, share: float) -> Answer:
        """The same with a share of its rows counted in full, 0..1."""
        return replace(self, segments=tuple(replace(segment, counted=share) for segment in self.segments))


def explained(
    case: Case, live: Cube, base: Cube, outcome: int, spans: Sequence[Window], newest: float | None
) -> Answer:
    """What explains a case, without the dimension that its outcome itself names.

    A new version is first of all itself: where it was rolled out to comes below.

    Args:
        outcome: column of the case's hits in the cubes.
        spans: what `base` was counted over.
        newest: unix seconds of the newest row; the window beyond it has not happened yet.
    """
    from analysis.cubes import renamed_dims
    from analysis.segment_mix import mix_shift
    from analysis.segments import search as find
    from analysis.segments import search_traffic
    from analysis.slices import without

    if case.outcome is None:
        end = case.window.end if newest is None else min(float(case.window.end), newest)
        named_anew = renamed_dims(live, base)
        live, base = without(live, named_anew), without(base, named_anew)
        seen, length = end - case.window.start, sum(span.length for span in spans)
        return Answer(search_traffic(live, base, scale=seen / length)) if seen > 0 and length else Answer()
    itself = find(live, base, outcome, limit=1) if case.finding.signal is Signal.VERSION else ()
    own = fields_of(case.outcome)
    live, base = without(live, own), without(base, own)
    segments = find(live, base, outcome)
    if itself:
        return Answer((*itself, *(replace(segment, alternative=True) for segment in segments)))
    return Answer(segments, () if segments else mix_shift(live, base, outcome))
