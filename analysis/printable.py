"""Text from outside, made safe to show: in a terminal, in a document, in a message."""

from __future__ import annotations

import unicodedata

_MARKS_IN_A_ROW = 2


def printable(text: str, limit: int = 500, *, ascii: bool = False) -> str:  # noqa: A002
    """Text from outside made safe to send to a terminal, at most `limit` characters of it.

    Control characters become their symbols (␛, ␊), C1, bidirectional, invisible and unassigned characters their
    escapes (\\x9b, \\u202e): they are seen and do nothing. With `ascii` every other character becomes an escape too.
    """
    out: list[str] = []
    length = 0
    marks = 0
    for char in text[:limit]:
        code = ord(char)
        marks = marks + 1 if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me") else 0
        if 32 <= code < 127:
            shown = char
        elif ascii:
            shown = _escape(code)
        elif code < 32:
            shown = chr(0x2400 + code)
        elif code == 127:
            shown = "␡"
        elif _hidden(char) or marks > _MARKS_IN_A_ROW or (marks and not out):
            shown = _escape(code)
        elif unicodedata.category(char) == "Zs":
            shown = " "
        else:
            shown = char
        length += len(shown)
        if length > limit:
            break
        out.append(shown)
    shortened = len(out) < len(text)
    return "".join(out) + (("..." if ascii else "…") if shortened else "")


def _hidden(char: str) -> bool:
    """Characters that act or stand for nothing visible: controls, formats, surrogates, variation selectors."""
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or 0xFE00 <= ord(char) <= 0xFE0F


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"
