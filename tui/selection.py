"""What selected rows have in common: the slow ones, the failed, the unsure, those of a range of time, or any filter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.answer import PanelStatus, Snapshot, State
from analysis.filters import Eq, Filter, FilterError, Not, Null, Range, conjunction, fields_of, parse_filter
from analysis.selection import Choice, Selection
from analysis.words import milliseconds

if TYPE_CHECKING:
    from analysis.evidence import Cube
    from tui.feeds import LogFeed
    from tui.session import Session

WORDS = ("slow", "errors", "unsure")
"""Selections with a name; a range of time comes from the cursor, and any filter is one too."""


def choice(text: str, snapshot: Snapshot, threshold: float) -> Choice:
    """The rows that a word or a filter selects.

    Raises:
        FilterError: neither a word nor a filter, or what the word needs is not known.
    """
    word = text.strip()
    if word == "slow":
        edge = snapshot.latency.window_baseline.get("p99") or snapshot.latency.window.get("p95")
        if edge is None:
            raise FilterError("too few requests to say what is slow: write latency_ms>=250")
        return Choice(word, f"slower than {milliseconds(edge)}, the usual p99", Range("latency_ms", low=edge))
    if word == "errors":
        return Choice(word, "failed", Not(Null("error_type")))
    if word == "unsure":
        return Choice(word, f"confidence below {threshold:g}", Range("confidence", high=threshold))
    if not word:
        raise FilterError(f"select what: {', '.join(WORDS)}, or a filter such as latency_ms>=250")
    return Choice(word, word, parse_filter(word))


def between(start: float, end: float, clock: str) -> Choice:
    """The rows of a range of time, unix seconds."""
    return Choice("time", clock, Range("ts", low=start, high=end))


async def fetch(session: Session, model: str, chosen: Choice) -> Selection:
    """Compare the selected rows of the live window with its other rows, in the log source that has the model.

    A source that cannot answer is named in the status.
    """
    from tui.feeds import as_source_error

    feeds = [feed for feed in session.logs if feed.schema is not None]
    if not feeds:
        return Selection(
            PanelStatus(State.ABSENT, "no log source, and a selection is one of rows: start with --logs PATH"),
            model,
            chosen.title,
        )
    problems = []
    for feed in feeds:
        try:
            return await _of(session, feed, model, chosen)
        except Exception as error:  # noqa: BLE001 - told in the panel; the other stores are still asked
            problems.append(f"{feed.status.name}: {as_source_error(error)}")
    status = PanelStatus(State.FAILED, "; ".join(problems), ", ".join(feed.status.name for feed in feeds))
    return Selection(status, model, chosen.title)


async def _of(session: Session, feed: LogFeed, model: str, chosen: Choice) -> Selection:
    schema, question = feed.schema, session.question()
    if schema is None:
        return Selection(PanelStatus(State.LOADING), model, chosen.title)
    rows: Filter = conjunction(question.where, Eq("model", model)) if "model" in schema.fields else question.where
    version = ("version",) if "version" in schema.fields else ()
    told = fields_of(chosen.rows) | {"model"}
    dims = tuple(dim for dim in dict.fromkeys((*version, *schema.dims)) if dim not in told)
    fetched = await feed.store.segments((question.frame.live,), (chosen.rows,), dims, rows)
    found = await asyncio.to_thread(_compared, fetched.value)
    status = PanelStatus(
        State.LIVE if found.of else State.EMPTY,
        "; ".join(fetched.warnings),
        feed.status.name,
        feed.status.newest_sample,
        fetched.query,
        fetched.elapsed_s,
    )
    return replace(found, status=status, model=model, title=chosen.title)


def _compared(cube: Cube) -> Selection:
    from analysis.segments import compare

    n, of = float(cube.hits[:, 0].sum()), float(cube.n.sum())
    return Selection(PanelStatus(State.LIVE), n=n, of=of, segments=compare(cube, 0))
