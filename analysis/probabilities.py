"""Confidence as a probability: which of the logged values are one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from analysis.evidence import Histogram, NumericBins
from analysis.slices import model_histogram, window_sums
from analysis.view import Frame, Window

EDGES = tuple(i / 20 for i in range(21))
"""Twenty fixed bins over 0..1."""

TOLERANCE = 1e-6
"""What a probability may lie outside 0..1 by: sums of 32-bit numbers are exact to about 1e-7."""

LOW, HIGH = -TOLERANCE, 1 + TOLERANCE

ASKED = (-math.inf, LOW, *EDGES[1:-1], HIGH, math.inf)
"""The same twenty, and an open bin on either side for what is no probability."""

SCORES = 0.1
"""Share of the baseline outside 0..1 from which the log holds scores of another kind, which nothing is wrong with."""


def open_ended(h: Histogram) -> bool:
    """Whether values outside 0..1 have bins of their own."""
    return isinstance(h.bins, NumericBins) and len(h.bins) == len(EDGES) + 1


def within(h: Histogram) -> Histogram:
    """[T, K] the values within 0..1 alone, in the twenty bins.

    The sum is known of all values together: in buckets that hold others it is made of the bins, each value as far from
    the middle of its bin as those of the other buckets are on average.
    """
    if not open_ended(h):
        return h
    inner = h.n[..., 1:-1]
    rows, middles = inner.sum(axis=2), (np.array(EDGES[1:]) + np.array(EDGES[:-1])) / 2
    clean = h.n[..., 0] + h.n[..., -1] == 0
    binned = inner @ middles
    known = float(rows[clean].sum())
    offset = float((h.total[clean] - binned[clean]).sum()) / known if known else 0.0
    total = np.where(clean, h.total, binned + offset * rows)
    return Histogram(h.t, h.step, h.keys, NumericBins(EDGES), inner, h.null, h.nonfinite, total)


def clamped(h: Histogram) -> Histogram:
    """The same bins with the values outside 0..1 counted in the outermost, and the sum of all."""
    if not open_ended(h):
        return h
    inner = h.n[..., 1:-1].copy()
    inner[..., 0] += h.n[..., 0]
    inner[..., -1] += h.n[..., -1]
    return Histogram(h.t, h.step, h.keys, NumericBins(EDGES), inner, h.null, h.nonfinite, h.total)


def outside_of(h: Histogram, model: str, windows: Sequence[Window]) -> tuple[float, float]:
    """Values of one model outside 0..1 in some windows, and all of them."""
    own = model_histogram(h, model)
    counts = window_sums(own.t, own.n[:, 0], windows).sum(axis=0)
    return (float(counts[0] + counts[-1]) if open_ended(own) else 0.0), float(counts.sum())


def confidence_of(h: Histogram, model: str, frame: Frame) -> Histogram:
    """The confidence of one model in the twenty bins: without values outside 0..1, unless the baseline is full of them.

    A value that is no probability says nothing of how sure the model is, and one of 87 would move a mean by itself.
    """
    own = model_histogram(h, model)
    if not open_ended(own):
        return own
    outside, rows = outside_of(own, model, frame.references)
    if not rows:
        outside, rows = outside_of(own, model, (frame.live,))
    return clamped(own) if outside > SCORES * rows else within(own)
