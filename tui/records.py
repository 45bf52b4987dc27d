"""Example records of what is on the screen: the rows of the filter, the model and the finding at hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from analysis.answer import PanelStatus, State
from analysis.filters import Eq, Filter, Not, Scalar, conjunction, fields_of, format_filter
from analysis.records import Record, Records, masked, newest, ordered

if TYPE_CHECKING:
    from analysis.cases import Case
    from analysis.view import Window
    from tui.feeds import LogFeed
    from tui.session import Session

LIMIT = 100
"""Rows at most: enough to see a pattern, few enough to cross any link."""


async def fetch(session: Session, model: str, case: Case | None, sensitive: Collection[str]) -> Records:
    """The newest rows of `model` under the view's filter; with a case, those behind its finding.

    A store that cannot answer is named in the status; the rows of the others are shown.
    """
    from tui.feeds import as_source_error

    question = session.question()
    spans: tuple[Window, ...] = (question.frame.live,) if case is None else (case.window,)
    bad = () if case is None or case.outcome is None else (case.outcome,)
    feeds = [feed for feed in session.logs if feed.schema is not None]
    if not feeds:
        text = "no log source has answered yet" if session.logs else "no logs source: start with --logs PATH"
        return Records(PanelStatus(State.LOADING if session.logs else State.ABSENT, text), model)
    if question.version is not None:
        bad = (*bad, Not(Eq("version", question.version)))
    where = conjunction(question.where, *bad)
    found = await asyncio.gather(
        *(_of(feed, spans, where, model) for feed in feeds),
        return_exceptions=True,
    )
    parts = [part for part in found if not isinstance(part, BaseException)]
    errors = [
        f"{feed.status.name}: {as_source_error(part)}"
        for feed, part in zip(feeds, found, strict=True)
        if isinstance(part, Exception)
    ]
    rows = newest(([masked(row, sensitive) for row in rows] for rows, _ in parts), LIMIT)
    names = [name for row in rows for name in row.values] if len(parts) > 1 else list(rows[0].values) if rows else []
    state = State.FAILED if errors and not rows else State.LIVE if rows else State.EMPTY
    return Records(
        PanelStatus(
            state,
            "; ".join(errors),
            ", ".join(feed.status.name for feed in feeds),
            max((feed.status.newest_sample or 0.0 for feed in feeds), default=0.0) or None,
            ";\n".join(query for _, query in parts),
        ),
        model,
        rows,
        ordered(names, fields_of(where)),
        format_filter(where),
        LIMIT,
    )


async def _of(
    feed: LogFeed, spans: tuple[Window, ...], where: Filter, model: str
) -> tuple[tuple[Mapping[str, Scalar | None], ...], str]:
    has_model = feed.schema is not None and "model" in feed.schema.fields
    rows = conjunction(where, Eq("model", model)) if model and has_model else where
    fetched = await feed.store.records(spans, rows, LIMIT)
    return fetched.value, fetched.query


def as_json(record: Record) -> str:
    """The record as it can be pasted elsewhere: one JSON object, numbers as numbers, null as null."""
    return json.dumps(dict(record.values), indent=2, ensure_ascii=False, default=str)
