"""Persistence and hysteresis: an urgent finding is believed when it stays, and forgotten when it stays away.

A refresh every five seconds looks at nearly the same rows as the one before, so time is counted in minutes of data, not
in looks: a paused view, a source that delivers nothing, and a faster refresh change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.answer import Finding, FindingKey, Phase, Severity, Signal
from analysis.cases import Case
from analysis.ranking import SHOWN
from analysis.view import Frame, Window
from analysis.voices import Evidence, newest_of

CONFIRMED = 3
"""Minutes of data in which a finding must show to be believed."""

INTERRUPTED = 5
"""The same for latency and request rates: a pause, a cold cache or a dip of the network heals within four minutes."""

CLEARED = 10
"""Minutes of data without it after which it is forgotten."""

LONGEST_STEP = 300
"""Seconds per bucket above which a finding is believed at once: what shows in such buckets has lasted."""

CERTAIN = frozenset({Signal.STALENESS, Signal.VERSION, Signal.ACCURACY, Signal.CALIBRATION, Signal.AGREEMENT})
"""Signals that are events, or whose tests allow for being looked at again and again."""


@dataclass(frozen=True, slots=True)
class Track:
    """One finding through time."""

    case: Case
    """As it last fired."""
    minute: int
    """Minute of data in which it last fired."""
    count: int
    """Minutes in which it fired, none between them without it."""
    raised: bool


Standing = Mapping[FindingKey, Track]


def minutes_to_believe(signal: Signal) -> int:
    """Minutes of data in which an urgent finding must show before it is told as urgent."""
    return INTERRUPTED if signal in (Signal.LATENCY, Signal.REQUEST_RATE) else CONFIRMED


def must_settle(finding: Finding) -> bool:
    """Whether a finding has to stand for a while before it is called urgent."""
    return finding.severity.rank >= Severity.WARNING.rank and finding.signal not in CERTAIN


def settle(
    before: Standing, cases: Sequence[Case], minute: int, *, at_once: bool = False
) -> tuple[tuple[Case, ...], Standing]:
    """The cases with what their past says of them, and the state for the next look.

    Urgent and not yet seen in three minutes of data: `new`, told as information. Seen: `confirmed`. Once confirmed a
    finding keeps its urgency while it stays above half of what warns; gone, it is listed as `clearing` without urgency
    for ten minutes of data, in which it needs no new confirmation.

    Args:
        minute: the minute of the newest data; when it runs backwards the past does not count.
        at_once: believe everything.
    """
    known = {key: track for key, track in before.items() if 0 <= minute - track.minute <= CLEARED}
    settled: list[Case] = []
    standing: dict[FindingKey, Track] = {}
    for case in cases:
        finding, track = case.finding, known.pop(case.finding.key, None)
        urgent = must_settle(finding)
        held = track is not None and track.raised and _lasts(finding, track.case.finding)
        if urgent or held:
            count = 1 if track is None else track.count + (minute > track.minute)
            raised = at_once or count >= minutes_to_believe(finding.signal) or (track is not None and track.raised)
            standing[finding.key] = Track(case, minute, count, raised)
            settled.append(_said(case, Severity.WARNING if held else finding.severity, raised=raised))
        else:
            settled.append(case)
    for key, track in known.items():
        if track.raised or track.minute == minute:
            standing[key] = track
        if track.raised:
            gone = replace(track.case.finding, severity=Severity.INFO, phase="clearing")
            settled.append(replace(track.case, finding=gone))
    return tuple(settled), standing


def _lasts(now: Finding, before: Finding) -> bool:
    """Whether a finding that no longer warns is still the same change, and large enough to be listed."""
    return now.severity is Severity.INFO and now.score >= SHOWN and now.effect * before.effect > 0


def _said(case: Case, severity: Severity, *, raised: bool) -> Case:
    phase: Phase = "confirmed" if raised else "new"
    return replace(case, finding=replace(case.finding, severity=severity if raised else Severity.INFO, phase=phase))


def progress(evidence: Evidence, frame: Frame) -> int:
    """The minute of the newest data inside the live window, on the clock."""
    newest = [evidence.logs.newest if evidence.logs is not None else None, newest_of(evidence.metric_sources)]
    last = max((moment for moment in newest if moment is not None), default=float(frame.live.end - 1))
    return int(min(last, frame.live.end - 1)) // 60


def earlier(frame: Frame, buckets: int) -> Frame | None:
    """The frame as it was some buckets ago, in evidence that reaches no further back; None when nothing is left.

    The live window ends earlier and every reference is shortened alike: at its start where the references lie directly
    before the live window, at its end where they are another day's.
    """
    cut = buckets * frame.step
    if frame.live.length <= 2 * cut:
        return None
    adjoins = any(window.end == frame.live.start for window in frame.references)
    references = tuple(
        Window(w.start + cut, w.end) if adjoins else Window(w.start, w.end - cut) for w in frame.references
    )
    return Frame(Window(frame.live.start, frame.live.end - cut), references, frame.step)
