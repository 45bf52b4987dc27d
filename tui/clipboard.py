"""Copies text to the clipboard of whoever looks at the screen, over SSH and inside tmux, and always to a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tui.paths import state_folder

if TYPE_CHECKING:
    from textual.app import App

TMUX_TIMEOUT_S = 2.0
MAX_OSC52_BYTES = 74_994
"""Largest base64 text that terminals take in one OSC 52 sequence (the limit k9s found, K9S_OSC52_MAX)."""
# Controls but newline and tab, line and paragraph separators, direction overrides, lone surrogates.
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Copied:
    """Where a copy went: `how` is the clipboard it was handed to ("file": none), `path` None if unwritable."""

    how: Literal["tmux", "terminal", "file"]
    path: Path | None

    @property
    def words(self) -> str:
        """What to tell the user; a terminal never confirms an OSC 52 copy."""
        sent = {
            "tmux": "copied to tmux and its terminal's clipboard",
            "terminal": "sent to the clipboard (if the terminal allows it)",
            "file": "not sent to the clipboard",
        }[self.how]
        return f"{sent}; {'no file could be written' if self.path is None else f'also in {self.path}'}"


def as_text(text: str) -> str:
    """Return `text` with every control character but newline and tab written out (`\\x1b`), line ends as newlines."""
    return _NOT_TEXT.sub(lambda match: ascii(match[0])[1:-1], text.replace("\r\n", "\n"))


async def copy(text: str, app: App[Any]) -> Copied:
    """Copy `text`, made harmless by `as_text`: through tmux if inside it, else by OSC 52; and to a file in any case.

    The file is `copied.txt` in the XDG state folder of mltriage, readable by its owner only; each copy replaces the
    last. Raises nothing: what did not work is in the result.
    """
    text = as_text(text)
    path = await asyncio.to_thread(_write_file, text)
    if "TMUX" in os.environ and await _to_tmux(text):
        return Copied("tmux", path)
    if (len(text.encode()) + 2) // 3 * 4 > MAX_OSC52_BYTES:
        return Copied("file", path)
    app.copy_to_clipboard(text)
    return Copied("terminal", path)


async def _to_tmux(text: str) -> bool:
    # Default tmux swallows OSC 52 from programs; load-buffer -w (3.2 and later) hands the text to the outer terminal.
    process = None
    try:
        process = await asyncio.create_subprocess_exec(
            "tmux",
            "load-buffer",
            "-w",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await asyncio.wait_for(process.communicate(text.encode()), TMUX_TIMEOUT_S)
    except (OSError, TimeoutError):
        return False
    finally:
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode == 0


def _write_file(text: str) -> Path | None:
    path = state_folder() / "copied.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes the file with mode 0600; the rename keeps a reader from seeing half of it.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".copied-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError:
        return None
    return path
