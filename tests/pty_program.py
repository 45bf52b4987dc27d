"""Runs a program in a real pseudo-terminal, over a link of any speed, with an emulator at the far end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import termios
import threading
import time
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyte
from pyte.screens import Char
from rich.cells import cell_len, split_graphemes

Cell = tuple[str, str, str, bool, bool, bool, bool, bool]
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_CSI = re.compile(r"\x1b\[(?P<mark>[<=>?])(?P<args>[0-9;]*)(?P<inter>[ -/]*)(?P<final>[@-~])")
_ANY_CSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_STRING = re.compile(r"\x1b[\]P_^X].*?(?:\x1b\\|\x07)", re.DOTALL)
_ERASE_CHARACTERS = re.compile(r"\x1b\[(\d*)X")


class Emulator(pyte.Screen):
    """A pyte screen without autowrap, with clusters, and with wide characters that break in halves as in xterm.

    `cluster_width` says how many cells a grapheme takes. Private modes are kept in `modes_on`, strings (OSC, DCS)
    dropped.
    """

    def __init__(self, width: int, height: int, *, cluster_width: Callable[[str], int] = cell_len) -> None:
        super().__init__(width, height)
        self._stream = pyte.Stream(self)
        self._cluster_width = cluster_width
        self.modes_on: set[str] = set()
        self.cursor_hidden = False
        self.unread = ""

    def feed(self, text: str) -> None:
        """Show terminal output; an incomplete escape sequence at the end waits for the rest."""
        text = self.unread + text
        cut = max(text.rfind("\x1b"), 0)
        last = text[cut:]
        whole = (
            not last.startswith("\x1b")
            or re.match(r"\x1b(\[[0-?]*[ -/]*[@-~]|[^\[\]P_^X])", last)
            or _STRING.match(last)
        )
        self.unread = "" if whole else last
        text = text if whole else text[:cut]
        text = _STRING.sub("", text)
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        at = 0
        for match in _CSI.finditer(text):
            self._stream.feed(text[at : match.start()])
            at = match.end()
            self._private(match)
        self._stream.feed(text[at:])

    def _private(self, match: re.Match[str]) -> None:
        if match["mark"] != "?" or match["final"] not in "hl":
            return
        for mode in match["args"].split(";"):
            if match["final"] == "h":
                self.modes_on.add(mode)
            else:
                self.modes_on.discard(mode)
            if mode == "1049":
                self.erase_in_display(2)
            elif mode == "25":
                self.cursor_hidden = match["final"] == "l"

    def draw(self, data: str) -> None:
        """Draw text by graphemes."""
        for start, end, _ in split_graphemes(data)[0]:
            text = data[start:end]
            width = max(1, self._cluster_width(text))
            x = min(self.cursor.x, self.columns - 1)
            line = self.buffer[self.cursor.y]
            stop = min(x + width, self.columns)
            self._split(x, stop)
            line[x] = self.cursor.attrs._replace(data=text)
            for half in range(x + 1, stop):
                line[half] = self.cursor.attrs._replace(data="")
            self.cursor.x = min(x + width, self.columns)

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        """Erase; of a wide character that is cut in two nothing is left."""
        x = self.cursor.x
        self._split(0 if how else x, x + 1 if how == 1 else self.columns)
        super().erase_in_line(how, private)

    def erase_characters(self, count: int | None = None) -> None:
        """Erase; of a wide character that is cut in two nothing is left."""
        self._split(self.cursor.x, self.cursor.x + (count or 1))
        super().erase_characters(count)

    def _split(self, start: int, stop: int) -> None:
        """Blank the halves, outside of cells [start, stop), of wide characters that lie across an end of it."""
        line = self.buffer[self.cursor.y]
        if 0 < start < self.columns and line[start].data == "":
            line[start - 1] = line[start - 1]._replace(data=" ")
        if stop < self.columns and line[stop].data == "":
            line[stop] = line[stop]._replace(data=" ")

    def picture(self) -> list[list[Cell]]:
        """Every cell: text and what can be seen of its style (a blank has no visible colour of its own)."""
        return [[_seen(self.buffer[y][x]) for x in range(self.columns)] for y in range(self.lines)]

    def rows(self) -> list[str]:
        """The text of every row."""
        return ["".join(self.buffer[y][x].data for x in range(self.columns)).rstrip() for y in range(self.lines)]

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """Resize as `resize(width, height)` of this class's users; the content is lost, as a terminal may lose it."""
        width, height = lines, columns
        super().resize(height, width)
        self.erase_in_display(2)


def _seen(char: Char) -> Cell:
    if char.data == " " and not (char.reverse or char.underscore or char.strikethrough or char.blink):
        return (" ", "", char.bg, False, False, False, False, False)
    return (char.data, char.fg, char.bg, char.bold, char.italics, char.underscore, char.strikethrough, char.reverse)


class Program:
    """A program in a pseudo-terminal.

    `bytes_per_s` and `delay_s` (one way) make the link slow; it holds `link_bytes` before the program feels it.
    `answer` lets the far end answer the question that modern terminals answer. `pause()` freezes the link. Without
    `emulate` the far end draws nothing, so that only the program is measured; `words_since` reads what it was sent.
    """

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int] = (80, 24),
        *,
        env: Mapping[str, str] | None = None,
        bytes_per_s: float = 0.0,
        delay_s: float = 0.0,
        link_bytes: int = 65536,
        answer: bool = True,
        emulate: bool = True,
        ignore_hangup: bool = False,
    ) -> None:
        self.emulator = Emulator(*size)
        self.raw = bytearray()
        self.started = time.monotonic()
        self.ended_at: float | None = None
        self.status: int | None = None
        self.painted_at: float | None = None
        self.in_flight = 0
        self.most_in_flight = 0
        self._rate, self._delay, self._link_bytes, self._answer = bytes_per_s, delay_s, link_bytes, answer
        self._emulate = emulate
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._flowing = threading.Event()
        self._flowing.set()
        self._changed = threading.Condition()
        self._asked = ""
        environment = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}
        environment |= {name: os.environ[name] for name in ("HOME", "PYTHONPATH") if name in os.environ} | dict(
            env or {}
        )
        self.pid, self.master = os.forkpty()
        if self.pid == 0:
            # As a login shell starts it, whatever the tests themselves were started to ignore (nohup, a job with `&`).
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN if ignore_hangup else signal.SIG_DFL)
            try:
                self._set_size(0, size)
                os.execvpe(command[0], list(command), environment)
            finally:
                os._exit(127)
        os.set_blocking(self.master, False)
        self.modes_before = termios.tcgetattr(self.master)
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @staticmethod
    def _set_size(fileno: int, size: tuple[int, int]) -> None:
        fcntl.ioctl(fileno, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def _read(self) -> None:
        flight: deque[tuple[float, bytes]] = deque()
        free_at = 0.0
        while not self._stop.is_set():
            now = time.monotonic()
            while flight and flight[0][0] <= now and self._flowing.is_set():
                data = flight.popleft()[1]
                self.in_flight -= len(data)
                self._show(data)
            room = self._flowing.is_set() and self.in_flight < self._link_bytes
            wait = min(0.02, max(0.0, flight[0][0] - now)) if flight else 0.02
            if not room:
                self._stop.wait(max(wait, 0.001))
                continue
            if not select.select([self.master], [], [], wait)[0]:
                continue
            try:
                data = os.read(self.master, 65536 if not self._rate else 256)
            except OSError:
                # The program has closed the terminal; the link still carries what was sent.
                self._stop.wait(0.01)
                if not flight:
                    return
                continue
            now = time.monotonic()
            free_at = max(free_at, now) + (len(data) / self._rate if self._rate else 0.0)
            flight.append((free_at + self._delay, data))
            self.in_flight += len(data)
            self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def _show(self, data: bytes) -> None:
        text = self._decode(data)
        with self._changed:
            self.raw += data
            if self._emulate:
                self.emulator.feed(text)
            if self.painted_at is None and b"\x1b[?1049h" in self.raw and any(self.emulator.rows()):
                self.painted_at = time.monotonic()
            self._changed.notify_all()
        if self._answer:
            question = "\x1b[?2026$p"
            *asked, rest = (self._asked + text).split(question)
            self._asked = rest[-len(question) :]
            for _ in asked:
                self.type("\x1b[?2026;2$y")

    def words_since(self, mark: int) -> str:
        """What was sent after the first `mark` bytes, without escape sequences."""
        return _ANY_CSI.sub("", bytes(self.raw[mark:]).decode("utf-8", "replace"))

    def pause(self) -> None:
        """Freeze the link: nothing the program writes is read any more."""
        self._flowing.clear()

    def resume(self) -> None:
        """Let the link flow again."""
        self._flowing.set()

    def type(self, keys: str) -> None:
        """Press keys; they arrive after the delay of the link."""
        if self._delay:
            timer = threading.Timer(self._delay, self._type_now, [keys])
            timer.daemon = True
            timer.start()
        else:
            self._type_now(keys)

    def _type_now(self, keys: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self.master, keys.encode())

    def resize(self, width: int, height: int) -> None:
        """Resize the terminal."""
        with self._changed:
            self.emulator.resize(width, height)
            self._set_size(self.master, (width, height))

    def signal(self, number: int) -> None:
        """Send a signal to the program."""
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Take the terminal away, as a lost connection does."""
        self._stop.set()
        self._reader.join()
        os.close(self.master)

    def wait_for(self, condition: Callable[[], Any], seconds: float = 15.0) -> float:
        """Wait until `condition` holds after some output; return the seconds it took, or raise TimeoutError."""
        start = time.monotonic()
        with self._changed:
            while not condition():
                left = start + seconds - time.monotonic()
                if left <= 0:
                    raise TimeoutError("\n".join(self.emulator.rows()))
                self._changed.wait(min(left, 0.05))
        return time.monotonic() - start

    def wait_for_text(self, text: str, seconds: float = 15.0) -> float:
        """Wait until the screen shows `text`."""
        return self.wait_for(lambda: any(text in row for row in self.emulator.rows()), seconds)

    def wait_for_end(self, seconds: float = 10.0) -> float:
        """Wait until the program is gone; return the seconds it took, or raise TimeoutError. Sets `status`."""
        start = time.monotonic()
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.ended_at = time.monotonic()
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() - start > seconds:
                raise TimeoutError(f"still running after {seconds} s")
            else:
                time.sleep(0.005)
        return time.monotonic() - start

    def cpu_s(self) -> float:
        """CPU seconds the program has used."""
        with open(f"/proc/{self.pid}/stat") as file:  # noqa: PTH123
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS

    def state(self) -> str:
        """State letter of the process as the kernel knows it (S sleeping, T stopped, ...)."""
        with open(f"/proc/{self.pid}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0]

    def close(self) -> None:
        """End the program if it still runs, and let go of the terminal."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if not self._stop.is_set():
            self._stop.set()
            self._reader.join()
            os.close(self.master)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
