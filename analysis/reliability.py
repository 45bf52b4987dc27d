"""What the accuracy panel shows: labels, score bands, and the estimate for rows without a label."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis.accuracy import (
    MAX_P,
    MIN_RIGHT,
    Look,
    concept_of,
    parts_of,
)
from analysis.answer import AccuracyPanel, PanelStatus, ScoreBand, State
from analysis.arrival import arrival
from analysis.calibration import (
    MAX_OUTSIDE,
    MIN_CALIBRATION_LABELS,
    CalibrationError,
    Estimate,
    calibration_error,
    estimated_accuracy,
)
from analysis.concept import MIN_BAND, ConceptTest, Parts
from analysis.distances import js_distance
from analysis.evidence import Labels
from analysis.label_onset import usual_share
from analysis.labels import Cohorts, Ripe, equal_age, ripe
from analysis.proportions import newcombe, wilson
from analysis.slices import grid, grid_times, window_sum, window_sums
from analysis.trust import MIN_SHOWN, LabelJudgement, class_score, known_until
from analysis.view import Frame
from analysis.words import duration, percent

Floats = NDArray[np.float64]

TRANSFORMED = 0.2
"""Distance of the scores from the baseline's that other inputs would have to explain."""

MIN_DRAWN = 50
"""Labels of a bucket from which its share is drawn: two standard errors are 14 points or less then."""

CONCEPT = 0.01
"""Change of accuracy at the same scores that spoils an estimate which takes them for unchanged."""


def accuracy_panel(
    labels: Labels | None,
    said: LabelJudgement | None,
    frame: Frame,
    model: str,
    moment: float,
    status: PanelStatus,
    *,
    inputs_moved: bool,
) -> AccuracyPanel:
    """The panel of one model.

    Args:
        said: what was judged of these labels, with the span to tell about.
        moment: unix seconds at which the question is asked.
        inputs_moved: whether a feature of the model drifts, which explains scores that move.
    """
    if labels is None or said is None:
        return AccuracyPanel(status, model)
    until = known_until(labels, moment, frame)
    return replace(_panel(labels, said.look, frame, model, until, inputs_moved), status=status)


@lru_cache(maxsize=4)
def _panel(labels: Labels, look: Look, frame: Frame, model: str, moment: float, inputs_moved: bool) -> AccuracyPanel:
    """The panel without the state of its source, kept until other labels are read."""
    status = PanelStatus(State.LIVE)
    own = ripe(labels, model, moment)
    if own is None:
        return AccuracyPanel(status, model)
    cohorts = equal_age(own, look.window, look.references)
    n, right = float(cohorts.n.sum()), float(cohorts.correct.sum())
    n_before, right_before = float(cohorts.n_windows.sum()), float(cohorts.correct_windows.sum())
    concept, made = concept_of(cohorts), parts_of(cohorts)
    estimate = _estimate(own, frame, look)
    error = None if class_score(own) else _calibration(cohorts.n, cohorts.correct, cohorts.total)
    error_before = _calibration(*(part.sum(axis=0) for part in _windows(cohorts)))
    arrives = arrival(own, look.window, look.references)
    both = n >= MIN_SHOWN and n_before >= MIN_SHOWN
    return AccuracyPanel(
        status=status,
        model=model,
        span_s=look.window.length,
        now=right / n if n >= MIN_SHOWN else None,
        interval=wilson(right, n),
        baseline=right_before / n_before if n_before >= MIN_SHOWN else None,
        difference=newcombe(right, n, right_before, n_before) if both else None,
        n=n,
        n_baseline=n_before,
        coverage=cohorts.coverage if cohorts.rows else None,
        coverage_baseline=cohorts.coverage_baseline if n_before else None,
        like=look.like,
        median_delay_s=arrives.median_s,
        most_delay_s=arrives.most_s,
        level=arrives.level if both else None,
        estimate=None if estimate is None else estimate.accuracy,
        estimate_band=(0.0, 1.0) if estimate is None else (estimate.low, estimate.high),
        doubt=_doubt(own, frame, estimate, concept, made, inputs_moved=inputs_moved),
        ece=None if error is None else error.ece,
        ece_floor=None if error is None else error.floor,
        ece_debiased=None if error is None else error.debiased,
        ece_baseline=None if error is None or error_before is None else error_before.ece,
        concept=None if concept is None else made.concept,
        inputs=None if concept is None else made.inputs,
        concept_p=None if concept is None else concept.p,
        bands=_bands(own, cohorts, concept),
        t=grid_times(frame.live, frame.step),
        right_over_time=right_over_time(own, frame),
        usual_over_time=_usual_over_time(own, frame, look),
        note=_note(own, look, cohorts),
    )


def _windows(cohorts: Cohorts) -> tuple[Floats, Floats, Floats]:
    return cohorts.n_windows, cohorts.correct_windows, cohorts.total_windows


def _calibration(n: Floats, correct: Floats, total: Floats) -> CalibrationError | None:
    """Of the scored bands; None below 1,000 labels."""
    found = calibration_error(n[:-1], correct[:-1], total[:-1])
    return found if found.n >= MIN_CALIBRATION_LABELS else None


def _estimate(labels: Ripe, frame: Frame, look: Look) -> Estimate | None:
    """From the scores of the live window and all labels of the references."""
    rows = window_sum(labels.t, labels.rows, frame.live)[:-1]
    n, correct = (
        window_sums(labels.t, part, look.references).sum(axis=(0, 2))[:-1] for part in (labels.n, labels.correct)
    )
    return estimated_accuracy(rows, correct, n)


def _doubt(
    labels: Ripe,
    frame: Frame,
    estimate: Estimate | None,
    concept: ConceptTest | None,
    made: Parts,
    *,
    inputs_moved: bool,
) -> str:
    """Why an estimate that takes the meaning of a score for unchanged must not be believed."""
    if estimate is None:
        return ""
    if concept is not None and concept.p < MAX_P and abs(made.concept) >= CONCEPT:
        often = "less" if made.concept < 0 else "more"
        return f"the same scores are right {abs(made.concept) * 100:.1f}pp {often} often"
    if estimate.outside > MAX_OUTSIDE:
        return f"{percent(estimate.outside)} of the rows have scores outside the calibrated range"
    now = window_sum(labels.t, labels.rows, frame.live)[:-1]
    before = window_sums(labels.t, labels.rows, frame.references).sum(axis=0)[:-1]
    if not inputs_moved and before.sum() and float(js_distance(now, before)) >= TRANSFORMED:
        return "the scores moved and the inputs did not: they may mean something else now"
    return ""


def _bands(labels: Ripe, cohorts: Cohorts, concept: ConceptTest | None) -> tuple[ScoreBand, ...]:
    """The bands that have a label on either side."""
    n_before, right_before, _ = (part.sum(axis=0) for part in _windows(cohorts))
    edges, found = labels.scores.edges, []
    for i in range(len(labels.scores)):
        n, right, before = float(cohorts.n[i]), float(cohorts.correct[i]), float(n_before[i])
        if n <= 0 and before <= 0:
            continue
        z = float("nan") if concept is None else float(concept.z[i])
        found.append(
            ScoreBand(
                low=edges[i],
                high=edges[i + 1],
                n=n,
                right=right / n if n >= MIN_BAND else None,
                interval=wilson(right, n),
                said=float(cohorts.total[i]) / n if n > 0 else None,
                right_baseline=float(right_before[i]) / before if before >= MIN_BAND else None,
                n_baseline=before,
                z=z if np.isfinite(z) else None,
            )
        )
    return tuple(found)


def right_over_time(labels: Ripe, frame: Frame) -> Floats:
    """[T] share right per bucket of the live window; a bucket with few labels is a gap."""
    n, right = (grid(labels.t, part.sum(axis=(1, 2)), frame.live, frame.step) for part in (labels.n, labels.correct))
    shares: Floats = np.divide(right, n, out=np.full(len(n), np.nan), where=n >= MIN_DRAWN)
    return shares


def _usual_over_time(labels: Ripe, frame: Frame, look: Look) -> Floats:
    """[T] share right that the references had at the age of each bucket of the live window."""
    likely, _ = usual_share(labels, labels.n, labels.n - labels.correct, look.references)
    known = labels.n.sum(axis=(1, 2)) >= MIN_DRAWN
    usual = np.where(known, 1.0 - likely, 0.0)
    shares = grid(labels.t, usual, frame.live, frame.step)
    shares[shares == 0] = np.nan
    return shares


def _note(labels: Ripe, look: Look, cohorts: Cohorts) -> str:
    """What limits these labels, the gravest first."""
    if cohorts.n.sum() < MIN_SHOWN:
        left = duration(max(0.0, look.window.end - labels.as_of))
        return f"too few labels: they reach to {left} before the end of this window; look at a longer one (+)"
    right_before, before = float(cohorts.correct_windows.sum()), float(cohorts.n_windows.sum())
    if before and right_before < MIN_RIGHT * before:
        return "predictions never equal their labels: map both to the same classes"
    if not look.like:
        return "labels arrive in another way than before: the two shares are not comparable"
    if not labels.timed:
        return "label times are not logged: each label counts as come with its row"
    if class_score(labels):
        return "the score is the probability of one class, so that calibration is not judged"
    return ""
