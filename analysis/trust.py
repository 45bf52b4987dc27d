"""What the labels of a model say: its accuracy or, where that stayed, what its confidence is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from analysis.accuracy import (
    LABELLED,
    MAX_P,
    MIN_LABELS,
    UNIT,
    Change,
    Look,
    accuracy_case,
    concept_of,
    known_at,
    looks,
    parts_of,
    surest,
)
from analysis.answer import Finding, Signal
from analysis.calibration import MIN_CALIBRATION_LABELS
from analysis.cases import Case
from analysis.evidence import Labels
from analysis.label_onset import label_onset
from analysis.labels import Ripe, equal_age, ripe
from analysis.proportions import share_dispersion, shrunk_dispersion
from analysis.ranking import lower_bound, severity, standard_error, weighted
from analysis.since import Since
from analysis.special import normal_sf
from analysis.view import Frame
from analysis.words import percent

BELOW_HALF = 0.05
RIGHT_ABOVE = 0.2
"""A score that is below one half for 5 % of the labels, and right 20 points more often than it says there, is the
probability of one class and not of being right: 0.1 of "fraud" is a sure "legit"."""


@dataclass(frozen=True, slots=True)
class LabelJudgement:
    """What the labels of one model say of the live window."""

    case: Case | None
    accuracy: float | None
    """Share of right predictions among the labels of the window, 0..1; None below 30 labels."""
    coverage: float | None
    """Share of the window's predictions whose label is known, 0..1."""
    look: Look
    """The span that the finding is about; without one the window or, where it has few labels, a longer span."""


MIN_SHOWN = 30
"""Labels from which a share is shown as a number."""


def judge_labels(
    labels: Labels | None, frame: Frame, models: tuple[str, ...], moment: float, *, pinned: bool
) -> Mapping[str, LabelJudgement]:
    """The finding and the readings of each model that has predictions.

    Args:
        moment: unix seconds at which the question is asked.
        pinned: whether that is a moment of the past, of which later labels must not be counted.
    """
    if labels is None:
        return {}
    return _judged(labels, frame, models, moment if pinned else known_until(labels, moment, frame), pinned)


def known_until(labels: Labels, moment: float, frame: Frame) -> float:
    """The moment, or the newest label before it: until the next one comes, time changes nothing."""
    if not labels.timed:
        return float(frame.live.end)
    return min(moment, max(labels.newest.values(), default=moment))


@lru_cache(maxsize=2)
def _judged(
    labels: Labels, frame: Frame, models: tuple[str, ...], moment: float, pinned: bool
) -> Mapping[str, LabelJudgement]:
    # Labels are read once a minute and asked about every few seconds: 5 ms of CPU per model.
    return {model: said for model in models if (said := _judge(labels, frame, model, moment, pinned)) is not None}


def _judge(labels: Labels, frame: Frame, model: str, moment: float, pinned: bool) -> LabelJudgement | None:
    own = ripe(labels, model, moment, banded=False)
    if own is None:
        return None
    seen = looks(own, frame)
    found = surest(own, frame, seen)
    case = calibration_case(own, frame, seen, model) if found is None else None
    # Bands cost five times as much, and only what was found needs them.
    banded = ripe(labels, model, moment) if found is not None or case is not None else None
    if found is not None and banded is not None:
        best, onset = found
        cohorts = equal_age(banded, best.look.window, best.look.references)
        change = Change(best, onset, concept_of(cohorts), parts_of(cohorts))
        case = accuracy_case(change, frame, model, known_at(moment) if pinned and own.timed else LABELLED)
    elif banded is not None and class_score(banded):
        case = None
    live = next(look.cohorts for look in seen if look.window == frame.live)
    n = float(live.n.sum())
    return LabelJudgement(
        case,
        float(live.correct.sum()) / n if n >= MIN_SHOWN else None,
        live.coverage if live.rows else None,
        found[0].look if found is not None else _told(seen, frame),
    )


def _told(seen: Sequence[Look], frame: Frame) -> Look:
    """The window, or the shortest span around it that has enough labels to be judged."""
    from_window = [look for look in seen if look.window.start <= frame.live.start]
    return next((look for look in from_window if look.cohorts.n.sum() >= MIN_LABELS), from_window[0])


@dataclass(frozen=True, slots=True)
class _Gap:
    """How much surer than right the model is, now against the baseline."""

    look: Look
    now: float
    baseline: float
    bound: float


def calibration_case(labels: Ripe, frame: Frame, seen: Sequence[Look], model: str) -> Case | None:
    """The change of the gap between a model's mean confidence and its share of right predictions.

    `labels` are those of `seen`, without bands.
    """
    gaps = [gap for look in seen if (gap := _gap(look)) is not None]
    best = max(gaps, key=lambda gap: gap.bound, default=None)
    if best is None or best.bound <= 0:
        return None
    cohorts = best.look.cohorts
    said, right, n = (float(part[0]) for part in (cohorts.total, cohorts.correct, cohorts.n))
    onset = _gap_onset(labels, frame, best.look)
    return Case(
        Finding(
            signal=Signal.CALIBRATION,
            model=model,
            severity=severity(Signal.CALIBRATION, best.bound),
            title=f"confidence {said / n:.2f} is right {percent(right / n)} of the time, gap "
            f"{best.baseline * 100:+.1f} -> {best.now * 100:+.1f}pp",
            effect=(best.now - best.baseline) / UNIT,
            score=weighted(Signal.CALIBRATION, best.bound),
            n=n,
            n_baseline=float(cohorts.n_windows[:, 0].sum()),
            now=best.now,
            baseline=best.baseline,
            unit="ratio",
            onset=None if onset is None else float(onset.start),
            onset_between=None if onset is None else onset.between,
            check="over_confident" if best.now > best.baseline else "under_confident",
        ),
        None,
        best.look.window,
    )


def _gap_onset(labels: Ripe, frame: Frame, look: Look) -> Since | None:
    """When said - right left its course: as the share (1 + said - right) / 2, which lies between zero and one."""
    n = labels.n[:, :1]
    hits = (n + labels.total[:, :1] - labels.correct[:, :1]) / 2
    return label_onset(labels, n, hits, frame, look.window, look.references)


def _gap(look: Look) -> _Gap | None:
    """The gap of one look at labels without bands; None with too few, or where they arrive in another way."""
    cohorts = look.cohorts
    n, right, said = (float(part[0]) for part in (cohorts.n, cohorts.correct, cohorts.total))
    n_windows, right_windows, said_windows = (
        part[:, 0] for part in (cohorts.n_windows, cohorts.correct_windows, cohorts.total_windows)
    )
    before = float(n_windows.sum())
    if min(n, before) < MIN_CALIBRATION_LABELS or not look.like:
        return None
    now, baseline = (said - right) / n, float(said_windows.sum() - right_windows.sum()) / before
    share = (right + float(right_windows.sum())) / (n + before)
    used = n_windows > 0
    spread = float(shrunk_dispersion(share_dispersion(right_windows, n_windows), max(1, int(used.sum()))))
    sampling = math.sqrt(share * (1 - share) * (1 / n + 1 / before) * spread)
    p = 2 * float(normal_sf(abs(now - baseline) / sampling)) if sampling > 0 else 1.0
    history = (said_windows - right_windows)[used] / n_windows[used] - baseline
    bound = lower_bound(now - baseline, standard_error(history, sampling, UNIT), UNIT) if p < MAX_P else 0.0
    return _Gap(look, now, baseline, bound)


def class_score(labels: Ripe) -> bool:
    """Whether the score is the probability of one class, so that it says nothing of being right by itself."""
    middles = [(low + high) / 2 for low, high in zip(labels.scores.edges, labels.scores.edges[1:], strict=False)]
    low = [i for i, middle in enumerate(middles) if middle < 0.5]
    n, correct = labels.n.sum(axis=(0, 2)), labels.correct.sum(axis=(0, 2))
    below = float(n[low].sum())
    if below < BELOW_HALF * float(n[:-1].sum()) or below <= 0:
        return False
    return float(correct[low].sum() - labels.total.sum(axis=(0, 2))[low].sum()) / below > RIGHT_ABOVE
