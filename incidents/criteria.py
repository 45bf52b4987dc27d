"""Exit criteria of an incident: what has to hold before it may be called resolved, and which of it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from incidents.events import Event
from incidents.record import Criterion, Incident

OPEN, MET, DROPPED = "open", "met", "dropped"
SAID = {OPEN: "exit criterion", MET: "met", DROPPED: "exit criterion dropped"}
"""State -> how the timeline names it."""


def stated(known: Incident, event: Event) -> tuple[Incident, str]:
    """The record after something was said of a criterion, and the event in words.

    A criterion is known by its text, so two writers who state the same have stated one.
    """
    text, state = str(event.data.get("text", "")), str(event.data.get("state", OPEN))
    if not text or state not in SAID:
        return known, text
    said = Criterion(text, state == MET, event.actor.user, event.t)
    there = any(one.text == text for one in known.criteria)
    kept = (said if one.text == text else one for one in known.criteria if one.text != text or state != DROPPED)
    added = () if there or state == DROPPED else (said,)
    return replace(known, criteria=(*kept, *added)), f"{SAID[state]}: {text}"


def meant(known: Sequence[Criterion], typed: str) -> str:
    """The text of the criterion with a number from 1, or the very text that was typed.

    Raises:
        ValueError: nothing was typed, or there is no such number.
    """
    if not typed:
        raise ValueError("what has to hold before it is over: p99 below 200 ms for 30 min")
    if not typed.isdecimal():
        return typed
    if not 1 <= int(typed) <= len(known):
        raise ValueError(f"there is no exit criterion {typed}: the incident has {len(known)}")
    return known[int(typed) - 1].text


def criterion_words(number: int, criterion: Criterion) -> str:
    """`1 [ ] p99 below 200 ms`, `2 [x] no Timeout for an hour (bob)`."""
    return f"{number} [{'x' if criterion.met else ' '}] {criterion.text}{f' ({criterion.by})' if criterion.met else ''}"


def unmet(known: Incident) -> tuple[str, ...]:
    """What does not hold yet, in words with its number."""
    return tuple(criterion_words(i, one) for i, one in enumerate(known.criteria, 1) if not one.met)
