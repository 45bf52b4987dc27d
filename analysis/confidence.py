"""Confidence of one model: where its distribution went, and what its panel shows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.answer import ConfidencePanel, Finding, PanelStatus, Signal
from analysis.cases import Case
from analysis.evidence import Histogram, NumericBins
from analysis.filters import Range
from analysis.proportions import share_test
from analysis.ranking import lower_bound, severity, share_bound, standard_error, weighted
from analysis.scales import scales
from analysis.shift import shift_test
from analysis.since import since
from analysis.slices import grid, grid_times, model_histogram, window_sum, window_sums
from analysis.view import Frame, Window
from analysis.words import percent

Floats = NDArray[np.float64]

EDGES = tuple(i / 20 for i in range(21))
"""Twenty fixed bins over 0..1 (statistics.md section 3)."""

MEAN_UNIT = 0.03
BELOW_UNIT = 0.05
"""Change of the mean, and of the share below the threshold, that is worth a look."""

MIN_ROWS = 200


def threshold_bin(bins: NumericBins, threshold: float) -> int:
    """The first bin at or above the threshold."""
    return int(np.searchsorted(np.array(bins.edges), threshold - 1e-9))


def confidence_case(
    confidence: Histogram, frame: Frame, newest: float | None, model: str, threshold: float
) -> Case | None:
    """The change of a model's confidence: of its mean, or of the share below the threshold, whichever is surer."""
    own = model_histogram(confidence, model)
    assert isinstance(own.bins, NumericBins)
    t, n, total = own.t, own.n[:, 0], own.total[:, 0]
    cut = threshold_bin(own.bins, threshold)
    best: tuple[float, float, str, Window, float, float] | None = None
    for scale in scales(frame, newest):
        live, references = window_sum(t, n, scale.live), window_sums(t, n, scale.references)
        rows, reference_rows = float(live.sum()), references.sum(axis=1)
        if rows < MIN_ROWS or reference_rows.sum() < MIN_ROWS:
            continue
        reference_below = references[:, :cut].sum(axis=1)
        below = share_test(float(live[:cut].sum()), rows, reference_below, reference_rows)
        if below.p < 0.001:
            bound = share_bound(below, reference_below, reference_rows, BELOW_UNIT)
            if best is None or bound > best[0]:
                best = (bound, (below.now - below.baseline) / BELOW_UNIT, "below", scale.live, rows, below.n_baseline)
        sums, now_sum = window_sums(t, total, scale.references), float(window_sum(t, total, scale.live))
        used = reference_rows > 0
        means = sums[used] / reference_rows[used]
        base = float(sums.sum() / reference_rows.sum())
        spread = standard_deviation(references.sum(axis=0), own.bins)
        error = standard_error(means - base, spread / math.sqrt(rows), MEAN_UNIT)
        difference = now_sum / rows - base
        bound = lower_bound(difference, error, MEAN_UNIT)
        if best is None or bound > best[0]:
            best = (bound, difference / MEAN_UNIT, "mean", scale.live, rows, float(reference_rows.sum()))
    if best is None or best[0] <= 0:
        return None
    bound, effect, check, window, rows, reference_rows_total = best
    lower = n[:, :cut].sum(axis=1)
    falling = effect > 0 if check == "below" else effect < 0
    onset = since(t, lower if falling else n.sum(axis=1) - lower, n.sum(axis=1), frame)
    if onset is not None:
        window = Window(onset.start, frame.live.end)
    live, references = window_sum(t, n, window), window_sums(t, n, frame.references).sum(axis=0)
    if check == "below":
        now, baseline = float(live[:cut].sum() / live.sum()), float(references[:cut].sum() / references.sum())
        title = f"confidence<{threshold:g} {percent(baseline)} -> {percent(now)} of rows"
    else:
        now = float(window_sum(t, total, window) / live.sum())
        baseline = float(window_sums(t, total, frame.references).sum() / references.sum())
        title = f"confidence {'down' if now < baseline else 'up'}, mean {baseline:.2f} -> {now:.2f}"
    return Case(
        Finding(
            signal=Signal.CONFIDENCE,
            model=model,
            severity=severity(Signal.CONFIDENCE, bound),
            title=title,
            effect=effect,
            score=weighted(Signal.CONFIDENCE, bound),
            n=rows,
            n_baseline=reference_rows_total,
            now=now,
            baseline=baseline,
            unit="ratio" if check == "below" else "score",
            onset=None if onset is None else onset.start,
            check=check,
        ),
        Range("confidence", high=threshold) if falling else Range("confidence", low=threshold),
        window,
    )


def standard_deviation(counts: Floats, bins: NumericBins) -> float:
    """Standard deviation of binned values taken at the middles of their bins. counts: [B]"""
    edges = np.array(bins.edges)
    middles = (edges[1:] + edges[:-1]) / 2
    n = counts.sum()
    if n <= 0:
        return math.inf
    mean = float((counts * middles).sum() / n)
    return math.sqrt(float((counts * (middles - mean) ** 2).sum() / n))


def shape(now: Floats, baseline: Floats) -> str:
    """The direction of a confidence shift in words. now, baseline: [B] shares over equal bins of 0..1.

    collapse: one bin holds three times its share and a fifth of all rows; two humps: both ends grew and the middle
    shrank; otherwise the end that mass moved to (statistics.md section 3).
    """
    if not (now.sum() > 0 and baseline.sum() > 0):
        return ""
    third = max(1, len(now) // 3)
    change = now - baseline
    top = int(np.argmax(now))
    low, middle, high = change[:third].sum(), change[third:-third].sum(), change[-third:].sum()
    if now[top] >= 0.2 and now[top] >= 3 * max(baseline[top], 1e-9):
        return f"collapse: {percent(float(now[top]))} of rows at {(top + 0.5) / len(now):.2f}"
    moved = float(np.abs(change).sum() / 2)
    if moved < 0.01:
        return "unchanged"
    if low > 0.02 and high > 0.02 and middle < 0:
        return "two humps: both ends grew"
    centre = np.arange(len(now)) / len(now)
    direction = "down" if float((change * centre).sum()) < 0 else "up"
    return f"{percent(moved)} of rows moved {direction}"


def confidence_panel(
    confidence: Histogram, frame: Frame, model: str, threshold: float, status: PanelStatus
) -> ConfidencePanel:
    """Shares per bin, now and over the reference windows, with mean, share below the threshold and shift."""
    own = model_histogram(confidence, model)
    assert isinstance(own.bins, NumericBins)
    t, n, total = own.t, own.n[:, 0], own.total[:, 0]
    live, references = window_sum(t, n, frame.live), window_sums(t, n, frame.references)
    base, rows, base_rows = references.sum(axis=0), float(live.sum()), float(references.sum())
    cut = threshold_bin(own.bins, threshold)
    now_shares = live / rows if rows else None
    base_shares = base / base_rows if base_rows else None
    per_bucket, sums = grid(t, n, frame.live, own.step).sum(axis=1), grid(t, total, frame.live, own.step)
    tested = shift_test(live, references, ordered=True) if rows and base_rows else None
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
        direction="" if now_shares is None or base_shares is None else shape(now_shares, base_shares),
        n=rows,
        n_baseline=base_rows,
        t=grid_times(frame.live, own.step),
        mean_over_time=np.divide(sums, per_bucket, out=np.full(len(sums), np.nan), where=per_bucket > 0),
    )
