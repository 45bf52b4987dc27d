"""A split of the accuracy: the model in focus by the values of a dimension, fetched on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.answer import PanelStatus, State
from analysis.split import Measure, Split

if TYPE_CHECKING:
    from analysis.evidence import Labels
    from tui.session import Session


async def fetch_right(session: Session, model: str, dim: str) -> Split:
    """The accuracy of the model by `dim`, over the span that its panel tells about, from every log that has labels."""
    from analysis.labels import DELAYS_S, SCORES, merge_labels
    from analysis.split_right import right_rows
    from analysis.split_rows import times
    from analysis.trust import known_until
    from tui.feeds import as_source_error
    from tui.split import has_dim, told_apart

    question, frame, view = session.question(), session.question().frame, session.view
    feeds = [feed for feed in session.logs if has_dim(feed, dim)]
    merged: Labels | None = None
    problems, queries, newest = [], [], None
    for feed in feeds:
        try:
            by, where = await told_apart(feed, question, model, dim)
            fetched = await feed.store.labels(
                question.windows, frame.step, SCORES.edges, DELAYS_S, question.known_at, where, by
            )
        except Exception as error:  # noqa: BLE001 - a store's defect is this source's failure, not the end of the rest
            problems.append(f"{feed.status.name}: {as_source_error(error)}")
            continue
        if fetched.value is not None:
            merged = fetched.value if merged is None else merge_labels(merged, fetched.value)
            queries.append(fetched.query)
            newest = max(newest or 0.0, feed.status.newest_sample or 0.0) or None
    if merged is None and not problems:
        why = f"no log has predictions, labels and {dim}: s names another dimension"
        return Split(PanelStatus(State.ABSENT, why), model, dim, Measure.RIGHT)
    moment = session.clock() if view.end is None else float(view.end)
    if merged is not None and view.live:
        moment = known_until(merged, moment, frame)
    span_s, rows = right_rows(merged, frame, model, moment) if merged is not None else (0, ())
    state = State.LIVE if rows else State.FAILED if problems else State.EMPTY
    names = ", ".join(feed.status.name for feed in feeds)
    status = PanelStatus(state, "; ".join(problems), names, newest, ";\n".join(queries))
    return Split(status, model, dim, Measure.RIGHT, times(frame), rows, span_s)
