"""One scale for all signals: how large is the effect at least, in units of "worth a look"."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, Severity, Signal
from analysis.proportions import ShareTest

Z = 2.576
"""99.5 % one-sided: of seven rules this one listed the fewest false items on a quiet day."""

SHOWN = 0.5
"""Findings below this score are left out of the list."""

SYMPTOMS = frozenset(
    {Signal.LATENCY, Signal.ERROR, Signal.CONFIDENCE, Signal.ACCURACY, Signal.STALENESS, Signal.BUSINESS}
)
"""What users feel; weighted above causes so that the list leads with the symptom."""

MAY_PAGE = SYMPTOMS - {Signal.CONFIDENCE} | {Signal.DEPENDENCY, Signal.INFRA, Signal.REQUEST_RATE}
"""Signals that can be critical; a moved input alone is a warning."""


def standard_error(history: NDArray[np.float64] | Sequence[float], sampling: float, unit: float) -> float:
    """Total standard error of an effect from its spread over the reference windows and its sampling error.

    sqrt((K s^2 + 4 max(sampling, .05 unit)^2) / (K + 4)): the history's own spread, shrunk to the sampling error with
    the weight of four windows, so that few quiet windows do not promise certainty.

    Args:
        history: [K] the same statistic of each reference window against the others.
        sampling: standard error of the effect from counts alone.
        unit: the effect that is worth a look.
    """
    # A handful of numbers: plain arithmetic costs a quarter of numpy's.
    values = [value for value in np.asarray(history, dtype=float).tolist() if math.isfinite(value)]
    # One window differs from no other: it has no spread, which is not the same as a spread of zero.
    count = len(values) if len(values) > 1 else 0
    mean = sum(values) / count if count else 0.0
    spread = sum((value - mean) ** 2 for value in values) / (count - 1) if count else 0.0
    floor = max(sampling, 0.05 * unit)
    return math.sqrt((count * spread + 4 * floor**2) / (count + 4))


def lower_bound(effect: float, error: float, unit: float) -> float:
    """Lower bound of |effect| in units: max(|effect| - 2.576 error, 0) / unit. Zero when the effect is not a number."""
    if not math.isfinite(effect) or not math.isfinite(error):
        return 0.0
    return max(abs(effect) - Z * error, 0.0) / unit


def share_bound(
    change: ShareTest, reference_hits: NDArray[np.float64], reference_n: NDArray[np.float64], unit: float
) -> float:
    """Lower bound, in units, of a change of a share whose reference windows are [K] hits of [K] rows."""
    used = reference_n > 0
    history = reference_hits[used] / reference_n[used] - change.baseline
    return lower_bound(change.now - change.baseline, standard_error(history, change.se, unit), unit)


def weighted(signal: Signal, bound: float) -> float:
    """The score that ranks: symptoms count one and a half times."""
    return bound * (1.5 if signal in SYMPTOMS else 1.0)


def severity(signal: Signal, bound: float) -> Severity:
    """How urgent a lower bound is: at least 1 unit warns, at least 3 are critical for signals that users feel."""
    if bound >= 3 and signal in MAY_PAGE:
        return Severity.CRITICAL
    return Severity.WARNING if bound >= 1 else Severity.INFO


def ranked(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """One list: the most urgent first, then by score; ties by the earlier onset."""
    return tuple(
        sorted(
            (finding for finding in findings if finding.score >= SHOWN or finding.signal is Signal.VERSION),
            key=lambda f: (-f.severity.rank, -f.score, f.onset if f.onset is not None else math.inf, f.key),
        )
    )
