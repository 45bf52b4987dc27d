"""What is said of a number on a screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """One number, as `?` and the documentation explain it."""

    name: str
    what: str
    normal: str
    act: str


def sentence(number: Number) -> str:
    """One number in one sentence."""
    return f"{number.what}; normal: {number.normal}; if not: {number.act}."
