"""Requests that are sent or logged again: the share of rows whose id came before in the same bucket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cases import Case
from analysis.evidence import Repeats
from analysis.feature_cases import check_bound, quality_finding
from analysis.features import CAUSE_CAP, MIN_ROWS
from analysis.quality import QualityCheck, duplicate_ids
from analysis.scales import Scale, scale_since, scales
from analysis.since import since
from analysis.slices import model_counts, window_sum, window_sums
from analysis.view import Frame, Window
from analysis.words import percent

Floats = NDArray[np.float64]

SUBJECT = "request_id"
"""The canonical column that the finding is about."""


@dataclass(frozen=True, slots=True)
class _Change:
    """The check at one scale, and how large its effect is at least, in units of what is worth a look."""

    check: QualityCheck
    bound: float
    window: Window


def repeats_case(repeats: Repeats, frame: Frame, newest: float | None, model: str) -> Case | None:
    """The rise of the share of repeated rows of one model; None where there is none or too few rows.

    No filter on a row tells whether another one has its id, so that the case has no outcome and no segments.

    Args:
        repeats: counts whose two parts share buckets and models.
        newest: unix seconds of the newest row.
    """
    t, n, again = repeats.rows.t, model_counts(repeats.rows, model), model_counts(repeats.repeated, model)
    changes = [found for scale in scales(frame, newest) if (found := _change(t, n, again, scale)) is not None]
    best = max(changes, key=lambda found: found.bound, default=None)
    if best is None or best.bound <= 0:
        return None
    onset = since(t, again, n, frame)
    if onset is not None and (begun := scale_since(frame, onset.start, newest)) is not None:
        sharper = _change(t, n, again, begun)
        best = max((best, sharper), key=lambda found: found.bound) if sharper is not None else best
    check, bound = best.check, min(best.bound, CAUSE_CAP)
    title = f"sent again {percent(check.baseline)} -> {percent(check.now)} by {SUBJECT}"
    return Case(quality_finding(check, bound, title, model=model, subject=SUBJECT, onset=onset), None, best.window)


def _change(t: NDArray[np.int64], n: Floats, again: Floats, scale: Scale) -> _Change | None:
    """The rise at one scale. n, again: [T] rows and repeated ones."""
    rows, rows_before = float(window_sum(t, n, scale.live)), window_sums(t, n, scale.references)
    if rows < MIN_ROWS or rows_before.sum() < MIN_ROWS:
        return None
    repeated = float(window_sum(t, again, scale.live))
    check = duplicate_ids(repeated, rows, window_sums(t, again, scale.references), rows_before)
    return None if check is None else _Change(check, check_bound(check), scale.live)
