"""`mltriage flag` and `mltriage incidents`: what each does once the command line is read.

What was asked for goes to stdout, what happened to stderr.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.printable import printable
from tui import incident_delivery as outgoing
from tui.flagging import Telling, Wish, add, save
from tui.incident_store import UnknownIncidentError, find, kept_screen, kept_snapshot, open_journal, record
from tui.incident_text import as_text as incident_text
from tui.options import Options

if TYPE_CHECKING:
    from analysis.answer import Snapshot
    from incidents.events import Kind
    from incidents.flagging import Draft
    from incidents.journal import Journal, Saved

SAVED, NOTHING, NOT_DURABLE, NOT_SAVED = 0, 1, 2, 3
"""Exit status: saved; nothing to flag, or no such incident; saved in memory alone; not saved."""

DAMAGED = 1
"""Exit status of `verify` when anything cannot be read."""


def flag(options: Options, wish: Wish, telling: Telling) -> int:
    """Answer the view once, write an incident about what was found, and tell the targets."""
    from incidents.flagging import alike, draft
    from incidents.journal import NotSavedError
    from tui.keeping import evaluate_whole
    from tui.report_text import as_text

    unknown = set(telling.to or ()) - {target.name for target in options.targets}
    if unknown:
        return _refuse(f"no target {', '.join(sorted(unknown))} in the configuration")
    snapshot, others = asyncio.run(evaluate_whole(options))
    found = None
    if snapshot.findings:
        rank = wish.finding or 1
        if rank > len(snapshot.findings):
            return _refuse(f"there is no finding {rank}: the answer has {len(snapshot.findings)}")
        found = snapshot.findings[rank - 1]
    elif wish.title is None or wish.finding is not None:
        return _refuse("nothing to flag: no change was found. --title TEXT flags it all the same")
    journal = open_journal(options)
    try:
        if found is not None and found.model and found.model != snapshot.focus:
            focused = next((other for other in others if other.focus == found.model), snapshot)
            others = (snapshot, *(other for other in others if other is not focused))
            snapshot = replace(focused, view=replace(focused.view, focus=None))
        wanted = draft(snapshot, found, others=others, screen=as_text(snapshot))
        if wish.dry_run:
            return outgoing.dry_run(options, wanted, wish, telling)
        target = find(journal, wish.join) if wish.join else None
        if target is None and not wish.new and (same := alike(journal, wanted, time.time())) is not None:
            target = same.id
            _say(f"joined {same.id}, which is open about the same: {same.title} (--new declares another)")
        return _flagged(journal, options, wish, telling, wanted, target)
    except UnknownIncidentError as error:
        return _refuse(str(error))
    except NotSavedError as error:
        return _not_saved(error)
    finally:
        journal.close()


def _flagged(
    journal: Journal, options: Options, wish: Wish, telling: Telling, wanted: Draft, target: str | None
) -> int:
    saved = save(journal, options, wanted, wish, telling, target)
    sys.stdout.write(f"{saved.event.incident}\n")
    sys.stdout.flush()
    return _told(journal, saved) or outgoing.deliver(journal, options, telling)


def change(options: Options, typed: str, kind: Kind, data: Mapping[str, Any], telling: Telling) -> int:
    """Add one event to an incident, and tell the targets that know of it."""
    from incidents.closing import CLOSING, still_silent, still_unmet
    from incidents.journal import NotSavedError

    journal = open_journal(options)
    try:
        saved = add(journal, options, find(journal, typed), kind, data, telling)
        if kind in CLOSING:
            known = record(journal, saved.event.incident)
            for line in filter(None, (still_silent(known, time.time()), still_unmet(known))):
                _say(printable(line, 2_000))
        return _told(journal, saved) or outgoing.deliver(journal, options, telling)
    except UnknownIncidentError as error:
        return _refuse(str(error))
    except NotSavedError as error:
        return _not_saved(error)
    finally:
        journal.close()


def criterion(options: Options, typed: str, text: str, state: str | None, telling: Telling) -> int:
    """Add an exit criterion to an incident, or say how one that it has stands.

    Args:
        text: what has to hold, or the number of a known one.
        state: open, met or dropped; None adds one.
    """
    from incidents.criteria import OPEN, meant
    from incidents.events import Kind

    journal = open_journal(options)
    try:
        known = record(journal, find(journal, typed)).criteria
        meant_text = meant(known, text.strip())
    except (UnknownIncidentError, ValueError) as error:
        return _refuse(str(error))
    finally:
        journal.close()
    if state not in (None, OPEN) and all(one.text != meant_text for one in known):
        return _refuse(f"{typed} has no exit criterion {meant_text!r}: `mltriage incidents show` numbers them")
    return change(options, typed, Kind.CRITERION, {"text": meant_text, "state": state or OPEN}, telling)


def merge(options: Options, typed: str, into: str, telling: Telling) -> int:
    """Close an incident as a part of another."""
    from incidents.events import Kind

    journal = open_journal(options)
    try:
        one, other = find(journal, typed), find(journal, into)
    except UnknownIncidentError as error:
        return _refuse(str(error))
    finally:
        journal.close()
    if one == other:
        return _refuse(f"{one} cannot be merged into itself")
    return change(options, one, Kind.MERGED, {"into": other}, telling)


def show(options: Options, typed: str, form: str, out: Path | None = None) -> int:
    """Write an incident: as `text`, `json`, `markdown` or `handoff`."""
    from incidents import export
    from tui.report import write

    journal = open_journal(options)
    try:
        incident = record(journal, find(journal, typed))
        history = journal.history(incident.id)
        forms: Mapping[str, Callable[[], str]] = {
            "text": lambda: incident_text(journal, incident.id),
            "json": lambda: export.as_json(incident, history, kept_snapshot(journal, incident)) + "\n",
            "markdown": lambda: export.as_markdown(
                incident,
                kept_snapshot(journal, incident),
                kept_screen(journal, incident),
                replay=f"mltriage replay{' --demo' if options.demo else ''}",
                again="" if options.demo else ask_again(kept_snapshot(journal, incident)),
            ),
            "handoff": lambda: export.handoff(incident, time.time()),
        }
        text = forms[form]()
        if out is None:
            write(text)
        else:
            out.touch(mode=0o600)
            out.write_text(text, encoding="utf-8")
            _say(f"written to {out}")
    except UnknownIncidentError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{out or journal.place.folder}: {error.strerror or error}")
    finally:
        journal.close()
    return SAVED


def ask_again(snapshot: Snapshot | None) -> str:
    """The command that asks the sources of the configuration the question of a kept answer; empty without one."""
    import shlex

    from analysis.filters import format_filter
    from tui.timespec import format_baseline, format_duration, format_time

    if snapshot is None:
        return ""
    view = snapshot.view
    words = ["mltriage", "report", "--at", format_time(int(snapshot.generated_at))]
    words += ["--window", format_duration(view.window_s), "--baseline", format_baseline(view.baseline)]
    words += [word for model in view.models for word in ("--model", model)]
    where = format_filter(view.where)
    return shlex.join([*words, *(("--filter", where) if where else ())])


def list_all(options: Options, *, closed: bool, as_json: bool) -> int:
    """One line per incident, newest first: the open ones, or all."""
    import json

    from incidents.export import utc
    from tui.report import write

    journal = open_journal(options)
    found = sorted((record(journal, one) for one in journal.incidents()), key=lambda i: i.declared or 0.0, reverse=True)
    listed = [incident for incident in found if closed or incident.open]
    journal.close()
    if as_json:
        rows = [
            {
                "id": i.id,
                "severity": i.severity,
                "status": str(i.status),
                "drill": i.drill,
                "declared": utc(i.declared),
                "model": i.model,
                "title": i.title,
            }
            for i in listed
        ]
        write(json.dumps(rows, indent=2) + "\n")
        return SAVED
    for i in listed:
        drill = "  drill" if i.drill else ""
        write(f"{i.id}  SEV-{i.severity}  {i.status:<13}  {utc(i.declared) or '':<20}  {printable(i.title)}{drill}\n")
    if not listed:
        _say(f"no {'' if closed else 'open '}incident in {journal.place.folder}")
    return SAVED


def verify(options: Options, typed: str | None) -> int:
    """Read every line and every blob, and say what is damaged."""
    from incidents.verify import check

    journal = open_journal(options)
    try:
        wanted = [find(journal, typed)] if typed else list(journal.incidents())
    except UnknownIncidentError as error:
        return _refuse(str(error))
    finally:
        journal.close()
    damaged = False
    for incident in wanted:
        found = check(journal, incident)
        damaged = damaged or bool(found.problems)
        sys.stdout.write(f"{incident}  {found.events} events, {found.blobs} blobs, {found.torn} torn lines\n")
        for problem in found.problems:
            sys.stdout.write(f"  {printable(problem)}\n")
    shared = "shared" if journal.place.shared else "private"
    _say(f"{len(wanted)} incidents in {journal.place.folder} ({shared})")
    return DAMAGED if damaged else SAVED


def purge(options: Options, typed: str, confirm: Callable[[str], bool]) -> int:
    """Delete an incident and its evidence for good."""
    journal = open_journal(options)
    try:
        incident = record(journal, find(journal, typed))
        if not confirm(f"Delete {incident.id} ({printable(incident.title)}) with its evidence for good?"):
            return NOTHING
        journal.purge(incident.id)
    except UnknownIncidentError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{journal.place.folder} cannot be changed: {error.strerror or error}")
    finally:
        journal.close()
    _say(f"deleted {incident.id}")
    return SAVED


def _told(journal: Journal, saved: Saved) -> int:
    if saved.durable:
        shared = "shared" if journal.place.shared else "private"
        _say(f"saved {saved.event.incident} in {journal.place.folder} ({shared})")
        return SAVED
    _say(f"NOT DURABLE: {saved.problem}. The record as text:")
    from incidents.export import handoff

    _say(handoff(record(journal, saved.event.incident), time.time()).rstrip("\n"))
    return NOT_DURABLE


def _not_saved(error: Exception) -> int:
    _say(f"NOT SAVED: {error}")
    return NOT_SAVED


def _refuse(why: str) -> int:
    _say(why)
    return NOTHING


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
