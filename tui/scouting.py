"""Looks now and then whether a model is right less often for one value of a dimension, where all rows do not tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.base import By

if TYPE_CHECKING:
    from analysis.cases import Case
    from analysis.evidence import Labels
    from tui.feeds import Clock, LogFeed
    from tui.question import Question

EVERY_S = 300.0
COSTS = 20.0
"""A look is taken so seldom that it takes at most a twentieth of the time."""

DIMS = 6
"""Dimensions that are looked at, the first ones."""

VALUES = 12
"""Values of a dimension that are told apart."""

ONE_BAND = (0.0, 1.0)
"""Of the scores: the share of right ones needs no more, and bands cost a row each."""


@dataclass(frozen=True, slots=True)
class Scouted:
    """What was found for a view, and when to look again (unix seconds)."""

    cases: tuple[Case, ...] = ()
    due: float = 0.0


class Scout:
    """Asks the logs for labels by dimension, one dimension at a time."""

    def __init__(self, logs: Sequence[LogFeed], clock: Clock) -> None:
        self._logs = tuple(logs)
        self._clock = clock
        self.known = Scouted()

    async def look(self, question: Question, told: Collection[str], current: Callable[[], bool]) -> bool:
        """Look where it is due; True when the answer changes by it.

        Args:
            told: models whose accuracy or calibration is a finding already.
            current: whether the question still stands.
        """
        if self._clock() < self.known.due or question.version is not None:
            return False
        logs = [feed for feed in self._logs if feed.evidence is not None and feed.evidence.labels is not None]
        if not logs:
            return False
        before, began = self.known, time.monotonic()
        cases: list[Case] = []
        for feed in logs:
            try:
                cases += await self._of(feed, question, told, current)
            except Exception:  # noqa: BLE001 - told by the source's next poll; the others are still asked
                continue
            if not current():
                return False
        took = time.monotonic() - began
        self.known = Scouted(tuple(cases), self._clock() + max(EVERY_S, COSTS * took))
        return [case.finding.title for case in before.cases] != [case.finding.title for case in cases]

    async def _of(
        self, feed: LogFeed, question: Question, told: Collection[str], current: Callable[[], bool]
    ) -> list[Case]:
        """What one log tells of the models that it has labels of."""
        from analysis.labels import DELAYS_S

        schema, known = feed.schema, feed.evidence.labels if feed.evidence is not None else None
        models = [key[0] for key in known.keys if key[0] not in told] if known is not None else []
        if schema is None or not models:
            return []
        frame = question.frame
        by_dim: dict[str, Labels] = {}
        for dim in tuple(schema.dims)[:DIMS]:
            top = (await feed.store.top_values((frame.live,), dim, question.where, VALUES)).value
            if not current():
                return []
            if len(top) < 2:
                continue
            by = By(dim, tuple(value for value, _ in top))
            labels = await feed.store.labels(
                question.windows, frame.step, ONE_BAND, DELAYS_S, question.known_at, question.where, by
            )
            if not current():
                return []
            if labels.value is not None:
                by_dim[dim] = labels.value
        return await asyncio.to_thread(_eroded, by_dim, models, question, self._clock())


def _eroded(by_dim: Mapping[str, Labels], models: Sequence[str], question: Question, now: float) -> list[Case]:
    """The value that lost most of each model, if any did. Pure numbers: may run in a thread."""
    from analysis.erosion import eroded
    from analysis.trust import known_until

    if not by_dim:
        return []
    frame, pinned_at = question.frame, question.known_at
    moment = min(known_until(labels, now, frame) for labels in by_dim.values()) if pinned_at is None else pinned_at
    found = [eroded(model, by_dim, frame, moment, pinned=pinned_at is not None) for model in models]
    return [case for case in found if case is not None]
