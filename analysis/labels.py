"""Labels as evidence: cut, merged and moved like every other count, and the dense table of one model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import Labels, NumericBins
from analysis.slices import window_sum, window_sums
from analysis.view import Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DELAYS_S = (0.0, *(60.0 * 2 ** (i / 2) for i in range(29)), float("inf"))
"""A minute to eleven days, two bins per doubling: rows are compared at an age that is at most 30 % below their own."""

SCORES = NumericBins(tuple(i / 10 for i in range(11)))
"""Score bands: ten, because each needs labels of its own."""


def cut_labels(labels: Labels, keep: Callable[[Ints], NDArray[np.bool_]]) -> Labels:
    """Only the buckets whose start `keep` accepts."""
    rows = keep(labels.t)
    return replace(
        labels,
        t=labels.t[rows],
        served=labels.served[rows],
        key=labels.key[rows],
        score=labels.score[rows],
        delay=labels.delay[rows],
        n=labels.n[rows],
        correct=labels.correct[rows],
        total=labels.total[rows],
    )


def merge_labels(a: Labels, b: Labels) -> Labels:
    """The sum of two spans or stores; bins and step are those of `a`, which the caller asked both for."""
    keys = tuple(sorted({*a.keys, *b.keys}))
    place = [np.array([keys.index(key) for key in part.keys], dtype=np.int64) for part in (a, b)]

    newest = {
        model: max(part.newest[model] for part in (a, b) if model in part.newest) for model in {*a.newest, *b.newest}
    }
    return replace(
        a,
        keys=keys,
        t=np.concatenate([a.t, b.t]),
        served=np.concatenate([a.served, b.served]),
        key=np.concatenate([place[0][a.key], place[1][b.key]]),
        score=np.concatenate([a.score, b.score]),
        delay=np.concatenate([a.delay, b.delay]),
        n=np.concatenate([a.n, b.n]),
        correct=np.concatenate([a.correct, b.correct]),
        total=np.concatenate([a.total, b.total]),
        newest=newest,
        timed=a.timed and b.timed,
    )


def of_each_value(labels: Labels, model: str) -> dict[str, Labels]:
    """Labels by (model, value) -> those of one model by value, each as if it were all of the model."""
    return {key[1]: _cells(labels, labels.key == i, model) for i, key in enumerate(labels.keys) if key[0] == model}


def of_all_values(labels: Labels, model: str) -> Labels:
    """Labels by (model, value) -> those of one model, whatever the value."""
    return _cells(labels, np.isin(labels.key, [i for i, key in enumerate(labels.keys) if key[0] == model]), model)


def _cells(labels: Labels, rows: NDArray[np.bool_], model: str) -> Labels:
    """Some of the cells, as if they were all of a model."""
    columns = ("t", "served", "score", "delay", "n", "correct", "total")
    own = {name: getattr(labels, name)[rows] for name in columns}
    return replace(labels, keys=((model,),), key=np.zeros(int(rows.sum()), dtype=np.int64), **own)


def shift_labels(labels: Labels, seconds: int) -> Labels:
    """The same labels, `seconds` later; their age stays that of the rows."""
    return replace(labels, t=labels.t + seconds)


@dataclass(frozen=True, slots=True)
class Ripe:
    """The labels of one model that every row of their bucket was old enough to have.

    S bands, and one more for rows without a score; D delay bins.
    """

    t: Ints
    """[T] bucket starts with rows, unix seconds."""
    rows: Floats
    """[T, S+1] predictions."""
    ripe: Floats
    """[T, D] predictions old enough for a label of each delay."""
    n: Floats
    """[T, S+1, D] labels."""
    correct: Floats
    """[T, S+1, D] labels that equal the prediction."""
    total: Floats
    """[T, S+1, D] sum of the scores of labelled rows."""
    delays: tuple[float, ...]
    """[D+1] seconds."""
    scores: NumericBins
    as_of: float
    """Unix seconds up to which labels are known."""
    timed: bool
    moved: bool
    """Whether some rows stand for an earlier window: then windows of different rows do not continue each other."""


def ripe(labels: Labels, model: str, moment: float, *, banded: bool = True) -> Ripe | None:
    """The labels of one model as known at `moment` (unix seconds); None when it has no prediction.

    What counts as known ends at the model's newest label: labels that are delivered once an hour are not missing in
    between. A label in a delay bin that the youngest row of its bucket has not lived through is left out, because only
    the lucky part of such labels has arrived.

    Without `banded` all scores are one band (S = 1), which is a fifth of the work.
    """
    if (model,) not in labels.keys:
        return None
    own = labels.key == labels.keys.index((model,))
    as_of = min(moment, labels.newest.get(model, moment)) if labels.timed else moment
    t, at = np.unique(labels.t[own], return_inverse=True)
    delays, last = len(labels.delays) - 1, len(labels.scores) if banded else 1
    bands = last + 1
    score = np.where(labels.score[own] < 0, last, labels.score[own] if banded else 0)
    rows = _summed((at, score), labels.n[own], (len(t), bands))
    served = np.zeros(len(t), dtype=np.int64)
    served[at] = labels.served[own]
    whole = _lived_through(served, labels, as_of)
    delay = labels.delay[own]
    known = (delay >= 0) & whole[at, np.maximum(delay, 0)]
    place, shape = (at[known], score[known], delay[known]), (len(t), bands, delays)
    n, correct, total = (_summed(place, part[own][known], shape) for part in (labels.n, labels.correct, labels.total))
    ripe_rows = rows.sum(axis=1, keepdims=True) * whole
    return Ripe(
        t, rows, ripe_rows, n, correct, total, labels.delays, labels.scores, as_of, labels.timed,
        bool((served != t).any()),
    )  # fmt: skip


def _summed(place: tuple[NDArray[np.integer], ...], values: Floats, shape: tuple[int, ...]) -> Floats:
    """Values added up by their place in a dense array."""
    flat = np.ravel_multi_index(place, shape)
    dense: Floats = np.bincount(flat, weights=values, minlength=int(np.prod(shape))).astype(np.float64)
    return dense.reshape(shape)


def _lived_through(served: Ints, labels: Labels, as_of: float) -> NDArray[np.bool_]:
    """[T, D] whether the youngest row of each bucket is older than each delay."""
    if not labels.timed:
        # A label without a time came with its row.
        return np.broadcast_to(np.arange(len(labels.delays) - 1) == 0, (len(served), len(labels.delays) - 1))
    age = as_of - (served + labels.step)
    return age[:, None] >= np.array(labels.delays[1:])[None, :]


@dataclass(frozen=True, slots=True)
class Cohorts:
    """Labelled rows of a window and of its reference windows at equal label age."""

    rows: float
    """Predictions of the window, labelled or not."""
    n: Floats
    """[S+1] labels of the window."""
    correct: Floats
    total: Floats
    """[S+1] sum of the scores of labelled rows."""
    n_windows: Floats
    """[K, S+1] labels of each reference window, counted as far as the window's rows are old enough to have them."""
    correct_windows: Floats
    total_windows: Floats
    rows_windows: Floats
    """[K] predictions."""

    @property
    def coverage(self) -> float:
        """Share of the window's predictions with a label, 0..1."""
        return float(self.n.sum()) / self.rows if self.rows else 0.0

    @property
    def coverage_baseline(self) -> float:
        """The coverage that the reference windows had at the age of the window, 0..1."""
        rows = float(self.rows_windows.sum())
        return float(self.n_windows.sum()) / rows if rows else 0.0


def equal_age(labels: Ripe, live: Window, references: tuple[Window, ...]) -> Cohorts:
    """Window and references with the same chance that a label of each delay has arrived.

    Each label of a reference counts with the share of the window's rows that are old enough for its delay. The counts
    are then those that the references would have shown at that age, and a surely late kind of label (such as the
    chargeback that shows an error) is as rare on both sides.
    """
    rows = float(window_sum(labels.t, labels.rows, live).sum())
    old_enough = window_sum(labels.t, labels.ripe, live)
    reference_rows = window_sums(labels.t, labels.rows, references).sum(axis=1)
    reference_ripe = window_sums(labels.t, labels.ripe, references).sum(axis=0)
    share = old_enough / rows if rows else np.zeros(len(old_enough))
    # References are older than the window, so that their own share is one, unless they are another version's rows.
    own = reference_ripe / reference_rows.sum() if reference_rows.sum() else np.zeros(len(old_enough))
    weight = np.divide(share, own, out=np.zeros(len(own)), where=own > 0)
    parts = (labels.n, labels.correct, labels.total)
    n, correct, total = (window_sum(labels.t, part, live).sum(axis=1) for part in parts)
    n_windows, correct_windows, total_windows = (window_sums(labels.t, part, references) @ weight for part in parts)
    return Cohorts(rows, n, correct, total, n_windows, correct_windows, total_windows, reference_rows)
