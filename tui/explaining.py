"""Where findings come from: the segment searches of a session, kept, renewed, and told as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analysis.answer import Signal, State
from analysis.filters import ALL, And, Eq, Filter, Not, conjunction, fields_of
from analysis.spans import pieces, union
from analysis.view import Window
from tui.feeds import Clock, Feed, LogFeed, MetricFeed, as_source_error
from tui.label_search import can_tell, search_labels
from tui.question import Question
from tui.segment_answer import Answer, explained

if TYPE_CHECKING:
    from analysis.answer import FindingKey
    from analysis.cases import Case
    from analysis.evidence import CodedRows, Cube, Fetched

EXPLAIN_EVERY_S = 30.0
"""How long a segment search is trusted while the same findings stand."""

EXPLAIN_PINNED_S = 600.0
"""The same where the view is held: nothing moves there but rows that come very late."""

BASELINE_EVERY_S = 600.0
"""How long the baseline's rows of a search are trusted."""

KEPT_BASELINES = 16

EXPLAINED = 8
"""Findings whose segment is looked for; the list shows as many without scrolling."""

CELLS = 4_000_000
"""Rows x dims up to which every row is counted; beyond, a sample is searched and its finalists are counted in full."""


PIECES = 4
"""Parts in which the baseline's rows of the finalists are counted: each tells how far it is, and can be cancelled."""


@dataclass(frozen=True, slots=True)
class Explained:
    """The segments of one case, and when they were looked for."""

    at: float
    case: Case
    answer: Answer
    logged: bool = True
    """Whether logs could be asked; an answer of metrics stands only until they can."""


@dataclass(frozen=True, slots=True)
class Search:
    """Cases of one model, one window and one baseline: they share the questions to a store."""

    feed: LogFeed
    question: Question
    cases: tuple[Case, ...]
    outcomes: tuple[Filter, ...]
    dims: tuple[str, ...]
    live: Filter
    before: Filter
    spans: tuple[Window, ...]
    """Of the baseline."""
    cuts: Mapping[str, tuple[float, ...]]
    """Numeric features among the dims -> where they are cut."""

    @property
    def window(self) -> Window:
        """The live rows."""
        return self.cases[0].window

    @property
    def key(self) -> object:
        """What two searches share whose baselines are the same but for time."""
        asked = (self.before, self.outcomes, self.dims, tuple(self.cuts.items()))
        identity = (self.feed.identity(self.question), self.question.known_at)
        return (self.feed, identity, len(self.cases[0].references), asked)


Told = Callable[[Sequence[Answer]], None]


class Explainer:
    """Searches the segments of findings in the log stores, and where those have no rows of them in the metrics."""

    def __init__(self, logs: Sequence[LogFeed], clock: Clock, metrics: Sequence[MetricFeed] = ()) -> None:
        self._logs = tuple(logs)
        self._metrics = tuple(metrics)
        self._clock = clock
        self.found: Mapping[FindingKey, Explained] = {}
        self.notes: Mapping[str, str] = {}
        self.features: tuple[str, ...] = ()
        """Features that are searched as dimensions, too."""
        self._baselines: dict[object, tuple[float, Cube | CodedRows]] = {}
        self._rests_until = 0.0

    def recall(self, found: Mapping[FindingKey, Explained]) -> None:
        """A new question: what was found belongs to the one before; `found` is what is known of this one."""
        self.found, self.notes, self._rests_until = found, {}, 0.0

    def rest(self) -> None:
        """Search nothing until it would be time to search again."""
        self._rests_until = self._clock() + EXPLAIN_EVERY_S

    @property
    def resting(self) -> bool:
        """Whether the search was stopped."""
        return self._clock() < self._rests_until

    async def explain(
        self, cases: Sequence[Case], question: Question, current: Callable[[], bool], news: Callable[[], None]
    ) -> bool:
        """Look for the segments of the first findings that have rows; True when the answer changes by it.

        Args:
            current: whether the question still stands.
            news: called when a first ranking is there that is still being verified.
        """
        if self.resting:
            return False
        now = self._clock()
        trusted_s = EXPLAIN_EVERY_S if question.known_at is None else EXPLAIN_PINNED_S
        keys = {case.finding.key for case in cases}
        self.found = {key: found for key, found in self.found.items() if key in keys}
        due: dict[object, list[Case]] = {}
        for case in [c for c in cases if _searchable(c)][:EXPLAINED]:
            known = self.found.get(case.finding.key)
            logged = any(logs_rows(feed, case) for feed in self._logs)
            same = known is not None and (known.case.outcome, known.logged) == (case.outcome, logged)
            if known is None or not same or now - known.at > trusted_s:
                alike = (case.finding.model, case.window, case.among, case.references, case.outcome is None, logged)
                due.setdefault(alike, []).append(case)
        before = _words(self.found, self.notes)
        for group in due.values():

            def tell(answers: Sequence[Answer], group: list[Case] = group) -> None:
                logged = any(logs_rows(feed, group[0]) for feed in self._logs)
                told = zip(group, answers, strict=True)
                fresh = {case.finding.key: Explained(now, case, answer, logged) for case, answer in told}
                self.found = {**self.found, **fresh}

            def preview(answers: Sequence[Answer], tell: Told = tell) -> None:
                if current() and any(answer.segments for answer in answers):
                    tell(answers)
                    news()

            answers = await self._answers(question, group, current, preview)
            if not current():
                return False
            if answers is not None:
                tell(answers)
        return before != _words(self.found, self.notes)

    async def _answers(
        self, question: Question, group: Sequence[Case], current: Callable[[], bool], preview: Told
    ) -> Sequence[Answer] | None:
        """What explains each of a group of cases, from the first source that has rows of them and finds any.

        Metrics are asked where no log has the rows. None when no source has them yet.
        """
        asked: Sequence[Answer] | None = None
        for feed in [feed for feed in self._logs if logs_rows(feed, group[0])]:
            search = prepared(feed, question, group, self.features)
            found = await self._told(feed, group, self._searched(search, preview) if search is not None else None)
            if not current():
                return None
            asked = found
            if any(answer.segments or answer.mix for answer in found):
                break
        if asked is not None or any(feed.status.state is State.LOADING for feed in self._logs):
            return asked
        told = [source for source in self._metrics if any(can_tell(source, question, case) for case in group)]
        for source in told:
            asked = await self._told(source, group, self._labelled(source, question, group))
            if not current():
                return None
            break
        return asked

    async def _told(
        self, feed: Feed, group: Sequence[Case], work: Awaitable[Sequence[Answer]] | None
    ) -> Sequence[Answer]:
        """What a source answers; nothing, and a note, where it fails."""
        answers: Sequence[Answer] = [Answer() for _ in group]
        name, problem = feed.status.name, ""
        if work is not None:
            try:
                answers = await work
            except Exception as error:  # noqa: BLE001 - told in the notes; the other stores are still asked
                problem = f"{name}: segments could not be searched: {as_source_error(error)}"
        others = {key: text for key, text in self.notes.items() if key != name}
        self.notes = {**others, name: problem} if problem else others
        return answers

    async def _labelled(self, feed: MetricFeed, question: Question, group: Sequence[Case]) -> list[Answer]:
        return [
            await search_labels(feed, question, case, self._kept) if can_tell(feed, question, case) else Answer()
            for case in group
        ]

    async def _searched(self, search: Search, preview: Told) -> list[Answer]:
        from analysis.segment_sample import cubes

        store, asked = search.feed.store, (search.outcomes, search.dims, search.live, search.cuts)
        if rows_of(search) * len(search.dims) <= CELLS:
            fetched = await store.segments((search.window,), *asked)
            base = await self._baseline(search, store.segments)
            answers = [
                await asyncio.to_thread(_explained, search, fetched.value, base, i) for i in range(len(search.cases))
            ]
            return [replace(answer, query=fetched.query) for answer in answers]
        drawn = await store.segment_rows((search.window,), *asked)
        base_rows = await self._baseline(search, store.segment_rows)
        live, base = await asyncio.to_thread(cubes, drawn.value, base_rows, search.outcomes)
        return [
            replace(answer, query=f"{drawn.query};\n{answer.query}" if answer.query else drawn.query)
            for answer in await self._verified(search, live, base, preview)
        ]

    async def _baseline(self, search: Search, ask: Callable[..., Any]) -> Any:
        """Rows of the reference windows, kept for some minutes: a baseline moves slowly."""
        where = search.before
        return await self._kept(
            (search.key, ask.__name__), lambda: ask(search.spans, search.outcomes, search.dims, where, search.cuts)
        )

    async def _kept(self, key: object, ask: Callable[[], Awaitable[Fetched[Any]]]) -> Any:
        """A baseline's rows, asked anew after some minutes."""
        known = self._baselines.get(key)
        if known is None or self._clock() - known[0] > BASELINE_EVERY_S:
            known = (self._clock(), (await ask()).value)
            kept = {name: rows for name, rows in self._baselines.items() if name != key}
            self._baselines = dict([*kept.items(), (key, known)][-KEPT_BASELINES:])
        return known[1]

    async def _verified(self, search: Search, live: Cube, base: Cube, preview: Told) -> list[Answer]:
        """The first ranking from samples, told as such, then with every row of its segments counted."""
        import numpy as np

        from analysis.segment_sample import coded, filter_of, renamed, verified

        store, answers = search.feed.store, []
        for i in range(len(search.cases)):
            answer = await asyncio.to_thread(_explained, search, live, base, i)
            wheres = coded(answer.segments, answer.mix)
            names = (await store.code_names((search.window,), wheres, search.live, search.cuts)).value
            answers.append(Answer(*renamed(answer.segments, answer.mix, names)))
        preview(answers)
        told = list(dict.fromkeys(filter_of(segment) for answer in answers for segment in answer.segments))
        if not told or not search.outcomes:
            return answers
        counted = await store.count_segments((search.window,), told, search.outcomes, search.live)
        now, then = counted.value, np.zeros_like(counted.value)
        done, whole = search.window.length, search.window.length + sum(span.length for span in search.spans)
        for piece in pieces(search.spans, PIECES):
            preview([answer.counted_to(done / whole) for answer in answers])
            then += (await store.count_segments(piece, told, search.outcomes, search.before)).value
            done += sum(span.length for span in piece)
        at = {where: k for k, where in enumerate(told)}
        exact = []
        for i, answer in enumerate(answers):
            total = (float(live.n.sum()), float(live.hits[:, i].sum()))
            kept = [
                verified(segment, now[k, [0, 1 + i]], then[k, [0, 1 + i]], total)
                for segment in answer.segments
                for k in (at[filter_of(segment)],)
            ]
            stood = tuple(segment for segment in kept if segment is not None)
            exact.append(Answer(stood, answer.mix, counted.query))
        return exact


def _searchable(case: Case) -> bool:
    """Whether a case has rows to search: those of its outcome, or all of them where the number of requests changed."""
    return case.outcome is not None or case.finding.signal is Signal.REQUEST_RATE


def prepared(feed: LogFeed, question: Question, group: Sequence[Case], features: Sequence[str]) -> Search | None:
    """The questions to a store for a group of cases; None when it has no dims to search."""
    schema, first = feed.schema, group[0]
    if schema is None:
        return None
    fixed = _fixed(question.where) | {"model"}
    version = ("version",) if "version" in schema.fields and question.version is None else ()
    asked = [feature.name for feature in schema.features if feature.name in features]
    cuts = _cuts(feed, question, first.finding.model, asked)
    dims = tuple(dim for dim in dict.fromkeys((*version, *schema.dims, *asked)) if dim not in fixed)
    if not dims:
        return None
    own = Eq("model", first.finding.model) if "model" in schema.fields else ALL
    rows = conjunction(question.where, own, first.among)
    outcomes = tuple(case.outcome for case in group if case.outcome is not None)
    if question.version is None:
        spans = union(first.before(question.frame.references))
        return Search(feed, question, tuple(group), outcomes, dims, rows, rows, spans, cuts)
    of_version = Eq("version", question.version)
    others = conjunction(rows, Not(of_version))
    return Search(
        feed, question, tuple(group), outcomes, dims, others, conjunction(rows, of_version), question.windows, cuts
    )


def _cuts(feed: LogFeed, question: Question, model: str, features: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Where features are cut: at quantiles of the baseline of the model. Those of few values are not cut."""
    from analysis.cuts import cut_points
    from analysis.evidence import NumericBins
    from analysis.slices import model_histogram, window_sums

    found: dict[str, tuple[float, ...]] = {}
    for name in features:
        histogram = feed.evidence.features.get(name) if feed.evidence is not None else None
        if histogram is None or not isinstance(histogram.bins, NumericBins):
            continue
        own = model_histogram(histogram, model)
        before = window_sums(own.t, own.n[:, 0], question.frame.references).sum(axis=0)
        if cuts := cut_points(histogram.bins, before):
            found[name] = cuts
    return found


def rows_of(search: Search) -> float:
    """Rows of the model in the window and the baseline, as the feed has counted them."""
    from analysis.slices import model_counts, window_sum

    traffic = search.feed.evidence.traffic if search.feed.evidence is not None else None
    if traffic is None:
        return 0.0
    n = model_counts(traffic.requests, search.cases[0].finding.model)
    return sum(float(window_sum(traffic.requests.t, n, span)) for span in (search.window, *search.spans))


def _explained(search: Search, live: Cube, base: Cube, index: int) -> Answer:
    newest = search.feed.evidence.newest if search.feed.evidence is not None else None
    return explained(search.cases[index], live, base, index, search.spans, newest)


def logs_rows(feed: LogFeed, case: Case) -> bool:
    """Whether a log has rows of a case's model and logs what tells them apart."""
    schema = feed.schema
    if schema is None or not _holds(feed, case.finding.model):
        return False
    known = {*schema.fields, *schema.dims, *(feature.name for feature in schema.features)}
    asked = fields_of(conjunction(case.outcome or ALL, case.among))
    return all(field in known or field.startswith("shadow_") for field in asked)


def _holds(feed: LogFeed, model: str) -> bool:
    """Whether a store has rows of a model."""
    from analysis.traffic import models_of

    traffic = feed.evidence.traffic if feed.evidence is not None else None
    return traffic is not None and model in models_of(traffic.requests)


def _fixed(where: Filter) -> frozenset[str]:
    """Fields of which the filter leaves one value, so that they cannot tell rows apart."""
    parts = where.parts if isinstance(where, And) else (where,)
    return frozenset(part.field for part in parts if isinstance(part, Eq))


def _words(found: Mapping[tuple[str, str, str], Explained], notes: Mapping[str, str]) -> object:
    """What a reader sees of a search; an empty one looks like none."""
    return {key: one.answer for key, one in found.items() if one.answer != Answer()}, dict(notes)
