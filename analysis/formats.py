"""How a value that nobody saw before is written: often it is an old value in other letters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_SEPARATORS = re.compile(r"[\s_\-./]+")
_QUOTES = "\"'`"


def format_fault(value: str, known: Iterable[str]) -> tuple[str, str] | None:
    """What differs in writing alone between a value and one of the known ones, and which; None when it is new.

    Looks for padding with blanks, quotes, upper or lower case, separators, digits written in another way, and text
    that was decoded in the wrong encoding (UTF-8 read as Latin-1 or Windows-1252), in this order.
    """
    names = list(known)
    for fault, plain in _PLAINER:
        mine = plain(value)
        for name in names:
            if name != value and plain(name) == mine and mine:
                return (_letters(value) if fault == "case" else fault), name
    return None


def _letters(value: str) -> str:
    if value == value.upper():
        return "upper case"
    return "lower case" if value == value.lower() else "mixed case"


def _number(value: str) -> str:
    try:
        return repr(float(value.strip().replace(",", ".")))
    except ValueError:
        return value


def _decoded(value: str) -> str:
    """The text behind a wrong decoding, undone as often as it was done."""
    for _ in range(2):
        for encoding in ("cp1252", "latin-1"):
            try:
                again = value.encode(encoding).decode("utf-8")
            except UnicodeError:
                continue
            value = again
            break
        else:
            return value
    return value


_PLAINER: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("padding", str.strip),
    ("quotes", lambda value: value.strip().strip(_QUOTES)),
    ("case", lambda value: value.strip().casefold()),
    ("separators", lambda value: _SEPARATORS.sub(" ", value).strip().casefold()),
    ("number format", _number),
    ("encoding", _decoded),
)
"""Fault and the writing that is equal when nothing else differs, from the smallest difference to the largest."""
