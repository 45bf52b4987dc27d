"""Buckets of one question, kept in memory: a refresh reads only the newest ones, a baseline is never read twice.

Memory is bounded by what the view needs: buckets outside the frame are dropped at each read. One ring holds
(buckets x keys x bins x 8 bytes): a 30 min window with eight references, five models of two versions and 180 latency
bins are 4 MB.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from analysis.evidence import Fetched
from analysis.spans import intersect, subtract, union
from analysis.view import Frame, Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

E = TypeVar("E")

LATE_BUCKETS = 2
"""Newest buckets that every refresh reads again, for rows that arrive late."""


def fresh_from(frame: Frame, newest: float | None) -> int:
    """Unix seconds from which buckets may still change.

    Args:
        newest: the source's newest row at the last read; what it had not delivered then is asked again.
    """
    late = LATE_BUCKETS * frame.step
    recent = frame.live.end - late
    if newest is None:
        return recent
    seen = int(newest) // frame.step * frame.step
    # The buckets of a past window are complete once the source has delivered what came after them.
    return min(seen, max(recent, seen - late), frame.live.end)


class Ring(Generic[E]):
    """The newest evidence of one typed question."""

    def __init__(
        self,
        fetch: Callable[[Sequence[Window]], Awaitable[Fetched[E | None]]],
        merge: Callable[[E, E], E],
        cut: Callable[[E, Callable[[NDArray[np.int64]], NDArray[np.bool_]]], E],
    ) -> None:
        self._fetch = fetch
        self._merge = merge
        self._cut = cut
        self._known: tuple[Window, ...] = ()
        self.value: E | None = None
        self.query = ""
        self.elapsed_s = 0.0
        self.rows = 0
        self.warnings: tuple[str, ...] = ()

    async def read(self, spans: Sequence[Window], fresh_from: int) -> None:
        """Hold exactly `spans`: ask for what is missing, and again for what lies after `fresh_from` (unix seconds).

        Raises:
            SourceError: as the source raised it; what the ring held before is kept.
        """
        missing = subtract(spans, intersect(self._known, (Window(0, fresh_from),)))
        if missing:
            self._replace(await self._fetch(missing), missing)
        self._known = intersect(union((*self._known, *missing)), spans)
        if self.value is not None:
            self.value = self._cut(self.value, lambda t: within(t, spans))

    def take(self, other: Ring[E]) -> None:
        """Hold what another ring of the same question holds; neither changes the other from then on."""
        self._known, self.value = other._known, other.value
        self.query, self.elapsed_s, self.rows = other.query, other.elapsed_s, other.rows
        self.warnings = other.warnings

    def forget_before(self, moment: int) -> None:
        """Ask again for what lies before `moment` (unix seconds): it has been filled since."""
        self._known = subtract(self._known, (Window(0, moment),))

    def _replace(self, fetched: Fetched[E | None], spans: Sequence[Window]) -> None:
        self.query, self.elapsed_s, self.rows = fetched.query, fetched.elapsed_s, fetched.rows
        self.warnings = fetched.warnings
        if fetched.value is None:
            return
        if self.value is None:
            self.value = fetched.value
            return
        kept = self._cut(self.value, lambda t: ~within(t, spans))
        self.value = self._merge(kept, fetched.value)


def within(t: NDArray[np.int64], spans: Sequence[Window]) -> NDArray[np.bool_]:
    """Which bucket starts lie in one of the spans. [T]"""
    import numpy as np

    found = np.zeros(len(t), dtype=bool)
    for span in spans:
        found |= (t >= span.start) & (t < span.end)
    return found
