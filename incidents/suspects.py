"""What may have caused an incident: what was seen on the charts shortly before it began."""

from __future__ import annotations

from analysis.words import duration
from incidents.record import Incident, Line

BEFORE_S = 3_600.0
"""What happened longer before the onset is no suspect."""

AFTER_S = 120.0
"""An onset is an estimate: what was seen this long after it may still have come first."""

CAUSES = ("version", "annotation")
"""Kinds of what was seen that can be a cause; an alert is an effect."""


def suspects(known: Incident) -> tuple[Line, ...]:
    """Deploys and annotations around the onset, the nearest first; none where no onset could be told."""
    if known.onset is None:
        return ()
    onset = known.onset
    near = (one for one in known.timeline if one.kind in CAUSES and -BEFORE_S <= one.t - onset <= AFTER_S)
    return tuple(sorted(near, key=lambda one: abs(one.t - onset)))


def suspect_words(one: Line, onset: float) -> str:
    """`version 41->42, 1m before the onset`.

    Args:
        onset: unix seconds.
    """
    side = "before" if one.t <= onset else "after"
    when = "at" if one.t == onset else f"{duration(abs(onset - one.t))} {side}"
    return f"{one.text}, {when} the onset"
