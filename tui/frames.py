"""Reads the terminal output of Textual: cell painting goes into a Screen, everything else goes through."""

from __future__ import annotations

import re
from collections.abc import Callable

from tui.cells import Screen
from tui.pens import DEFAULT_PEN

_MOVE = re.compile(r"\x1b\[(\d+);(\d+)H")
_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|\x1b\[(?P<sgr>[0-9;]*)m"
    r"|(?P<csi>\x1b\[(?P<args>[0-?]*)(?P<inter>[ -/]*)(?P<final>[@-~]))"
    r"|(?P<string>\x1b[\]P_^X](?P<body>.*?)(?:\x1b\\|\x07))"
    r"|(?P<mode>\x1b[=>\\])"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f])",
    re.DOTALL,
)
_SGR = re.compile(r"\x1b\[([0-9;]*)m")
_STRING_STARTS = re.compile(r"\x1b[\]P_^X]")
_ALTERNATE_SCREEN = {"47", "1047", "1049"}
_MAX_PENS = 16384


class FrameReader:
    """Keeps the cursor and the pen of a stream of terminal output and paints its text into a screen.

    `send` receives, in order, all that is not cell painting. A sequence that is not understood is sent as it is, with
    the rest of its chunk, and the screen is forgotten, so that what is painted next is sent whole.
    """

    def __init__(self, screen: Screen, send: Callable[[str], None]) -> None:
        self.screen = screen
        self.in_sync = False
        """Between the begin and the end of a synchronised update: the frame is not complete."""
        self.synchronised = False
        """A synchronised update has begun since this was last set to False."""
        self.cursor_visible = True
        self.on_alternate_screen = False
        self._send = send
        self._row = self._col = -1
        self._pen = DEFAULT_PEN
        self.forget_chunks()

    @property
    def park(self) -> tuple[int, int] | None:
        """Where the cursor has to rest; None while it is hidden at home, where nobody looks for it."""
        if self._row < 0 or (not self.cursor_visible and self._row == self._col == 0):
            return None
        return self._row, min(self._col, self.screen.width - 1)

    def forget_chunks(self) -> None:
        """Read the next paint of every place again, even if it is the same as the last one."""
        # Per row: start column -> (what was painted, column after it, row and column of the cursor after it).
        self._chunks: list[dict[int, tuple[str, int, int, int]]] = [{} for _ in range(self.screen.height)]

    def feed(self, data: str) -> None:
        """Take one write of the application."""
        if len(self.screen.pens) > _MAX_PENS and self._pen == DEFAULT_PEN:
            self.forget()
            self.screen.pens.clear()
        if _STRING_STARTS.search(data):
            self._read(data)
            self.forget_chunks()
            return
        pieces = _MOVE.split(data)
        if pieces[0]:
            self._read(pieces[0])
            self.forget_chunks()
        for at in range(1, len(pieces), 3):
            self._move(int(pieces[at]), int(pieces[at + 1]))
            if pieces[at + 2]:
                self._chunk(pieces[at + 2])

    def forget(self) -> None:
        """Know nothing about the screen any more."""
        self.screen.forget()
        self.forget_chunks()

    def resize(self, screen: Screen) -> None:
        """Go on with another screen, about which nothing is known."""
        self.screen = screen
        self._row = self._col = -1
        self.forget_chunks()

    def _move(self, row: int, col: int) -> None:
        self._row = min(max(row, 1), self.screen.height) - 1
        self._col = min(max(col, 1), self.screen.width) - 1

    def _chunk(self, chunk: str) -> None:
        """Read what follows a cursor move; nothing to do when the same was painted there last."""
        row, col = self._row, self._col
        seen = self._chunks[row]
        if self._pen == DEFAULT_PEN:
            known = seen.get(col)
            if known is not None and known[0] == chunk:
                self._row, self._col = known[2:]
                return
        from_default = self._pen == DEFAULT_PEN
        end = self._read(chunk)
        if end < 0:
            self.forget_chunks()
            return
        for start in [start for start, other in seen.items() if start < end and other[1] > col]:
            del seen[start]
        if from_default and self._pen == DEFAULT_PEN:
            seen[col] = (chunk, end, self._row, self._col)

    def _read(self, data: str) -> int:
        """Read any output; return the column after the text if it was plain text on one row, else -1."""
        screen, pens = self.screen, self.screen.pens
        first_row, end, plain = self._row, self._col, True
        for token in _TOKEN.finditer(data):
            kind = token.lastgroup
            if kind == "text":
                stop = screen.put(self._row, self._col, token[0], self._pen) if self._row >= 0 else -1
                understood = stop >= 0
                if understood:
                    plain = plain and self._row == first_row
                    self._col = end = stop
            elif kind == "sgr":
                pen = pens.read(self._pen, token["sgr"])
                understood = pen is not None
                if pen is not None:
                    self._pen = pen
            elif kind == "control":
                understood = self._control(token[0])
                plain = plain and token[0] == "\n"
            else:
                plain = False
                understood = self._sequence(token)
            if not understood:
                self._raw(data[token.start() :])
                return -1
        return end if plain else -1

    def _control(self, control: str) -> bool:
        if control == "\n" and 0 <= self._row < self.screen.height - 1:
            # The terminal driver turns it into carriage return and line feed (ONLCR).
            self._row, self._col = self._row + 1, 0
        elif control == "\r" and self._row >= 0:
            self._col = 0
        elif control == "\x07":
            self._send(control)
        else:
            return False
        return True

    def _sequence(self, token: re.Match[str]) -> bool:
        """Obey or pass on one escape sequence; False if it may change cells in a way that is not followed here."""
        if token["string"]:
            if token["string"].startswith("\x1b]8;"):
                self._pen = self.screen.pens.linked(self._pen, token["body"][2:])
                return True
        elif token["csi"]:
            args, final = token["args"], token["final"]
            if args[:1] in ("?", "<", "=", ">"):
                if final not in "hlpuncqm":
                    return False
                if final in "hl" and not self._private_modes(args[1:].split(";"), final == "h"):
                    return True
            elif final in "Hf" and not token["inter"]:
                row, _, col = args.partition(";")
                self._move(int(row or 1), int(col or 1))
                return True
            elif final == "J" and args == "2" and self._pen == DEFAULT_PEN:
                self.screen.cleared()
                self.forget_chunks()
            elif final not in "cntq" and token["inter"] != "$":
                return False
        self._send(token[0])
        return True

    def _private_modes(self, modes: list[str], on: bool) -> bool:
        """Note what a change of private modes means for the picture; False if it must not be passed on."""
        if modes == ["2026"]:
            # The frame that comes of it begins and ends its own update, so that empty ones are not sent.
            self.in_sync = on
            self.synchronised = self.synchronised or on
            return False
        if "25" in modes:
            self.cursor_visible = on
        if not _ALTERNATE_SCREEN.isdisjoint(modes):
            # What is wanted outlives a suspension; Textual does not paint all of it again afterwards.
            self.on_alternate_screen = on
            self.screen.forget_shown()
        return True

    def _raw(self, data: str) -> None:
        """Send what is not understood as it is, from the place and with the pen it was meant for."""
        pens = self.screen.pens
        place = "" if self._row < 0 else f"\x1b[{self._row + 1};{self._col + 1}H"
        self._send(self.screen.compose() + place + pens.change(DEFAULT_PEN, self._pen) + data + "\x1b[m")
        for sgr in _SGR.finditer(data):
            pen = pens.read(self._pen, sgr[1])
            self._pen = DEFAULT_PEN if pen is None else pen
        self._row = self._col = -1
        self.forget()
