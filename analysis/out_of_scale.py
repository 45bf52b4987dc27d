"""Confidence that is no probability any more: values outside 0..1, or all of them on another scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.cases import Case
from analysis.direction import number
from analysis.evidence import Histogram
from analysis.feature_cases import check_bound, quality_finding
from analysis.features import CAUSE_CAP, MIN_ROWS
from analysis.filters import Filter, Or, Range
from analysis.probabilities import HIGH, LOW, SCORES, open_ended, within
from analysis.quality import QualityCheck, out_of_scale
from analysis.scales import Scale, scale_since, scales
from analysis.since import since
from analysis.slices import model_histogram, window_sum, window_sums
from analysis.view import Frame, Window
from analysis.words import percent

Floats = NDArray[np.float64]

SUBJECT = "confidence"
"""The canonical column that the finding is about."""

FACTORS = (100.0, 255.0, 1_000.0, 10_000.0)
"""Per cent, a byte, per mille, basis points: the scales on which probabilities are written."""

NEAR = 0.15
"""Relative distance of the ratio of two means from a factor; which rows moved may not be the average ones."""

WHOLE = 0.9
"""Share of the rows from which the whole log is on another scale."""


PROBABLE = Range(SUBJECT, low=LOW, high=HIGH)
"""The rows of a finding about a log on another scale of which a part is on 0..1 now."""


@dataclass(frozen=True, slots=True)
class _Change:
    check: QualityCheck
    bound: float
    window: Window
    factor: float | None
    """By which the values that moved are larger than they were, where it is that of a usual scale."""


def out_of_scale_case(confidence: Histogram, frame: Frame, newest: float | None, model: str) -> Case | None:
    """The rise of the share of values on another scale than 0..1, or back on it; None where there is none.

    What is usual follows from the baseline: probabilities where less than a tenth of it lies outside 0..1, another
    scale where all but a tenth does. A log in between holds scores whose values say nothing by themselves.

    Args:
        confidence: in the bins of `probabilities.ASKED`.
        newest: unix seconds of the newest row.
    """
    own = model_histogram(confidence, model)
    if not open_ended(own):
        return None
    counts, inner = own.n[:, 0], within(own)
    outside = counts[:, 0] + counts[:, -1]
    rows = counts.sum(axis=1)
    before, all_before = (float(window_sums(own.t, x, frame.references).sum()) for x in (outside, rows))
    scaled = before > (1 - SCORES) * all_before
    if all_before < MIN_ROWS or SCORES * all_before <= before <= (1 - SCORES) * all_before:
        return None
    hits = rows - outside if scaled else outside
    parts = _Parts(own.t, hits, rows, own.total[:, 0] - inner.total[:, 0], inner.total[:, 0], scaled=scaled)
    found = [change for scale in scales(frame, newest) if (change := parts.change(scale)) is not None]
    best = max(found, key=lambda change: change.bound, default=None)
    if best is None or best.bound <= 0:
        return None
    onset = since(own.t, hits, rows, frame)
    if onset is not None and (begun := scale_since(frame, onset.start, newest)) is not None:
        sharper = parts.change(begun)
        best = max((best, sharper), key=lambda change: change.bound) if sharper is not None else best
        best = replace(best, window=Window(onset.start, frame.live.end))
    check, bound = best.check, min(best.bound, CAUSE_CAP)
    finding = quality_finding(check, bound, _title(best), model=model, subject=SUBJECT, onset=onset)
    moved = counts[(own.t >= best.window.start) & (own.t < best.window.end)].sum(axis=0)
    return Case(finding, _rows(moved, scaled=scaled), best.window)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Values of one model per bucket: [T] those that are not where the baseline has them, all, and sums of both."""

    t: NDArray[np.int64]
    hits: Floats
    rows: Floats
    outer_total: Floats
    """Sum of the values outside 0..1."""
    inner_total: Floats
    scaled: bool
    """Whether the baseline lies outside 0..1."""

    def change(self, scale: Scale) -> _Change | None:
        """The rise at one scale; None with too few rows."""
        hits, rows = (float(window_sum(self.t, x, scale.live)) for x in (self.hits, self.rows))
        hits_before, rows_before = (window_sums(self.t, x, scale.references) for x in (self.hits, self.rows))
        if rows < MIN_ROWS or rows_before.sum() < MIN_ROWS:
            return None
        check = out_of_scale(hits, rows, hits_before, rows_before)
        if check is None:
            return None
        factor = self._factor(scale, hits, float(rows_before.sum() - hits_before.sum()))
        if factor is None and self.scaled:
            return None
        check = check if factor is None else replace(check, check="unit_change")
        return _Change(check, check_bound(check), scale.live, factor)

    def _factor(self, scale: Scale, hits: float, usual: float) -> float | None:
        """The mean of the values that moved over that of the usual ones before, if that is a usual factor."""
        moved, stayed = (self.inner_total, self.outer_total) if self.scaled else (self.outer_total, self.inner_total)
        now, before = (
            float(window_sum(self.t, moved, scale.live)),
            float(window_sums(self.t, stayed, scale.references).sum()),
        )
        if not (hits > 0 and usual > 0 and 0 < now < math.inf and 0 < before < math.inf):
            return None
        factor = (now / hits) / (before / usual)
        size = 1 / factor if self.scaled else factor
        near = min(FACTORS, key=lambda known: abs(math.log(size / known)))
        if abs(math.log(size / near)) > NEAR:
            return None
        return 1 / near if self.scaled else near


def _title(change: _Change) -> str:
    now, before = percent(change.check.now), change.check.baseline
    was = f"{percent(before)} -> " if before > 0 else ""
    if change.factor is None:
        return f"{SUBJECT} out of 0..1: {was}{now} of rows"
    part = "" if change.check.now >= WHOLE else f" in {was}{now} of rows"
    return f"{SUBJECT} values x{number(change.factor)}{part}"


def _rows(counts: Floats, *, scaled: bool) -> Filter:
    """The rows that moved, by [22] counts of the window."""
    if scaled:
        return PROBABLE
    below, above = Range(SUBJECT, high=LOW), Range(SUBJECT, low=HIGH)
    if not counts[0] or not counts[-1]:
        return above if counts[-1] else below
    return Or((below, above))


def extremes_words(low: float, high: float) -> str:
    """How far the values that are no probability go: "up to 1.7", "down to -0.2", "from -0.2 to 1.7"."""
    if low < LOW and high > HIGH:
        return f"from {number(low)} to {number(high)}"
    return f"down to {number(low)}" if low < LOW else f"up to {number(high)}"
