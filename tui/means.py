"""Where the mean of a measured value moved, fetched on demand from the log sources."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from analysis.answer import PanelStatus, State
from analysis.means import Means

if TYPE_CHECKING:
    from analysis.evidence import Sums
    from tui.feeds import LogFeed
    from tui.session import Session

UNITS = {"latency_ms": "ms"}


def values_of(session: Session) -> tuple[str, ...]:
    """What has a mean: latency, confidence and every numeric feature of the logs."""
    found: dict[str, None] = {}
    for feed in session.logs:
        if feed.schema is not None:
            found |= dict.fromkeys(name for name in ("latency_ms", "confidence") if name in feed.schema.fields)
            found |= dict.fromkeys(feature.name for feature in feed.schema.features if feature.kind == "numeric")
    return tuple(found)


async def fetch(session: Session, model: str, value: str) -> Means:
    """Search the window against its baseline in the log source that has the value.

    A source that cannot answer is named in the status.
    """
    from tui.feeds import as_source_error

    problems = []
    for feed in session.logs:
        if feed.schema is None:
            continue
        try:
            return await _of(session, feed, model, value)
        except Exception as error:  # noqa: BLE001 - told in the panel; the other stores are still asked
            problems.append(f"{feed.status.name}: {as_source_error(error)}")
    if problems:
        return Means(PanelStatus(State.FAILED, "; ".join(problems)), model, value)
    return Means(PanelStatus(State.ABSENT, "no log source: a mean is one of rows"), model, value)


async def _of(session: Session, feed: LogFeed, model: str, value: str) -> Means:
    from analysis.cases import all_requests
    from connectors.sqlsample import blocks
    from tui.explaining import CELLS, prepared, rows_of

    question = session.question()
    every = all_requests(model, question.frame.live)
    search = prepared(feed, question, [every], session.search_features)
    if search is None:
        return Means(PanelStatus(State.ABSENT, "no dimension is logged"), model, value)
    dims = tuple(dim for dim in search.dims if dim != value)
    # Above some million cells evenly spaced blocks of time stand for all of it.
    share = min(1.0, CELLS / max(1.0, rows_of(search) * len(dims)))
    store = feed.store
    live = await store.segment_sums(blocks((search.window,), share), value, dims, search.live, search.cuts)
    base = await store.segment_sums(blocks(search.spans, share), value, dims, search.before, search.cuts)
    found = await asyncio.to_thread(_searched, live.value, base.value)
    sampled = f"from blocks of time that hold {share:.0%} of the rows" if share < 1 else ""
    status = PanelStatus(
        State.LIVE if found.n else State.EMPTY,
        "; ".join(dict.fromkeys(filter(None, (sampled, *live.warnings, *base.warnings)))),
        feed.status.name,
        feed.status.newest_sample,
        live.query,
        live.elapsed_s + base.elapsed_s,
    )
    return Means(
        status, model, value, UNITS.get(value, ""), found.now, found.before, found.n, found.n_baseline, found.segments
    )


def _searched(live: Sums, base: Sums) -> Means:
    from analysis.segment_means import moments, search_means

    now, before = moments(live), moments(base)
    return Means(
        PanelStatus(State.LIVE),
        now=now.mean if now.n else None,
        before=before.mean if before.n else None,
        n=now.n,
        n_baseline=before.n,
        segments=search_means(live, base),
    )
