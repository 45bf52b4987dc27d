"""Latency: percentiles from merged histograms, the change of one model, and what its panel shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, LatencyPanel, PanelStatus, Severity, Signal
from analysis.cases import Case
from analysis.evidence import Histogram, NumericBins
from analysis.filters import Range
from analysis.lasting import interruption, share_is_over, without_interruption
from analysis.latency_shape import change_in_words, percentile_bounds, ratio_bounds
from analysis.objectives import Objective
from analysis.proportions import ShareTest
from analysis.quantiles import Interpolation, count_above, exceedance_test, min_count, quantiles
from analysis.ranking import lower_bound, severity, standard_error, weighted
from analysis.scales import Scale, scale_since, scales
from analysis.since import since
from analysis.slices import grid, grid_times, model_histogram, window_sum, window_sums
from analysis.slow_share import slow_shares
from analysis.view import Frame, Window
from analysis.words import milliseconds, ratio

Floats = NDArray[np.float64]

QUANTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
UNITS = {"p50": math.log(1.25), "p95": math.log(1.5), "p99": math.log(1.5)}
"""The log ratio of a percentile that is worth a look."""

MAX_P = 0.0005
"""Two edges are tested, at .001 together."""

MIN_EXCESS = 10
"""Requests above the edge, live and baseline together, below which no change is claimed."""


@dataclass(frozen=True, slots=True)
class _Change:
    name: str
    bound: float
    log_ratio: float
    share: ShareTest
    edge: int
    scale: Scale


def interpolation(bins: NumericBins) -> Interpolation:
    """How to read a percentile inside a bin: Prometheus's linear rule, except in our own narrow log-spaced bins."""
    return "log" if len(bins) > 100 else "linear"


def percentiles(counts: Floats, bins: NumericBins) -> Floats:
    """p50, p90, p95, p99 of histograms. counts: [..., B] -> [..., 4] milliseconds; NaN without observations."""
    return quantiles(counts, bins.edges, tuple(QUANTILES.values()), interpolation=interpolation(bins))


def summary(counts: Floats, bins: NumericBins) -> dict[str, float | None]:
    """Percentiles of one histogram [B]; None where n is too small to bound the percentile from above."""
    values, n = percentiles(counts, bins), float(counts.sum())
    return {
        name: float(value) if math.isfinite(value) and n >= min_count(q) else None
        for (name, q), value in zip(QUANTILES.items(), values, strict=True)
    }


def latency_case(latency: Histogram, frame: Frame, newest: float | None, model: str) -> Case | None:
    """The largest change of a percentile of one model, or None when nothing is both real and large enough.

    Real: the share of requests above an edge of the baseline percentile's bin changed (p < .001 under the spread of the
    reference windows) by half or more. Large: the lower bound of the percentile's log ratio.
    """
    own = model_histogram(latency, model)
    bins, t, n = own.bins, own.t, own.n[:, 0]
    assert isinstance(bins, NumericBins)
    best: _Change | None = None
    for scale in scales(frame, newest):
        live = window_sum(t, n, scale.live)
        references = window_sums(t, n, scale.references)
        for change in _changes(live, references, bins, scale):
            if best is None or change.bound > best.bound:
                best = change
    if best is None:
        return None
    onset = since(t, count_above(n, best.edge), n.sum(axis=1), frame)
    if onset is not None and (begun := scale_since(frame, onset.start, newest)) is not None:
        live, references = window_sum(t, n, begun.live), window_sums(t, n, begun.references)
        best = max([best, *_changes(live, references, bins, begun)], key=lambda change: change.bound)
    now, base = _values(best, n, t, bins, frame)
    worse = best.log_ratio > 0
    urgency = severity(Signal.LATENCY, best.bound) if worse else Severity.INFO
    if urgency is not Severity.INFO and not _lasts(best, t, n, bins, newest, own.step):
        urgency = Severity.INFO
    edge_ms = bins.edges[best.edge]
    return Case(
        Finding(
            signal=Signal.LATENCY,
            model=model,
            severity=urgency,
            title=f"{best.name} {milliseconds(base)} -> {milliseconds(now)} {ratio(now, base)}",
            effect=best.log_ratio / UNITS[best.name],
            score=weighted(Signal.LATENCY, best.bound) if worse else min(best.bound, 0.9),
            n=best.share.n,
            n_baseline=best.share.n_baseline,
            now=now,
            baseline=base,
            unit="ms",
            onset=None if onset is None else float(onset.start),
            onset_between=None if onset is None else onset.between,
            check=best.name,
        ),
        Range("latency_ms", low=edge_ms) if worse else Range("latency_ms", high=edge_ms),
        best.scale.live,
    )


def _lasts(
    change: _Change, t: NDArray[np.int64], n: Floats, bins: NumericBins, newest: float | None, step: int
) -> bool:
    """Whether a slowdown goes on, or warns as well without its worst four minutes: it comes and goes."""
    live = change.scale.live
    end = live.end if newest is None else min(live.end, (int(newest) // step + 1) * step)
    buckets = grid(t, n, Window(live.start, max(live.start, end)), step)
    hits, rows = count_above(buckets, change.edge), buckets.sum(axis=1)
    short = interruption(step)
    if not share_is_over(hits, rows, change.share.baseline, change.share.now, short + 1):
        return True
    kept = without_interruption(hits - change.share.baseline * rows, short)
    if kept is None:
        return False
    references = window_sums(t, n, change.scale.references)
    rest = _changes(buckets[kept].sum(axis=0), references, bins, change.scale)
    return any(severity(Signal.LATENCY, left.bound) is not Severity.INFO and left.log_ratio > 0 for left in rest)


def _values(change: _Change, n: Floats, t: NDArray[np.int64], bins: NumericBins, frame: Frame) -> tuple[float, float]:
    """The percentile over the window in which the change is largest, and over all references."""
    index = list(QUANTILES).index(change.name)
    now = percentiles(window_sum(t, n, change.scale.live), bins)[index]
    base = percentiles(window_sums(t, n, frame.references).sum(axis=0), bins)[index]
    return float(now), float(base)


def _changes(live: Floats, references: Floats, bins: NumericBins, scale: Scale) -> list[_Change]:
    """The change of each percentile that passes the test on shares. live: [B], references: [K, B]."""
    total, n, m = references.sum(axis=0), float(live.sum()), float(references.sum())
    if n < min_count(0.5) or m < min_count(0.5):
        return []
    used = references[references.sum(axis=1) >= 0.2 * m / max(1, len(references))]
    now, base, *of_windows = percentiles(np.vstack([live, total, used]), bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        history = np.log(np.array(of_windows).reshape(-1, len(QUANTILES)) / base)
    moved: dict[str, float] = {}
    for name, unit in UNITS.items():
        index, q = list(QUANTILES).index(name), QUANTILES[name]
        if n < min_count(q) or m < min_count(q) or not (now[index] > 0 and base[index] > 0):
            continue
        log_ratio = math.log(now[index] / base[index])
        # The sampling error only lowers the bound, and costs more than all of the above.
        if lower_bound(log_ratio, standard_error(history[:, index], 0.0, unit), unit) > 0:
            moved[name] = log_ratio
    if not moved:
        return []
    errors, base_errors = (log_quantile_errors(counts, bins) for counts in (live, total))
    changes: list[_Change] = []
    for name, log_ratio in moved.items():
        index, unit = list(QUANTILES).index(name), UNITS[name]
        sampling = math.hypot(errors[name], base_errors[name])
        bound = lower_bound(log_ratio, standard_error(history[:, index], sampling, unit), unit)
        if bound <= 0:
            continue
        # A coarse bucket shows what enters it at one edge and what leaves it at the other.
        at = int(np.searchsorted(bins.edges, base[index], side="right"))
        tests = [(edge, exceedance_test(live, references, edge)) for edge in (at - 1, at) if 0 < edge < len(bins)]
        agreeing = [
            (edge, share)
            for edge, share in tests
            if share.p < MAX_P
            and share.events >= MIN_EXCESS
            and log_ratio * (share.now - share.baseline) > 0
            and (name == "p50" or not 1 / 1.5 < share.ratio < 1.5)
        ]
        if not agreeing:
            continue
        edge, share = min(agreeing, key=lambda found: found[1].p)
        changes.append(_Change(name, bound, log_ratio, share, edge, scale))
    return changes


def log_quantile_errors(counts: Floats, bins: NumericBins) -> dict[str, float]:
    """Standard error of log(percentile) of [B] counts: half the log distance of the percentiles one rank error away.

    The rank of a q-quantile of n values has standard deviation sqrt(n q (1 - q)).
    """
    n, qs = float(counts.sum()), np.array([QUANTILES[name] for name in UNITS])
    step = np.sqrt(qs * (1 - qs) / n)
    around = np.concatenate([np.maximum(0.0, qs - step), np.minimum(1.0 - 0.5 / n, qs + step)])
    low, high = (
        quantiles(counts, bins.edges, around.tolist(), interpolation=interpolation(bins)).reshape(2, -1).tolist()
    )
    return {
        name: abs(math.log(b / a)) / 2 if a > 0 and b > 0 else math.inf
        for name, a, b in zip(UNITS, low, high, strict=True)
    }


def latency_panel(
    latency: Histogram, frame: Frame, model: str, status: PanelStatus, objectives: Sequence[Objective] = ()
) -> LatencyPanel:
    """Percentiles per bucket of the live window, and of the reference windows at the same position in the window.

    Args:
        objectives: those of the model; their thresholds say which requests are slow.
    """
    own = model_histogram(latency, model)
    bins, n = own.bins, own.n[:, 0]
    assert isinstance(bins, NumericBins)
    live = grid(own.t, n, frame.live, own.step)
    expected = np.sum([grid(own.t, n, window, own.step) for window in frame.references], axis=0)
    now, base = percentiles(np.stack([live, expected]), bins)
    whole, usual = live.sum(axis=0), expected.sum(axis=0)
    window, window_baseline = summary(whole, bins), summary(usual, bins)
    bounds = percentile_bounds(whole, bins, QUANTILES)
    windows = window_sums(own.t, n, frame.references)
    sure = {change.name for change in _changes(whole, windows, bins, Scale(frame.live, frame.references))}
    return LatencyPanel(
        status=status,
        model=model,
        t=grid_times(frame.live, own.step),
        now={name: now[:, i] for i, name in enumerate(QUANTILES)},
        baseline={name: base[:, i] for i, name in enumerate(QUANTILES)},
        window=window,
        window_baseline=window_baseline,
        n=float(live.sum()),
        n_baseline=float(expected.sum()),
        rate=live.sum(axis=1) / own.step,
        bounds=bounds,
        ratio_bounds=ratio_bounds(window, window_baseline, bounds, percentile_bounds(usual, bins, QUANTILES)),
        moved=change_in_words(whole, usual, bins, sure, interpolation(bins)),
        slow=slow_shares(whole, windows, bins, objectives),
    )
