"""`mltriage record`: the answers of a running fleet to a bounded file, without a screen."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.words import binary_bytes
from tui.options import Options

if TYPE_CHECKING:
    from incidents.recording import Recorder


def run(options: Options, path: Path, *, every_s: float, limit_bytes: int, count: int | None) -> int:
    """Keep an answer every so often until the program is ended, or `count` are kept.

    Returns 0 when it was ended, 1 when the file cannot be recorded to, 3 when the disk takes nothing more.
    """
    from incidents.recording import Recorder, RecordingError

    try:
        recorder = Recorder(path, limit_bytes)
    except RecordingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        return asyncio.run(_record(options, recorder, every_s, count))
    finally:
        recorder.close()


async def _record(options: Options, recorder: Recorder, every_s: float, count: int | None) -> int:
    from incidents.codec import encode
    from tui.keeping import others
    from tui.report import answered
    from tui.sources import open_session

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    session, kept = open_session(options), 0
    try:
        while not ended.is_set() and (count is None or kept < count):
            began = time.monotonic()
            snapshot = await answered(session)
            content = encode(snapshot, others(session, snapshot))
            size = recorder.append(content, snapshot.moment)
            kept += 1
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{kept} frames, the last one {binary_bytes(size)}   ")
            wait = began + every_s - time.monotonic()
            if kept != count and wait > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), wait)
    except OSError as error:
        sys.stderr.write(f"{recorder.path}: {error.strerror or error}; {kept} frames are kept\n")
        return 3
    finally:
        await session.close()
    sys.stderr.write(f"{kept} frames kept in {recorder.path}\n")
    return 0
