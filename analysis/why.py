"""Why a segment stands where it does, in sentences."""

from __future__ import annotations

from analysis.answer import Finding, Segment, Signal
from analysis.words import percent, quantity, ratio


def why(finding: Finding, at: int, *, filtered: bool = False) -> tuple[str, ...]:
    """What makes the `at`-th segment of a finding one, every number with what it says; one sentence per line.

    Args:
        filtered: the finding is of the rows that a filter leaves: no number knows the others.
    """
    segment = finding.where[at]
    if finding.signal is Signal.REQUEST_RATE:
        return (*_place(finding, at), *_traffic(segment, filtered), *_certainty(segment))
    return (*_place(finding, at), *_rates(segment, filtered), *_certainty(segment))


def _place(finding: Finding, at: int) -> tuple[str, ...]:
    segment, share = finding.where[at], percent(finding.where[at].share_of_change)
    if segment.alternative:
        return (f"A wider or narrower name of a segment above: it explains {share} of the change, but less well.",)
    if at == 0:
        return (f"It stands first because it explains most: {share} of the change beyond what was expected.",)
    return (f"It is number {at + 1}: without the segments above it explains {share} of the change.",)


_LEFT = " that the filter leaves"


def _rates(segment: Segment, filtered: bool) -> tuple[str, ...]:
    without, left = segment.rate_without, _LEFT if filtered else ""
    return (
        f"Inside, {percent(segment.rate_in)} of the rows show it; in all other rows{left} {percent(segment.rate_out)}"
        f" ({ratio(segment.rate_in, segment.rate_out) or 'no other row'} as often inside);"
        f" before, {percent(segment.rate_before)} of its rows did.",
        f"It holds {quantity(segment.n)} rows, {percent(segment.support)} of all{left} in the window.",
        *(
            (f"Had it stayed as expected, the rate of all rows{left} would be {percent(without)}.",)
            if without is not None
            else ()
        ),
    )


def _traffic(segment: Segment, filtered: bool) -> tuple[str, ...]:
    left = _LEFT if filtered else ""
    return (
        f"It sends {percent(segment.rate_in)} of the requests{left}; before, it sent {percent(segment.rate_before)}.",
        f"It has {ratio(segment.lift, 1.0)} the requests expected of it, all others {ratio(segment.rate_out, 1.0)}.",
        f"It holds {quantity(segment.n)} requests.",
    )


def _certainty(segment: Segment) -> tuple[str, ...]:
    p = segment.p_adjusted
    chance = f"{p:.3f}" if p >= 0.001 else "below 0.001"
    counted = (
        "These are estimates from a sample; every row of it is being counted."
        if segment.sampled
        else "Every row of it was counted."
    )
    return (
        f"Chance shows such a segment anywhere with probability {chance} (adjusted for all that was searched).",
        counted,
    )
