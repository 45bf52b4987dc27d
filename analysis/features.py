"""Features of one model: which drifted, which lost their quality, and what the panel shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.answer import FeatureRow
from analysis.cases import Case
from analysis.direction import direction
from analysis.evidence import UNSEEN, Bins, CategoryBins, Histogram, NumericBins, is_dimension
from analysis.feature_cases import (
    DRIFT_UNIT,
    beyond_words,
    check_bound,
    course,
    drift_case,
    failing_bins,
    quality_case,
)
from analysis.feature_counts import FeatureCounts, FeatureSums, feature_counts, feature_histogram, feature_sums
from analysis.feature_screen import Screen
from analysis.multiple import benjamini_hochberg
from analysis.quality import QualityCheck, quality_checks, unit_change
from analysis.ranking import lower_bound
from analysis.scales import Scale, scale_since, scales
from analysis.shift import AUC_FLOOR, JS_FLOOR, ShiftCase, ShiftTest, shift_sizes, shift_tests
from analysis.since import Since, sinces
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


@dataclass(frozen=True, slots=True)
class _Measured:
    """One feature at one scale, tested."""

    key: _Key
    h: Histogram
    counts: FeatureCounts
    scale: Scale
    test: ShiftTest
    q: float

    @property
    def enough(self) -> bool:
        return self.counts.n + self.counts.null >= MIN_ROWS and self.counts.n_baseline >= MIN_ROWS

    @property
    def drifts(self) -> bool:
        return self.enough and self.counts.n >= MIN_ROWS and self.q < MAX_Q and _matters(self.test)


@dataclass(frozen=True, slots=True)
class _Judged(_Measured):
    """The same, with whether it changed and by how much, before anything is said of it."""

    state: str
    """As in `FeatureRow`."""
    bound: float
    """Lower bound of the change in units; zero for none."""
    check: QualityCheck | None = None
    """The check that tells more than the drift does."""

    @property
    def changed(self) -> bool:
        return self.check is not None or self.state == "DRIFT"


def feature_changes(
    features: Mapping[str, Histogram], frame: Frame, newest: float | None, models: Sequence[str]
) -> Mapping[str, tuple[FeatureChange, ...]]:
    """Every feature that each model logged in the baseline, the most changed first; of dimensions those that failed.

    Drift needs both gates: q < .01 under the spread of the reference windows, with Benjamini-Hochberg over the
    model's features, and a distance or a mean rank that matters. Quality checks come with their own gates, and are all
    that dimensions are watched by. All models
    are tested together, because a test of many features costs little more than that of one.
    """
    own = {
        (model, name): feature_histogram(name, h, model)
        for model in models
        for name, h in sorted(features.items())
        if (model,) in h.keys
    }
    whole, *recent = scales(frame, newest)
    counts = {key: c for key, c in feature_counts(own, whole).items() if c.n_baseline > 0}
    own = {key: own[key] for key in counts}
    if not own:
        return dict.fromkeys(models, ())
    # The panel shows the whole window's numbers unless only its recent part changed.
    best = _at_scale(own, counts, _may_fail(own, counts), whole)
    for scale in recent:
        for key, judged in _recently(own, scale).items():
            if judged.bound > best[key].bound:
                best[key] = judged
    cases = _cases(best, frame, newest)
    changes: dict[str, list[FeatureChange]] = {model: [] for model in models}
    for key, judged in best.items():
        judged, words, case = cases.get(key, (judged, "", None))
        if case is None and is_dimension(judged.h.bins):
            continue
        changes[key[0]].append(FeatureChange(_row(key, judged, words), case))
    return {
        model: tuple(sorted(listed, key=lambda c: (-c.row.score, -c.row.shift, c.row.feature)))
        for model, listed in changes.items()
    }


def _may_fail(own: Mapping[_Key, Histogram], counts: Mapping[_Key, FeatureCounts]) -> dict[_Key, bool]:
    """Of the features that are counted, whether a quality check is worth its p-value."""
    screen = Screen.of(FeatureSums.of(list(counts.values())), [own[key].bins for key in counts])
    return dict(zip(counts, screen.may_fail().tolist(), strict=True))


def _recently(own: Mapping[_Key, Histogram], scale: Scale) -> dict[_Key, _Judged]:
    """The features that may have changed at a scale of which the panel shows nothing else.

    What cannot matter is not tested: it counts as p = 1 among its model's features, which makes the others' q larger
    if anything.
    """
    screen = Screen.of(feature_sums(own, scale), [h.bins for h in own.values()])
    fails = screen.may_fail()
    worth = fails | screen.may_drift()
    counts = feature_counts({key: h for (key, h), tested in zip(own.items(), worth, strict=True) if tested}, scale)
    return _at_scale(own, counts, dict(zip(own, fails.tolist(), strict=True)), scale)


def _at_scale(
    own: Mapping[_Key, Histogram],
    counts: Mapping[_Key, FeatureCounts],
    may_fail: Mapping[_Key, bool],
    scale: Scale,
) -> dict[_Key, _Judged]:
    """Those of the features that are counted; the others count as p = 1 among their model's."""
    tests = _tested(own, counts)
    q: dict[_Key, float] = {}
    for model in dict.fromkeys(model for model, _ in own):
        keys = [key for key, h in own.items() if key[0] == model and not is_dimension(h.bins)]
        adjusted = benjamini_hochberg([tests[key].p if key in tests else 1.0 for key in keys])
        q.update(zip(keys, adjusted.tolist(), strict=True))
    measured = [_Measured(key, own[key], c, scale, tests[key], q.get(key, 1.0)) for key, c in counts.items()]
    return _judged(measured, may_fail)


def _tested(own: Mapping[_Key, Histogram], counts: Mapping[_Key, FeatureCounts]) -> dict[_Key, ShiftTest]:
    cases = [c.case(ordered=_ordered(own[key])) for key, c in counts.items()]
    return dict(zip(counts, shift_tests(cases), strict=True))


def _judged(measured: Sequence[_Measured], may_fail: Mapping[_Key, bool]) -> dict[_Key, _Judged]:
    """What each feature is said to have. `may_fail`: whether a quality check is worth its p-value."""
    worst = {m.key: check for m in measured if m.enough and (check := _worst(m, may=may_fail[m.key])) is not None}
    for key in _saying_less([(m, worst[m.key]) for m in measured if m.drifts and m.key in worst]):
        del worst[key]
    return {m.key: _said(m, worst.get(m.key)) for m in measured}


def _worst(m: _Measured, *, may: bool) -> QualityCheck | None:
    """The quality check that fails most, the more specific first."""
    c, bins = m.counts, m.h.bins
    checks = quality_checks(c.live, c.null, c.windows, c.nulls, bins) if may else []
    if m.drifts:
        unit = unit_change(c.live, c.baseline, bins, m.test.p, mean=c.mean, mean_baseline=c.mean_baseline)
        checks += [unit] if unit is not None else []
    return max(checks, key=lambda check: (check.check in MORE_SPECIFIC, check_bound(check)), default=None)


def _said(m: _Measured, check: QualityCheck | None) -> _Judged:
    """One feature with the check that tells more than its drift does."""
    state, bound = "tiny" if m.enough and m.q < MAX_Q else "ok", 0.0
    if not m.enough:
        state = "too few"
    elif check is not None:
        state, bound = check.check, min(check_bound(check), _cap(m.h.bins, check))
    elif m.drifts:
        spread = max(m.test.se, 0.05 * DRIFT_UNIT)
        state, bound = "DRIFT", min(lower_bound(m.test.js_adj, spread, DRIFT_UNIT), CAUSE_CAP)
    return _Judged(m.key, m.h, m.counts, m.scale, m.test, m.q, state, bound, check)


def _cap(bins: Bins, check: QualityCheck) -> float:
    """The most that a check weighs. Traffic that comes from elsewhere is worth knowing and is no fault by itself."""
    lost = check.check == "null_rate" or not is_dimension(bins)
    return CAUSE_CAP if lost and check.effect_pp > 0 else BETTER_CAP


def _cases(best: Mapping[_Key, _Judged], frame: Frame, newest: float | None) -> dict[_Key, tuple[_Judged, str, Case]]:
    """The changed features with their words and cases, measured from the onset on where one is known.

    Over a longer window a change is diluted, and a shorter one was chosen for being the worst: what is told since an
    onset is measured since then. It stays as sure as it was; where another change shows it must be the surer one.
    """
    changed = {key: judged for key, judged in best.items() if judged.changed}
    onsets = _onsets(changed, frame)
    begun = {
        key: scale
        for key, onset in onsets.items()
        if onset is not None and (scale := scale_since(frame, onset.start, newest)) is not None
    }
    again = _again({key: changed[key] for key in begun}, begun)
    better = {
        key: replace(judged, bound=max(judged.bound, changed[key].bound))
        for key, judged in again.items()
        if judged.changed and (judged.state == changed[key].state or judged.bound >= changed[key].bound)
    }
    moved = {key: judged for key, judged in better.items() if _shown(judged) != _shown(changed[key])}
    onsets |= _onsets(moved, frame)
    return {key: _told(key, judged, onsets[key], frame) for key, judged in (changed | better).items()}


def _shown(judged: _Judged) -> tuple[bool, list[int]]:
    """Which rows show the change: two with the same ones have one onset."""
    missing = judged.check is not None and judged.check.check == "null_rate"
    return missing, [] if missing else failing_bins(judged.counts, judged.check).tolist()


def _onsets(changed: Mapping[_Key, _Judged], frame: Frame) -> dict[_Key, Since | None]:
    courses = [course(judged.h, judged.counts, judged.check) for judged in changed.values()]
    return dict(zip(changed, sinces(courses, frame), strict=True))


def _told(key: _Key, judged: _Judged, onset: Since | None, frame: Frame) -> tuple[_Judged, str, Case]:
    (model, name), c = key, judged.counts
    words = direction(c.live, c.baseline, judged.h.bins, mean=c.mean, mean_baseline=c.mean_baseline)
    rest = words, judged.bound, judged.scale, frame, model, onset
    if judged.check is not None:
        told = quality_case(name, judged.h, c, judged.check, *rest)
        # Of the values of a feature that lost some of them there is nothing to say.
        words = "" if judged.check.check == "null_rate" else words
        return judged, beyond_words(judged.h, c, judged.check) or words, told
    return judged, words, drift_case(name, judged.h, c, judged.test, *rest)


def _again(changed: Mapping[_Key, _Judged], begun: Mapping[_Key, Scale]) -> dict[_Key, _Judged]:
    """The same features, each at a scale of its own, under the q-value that they have."""
    if not changed:
        return {}
    counts: dict[_Key, FeatureCounts] = {}
    for scale in dict.fromkeys(begun.values()):
        counts |= feature_counts({key: changed[key].h for key in changed if begun[key] == scale}, scale)
    histograms = {key: changed[key].h for key in counts}
    tests = _tested(histograms, counts)
    measured = [_Measured(key, histograms[key], c, begun[key], tests[key], changed[key].q) for key, c in counts.items()]
    return _judged(measured, _may_fail(histograms, counts))


def _row(key: _Key, judged: _Judged, words: str) -> FeatureRow:
    h, c, test, live_s = judged.h, judged.counts, judged.test, judged.scale.live.length
    n, m, rows = c.n, c.n_baseline, c.n + c.null
    numeric = isinstance(h.bins, NumericBins)
    seen_s = live_s * c.held
    return FeatureRow(
        feature=key[1],
        kind="numeric" if numeric else "categorical",
        state=judged.state,
        shift=test.js_adj,
        noise=test.noise,
        q=judged.q,
        direction=words,
        null=c.null / rows if rows else 0.0,
        null_baseline=c.null_baseline / (m + c.null_baseline) if m else 0.0,
        bins=h.bins,
        now=c.live / n if n else np.zeros(len(h.bins)),
        baseline=c.baseline / m if m else np.zeros(len(h.bins)),
        n=rows,
        n_baseline=m + c.null_baseline,
        unseen=_unseen(c.live, h.bins) / n if n else 0.0,
        score=judged.bound,
        mean=c.mean if numeric else None,
        mean_baseline=c.mean_baseline if numeric else None,
        per_minute=n / (live_s / 60),
        per_minute_baseline=m / (seen_s / 60) if seen_s else None,
    )


def _ordered(h: Histogram) -> bool:
    return isinstance(h.bins, NumericBins)


def _matters(test: ShiftTest) -> bool:
    return test.js_adj >= JS_FLOOR or abs(test.auc - 0.5) >= AUC_FLOOR


def _saying_less(failing: Sequence[tuple[_Measured, QualityCheck]]) -> list[_Key]:
    """Those whose drift says more than the check: where the values moved that are neither out of range nor null."""
    cases: dict[_Key, ShiftCase] = {}
    for m, check in failing:
        c, ordered = m.counts, _ordered(m.h)
        if check.effect_pp < 0:
            cases[m.key] = ShiftCase(c.live, c.windows, ordered)
        elif check.check == "out_of_range":
            cases[m.key] = ShiftCase(c.live[1:-1], c.windows[:, 1:-1], ordered)
    if not cases:
        return []
    sizes = shift_sizes(list(cases.values()))
    matters = (sizes.js_adj >= JS_FLOOR) | (np.abs(sizes.auc - 0.5) >= AUC_FLOOR)
    return [key for key, drifts in zip(cases, matters.tolist(), strict=True) if drifts]


def _unseen(live: Floats, bins: Bins) -> float:
    """Rows whose value the baseline never had."""
    known = isinstance(bins, CategoryBins) and UNSEEN in bins.labels
    return float(live[bins.labels.index(UNSEEN)]) if isinstance(bins, CategoryBins) and known else 0.0
