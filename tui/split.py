"""A split: the traffic of the model in focus by the values of a dimension, fetched on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.answer import PanelStatus, Signal, State
from analysis.filters import Eq, Not, conjunction
from analysis.split import MOST, Measure, Split
from connectors.base import By, SourceError

if TYPE_CHECKING:
    from analysis.answer import Finding
    from analysis.evidence import Fetched, Traffic
    from tui.feeds import LogFeed, Question
    from tui.session import Session


def measure_of(finding: Finding | None, page: str) -> Measure:
    """What to draw: what the finding at hand, or the page, is about."""
    if finding is not None and finding.signal in (Signal.ERROR, Signal.DEPENDENCY):
        return Measure.ERRORS
    if finding is not None and finding.signal in (Signal.REQUEST_RATE, Signal.STALENESS, Signal.VERSION):
        return Measure.RATE
    return Measure.ERRORS if page == "errors" else Measure.P99


def dims_of(session: Session) -> tuple[str, ...]:
    """What a model can be split by: the version and every dimension of the logs."""
    found: dict[str, None] = {}
    for feed in session.logs:
        if feed.schema is not None:
            found |= dict.fromkeys((*(("version",) if "version" in feed.schema.fields else ()), *feed.schema.dims))
    return tuple(found)


async def fetch(session: Session, model: str, dim: str, measure: Measure) -> Split:
    """The model by `dim`, over the window and its baseline, from every log source that has the dimension.

    A source that cannot answer is named in the status.
    """
    from analysis.slices import merge_traffic
    from analysis.split_rows import split_rows, times
    from tui.feeds import as_source_error

    question, frame = session.question(), session.question().frame
    merged: Traffic | None = None
    problems, queries, newest = [], [], None
    feeds = [feed for feed in session.logs if feed.schema is not None and _has(feed, dim)]
    if not feeds:
        return Split(PanelStatus(State.ABSENT, f"no log source has {dim}"), model, dim, measure)
    for feed in feeds:
        try:
            fetched = await _of(feed, question, model, dim)
        except Exception as error:  # noqa: BLE001 - a store's defect is this source's failure, not the end of the rest
            problems.append(f"{feed.status.name}: {as_source_error(error)}")
            continue
        merged = fetched.value if merged is None else merge_traffic(merged, fetched.value)
        queries.append(fetched.query)
        newest = max(newest or 0.0, feed.status.newest_sample or 0.0) or None
    rows = split_rows(merged, frame, model, measure) if merged is not None else ()
    state = State.LIVE if rows else State.FAILED if problems else State.EMPTY
    status = PanelStatus(
        state, "; ".join(problems), ", ".join(feed.status.name for feed in feeds), newest, ";\n".join(queries)
    )
    return Split(status, model, dim, measure, times(frame), rows)


def _has(feed: LogFeed, dim: str) -> bool:
    return feed.schema is not None and (dim in feed.schema.dims or dim in feed.schema.fields)


async def _of(feed: LogFeed, question: Question, model: str, dim: str) -> Fetched[Traffic]:
    if feed.schema is None:
        raise SourceError(f"{feed.status.name} has not been read yet")
    where = question.where
    if "model" in feed.schema.fields:
        where = conjunction(where, Eq("model", model))
    if question.version is not None and dim != "version":
        where = conjunction(where, Not(Eq("version", question.version)))
    top = (await feed.store.top_values((question.frame.live,), dim, where, MOST + 1)).value
    values = tuple(value for value, _ in (top if len(top) <= MOST else top[: MOST - 1]))
    return await feed.store.series(question.windows, question.frame.step, where, By(dim, values))
