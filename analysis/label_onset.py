"""When a share among labelled rows left its course, though young rows have few labels and of the quick kind only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.labels import Ripe
from analysis.since import Since, since
from analysis.slices import inside, tiles
from analysis.spans import union
from analysis.view import Frame, Window

Floats = NDArray[np.float64]

MIN_ONSET_LABELS = 5
ONSET_LABELS = 0.25
"""Part of a usual bucket's labels from which a bucket tells when a change began: with fewer it is pulled by more than
half to where it used to be, which reads as if the change had ended.
"""

MIN_ONSET_REFERENCES = 2
"""Windows that must be left before the one in front of a span for that one to be searched, too."""


def label_onset(
    labels: Ripe, n: Floats, hits: Floats, frame: Frame, window: Window, references: tuple[Window, ...]
) -> Since | None:
    """When hits / n left its course, in the live window or in the longer span in which the change shows.

    Such a span is led in by the window before it: a fault may be a bit older than the span that shows it best.

    Args:
        n: [T, S, D] of the labels.
        hits: [T, S, D] of them.
        window: that shows the change; it may be a part of the live one.
        references: what it is compared with.
    """
    if window.start > frame.live.start:
        window, references = frame.live, frame.references
    elif len(references) > MIN_ONSET_REFERENCES and references[0].end == window.start:
        window, references = Window(references[0].start, window.end), references[1:]
    before = union(references)
    # A span longer than all that is before it has no windows like it there, but a stretch that tells level and noise.
    earlier = tiles(before, window.length) or before
    if len({w.length for w in earlier}) != 1:
        return None
    course, size = label_course(labels, n, hits, earlier)
    return since(labels.t, course, size, Frame(window, earlier, frame.step))


def label_course(labels: Ripe, n: Floats, hits: Floats, references: Sequence[Window]) -> tuple[Floats, Floats]:
    """Hits and labels per bucket [T], as if every bucket were equally old and equally full.

    Young buckets hold only quick labels, and few: their share is compared with that of equally quick labels of the
    references, and pulled towards it as far as fewer labels scatter more. So one level and one noise hold throughout.
    """
    likely, usual = usual_share(labels, n, hits, references)
    filled, found = n.sum(axis=(1, 2)), hits.sum(axis=(1, 2))
    rows = _rows_of(labels, references)
    typical = max(1.0, float(np.median(filled[rows]))) if len(rows) else 1.0
    share = np.divide(found, filled, out=np.zeros(len(filled)), where=filled > 0)
    pulled = usual + (share - likely) * np.sqrt(np.minimum(1.0, filled / typical))
    size = np.where(filled >= max(MIN_ONSET_LABELS, ONSET_LABELS * typical), typical, 0.0)
    return pulled * size, size


def usual_share(labels: Ripe, n: Floats, hits: Floats, references: Sequence[Window]) -> tuple[Floats, float]:
    """The share that the references had at the age of each bucket [T], and with all their labels."""
    rows = _rows_of(labels, references)
    exposed = labels.ripe[rows].sum(axis=0)
    n_rate, hit_rate = (
        np.divide(part[rows].sum(axis=(0, 1)), exposed, out=np.zeros(len(exposed)), where=exposed > 0)
        for part in (n, hits)
    )
    old_enough = (labels.ripe > 0).astype(np.float64)
    expected = old_enough @ n_rate
    likely: Floats = np.divide(old_enough @ hit_rate, expected, out=np.zeros(len(expected)), where=expected > 0)
    return likely, float(hit_rate.sum()) / max(1e-12, float(n_rate.sum()))


def _rows_of(labels: Ripe, windows: Sequence[Window]) -> NDArray[np.intp]:
    """Positions of the buckets in some windows."""
    return np.concatenate([np.arange(len(labels.t))[inside(labels.t, w)] for w in windows])
