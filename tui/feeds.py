"""Feeds, one per source: a feed asks its store the questions of the view, keeps what it heard, and knows its state."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from analysis.answer import SourceStatus, State
from analysis.evidence import Fetched, LogEvidence, MetricEvidence, Traffic
from analysis.filters import ALL, Eq, Filter, Not, conjunction, fields_of
from analysis.spans import subtract, union
from analysis.view import Baseline, Frame, Window
from analysis.words import duration
from connectors.base import Catalog, LogStore, MetricStore, Schema, SourceError, Watermark
from tui.lookback import LookBack
from tui.ring import Ring, fresh_from

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

KEPT_BINS = 8
"""Questions whose feature bins stay frozen, so that going back to one shows the same bars."""


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

    @property
    def windows(self) -> tuple[Window, ...]:
        """The seconds it is about, as disjoint windows."""
        return union((self.frame.live, *self.frame.references))

    @property
    def version(self) -> str | None:
        """The version whose rows serve as baseline, if one does."""
        return self.baseline.version if self.baseline.kind == "version" else None


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
        self._newest: float | None = None
        self._oldest: float | None = None

    @property
    def oldest(self) -> float | None:
        """Unix seconds of the oldest sample that was there at the last poll."""
        return self._oldest

    def identity(self, question: Question) -> object:
        """What two questions share that differ in time alone."""
        return (question.frame.step, question.frame.live.length, question.where, question.baseline)

    def covers(self, question: Question) -> bool:
        """Whether the evidence answers a question, though it was asked for another moment."""
        known = self.answered
        return (
            known is not None
            and self.identity(known) == self.identity(question)
            and not subtract(question.windows, known.windows)
        )

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

    def heard(self, newest: float | None, oldest: float | None, frame: Frame) -> None:
        """Remember an answer whose samples reach from `oldest` to `newest` (unix seconds)."""
        if newest is None or (oldest is not None and oldest >= frame.live.end):
            state = State.EMPTY
        elif min(self.clock(), float(frame.live.end)) - newest > STALE_S:
            state = State.STALE
        else:
            state = State.LIVE
        self.status = replace(self.status, state=state, newest_sample=newest, error=None, hint=None, failing_since=None)

    def _grown_back(self, mark: Watermark, rings: Sequence[Ring[Any]]) -> None:
        """Let the rings ask again for the time before what used to be the oldest sample: older files were added."""
        before, self._oldest = self._oldest, mark.oldest
        if mark.oldest is not None and before is not None and mark.oldest < before:
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
        self._asked: object = None
        self._bins: dict[object, Fetched[Mapping[str, Bins]]] = {}
        self._binned_at = 0.0
        self._sets: tuple[_RingSet, ...] = ()
        self._look_back = LookBack(lambda spans, step: self.store.errors(spans, step), clock)
        self._labelled: tuple[object, float, float] = (None, 0.0, 0.0)
        """What the labels were last read for, when, and how many seconds that took."""

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
        asked = (self.identity(question), tuple(sorted(self.schema.fields.items())), self.schema.features)
        if asked != self._asked:
            bins = await self._frozen_bins(asked, question)
            self._sets = self._new_sets(question, bins)
            self._asked, self._newest, self._oldest = asked, None, None
            where = question.where
            self._look_back = LookBack(lambda spans, step: self.store.errors(spans, step, where), self.clock)
            if self.status.state is not State.FAILED:
                self.status = replace(self.status, state=State.LOADING)
        elif not self._bins[asked].value and self.clock() - self._binned_at >= REBIN_S:
            bins = await self._frozen_bins(asked, question)
            for rings in self._sets:
                rings.freeze(bins)
        self._grown_back(mark, [ring for rings in self._sets for ring in rings.rings.values()])
        for part in PARTS:
            if part == "labels":
                await self._relabel(asked, question)
            else:
                for rings in self._sets:
                    await rings.read(part, frame, self._newest)
            if part != PARTS[-1] and self.status.state is State.LOADING:
                self._collect(question, mark, asked)
                yield
        newest = self._collect(question, mark, asked)
        self._newest = mark.newest
        self.heard(newest, mark.oldest, frame)
        yield
        # Another version as the baseline stands for no earlier time; any version may have had the error before.
        errors = self.evidence.errors if self.evidence is not None else None
        if await self._look_back.read(errors, frame, whole=question.version is not None):
            self._collect(question, mark, asked)
            yield

    async def _relabel(self, asked: object, question: Question) -> None:
        """Read all labels where that is due: rows of old buckets go on gaining them, so a ring is never complete.

        In between there is nothing to read: the newest minute has no label that counts yet.
        """
        read_for, at, took_s = self._labelled
        wanted = (asked, question.known_at)
        if read_for == wanted and self.clock() - at < max(RELABEL_S, RELABEL_COSTS * took_s):
            return
        for rings in self._sets:
            rings.known_at = question.known_at
            rings.rings["labels"].forget_before(question.frame.live.end)
            await rings.read("labels", question.frame, self._newest)
        took_s = sum(rings.rings["labels"].elapsed_s for rings in self._sets)
        self._labelled = (wanted, self.clock(), took_s)

    async def _frozen_bins(self, asked: object, question: Question) -> Mapping[str, Bins]:
        """Feature bins, cut at the first look at a baseline that has rows and kept from then on."""
        known = self._bins.get(asked)
        if known is None or not known.value:
            known = await self.store.feature_bins(
                union(_reference_rows(question.frame, question.version)), _of(question)
            )
            self._bins = dict([*self._bins.items(), (asked, known)][-KEPT_BINS:])
            self._binned_at = self.clock()
        return known.value

    def _new_sets(self, question: Question, bins: Mapping[str, Bins]) -> tuple[_RingSet, ...]:
        """Rings for a question that was not asked before."""
        frame, version = question.frame, question.version
        if version is None:

            def every(f: Frame) -> tuple[Window, ...]:
                return (f.live, *f.references)

            return (_RingSet(self.store, question.where, frame.step, self._edges, bins, every),)
        others = conjunction(question.where, Not(Eq("version", version)))
        return (
            _RingSet(self.store, others, frame.step, self._edges, bins, lambda f: (f.live,)),
            # The other version's rows, up to this very window, moved back by one window: there they are the references.
            _RingSet(
                self.store,
                _of(question),
                frame.step,
                self._edges,
                bins,
                lambda f: _reference_rows(f, version),
                -frame.live.length,
            ),
        )

    def _collect(self, question: Question, mark: Watermark, asked: object) -> float | None:
        """Take over what the rings hold; the time of the newest row, as far as it can be trusted."""
        from analysis.dependencies import split_calls
        from analysis.merging import merge_logs

        merged = LogEvidence()
        for rings in self._sets:
            merged = merge_logs(merged, rings.evidence())
        newest, skew = mark.newest, ""
        if newest is not None and newest > self.clock() + SKEW_S:
            ahead = duration(newest - self.clock())
            skew = f"{self.status.name}: the newest row is {ahead} in the future: compare the clocks of its writers"
            newest = _newest_row(merged.traffic, self.clock())
        errors = self._look_back.told(merged.errors, question.frame)
        features, calls = split_calls(merged.features, self.schema.calls if self.schema is not None else {})
        self.evidence = replace(merged, newest=newest, errors=errors, features=features, calls=calls)
        self.answered = question
        first = self._sets[0].rings
        self.queries = {name: ring.query for name, ring in first.items()}
        self.elapsed_s = {name: ring.elapsed_s for name, ring in first.items()}
        warnings = [text for rings in self._sets for ring in rings.rings.values() for text in ring.warnings]
        said = [text for text in (skew, self._look_back.problem) if text]
        self.notes = tuple(dict.fromkeys((*said, *self._bins[asked].warnings, *warnings)))
        return newest


PARTS = ("traffic", "errors", "confidence", "features", "labels", "pairs", "repeats")
"""The order in which a poll reads: what the overview needs first comes first."""


def _reference_rows(frame: Frame, version: str | None) -> tuple[Window, ...]:
    """The windows whose rows are the baseline; another version's rows of this very window are part of it."""
    return frame.references if version is None else (frame.live, *frame.references[:-1])


def _of(question: Question) -> Filter:
    """The rows that are the baseline."""
    if question.version is None:
        return question.where
    return conjunction(question.where, Eq("version", question.version))


def _newest_row(traffic: Traffic | None, now: float) -> float | None:
    """The end of the newest bucket with rows that has begun, at most `now`; unix seconds."""
    if traffic is None:
        return None
    filled = traffic.requests.t[traffic.requests.n.sum(axis=1) > 0]
    past = filled[filled <= now]
    return min(now, float(past.max()) + traffic.requests.step) if len(past) else None


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
        from analysis import error_kinds, labels, slices

        self._store, self._where, self._step = store, where, step
        self._windows = windows
        self.known_at: float | None = None
        self._shift_s = shift_s
        self.rings: dict[str, Ring[Any]] = {
            "traffic": Ring(lambda s: store.series(s, step, where), slices.merge_traffic, slices.cut_traffic),
            "errors": Ring(
                lambda s: store.errors(s, step, where),
                lambda a, b: error_kinds.bounded(slices.merge_errors(a, b)),
                slices.cut_errors,
            ),
            "confidence": Ring(
                lambda s: store.confidence(s, step, edges, where), slices.merge_histograms, slices.cut_histogram
            ),
            "labels": Ring(
                lambda s: store.labels(s, step, labels.SCORES.edges, labels.DELAYS_S, self.known_at, where),
                labels.merge_labels,
                labels.cut_labels,
            ),
            "pairs": Ring(lambda s: store.agreement(s, step, where), slices.merge_pairs, slices.cut_pairs),
            "repeats": Ring(lambda s: store.repeats(s, step, where), slices.merge_repeats, slices.cut_repeats),
        }
        self.freeze(bins)

    def freeze(self, bins: Mapping[str, Bins]) -> None:
        """Read the features in these bins from now on."""
        from analysis import slices

        store, step, where = self._store, self._step, self._where
        self.rings["features"] = Ring(
            lambda s: store.features(s, step, bins, where), slices.merge_features, slices.cut_features
        )

    async def read(self, part: str, frame: Frame, newest: float | None) -> None:
        await self.rings[part].read(union(self._windows(frame)), fresh_from(frame, newest))

    def evidence(self) -> LogEvidence:
        from analysis.merging import shift_logs

        found = LogEvidence(
            traffic=self.rings["traffic"].value,
            confidence=self.rings["confidence"].value,
            features=self.rings["features"].value or {},
            errors=self.rings["errors"].value,
            labels=self.rings["labels"].value,
            pairs=self.rings["pairs"].value,
            repeats=self.rings["repeats"].value,
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
        self._discovered = 0.0
        self._asked: object = None
        self._ring: Ring[MetricEvidence] | None = None
        self._look_back = LookBack(lambda spans, step: self.store.errors(spans, step), clock)

    def identity(self, question: Question) -> object:
        """A baseline is but other windows, and a filter that is not one of labels does not apply."""
        return (question.frame.step, self.narrows(question))

    def narrows(self, question: Question) -> Filter:
        """The filter as far as it applies to these metrics: all of it or nothing."""
        from connectors.selectors import alternatives

        dims = self.catalog.dims if self.catalog is not None else {}
        where = question.typed
        return where if fields_of(where) <= dims.keys() and not alternatives(where, dims)[1] else ALL

    def refusal(self, question: Question) -> str:
        """What these metrics cannot tell of a filter that does not narrow them, and what they could."""
        from connectors.selectors import alternatives

        dims = self.catalog.dims if self.catalog is not None else {}
        unknown = sorted(fields_of(question.typed) - dims.keys())
        if unknown:
            known = f"its labels are {', '.join(sorted(dims))}" if dims else "it lists no labels"
            return f"{self.status.name} cannot be filtered by {', '.join(unknown)}: {known}"
        return f"{self.status.name} cannot tell by labels: {' '.join(alternatives(question.typed, dims)[1])}"

    async def poll(self, question: Question) -> AsyncGenerator[None]:
        """Bring the evidence up to a frame; yields once, and again where the day before tells more of an error.

        Raises:
            SourceError: the store could not answer; the evidence from before is kept.
        """
        from analysis.merging import cut_metrics, merge_metrics

        frame = question.frame
        if self.catalog is None or self.clock() - self._discovered > REDISCOVER_S:
            self.catalog = await self.store.discover()
            self._discovered = self.clock()
        if self._ring is None or self.identity(question) != self._asked:
            step, where = frame.step, self.narrows(question)
            self._ring = Ring(lambda spans: self.store.metrics(spans, step, where), merge_metrics, cut_metrics)
            self._look_back = LookBack(lambda spans, step: self.store.errors(spans, step, where), self.clock)
            self._asked, self._newest = self.identity(question), None
        await self._ring.read(question.windows, fresh_from(frame, self._newest))
        mark = await self.store.watermark()
        self._grown_back(mark, [self._ring])
        self._collect(self._ring, self.catalog, question)
        self._newest = mark.newest
        self.heard(mark.newest, mark.oldest, frame)
        yield
        errors = self.evidence.errors if self.evidence is not None else None
        if await self._look_back.read(errors, frame):
            self._collect(self._ring, self.catalog, question)
            yield

    def _collect(self, ring: Ring[MetricEvidence], catalog: Catalog, question: Question) -> None:
        """Take over what the ring holds."""
        known = ring.value
        if known is not None:
            known = replace(known, errors=self._look_back.told(known.errors, question.frame))
        self.evidence, self.answered = known, question
        self.query, self.elapsed_s = ring.query, ring.elapsed_s
        said = (self._look_back.problem,) if self._look_back.problem else ()
        # What a known server does not expose is for `doctor`; that none is known is why the screen stays empty.
        self.notes = (*(() if catalog.signals else catalog.notes), *said, *ring.warnings)
