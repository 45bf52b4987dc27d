"""`mltriage doctor`: what this machine, this terminal, each source and each target can do, and what to do otherwise."""

from __future__ import annotations

import asyncio
import locale
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.answer import State
from analysis.printable import printable
from analysis.words import duration
from connectors.base import SourceError
from tui.config_schema import PrometheusSource
from tui.feeds import LogFeed, MetricFeed
from tui.lifecycle import terminal_problem
from tui.options import Options
from tui.report import write
from tui.screens.main import size_class
from tui.session import Session

DEADLINE_S = 20.0
"""How long one source may take; a source that hangs must not hang the doctor."""

SHOWN = 12
"""Names per line before "and N more"."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor."""

    state: str
    """ok, warn or FAIL"""
    what: str
    hint: str = ""


def run(options: Options) -> int:
    """Print every check; 0 when none failed, 1 when one did."""
    failed = False
    for title, checks in (
        ("terminal", list(terminal_checks())),
        ("configuration", list(configuration_checks(options))),
    ):
        failed |= show(title, checks)
    for title, checks in asyncio.run(_outside_checks(options)):
        failed |= show(title, checks)
    return int(failed)


def show(title: str, checks: list[Check]) -> bool:
    """Print one section; True when a check in it failed."""
    write(f"{title}\n")
    for check in checks:
        write(f"  {check.state:<4}  {printable(check.what, 2000)}\n")
        if check.hint:
            write(f"        -> {printable(check.hint, 1000)}\n")
    sys.stdout.flush()
    return any(check.state == "FAIL" for check in checks)


def terminal_checks() -> Iterator[Check]:
    """Size, colours, encoding, multiplexer, clock."""
    problem = terminal_problem()
    if problem:
        yield Check("warn", problem, "the screen needs a terminal; `mltriage report` does not")
    columns, rows = shutil.get_terminal_size()
    arrangement = size_class(columns, rows)
    yield Check(
        "warn" if arrangement == "tiny" else "ok",
        f"{columns}x{rows}: {arrangement} arrangement",
        "from 80x24 on there are charts" if arrangement == "tiny" else "",
    )
    colours = "no colours (NO_COLOR)" if os.environ.get("NO_COLOR") else os.environ.get("COLORTERM") or "256 colours"
    yield Check("ok", f"TERM={os.environ.get('TERM', 'not set')}, {colours}")
    encoding = locale.getpreferredencoding(False)
    unicode = encoding.lower().replace("-", "") == "utf8"
    yield Check("ok" if unicode else "warn", f"encoding {encoding}", "" if unicode else "start with --ascii")
    if "TMUX" in os.environ:
        yield Check("ok", "inside tmux: copies go through its buffer")
    moment = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime())
    yield Check("ok", f"clock {moment}; ages below are against it")


def configuration_checks(options: Options) -> Iterator[Check]:
    """The file in force."""
    file = options.loaded.file
    yield Check("ok", f"file {file}" if file else "no file: flags and defaults (mltriage config init writes one)")
    if not options.has_sources:
        yield Check("FAIL", "no source", "start with --logs PATH, --prometheus URL or --scrape URL, or `mltriage demo`")


async def _outside_checks(options: Options) -> list[tuple[str, list[Check]]]:
    """Sources and targets, all asked at the same time."""
    from tui.target_checks import target_checks

    sources, targets = await asyncio.gather(source_checks(options), target_checks(options))
    return [*sources, *targets]


async def source_checks(options: Options) -> list[tuple[str, list[Check]]]:
    """Ask every source once, all at the same time."""
    from tui.sources import open_session

    session = open_session(options)
    try:
        answers = await asyncio.gather(*(source_check(session, feed) for feed in session.feeds))
        servers = {source.name: source for source in options.prometheus}
        for feed, (_, checks) in zip(session.feeds, answers, strict=True):
            status = feed.status
            if status.kind == "prometheus" and status.name in servers and status.state is not State.FAILED:
                checks += await server_check(servers[status.name])
        return list(answers)
    finally:
        await session.close()


async def server_check(source: PrometheusSource) -> list[Check]:
    """Which version answers and how many of its targets are up, where the server offers that."""
    from connectors.prom_session import PromClient
    from tui.sources import access_to

    client = await asyncio.to_thread(PromClient, source.url, access_to(source))
    try:
        found = await asyncio.wait_for(asyncio.to_thread(client.check), DEADLINE_S)
    except (SourceError, TimeoutError) as error:
        return [Check("warn", f"version and targets: {error or 'no answer'}")]
    finally:
        await asyncio.to_thread(client.close)
    checks = [Check("ok", f"version {found['version']}")] if "version" in found else []
    if "targets" in found:
        up, _, every = found["targets"].partition("/")
        checks.append(Check("ok" if up == every else "warn", f"targets up: {up} of {every}"))
    return checks


async def source_check(session: Session, feed: LogFeed | MetricFeed) -> tuple[str, list[Check]]:
    """What one source answers, and what was understood of it."""
    title = f"{feed.status.kind} {printable(feed.status.name)}"
    started = time.monotonic()
    try:
        await asyncio.wait_for(session.poll(feed), DEADLINE_S)
    except TimeoutError:
        return title, [Check("FAIL", f"no answer within {DEADLINE_S:.0f} s", "is it reachable from here?")]
    status, checks = feed.status, list(understood(feed))
    if status.state is State.FAILED:
        return title, [Check("FAIL", status.error or "failed", status.hint or ""), *checks]
    age = "no sample" if status.newest_sample is None else age_words(session.clock() - status.newest_sample)
    state = "ok" if status.state is State.LIVE else "warn"
    took = time.monotonic() - started
    return title, [Check(state, f"{status.state}: {age}; the window and its baseline took {took:.1f} s"), *checks]


def age_words(age_s: float) -> str:
    """The age of the newest sample; one from the future says whose clock to look at."""
    if age_s < -60:
        return f"newest sample {duration(-age_s)} in the FUTURE: compare the clocks of this machine and the writer"
    return f"newest sample {duration(max(0.0, age_s))} old"


def understood(feed: LogFeed | MetricFeed) -> Iterator[Check]:
    """The mapping of a log store, or the presets of a metric store."""
    if isinstance(feed, LogFeed):
        schema = feed.schema
        if schema is None:
            return
        for field, expression in schema.fields.items():
            yield Check("ok", f"{field} = {expression}")
        if schema.missing:
            yield Check("ok", f"not logged: {listed(schema.missing)}")
        yield Check("ok" if schema.dims else "warn", f"dimensions: {listed(tuple(schema.dims)) or 'none'}")
        features = tuple(f"{f.name} ({f.kind})" for f in schema.features if f.name not in schema.calls)
        yield Check("ok" if features else "warn", f"features: {listed(features) or 'none'}")
        if schema.calls:
            waits = tuple(f"{dependency} ({name})" for name, (dependency, _) in schema.calls.items())
            yield Check("ok", f"calls to other services: {listed(waits)}")
        notes = (*schema.notes, *feed.notes)
    else:
        catalog = feed.catalog
        if catalog is None:
            return
        yield Check("ok" if catalog.presets else "warn", f"presets: {listed(catalog.presets) or 'none detected'}")
        signals = tuple(f"{signal} ({preset})" for signal, preset in catalog.signals.items())
        yield Check("ok" if signals else "warn", f"signals: {listed(signals) or 'none'}")
        yield Check(
            "ok" if catalog.models else "warn",
            f"models: {listed(catalog.models) or 'none'}",
            "" if catalog.models else "no request metric was recognised: `queries` of the source can name it",
        )
        notes = (*catalog.notes, *feed.notes)
    for note in dict.fromkeys(notes):
        yield Check("ok", f"note: {note}")


def listed(names: tuple[str, ...]) -> str:
    """Names in a line."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
