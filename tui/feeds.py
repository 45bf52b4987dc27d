"""Feeds, one per source: a feed asks its store the questions of the view, keeps what it heard, and knows its state."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analysis.answer import SourceStatus, State
from analysis.evidence import Fetched, LogEvidence, MetricEvidence
from analysis.filters import Filter
from analysis.spans import subtract, union
from analysis.words import duration
from connectors.base import Catalog, LogStore, MetricStore, Schema, SourceError, Watermark
from tui.held import PARTS, HeldLogs, HeldMetrics, RingSet, baseline_of, newest_row, rows_asked
from tui.label_filter import LabelFilter, label_filter
from tui.lookback import LookBack
from tui.question import Question
from tui.ring import Ring, fresh_from
from tui.shelf import Shelf

if TYPE_CHECKING:
    from analysis.evidence import Bins

Clock = Callable[[], float]

STALE_S = 180.0
"""Age of the newest sample from which a source is called stale."""

SKEW_S = 60.0
"""A row further ahead of this clock than this says that a clock is wrong, not that data is fresh."""

REDISCOVER_S = 600.0
"""How long a metric store's catalog is trusted; a redeployed server may expose new names."""

REBIN_S = 60.0
"""How often feature bins are asked for while the baseline holds no rows to cut them from."""

RELABEL_S = 60.0
RELABEL_COSTS = 20.0
"""How often labels are read anew: once a minute, and at most a twentieth of the time where reading them takes long."""

KEPT_QUESTIONS = 8
"""Questions whose buckets are held, and whose feature bins stay frozen: going back to one shows the same, at once."""


def as_source_error(error: Exception) -> SourceError:
    """The error itself, or an unexpected one as a failure of its source that names the exception's class."""
    if isinstance(error, SourceError):
        return error
    return SourceError(
        f"unexpected {type(error).__name__}", str(error)[:500], "a defect of mltriage: please report it with this text"
    )


class Feed:
    """What every feed has: a name, a state in words, and since when it fails."""

    def __init__(self, name: str, kind: str, clock: Clock) -> None:
        self.clock = clock
        self.status = SourceStatus(name, kind, State.LOADING)
        self.notes: tuple[str, ...] = ()
        self.answered: Question | None = None
        """What the evidence answers."""
        self._oldest: float | None = None

    @property
    def oldest(self) -> float | None:
        """Unix seconds of the oldest sample that was there at the last poll."""
        return self._oldest

    def identity(self, question: Question) -> object:
        """What two questions share that differ in time alone."""
        return (question.frame.step, question.frame.live.length, question.where, question.baseline)

    def covers(self, question: Question) -> bool:
        """Whether the evidence answers a question, though it was asked for another moment.

        Of a source that fails, its last answer to the same question stands, however old it is.
        """
        known = self.answered
        if known is None or self.identity(known) != self.identity(question):
            return False
        asked = [(q.known_at, q.frame.live.length, q.baseline) for q in (known, question)]
        stands = self.status.state is State.FAILED and asked[0] == asked[1]
        return stands or not subtract(question.windows, known.windows)

    def seen(self, current: bool) -> SourceStatus:
        """Its state for a view that it has answered (`current`) or not yet: then it is loading, unless it fails."""
        if current or self.status.state is State.FAILED:
            return self.status
        return replace(self.status, state=State.LOADING)

    def failed(self, error: Exception) -> None:
        """Remember a failure; what was known before is kept."""
        since, why = self.status.failing_since, as_source_error(error)
        self.status = replace(
            self.status,
            state=State.FAILED,
            error=f"{why.title}: {why.message}" if why.message else why.title,
            hint=why.hint,
            failing_since=self.clock() if since is None else since,
        )

    def heard(self, newest: float | None, oldest: float | None, question: Question) -> None:
        """Remember an answer whose samples reach from `oldest` to `newest` (unix seconds)."""
        end = question.frame.live.end
        # The last bucket of a pinned moment reaches beyond it: there nothing can be yet.
        moment = end if question.known_at is None else min(end, question.known_at)
        if newest is None or (oldest is not None and oldest >= end):
            state = State.EMPTY
        elif min(self.clock(), float(moment)) - newest > STALE_S:
            state = State.STALE
        else:
            state = State.LIVE
        self.status = replace(self.status, state=state, newest_sample=newest, error=None, hint=None, failing_since=None)

    def _grown_back(self, before: float | None, oldest: float | None, rings: Sequence[Ring[Any]]) -> None:
        """Let the rings ask again for the time before what used to be the oldest sample: older files were added."""
        self._oldest = oldest
        if oldest is not None and before is not None and oldest < before:
            for ring in rings:
                ring.forget_before(int(before))


class LogFeed(Feed):
    """Inference logs of one store."""

    def __init__(self, store: LogStore, confidence_edges: Sequence[float], clock: Clock = time.time) -> None:
        super().__init__(store.name, store.kind, clock)
        self.store = store
        self.schema: Schema | None = None
        self.evidence: LogEvidence | None = None
        self.queries: Mapping[str, str] = {}
        self.elapsed_s: Mapping[str, float] = {}
        self._edges = confidence_edges
        self._bins: Shelf[object, Fetched[Mapping[str, Bins]]] = Shelf(KEPT_QUESTIONS)
        self._binned_at = 0.0
        self._held: Shelf[object, HeldLogs] = Shelf(KEPT_QUESTIONS)
        self._now: HeldLogs | None = None

    def _shape(self, question: Question) -> object:
        """What two questions share whose rows are counted alike, at whatever moment."""
        schema = self.schema
        known = None if schema is None else (tuple(sorted(schema.fields.items())), schema.features)
        return (self.identity(question), known)

    def recall(self, question: Question) -> None:
        """Answer a question that was asked before with what is held of it, before the store is asked."""
        held = self._held.get((self._shape(question), question.known_at))
        if held is not None and held.status is not None:
            self._now = held
            self._show(held)
            # Whether the newest sample is old depends on the moment that is asked about.
            self.status = self.status if self.status.state is State.FAILED else held.status

    async def poll(self, question: Question) -> AsyncGenerator[None]:
        """Bring the evidence up to a question.

        Yields when all of it is new; for a question not heard before also at each part, because the first may take
        seconds and each part fills a panel.

        Raises:
            SourceError: the store could not answer; the evidence from before is kept.
        """
        frame = question.frame
        self.schema = await self.store.describe()
        mark = await self.store.watermark()
        shape = self._shape(question)
        held = self._held.get((shape, question.known_at))
        if held is None:
            held = self._new(question, shape)
            self._held.put((shape, question.known_at), held)
        self._now = held
        before, held.oldest = held.oldest, mark.oldest
        self._grown_back(before, mark.oldest, held.rings)
        for part in PARTS:
            if part == "labels":
                await self._relabel(held, question)
            else:
                # Not before they are needed: the first finding does not wait for them.
                if part == "features":
                    await self._freeze(held, shape, question)
                for rings in held.sets:
                    await rings.read(part, frame, held.newest)
            if part != PARTS[-1] and self.status.state is State.LOADING:
                self._collect(held, question, mark)
                yield
        newest = self._collect(held, question, mark)
        held.newest = mark.newest
        self.heard(newest, mark.oldest, question)
        held.status = self.status
        yield
        # Another version as the baseline stands for no earlier time; any version may have had the error before.
        errors = held.evidence.errors if held.evidence is not None else None
        if await held.look_back.read(errors, frame, whole=question.version is not None):
            self._collect(held, question, mark)
            yield

    def _new(self, question: Question, shape: object) -> HeldLogs:
        """Rings for a question that was not asked before, with what is known of it from another moment."""
        bins = self._frozen(shape)
        rows = rows_asked(question)
        like = next((held for held in self._held.newest_first() if held.shape == shape), None)
        if like is not None:
            sets = tuple(known.branch(part) for known, part in zip(like.sets, rows, strict=True))
            return HeldLogs(shape, sets, like.look_back.branch(), like.newest, like.oldest)
        if self.status.state is not State.FAILED:
            self.status = replace(self.status, state=State.LOADING)
        where = question.where
        look_back = LookBack(lambda spans, step: self.store.errors(spans, step, where), self.clock)
        return HeldLogs(shape, tuple(RingSet(self.store, part, self._edges, bins) for part in rows), look_back)

    async def _relabel(self, held: HeldLogs, question: Question) -> None:
        """Read all labels where that is due: rows of old buckets go on gaining them, so a ring is never complete.

        In between there is nothing to read: the newest minute has no label that counts yet.
        """
        pause_s = max(RELABEL_S, RELABEL_COSTS * held.labels_took_s)
        if held.labelled_at is not None and self.clock() - held.labelled_at < pause_s:
            return
        for rings in held.sets:
            rings.rings["labels"].forget_before(question.frame.live.end)
            await rings.read("labels", question.frame, held.newest)
        held.labels_took_s = sum(rings.rings["labels"].elapsed_s for rings in held.sets)
        held.labelled_at = self.clock()

    def _frozen(self, shape: object) -> Mapping[str, Bins]:
        known = self._bins.get(shape)
        return known.value if known is not None else {}

    async def _freeze(self, held: HeldLogs, shape: object, question: Question) -> None:
        """Feature bins, cut at the first look at a baseline that has rows and kept from then on."""
        due = self._bins.get(shape) is None or self.clock() - self._binned_at >= REBIN_S
        if not self._frozen(shape) and due:
            spans = union(question.frame.baseline(question.version))
            self._bins.put(shape, await self.store.feature_bins(spans, baseline_of(question), dims=True))
            self._binned_at = self.clock()
        bins = self._frozen(shape)
        for rings in held.sets:
            if rings.bins != bins:
                rings.freeze(bins)

    def _collect(self, held: HeldLogs, question: Question, mark: Watermark) -> float | None:
        """Take over what the rings hold; the time of the newest row, as far as it can be trusted."""
        from analysis.dependencies import split_calls
        from analysis.merging import merge_logs

        merged = LogEvidence()
        for rings in held.sets:
            merged = merge_logs(merged, rings.evidence())
        newest, skew = mark.newest, ""
        if newest is not None and newest > self.clock() + SKEW_S:
            ahead = duration(newest - self.clock())
            skew = f"{self.status.name}: the newest row is {ahead} in the future: compare the clocks of its writers"
            newest = newest_row(merged.traffic, self.clock())
        errors = held.look_back.told(merged.errors, question.frame)
        features, calls = split_calls(merged.features, self.schema.calls if self.schema is not None else {})
        held.evidence = replace(merged, newest=newest, errors=errors, features=features, calls=calls)
        held.answered = question
        first = held.sets[0].rings
        held.queries = {name: ring.query for name, ring in first.items()}
        held.elapsed_s = {name: ring.elapsed_s for name, ring in first.items()}
        bins = self._bins.get(held.shape)
        warnings = [text for ring in held.rings for text in ring.warnings]
        said = [text for text in (skew, held.look_back.problem) if text]
        held.notes = tuple(dict.fromkeys((*said, *(bins.warnings if bins is not None else ()), *warnings)))
        if held is self._now:
            self._show(held)
        return newest

    def _show(self, held: HeldLogs) -> None:
        """Answer with what is held of a question from now on."""
        self.evidence, self.answered, self.notes = held.evidence, held.answered, held.notes
        self.queries, self.elapsed_s, self._oldest = held.queries, held.elapsed_s, held.oldest


class MetricFeed(Feed):
    """Metrics of one Prometheus or of polled /metrics pages."""

    def __init__(self, store: MetricStore, clock: Clock = time.time) -> None:
        super().__init__(store.name, store.kind, clock)
        self.store = store
        self.catalog: Catalog | None = None
        self.evidence: MetricEvidence | None = None
        self.query = ""
        self.elapsed_s = 0.0
        self._discovered = 0.0
        self._held: Shelf[object, HeldMetrics] = Shelf(KEPT_QUESTIONS)
        self._now: HeldMetrics | None = None
        self.against: str | None = None

    def identity(self, question: Question) -> object:
        """A baseline is but other windows, and a filter that is not one of labels does not apply."""
        return (question.frame.step, self.narrows(question), self._narrowed(question).models, question.version)

    def _narrowed(self, question: Question) -> LabelFilter:
        return label_filter(question.typed, self.catalog.dims if self.catalog is not None else {})

    def applies(self, question: Question) -> bool:
        """Whether all of the filter applies to these metrics."""
        return not self._narrowed(question).refusal

    def narrows(self, question: Question) -> Filter:
        """What the store is asked of the filter: its labels where all of it applies, else nothing."""
        return self._narrowed(question).labels

    def refusal(self, question: Question) -> str:
        """What these metrics cannot tell of a filter that does not apply, and what they could."""
        return f"{self.status.name} {self._narrowed(question).refusal}"

    async def poll(self, question: Question) -> AsyncGenerator[None]:
        """Bring the evidence up to a frame; yields once, and again where the day before tells more of an error.

        Raises:
            SourceError: the store could not answer; the evidence from before is kept.
        """

        frame = question.frame
        if self.catalog is None or self.clock() - self._discovered > REDISCOVER_S:
            self.catalog = await self.store.discover()
            self._discovered = self.clock()
        key = self._key(question)
        held = self._held.get(key)
        if held is None:
            held = self._held.put(key, self._new(question))
        self._now = held
        await held.ring.read(question.windows, fresh_from(frame, held.newest))
        try:
            mark = await self.store.watermark()
        except Exception:
            # Pages that are gone leave what they said before: it answers a question that is new now, too.
            self._collect(held, self.catalog, question)
            raise
        before, held.oldest = held.oldest, mark.oldest
        self._grown_back(before, mark.oldest, [held.ring])
        self._collect(held, self.catalog, question)
        held.newest = mark.newest
        self.heard(mark.newest, mark.oldest, question)
        held.status = self.status
        yield
        errors = held.evidence.errors if held.evidence is not None else None
        if await held.look_back.read(errors, frame):
            self._collect(held, self.catalog, question)
            yield

    def _key(self, question: Question) -> object:
        return (self.identity(question), question.frame.live.length, question.baseline, question.known_at)

    def recall(self, question: Question) -> None:
        """Answer a question that was asked before with what is held of it, before the store is asked."""
        held = self._held.get(self._key(question))
        if held is not None and held.status is not None:
            self._now = held
            self._show(held)
            # Whether the newest sample is old depends on the moment that is asked about.
            self.status = self.status if self.status.state is State.FAILED else held.status

    def _new(self, question: Question) -> HeldMetrics:
        """A ring for a question that was not asked before, with what is known of it from other windows."""
        from analysis.merging import cut_metrics, merge_metrics

        step, where = question.frame.step, self.narrows(question)
        identity = (step, where)
        ring = Ring(lambda spans: self.store.metrics(spans, step, where), merge_metrics, cut_metrics)
        like = next((held for held in self._held.newest_first() if held.identity == identity), None)
        if like is not None:
            ring.take(like.ring)
            return HeldMetrics(identity, ring, like.look_back.branch(), like.newest, like.oldest)
        look_back = LookBack(lambda spans, step: self.store.errors(spans, step, where), self.clock)
        return HeldMetrics(identity, ring, look_back)

    def _collect(self, held: HeldMetrics, catalog: Catalog, question: Question) -> None:
        """Take over what the ring holds."""
        from analysis.of_models import of_models
        from analysis.other_version import against_version

        known = held.ring.value
        if known is not None:
            known = replace(known, errors=held.look_back.told(known.errors, question.frame))
            known = of_models(known, self._narrowed(question).models)
            if question.version is not None:
                split = against_version(known, question.version, question.frame)
                known, held.against = (known, None) if split is None else (split, question.version)
        held.evidence, held.answered = known, question
        said = (held.look_back.problem,) if held.look_back.problem else ()
        # What a known server does not expose is for `doctor`; that none is known is why the screen stays empty.
        held.notes = (*(() if catalog.signals else catalog.notes), *said, *held.ring.warnings)
        if held is self._now:
            self._show(held)

    def _show(self, held: HeldMetrics) -> None:
        """Answer with what is held of a question from now on."""
        self.evidence, self.answered, self.notes = held.evidence, held.answered, held.notes
        self.against = held.against
        self.query, self.elapsed_s, self._oldest = held.ring.query, held.ring.elapsed_s, held.oldest
