"""Features of one model: which drifted, which lost their quality, and what the panel shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import FeatureRow, Finding, Signal
from analysis.cases import Case
from analysis.direction import CONSTANT_SHARE, UNSEEN_SHARE, direction
from analysis.evidence import OTHER, UNSEEN, Bins, CategoryBins, Histogram, NumericBins
from analysis.filters import And, Filter, In, Not, Null, Or, Range
from analysis.multiple import benjamini_hochberg
from analysis.quality import MIN_EFFECT_PP, QualityCheck, quality_checks
from analysis.ranking import lower_bound, severity
from analysis.scales import Scale, scale_since, scales
from analysis.shift import AUC_FLOOR, JS_FLOOR, ShiftCase, ShiftTest, shift_test, shift_tests
from analysis.since import since
from analysis.slices import model_histogram, window_sum, window_sums
from analysis.special import normal_quantile
from analysis.view import Frame, Window
from analysis.words import percent

Floats = NDArray[np.float64]

DRIFT_UNIT = 0.10
"""Jensen-Shannon distance, noise removed, that is worth a look."""

QUALITY_UNIT_PP = 2.0
"""Points of nulls, unseen or out-of-range values that are worth a look."""

CAUSE_CAP = 4.0
"""A moved input is a cause: however far it moved, it does not outrank every symptom."""

BETTER_CAP = 0.9
"""An improvement is worth knowing and no warning."""

MIN_ROWS = 200
MAX_Q = 0.01

CHECK_WORDS = {"null_rate": "null", "unseen_category": "unseen", "out_of_range": "out of range", "constant": "constant"}


@dataclass(frozen=True, slots=True)
class FeatureChange:
    """One feature of one model: its row, and the case if it changed."""

    row: FeatureRow
    case: Case | None


@dataclass(frozen=True, slots=True)
class _Counts:
    """One feature at one scale. live: [B], windows: [K, B], nulls: live and [K]."""

    live: Floats
    windows: Floats
    null: float
    nulls: Floats
    mean: float | None
    mean_baseline: float | None


def feature_changes(
    features: Mapping[str, Histogram], frame: Frame, newest: float | None, model: str
) -> tuple[FeatureChange, ...]:
    """Every feature that the model logged in the baseline, the most changed first.

    Drift needs both gates: q < .01 under the spread of the reference windows, with Benjamini-Hochberg
    over the model's features, and a distance or a mean rank that matters. Quality checks come with their own gates.
    """
    own = {name: model_histogram(h, model) for name, h in sorted(features.items()) if (model,) in h.keys}
    own = {name: h for name, h in own.items() if window_sums(h.t, h.n[:, 0], frame.references).sum() > 0}
    if not own:
        return ()
    best: dict[str, FeatureChange] = {}
    whole: dict[str, FeatureRow] = {}
    for scale in scales(frame, newest):
        counts = {name: _counts(h, scale) for name, h in own.items()}
        tests = shift_tests(
            [ShiftCase(c.live, c.windows, isinstance(own[name].bins, NumericBins)) for name, c in counts.items()]
        )
        qs = benjamini_hochberg(np.array([test.p for test in tests]))
        for (name, c), test, q in zip(counts.items(), tests, qs, strict=True):
            change = _change(name, own[name], c, test, float(q), scale, frame, model)
            whole.setdefault(name, change.row)
            if name not in best or change.row.score > best[name].row.score:
                best[name] = change
    changes = [
        # The panel shows the whole window's numbers unless only its recent part changed.
        FeatureChange(row, None)
        if best[name].case is None
        else _since_onset(name, own[name], best[name], frame, newest, model)
        for name, row in whole.items()
    ]
    return tuple(sorted(changes, key=lambda c: (-c.row.score, -c.row.shift, c.row.feature)))


def _since_onset(
    name: str, h: Histogram, change: FeatureChange, frame: Frame, newest: float | None, model: str
) -> FeatureChange:
    """The change measured from its onset on, where one is known: over a longer window it is diluted."""
    onset = change.case.finding.onset if change.case is not None else None
    begun = None if onset is None else scale_since(frame, onset, newest)
    if begun is None:
        return change
    counts = _counts(h, begun)
    test = shift_test(counts.live, counts.windows, ordered=isinstance(h.bins, NumericBins))
    again = _change(name, h, counts, test, change.row.q, begun, frame, model)
    return again if again.case is not None and again.row.score >= change.row.score else change


def _counts(h: Histogram, scale: Scale) -> _Counts:
    n, null, total = h.n[:, 0], h.null[:, 0] + h.nonfinite[:, 0], h.total[:, 0]
    live, windows = window_sum(h.t, n, scale.live), window_sums(h.t, n, scale.references)
    rows, base_rows = float(live.sum()), float(windows.sum())
    return _Counts(
        live,
        windows,
        float(window_sum(h.t, null, scale.live)),
        window_sums(h.t, null, scale.references),
        float(window_sum(h.t, total, scale.live)) / rows if rows else None,
        float(window_sums(h.t, total, scale.references).sum()) / base_rows if base_rows else None,
    )


def _change(
    name: str, h: Histogram, c: _Counts, test: ShiftTest, q: float, scale: Scale, frame: Frame, model: str
) -> FeatureChange:
    n, m = float(c.live.sum()), float(c.windows.sum())
    base = c.windows.sum(axis=0)
    rows = n + c.null
    enough = rows >= MIN_ROWS and m >= MIN_ROWS
    checks = []
    if enough and _may_fail(c, h.bins):
        checks = quality_checks(c.live, c.null, c.windows, c.nulls, h.bins)
    matters = test.js_adj >= JS_FLOOR or abs(test.auc - 0.5) >= AUC_FLOOR
    drifts = enough and n >= MIN_ROWS and q < MAX_Q and matters
    drift_bound = min(lower_bound(test.js_adj, max(test.se, 0.05 * DRIFT_UNIT), DRIFT_UNIT), CAUSE_CAP)
    worst = max(checks, key=_check_bound, default=None)
    numeric = isinstance(h.bins, NumericBins)
    words = ""
    if drifts or worst is not None:
        means = (c.mean, c.mean_baseline) if numeric else (None, None)
        words = direction(c.live, base, h.bins, mean=means[0], mean_baseline=means[1])
    case: Case | None = None
    bound, state = 0.0, "ok" if enough else "too few"
    # A drift says more than "out of range", and fewer nulls than usual are no fault.
    if worst is not None and not (drifts and (worst.check == "out_of_range" or worst.effect_pp < 0)):
        bound, state = min(_check_bound(worst), CAUSE_CAP if worst.effect_pp > 0 else BETTER_CAP), worst.check
        case = _quality_case(name, h, c, worst, words, bound, scale, frame, model)
    elif drifts:
        bound, state = drift_bound, "DRIFT"
        case = _drift_case(name, h, c, test, words, bound, scale, frame, model)
    elif q < MAX_Q and enough:
        state = "tiny"
    row = FeatureRow(
        feature=name,
        kind="numeric" if numeric else "categorical",
        state=state,
        shift=test.js_adj,
        noise=test.noise,
        q=q,
        direction=words,
        null=c.null / rows if rows else 0.0,
        null_baseline=float(c.nulls.sum()) / (m + float(c.nulls.sum())) if m else 0.0,
        bins=h.bins,
        now=c.live / n if n else np.zeros(len(h.bins)),
        baseline=base / m if m else np.zeros(len(h.bins)),
        n=rows,
        n_baseline=m + float(c.nulls.sum()),
        unseen=float(c.live[h.bins.labels.index(UNSEEN)]) / n
        if n and isinstance(h.bins, CategoryBins) and UNSEEN in h.bins.labels
        else 0.0,
        score=bound,
    )
    return FeatureChange(row, case)


def _may_fail(c: _Counts, bins: Bins) -> bool:
    """Whether a share moved as far as a quality check asks; its p-value costs ten times as much to know."""
    n, m, nulls = float(c.live.sum()), float(c.windows.sum()), float(c.nulls.sum())
    if abs(c.null / (n + c.null) - nulls / (m + nulls)) * 100 >= MIN_EFFECT_PP:
        return True
    if n <= 0:
        return False
    outer = (c.live[0] + c.live[-1]) / n - (c.windows[:, 0] + c.windows[:, -1]).sum() / m
    unseen = isinstance(bins, CategoryBins) and c.live[-1] / n >= UNSEEN_SHARE
    return bool(unseen or outer * 100 >= MIN_EFFECT_PP or c.live.max() / n >= CONSTANT_SHARE)


def _check_bound(check: QualityCheck) -> float:
    """Lower bound of a quality check's effect in units; its standard error follows from its effect and p-value."""
    z = normal_quantile(1 - max(check.p, 1e-15) / 2)
    return lower_bound(check.effect_pp, abs(check.effect_pp) / z if z > 0 else math.inf, QUALITY_UNIT_PP)


def _drift_case(
    name: str,
    h: Histogram,
    c: _Counts,
    test: ShiftTest,
    words: str,
    bound: float,
    scale: Scale,
    frame: Frame,
    model: str,
) -> Case:
    moved = moved_bins(c.live, c.windows.sum(axis=0))
    onset = since(h.t, h.n[:, 0][:, moved].sum(axis=1), h.n[:, 0].sum(axis=1), frame)
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
            subject=name,
        ),
        rows_in(name, h, moved),
        scale.live if onset is None else Window(onset.start, frame.live.end),
    )


def _quality_case(
    name: str, h: Histogram, c: _Counts, check: QualityCheck, words: str, bound: float,
    scale: Scale, frame: Frame, model: str,
) -> Case:  # fmt: skip
    values, nulls = h.n[:, 0].sum(axis=1), h.null[:, 0] + h.nonfinite[:, 0]
    outcome: Filter
    if check.check == "null_rate":
        hits, n, outcome = nulls, values + nulls, Null(name)
    else:
        moved = moved_bins(c.live, c.windows.sum(axis=0))
        hits, n, outcome = h.n[:, 0][:, moved].sum(axis=1), values, rows_in(name, h, moved)
    onset = since(h.t, hits, n, frame)
    window = scale.live if onset is None else Window(onset.start, frame.live.end)
    now = check.now
    if check.check == "null_rate":
        now = float(window_sum(h.t, hits, window) / max(1.0, float(window_sum(h.t, n, window))))
    title = f"{name} {CHECK_WORDS[check.check]} {percent(check.baseline)} -> {percent(now)}"
    return Case(
        Finding(
            signal=Signal.QUALITY,
            model=model,
            severity=severity(Signal.QUALITY, bound),
            title=f"{name} {words}" if check.check == "constant" and words else title,
            effect=check.effect_pp / QUALITY_UNIT_PP,
            score=bound,
            n=check.n,
            n_baseline=check.n_baseline,
            now=now,
            baseline=check.baseline,
            unit="ratio",
            onset=None if onset is None else float(onset.start),
            subject=name,
            check=check.check,
        ),
        outcome,
        window,
    )


def moved_bins(live: Floats, baseline: Floats) -> NDArray[np.intp]:
    """The bins that gained: those with at least a quarter of the largest gain in share. live, baseline: [B]"""
    gain = live / max(1.0, live.sum()) - baseline / max(1.0, baseline.sum())
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
    ranges: list[tuple[int, int]] = []
    for i in chosen:
        if ranges and ranges[-1][1] == i:
            ranges[-1] = (ranges[-1][0], i + 1)
        else:
            ranges.append((i, i + 1))
    edges = h.bins.edges
    parts: tuple[Filter, ...] = tuple(
        Range(feature, *(edge if math.isfinite(edge) else None for edge in (edges[low], edges[high])))
        for low, high in ranges
    )
    return parts[0] if len(parts) == 1 else Or(parts)
