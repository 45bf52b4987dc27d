"""Two versions of the model in focus side by side, asked of the logs when the page is open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from analysis.answer import PanelStatus, State
from analysis.comparison import Comparison
from analysis.filters import Eq, Filter, conjunction

if TYPE_CHECKING:
    from analysis.compare_rows import Sides
    from analysis.evidence import Traffic
    from analysis.rollout import Pairing
    from tui.feeds import LogFeed
    from tui.question import Question
    from tui.session import Session

AGAIN_S = 30.0
"""How often the comparison is asked for anew while its page is open; at most a twentieth of the time."""


async def fetch(session: Session, model: str, a: str | None = None, b: str | None = None) -> Comparison:
    """Versions `a` and `b` of a model (by default the most used and the newest), from the first log that has both.

    A source that cannot answer is named in the status.
    """
    from tui.feeds import as_source_error

    question = session.question()
    feeds = [feed for feed in session.logs if feed.schema is not None and "version" in feed.schema.fields]
    if not feeds:
        text = "no log source logs versions" if session.logs else "no logs source: start with --logs PATH"
        counted = any(source.catalog is not None and "version" in source.catalog.dims for source in session.metrics)
        instead = "; s and version shows what the metrics count of each" if counted else ""
        return Comparison(PanelStatus(State.ABSENT, text + instead), model)
    problems: list[str] = []
    for feed in feeds:
        try:
            found = await _of(session, feed, question, model, a, b)
        except Exception as error:  # noqa: BLE001 - a store's defect is this source's failure, not the end of the rest
            problems.append(f"{feed.status.name}: {as_source_error(error)}")
            continue
        if found is not None:
            return found
    if problems:
        return Comparison(PanelStatus(State.FAILED, "; ".join(problems)), model)
    names = ", ".join(feed.status.name for feed in feeds)
    return Comparison(PanelStatus(State.EMPTY, "only one version ran in this window", names), model)


async def _of(
    session: Session, feed: LogFeed, question: Question, model: str, a: str | None, b: str | None
) -> Comparison | None:
    """The comparison in one log; None where fewer than two versions of the model ran."""
    from analysis.compare_rows import comparison_rows
    from analysis.rollout import pairing

    frame = question.frame
    traffic = await _traffic(feed, question, model)
    pair = pairing(traffic.requests, model, frame, a, b)
    if pair is None:
        return None
    rows = _rows_of(feed, question, model)
    dims = tuple(dim for dim in feed.schema.dims) if feed.schema is not None else ()
    sides, query = await _sides(session, feed, frame.step, model, pair, rows, dims)
    threshold = session.confidence_threshold
    found = await asyncio.to_thread(comparison_rows, sides, model, pair.a, pair.b, pair.span, threshold)
    return Comparison(
        PanelStatus(State.LIVE, "", feed.status.name, feed.status.newest_sample, query),
        model,
        pair.a,
        pair.b,
        pair.versions,
        float(pair.span.start),
        float(pair.span.end),
        found,
        dims,
    )


async def _traffic(feed: LogFeed, question: Question, model: str) -> Traffic:
    """What the feed knows already; with another version as the baseline it holds rows of other times, so ask."""
    known = feed.evidence.traffic if feed.evidence is not None else None
    if known is not None and question.version is None:
        return known
    return (await feed.store.series((question.frame.live,), question.frame.step, _rows_of(feed, question, model))).value


def _rows_of(feed: LogFeed, question: Question, model: str) -> Filter:
    has_model = feed.schema is not None and "model" in feed.schema.fields
    return conjunction(question.where, Eq("model", model)) if has_model else question.where


async def _sides(
    session: Session, feed: LogFeed, step: int, model: str, pair: Pairing, rows: Filter, dims: tuple[str, ...]
) -> tuple[Sides, str]:
    """Everything that is asked of both versions, and the query of the counts."""
    from analysis.compare_rows import Sides, question_of
    from analysis.labels import DELAYS_S, SCORES
    from analysis.probabilities import EDGES

    store, spans = feed.store, (pair.span,)
    of_a, of_b = (conjunction(rows, Eq("version", version)) for version in (pair.a, pair.b))
    traffic = (await store.series(spans, step, rows)).value
    scored = feed.schema is not None and "confidence" in feed.schema.fields
    asked = question_of(traffic, model, pair.a, pair.span, session.confidence_threshold if scored else None)
    cubes = [await store.segments(spans, asked.outcomes, dims, where) for where in (of_a, of_b)]
    scores = [(await store.confidence(spans, step, EDGES, where)).value for where in (of_a, of_b)]
    known_at = None if session.view.end is None else float(session.view.end)
    labels = [
        (await store.labels(spans, step, SCORES.edges, DELAYS_S, known_at, where)).value for where in (of_a, of_b)
    ]
    waits = feed.schema.calls if feed.schema is not None else {}
    bins = {name: cut for name, cut in (await store.feature_bins(spans, of_a)).value.items() if name not in waits}
    features = [(await store.features(spans, step, bins, where)).value for where in (of_a, of_b)]
    sides = Sides(
        traffic,
        asked,
        (cubes[0].value, cubes[1].value),
        (scores[0], scores[1]),
        (features[0], features[1]),
        (labels[0], labels[1]),
    )
    return sides, cubes[1].query
