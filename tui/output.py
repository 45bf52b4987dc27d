"""What leaves the screen: copies, exported files, and the summary on the normal screen at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.answer import Snapshot
from analysis.printable import printable
from tui.paths import state_folder
from widgets.records import RecordsPanel
from widgets.segments import SegmentsPanel

if TYPE_CHECKING:
    from tui.app import Triage

FAREWELL_FINDINGS = 3
FAREWELL_INCIDENTS = 3


def export_folder() -> Path:
    """Where exports go: `$XDG_STATE_HOME/mltriage/exports`."""
    return state_folder() / "exports"


async def copy(app: Triage, *, report: bool) -> None:
    """Copy what the cursor is on, or the report as text, and say where it went."""
    if app.snapshot is None:
        app.notify("nothing to copy yet", severity="warning")
        return
    from tui.clipboard import copy as to_clipboard
    from tui.report_text import as_text

    text = None if report else await _at_hand(app, app.snapshot)
    copied = await to_clipboard(as_text(app.snapshot) if text is None else text, app)
    if copied.path is not None:
        app.written.append(str(copied.path))
    app.notify(copied.words)


async def _at_hand(app: Triage, snapshot: Snapshot) -> str | None:
    """The record, the incident or the finding under the cursor as text; None when there is none."""
    record = app.main.query_one(RecordsPanel).item
    if app.main.page == "records" and record is not None:
        from tui.records import as_json

        return as_json(record)
    incident = app.incident_at_hand if app.main.page == "incidents" else None
    if incident is not None:
        return await app.incident_text(incident.id)
    finding = app.main.finding
    if finding is None or app.session is None:
        return None
    from tui import yank

    segment = app.main.query_one(SegmentsPanel).item if app.main.page != "overview" else None
    return await yank.text(app.session, snapshot, finding, segment)


async def export(app: Triage) -> None:
    """Write the report as Markdown and JSON and the screen as SVG, readable by the owner only."""
    snapshot = app.snapshot
    if snapshot is None:
        app.notify("nothing to export yet", severity="warning")
        return
    from tui.report_json import as_json
    from tui.report_text import as_markdown

    stamp = datetime.fromtimestamp(snapshot.generated_at, UTC).strftime("%Y%m%dT%H%M%SZ")
    parts = {"md": as_markdown(snapshot), "json": as_json(snapshot), "svg": app.export_screenshot(simplify=True)}
    try:
        folder = await asyncio.to_thread(write_all, export_folder(), f"mltriage-{stamp}", parts)
    except OSError as error:
        app.notify(f"cannot write to {export_folder()}: {error.strerror or error}", severity="error")
        return
    app.written.extend(str(folder / f"mltriage-{stamp}.{ending}") for ending in parts)
    app.notify(f"written: {folder}/mltriage-{stamp}.{{{','.join(parts)}}}")


def write_all(folder: Path, stem: str, parts: dict[str, str]) -> Path:
    """Write `stem.ending` for each part; the folder is made when it is missing."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for ending, text in parts.items():
        path = folder / f"{stem}.{ending}"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return folder


def farewell(snapshot: Snapshot | None, written: Sequence[str], incidents: Sequence[str] = ()) -> str:
    """The last lines on the normal screen: the state, the first findings, the open incidents, the files."""
    if snapshot is None:
        return "mltriage: left before the first answer\n"
    status = "unknown" if snapshot.status is None else str(snapshot.status)
    moment = datetime.fromtimestamp(snapshot.generated_at, UTC).strftime("%H:%M:%SZ")
    lines = [f"mltriage: {status} at {moment}, {len(snapshot.models)} models, {len(snapshot.findings)} findings"]
    for finding in snapshot.findings[:FAREWELL_FINDINGS]:
        where = " ".join(f"{dim}={value}" for dim, value in finding.where[0].where) if finding.where else ""
        text = " ".join(part for part in (finding.severity, finding.model, finding.title, where) if part)
        lines.append(f"  {printable(text)}")
    lines += [f"  {printable(incident)}" for incident in incidents]
    lines += [f"  wrote {path}" for path in written]
    return "\n".join(lines) + "\n"
