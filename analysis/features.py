"""Features of one model: which drifted, which lost their quality, and what the panel shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import FeatureRow
from analysis.cases import Case
from analysis.direction import direction
from analysis.evidence import UNSEEN, Bins, CategoryBins, Histogram, NumericBins
from analysis.feature_cases import DRIFT_UNIT, check_bound, drift_case, quality_case
from analysis.feature_counts import FeatureColumns, FeatureCounts, feature_counts
from analysis.feature_screen import Screen
from analysis.multiple import benjamini_hochberg
from analysis.quality import QualityCheck, quality_checks, unit_change
from analysis.ranking import lower_bound
from analysis.scales import Scale, scale_since, scales
from analysis.shift import AUC_FLOOR, JS_FLOOR, ShiftTest, shift_test, shift_tests
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


_Key = tuple[str, str]
"""(model, feature)"""


def feature_changes(
    features: Mapping[str, Histogram], frame: Frame, newest: float | None, models: Sequence[str]
) -> Mapping[str, tuple[FeatureChange, ...]]:
    """Every feature that each model logged in the baseline, the most changed first.

    Drift needs both gates: q < .01 under the spread of the reference windows, with Benjamini-Hochberg over the
    model's features, and a distance or a mean rank that matters. Quality checks come with their own gates. All models
    are tested together, because a test of many features costs little more than that of one.
    """
    own = {
        (model, name): FeatureColumns.of(name, h, model)
        for model in models
        for name, h in sorted(features.items())
        if (model,) in h.keys
    }
    whole, *recent = scales(frame, newest)
    counts = feature_counts(own, whole)
    counts = {key: c for key, c in counts.items() if c.baseline.sum() > 0}
    own = {key: own[key] for key in counts}
    # The panel shows the whole window's numbers unless only its recent part changed.
    found = _at_scale(own, counts, whole, frame, every=True)
    best = dict(found)
    for scale in recent:
        for key, change in _at_scale(own, feature_counts(own, scale), scale, frame).items():
            if change.row.score > best[key].row.score:
                best[key] = change
    changes: dict[str, list[FeatureChange]] = {model: [] for model in models}
    for key, change in found.items():
        moved = best[key]
        changes[key[0]].append(change if moved.case is None else _since_onset(key, own[key], moved, frame, newest))
    return {
        model: tuple(sorted(listed, key=lambda c: (-c.row.score, -c.row.shift, c.row.feature)))
        for model, listed in changes.items()
    }


def _at_scale(
    own: Mapping[_Key, FeatureColumns],
    counts: Mapping[_Key, FeatureCounts],
    scale: Scale,
    frame: Frame,
    *,
    every: bool = False,
) -> dict[_Key, FeatureChange]:
    """The features at one scale: `every` one of them, or those that may have changed.

    Where nobody looks at the rest, what cannot matter is not tested: it counts as p = 1 among its model's features,
    which makes the others' q larger if anything.
    """
    if not own:
        return {}
    screen = Screen.of(list(counts.values()), [columns.histogram.bins for columns in own.values()])
    may_fail = screen.may_fail()
    tested = np.flatnonzero(np.ones_like(may_fail) if every else may_fail | screen.may_drift())
    keys, every_count = list(counts), list(counts.values())
    tests = shift_tests([every_count[i].case(ordered=bool(screen.ordered[i])) for i in tested])
    p = np.ones(len(keys))
    p[tested] = [test.p for test in tests]
    of_model = np.array([model for model, _ in keys])
    q = np.empty(len(p))
    for model in dict.fromkeys(model for model, _ in keys):
        q[of_model == model] = benjamini_hochberg(p[of_model == model])
    return {
        keys[i]: _change(
            keys[i], own[keys[i]].histogram, every_count[i], test, float(q[i]), scale, frame, may=bool(may_fail[i])
        )
        for i, test in zip(tested, tests, strict=True)
        if every or may_fail[i] or q[i] < MAX_Q
    }


def _since_onset(
    key: _Key, columns: FeatureColumns, change: FeatureChange, frame: Frame, newest: float | None
) -> FeatureChange:
    """The change measured from its onset on, where one is known: over a longer window it is diluted."""
    onset = change.case.finding.onset if change.case is not None else None
    begun = None if onset is None else scale_since(frame, onset, newest)
    if begun is None:
        return change
    (counts,), h = feature_counts({key: columns}, begun).values(), columns.histogram
    (test,) = shift_tests([counts.case(ordered=isinstance(h.bins, NumericBins))])
    (may,) = Screen.of([counts], [h.bins]).may_fail()
    again = _change(key, h, counts, test, change.row.q, begun, frame, may=bool(may))
    return again if again.case is not None and again.row.score >= change.row.score else change


def _change(
    key: _Key,
    h: Histogram,
    c: FeatureCounts,
    test: ShiftTest,
    q: float,
    scale: Scale,
    frame: Frame,
    *,
    may: bool,
) -> FeatureChange:
    """One feature at one scale. `may`: whether a quality check is worth its p-value (`may_fail`)."""
    model, name = key
    n, m = float(c.live.sum()), float(c.baseline.sum())
    rows = n + c.null
    enough = rows >= MIN_ROWS and m >= MIN_ROWS
    numeric = isinstance(h.bins, NumericBins)
    means = (c.mean, c.mean_baseline) if numeric else (None, None)
    drifts = enough and n >= MIN_ROWS and q < MAX_Q and _matters(test)
    checks: list[QualityCheck] = []
    if enough and may:
        checks = quality_checks(c.live, c.null, c.windows, c.nulls, h.bins)
    if drifts:
        unit = unit_change(c.live, c.baseline, h.bins, test.p, mean=means[0], mean_baseline=means[1])
        checks += [unit] if unit is not None else []
    worst = max(checks, key=lambda check: (check.check in MORE_SPECIFIC, check_bound(check)), default=None)
    words = ""
    if drifts or worst is not None:
        words = direction(c.live, c.baseline, h.bins, mean=means[0], mean_baseline=means[1])
    case: Case | None = None
    bound, state = 0.0, "ok" if enough else "too few"
    if worst is not None and not (drifts and _says_less(worst, c, numeric)):
        bound, state = min(check_bound(worst), CAUSE_CAP if worst.effect_pp > 0 else BETTER_CAP), worst.check
        case = quality_case(name, h, c, worst, words, bound, scale, frame, model)
    elif drifts:
        bound = min(lower_bound(test.js_adj, max(test.se, 0.05 * DRIFT_UNIT), DRIFT_UNIT), CAUSE_CAP)
        state, case = "DRIFT", drift_case(name, h, c, test, words, bound, scale, frame, model)
    elif q < MAX_Q and enough:
        state = "tiny"
    base_nulls = float(c.nulls.sum())
    seen_s = scale.live.length * int((c.windows.sum(axis=1) > 0).sum())
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
        mean=means[0],
        mean_baseline=means[1],
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
