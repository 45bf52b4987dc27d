"""The answer on stdout, without a screen: text for people, JSON for programs, Markdown for a ticket."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from analysis.answer import Severity, Snapshot
from tui.options import Options
from tui.report_json import as_json
from tui.report_text import as_markdown, as_text

if TYPE_CHECKING:
    from tui.session import Session

EXIT = {Severity.OK: 0, Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2, None: 3}
"""Exit code of each status: 0 ok, 1 warning, 2 critical, 3 cannot tell."""


def run(options: Options, output: str) -> int:
    """Ask every source once, print the answer, and return the exit code of its status."""
    snapshot = asyncio.run(evaluate(options))
    write({"json": as_json, "markdown": as_markdown, "text": as_text}[output](snapshot) + "\n")
    return EXIT[snapshot.status]


def write(text: str) -> None:
    """Text on stdout; what its encoding does not have becomes an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


async def evaluate(options: Options) -> Snapshot:
    """The snapshot of one question, with the segment of each of its first findings."""
    from tui.sources import open_session

    session = open_session(options)
    try:
        return await answered(session)
    finally:
        await session.close()


async def answered(session: Session) -> Snapshot:
    """The whole answer of a session to its view: every source is asked once, and segments are looked for."""
    await session.poll_all()
    _, cases = session.answer()
    await session.explain(cases)
    snapshot, _ = session.answer()
    return snapshot
