"""The errors of the day before, asked for when one is seen that the references do not know: is it new, or back?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from analysis.spans import subtract, union
from analysis.view import Window
from connectors.base import SourceError

if TYPE_CHECKING:
    from analysis.evidence import ErrorCounts, Fetched, Key
    from analysis.view import Frame

STEP_S = 900
CHUNK_S = 6 * 3_600
"""A store is asked for a quarter of a day at a time, the newest first, until every such error has been seen."""

RETRY_S = 60.0

Ask = Callable[[Sequence[Window], int], Awaitable["Fetched[ErrorCounts | None]"]]


class LookBack:
    """When the errors of one question were last seen in the day before; what is known of the past stays known."""

    def __init__(self, ask: Ask, clock: Callable[[], float]) -> None:
        self._ask, self._clock = ask, clock
        self._known: tuple[Window, ...] = ()
        self._seen: dict[Key, float] = {}
        self._retry_at = 0.0
        self.problem = ""

    def branch(self) -> LookBack:
        """Another with the same knowledge; neither changes the other from then on."""
        other = LookBack(self._ask, self._clock)
        other._known, other._seen = self._known, dict(self._seen)
        return other

    def told(self, errors: ErrorCounts | None, frame: Frame) -> ErrorCounts | None:
        """The errors with what is known of the day before."""
        if errors is None or not self._seen:
            return errors
        from analysis.error_history import with_history

        return with_history(errors, self._seen, frame)

    async def read(self, errors: ErrorCounts | None, frame: Frame, *, whole: bool = False) -> bool:
        """Look for the errors of the live window that no reference has; True when more of them is known than before.

        `whole`: the references stand for no earlier time, so that nothing of the day before is known from them.
        A failure is kept as words and tried again a minute later: the live picture does not depend on it.
        """
        if errors is None or self._clock() < self._retry_at:
            return False
        from analysis.error_history import day_before, last_seen, unseen

        wanted = unseen(errors, frame)
        if not wanted:
            return False
        if any(span.end > frame.live.start for span in self._known):
            # The view went back in time: what was seen after its window says nothing about it.
            self._known, self._seen = (), {}
        found = False
        try:
            for span in _chunks(subtract(day_before(frame, () if whole else frame.references), self._known)):
                if wanted <= self._seen.keys():
                    break
                value = (await self._ask((span,), STEP_S)).value
                self._known = union((*self._known, span))
                for key, at in () if value is None else last_seen(value).items():
                    self._seen[key] = max(min(at, float(span.end)), self._seen.get(key, 0.0))
                    found = found or key in wanted
        except SourceError as error:
            self.problem = f"errors of the day before: {error}: what is called NEW may have been there"
            self._retry_at = self._clock() + RETRY_S
            return True
        self.problem = ""
        return found


def _chunks(spans: Sequence[Window]) -> list[Window]:
    """The spans cut into pieces, the newest first; one that is shorter than a bucket waits until it has grown."""
    pieces = [
        Window(max(span.start, end - CHUNK_S), end)
        for span in spans
        if span.length >= STEP_S
        for end in range(span.end, span.start, -CHUNK_S)
    ]
    return sorted(pieces, key=lambda piece: -piece.end)
