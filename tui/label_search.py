"""Segment searches over the labels of metrics, where no log has the rows of a change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analysis.filters import ALL, Eq, Filter, Not, conjunction, fields_of
from analysis.spans import union
from analysis.view import Window
from tui.feeds import MetricFeed
from tui.question import Question
from tui.segment_answer import Answer, explained

if TYPE_CHECKING:
    from analysis.cases import Case
    from analysis.evidence import Fetched

COUNTABLE = frozenset({"latency_ms", "error_type"})
"""Fields of an outcome that counters and histograms tell."""

Kept = Callable[[object, Callable[[], Awaitable["Fetched[Any]"]]], Awaitable[Any]]
"""(key, question) -> the answer that is kept under the key, or a fresh one."""


def can_tell(feed: MetricFeed, question: Question, case: Case) -> bool:
    """Whether a metric source counts the requests of a case by labels, for this question."""
    from analysis.traffic import models_of

    traffic = feed.evidence.traffic if feed.evidence is not None else None
    if traffic is None or feed.catalog is None or not feed.catalog.dims:
        return False
    if case.among != ALL or (case.outcome is not None and not fields_of(case.outcome) <= COUNTABLE):
        return False
    return feed.applies(question) and case.finding.model in models_of(traffic.requests)


@dataclass(frozen=True, slots=True)
class Requests:
    """Which requests explain a case: those of the window, and those that they are compared with."""

    live: Filter
    before: Filter
    spans: tuple[Window, ...]
    """Of those before."""


def requests_of(feed: MetricFeed, question: Question, case: Case) -> Requests:
    """The requests of a case, by the labels of a metric source; another version's where that is the baseline."""
    where = feed.narrows(question)
    if feed.against is None:
        return Requests(where, where, union(case.before(question.frame.references)))
    version = Eq("version", feed.against)
    spans = union(question.frame.baseline(feed.against))
    return Requests(conjunction(where, Not(version)), conjunction(where, version), spans)


async def search_labels(feed: MetricFeed, question: Question, case: Case, kept: Kept) -> Answer:
    """What explains a case by the labels of a metric source that `can_tell`.

    Raises:
        SourceError: the source did not answer, or does not count what the case is about.
    """
    from analysis.slices import without

    store, model, outcome, rows = feed.store, case.finding.model, case.outcome, requests_of(feed, question, case)
    fetched = await store.segments((case.window,), model, outcome, rows.live)
    key = (feed, feed.identity(question), question.known_at, model, outcome, len(rows.spans))
    base = await kept(key, lambda: store.segments(rows.spans, model, outcome, rows.before))
    live, newest = fetched.value, feed.status.newest_sample
    if feed.against is not None:
        live, base = (without(cube, frozenset({"version"})) for cube in (live, base))
    answer = await asyncio.to_thread(explained, case, live, base, 0, rows.spans, newest)
    return replace(answer, query=fetched.query)
