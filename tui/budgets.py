"""Counts over days for the error budgets: asked for little by little, kept, never in the way of the live picture."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from analysis.evidence import Counts, Fetched, Traffic
from analysis.view import DAY_S, Window
from tui.feeds import Clock, LogFeed, MetricFeed, as_source_error
from tui.ring import LATE_BUCKETS, Ring

if TYPE_CHECKING:
    from analysis.objectives import Budget, Objective

FINE_STEP_S, COARSE_STEP_S = 60, 300
"""Minutes for the windows up to six hours; five of them for the days before."""

FINE_S = 6 * 3_600
REACH_S = 3 * DAY_S
CHUNK_S = 12 * 3_600
"""How much further back each reading goes: a store is never asked for days at once."""

EVERY_S = 30.0
"""Between two readings: budgets move slowly."""

Ask = Callable[[Sequence[Window], int], Awaitable[Fetched[Traffic | None]]]


class BudgetFeed:
    """The tallies of one source."""

    def __init__(self, ask: Ask, objectives: Sequence[Objective], clock: Clock) -> None:
        self._ask, self._objectives, self._clock = ask, objectives, clock
        from analysis.slices import cut_counts, merge_counts

        self._fine = Ring(partial(self._fetch, step=FINE_STEP_S), merge_counts, cut_counts)
        self._coarse = Ring(partial(self._fetch, step=COARSE_STEP_S), merge_counts, cut_counts)
        self._reach_s = 0
        self._read: tuple[float, int] | None = None
        """When it was read last, and up to which moment."""
        self.known_from = 0.0
        """Unix seconds of the oldest request that could have been counted."""
        self.problem = ""

    @property
    def counts(self) -> tuple[Counts, ...]:
        """What has been read, as disjoint spans."""
        return tuple(ring.value for ring in (self._coarse, self._fine) if ring.value is not None)

    def knows(self, objective: Objective) -> bool:
        """Whether anything was counted for an objective."""
        return any(key[:2] == objective.key for counts in self.counts for key in counts.keys)

    @property
    def due(self) -> bool:
        """Whether older days are still to be read."""
        return self._reach_s < REACH_S - FINE_S and not self.problem

    async def read(self, end: int, oldest: float | None) -> bool:
        """Bring the tallies up to `end` and one step further back; False where there was nothing to do.

        Args:
            end: unix seconds.
            oldest: unix seconds of the source's oldest row; None when it holds none.

        Raises:
            SourceError: as the source raised it; what was known before is kept.
        """
        now = self._clock()
        recent = self._read is not None and self._read[1] == end and now - self._read[0] < EVERY_S
        if oldest is None or (recent and not self.due):
            return False
        first_fine = (end - FINE_S) // COARSE_STEP_S * COARSE_STEP_S
        if self._read is not None and self.due:
            self._reach_s = min(REACH_S - FINE_S, self._reach_s + CHUNK_S)
        if first_fine - self._reach_s <= oldest:
            self._reach_s = REACH_S - FINE_S
        first = max(first_fine - self._reach_s, int(oldest) // COARSE_STEP_S * COARSE_STEP_S)
        await self._fine.read((Window(first_fine, end),), end - LATE_BUCKETS * FINE_STEP_S)
        if first < first_fine:
            await self._coarse.read((Window(first, first_fine),), first_fine)
        self.known_from = max(oldest, float(min(first, first_fine)))
        self._read = (now, end)
        return True

    async def _fetch(self, spans: Sequence[Window], *, step: int) -> Fetched[Counts | None]:
        from analysis.burn import tally

        fetched = await self._ask(spans, step)
        value = None if fetched.value is None else tally(fetched.value, self._objectives)
        return Fetched(value, fetched.query, fetched.elapsed_s, fetched.rows, fetched.warnings)


class Budgets:
    """The error budgets of a session, from whichever sources know the models."""

    def __init__(self, objectives: Sequence[Objective], clock: Clock) -> None:
        self.objectives, self._clock = tuple(objectives), clock
        self._feeds: dict[LogFeed | MetricFeed, BudgetFeed] = {}

    async def read(self, feed: LogFeed | MetricFeed, end: int) -> bool:
        """One reading of one source; a failure is kept as words. True when the budgets may have changed."""
        if not self.objectives:
            return False
        known = self._feeds.get(feed)
        if known is None:
            ask: Ask = feed.store.series if isinstance(feed, LogFeed) else feed.store.traffic
            known = self._feeds[feed] = BudgetFeed(ask, self.objectives, self._clock)
        try:
            changed = await known.read(end, feed.oldest)
        except Exception as error:  # noqa: BLE001 - the live picture does not depend on it; the notes say it
            changed, known.problem = not known.problem, f"{feed.status.name}: error budgets: {as_source_error(error)}"
            return changed
        known.problem = ""
        return changed

    async def read_all(self, feed: LogFeed | MetricFeed, end: int) -> None:
        """Everything that a source holds of them."""
        while await self.read(feed, end) and self._feeds[feed].due:
            continue

    def state(self, logs: Sequence[LogFeed], metrics: Sequence[MetricFeed], end: int) -> tuple[Budget, ...]:
        """The budget of every objective of which something is known, from the kind of source that knows more of it."""
        from analysis.burn import budget

        found: list[Budget] = []
        for objective in self.objectives:
            best: Budget | None = None
            # Metrics first: they are what alerts are made of.
            for feeds in (metrics, logs):
                read = [self._feeds[f] for f in feeds if f in self._feeds and self._feeds[f].knows(objective)]
                if read:
                    counts = [one for feed in read for one in feed.counts]
                    state = budget(objective, counts, end, max(feed.known_from for feed in read))
                    if state is not None and (best is None or state.known_s > 1.5 * best.known_s):
                        best = state
            found += [] if best is None else [best]
        return tuple(found)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read."""
        return tuple(feed.problem for feed in tuple(self._feeds.values()) if feed.problem)
