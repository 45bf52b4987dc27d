"""What is said when the program has a defect: where it broke, without what it held, and what to do next."""

from __future__ import annotations

import os
import platform
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from analysis.printable import printable
from tui.paths import state_folder

EX_SOFTWARE = 70
"""Exit status of a defect, as sysexits.h has it: no answer of `report` is taken for one."""

LINE_CHARS = 2_000
NEXT = (
    "Start it again: what was saved is on the disk, and the outbox goes on where it was.",
    "  mltriage incidents list    what was flagged",
    "  mltriage report            the answer without the screen",
    "  mltriage doctor            what of this terminal and of the sources does not work",
)


def told(error: BaseException) -> str:
    """The whole report, kept in a file where that can be; the file is named in it."""
    text = words(error)
    try:
        path = _keep(text)
    except OSError as problem:
        return (
            f"{text}Please pass this text on to whoever maintains mltriage ({problem.strerror or problem}: no copy).\n"
        )
    return f"{text}Please pass this text on to whoever maintains mltriage; it is in {path}\n"


def words(error: BaseException) -> str:
    """Where it broke and what to do. No variable is shown: one may hold a secret."""
    told_lines = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format()).splitlines()
    first = next(iter(str(error).splitlines()), "")
    head = f"mltriage has a defect and has ended: {type(error).__name__}{f': {first}' if first else ''}"
    about = f"python {platform.python_version()}, {platform.system()}, TERM={os.environ.get('TERM', '')}"
    lines = (*told_lines, "", head, f"({about})", "", *NEXT)
    return "\n".join(printable(line, LINE_CHARS) for line in lines) + "\n"


def _keep(text: str) -> Path:
    """Write it where only its owner reads it.

    Raises:
        OSError: it cannot be written.
    """
    folder = state_folder() / "crashes"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{datetime.fromtimestamp(time.time(), UTC).strftime('%Y%m%dT%H%M%SZ')}-{os.getpid()}.txt"
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path
