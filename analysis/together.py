"""Many inputs of a model that moved at once: one finding instead of a flood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from analysis.answer import FeatureRow, Finding, Severity, Signal
from analysis.cases import Case

SHARE = 0.15
"""Share of a model's features above which their common cause is likelier than so many causes of their own."""

LEAST = 8
"""Features below which each is told by itself: a reader sees as many at once."""


def together(cases: Sequence[Case], features: Mapping[str, Sequence[FeatureRow]]) -> tuple[Case, ...]:
    """The cases with one more where over 15 % of a model's features warn at once; those become information.

    Such a move is most often another mix of requests: no statistic of the reference windows can know it beforehand.
    The new finding is as urgent as the worst of them and counts from the middle of their onsets.
    """
    out = list(cases)
    for model, rows in features.items():
        moved = [
            case
            for case in cases
            if case.finding.model == model
            and case.finding.signal is Signal.FEATURE
            and case.finding.severity.rank >= Severity.WARNING.rank
        ]
        if len(moved) < LEAST or len(moved) <= SHARE * len(rows):
            continue
        out = [_as_information(case) if case in moved else case for case in out]
        out.append(_common(moved, len(rows)))
    return tuple(out)


def _as_information(case: Case) -> Case:
    return replace(case, finding=replace(case.finding, severity=Severity.INFO))


def _common(moved: Sequence[Case], features: int) -> Case:
    worst = max((case.finding for case in moved), key=lambda finding: finding.score)
    onsets = [case.finding.onset for case in moved if case.finding.onset is not None]
    return Case(
        Finding(
            signal=Signal.FEATURE,
            model=worst.model,
            severity=worst.severity,
            title=f"{len(moved)} of {features} features moved together: another mix of requests?",
            effect=worst.effect,
            score=worst.score,
            n=worst.n,
            n_baseline=worst.n_baseline,
            now=float(len(moved)),
            baseline=0.0,
            unit="features",
            onset=median(onsets) if onsets else None,
            check="together",
            phase=worst.phase,
        ),
        None,
        max((case.window for case in moved), key=lambda window: window.length),
    )
