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
from analysis.labels import Cohorts, Ripe, equal_age
from analysis.proportions import ShareTest, share_dispersion, share_test, shrunk_dispersion
from analysis.ranking import severity, share_bound, weighted
from analysis.scales import MAX_REFERENCES
from analysis.since import Since, since
from analysis.slices import inside, tiles
from analysis.spans import union
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

MIN_ONSET_LABELS = 5
ONSET_LABELS = 0.25
"""Part of a usual bucket's labels from which a bucket tells when a change began: with fewer it is pulled by more than
half to where it used to be, which reads as if the change had ended.
"""

MIN_ONSET_REFERENCES = 2
"""Windows that must be left before the one in front of the look for that one to be searched, too."""

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
    onset = _onset(labels, frame, best.look)
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


def _onset(labels: Ripe, frame: Frame, look: Look) -> Since | None:
    """When the share of wrong predictions left its course, in the window or the longer span where the change shows.

    Such a span is led in by the window before it: a fault may be a bit older than the look that shows it best.
    """
    window, references = look.window, look.references
    if window.start > frame.live.start:
        window, references = frame.live, frame.references
    elif len(references) > MIN_ONSET_REFERENCES and references[0].end == window.start:
        window, references = Window(references[0].start, window.end), references[1:]
    before = union(references)
    # A span longer than all that is before it has no windows like it there, but a stretch tells level and noise.
    earlier = tiles(before, window.length) or before
    if len({w.length for w in earlier}) != 1:
        return None
    hits, n = wrong_course(labels, earlier)
    return since(labels.t, hits, n, Frame(window, earlier, frame.step))


def wrong_course(labels: Ripe, references: tuple[Window, ...]) -> tuple[Floats, Floats]:
    """Wrong predictions and labels per bucket [T], as if every bucket were equally old and equally full.

    Young buckets hold only quick labels, and few: their share is compared with that of equally quick labels of the
    references, and pulled towards it as far as fewer labels scatter more. So one level and one noise hold throughout.
    """
    likely, usual = usual_wrong(labels, references)
    n = labels.n.sum(axis=(1, 2))
    errors = n - labels.correct.sum(axis=(1, 2))
    rows = _rows_of(labels, references)
    typical = max(1.0, float(np.median(n[rows]))) if len(rows) else 1.0
    share = np.divide(errors, n, out=np.zeros(len(n)), where=n > 0)
    pulled = usual + (share - likely) * np.sqrt(np.minimum(1.0, n / typical))
    size = np.where(n >= max(MIN_ONSET_LABELS, ONSET_LABELS * typical), typical, 0.0)
    return pulled * size, size


def usual_wrong(labels: Ripe, references: tuple[Window, ...]) -> tuple[Floats, float]:
    """Share of wrong predictions that the references had at the age of each bucket [T], and with all their labels."""
    n = labels.n.sum(axis=1)
    wrong = n - labels.correct.sum(axis=1)
    rows = _rows_of(labels, references)
    exposed = labels.ripe[rows].sum(axis=0)
    n_rate, wrong_rate = (
        np.divide(part[rows].sum(axis=0), exposed, out=np.zeros(len(exposed)), where=exposed > 0) for part in (n, wrong)
    )
    old_enough = (labels.ripe > 0).astype(np.float64)
    expected = old_enough @ n_rate
    likely: Floats = np.divide(old_enough @ wrong_rate, expected, out=np.zeros(len(expected)), where=expected > 0)
    return likely, float(wrong_rate.sum()) / max(1e-12, float(n_rate.sum()))


def _rows_of(labels: Ripe, windows: tuple[Window, ...]) -> NDArray[np.intp]:
    """Positions of the buckets in some windows."""
    return np.concatenate([np.arange(len(labels.t))[inside(labels.t, w)] for w in windows])
