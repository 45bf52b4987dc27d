"""The finding of a changed feature, and the rows that show it."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, Signal
from analysis.cases import Case
from analysis.direction import number
from analysis.evidence import OTHER, UNSEEN, CategoryBins, Histogram
from analysis.feature_counts import FeatureCounts
from analysis.filters import And, Eq, Filter, In, Not, Null, Or, Range
from analysis.quality import QualityCheck
from analysis.ranking import lower_bound, severity
from analysis.scales import Scale
from analysis.shift import ShiftTest
from analysis.since import Course, Since
from analysis.slices import window_sum
from analysis.special import normal_quantile
from analysis.view import Frame, Window
from analysis.words import percent

Floats = NDArray[np.float64]

DRIFT_UNIT = 0.10
"""Jensen-Shannon distance, noise removed, that is worth a look."""

QUALITY_UNIT_PP = 2.0
"""Points of nulls, unseen, out-of-range or repeated values that are worth a look."""

CHECK_WORDS = {
    "null_rate": "null",
    "unseen_category": "unseen",
    "out_of_range": "out of range",
    "constant": "constant",
    "clipping": "clipped",
    "unit_change": "other unit",
}


def course(h: Histogram, c: FeatureCounts, check: QualityCheck | None) -> Course:
    """The rows that show a change, over time: those that fail a check, or those in the bins that gained."""
    values = h.n[:, 0].sum(axis=1)
    if check is not None and check.check == "null_rate":
        nulls = h.null[:, 0] + h.nonfinite[:, 0]
        return Course(h.t, nulls, values + nulls)
    return Course(h.t, h.n[:, 0][:, failing_bins(c, check)].sum(axis=1), values)


def drift_case(
    name: str, h: Histogram, c: FeatureCounts, test: ShiftTest, words: str, bound: float,
    scale: Scale, frame: Frame, model: str, onset: Since | None,
) -> Case:  # fmt: skip
    """The finding of a drift, and the rows in the bins that gained; `bound` is the lower bound in units."""
    return Case(
        Finding(
            signal=Signal.FEATURE,
            model=model,
            severity=severity(Signal.FEATURE, bound),
            title=f"{name} drift {test.js_adj:.2f}: {words}" if words else f"{name} drift {test.js_adj:.2f}",
            effect=test.js_adj / DRIFT_UNIT,
            score=bound,
            n=test.n,
            n_baseline=test.m,
            now=test.js_adj,
            baseline=test.noise,
            unit="js",
            onset=None if onset is None else float(onset.start),
            onset_between=None if onset is None else onset.between,
            subject=name,
        ),
        rows_in(name, h, moved_bins(c.live, c.baseline)),
        scale.live if onset is None else Window(onset.start, frame.live.end),
    )


def quality_case(
    name: str, h: Histogram, c: FeatureCounts, check: QualityCheck, words: str, bound: float,
    scale: Scale, frame: Frame, model: str, onset: Since | None,
) -> Case:  # fmt: skip
    """The finding of a quality check, and the rows that fail it; `bound` is the lower bound in units."""
    window = scale.live if onset is None else Window(onset.start, frame.live.end)
    now, word, rows = check.now, CHECK_WORDS[check.check], rows_in(name, h, failing_bins(c, check))
    if check.check == "null_rate":
        failing = course(h, c, check)
        n, missing = (float(window_sum(h.t, counts, window)) for counts in (failing.n, failing.hits))
        now, broken = missing / max(1.0, n), float(window_sum(h.t, h.nonfinite[:, 0], window))
        word = word if broken < missing / 2 else "not a number"
        rows = Null(name) if not broken else Not(Range(name, -sys.float_info.max, sys.float_info.max))
    told_in_words = check.check in ("constant", "clipping", "unit_change") and words
    beyond = beyond_words(h, c, check)
    change = f"{percent(check.baseline)} -> {percent(now)}{beyond and ': ' + beyond}"
    title = words if told_in_words else f"{word} {change}"
    finding = quality_finding(check, bound, f"{name} {title}", model=model, subject=name, onset=onset)
    return Case(replace(finding, now=now), rows, window)


def quality_finding(
    check: QualityCheck, bound: float, title: str, *, model: str, subject: str, onset: Since | None
) -> Finding:
    """A check that failed as a finding; `bound` is the lower bound of its effect in units."""
    return Finding(
        signal=Signal.QUALITY,
        model=model,
        severity=severity(Signal.QUALITY, bound),
        title=title,
        effect=check.effect_pp / QUALITY_UNIT_PP,
        score=bound,
        n=check.n,
        n_baseline=check.n_baseline,
        now=check.now,
        baseline=check.baseline,
        unit="ratio",
        onset=None if onset is None else float(onset.start),
        onset_between=None if onset is None else onset.between,
        subject=subject,
        check=check.check,
    )


def beyond_words(h: Histogram, c: FeatureCounts, check: QualityCheck) -> str:
    """Where the values out of range lie, such as "above 1106"; empty for other checks."""
    if check.check != "out_of_range" or isinstance(h.bins, CategoryBins):
        return ""
    sides = {0: f"below {number(h.bins.edges[1])}", len(h.bins) - 1: f"above {number(h.bins.edges[-2])}"}
    return " and ".join(sides[int(i)] for i in failing_bins(c, check))


def check_bound(check: QualityCheck) -> float:
    """Lower bound of a quality check's effect in units; its standard error follows from its effect and p-value."""
    z = normal_quantile(1 - max(check.p, 1e-15) / 2)
    return lower_bound(check.effect_pp, abs(check.effect_pp) / z if z > 0 else math.inf, QUALITY_UNIT_PP)


def failing_bins(c: FeatureCounts, check: QualityCheck | None) -> NDArray[np.intp]:
    """The bins of the rows that show a change: of values out of range the outermost that gained, else `moved_bins`."""
    if check is None or check.check != "out_of_range":
        return moved_bins(c.live, c.baseline)
    outer = np.zeros(len(c.live))
    outer[[0, -1]] = 1.0
    return moved_bins(c.live * outer, c.baseline * outer, n=float(c.live.sum()), n_baseline=float(c.baseline.sum()))


def moved_bins(
    live: Floats, baseline: Floats, n: float | None = None, n_baseline: float | None = None
) -> NDArray[np.intp]:
    """The bins that gained: those with at least a quarter of the largest gain in share. live, baseline: [B]

    `n` and `n_baseline` are the rows that the counts are shares of, where that is not their sum.
    """
    rows, before = (live.sum() if n is None else n), (baseline.sum() if n_baseline is None else n_baseline)
    gain = live / max(1.0, rows) - baseline / max(1.0, before)
    return np.flatnonzero(gain >= max(1e-9, 0.25 * float(gain.max())))


def rows_in(feature: str, h: Histogram, bins: Sequence[int] | NDArray[np.intp]) -> Filter:
    """The rows whose value lies in some bins; neighbouring numeric bins become one range."""
    chosen = [int(i) for i in bins]
    if isinstance(h.bins, CategoryBins):
        labels = tuple(h.bins.labels[i] for i in chosen if h.bins.labels[i] not in (OTHER, UNSEEN))
        if len(labels) == len(chosen):
            return In(feature, labels)
        known = tuple(label for label in h.bins.labels if label not in (OTHER, UNSEEN) and label not in labels)
        return And((Not(In(feature, known)), Not(Null(feature))))
    points = tuple(value for i in chosen if (value := h.bins.point(i)) is not None)
    ranges: list[tuple[int, int]] = []
    for i in chosen:
        if h.bins.point(i) is not None:
            continue
        if ranges and ranges[-1][1] == i:
            ranges[-1] = (ranges[-1][0], i + 1)
        else:
            ranges.append((i, i + 1))
    edges = h.bins.edges
    parts: tuple[Filter, ...] = (
        *(Eq(feature, value) for value in points),
        *(
            Range(feature, *(edge if math.isfinite(edge) else None for edge in (edges[low], edges[high])))
            for low, high in ranges
        ),
    )
    return parts[0] if len(parts) == 1 else Or(parts)
