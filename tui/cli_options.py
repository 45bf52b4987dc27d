"""Flags that several commands share, and from flags to options."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from tui.config_schema import Theme

if TYPE_CHECKING:
    from tui.options import FlagError, Flags, Options

EX_USAGE = 64
NO_SOURCE = """mltriage: no source to read from. Start with one of

  mltriage demo                               a simulated fleet, nothing else needed
  mltriage --logs DIR                         a directory of Parquet or JSON-lines inference logs
  mltriage --prometheus http://host:9090      a Prometheus
  mltriage --scrape http://host:8000/metrics  a /metrics page
  mltriage config init                        a commented configuration file to edit"""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def flags_of(*options: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    """A decorator that adds these flags to a command."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


sources = flags_of(
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Configuration file, in place of $MLTRIAGE_CONFIG, the user's own and ./mltriage.yaml.",
    ),
    click.option("--prometheus", multiple=True, metavar="URL", help="A Prometheus, or a configured one's name."),
    click.option("--scrape", multiple=True, metavar="URL|FILE", help="A /metrics page, or a configured one's name."),
    click.option(
        "--logs",
        multiple=True,
        metavar="PATH|URL",
        help="Directory or glob of Parquet and JSON lines, http://HOST:8123/DB.TABLE of a ClickHouse, or a name.",
    ),
    click.option("--at", metavar="TIME", help="See the past as if it were now: -2h, 03:01, 2026-11-22T03:12Z."),
)
view = flags_of(
    click.option("--model", multiple=True, metavar="MODEL", help="Look at this model only."),
    click.option("--window", metavar="DURATION", help="Length of the live window, 1m to 30d.  [default: 30m]"),
    click.option("--baseline", metavar="SPEC", help="previous, 1d, 1w, FROM..TO or version:V.  [default: previous]"),
    click.option("--filter", metavar="EXPR", help="Rows to look at: 'region=eu-w1 tier!=free amount>=100'."),
)
look = flags_of(
    click.option("--theme", type=click.Choice(get_args(Theme)), help="Colours.  [default: dark]"),
    click.option("--ascii", is_flag=True, default=None, help="Draw with ASCII characters only."),
    click.option("--no-mouse", is_flag=True, default=None, help="Leave the mouse to the terminal."),
)


def given(ctx: click.Context) -> tuple[Path | None, Flags]:
    """The flags of this command over those that stand before its name."""
    from tui.options import Flags

    def flags(one: click.Context) -> Flags:
        return Flags(**{name: one.params[name] for name in Flags.__slots__ if one.params.get(name) is not None})

    file, merged = None, Flags()
    for one in reversed(_chain(ctx)):
        file = one.params.get("config") or file
        merged = flags(one).over(merged)
    return file, merged


def _chain(ctx: click.Context) -> list[click.Context]:
    """The context of a command, and of those above it."""
    chain = [ctx]
    while (above := chain[-1].parent) is not None:
        chain.append(above)
    return chain


def bad_flag(error: FlagError, ctx: click.Context) -> click.BadParameter:
    """The error of a flag as click shows it."""
    return click.BadParameter(str(error), ctx=ctx, param_hint=f"--{error.flag}")


def resolve(ctx: click.Context, *, need_source: bool = False) -> Options:
    """The options of a command; ends the program where they cannot be used.

    Raises:
        click.ClickException: a flag or the configuration cannot be read.
    """
    from tui.config import ConfigError, check_binding_ids, load
    from tui.keys import BY_ID
    from tui.options import FlagError
    from tui.options import resolve as resolved

    file, flags = given(ctx)
    try:
        loaded = load(file)
        check_binding_ids(loaded, BY_ID)
        options = resolved(flags, loaded, time.time())
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    except FlagError as error:
        raise bad_flag(error, ctx) from None
    if need_source and not options.has_sources:
        click.echo(NO_SOURCE, err=True)
        ctx.exit(EX_USAGE)
    return replace(options, demo=any(one.params.get("demo", False) for one in _chain(ctx)))
