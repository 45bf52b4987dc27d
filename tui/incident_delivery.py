"""Telling the targets from the command line: what is queued, what was delivered, what would be sent."""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.printable import printable
from tui.flagging import Telling, Wish, wanted_by
from tui.options import Options
from tui.targets import channels_of

if TYPE_CHECKING:
    from incidents.flagging import Draft
    from incidents.journal import Journal
    from incidents.outbox import Delivery

LOOK_EVERY_S = 2.0
ASSERT_EVERY_S = 120.0
"""An Alertmanager that was restarted has its alerts back after this."""

NOT_TOLD = 4
"""Exit status: saved, but a target refused it, or it cannot be known whether it arrived."""


def deliver(journal: Journal, options: Options, telling: Telling) -> int:
    """Empty the outbox of this user as far as it can be in the given time; the exit status."""
    from incidents.outbox import Outbox

    if not options.targets:
        return 0
    ended: dict[tuple[str, str], Delivery] = {}

    def news(delivery: Delivery) -> None:
        ended[delivery.event, delivery.target] = delivery
        if delivery.state != "sending":
            _say(words(delivery))

    outbox = Outbox(journal, channels_of(options), news=news)
    left = asyncio.run(outbox.deliver(telling.wait_s))
    for delivery in left:
        _say(f"{words(delivery)}; it stays in the outbox: `mltriage incidents deliver` goes on")
    return NOT_TOLD if any(delivery.state in ("failed", "unknown") for delivery in ended.values()) else 0


async def keep_delivering(options: Options, say: Callable[[str, bool], None]) -> None:
    """While the screen is open: deliver what this user has queued, in any process, and assert open alerts again.

    Args:
        say: is told each change of a delivery in words, and whether it ended badly.
    """
    from incidents.outbox import Outbox
    from tui.incident_store import open_journal

    def news(delivery: Delivery) -> None:
        if delivery.state != "sending":
            say(f"{delivery.incident} {words(delivery)}", delivery.state in ("failed", "unknown"))

    journal = await asyncio.to_thread(open_journal, options)
    outbox, asserted = Outbox(journal, channels_of(options), news=news), -math.inf
    try:
        while True:
            if await asyncio.to_thread(outbox.pending):
                await outbox.deliver(ASSERT_EVERY_S)
            if time.monotonic() - asserted >= ASSERT_EVERY_S:
                asserted = time.monotonic()
                await outbox.assert_open()
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        journal.close()


def resume(journal: Journal, options: Options, telling: Telling) -> int:
    """Deliver what an earlier run has left, and assert open incidents at every Alertmanager again."""
    from incidents.outbox import Outbox

    status = deliver(journal, options, telling)
    taken = asyncio.run(Outbox(journal, channels_of(options)).assert_open())
    _say(f"{taken} open alerts asserted again")
    return status


def dry_run(options: Options, wanted: Draft, wish: Wish, telling: Telling) -> int:
    """Print the requests that declaring would send; nothing is saved or sent."""
    from incidents.events import Kind
    from incidents.flagging import declare
    from incidents.outbox import Outbox

    with _scratch() as journal:
        environment = options.incidents.environment or ""
        saved = declare(
            journal, wanted, title=wish.title, severity=wish.severity, drill=wish.drill, environment=environment
        )
        events = journal.history(saved.event.incident).events
        outbox = Outbox(journal, channels_of(options))
        for name, request in outbox.payloads(events, wanted_by(options, telling, Kind.DECLARED)):
            sys.stdout.write(f"# {name}\n{request.method} {request.url}\n")
            sys.stdout.writelines(f"{key}: {value}\n" for key, value in request.headers.items())
            sys.stdout.write(f"\n{request.body.decode('ascii')}\n\n")
    _say("dry run: nothing was saved or sent")
    return 0


def test(options: Options, names: tuple[str, ...]) -> int:
    """Tell targets of a drill that begins and ends at once; nothing is kept of it."""
    from incidents.events import Kind
    from incidents.outbox import Outbox
    from incidents.sending import State

    known = {target.name for target in options.targets}
    if unknown := set(names) - known:
        _say(
            f"no target {', '.join(sorted(unknown))} in the configuration; known: {', '.join(sorted(known)) or 'none'}"
        )
        return 1
    status = 0
    with _scratch() as journal:
        incident = journal.new_incident()
        outbox = Outbox(journal, channels_of(options))
        for kind, data in (
            (Kind.DECLARED, {"title": "test of mltriage, nothing is wrong", "severity": 5, "drill": True}),
            (Kind.RESOLVED, {"text": "end of the test"}),
        ):
            journal.append(incident, kind, data)
            events = journal.history(incident).events
            for name, outcome in asyncio.run(outbox.try_out(events, names or tuple(known))).items():
                sys.stdout.write(f"{name} {kind}: {outcome.state}{f' ({outcome.reason})' if outcome.reason else ''}\n")
                status = status if outcome.state is State.OK else NOT_TOLD
    return status


def words(delivery: Delivery) -> str:
    """`chat: retry 2 (HTTP 503)`."""
    tries = f" {delivery.tries}" if delivery.state == "retry" else ""
    why = f" ({printable(delivery.reason)})" if delivery.reason else ""
    return f"{delivery.target}: {delivery.state}{tries}{why}"


@contextmanager
def _scratch() -> Iterator[Journal]:
    """A journal that is gone afterwards."""
    from incidents.journal import Journal
    from incidents.place import Place

    with tempfile.TemporaryDirectory(prefix="mltriage-") as folder:
        journal = Journal(Place(Path(folder), Path(folder)))
        yield journal
        journal.close()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
