"""The terminal driver: sends only the cells that changed, and never more than the terminal takes."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.messages import TerminalSupportsSynchronizedOutput

from tui.cells import Screen
from tui.frames import FrameReader
from tui.pens import Pens
from tui.tty_writer import TtyWriter

if TYPE_CHECKING:
    from textual.app import App
    from textual.message import Message

_SYNC_BEGIN, _SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
_PROBE = "\x1b[?2026$p"
_PROBE_EVERY_BYTES = 2048
_UNANSWERED_BYTES = 4096
_PROBE_TIMEOUT_S = 3.0
_LEAVE_S = 0.8
_RESIZE_SETTLED_S = 0.3
# CAN and ST end whatever sequence was cut; then everything that Textual switches on is switched off.
RESTORE = (
    "\x18\x1b\\\x1b[?2026l\x1b[m\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)


class CellDiffDriver(LinuxDriver):
    """Keeps what the terminal shows and sends, of each frame that Textual paints, the cells that differ.

    While the terminal has not taken the last frame no other is sent; the newest picture is, as soon as it has. The
    kernel's queue tells little over SSH, which buffers megabytes, so terminals that know synchronised output are asked,
    about every two kilobytes, a question whose answer shows how far they have read.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        # The file Textual paints on; 2 is what it is a name for when the interpreter was started without it.
        self._output_fileno = self._file.fileno() if self._file is not None else 2
        self._lock = threading.RLock()
        self._tty: TtyWriter | None = None
        self._screen = Screen(*(size or self._get_terminal_size()), Pens())
        self._reader = FrameReader(self._screen, self._send)
        self._size_changed = False
        self._reported_size: tuple[int, int] | None = None
        self._answers = False
        self._probed_at: float | None = None
        self._unprobed_bytes = 0
        self._answered = threading.Event()
        self._waiting = False
        self.frames_dropped = 0
        """Frames that were not sent because the terminal was behind."""
        self.round_trip_s: float | None = None
        """How long the terminal took to answer the last question, None before the first answer."""

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait here for the terminal."""
        return self._tty.queued_bytes if self._tty is not None else 0

    @property
    def lag_s(self) -> float:
        """Seconds the terminal is behind: since it last took bytes while some wait, or since an unanswered question."""
        taken = self._tty.lag_s if self._tty is not None else 0.0
        return max(taken, time.monotonic() - self._probed_at if self._probed_at is not None else 0.0)

    @property
    def terminal_gone(self) -> bool:
        """The terminal does not exist any more (connection lost, window closed)."""
        return self._tty is not None and self._tty.gone

    def write(self, data: str) -> None:
        """Take terminal output of the application; while it is suspended only the picture is kept up to date."""
        with self._lock:
            self._follow_size()
            self._reader.feed(data)
            if not self._reader.in_sync:
                self._send_frame()

    def repaint(self) -> None:
        """Send the whole picture again (another program has written over it)."""
        with self._lock:
            self._screen.forget_shown()
            self._send_frame()

    @property
    def mouse(self) -> bool:
        """The application gets the mouse, not the terminal's own selection."""
        return self._mouse

    def set_mouse(self, on: bool) -> None:
        """Take the mouse, or leave it to the terminal's own selection."""
        if not on:
            self._disable_mouse_support()
        self._mouse = on
        self._enable_mouse_support()
        if self._mouse_pixels:
            self._enable_mouse_pixels()

    def _send(self, text: str) -> None:
        if self._tty is not None:
            self._unprobed_bytes += len(text)
            self._tty.put(text)

    def _behind(self) -> bool:
        if self.queued_bytes:
            return True
        if self._probed_at is None or self._unprobed_bytes < _UNANSWERED_BYTES:
            return False
        if time.monotonic() - self._probed_at < _PROBE_TIMEOUT_S:
            return True
        self._probed_at = None
        return False

    def _send_frame(self) -> None:
        if self._tty is None or not self._reader.on_alternate_screen:
            return
        if self._behind():
            self.frames_dropped += 1
            if not self._waiting and self._probed_at is not None:
                self._waiting = True
                left = max(0.0, self._probed_at + _PROBE_TIMEOUT_S - time.monotonic())
                self._loop.call_soon_threadsafe(self._loop.call_later, left, self._stop_waiting)
            return
        frame = self._screen.compose(self._reader.park)
        if not frame:
            return
        if self._reader.synchronised:
            frame = f"{_SYNC_BEGIN}{frame}{_SYNC_END}"
            self._reader.synchronised = False
        if self._answers and self._probed_at is None and self._unprobed_bytes + len(frame) >= _PROBE_EVERY_BYTES:
            # Before the question goes out: the input thread may see the answer at once.
            self._answered.clear()
            self._probed_at = time.monotonic()
            self._send(frame + _PROBE)
            self._unprobed_bytes = 0
        else:
            self._send(frame)

    def _stop_waiting(self) -> None:
        self._waiting = False
        self._catch_up()

    def _catch_up(self) -> None:
        """Send the newest picture if the terminal can take it."""
        with self._lock:
            if not self._reader.in_sync:
                self._send_frame()

    def process_message(self, message: Message) -> None:
        """Take note of answers and sizes that the terminal reports (in the input thread)."""
        if isinstance(message, TerminalSupportsSynchronizedOutput):
            self._answers = True
            if self._probed_at is not None:
                self.round_trip_s = time.monotonic() - self._probed_at
                self._probed_at = None
                self._answered.set()
                self._loop.call_soon_threadsafe(self._catch_up)
                return
        elif isinstance(message, events.Resize):
            self._reported_size = message.size.width, message.size.height
            self._size_changed = True
        super().process_message(message)

    def _follow_size(self) -> None:
        """After a resize nothing is known about the picture; Textual paints it anew."""
        if not self._size_changed:
            return
        self._size_changed = False
        width, height = self._tty_size()
        if (width, height) != (self._screen.width, self._screen.height):
            self._screen = Screen(width, height, self._screen.pens)
            self._reader.resize(self._screen)
        else:
            self._screen.forget_shown()

    def _resize_again(self) -> None:
        """Tell the screen its size if it has missed it: Textual 8.2.8 loses the last one of a burst now and then."""
        size = Size(*self._get_terminal_size())
        if self._app.is_running and self._app.screen_stack and self._app.screen.size != size:
            resize = events.Resize(size, size)
            (self._app if self._app.size != size else self._app.screen).post_message(resize)

    def _tty_size(self) -> tuple[int, int]:
        with contextlib.suppress(OSError):
            width, height = os.get_terminal_size(self._output_fileno)
            if width and height:
                return width, height
        return self._reported_size or self._get_terminal_size()

    def start_application_mode(self) -> None:
        """Take the terminal."""
        with self._lock:
            self._tty = TtyWriter(self._output_fileno, self._loop, self._catch_up)
            self._size_changed = True
            self._answers, self._probed_at, self._unprobed_bytes = False, None, 0
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._writer_thread is not None:
            # Its queue would block the application when the terminal is slow; nothing goes through it.
            self._writer_thread.stop()
            self._writer_thread = None
        textual_handler = signal.getsignal(signal.SIGWINCH)

        def on_resize(number: int, stack: FrameType | None) -> None:
            self._size_changed = True
            self._loop.call_soon_threadsafe(self._loop.call_later, _RESIZE_SETTLED_S, self._resize_again)
            if callable(textual_handler):
                textual_handler(number, stack)

        signal.signal(signal.SIGWINCH, on_resize)

    def stop_application_mode(self) -> None:
        """Give the terminal back as it was, within about a second and a half even if it takes nothing."""
        if self._probed_at is not None and not self.queued_bytes:
            # An answer that comes later would be typed into the shell.
            self._answered.wait(_LEAVE_S / 2)
        super().stop_application_mode()
        if self._tty is not None and not self._tty.drain(_LEAVE_S):
            self._tty.replace(RESTORE)
            self._tty.close()

    def close(self) -> None:
        """Let go of the terminal."""
        with self._lock:
            tty, self._tty = self._tty, None
        if tty is not None:
            tty.drain(_LEAVE_S)
            tty.close()

    def abandon(self) -> None:
        """Restore the terminal as well as it can be done without waiting, for a process about to be ended."""
        if self._tty is not None:
            self._tty.replace(RESTORE)
        if self.attrs_before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
