"""The session: the current view, the feeds that answer it, and the snapshot that their evidence amounts to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analysis.answer import Segment, Snapshot
from analysis.filters import ALL, And, Eq, Filter, In, conjunction, fields_of
from analysis.spans import union
from analysis.view import Frame, View, Window
from connectors.base import SourceError
from tui.feeds import Clock, LogFeed, MetricFeed, Question

if TYPE_CHECKING:
    from analysis.cases import Case
    from analysis.evidence import Cube
    from analysis.triage import Evidence

EXPLAIN_EVERY_S = 30.0
"""How long a segment search is trusted while the same findings stand."""

BASELINE_EVERY_S = 600.0
"""How long the baseline's cube of a search is trusted."""

KEPT_CUBES = 16

EXPLAINED = 8
"""Findings whose segment is looked for; the list shows as many without scrolling."""


@dataclass(frozen=True, slots=True)
class _Explained:
    """The segments of one case, and when they were found."""

    at: float
    case: Case
    segments: tuple[Segment, ...]


class Session:
    """Turns views into snapshots. Knows no screen: the app and the report both drive it."""

    def __init__(
        self,
        logs: Sequence[LogFeed],
        metrics: Sequence[MetricFeed],
        view: View,
        *,
        confidence_threshold: float = 0.6,
        clock: Clock = time.time,
    ) -> None:
        self.logs = tuple(logs)
        self.metrics = tuple(metrics)
        self.view = view
        self.generation = 0
        self.clock = clock
        self.confidence_threshold = confidence_threshold
        self._revision = 0
        self._segments: dict[object, _Explained] = {}
        self._baseline_cubes: dict[object, tuple[float, Cube]] = {}

    @property
    def feeds(self) -> tuple[LogFeed | MetricFeed, ...]:
        """Every source."""
        return (*self.logs, *self.metrics)

    def ask(self, view: View) -> None:
        """A new question; answers to the one before are dropped. Another model in focus is no new question."""
        if replace(view, focus=None) != replace(self.view, focus=None):
            self.generation += 1
        self.view = view

    def frame(self) -> Frame:
        """The windows that the view means now."""
        return self.view.frame(self.clock())

    def question(self) -> Question:
        """What the feeds are asked."""
        models = self.view.models
        chosen: Filter = ALL
        if models:
            chosen = Eq("model", models[0]) if len(models) == 1 else In("model", models)
        version = self.view.baseline.version if self.view.baseline.kind == "version" else None
        return Question(self.frame(), conjunction(self.view.where, chosen), version)

    async def poll(self, feed: LogFeed | MetricFeed, news: Callable[[], None] = lambda: None) -> None:
        """Bring one feed up to the view; a failure becomes the feed's state. `news` is called for each new part."""
        generation = self.generation
        try:
            async for _ in feed.poll(self.question()):
                if generation != self.generation:
                    return
                news()
        except SourceError as error:
            feed.failed(error)
            news()

    async def poll_all(self) -> None:
        """Bring every feed up to the view once."""
        await asyncio.gather(*(self.poll(feed) for feed in self.feeds))

    def evidence(self) -> Evidence:
        """What all feeds know together."""
        from analysis.merging import merge_logs, merge_metrics
        from analysis.triage import Evidence

        logs = metrics = None
        queries: Mapping[str, str] = {}
        elapsed: Mapping[str, float] = {}
        for feed in self.logs:
            if feed.evidence is not None:
                logs = feed.evidence if logs is None else merge_logs(logs, feed.evidence)
                queries, elapsed = {**feed.queries, **queries}, {**feed.elapsed_s, **elapsed}
        filtered = bool(fields_of(self.view.where))
        for source in self.metrics:
            if source.evidence is not None:
                metrics = source.evidence if metrics is None else merge_metrics(metrics, source.evidence)
                queries = {**queries, "metrics": source.query}
        notes = tuple(dict.fromkeys(note for feed in self.feeds for note in feed.notes))
        return Evidence(
            logs=logs,
            metrics=metrics,
            log_sources=tuple(feed.status for feed in self.logs),
            metric_sources=tuple(feed.status for feed in self.metrics),
            queries=queries,
            elapsed_s=elapsed,
            filtered=filtered,
            notes=notes,
        )

    def answer(self) -> tuple[Snapshot, tuple[Case, ...]]:
        """The snapshot of what is known now, and its cases. Pure numbers: may run in a thread."""
        from analysis.triage import evaluate

        self._revision += 1
        snapshot, cases = evaluate(
            self.evidence(), self.view, self.frame(), self.clock(), threshold=self.confidence_threshold
        )
        return replace(self._located(snapshot), revision=self._revision), cases

    def _located(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the segments that were found for the same findings before."""
        findings = tuple(
            replace(finding, where=self._segments[finding.key].segments) if finding.key in self._segments else finding
            for finding in snapshot.findings
        )
        return replace(snapshot, findings=findings)

    async def close(self) -> None:
        """Release every source."""
        for feed in self.feeds:
            await feed.store.close()

    async def explain(self, cases: Sequence[Case]) -> bool:
        """Look for the segments of the first findings that have rows; True when something new was found.

        Cases of one model share one question to the store for the window and one for the baseline.
        """
        now = self.clock()
        due: dict[tuple[str, Window], list[Case]] = {}
        for case in [c for c in cases if c.outcome is not None][:EXPLAINED]:
            known = self._segments.get(case.finding.key)
            if known is None or known.case.outcome != case.outcome or now - known.at > EXPLAIN_EVERY_S:
                due.setdefault((case.finding.model, case.window), []).append(case)
        current = {case.finding.key for case in cases}
        self._segments = {key: found for key, found in self._segments.items() if key in current}
        generation = self.generation
        for (model, window), group in due.items():
            for feed in self.logs:
                found = await self._search(feed, model, window, group)
                if generation != self.generation:
                    return False
                if found:
                    for case, segments in zip(group, found, strict=True):
                        self._segments[case.finding.key] = _Explained(now, case, segments)
                    break
        return bool(due)

    async def _search(
        self, feed: LogFeed, model: str, window: Window, group: Sequence[Case]
    ) -> list[tuple[Segment, ...]] | None:
        """The segments of each case of one model; None when this store cannot tell."""
        from analysis.segments import search

        schema = feed.schema
        if schema is None:
            return None
        outcomes = tuple(case.outcome for case in group if case.outcome is not None)
        fixed = fields_of(self.view.where) if isinstance(self.view.where, Eq | And) else frozenset()
        dims = tuple(
            dim
            for dim in dict.fromkeys((*(("version",) if "version" in schema.fields else ()), *schema.dims))
            if dim not in fixed and dim != "model"
        )
        if not dims:
            return None
        question = self.question()
        rows = conjunction(question.where, Eq("model", model)) if "model" in schema.fields else question.where
        try:
            live = (await feed.store.segments((window,), outcomes, dims, rows)).value
            baseline = await self._baseline_cube(feed, question, rows, outcomes, dims)
        except SourceError as error:
            feed.failed(error)
            return None
        return [
            await asyncio.to_thread(_found, search, live, baseline, index, case) for index, case in enumerate(group)
        ]

    async def _baseline_cube(
        self, feed: LogFeed, question: Question, rows: Filter, outcomes: tuple[Filter, ...], dims: tuple[str, ...]
    ) -> Cube:
        """Counts of the reference windows, kept for some minutes: a baseline moves slowly."""
        spans, version = union(question.frame.references), question.baseline_version
        if version is not None:
            spans, rows = (question.frame.live, *spans), conjunction(rows, Eq("version", version))
        key = (feed.status.name, rows, outcomes, dims, question.frame.step, self.view.baseline, self.view.end)
        known = self._baseline_cubes.get(key)
        if known is None or self.clock() - known[0] > BASELINE_EVERY_S:
            cube = (await feed.store.segments(spans, outcomes, dims, rows)).value
            self._baseline_cubes = dict([*self._baseline_cubes.items(), (key, (self.clock(), cube))][-KEPT_CUBES:])
            return cube
        return known[1]


def _found(
    search: Callable[..., tuple[Segment, ...]], live: Cube, base: Cube, index: int, case: Case
) -> tuple[Segment, ...]:
    """The segments of one case, without the dimension that the outcome itself names."""
    from analysis.slices import without

    own = fields_of(case.outcome) if case.outcome is not None else frozenset[str]()
    return search(without(live, own), without(base, own), index)
