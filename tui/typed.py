"""What is typed about an incident at the prompt, as the data of an event, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incidents.record import Criterion

ROLES = ("commander", "scribe", "comms", "operations")
"""Roles that are offered; any other word will do."""

STANDS = {"met": "met", "drop": "dropped", "open": "open"}
"""What may be typed before the number of an exit criterion -> how it then stands."""

Typed = Mapping[str, Any] | str
"""The data of an event, or what is wrong in words."""


def read_text(text: str, problem: str) -> Typed:
    """A line of text; `problem` is what is wrong with none."""
    return {"text": text} if text else problem


def read_severity(text: str, words: Sequence[str]) -> Typed:
    """`2 why`."""
    level, _, reason = text.partition(" ")
    if level not in words:
        return "1 (worst) to 5, then why"
    return {"severity": int(level), "reason": reason.strip()}


def read_status(text: str, words: Sequence[str]) -> Typed:
    """`resolved why`."""
    found = next((word for word in words if text == word or text.startswith(f"{word} ")), None)
    if found is None:
        return f"one of: {', '.join(words)}"
    return {"status": found, "text": text.removeprefix(found).strip()}


def read_role(text: str, me: str) -> Typed:
    """`commander alice`; without a name it is whoever types."""
    role, _, who = text.partition(" ")
    if not role:
        return f"a role, and who: {ROLES[0]} alice"
    return {"role": role, "who": who.strip() or me}


def read_criterion(text: str, known: Sequence[Criterion]) -> Typed:
    """A new exit criterion, or `met 1`, `drop 1`, `open 1`: how a known one stands."""
    from incidents.criteria import OPEN, meant

    verb, _, number = text.partition(" ")
    state = STANDS.get(verb) if number.strip().isdecimal() else None
    try:
        return {"text": meant(known, number.strip() if state else text), "state": state or OPEN}
    except ValueError as error:
        return str(error)


def criterion_offers(known: Sequence[Criterion]) -> tuple[str, ...]:
    """What can be said of the criteria that are known, those that do not hold yet first."""
    numbered = sorted(enumerate(known, 1), key=lambda pair: pair[1].met)
    says = (f"{'open' if one.met else 'met'} {i}" for i, one in numbered)
    return (*says, *(f"drop {i}" for i, _ in numbered))
