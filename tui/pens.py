"""Text styles as small numbers ("pens"), and the shortest SGR sequence from one to the next."""

from __future__ import annotations

DEFAULT_PEN = 0
"""The pen after a reset: default colours, no attributes, no link."""

FG, BG, WEIGHT, ITALIC, UNDERLINE, BLINK, REVERSE, CONCEAL, STRIKE, FRAME, OVERLINE, LINK = range(12)
Style = tuple[str, ...]
_PLAIN: Style = ("",) * 12
_OFF = ("39", "49", "22", "23", "24", "25", "27", "28", "29", "54", "55")
_ON = {
    "3": ITALIC,
    "4": UNDERLINE,
    "21": UNDERLINE,
    "5": BLINK,
    "6": BLINK,
    "7": REVERSE,
    "8": CONCEAL,
    "9": STRIKE,
    "51": FRAME,
    "52": FRAME,
    "53": OVERLINE,
}
_MARKS_BLANKS = (UNDERLINE, BLINK, REVERSE, STRIKE, FRAME, OVERLINE)
_MAX_CHANGES = 8192


def read_sgr(style: Style, parameters: str) -> Style | None:
    """Apply the parameters of an SGR sequence (ECMA-48 8.3.117, xterm colours) to a style; None if one is not known."""
    slots = list(style)
    codes = [code.lstrip("0") or "0" for code in parameters.split(";")]
    at = 0
    while at < len(codes):
        code = codes[at]
        if code == "0":
            slots[:LINK] = _PLAIN[:LINK]
        elif code in ("1", "2"):
            slots[WEIGHT] = "1;2" if slots[WEIGHT] not in ("", code) else code
        elif code in _ON:
            slots[_ON[code]] = code
        elif code in _OFF:
            slots[_OFF.index(code)] = ""
        elif code in ("38", "48"):
            length = {"5": 3, "2": 5}.get(codes[at + 1] if at + 1 < len(codes) else "", 0)
            if not length or at + length > len(codes):
                return None
            slots[FG if code == "38" else BG] = ";".join(codes[at : at + length])
            at += length - 1
        elif len(code) in (2, 3) and code.isdecimal() and (code[:-1] in ("3", "4", "9", "10")) and code[-1] < "8":
            slots[FG if code[:-1] in ("3", "9") else BG] = code
        else:
            return None
        at += 1
    return tuple(slots)


class Pens:
    """The styles seen so far, numbered; `blank[pen]` is the pen that draws the same blank with the least style."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all pens but the default; numbers given out before mean nothing any more."""
        self.blank: list[int] = []
        self._styles: list[Style] = []
        self._numbers: dict[Style, int] = {}
        self._read: dict[tuple[int, str], int | None] = {}
        self._changes: dict[tuple[int, int], str] = {}
        self._number(_PLAIN)

    def __len__(self) -> int:
        return len(self._styles)

    def _number(self, style: Style) -> int:
        known = self._numbers.get(style)
        if known is not None:
            return known
        number = self._numbers[style] = len(self._styles)
        self._styles.append(style)
        self.blank.append(number)
        if not any(style[slot] for slot in _MARKS_BLANKS):
            bare = list(_PLAIN)
            bare[BG], bare[LINK] = style[BG], style[LINK]
            self.blank[number] = self._number(tuple(bare))
        return number

    def read(self, pen: int, parameters: str) -> int | None:
        """Return the pen after an SGR sequence with these parameters, None if it says something unknown."""
        key = (pen, parameters)
        if key not in self._read:
            if len(self._read) > _MAX_CHANGES:
                self._read.clear()
            style = read_sgr(self._styles[pen], parameters)
            self._read[key] = None if style is None else self._number(style)
        return self._read[key]

    def linked(self, pen: int, link: str) -> int:
        """Return the pen with a hyperlink (`parameters;address` of OSC 8), or without one for `;`."""
        return self._number((*self._styles[pen][:LINK], "" if link == ";" else link))

    def change(self, old: int, new: int) -> str:
        """Return the shortest sequence from one pen to another."""
        known = self._changes.get((old, new))
        if known is not None:
            return known
        if len(self._changes) > _MAX_CHANGES:
            self._changes.clear()
        before, after = self._styles[old], self._styles[new]
        steps: list[str] = []
        for slot in range(LINK):
            was, now = before[slot], after[slot]
            if was == now:
                continue
            if slot == WEIGHT and was:
                steps.append(now[2:] if now.startswith(was) else f"22;{now}" if now else "22")
            else:
                steps.append(now or _OFF[slot])
        afresh = ["", *(now for now in after[:LINK] if now)]
        sequence = f"\x1b[{min(';'.join(steps), ';'.join(afresh), key=len)}m" if steps else ""
        if before[LINK] != after[LINK]:
            sequence += f"\x1b]8;{after[LINK] or ';'}\x1b\\"
        self._changes[old, new] = sequence
        return sequence
