"""What `y` takes along: the finding, its segments, and the filter as it is typed, as PromQL and as SQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from analysis.answer import Finding, Segment, Snapshot
from analysis.filters import ALL, Eq, Filter, conjunction, format_filter
from analysis.words import percent, quantity
from widgets.text import within

if TYPE_CHECKING:
    from connectors.base import LogStore
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
        *(Eq(dim, value) for dim, value in (segment.where if segment is not None else ())),
    )


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
    store = _store(session)
    if store is not None:
        lines.append(f"SQL     WHERE {await store.condition(where)}")
    part = PARTS.get(finding.check) or PARTS.get(finding.signal, str(finding.signal))
    query = session.evidence().queries.get(part, "")
    if query:
        lines += ["", f"-- the query behind {finding.signal}, as sent", query]
    return "\n".join(lines) + "\n"


def _store(session: Session) -> LogStore | None:
    return next((feed.store for feed in session.logs if feed.schema is not None), None)


def _labels(session: Session) -> dict[str, str]:
    """Dimension -> label, as the first metric source that has it calls it."""
    catalogs = [feed.catalog for feed in session.metrics if feed.catalog is not None]
    return {dim: label for catalog in reversed(catalogs) for dim, label in catalog.dims.items()}


def _segment(segment: Segment) -> str:
    name = " ".join(f"{dim}={value}" for dim, value in segment.where)
    return (
        f"segment {name}: explains {percent(segment.share_of_change)}, {percent(segment.rate_in)} inside,"
        f" {percent(segment.rate_out)} outside, {percent(segment.rate_before)} before, n {quantity(segment.n)}"
    )


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
