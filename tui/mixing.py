"""How the traffic behind a finding moved, fetched on demand from the source that can tell its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.answer import PanelStatus, State
from analysis.mix import Mix

if TYPE_CHECKING:
    from analysis.cases import Case
    from analysis.evidence import Cube, Fetched
    from tui.feeds import LogFeed, MetricFeed
    from tui.session import Session


async def fetch(session: Session, case: Case) -> Mix:
    """Shares of every value of every dimension, before and now; a source that cannot answer is named in the status."""
    from tui.explaining import logs_rows
    from tui.feeds import as_source_error
    from tui.label_search import can_tell

    question = session.question()
    logs: list[LogFeed | MetricFeed] = [feed for feed in session.logs if logs_rows(feed, case)]
    measured = [feed for feed in session.metrics if can_tell(feed, question, case)]
    title, model = case.finding.title, case.finding.model
    problems = []
    for feed in (*logs, *measured):
        try:
            mix = await _of(session, feed, case)
        except Exception as error:  # noqa: BLE001 - told in the panel; the other sources are still asked
            problems.append(f"{feed.status.name}: {as_source_error(error)}")
            continue
        if mix is not None:
            return replace(mix, title=title, model=model)
    if problems:
        return Mix(PanelStatus(State.FAILED, "; ".join(problems)), model, title)
    return Mix(PanelStatus(State.ABSENT, "no source can tell the rows of this finding apart"), model, title)


async def _of(session: Session, feed: LogFeed | MetricFeed, case: Case) -> Mix | None:
    from analysis.slices import without
    from tui.explaining import CELLS, prepared, rows_of
    from tui.feeds import MetricFeed
    from tui.label_search import requests_of

    question, outcome = session.question(), None if case.outcome is None else 0
    if isinstance(feed, MetricFeed):
        model, rows = case.finding.model, requests_of(feed, question, case)
        live = await feed.store.segments((case.window,), model, case.outcome, rows.live)
        base = await feed.store.segments(rows.spans, model, case.outcome, rows.before)
        if feed.against is not None:
            live, base = (replace(one, value=without(one.value, frozenset({"version"}))) for one in (live, base))
        return await asyncio.to_thread(_told, [(live, base)], outcome, feed)
    search = prepared(feed, question, [case], session.search_features)
    if search is None:
        return None
    # Of many rows one dim after the other: a GROUP BY of all of them would hold most rows apart.
    groups = [search.dims] if rows_of(search) * len(search.dims) <= CELLS else [(dim,) for dim in search.dims]
    pairs = []
    for dims in groups:
        asked = (search.outcomes, dims)
        live = await feed.store.segments((search.window,), *asked, search.live, search.cuts)
        base = await feed.store.segments(search.spans, *asked, search.before, search.cuts)
        pairs.append((live, base))
    return await asyncio.to_thread(_told, pairs, outcome, feed)


def _told(pairs: Sequence[tuple[Fetched[Cube], Fetched[Cube]]], outcome: int | None, feed: LogFeed | MetricFeed) -> Mix:
    """One answer from cubes of different dims over the same rows."""
    from analysis.segment_mix import mix_of

    parts = [mix_of(live.value, base.value, outcome) for live, base in pairs]
    first = max(parts, key=lambda mix: -1.0 if mix.part is None else mix.part)
    moved = sorted(parts, key=lambda mix: -max((abs(r.share_now - r.share_before) for r in mix.rows), default=0.0))
    fetched = [one for pair in pairs for one in pair]
    missing = ["the window holds no such rows"] if not first.n else []
    if first.n and not first.n_baseline:
        missing = ["the baseline holds no such rows: which shares they had before cannot be known"]
    status = PanelStatus(
        State.EMPTY if missing else State.LIVE,
        "; ".join(dict.fromkeys((*missing, *(warning for one in fetched for warning in one.warnings)))),
        feed.status.name,
        feed.status.newest_sample,
        ";\n".join(dict.fromkeys(one.query for one in fetched)),
        sum(one.elapsed_s for one in fetched),
    )
    return replace(first, status=status, rows=tuple(row for mix in moved for row in mix.rows))
