"""Answers of Prometheus as rows on a grid of buckets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connectors.metric_evidence import Row
from connectors.prom_api import Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

MAX_SERIES = 2_000
MAX_LABEL_CHARS = 200


def place(results: Sequence[Result], t: Ints, step: int) -> tuple[list[Row], int]:
    """Samples on the grid by their time, never by their position, and how many series were left out.

    Args:
        t: [T] bucket starts; a sample at the end of a bucket belongs to it.
    """
    import numpy as np

    rows: dict[tuple[tuple[str, str], ...], int] = {}
    kept: set[tuple[tuple[str, str], ...]] = set()
    dropped: set[tuple[tuple[str, str], ...]] = set()
    at: list[float] = []
    values: list[float] = []
    lengths: list[int] = []
    of: list[int] = []
    for labels, times, found in _samples(results):
        key = tuple(sorted((name, value[:MAX_LABEL_CHARS]) for name, value in labels.items()))
        series = tuple(label for label in key if label[0] != "le")
        if series not in kept:
            if len(kept) >= MAX_SERIES:
                dropped.add(series)
                continue
            kept.add(series)
        of.append(rows.setdefault(key, len(rows)))
        lengths.append(len(times))
        at += times
        values += found
    starts = np.rint(np.array(at, dtype=np.float64) / step).astype(np.int64) * step - step
    row, column = np.repeat(np.array(of, dtype=np.int64), lengths), np.searchsorted(t, starts)
    inside = column < len(t)
    inside[inside] = t[column[inside]] == starts[inside]
    grid, known = np.zeros((len(rows), len(t))), np.zeros((len(rows), len(t)), dtype=bool)
    # Added, because labels that were cut may meet in one row.
    np.add.at(grid, (row[inside], column[inside]), np.array(values, dtype=np.float64)[inside])
    known[row[inside], column[inside]] = True
    grid[~known] = np.nan
    return [Row(dict(key), grid[i]) for key, i in rows.items()], len(dropped)


def _samples(results: Sequence[Result]) -> list[tuple[Mapping[str, str], list[float], list[float]]]:
    """(labels, times, values) of every series; native histograms become cumulative classic buckets."""
    found: list[tuple[Mapping[str, str], list[float], list[float]]] = []
    native = [result for result in results if result.histograms]
    for result in results:
        if result.values:
            found.append((result.metric, [at for at, _ in result.values], [float(v) for _, v in result.values]))
    bounds = {float(right) for r in native for _, h in r.histograms for _, _, right, _ in h.buckets}
    edges = sorted(bounds | {math.inf})
    for result in native:
        times = [at for at, _ in result.histograms]
        for edge in edges:
            # A bucket wider than the edges around it is counted at its upper end.
            below = [
                float(h.count)
                if math.isinf(edge)
                else math.fsum(float(n) for _, _, right, n in h.buckets if float(right) <= edge)
                for _, h in result.histograms
            ]
            found.append(({**result.metric, "le": repr(edge)}, times, below))
    return found
