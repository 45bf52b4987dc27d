"""How the program ends: on signals, on a lost terminal, and always."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

CHECK_EVERY_S = 2.0
GONE_WITHIN_S = 4.0
"""From a signal to the end of the process, at most: the supervisor or the user waits about five seconds."""
_DUMB_TERMINALS = ("", "dumb", "unknown")


def terminal_problem() -> str | None:
    """Say in words why the screen cannot be drawn here, None if it can."""
    for name, stream in (
        ("standard input", sys.__stdin__),
        ("standard output", sys.__stdout__),
        ("standard error", sys.__stderr__),
    ):
        if stream is None or stream.closed or not stream.isatty():
            return f"{name} is not a terminal"
    term = os.environ.get("TERM", "")
    if term in _DUMB_TERMINALS:
        return f"the terminal cannot place text (TERM={term or 'not set'})"
    return None


def leave_within(seconds: float, return_code: int, last: Callable[[], None] | None = None) -> threading.Timer:
    """End the process after `seconds` if it has not ended by itself, whatever it is doing; `last` is called before.

    For everything that could block for ever on the way out: a worker, a thread, a print to a stalled terminal. The
    timer that is returned may be cancelled once the danger is over.
    """

    def end() -> None:
        try:
            if last is not None:
                last()
        finally:
            os._exit(return_code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer


class Lifecycle:
    """Watches over one running app; made by `install`."""

    def __init__(self, app: App[Any], save: Callable[[], None] | None) -> None:
        self._app = app
        self._save = save
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._leaving = False
        self._deadlines: list[threading.Timer] = []
        self._wake, self._waker = os.pipe()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            # A program started by nohup has to go on; if its terminal is lost, the watch sees it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._loop.add_signal_handler(number, self.leave, number)
        self._watch = threading.Thread(target=self._watch_terminal, name="terminal-watch", daemon=True)
        self._watch.start()

    def leave(self, number: int) -> None:
        """Leave as after the signal `number`: exit code 128 + number, within GONE_WITHIN_S in any case."""
        if self._leaving:
            return
        self._leaving = True
        self._stopped.set()
        self._deadlines.append(leave_within(GONE_WITHIN_S, 128 + number, self._last_words))
        self._app.exit(return_code=128 + number)

    def close(self) -> None:
        """Stop watching, as the last act of the app (the signals stay handled until the event loop ends).

        A thread that outlives the app keeps all of it alive, and DuckDB complains of that on the user's terminal.
        """
        self._stopped.set()
        os.write(self._waker, b".")
        self._watch.join()
        for deadline in self._deadlines:
            deadline.cancel()
        os.close(self._wake)
        os.close(self._waker)

    def _last_words(self) -> None:
        try:
            if self._save is not None:
                self._save()
        finally:
            abandon = getattr(self._app._driver, "abandon", None)
            if abandon is not None:
                abandon()

    def _watch_terminal(self) -> None:
        fileno = sys.__stdin__.fileno() if sys.__stdin__ is not None else 0
        poller = select.poll()
        poller.register(fileno, 0)
        poller.register(self._wake, select.POLLIN)
        while not self._stopped.is_set() and not self._loop.is_closed():
            hung_up = any(
                event & (select.POLLHUP | select.POLLERR | select.POLLNVAL)
                for _, event in poller.poll(CHECK_EVERY_S * 1000)
            )
            if self._stopped.is_set():
                return
            if hung_up or not os.isatty(fileno):
                self._lost()
                return

    def _lost(self) -> None:
        if self._stopped.is_set() or self._loop.is_closed():
            return
        # Armed here and not only in the event loop: an input thread that reads end of file can keep the loop busy.
        self._deadlines.append(leave_within(GONE_WITHIN_S, 128 + signal.SIGHUP, self._last_words))
        self._loop.call_soon_threadsafe(self.leave, signal.SIGHUP)


def install(app: App[Any], *, save: Callable[[], None] | None = None) -> Lifecycle | None:
    """Make SIGTERM, SIGHUP, SIGINT and a lost terminal end `app` cleanly; call it in `on_mount`.

    The app exits with return code 128 + signal number (pass `app.return_code` to `sys.exit`), so that `on_unmount` runs
    and the terminal is restored. If that takes longer than GONE_WITHIN_S, `save` is called (in another thread) and the
    process ended. Returns None, and does nothing, for an app without a terminal (tests).
    """
    if app.is_headless:
        return None
    return Lifecycle(app, save)
