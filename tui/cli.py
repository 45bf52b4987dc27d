"""The command line: flags, sub-commands and exit codes. Data goes to stdout, everything else to stderr.

Exit codes belong to the answer: `report` uses 0 to 3. A command line or configuration that cannot be used ends with 64
and a defect of the program with 70 (sysexits.h), so that a script never takes one for an answer.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from tui.cli_options import EX_USAGE, bad_flag, given, look, resolve, sources, view
from tui.incident_cli import flag, incidents, record, replay

EX_INTERRUPTED = 130
EX_PIPE = 141
_POSITIVE = click.FloatRange(min=0, min_open=True)


class _Root(click.Group):
    """The group of all commands, which knows that a reader may go away."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; 141, the shell's word for SIGPIPE, when stdout was closed as in `mltriage report | head`."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(EX_PIPE)
        return result


@click.group(cls=_Root, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@sources
@view
@look
@click.version_option(package_name="mltriage", prog_name="mltriage")
@click.pass_context
def mltriage(ctx: click.Context, /, **_: object) -> int | None:
    """Live incident triage of production ML models.

    Without a command: the screen.
    """
    if ctx.invoked_subcommand is not None:
        return None
    # Collecting garbage while the screen's modules load costs a fifth of that time; `tui.app` turns it on again.
    gc.disable()
    options = resolve(ctx, need_source=True)
    from tui.app import run

    return run(options)


@mltriage.command()
@sources
@view
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How the answer is written on stdout.",
)
@click.pass_context
def report(ctx: click.Context, /, output: str, **_: object) -> int:
    """Print the answer once.

    Exit status: 0 ok, 1 warning, 2 critical, 3 cannot tell; 64 the command line or the configuration cannot be used.
    """
    options = resolve(ctx, need_source=True)
    from tui.report import run

    return run(options, output)


@mltriage.command()
@sources
@click.pass_context
def doctor(ctx: click.Context, /, **_: object) -> int:
    """Check the terminal, the configuration and every source."""
    options = resolve(ctx)
    from tui.doctor import run

    return run(options)


@mltriage.group()
def config() -> None:
    """Show the configuration in force, or start one."""


@config.command("show")
@sources
@view
@look
@click.pass_context
def config_show(ctx: click.Context, /, **_: object) -> int:
    """Print every value and where it came from; secrets are masked."""
    from tui.options import show

    click.echo(show(resolve(ctx)))
    return 0


@config.command("init")
@click.argument("file", type=click.Path(path_type=Path), required=False)
def config_init(file: Path | None) -> int:
    """Write the commented example to FILE (default: the user's own configuration); never over an existing file."""
    from tui.paths import example_config_file, user_config_file

    target = file or user_config_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as out:
            out.write(example_config_file().read_text(encoding="utf-8"))
    except FileExistsError:
        raise click.ClickException(f"{target} exists already") from None
    except OSError as error:
        raise click.ClickException(f"{target} cannot be written: {error.strerror}") from None
    click.echo(f"Wrote {target}. Its sources are examples: put your own there.", err=True)
    return 0


@mltriage.command()
@click.option("--scenario", default="bad-canary", show_default=True, metavar="NAME", help="The fault to inject.")
@click.option("--list", "list_", is_flag=True, help="List the scenarios and end.")
@click.option(
    "--at",
    "minutes",
    type=click.FloatRange(min=0),
    metavar="MINUTES",
    help="Since the onset.  [default: the scenario's]",
)
@click.option("--seed", type=int, default=1, show_default=True, metavar="SEED", help="Another seed, other requests.")
@click.option(
    "--rate", type=_POSITIVE, default=1.0, show_default=True, metavar="FACTOR", help="Traffic, times the usual."
)
@click.option("--hours", type=_POSITIVE, default=24.0, show_default=True, metavar="HOURS", help="History before now.")
@click.option(
    "--write",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write logs and metrics there and end.",
)
@view
@look
@click.pass_context
def demo(
    ctx: click.Context,
    /,
    scenario: str,
    list_: bool,
    minutes: float | None,
    seed: int,
    rate: float,
    hours: float,
    write: Path | None,
    **_: object,
) -> int:
    """Run the screen on a simulated fleet with a known fault."""
    from tui import demo_command
    from tui.options import FlagError

    if list_:
        click.echo(demo_command.scenarios())
        return 0
    file, flags = given(ctx)
    if file or flags.prometheus or flags.scrape or flags.logs or flags.at:
        raise click.UsageError("demo reads its own fleet: no --config, no source, no --at before the command", ctx=ctx)
    fleet = demo_command.FleetSpec(scenario, minutes, seed, rate, hours)
    try:
        if write is not None:
            return demo_command.write(fleet, write)
        return demo_command.run(fleet, flags)
    except demo_command.DemoError as error:
        raise click.UsageError(str(error), ctx=ctx) from None
    except FlagError as error:
        raise bad_flag(error, ctx) from None


mltriage.add_command(flag)
mltriage.add_command(incidents)
mltriage.add_command(record)
mltriage.add_command(replay)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status."""
    # numpy's linear algebra, which nothing here uses, starts a thread per core that waits busily: 0.05 s of CPU on two.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        status = mltriage.main(arguments, prog_name="mltriage", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        status = EX_USAGE
    except click.Abort:
        status = EX_INTERRUPTED
    except Exception as error:
        from tui.crash import EX_SOFTWARE, told

        sys.stderr.write(told(error))
        raise SystemExit(EX_SOFTWARE) from error
    sys.exit(status)
