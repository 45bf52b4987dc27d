"""Feeds, one per source: a feed asks its store the questions of the view, keeps what it heard, and knows its state."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analysis.answer import SourceStatus, State
from analysis.evidence import LogEvidence, MetricEvidence
from analysis.filters import ALL, Eq, Filter, Not, conjunction
from analysis.spans import union
from analysis.view import Frame, Window
from connectors.base import Catalog, LogStore, MetricStore, Schema, SourceError, Watermark
from tui.ring import Ring, fresh_from

if TYPE_CHECKING:
    from analysis.evidence import Bins

Clock = Callable[[], float]

STALE_S = 180.0
"""Age of the newest sample from which a source is called stale."""

REDISCOVER_S = 600.0
"""How long a metric store's catalog is trusted; a redeployed server may expose new names."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a feed is to know: the frame, the rows, and the version that serves as baseline, if one does."""

    frame: Frame
    where: Filter = ALL
    baseline_version: str | None = None


class Feed:
    """What every feed has: a name, a state in words, and since when it fails."""

    def __init__(self, name: str, kind: str, clock: Clock) -> None:
        self.clock = clock
        self.status = SourceStatus(name, kind, State.LOADING)

    def failed(self, error: SourceError) -> None:
        """Remember a failure; what was known before is kept."""
        since = self.status.failing_since
        self.status = replace(
            self.status,
            state=State.FAILED,
            error=f"{error.title}: {error.message}" if error.message else error.title,
            hint=error.hint,
            failing_since=self.clock() if since is None else since,
        )

    def heard(self, mark: Watermark, frame: Frame) -> None:
        """Remember an answer whose newest sample is `mark.newest`."""
        newest = mark.newest
        if newest is None or (mark.oldest is not None and mark.oldest >= frame.live.end):
            state = State.EMPTY
        elif min(self.clock(), float(frame.live.end)) - newest > STALE_S:
            state = State.STALE
        else:
            state = State.LIVE
        self.status = replace(self.status, state=state, newest_sample=newest, error=None, hint=None, failing_since=None)


class LogFeed(Feed):
    """Inference logs of one store."""

    def __init__(self, store: LogStore, confidence_edges: Sequence[float], clock: Clock = time.time) -> None:
        super().__init__(store.name, store.kind, clock)
        self.store = store
        self.schema: Schema | None = None
        self.evidence: LogEvidence | None = None
        self.queries: Mapping[str, str] = {}
        self.elapsed_s: Mapping[str, float] = {}
        self.notes: tuple[str, ...] = ()
        self._edges = confidence_edges
        self._newest: float | None = None
        self._asked: object = None
        self._bins: dict[object, Mapping[str, Bins]] = {}
        self._sets: tuple[_RingSet, ...] = ()

    async def poll(self, question: Question) -> AsyncIterator[None]:
        """Bring the evidence up to a question; yields whenever a part of it is new.

        Raises:
            SourceError: the store could not answer; the evidence from before is kept.
        """
        frame = question.frame
        if self.schema is None:
            self.schema = await self.store.describe()
        mark = await self.store.watermark()
        offsets = tuple(window.start - frame.live.start for window in frame.references)
        asked = (frame.step, frame.live.length, offsets, question.where, question.baseline_version)
        if asked != self._asked:
            self._sets = await self._new_sets(question, asked)
            self._asked, self._newest = asked, None
        for part in PARTS:
            for rings in self._sets:
                await rings.read(part, frame, self._newest)
            self._collect(mark.newest)
            if part != PARTS[-1]:
                yield
        self._newest = mark.newest
        self.heard(mark, frame)
        yield

    async def _new_sets(self, question: Question, asked: object) -> tuple[_RingSet, ...]:
        """Rings for a question that was not asked before. Feature bins are frozen at its first look at the baseline."""
        frame, version, length = question.frame, question.baseline_version, question.frame.live.length
        rows = question.where if version is None else conjunction(question.where, Eq("version", version))
        if asked not in self._bins:
            self._bins[asked] = (await self.store.feature_bins(union(frame.references), rows)).value
        bins = self._bins[asked]
        if version is None:
            return (_RingSet(self.store, rows, frame.step, self._edges, bins, lambda f: (f.live, *f.references)),)
        others = conjunction(question.where, Not(Eq("version", version)))
        return (
            _RingSet(self.store, others, frame.step, self._edges, bins, lambda f: (f.live,)),
            # The other version's rows, up to this very window, moved back by one window: there they are the references.
            _RingSet(self.store, rows, frame.step, self._edges, bins, lambda f: (f.live, *f.references[:-1]), -length),
        )

    def _collect(self, newest: float | None) -> None:
        from analysis.merging import merge_logs

        merged: LogEvidence | None = None
        for rings in self._sets:
            merged = rings.evidence() if merged is None else merge_logs(merged, rings.evidence())
        self.evidence = replace(merged or LogEvidence(), newest=newest)
        rings_of_first = self._sets[0].rings
        self.queries = {name: ring.query for name, ring in rings_of_first.items()}
        self.elapsed_s = {name: ring.elapsed_s for name, ring in rings_of_first.items()}
        every = [ring for rings in self._sets for ring in rings.rings.values()]
        self.notes = tuple(dict.fromkeys(warning for ring in every for warning in ring.warnings))


PARTS = ("traffic", "errors", "confidence", "features")
"""The order in which a poll reads: what the overview needs first comes first."""


class _RingSet:
    """The rings of one set of rows."""

    def __init__(
        self,
        store: LogStore,
        where: Filter,
        step: int,
        edges: Sequence[float],
        bins: Mapping[str, Bins],
        windows: Callable[[Frame], tuple[Window, ...]],
        shift_s: int = 0,
    ) -> None:
        from analysis import slices

        self._windows = windows
        self._shift_s = shift_s
        self.rings: dict[str, Ring[Any]] = {
            "traffic": Ring(lambda s: store.series(s, step, where), slices.merge_traffic, slices.cut_traffic),
            "errors": Ring(lambda s: store.errors(s, step, where), slices.merge_errors, slices.cut_errors),
            "confidence": Ring(
                lambda s: store.confidence(s, step, edges, where), slices.merge_histograms, slices.cut_histogram
            ),
            "features": Ring(
                lambda s: store.features(s, step, bins, where), slices.merge_features, slices.cut_features
            ),
        }

    async def read(self, part: str, frame: Frame, newest: float | None) -> None:
        await self.rings[part].read(union(self._windows(frame)), fresh_from(frame, newest))

    def evidence(self) -> LogEvidence:
        from analysis.merging import shift_logs

        found = LogEvidence(
            traffic=self.rings["traffic"].value,
            confidence=self.rings["confidence"].value,
            features=self.rings["features"].value or {},
            errors=self.rings["errors"].value,
        )
        return shift_logs(found, self._shift_s) if self._shift_s else found


class MetricFeed(Feed):
    """Metrics of one Prometheus or of polled /metrics pages."""

    def __init__(self, store: MetricStore, clock: Clock = time.time) -> None:
        super().__init__(store.name, store.kind, clock)
        self.store = store
        self.catalog: Catalog | None = None
        self.evidence: MetricEvidence | None = None
        self.query = ""
        self.elapsed_s = 0.0
        self.notes: tuple[str, ...] = ()
        self._discovered = 0.0
        self._step = 0
        self._newest: float | None = None
        self._ring: Ring[MetricEvidence] | None = None

    async def poll(self, question: Question) -> AsyncIterator[None]:
        """Bring the evidence up to a frame; yields once. A filter does not apply to metrics.

        Raises:
            SourceError: the store could not answer; the evidence from before is kept.
        """
        from analysis.merging import cut_metrics, merge_metrics

        frame = question.frame
        if self.catalog is None or self.clock() - self._discovered > REDISCOVER_S:
            self.catalog = await self.store.discover()
            self._discovered = self.clock()
        if self._ring is None or frame.step != self._step:
            step = frame.step
            self._ring = Ring(lambda spans: self.store.metrics(spans, step), merge_metrics, cut_metrics)
            self._step, self._newest = step, None
        await self._ring.read(union((frame.live, *frame.references)), fresh_from(frame, self._newest))
        mark = await self.store.watermark()
        self.evidence, self.query, self.elapsed_s = self._ring.value, self._ring.query, self._ring.elapsed_s
        self.notes = (*self.catalog.notes, *self._ring.warnings)
        self._newest = mark.newest
        self.heard(mark, frame)
        yield
