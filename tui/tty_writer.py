"""Writes to a terminal without ever waiting for it, and knows how far behind it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import termios
import threading
import time
from collections.abc import Callable

MAX_QUEUED_BYTES = 1 << 20
"""Hard bound of the queue. Frames stop long before (see CellDiffDriver); only copies to the clipboard can get here."""


def _controlling_terminal(_fileno: int) -> str:
    # Always ours to open, also after `su`, when the device itself still belongs to the first user.
    return os.ctermid()


class TtyWriter:
    """A queue of bytes in front of a terminal, drained by the event loop whenever the terminal takes some.

    `on_drained` is called in the event loop when the queue has become empty after it was not. Thread-safe.
    """

    def __init__(self, fileno: int, loop: asyncio.AbstractEventLoop, on_drained: Callable[[], None]) -> None:
        self.gone = False
        """The terminal does not exist any more; what is written is thrown away."""
        self._loop = loop
        self._on_drained = on_drained
        self._lock = threading.RLock()
        self._queue = bytearray()
        self._since = 0.0
        self._watching = False
        self._shared_fileno = fileno
        self._fd = self._open(fileno)

    def _open(self, fileno: int) -> int:
        # Non-blocking mode belongs to the open file, and the shell shares ours: open the terminal once more.
        for name in (os.ttyname, _controlling_terminal):
            with contextlib.suppress(OSError):
                return os.open(name(fileno), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(fileno, False)
        return fileno

    @property
    def queued_bytes(self) -> int:
        """Bytes that the terminal has not taken yet."""
        return len(self._queue)

    @property
    def lag_s(self) -> float:
        """Seconds since the terminal last took something, 0 if nothing waits."""
        return time.monotonic() - self._since if self._queue else 0.0

    def put(self, text: str) -> None:
        """Write what the terminal takes at once, queue the rest; text beyond MAX_QUEUED_BYTES is dropped whole."""
        data = text.encode("utf-8", "replace")
        with self._lock:
            if self.gone or len(self._queue) + len(data) > MAX_QUEUED_BYTES:
                return
            if not self._queue:
                self._since = time.monotonic()
            self._queue += data
            self._write_some()
            if self._queue and not self._watching:
                self._watching = True
                self._loop.call_soon_threadsafe(self._watch)

    def _watch(self) -> None:
        with self._lock:
            if self._watching and self._fd >= 0:
                self._loop.add_writer(self._fd, self._on_writable)

    def _on_writable(self) -> None:
        with self._lock:
            self._write_some()
            if self._queue:
                return
            self._watching = False
            self._loop.remove_writer(self._fd)
        self._on_drained()

    def _write_some(self) -> None:
        try:
            while self._queue:
                del self._queue[: os.write(self._fd, self._queue[:4096])]
                self._since = time.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True
            self._queue.clear()

    def drain(self, seconds: float) -> bool:
        """Wait at most `seconds` until everything is written; say whether it is."""
        end = time.monotonic() + seconds
        with self._lock:
            if not self._queue:
                return True
            poller = select.poll()
            poller.register(self._fd, select.POLLOUT)
            while self._queue and (left := end - time.monotonic()) > 0:
                poller.poll(left * 1000)
                self._write_some()
            return not self._queue

    def replace(self, text: str) -> None:
        """Throw away all that the terminal has not read, here and in the kernel, and write `text` if there is room."""
        with self._lock:
            self._queue.clear()
            with contextlib.suppress(termios.error):
                termios.tcflush(self._fd, termios.TCOFLUSH)
            self.put(text)
            self._queue.clear()

    def close(self) -> None:
        """Let go of the terminal; what is still queued is lost."""
        with self._lock:
            if self._fd < 0:
                return
            if self._watching and not self._loop.is_closed():
                self._loop.remove_writer(self._fd)
            self._watching = False
            self._queue.clear()
            self.gone = True
            if self._fd == self._shared_fileno:
                with contextlib.suppress(OSError):
                    os.set_blocking(self._fd, True)
            else:
                os.close(self._fd)
            self._fd = -1
