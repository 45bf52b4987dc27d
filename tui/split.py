"""A split: the traffic of the model in focus by the values of a dimension, fetched on demand."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from analysis.answer import PanelStatus, Signal, State
from analysis.filters import Eq, Not, conjunction
from analysis.split import MOST, Measure, Split
from connectors.base import By, SourceError

if TYPE_CHECKING:
    from analysis.answer import Finding
    from analysis.evidence import Cube, Fetched, Traffic
    from analysis.filters import Filter
    from tui.feeds import LogFeed, MetricFeed
    from tui.question import Question
    from tui.session import Session


def measure_of(finding: Finding | None, page: str) -> Measure:
    """What to draw: what the finding at hand, or the page, is about."""
    if page == "accuracy" or (finding is not None and finding.signal in (Signal.ACCURACY, Signal.CALIBRATION)):
        return Measure.RIGHT
    if finding is not None and finding.signal in (Signal.ERROR, Signal.DEPENDENCY):
        return Measure.ERRORS
    if finding is not None and finding.signal in (Signal.REQUEST_RATE, Signal.STALENESS, Signal.VERSION):
        return Measure.RATE
    return Measure.ERRORS if page == "errors" else Measure.P99


def dims_of(session: Session) -> tuple[str, ...]:
    """What a model can be split by: the version, every dimension of the logs, and every label of its metrics."""
    found: dict[str, None] = {}
    for feed in session.logs:
        if feed.schema is not None:
            found |= dict.fromkeys((*(("version",) if "version" in feed.schema.fields else ()), *feed.schema.dims))
    for source in session.metrics:
        found |= dict.fromkeys(source.catalog.dims if source.catalog is not None else ())
    return tuple(found)


def drawn(traffic: Traffic | None, measure: Measure) -> Measure:
    """The measure, or requests per second where the sources do not tell it by the dimension."""
    if traffic is None:
        return measure
    known = {Measure.P99: traffic.latency is not None, Measure.ERRORS: traffic.errors is not None}
    return measure if known.get(measure, True) else Measure.RATE


async def fetch(session: Session, model: str, dim: str, measure: Measure) -> Split:
    """The model by `dim`, over the window and its baseline, from every log source that has the dimension.

    Metrics are asked where no log has it. A source that cannot answer is named in the status.
    """
    from analysis.slices import merge_traffic
    from analysis.split_rows import split_rows, times
    from tui.feeds import MetricFeed
    from tui.gathering import gathered

    if measure is Measure.RIGHT:
        from tui.split_right import fetch_right

        return await fetch_right(session, model, dim)
    question, frame = session.question(), session.question().frame
    feeds: list[LogFeed | MetricFeed] = [feed for feed in session.logs if has_dim(feed, dim)]
    feeds = feeds or [source for source in session.metrics if _labels(source, dim)]
    if not feeds:
        return Split(PanelStatus(State.ABSENT, f"no source has {dim}: s names another dimension"), model, dim, measure)

    async def ask(feed: LogFeed | MetricFeed) -> Fetched[Traffic]:
        if isinstance(feed, MetricFeed):
            return await _by_label(feed, question, model, dim)
        return await _of(feed, question, model, dim)

    told = await gathered(feeds, ask, merge_traffic)
    measure = drawn(told.value, measure)
    rows = split_rows(told.value, frame, model, measure) if told.value is not None else ()
    return Split(told.status(filled=bool(rows)), model, dim, measure, times(frame), rows)


def has_dim(feed: LogFeed, dim: str) -> bool:
    """Whether rows of a log can be told apart by a dimension or field."""
    return feed.schema is not None and (dim in feed.schema.dims or dim in feed.schema.fields)


async def told_apart(feed: LogFeed, question: Question, model: str, dim: str) -> tuple[By, Filter]:
    """The values that a split tells apart, the most frequent ones, and the rows that it is about.

    Raises:
        SourceError: the store could not answer, or has not been read yet.
    """
    if feed.schema is None:
        raise SourceError(f"{feed.status.name} has not been read yet")
    where = question.where
    if "model" in feed.schema.fields:
        where = conjunction(where, Eq("model", model))
    if question.version is not None and dim != "version":
        where = conjunction(where, Not(Eq("version", question.version)))
    top = (await feed.store.top_values((question.frame.live,), dim, where, MOST + 1)).value
    return By(dim, tuple(value for value, _ in (top if len(top) <= MOST else top[: MOST - 1]))), where


async def _of(feed: LogFeed, question: Question, model: str, dim: str) -> Fetched[Traffic]:
    by, where = await told_apart(feed, question, model, dim)
    return await feed.store.series(question.windows, question.frame.step, where, by)


def _labels(source: MetricFeed, dim: str) -> bool:
    return source.catalog is not None and dim in source.catalog.dims


async def _by_label(source: MetricFeed, question: Question, model: str, dim: str) -> Fetched[Traffic]:
    if not source.applies(question):
        raise SourceError("the filter does not apply", source.refusal(question), "u takes the filter back")
    where, frame = source.narrows(question), question.frame
    cube = (await source.store.segments((frame.live,), model, None, where)).value
    values = tuple(cube_values(cube, dim))
    kept = values if len(values) <= MOST else values[: MOST - 1]
    return await source.store.traffic_by(question.windows, frame.step, model, By(dim, kept), where)


def cube_values(cube: Cube, dim: str) -> dict[str, float]:
    """Value of a dimension -> rows, the most frequent first; null is "(null)". Nothing where the cube lacks it."""
    if dim not in cube.dims:
        return {}
    at, rows = cube.dims.index(dim), Counter[str]()
    for code, n in zip(cube.codes[:, at].tolist(), cube.n.tolist(), strict=True):
        rows[cube.values[at][code]] += n
    return dict(rows.most_common())
