"""Confidence of one model: where its distribution went, and what its panel shows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import ConfidencePanel, Finding, PanelStatus, Signal
from analysis.cases import Case
from analysis.evidence import Histogram, NumericBins
from analysis.feature_cases import moved_bins, rows_in
from analysis.filters import Filter, Range
from analysis.probabilities import SCORES, confidence_of, outside_of
from analysis.proportions import share_test
from analysis.ranking import SHOWN, lower_bound, severity, share_bound, standard_error, weighted
from analysis.scales import Scale, scale_since, scales
from analysis.shapes import confidence_shape, mean_entropy
from analysis.shift import shift_test
from analysis.since import since
from analysis.slices import grid, grid_times, window_sum, window_sums
from analysis.view import Frame, Window
from analysis.words import percent

Floats = NDArray[np.float64]

MEAN_UNIT = 0.03
BELOW_UNIT = 0.05
SHAPE_UNIT = 0.10
"""Change of the mean, of the share below the threshold, and distance of the shape, that is worth a look."""

MIN_ROWS = 200
MAX_P = 0.001


def threshold_bin(bins: NumericBins, threshold: float) -> int:
    """The first bin at or above the threshold."""
    return int(np.searchsorted(np.array(bins.edges), threshold - 1e-9))


@dataclass(frozen=True, slots=True)
class _Change:
    check: str
    bound: float
    effect: float
    now: float
    baseline: float
    n: float
    n_baseline: float
    window: Window
    text: str = ""
    """Of a change of shape."""
    gained: tuple[int, ...] = ()
    """The bins that a change of shape moved rows to."""

    @property
    def falling(self) -> bool:
        """Whether the model became less sure."""
        return self.effect < 0 if self.check == "mean" else self.check == "below" and self.effect > 0


def confidence_case(
    confidence: Histogram, frame: Frame, newest: float | None, model: str, threshold: float
) -> Case | None:
    """The change of a model's confidence: of its mean, of the share below the threshold or of its shape."""
    own = confidence_of(confidence, model, frame)
    assert isinstance(own.bins, NumericBins)
    t, n, cut = own.t, own.n[:, 0], threshold_bin(own.bins, threshold)
    found = [change for scale in scales(frame, newest) for change in _changes(own, scale, cut)]
    best = max(found, key=lambda change: change.bound, default=None)
    if best is None or best.bound <= 0:
        return None
    onset = since(t, n[:, _bins_of(best, own, cut)].sum(axis=1), n.sum(axis=1), frame)
    if onset is not None and (begun := scale_since(frame, onset.start, newest)) is not None:
        best = max([best, *_changes(own, begun, cut)], key=lambda change: change.bound)
    if best.check == "below":
        title = f"confidence<{threshold:g} {percent(best.baseline)} -> {percent(best.now)} of rows"
    elif best.check == "mean":
        title = f"confidence mean {best.baseline:.2f} -> {best.now:.2f}"
    else:
        title = f"confidence {best.text}"
    return Case(
        Finding(
            signal=Signal.CONFIDENCE,
            model=model,
            severity=severity(Signal.CONFIDENCE, best.bound),
            title=title,
            effect=best.effect,
            score=weighted(Signal.CONFIDENCE, best.bound),
            n=best.n,
            n_baseline=best.n_baseline,
            now=best.now,
            baseline=best.baseline,
            unit={"below": "ratio", "mean": "score"}.get(best.check, "js"),
            onset=None if onset is None else float(onset.start),
            onset_between=None if onset is None else onset.between,
            check=best.check,
        ),
        _rows_of(best, own, threshold),
        best.window,
    )


def _bins_of(change: _Change, own: Histogram, cut: int) -> list[int]:
    """The bins that grew: below or above bin `cut`, or those that the new shape gained."""
    if change.text:
        return list(change.gained)
    every = list(range(len(own.bins)))
    return every[:cut] if change.falling else every[cut:]


def _rows_of(change: _Change, own: Histogram, threshold: float) -> Filter:
    if change.text:
        return rows_in("confidence", own, change.gained)
    return Range("confidence", high=threshold) if change.falling else Range("confidence", low=threshold)


def _changes(own: Histogram, scale: Scale, cut: int) -> list[_Change]:
    """The changes of the mean and of the share below bin `cut` at one scale; of the shape where neither changed.

    None with too few rows.
    """
    assert isinstance(own.bins, NumericBins)
    t, n, total = own.t, own.n[:, 0], own.total[:, 0]
    live, references = window_sum(t, n, scale.live), window_sums(t, n, scale.references)
    rows, reference_rows = float(live.sum()), references.sum(axis=1)
    base_rows = float(reference_rows.sum())
    if rows < MIN_ROWS or base_rows < MIN_ROWS:
        return []
    changes = []
    reference_below = references[:, :cut].sum(axis=1)
    below = share_test(float(live[:cut].sum()), rows, reference_below, reference_rows)
    if below.p < MAX_P:
        bound = share_bound(below, reference_below, reference_rows, BELOW_UNIT)
        effect = (below.now - below.baseline) / BELOW_UNIT
        changes.append(_Change("below", bound, effect, below.now, below.baseline, rows, base_rows, scale.live))
    sums, used = window_sums(t, total, scale.references), reference_rows > 0
    now, base = float(window_sum(t, total, scale.live)) / rows, float(sums.sum()) / base_rows
    spread = standard_deviation(references.sum(axis=0), own.bins)
    error = standard_error(sums[used] / reference_rows[used] - base, spread / math.sqrt(rows), MEAN_UNIT)
    bound = lower_bound(now - base, error, MEAN_UNIT)
    changes.append(_Change("mean", bound, (now - base) / MEAN_UNIT, now, base, rows, base_rows, scale.live))
    if max(change.bound for change in changes) >= SHOWN:
        return changes
    found = confidence_shape(live, references, cut)
    if found is not None:
        test = found.test
        bound = lower_bound(test.js_adj, max(test.se, 0.05 * SHAPE_UNIT), SHAPE_UNIT)
        effect = test.js_adj / SHAPE_UNIT
        gained = tuple(moved_bins(live, references.sum(axis=0)).tolist())
        changes.append(
            _Change(found.word, bound, effect, test.js_adj, test.noise, rows, base_rows, scale.live, found.text, gained)
        )
    return changes


def standard_deviation(counts: Floats, bins: NumericBins) -> float:
    """Standard deviation of binned values taken at the middles of their bins. counts: [B]"""
    edges = np.array(bins.edges)
    middles = (edges[1:] + edges[:-1]) / 2
    n = counts.sum()
    if n <= 0:
        return math.inf
    mean = float((counts * middles).sum() / n)
    return math.sqrt(float((counts * (middles - mean) ** 2).sum() / n))


def confidence_panel(
    confidence: Histogram, frame: Frame, model: str, threshold: float, status: PanelStatus
) -> ConfidencePanel:
    """Shares per bin, now and over the reference windows, with mean, share below the threshold and shift."""
    own = confidence_of(confidence, model, frame)
    assert isinstance(own.bins, NumericBins)
    t, n, total = own.t, own.n[:, 0], own.total[:, 0]
    live, references = window_sum(t, n, frame.live), window_sums(t, n, frame.references)
    base, rows, base_rows = references.sum(axis=0), float(live.sum()), float(references.sum())
    cut = threshold_bin(own.bins, threshold)
    (outside, all_rows), (outside_base, all_base) = (
        outside_of(confidence, model, windows) for windows in ((frame.live,), frame.references)
    )
    scored = outside_base > SCORES * all_base
    now_shares = live / rows if rows else np.zeros(len(live)) if outside else None
    base_shares = base / base_rows if base_rows else None
    per_bucket, sums = grid(t, n, frame.live, own.step).sum(axis=1), grid(t, total, frame.live, own.step)
    tested = shift_test(live, references, ordered=True) if rows and base_rows else None
    enough = rows >= MIN_ROWS and base_rows >= MIN_ROWS
    found = confidence_shape(live, references, cut) if enough else None
    return ConfidencePanel(
        status=status,
        model=model,
        edges=own.bins.edges,
        now=now_shares,
        baseline=base_shares,
        mean=float(window_sum(t, total, frame.live)) / rows if rows else None,
        mean_baseline=float(window_sums(t, total, frame.references).sum()) / base_rows if base_rows else None,
        threshold=threshold,
        below=float(live[:cut].sum()) / rows if rows else None,
        below_baseline=float(base[:cut].sum()) / base_rows if base_rows else None,
        shift=None if tested is None else tested.js_adj,
        direction=found.text if found is not None else "as usual" if enough else "too few rows" if rows else "",
        entropy=mean_entropy(live, own.bins.edges),
        entropy_baseline=mean_entropy(base, own.bins.edges),
        n=rows,
        n_baseline=base_rows,
        outside=0.0 if scored or not outside else outside / all_rows,
        outside_baseline=0.0 if scored or not outside_base else outside_base / all_base,
        t=grid_times(frame.live, own.step),
        mean_over_time=np.divide(sums, per_bucket, out=np.full(len(sums), np.nan), where=per_bucket > 0),
    )
