"""The session: the current view, the feeds that answer it, and the snapshot that their evidence amounts to."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from analysis.answer import Snapshot, State
from analysis.filters import fields_of
from analysis.view import Frame, View
from connectors.base import SourceError
from tui.budgets import Budgets
from tui.explaining import Explained, Explainer
from tui.feeds import Clock, LogFeed, MetricFeed
from tui.outside import Outside
from tui.question import Question
from tui.scouting import Scout, Scouted
from tui.shelf import Shelf
from tui.value_names import FeatureValues, Named

if TYPE_CHECKING:
    from analysis.answer import FindingKey
    from analysis.cases import Case
    from analysis.episodes import Episode
    from analysis.objectives import Objective
    from analysis.settling import Standing
    from analysis.triage import Evidence, Judgement

KEPT_ANSWERS = 12
"""Views whose last whole answer is shown at once when an engineer comes back to them."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was asked of the sources about the findings of a view, and how long these have stood."""

    segments: Mapping[FindingKey, Explained] = field(default_factory=dict)
    values: Mapping[FindingKey, Named] = field(default_factory=dict)
    standing: Standing | None = None
    scouted: Scouted = field(default_factory=Scouted)


class Session:
    """Turns views into snapshots. Knows no screen: the app and the report both drive it."""

    def __init__(
        self,
        logs: Sequence[LogFeed],
        metrics: Sequence[MetricFeed],
        view: View,
        *,
        confidence_threshold: float = 0.6,
        objectives: Sequence[Objective] = (),
        outside: Outside | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.logs = tuple(logs)
        self.metrics = tuple(metrics)
        self.view = view
        self.generation = 0
        self.clock = clock
        self._oldest: dict[LogFeed | MetricFeed, float] = {}
        """Unix seconds to which each source reaches back, where that was asked."""
        self.confidence_threshold = confidence_threshold
        self._revision = 0
        self._judged: tuple[tuple[View, *tuple[object, ...]], int, int, Evidence, Judgement] | None = None
        self._standing: Standing | None = None
        self._answered: dict[LogFeed | MetricFeed, int] = {}
        self._kept: Shelf[View, Snapshot] = Shelf(KEPT_ANSWERS)
        self._found: Shelf[View, Found] = Shelf(KEPT_ANSWERS)
        self.pages: Shelf[Hashable, Any] = Shelf(KEPT_ANSWERS)
        """What pages of held views were told that is no part of a snapshot, by page, view and question."""
        self._explainer = Explainer(self.logs, clock, self.metrics)
        self._searching: asyncio.Future[bool] | None = None
        self._search_began = 0.0
        self._scout = Scout(self.logs, clock)
        self._values = FeatureValues()
        self._budgets = Budgets(objectives, clock)
        self.outside = outside or Outside()

    @property
    def feeds(self) -> tuple[LogFeed | MetricFeed, ...]:
        """Every source."""
        return (*self.logs, *self.metrics)

    def ask(self, view: View) -> None:
        """A new question; answers to the one before are dropped. Another model in focus is no new question."""
        before, after = replace(self.view, focus=None), replace(view, focus=None)
        self.view = view
        if before == after:
            return
        self.generation += 1
        self._cancel_search()
        self._found.put(before, Found(self._explainer.found, self._values.known, self._standing, self._scout.known))
        found = self._found.get(after) or Found()
        self._explainer.recall(found.segments)
        self._values.known = found.values
        self._standing, self._scout.known = found.standing, found.scouted
        question = self.question()
        for feed in self.feeds:
            feed.recall(question)

    @property
    def search_features(self) -> tuple[str, ...]:
        """Features that segments are searched by, beside the dimensions."""
        return self._explainer.features

    def search_by(self, features: Sequence[str]) -> None:
        """Search segments by these features, too: numeric ones cut at quantiles of the baseline."""
        self.generation += 1
        self._explainer.features = tuple(features)
        self._explainer.recall({})
        self._cancel_search()
        self._kept.clear()
        self._found.clear()
        self.pages.clear()

    def features(self) -> tuple[str, ...]:
        """Every input of the models in the logs that is no dimension already."""
        schemas = [feed.schema for feed in self.logs if feed.schema is not None]
        names = dict.fromkeys(feature.name for schema in schemas for feature in schema.features)
        taken = {name for schema in schemas for name in (*schema.dims, *schema.calls)}
        return tuple(name for name in names if name not in taken)

    def moved(self, steps: int) -> View:
        """The view a quarter window earlier or later, for each step."""
        return self.view.moved(steps, self.clock())

    def resumed(self) -> View:
        """The view that goes on after it was held."""
        return replace(self.view, end=None)

    def newest(self) -> View:
        """The view that follows the clock."""
        return replace(self.view, end=None)

    def kept(self, view: View) -> Snapshot | None:
        """The last whole answer to a view, whatever model was in focus; it is as old as its own clock says."""
        return self._kept.get(replace(view, focus=None))

    def frame(self) -> Frame:
        """The windows that the view means now."""
        return self._frame(self.view, self.clock())

    def _frame(self, view: View, now: float) -> Frame:
        return view.frame(now, oldest=min(self._oldest.values(), default=None) if view.seasonal else None)

    def _answered_frame(self, view: View, now: float) -> Frame:
        """The windows that the answers at hand are about.

        Another version's rows stand where the references are. Until they are read for the minute that has begun, the
        rows of the minute that has left the window would stand there, too: as if they were of that version.
        """
        frame = self._frame(view, now)
        if view.baseline.kind != "version":
            return frame
        asked = Question.of(view, frame)
        told = [feed.answered for feed in self.feeds if feed.answered is not None]
        frames = [known.frame for known in told if replace(known, frame=frame) == asked]
        alike = [one for one in frames if (one.step, one.live.length) == (frame.step, frame.live.length)]
        return min((frame, *alike), key=lambda one: one.live.end)

    def question(self) -> Question:
        """What the feeds are asked."""
        return Question.of(self.view, self.frame())

    async def _look_back(self, feed: LogFeed | MetricFeed) -> None:
        """Ask a source once how far it reaches back, where the baseline is other days."""
        if self.view.seasonal and feed not in self._oldest:
            mark = await feed.store.watermark()
            if mark.oldest is not None:
                self._oldest[feed] = mark.oldest

    async def poll(self, feed: LogFeed | MetricFeed, news: Callable[[], None] = lambda: None) -> None:
        """Bring one feed up to the view. `news` is called for each new part.

        Whatever goes wrong becomes the feed's state, a defect of its store included: a loop that polls must go on.
        """
        generation = self.generation
        try:
            await self._look_back(feed)
            async with aclosing(feed.poll(self.question())) as parts:
                async for _ in parts:
                    if generation != self.generation:
                        return
                    self._answered[feed] = generation
                    news()
        except Exception as error:  # noqa: BLE001 - a store's defect is this source's failure, not the end of polling
            if generation == self.generation:
                feed.failed(error)
                news()
        else:
            # After the live picture, which days of counts must not hold up.
            if await self._budgets.read(feed, self.frame().live.end):
                news()

    async def poll_all(self) -> None:
        """Bring every feed up to the view once, and all that the error budgets need."""
        # Which fails says so when it is polled.
        await asyncio.gather(*(self._look_back(feed) for feed in self.feeds), return_exceptions=True)
        await asyncio.gather(*(self.poll(feed) for feed in self.feeds))
        budgets = (self._budgets.read_all(feed, self.frame().live.end) for feed in self.feeds)
        await asyncio.gather(self.outside.read(self.frame().live), *budgets)

    def evidence(self) -> Evidence:
        """What all feeds know together about the current view."""
        return self._evidence(self.view, self.clock())

    def _evidence(self, view: View, now: float) -> Evidence:
        from analysis.merging import left_out, merge_logs, merge_metrics
        from analysis.triage import Evidence

        question, generation = Question.of(view, self._frame(view, now)), self.generation
        current = {feed for feed in self.feeds if self._answered.get(feed) == generation or feed.covers(question)}
        logs = metrics = None
        queries, elapsed = dict[str, str](), dict[str, float]()
        notes: list[str] = []
        for feed in self.logs:
            if feed.evidence is not None and feed in current:
                if logs is not None:
                    missing, name = left_out(logs, feed.evidence), feed.status.name
                    notes += [f"{name}: feature {f} is left out, another source logs it too" for f in missing]
                logs = feed.evidence if logs is None else merge_logs(logs, feed.evidence)
                queries, elapsed = {**feed.queries, **queries}, {**feed.elapsed_s, **elapsed}
        filtered = bool(fields_of(view.where))
        # Under a filter speak those that it applies to; without any, nobody does.
        narrowed = [source for source in self.metrics if source.applies(question)]
        for source in narrowed or self.metrics:
            if source.evidence is not None and source in current:
                metrics = source.evidence if metrics is None else merge_metrics(metrics, source.evidence)
                queries, elapsed = {**queries, "metrics": source.query}, {"metrics": source.elapsed_s, **elapsed}
        split = question.version is not None and all(m.against == question.version for m in narrowed or self.metrics)
        if question.version is not None and metrics is not None and not split:
            notes.append(f"metrics tell no version {question.version}: they are compared with the windows before")
        unfiltered = "" if narrowed or not filtered else "; ".join(m.refusal(question) for m in self.metrics)
        # Beside a log only the panels of metrics say so: the rest is answered.
        notes += [unfiltered] if unfiltered and not self.logs else []
        notes += [note for feed in self.feeds for note in feed.notes]
        return Evidence(
            logs=logs,
            metrics=metrics,
            by_version=split,
            log_sources=tuple(feed.seen(feed in current) for feed in self.logs),
            metric_sources=tuple(feed.seen(feed in current) for feed in self.metrics),
            queries=queries,
            elapsed_s=elapsed,
            filtered=filtered and not narrowed,
            unfiltered=unfiltered,
            notes=tuple(dict.fromkeys((*notes, *self._explainer.notes.values(), *self._budgets.notes))),
        )

    def answer(self) -> tuple[Snapshot, tuple[Case, ...]]:
        """The snapshot of what is known now, and its cases. Pure numbers: may run in a thread.

        Evidence that was judged before is not judged again: another model in focus costs only its panels.
        """
        from analysis.triage import judge

        # Read first: when it is another one at the end, parts of the answer may belong to another question.
        generation = self.generation
        self._revision += 1
        view, now, threshold = self.view, self.clock(), self.confidence_threshold
        evidence, frame = self._evidence(view, now), self._answered_frame(view, now)
        basis = (replace(view, focus=None), frame, evidence.log_sources, evidence.metric_sources)
        known = self._judged
        if known is None or known[:3] != (basis, id(evidence.logs), id(evidence.metrics)):
            standing = self._standing
            judgement = judge(evidence, view, frame, now, threshold=threshold, standing=standing)
            loading = any(source.state is State.LOADING for source in (*evidence.log_sources, *evidence.metric_sources))
            # What has not arrived yet has not stood either.
            if not loading and generation == self.generation:
                self._standing = judgement.standing
            # The evidence is kept with it, so that no other object takes its identity.
            known = self._judged = (basis, id(evidence.logs), id(evidence.metrics), evidence, judgement)
        judgement = known[4]
        answer = self._pictured(judgement, evidence, view, now)
        if generation == self.generation and all(s.state is not State.LOADING for s in answer.sources):
            self._kept.put(replace(view, focus=None), answer)
        return answer, judgement.cases

    def _pictured(self, judgement: Judgement, evidence: Evidence, view: View, now: float) -> Snapshot:
        """A judgement with the panels of the model in focus, and with all that is known beside it."""
        from analysis.budgets import with_budgets
        from analysis.causes import told
        from analysis.erosion import with_eroded
        from analysis.triage import picture

        threshold, promised = self.confidence_threshold, self._budgets.objectives
        segments, frame = self._explainer.found, self._frame(view, now)
        snapshot = picture(judgement, evidence, view, now, threshold=threshold, objectives=promised)
        snapshot = with_eroded(snapshot, self._scout.known.cases)
        findings = tuple(
            replace(finding, where=found.answer.segments or finding.where, mix=found.answer.mix)
            if (found := segments.get(finding.key)) is not None
            else finding
            for finding in snapshot.findings
        )
        # Known segments tell more of what belongs together.
        stories = told(findings, frame.step)
        snapshot = self._values.told(replace(snapshot, findings=stories, revision=self._revision))
        snapshot = self.outside.told(snapshot)
        return with_budgets(snapshot, self._budgets.state(self.logs, self.metrics, frame.live.end))

    def focused(self, snapshot: Snapshot, model: str) -> Snapshot | None:
        """An answer with another model in focus, while what it was judged from is still there. May run in a thread."""
        known, view = self._judged, snapshot.view
        if known is None or known[0][0] != replace(view, focus=None):
            return None
        return self._pictured(known[4], known[3], replace(view, focus=model), snapshot.generated_at)

    def refusal(self, view: View) -> str:
        """Why a view cannot be asked, in words; empty where it can."""
        return ""

    def segment_query(self, key: tuple[str, str, str]) -> str:
        """What was asked of a store for the segments of a finding, as sent; empty where it is not known."""
        found = self._explainer.found.get(key)
        return found.answer.query if found is not None else ""

    def case(self, key: tuple[str, str, str]) -> Case | None:
        """The case of a finding of the last answer."""
        cases = self._judged[4].cases if self._judged is not None else ()
        return next((case for case in (*cases, *self._scout.known.cases) if case.finding.key == key), None)

    def episodes(self, model: str) -> tuple[Episode, ...]:
        """The anomalies of a model in all that is loaded. Pure numbers: may run in a thread."""
        from analysis.episodes import episodes
        from analysis.voices import choose

        evidence = self.evidence()
        metrics = None if evidence.filtered else evidence.metrics
        traffic = choose(model, evidence.logs, metrics, evidence).traffic
        return () if traffic is None else episodes(traffic, self.frame(), model)

    async def close(self) -> None:
        """Release every source."""
        await asyncio.gather(*(feed.store.close() for feed in self.feeds))

    async def explain(self, cases: Sequence[Case], news: Callable[[], None] = lambda: None) -> bool:
        """Look for the segments of the first findings that have rows; True when the answer changes by it.

        `news` is called when a first ranking is there that is still being verified.
        """
        generation = self.generation
        self._search_began = time.monotonic()
        self._searching = asyncio.ensure_future(
            self._searched(cases, self.question(), lambda: generation == self.generation, news)
        )
        try:
            changed = await self._searching
        except asyncio.CancelledError:
            # Cancelled by `ask` or `stop_search`, unless the caller itself is.
            if generation == self.generation and not self._explainer.resting:
                raise
            return False
        if generation != self.generation:
            return False
        return await self._name_values(cases) or changed

    async def _searched(
        self, cases: Sequence[Case], question: Question, current: Callable[[], bool], news: Callable[[], None]
    ) -> bool:
        """The segments of what was found, then what only a segment shows, and its segments."""
        from analysis.erosion import told_already

        explain, scout = self._explainer.explain, self._scout
        known = (*cases, *scout.known.cases)
        changed = bool(known) and await explain(known, question, current, news)
        told = told_already(case.finding for case in cases)
        # Nobody waits for what follows: Esc is not for it.
        self._search_began = math.inf
        if not current() or self._explainer.resting or not await scout.look(question, told, current):
            return changed
        await explain((*cases, *scout.known.cases), question, current, news)
        return True

    def stop_search(self, after_s: float = 0.0) -> bool:
        """Stop a segment search that runs for at least so long, at its store too; whether there was one."""
        running = self._searching is not None and not self._searching.done()
        searching = running and time.monotonic() - self._search_began >= after_s
        if searching:
            self._explainer.rest()
            self._cancel_search()
        return searching

    def _cancel_search(self) -> None:
        if self._searching is not None:
            self._searching.cancel()

    async def _name_values(self, cases: Sequence[Case]) -> bool:
        """Names of the values behind findings about features; a store that fails now says so at its next poll."""
        try:
            return await self._values.look(self.logs, cases, self.question(), self.clock())
        except SourceError:
            return False
