"""What `y` takes along: the finding, its segments, and the filter as it is typed, as PromQL and as SQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from analysis.answer import Finding, Segment, Snapshot
from analysis.filters import ALL, Eq, Filter, conjunction, format_filter
from analysis.words import percent, quantity
from connectors.base import SourceError
from widgets.text import within

if TYPE_CHECKING:
    from analysis.view import Window
    from tui.session import Session

PARTS = {
    "latency": "traffic",
    "request_rate": "traffic",
    "error": "errors",
    "quality": "features",
    "feature": "features",
    "duplicate_ids": "repeats",
}
"""Signal or check -> part of the evidence whose query shows it, where the names differ."""


def where_of(snapshot: Snapshot, finding: Finding | None, segment: Segment | None) -> Filter:
    """The rows that the text is about: the filter, the finding's model, and its segment."""
    model = finding.model if finding is not None else ""
    return conjunction(
        snapshot.view.where,
        Eq("model", model) if model else ALL,
        *_own(segment),
    )


def _own(segment: Segment | None) -> tuple[Filter, ...]:
    return tuple(Eq(dim, value) for dim, value in (segment.where if segment is not None else ()))


async def text(session: Session, snapshot: Snapshot, finding: Finding, segment: Segment | None) -> str:
    """The finding in words, with everything that is needed to ask the sources again."""
    from connectors.selectors import selector

    where = where_of(snapshot, finding, segment)
    frame = snapshot.frame.live
    lines = [
        " ".join(part for part in (finding.severity, finding.model, finding.title) if part),
        "since: no onset can be told"
        if finding.onset is None
        else f"since {_time(finding.onset)}{within(finding.onset_between)}",
        f"window {_time(frame.start)} to {_time(frame.end)} against {snapshot.view.baseline.label},"
        f" n {quantity(finding.n)} against {quantity(finding.n_baseline)}",
        *(_segment(found) for found in finding.where),
        *(f"cause? {cause.words} ({cause.confidence} confidence)" for cause in finding.causes),
        f"filter  {format_filter(where) or '(all rows)'}",
    ]
    promql = selector(where, _labels(session))
    lines.append(f"PromQL  {promql.text}")
    lines += [f"        not in PromQL: {part}" for part in promql.left_out]
    case = session.case(finding.key)
    window = case.window if case is not None else frame
    rows = conjunction(snapshot.view.where, *_own(segment))
    lines += [f"count   {text}" for text in await _counted_by_labels(session, finding.model, rows, window)]
    lines += await _counted_in_logs(session, where, window)
    part = PARTS.get(finding.check) or PARTS.get(finding.signal, str(finding.signal))
    query = session.evidence().queries.get(part, "")
    if query:
        lines += [
            "",
            f"-- the last query behind {finding.signal}, as sent: a refresh reads only the newest buckets",
            query,
        ]
    return "\n".join(lines) + "\n"


async def _counted_by_labels(session: Session, model: str, rows: Filter, window: Window) -> list[str]:
    """PromQL that counts these rows, for the first metric source that can; it runs as it is at any time."""
    from analysis.of_models import apart

    _, labels = apart(rows)
    for feed in session.metrics:
        try:
            return [await feed.store.count_promql(model, labels, window)]
        except SourceError:
            continue
    return []


async def _counted_in_logs(session: Session, where: Filter, window: Window) -> list[str]:
    """The filter as SQL, and the statement with which the first log source has just counted its rows."""
    store = next((feed.store for feed in session.logs if feed.schema is not None), None)
    if store is None:
        return []
    lines = [f"SQL     WHERE {await store.condition(where)}"]
    try:
        counted = await store.count_segments((window,), (where,), ())
    except SourceError as error:
        return [*lines, f"        could not be counted: {error}"]
    n = float(counted.value[0, 0])
    since = f"{_time(window.start)} to {_time(window.end)}"
    return [
        *lines,
        "",
        f"-- the statement that counts these rows, {since}: {n:.0f}",
        store.prelude(counted.query) + counted.query,
    ]


def _labels(session: Session) -> dict[str, str]:
    """Dimension -> label, as the first metric source that has it calls it."""
    catalogs = [feed.catalog for feed in session.metrics if feed.catalog is not None]
    found = {dim: label for catalog in reversed(catalogs) for dim, label in catalog.dims.items()}
    return {**found, "model": catalogs[0].model_label} if catalogs else found


def _segment(segment: Segment) -> str:
    name = " ".join(f"{dim}={value}" for dim, value in segment.where)
    return (
        f"segment {name}: explains {percent(segment.share_of_change)}, {percent(segment.rate_in)} inside,"
        f" {percent(segment.rate_out)} outside, {percent(segment.rate_before)} before, n {quantity(segment.n)}"
    )


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
