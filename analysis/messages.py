"""Error messages as types: parameters masked in each message, then words that vary among many messages.

`masked` looks at one message alone and is written so that an RE2 engine gives the same text: a store groups by it, and
raw messages stay there. `templates` looks at the set of masked texts. Neither depends on the order of arrival, so a
type has the same name after a restart. (Drain, He et al. 2017, names a cluster by what it has seen so far: a name
changes when a parameter shows itself, and a baseline counted under the old name makes the new one look NEW.)
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

WILD = "<*>"
"""What stands for a parameter."""

MESSAGE_CHARS = 200
"""Characters of a message that count for its type."""

MAX_WORDS = 40
"""Words of a message that count for its type: a message that quotes its input has no end."""

MIN_VARIANTS = 4
"""Words in one place from which on they are values of a parameter: three are three kinds of message."""

_KEPT = (
    r"(?:(?i:\b(?:http|status|status[ _]code|errno)[ =:]+[0-9]{1,3}\b|^[1-5][0-9]{2}(?:[ :,;]|$)|\bu?int[0-9]{1,2}\b"
    r"|\bb?float[0-9]{1,2}\b|\b[bt]?fp?[0-9]{1,2}\b|\butf-?[0-9]{1,2}\b)"
    r"|\b(?:[a-z_][A-Za-z0-9_]*\.)+[A-Z][A-Za-z0-9_]*)"
)
"""What looks like a parameter and tells kinds of failure apart: status codes, types of numbers, and classes in their
packages (`java.net.SocketException`)."""

_BLANK = r"[\t\n\f\r ]"
"""Not `\\s`, on which Python and RE2 differ."""

_PARAMETER = "|".join((
    r"[A-Za-z][A-Za-z0-9+.-]*://[^\t\n\f\r '\",;)\]]+",
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+",
    r"\b(?:[A-Za-z0-9_-]+\.)+(?:[A-Za-z0-9_-]+:[0-9]+|(?:com|net|org|edu|gov|internal|local)(?:\.[a-z]{2,3})?\b)",
    r"(?:/[A-Za-z0-9_.@%+~:=-]+){2,}/?",
    r"\[[^\[\]]*[0-9,][^\[\]]*\]",
    r"\{[^{}]*\}",
    r"\"[^\"]*[\t\n\f\r 0-9][^\"]*\"",
    r"\b[0-9a-fA-F]{8,}\b",
    r"[A-Za-z0-9_.@%+-]*[0-9](?:[A-Za-z0-9_.@%+:-]*[A-Za-z0-9_%])?"
    r"(?: ?(?:[kKMGT]i?B|B|bytes|us|ms|s|min|secs?|seconds?|minutes?|hours?)\b)?",
))  # fmt: skip
"""Addresses, paths, lists, quoted text, and ids, and whatever holds a digit, with its unit: numbers, times, hosts."""

MASKS: tuple[tuple[str, str], ...] = (
    # Of a traceback the last line says what happened.
    (rf"(?s)^{_BLANK}*Traceback .*\n([^\n]+){_BLANK}*$", r"\1"),
    (f"{_BLANK}+", " "),
    (f"({_KEPT})|{_PARAMETER}", rf"\1{WILD}"),
    (f"({_KEPT}){re.escape(WILD)}", r"\1"),
    (r"<\*>(?:[ ,;|/x=:-]*(?:<\*>|\(<\*>\)))+", WILD),
)
"""(pattern, replacement), applied one after the other to every match; the same in Python and in RE2."""

_COMPILED = tuple((re.compile(pattern, re.ASCII), replacement) for pattern, replacement in MASKS)


def masked(message: str) -> str:
    """The message with its parameters as `<*>`: "node-7 gave up after 31 s" is "<*> gave up after <*> s"."""
    text = message
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return text.strip(" ")[:MESSAGE_CHARS]


def templates(texts: Iterable[str]) -> Mapping[str, str]:
    """Masked text -> template, in which words that take at least `MIN_VARIANTS` values are `<*>` too.

    Texts of equally many words belong together when they differ in one place, or in two where the message has at most
    `_PAIRED_WORDS` words, and at least `MIN_VARIANTS` words were seen there. The first word is never a parameter:
    it names the failure. The order of `texts` does not matter.
    """
    return _templates(tuple(sorted(set(texts))))


_PAIRED_WORDS = 16
"""Pairs of places grow with the square of the words."""


@lru_cache(maxsize=64)
def _templates(texts: tuple[str, ...]) -> Mapping[str, str]:
    by_length: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    words = {text: tuple(text.split(" ")[:MAX_WORDS]) for text in texts}
    for one in sorted(set(words.values())):
        by_length[len(one)].append(one)
    shaped: dict[tuple[str, ...], str] = {}
    for length, rows in by_length.items():
        shaped.update(_shaped(rows, length))
    return {text: shaped[one] for text, one in words.items()}


def _shaped(rows: list[tuple[str, ...]], length: int) -> dict[tuple[str, ...], str]:
    """The template of each of several messages of `length` words."""
    leader = {row: row for row in rows}

    def lead(row: tuple[str, ...]) -> tuple[str, ...]:
        while leader[row] != row:
            row = leader[row]
        return row

    def unite(group: list[tuple[str, ...]]) -> None:
        first = min(lead(row) for row in group)
        for row in group:
            leader[lead(row)] = first

    places = [(i,) for i in range(1, length)]
    pairs = [(i, j) for i in range(1, length) for j in range(i + 1, length)] if 4 < length <= _PAIRED_WORDS else []
    for tier in (places, pairs):
        alone = [row for row in rows if tier is places or lead(row) == row]
        if len(alone) < MIN_VARIANTS:
            continue
        for varying in tier:
            groups: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
            for row in alone:
                groups[tuple(WILD if i in varying else word for i, word in enumerate(row))].append(row)
            for group in groups.values():
                if all(len({row[i] for row in group}) >= MIN_VARIANTS for i in varying):
                    unite(group)
    members: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    for row in rows:
        members[lead(row)].append(row)
    found: dict[tuple[str, ...], str] = {}
    for group in members.values():
        name = " ".join(_word(set(column)) for column in zip(*group, strict=True))
        found.update(dict.fromkeys(group, re.sub(r"<\*>(?: <\*>)+", WILD, name)))
    return found


def _word(values: set[str]) -> str:
    """What stands for the words in one place: the word itself, "user=<*>" where all are of one key, or `<*>`."""
    if len(values) == 1:
        return next(iter(values))
    keys = {key if equals else "" for key, equals, _ in (value.partition("=") for value in values)}
    key = keys.pop()
    return WILD if keys or not key else f"{key}={WILD}"
