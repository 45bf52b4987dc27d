"""Accuracy of one model: whether it is right less often than rows of the same label age used to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, Severity, Signal
from analysis.cases import Case
from analysis.concept import ConceptTest, Parts, concept_test, parts
from analysis.filters import And, Filter, Not, Null, Or, Range, Same
from analysis.label_onset import label_onset
from analysis.labels import Cohorts, Ripe, equal_age
from analysis.proportions import ShareTest, share_dispersion, share_test, shrunk_dispersion
from analysis.ranking import severity, share_bound, weighted
from analysis.scales import MAX_REFERENCES
from analysis.since import Since
from analysis.slices import tiles
from analysis.view import Frame, Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNIT = 0.02
"""Change of the share of right predictions that is worth a look."""

MIN_LABELS = 100
"""Wilson intervals hold what they promise from here on; they are 20 points wide then, which the bound knows."""

MIN_BASELINE_LABELS = 300
MAX_P = 0.001
MAX_COVERAGE_GAP = 0.05
"""Shares of labelled rows that differ by more are not of one kind: labels arrive in another way than they used to."""

MIN_RIGHT = 0.005
"""A baseline that is right less often compares predictions with labels of another kind."""

PARTS_OF_WINDOW = (6, 3, 1)
"""The recent parts of the window that are looked at: a sixth, a third, and the whole."""

EARLIER_WINDOWS = (1, 2, 3, 4)
"""How many windows before the live one are looked at together with it: labels are late, so a fault may show only where
the window has already passed it."""

BEGUN = 0.75
"""Part of the best look's bound that is enough for the one from the onset on to be told instead."""

LABELLED = And((Not(Null("prediction")), Not(Null("label"))))
WRONG = And((*LABELLED.parts, Not(Same("prediction", "label"))))


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One span of time and its references, at equal label age. Equal only to itself."""

    window: Window
    references: tuple[Window, ...]
    cohorts: Cohorts

    @property
    def like(self) -> bool:
        """Whether labels arrive as they used to, so that the two sides can be compared."""
        return abs(self.cohorts.coverage - self.cohorts.coverage_baseline) <= MAX_COVERAGE_GAP


def looks(labels: Ripe, frame: Frame) -> tuple[Look, ...]:
    """The spans at which labels are looked at: the window, recent parts of it and, where the references are continued
    by it, the window together with those before it as long as four references are left.
    """
    live, references = frame.live, frame.references
    chosen: list[tuple[Window, tuple[Window, ...]]] = []
    for part in PARTS_OF_WINDOW:
        length = live.length // part // frame.step * frame.step
        if length >= frame.step:
            cut = tiles(references, length)[:MAX_REFERENCES] if part > 1 else references
            chosen.append((Window(live.end - length, live.end), cut))
    for more in EARLIER_WINDOWS if not labels.moved else ():
        before = references[:more]
        adjacent = all(w == live.shifted(-live.length * (i + 1)) for i, w in enumerate(before))
        if adjacent and len(references) - more >= 4:
            chosen.append((Window(live.end - live.length * (more + 1), live.end), references[more:]))
    return tuple(Look(window, cut, equal_age(labels, window, cut)) for window, cut in chosen)


@dataclass(frozen=True, slots=True)
class Compared:
    """A look whose share of right predictions was tested."""

    look: Look
    test: ShareTest
    bound: float
    """Lower bound of the change's size, in units."""


def compare(look: Look) -> Compared | None:
    """The change of the share of right predictions; None with too few labels, or where labels arrive in another way."""
    cohorts = look.cohorts
    n, n_windows = float(cohorts.n.sum()), cohorts.n_windows.sum(axis=1)
    if n < MIN_LABELS or n_windows.sum() < MIN_BASELINE_LABELS or not look.like:
        return None
    right_windows = cohorts.correct_windows.sum(axis=1)
    test = share_test(float(cohorts.correct.sum()), n, right_windows, n_windows)
    if test.baseline < MIN_RIGHT:
        return None
    return Compared(look, test, share_bound(test, right_windows, n_windows, UNIT) if test.p < MAX_P else 0.0)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of accuracy."""

    best: Compared
    onset: Since | None
    concept: ConceptTest | None
    """None without scores."""
    parts: Parts


def surest(labels: Ripe, frame: Frame, seen: Sequence[Look]) -> tuple[Compared, Since | None] | None:
    """The surest change of a model's accuracy over all looks, measured from its onset on, and that onset."""
    found = [compared for look in seen if (compared := compare(look)) is not None]
    best = max(found, key=lambda compared: compared.bound, default=None)
    if best is None or best.bound <= 0:
        return None
    wrong = labels.n - labels.correct
    onset = label_onset(labels, labels.n, wrong, frame, best.look.window, best.look.references)
    if onset is not None and frame.live.end - onset.start >= 2 * frame.step:
        window = Window(onset.start, frame.live.end)
        earlier = tuple(w for w in frame.references if w.end <= onset.start)
        references = tiles(earlier, window.length)[:MAX_REFERENCES] or best.look.references
        begun = compare(Look(window, references, equal_age(labels, window, references)))
        # The largest of several bounds is partly luck; a change is what it has been since it began.
        if begun is not None and begun.bound >= BEGUN * best.bound:
            best = begun
    return best, onset


def concept_of(cohorts: Cohorts) -> ConceptTest | None:
    """Whether the same scores are right as often as before; None where no labelled row has a score."""
    now, before = _scored(cohorts)
    if not now[0].sum() or not before[0].sum():
        return None
    n_windows, right = cohorts.n_windows.sum(axis=1), cohorts.correct_windows.sum(axis=1)
    spread = float(shrunk_dispersion(share_dispersion(right, n_windows), max(1, int((n_windows > 0).sum()))))
    return concept_test(now[0], now[1], before[0], before[1], now[2], before[2], spread)


def parts_of(cohorts: Cohorts) -> Parts:
    """What the change of accuracy among scored rows is made of."""
    now, before = _scored(cohorts)
    return parts(*now, *before)


def _scored(cohorts: Cohorts) -> tuple[tuple[Floats, Floats, Floats], tuple[Floats, Floats, Floats]]:
    """(labels, right, sum of scores) per band, of the window and of all references."""
    now = (cohorts.n[:-1], cohorts.correct[:-1], cohorts.total[:-1])
    windows = (cohorts.n_windows, cohorts.correct_windows, cohorts.total_windows)
    n, right, total = (part.sum(axis=0)[:-1] for part in windows)
    return now, (n, right, total)


def accuracy_case(change: Change, frame: Frame, model: str, among: Filter) -> Case:
    """A change of accuracy as a finding. `among` are the rows with a label that is known."""
    best = change.best
    drop = best.test.now - best.test.baseline
    return Case(
        Finding(
            signal=Signal.ACCURACY,
            model=model,
            severity=severity(Signal.ACCURACY, best.bound) if drop < 0 else Severity.INFO,
            title=f"accuracy {best.test.baseline * 100:.1f}% -> {best.test.now * 100:.1f}%{_because(change)}",
            effect=drop / UNIT,
            score=weighted(Signal.ACCURACY, best.bound),
            n=best.test.n,
            n_baseline=best.test.n_baseline,
            now=best.test.now,
            baseline=best.test.baseline,
            unit="ratio",
            onset=None if change.onset is None else float(change.onset.start),
            onset_between=None if change.onset is None else change.onset.between,
            check=cause(change),
        ),
        WRONG if drop < 0 else None,
        best.look.window,
        among=among,
        references=best.look.references,
    )


def cause(change: Change) -> str:
    """concept: right less often at the same score; inputs: other scores came, as right as ever; empty: not known."""
    half = abs(change.best.test.now - change.best.test.baseline) / 2
    if change.concept is None or half <= 0:
        return ""
    if abs(change.parts.concept) >= half:
        return "concept" if change.concept.p < MAX_P else ""
    return "inputs"


def _because(change: Change) -> str:
    return {"concept": " at the same scores", "inputs": ", as the scores say"}.get(cause(change), "")


def known_at(moment: float) -> And:
    """The labelled rows as they were known at a moment of the past."""
    return And((*LABELLED.parts, Or((Null("label_ts"), Range("label_ts", high=moment)))))
