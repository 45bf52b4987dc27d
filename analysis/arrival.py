"""How labels arrive: how long they take, and what the accuracy will be when all are in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.labels import Ripe
from analysis.slices import inside
from analysis.view import Window

Floats = NDArray[np.float64]


def reverse_hazard(counts: Floats, at_risk: NDArray[np.bool_]) -> Floats:
    """[D] share of events that arrive within the upper edge of each delay bin, of those that ever do.

    counts: [T, D] events by origin and delay; at_risk: [T, D] whether an origin is old enough for that delay. Young
    origins can only have shown short delays (right truncation), so that the plain distribution is too fast. In reverse
    time the product-limit estimator applies: F(d) = prod over d' > d of (1 - events at d' / events up to d'), among
    origins old enough for d'. Lagakos, Barraj and De Gruttola, Biometrika 1988. "Ever" means within the longest delay
    that was observed. NaN without events.
    """
    usable = np.where(at_risk, counts, 0.0)
    events = usable.sum(axis=0)
    upto = np.where(at_risk, np.cumsum(usable, axis=1), 0.0).sum(axis=0)
    hazard = np.divide(events, upto, out=np.zeros(len(events)), where=upto > 0)
    if not events.any():
        return np.full(len(events), np.nan)
    # F(d) multiplies the bins after d; the last factor belongs to no bin before it.
    later: Floats = np.append(np.cumprod((1 - hazard)[::-1])[::-1][1:], 1.0)
    return later


def final_accuracy(correct: float, wrong: float, seen_correct: float, seen_wrong: float) -> float | None:
    """Accuracy when all labels are in, from what has arrived: each label stands for 1 / (its share seen so far).

    Args:
        correct: labels that equal the prediction.
        wrong: labels that do not.
        seen_correct: share of the eventual labels of right predictions that has arrived, 0..1.
        seen_wrong: the same of wrong predictions.

    Returns:
        None where one of the shares is not known or zero while the other kind has labels.
    """
    if not (seen_correct > 0 and seen_wrong > 0) or correct + wrong <= 0:
        return None
    right, bad = correct / seen_correct, wrong / seen_wrong
    return right / (right + bad)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How the labels of a window arrive, learnt from the reference windows."""

    median_s: float | None
    """Half of the labels that ever come have come by then."""
    most_s: float | None
    """Nine tenths of them."""
    level: float | None
    """Accuracy of the window when all its labels are in, 0..1."""


def arrival(labels: Ripe, live: Window, references: tuple[Window, ...]) -> Arrival:
    """Delays from the references, and the level that they promise for the window."""
    rows = np.unique(np.concatenate([np.arange(len(labels.t))[inside(labels.t, w)] for w in references]))
    at_risk = labels.ripe[rows] > 0
    right = labels.correct[rows].sum(axis=1)
    every = labels.n[rows].sum(axis=1)
    if not labels.timed or not len(rows):
        return Arrival(None, None, None)
    curves = [reverse_hazard(part, at_risk) for part in (every, right, every - right)]
    here = inside(labels.t, live)
    predictions = float(labels.rows[here].sum())
    old_enough = labels.ripe[here].sum(axis=0) / predictions if predictions else np.zeros(len(every.T))
    seen = [float((np.diff(curve, prepend=0.0) * old_enough).sum()) for curve in curves[1:]]
    correct, n = float(labels.correct[here].sum()), float(labels.n[here].sum())
    return Arrival(
        _reached(curves[0], 0.5, labels), _reached(curves[0], 0.9, labels), final_accuracy(correct, n - correct, *seen)
    )


def _reached(curve: Floats, share: float, labels: Ripe) -> float | None:
    """Seconds until a share of the labels has come, interpolated inside the bin; None when that was not observed."""
    at = np.flatnonzero(curve >= share - 1e-9)
    if not len(at):
        return None
    i = int(at[0])
    low, high = labels.delays[i], labels.delays[i + 1]
    before = float(curve[i - 1]) if i else 0.0
    part = (share - before) / max(float(curve[i]) - before, 1e-12)
    return low + min(1.0, part) * (high - low) if np.isfinite(high) else None
