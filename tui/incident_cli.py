"""The command line of incidents: `mltriage flag` and `mltriage incidents`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.cli_options import look, sources, view
from tui.cli_options import resolve as options_of

if TYPE_CHECKING:
    from incidents.events import Kind
    from tui.flagging import Telling

STATUSES = ("investigating", "identified", "mitigating", "monitoring", "resolved", "false alarm")

_no_notify = click.option("--no-notify", is_flag=True, help="Tell no target.")
_wait = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Time to tell the targets; what is left stays in the outbox.",
)
_demo = click.option("--demo", is_flag=True, help="Look among what was flagged in demos.")
_POSITIVE = click.FloatRange(min=0, min_open=True)
_incident = click.argument("incident", metavar="INCIDENT")


@click.command()
@sources
@view
@click.option("--finding", type=click.IntRange(min=1), metavar="N", help="Rank of the finding.  [default: 1]")
@click.option("--title", metavar="TEXT", help="Instead of the suggested title; flags even where nothing was found.")
@click.option("--severity", type=click.IntRange(1, 5), help="Instead of the suggested one; 1 is the worst.")
@click.option("--note", default="", metavar="TEXT", help="First line after it.")
@click.option("--done-when", multiple=True, metavar="TEXT", help="What must hold before it is over; repeatable.")
@click.option("--join", metavar="INCIDENT", help="Add the evidence to this incident.")
@click.option("--new", is_flag=True, help="Declare another, even where one is open about the same.")
@click.option("--drill", is_flag=True, help="An exercise.")
@click.option("--to", multiple=True, metavar="TARGET", help="Tell this target only.  [default: all]")
@_no_notify
@_wait
@click.option("--dry-run", is_flag=True, help="Print what would be sent; save and send nothing.")
@click.pass_context
def flag(
    ctx: click.Context,
    /,
    finding: int | None,
    title: str | None,
    severity: int | None,
    note: str,
    done_when: tuple[str, ...],
    join: str | None,
    new: bool,
    drill: bool,
    to: tuple[str, ...],
    no_notify: bool,
    wait: float,
    dry_run: bool,
    **_: object,
) -> int:
    """Flag an incident: save what `report` answers, with its evidence, print its id, and tell the targets.

    Where an incident of the last hour is open about the same model, signal and segment, the evidence is added to it.

    Exit status: 0 saved, 1 nothing to flag, 2 saved in memory alone (NOT DURABLE), 3 not saved, 4 saved but not told.
    """
    if join and new:
        raise click.UsageError("--join and --new exclude each other", ctx=ctx)
    options = options_of(ctx, need_source=True)
    from tui.flagging import Telling, Wish
    from tui.incident_commands import flag as flag_it

    telling = Telling(() if no_notify else to or None, wait)
    wish = Wish(finding, title, severity, note, join, new, drill, dry_run, criteria=done_when)
    return flag_it(options, wish, telling)


@click.group()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration file, in place of $MLTRIAGE_CONFIG, the user's own and ./mltriage.yaml.",
)
@_demo
@_no_notify
@_wait
def incidents(**_: object) -> None:
    """Look at flagged incidents, add to them, hand them over.

    INCIDENT is an id such as INC-261126-7K2Q, its last characters, or "last".

    Exit status: 0 done, 1 no such incident, 2 saved in memory alone (NOT DURABLE), 3 not saved, 4 saved but not told.
    """


@incidents.command("list")
@click.option("--all", "closed", is_flag=True, help="Closed ones too.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def list_(ctx: click.Context, /, closed: bool, as_json: bool) -> int:
    """List the open incidents of everybody who writes to this folder, newest first."""
    from tui.incident_commands import list_all

    return list_all(options_of(ctx), closed=closed, as_json=as_json)


@incidents.command()
@_incident
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def show(ctx: click.Context, /, incident: str, as_json: bool) -> int:
    """Print an incident with its timeline."""
    from tui.incident_commands import show as print_one

    return print_one(options_of(ctx), incident, "json" if as_json else "text")


@incidents.command()
@_incident
@click.argument("text")
@click.pass_context
def note(ctx: click.Context, /, incident: str, text: str) -> int:
    """Add a line to the timeline."""
    from incidents.events import Kind

    return _change(ctx, incident, Kind.NOTE, {"text": text})


@incidents.command()
@_incident
@click.argument("level", type=click.IntRange(1, 5))
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@click.pass_context
def severity(ctx: click.Context, /, incident: str, level: int, reason: str) -> int:
    """Set the severity: 1 is the worst. When in doubt, take the worse one."""
    from incidents.events import Kind

    return _change(ctx, incident, Kind.SEVERITY, {"severity": level, "reason": reason})


@incidents.command()
@_incident
@click.argument("status", type=click.Choice(STATUSES))
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@click.pass_context
def status(ctx: click.Context, /, incident: str, status: str, reason: str) -> int:
    """Say where it stands."""
    from incidents.events import Kind

    return _change(ctx, incident, Kind.STATUS, {"status": status, "text": reason})


@incidents.command()
@_incident
@click.argument("role")
@click.argument("who")
@click.pass_context
def role(ctx: click.Context, /, incident: str, role: str, who: str) -> int:
    """Say who is commander, scribe ..."""
    from incidents.events import Kind

    return _change(ctx, incident, Kind.ROLE, {"role": role, "who": who})


@incidents.command()
@_incident
@click.argument("url")
@click.pass_context
def link(ctx: click.Context, /, incident: str, url: str) -> int:
    """Add a link: a dashboard, a chat, a change."""
    from incidents.events import Kind

    return _change(ctx, incident, Kind.LINK, {"text": url})


@incidents.command()
@_incident
@click.argument("text", metavar="TEXT|NUMBER")
@click.option("--met", "state", flag_value="met", help="It holds now.")
@click.option("--drop", "state", flag_value="dropped", help="It need not hold.")
@click.option("--open", "state", flag_value="open", help="It does not hold.  [default]")
@click.pass_context
def criterion(ctx: click.Context, /, incident: str, text: str, state: str | None) -> int:
    """Say what must hold before it is over; of one that is known, by its text or number, how it stands."""
    from tui.incident_commands import criterion as state_it

    return state_it(options_of(ctx), incident, text, state, _telling(ctx))


@incidents.command()
@_incident
@click.option("--reason", default="", metavar="TEXT", help="What helped.")
@click.option("--false-alarm", is_flag=True, help="Nothing was wrong.")
@click.pass_context
def resolve(ctx: click.Context, /, incident: str, reason: str, false_alarm: bool) -> int:
    """Close an incident."""
    from incidents.events import Kind

    if false_alarm:
        return _change(ctx, incident, Kind.STATUS, {"status": "false alarm", "text": reason})
    return _change(ctx, incident, Kind.RESOLVED, {"text": reason})


@incidents.command()
@_incident
@click.argument("into", metavar="OTHER")
@click.pass_context
def merge(ctx: click.Context, /, incident: str, into: str) -> int:
    """Close INCIDENT as a part of OTHER; both stay readable."""
    from tui.incident_commands import merge as merge_into

    return merge_into(options_of(ctx), incident, into, _telling(ctx))


@incidents.command()
@_incident
@click.argument("event")
@click.pass_context
def retract(ctx: click.Context, /, incident: str, event: str) -> int:
    """Mark a line of the timeline as wrong, by the id that `show --json` prints; it stays readable."""
    from incidents.events import Kind

    return _change(ctx, incident, Kind.RETRACTED, {"event": event})


@incidents.command()
@_incident
@click.option("--format", "form", type=click.Choice(["markdown", "json"]), default="markdown", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to a file.")
@click.pass_context
def export(ctx: click.Context, /, incident: str, form: str, out: Path | None) -> int:
    """Print the draft of a postmortem, or everything as JSON."""
    from tui.incident_commands import show as print_one

    return print_one(options_of(ctx), incident, form, out)


@incidents.command()
@_incident
@click.pass_context
def handoff(ctx: click.Context, /, incident: str) -> int:
    """Print what the next shift must know, in twelve lines."""
    from tui.incident_commands import show as print_one

    return print_one(options_of(ctx), incident, "handoff")


@incidents.command()
@click.pass_context
def deliver(ctx: click.Context, /) -> int:
    """Tell the targets what an earlier run has left in the outbox, and assert open alerts again."""
    from tui.incident_delivery import resume
    from tui.incident_store import open_journal

    options = options_of(ctx)
    journal = open_journal(options)
    try:
        return resume(journal, options, _telling(ctx))
    finally:
        journal.close()


@incidents.command("test")
@click.argument("target", nargs=-1)
@click.pass_context
def test_targets(ctx: click.Context, /, target: tuple[str, ...]) -> int:
    """Tell TARGET, or all of them, of a drill that begins and ends at once."""
    from tui.incident_delivery import test

    return test(options_of(ctx), target)


@incidents.command()
@click.argument("incident", required=False)
@click.pass_context
def verify(ctx: click.Context, /, incident: str | None) -> int:
    """Read every line and every piece of evidence; exit status 1 when anything is damaged."""
    from tui.incident_commands import verify as verify_all

    return verify_all(options_of(ctx), incident)


@incidents.command()
@_incident
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def purge(ctx: click.Context, /, incident: str, yes: bool) -> int:
    """Delete an incident with its evidence for good: the only thing that deletes."""
    from tui.incident_commands import purge as delete

    return delete(options_of(ctx), incident, lambda question: yes or click.confirm(question, err=True))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@sources
@view
@click.option("--every", type=_POSITIVE, default=10.0, show_default=True, metavar="SECONDS", help="Between two frames.")
@click.option("--limit", type=_POSITIVE, default=256.0, show_default=True, metavar="MB", help="Size of the file.")
@click.option("--frames", type=click.IntRange(min=1), metavar="N", help="End after so many.  [default: go on]")
@click.pass_context
def record(ctx: click.Context, /, file: Path, every: float, limit: float, frames: int | None, **_: object) -> int:
    """Keep what the screen would show in FILE, without a screen, until it is ended.

    The file never grows beyond its limit: when it is full, the older half goes. It can be replayed while it is written,
    and what was written survives whatever ends the program.

    Exit status: 0 ended, 1 the file cannot be recorded to, 3 the disk takes nothing more.
    """
    options = options_of(ctx, need_source=True)
    from tui.recording import run

    return run(options, file, every_s=every, limit_bytes=int(limit * 1e6), count=frames)


@click.command()
@click.argument("what", metavar="INCIDENT|FOLDER|FILE")
@look
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Configuration file.")
@_demo
@click.pass_context
def replay(ctx: click.Context, /, what: str, **_: object) -> int:
    """Open the screens on what was kept with an incident, or on a recording: offline, with the same keys for time.

    FOLDER is that of one incident, copied from another machine.

    Space plays and holds, [ and ] step, @ jumps, 0 goes to the end.
    """
    from tui.replay import run

    return run(options_of(ctx), what)


def _change(ctx: click.Context, incident: str, kind: Kind, data: Mapping[str, Any]) -> int:
    from tui.incident_commands import change

    return change(options_of(ctx), incident, kind, data, _telling(ctx))


def _telling(ctx: click.Context) -> Telling:
    """From the flags of the group."""
    from tui.flagging import Telling

    assert ctx.parent is not None
    given = ctx.parent.params
    return Telling(() if given["no_notify"] else None, given["wait"])
