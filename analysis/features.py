"""Features of one model: which drifted, which lost their quality, and what the panel shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import FeatureRow
from analysis.cases import Case
from analysis.direction import CONSTANT_SHARE, UNSEEN_SHARE, clipped_bin, direction
from analysis.evidence import UNSEEN, Bins, CategoryBins, Histogram, NumericBins
from analysis.feature_cases import DRIFT_UNIT, QUALITY_UNIT_PP, drift_case, quality_case
from analysis.feature_counts import FeatureCounts, feature_counts, feature_histogram
from analysis.multiple import benjamini_hochberg
from analysis.quality import MIN_EFFECT_PP, QualityCheck, quality_checks, unit_change
from analysis.ranking import lower_bound
from analysis.readings import readings
from analysis.scales import Scale, scale_since, scales
from analysis.shift import AUC_FLOOR, JS_FLOOR, ShiftTest, shift_test, shift_tests
from analysis.slices import window_sums
from analysis.special import normal_quantile
from analysis.view import Frame

Floats = NDArray[np.float64]

CAUSE_CAP = 4.0
"""A moved input is a cause: however far it moved, it does not outrank every symptom."""

BETTER_CAP = 0.9
"""An improvement is worth knowing and no warning."""

MIN_ROWS = 200
MAX_Q = 0.01

MORE_SPECIFIC = ("unit_change", "constant", "clipping")
"""Checks that say what happened, where others only say that something did."""


@dataclass(frozen=True, slots=True)
class FeatureChange:
    """One feature of one model: its row, and the case if it changed."""

    row: FeatureRow
    case: Case | None


def feature_changes(
    features: Mapping[str, Histogram], frame: Frame, newest: float | None, model: str
) -> tuple[FeatureChange, ...]:
    """Every feature that the model logged in the baseline, the most changed first.

    Drift needs both gates: q < .01 under the spread of the reference windows, with Benjamini-Hochberg
    over the model's features, and a distance or a mean rank that matters. Quality checks come with their own gates.
    """
    own = {name: feature_histogram(name, h, model) for name, h in sorted(features.items()) if (model,) in h.keys}
    own = {name: h for name, h in own.items() if window_sums(h.t, h.n[:, 0], frame.references).sum() > 0}
    if not own:
        return ()
    best: dict[str, FeatureChange] = {}
    whole: dict[str, FeatureRow] = {}
    for scale in scales(frame, newest):
        counts = {name: feature_counts(h, scale) for name, h in own.items()}
        tests = shift_tests([c.case(ordered=isinstance(own[name].bins, NumericBins)) for name, c in counts.items()])
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
    counts = feature_counts(h, begun)
    (test,) = shift_tests([counts.case(ordered=isinstance(h.bins, NumericBins))])
    again = _change(name, h, counts, test, change.row.q, begun, frame, model)
    return again if again.case is not None and again.row.score >= change.row.score else change


def _change(
    name: str, h: Histogram, c: FeatureCounts, test: ShiftTest, q: float, scale: Scale, frame: Frame, model: str
) -> FeatureChange:
    n, m, rows = float(c.live.sum()), float(c.windows.sum()), float(c.live.sum()) + c.null
    enough = rows >= MIN_ROWS and m >= MIN_ROWS
    numeric = isinstance(h.bins, NumericBins)
    means = (c.mean, c.mean_baseline) if numeric else (None, None)
    drifts = enough and n >= MIN_ROWS and q < MAX_Q and _matters(test)
    checks: list[QualityCheck] = []
    if enough and _may_fail(c, h.bins):
        checks = quality_checks(c.live, c.null, c.windows, c.nulls, h.bins)
    if drifts:
        unit = unit_change(c.live, c.baseline, h.bins, test.p, mean=means[0], mean_baseline=means[1])
        checks += [unit] if unit is not None else []
    worst = max(checks, key=lambda check: (check.check in MORE_SPECIFIC, _check_bound(check)), default=None)
    words = ""
    if drifts or worst is not None:
        words = direction(c.live, c.baseline, h.bins, mean=means[0], mean_baseline=means[1])
    case: Case | None = None
    bound, state = 0.0, "ok" if enough else "too few"
    if worst is not None and not (drifts and _says_less(worst, c, numeric)):
        bound, state = min(_check_bound(worst), CAUSE_CAP if worst.effect_pp > 0 else BETTER_CAP), worst.check
        case = quality_case(name, h, c, worst, words, bound, scale, frame, model)
    elif drifts:
        bound = min(lower_bound(test.js_adj, max(test.se, 0.05 * DRIFT_UNIT), DRIFT_UNIT), CAUSE_CAP)
        state, case = "DRIFT", drift_case(name, h, c, test, words, bound, scale, frame, model)
    elif q < MAX_Q and enough:
        state = "tiny"
    base_nulls = float(c.nulls.sum())
    seen_s = sum(w.length for w, held in zip(scale.references, c.windows.sum(axis=1), strict=True) if held > 0)
    row = FeatureRow(
        feature=name,
        kind="numeric" if numeric else "categorical",
        state=state,
        shift=test.js_adj,
        noise=test.noise,
        q=q,
        direction=words,
        null=c.null / rows if rows else 0.0,
        null_baseline=base_nulls / (m + base_nulls) if m else 0.0,
        bins=h.bins,
        now=c.live / n if n else np.zeros(len(h.bins)),
        baseline=c.baseline / m if m else np.zeros(len(h.bins)),
        n=rows,
        n_baseline=m + base_nulls,
        unseen=_unseen(c.live, h.bins) / n if n else 0.0,
        score=bound,
        readings=readings(c.live, c.baseline, h.bins, mean=means[0], mean_baseline=means[1]),
        per_minute=n / (scale.live.length / 60),
        per_minute_baseline=m / (seen_s / 60) if seen_s else None,
    )
    return FeatureChange(row, case)


def _matters(test: ShiftTest) -> bool:
    return test.js_adj >= JS_FLOOR or abs(test.auc - 0.5) >= AUC_FLOOR


def _says_less(check: QualityCheck, c: FeatureCounts, ordered: bool) -> bool:
    """Whether a drift says more than the check: "out of range" always, fewer nulls only if the values moved too."""
    if check.effect_pp < 0:
        return _matters(shift_test(c.live, c.windows, ordered=ordered))
    return check.check == "out_of_range"


def _unseen(live: Floats, bins: Bins) -> float:
    """Rows whose value the baseline never had."""
    known = isinstance(bins, CategoryBins) and UNSEEN in bins.labels
    return float(live[bins.labels.index(UNSEEN)]) if isinstance(bins, CategoryBins) and known else 0.0


def _may_fail(c: FeatureCounts, bins: Bins) -> bool:
    """Whether a share moved as far as a quality check asks; its p-value costs ten times as much to know."""
    n, m, nulls = float(c.live.sum()), float(c.windows.sum()), float(c.nulls.sum())
    if abs(c.null / (n + c.null) - nulls / (m + nulls)) * 100 >= MIN_EFFECT_PP:
        return True
    if n <= 0:
        return False
    if isinstance(bins, NumericBins) and clipped_bin(c.live, c.baseline) is not None:
        return True
    outer = (c.live[0] + c.live[-1]) / n - (c.windows[:, 0] + c.windows[:, -1]).sum() / m
    unseen = isinstance(bins, CategoryBins) and c.live[-1] / n >= UNSEEN_SHARE
    return bool(unseen or outer * 100 >= MIN_EFFECT_PP or c.live.max() / n >= CONSTANT_SHARE)


def _check_bound(check: QualityCheck) -> float:
    """Lower bound of a quality check's effect in units; its standard error follows from its effect and p-value."""
    z = normal_quantile(1 - max(check.p, 1e-15) / 2)
    return lower_bound(check.effect_pp, abs(check.effect_pp) / z if z > 0 else math.inf, QUALITY_UNIT_PP)
