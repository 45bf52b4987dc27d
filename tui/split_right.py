"""A split of the accuracy: the model in focus by the values of a dimension, fetched on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.answer import PanelStatus, State
from analysis.split import Measure, Split

if TYPE_CHECKING:
    from analysis.evidence import Fetched, Labels
    from tui.feeds import LogFeed
    from tui.session import Session


async def fetch_right(session: Session, model: str, dim: str) -> Split:
    """The accuracy of the model by `dim`, over the span that its panel tells about, from every log that has labels."""
    from analysis.labels import DELAYS_S, SCORES, merge_labels
    from analysis.split_right import right_rows
    from analysis.split_rows import times
    from analysis.trust import known_until
    from tui.gathering import gathered
    from tui.split import has_dim, told_apart

    question, frame, view = session.question(), session.question().frame, session.view

    async def ask(feed: LogFeed) -> Fetched[Labels | None]:
        by, where = await told_apart(feed, question, model, dim)
        return await feed.store.labels(
            question.windows, frame.step, SCORES.edges, DELAYS_S, question.known_at, where, by
        )

    told = await gathered([feed for feed in session.logs if has_dim(feed, dim)], ask, merge_labels)
    if told.value is None and not told.problems:
        why = f"no log has predictions, labels and {dim}: s names another dimension"
        return Split(PanelStatus(State.ABSENT, why), model, dim, Measure.RIGHT)
    moment = session.clock() if view.end is None else float(view.end)
    if told.value is not None and view.live:
        moment = known_until(told.value, moment, frame)
    span_s, rows = right_rows(told.value, frame, model, moment) if told.value is not None else (0, ())
    return Split(told.status(filled=bool(rows)), model, dim, Measure.RIGHT, times(frame), rows, span_s)
