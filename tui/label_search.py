"""Segment searches over the labels of metrics, where no log has the rows of a change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analysis.filters import ALL, fields_of
from analysis.spans import union
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


async def search_labels(feed: MetricFeed, question: Question, case: Case, kept: Kept) -> Answer:
    """What explains a case by the labels of a metric source that `can_tell`.

    Metrics are not split by version: where one is the baseline they are compared with the windows before.

    Raises:
        SourceError: the source did not answer, or does not count what the case is about.
    """
    store, where, outcome = feed.store, feed.narrows(question), case.outcome
    model, references = case.finding.model, case.before(question.frame.references)
    spans = union(references)
    fetched = await store.segments((case.window,), model, outcome, where)
    key = (feed, feed.identity(question), question.known_at, model, outcome, len(references))
    base = await kept(key, lambda: store.segments(spans, model, outcome, where))
    newest = feed.status.newest_sample
    answer = await asyncio.to_thread(explained, case, fetched.value, base, 0, spans, newest)
    return replace(answer, query=fetched.query)
