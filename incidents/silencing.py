"""Silences of an incident: what its events say of them, and how they stand at their Alertmanager."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from analysis.words import duration
from incidents.events import Event
from incidents.record import DELIVERY, Incident, Silence, silencer_of

SETTLED_S = 5.0
"""A silence that was taken this shortly before a list was read may be missing there."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One silence of this program as its Alertmanager has it."""

    reference: str
    event: str
    """The id of the event that asked for it."""
    active: bool
    until: float
    """Unix seconds; of one that is over, when it ended."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What an Alertmanager said of all silences of this program."""

    at: float
    """Unix seconds."""
    standing: Mapping[str, Standing] = field(default_factory=dict)
    """By the event that asked for each."""


def silenced(known: Incident, event: Event, until: float | None) -> tuple[Incident, str]:
    """The record after alerts were to be held back, and the event in words.

    Args:
        until: unix seconds; None where the event does not say.
    """
    data = event.data
    matchers, at, comment = (str(data.get(name, "")) for name in ("matchers", "at", "comment"))
    if until is None:
        return known, f"silenced {matchers} at {at or '?'}"
    replaced = str(data.get("replaces", ""))
    began = Silence(at or "?", matchers, until, event.id, event.actor.user, comment)
    others = tuple(_ended(one, event, replaced=True) if one.event == replaced else one for one in known.silences)
    verb, why = "goes on silencing" if replaced else "silenced", f": {comment}" if comment else ""
    text = f"{verb} {matchers} at {began.at} for {duration(until - event.t)}{why}"
    return replace(known, silences=(*others, began)), text


def ended(known: Incident, event: Event) -> tuple[Incident, str]:
    """The record after a silence was to end early, and the event in words."""
    meant = str(event.data.get("silence", ""))
    silences = tuple(_ended(one, event) if one.event == meant else one for one in known.silences)
    what = f"{event.data.get('matchers', '?')} at {event.data.get('at', '?')}"
    return replace(known, silences=silences), f"ended the silence of {what}"


def _ended(silence: Silence, event: Event, *, replaced: bool = False) -> Silence:
    return replace(silence, ending=event.id, ended_by=event.actor.user, replaced=replaced, end_told="queued")


def told_of(known: Incident, event: Event) -> Incident:
    """The record after a word of a target: it may be about a silence, or about the end of one."""
    if not event.kind.startswith(DELIVERY) or not known.silences:
        return known
    return replace(known, silences=tuple(_told(one, event) for one in known.silences))


def _told(silence: Silence, event: Event) -> Silence:
    if event.data.get("target") != silencer_of(silence.at):
        return silence
    about, state = event.data.get("event"), event.kind.removeprefix(DELIVERY)
    if about == silence.event:
        reference = str(event.data.get("ref", "")) or silence.reference
        return replace(silence, told=state, told_at=event.t, reference=reference)
    return replace(silence, end_told=state) if about == silence.ending else silence


def standing_of(silence: Silence, heard: Heard | None) -> Standing | None:
    """How its Alertmanager has it; None where that was not asked, or has not heard of it."""
    return heard.standing.get(silence.event) if heard is not None else None


def held(silence: Silence, now: float, heard: Heard | None = None) -> bool:
    """Whether alerts are held back by it, as far as is known.

    Args:
        now: unix seconds.
        heard: what its Alertmanager said last.
    """
    if silence.end_told == "ok" or now >= _until(silence, heard):
        return False
    standing = standing_of(silence, heard)
    if standing is not None:
        return standing.active
    return silence.told not in ("failed", "unknown") and not _lost(silence, heard)


def holding(silences: Iterable[Silence], now: float, heard: Mapping[str, Heard]) -> list[tuple[Silence, str]]:
    """Those that hold alerts back as far as is known, with their words.

    Args:
        now: unix seconds.
        heard: what each Alertmanager said of its silences.
    """
    told = ((one, heard.get(one.at)) for one in silences)
    return [(one, silence_words(one, now, said)) for one, said in told if held(one, now, said)]


def silence_words(silence: Silence, now: float, heard: Heard | None = None) -> str:
    """`43m left at am: model="fraud"`, or why it holds nothing back: what matters first, for lines that are cut.

    Args:
        now: unix seconds.
        heard: what its Alertmanager said last; without it the journal alone is asked, and the words say so.
    """
    standing, left = standing_of(silence, heard), duration(_until(silence, heard) - now)
    if silence.end_told == "ok":
        state = f"{'extended' if silence.replaced else 'ended'} by {silence.ended_by}"
    elif standing is not None and not standing.active:
        state = f"over for {duration(now - standing.until)}"
    elif now >= _until(silence, heard):
        state = "over"
    elif _lost(silence, heard):
        state = f"not known any more ({duration(now - (heard.at if heard else now))} ago)"
    elif standing is None and silence.told != "ok":
        state = f"not known to be set ({silence.told})"
    elif silence.ending:
        state = f"{left} left, its end is {silence.end_told}"
    else:
        state = f"{left} left{' (by the journal)' if heard is None else ''}"
    return f"{state} at {silence.at}: {silence.matchers}"


def _until(silence: Silence, heard: Heard | None) -> float:
    standing = standing_of(silence, heard)
    return standing.until if standing is not None else silence.until


def _lost(silence: Silence, heard: Heard | None) -> bool:
    """Whether the Alertmanager was asked after it had taken the silence, and did not know it."""
    settled = silence.told == "ok" and heard is not None and heard.at > silence.told_at + SETTLED_S
    return settled and standing_of(silence, heard) is None
