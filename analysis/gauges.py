"""Gauges over time, each summed up for a frame: its level now, its usual level, and how much both vary."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import Series
from analysis.slices import inside, tiles, window_sums
from analysis.view import Frame, Window

Floats = NDArray[np.float64]

MODEL_LABELS = ("model", "model_name", "deployment", "application", "service_name")
REPLICA_LABELS = ("replica", "pod", "container", "gpu", "gpu_uuid")
HOST_LABELS = ("instance", "job")
DEPENDENCY_LABELS = ("dependency", "upstream")


@dataclass(frozen=True, slots=True)
class Reading:
    """One gauge summed up for a frame."""

    series: Series
    now: float
    """Mean of the last fifth of the live window."""
    baseline: float
    """Mean over the reference windows."""
    history: Floats
    """[K] means of stretches of the reference windows, each as long as that of `now`: a shorter mean varies more."""
    spread: float
    """Standard deviation of the samples within a reference window, typical."""

    @property
    def model(self) -> str:
        """The model that the series belongs to; empty for hosts."""
        return self.series.label(*MODEL_LABELS) or ""

    @property
    def name(self) -> str:
        """Dependency, replica, model or host: the narrowest that the series names."""
        return name_of(self.series)


def name_of(series: Series) -> str:
    """Dependency, replica, model or host: the narrowest that a series names."""
    label = series.label
    replica = label(*REPLICA_LABELS)
    if replica is not None and replica.isdigit():
        replica = f"replica {replica}"  # a number alone says nothing in a sentence
    return label(*DEPENDENCY_LABELS) or replica or label(*MODEL_LABELS) or label(*HOST_LABELS) or ""


def readings(gauges: Iterable[Series], frame: Frame) -> tuple[Reading, ...]:
    """Every gauge that has a recent sample, recent as seen from the newest sample of all: a source may lag.

    Recent is the last fifth of the live window. Gauges that share their times are summed up together.
    """
    held = tuple(gauges)
    newest = [int(times[-1]) for series in held if len(times := live_samples(series, frame)[0])]
    if not newest:
        return ()
    end = min(frame.live.end, max(newest) + frame.step)
    length = max(frame.step * 3, frame.live.length // 5)
    recent = Window(max(frame.live.start, end - length), end)
    alike: dict[bytes, list[int]] = {}
    for i, series in enumerate(held):
        alike.setdefault(series.t.tobytes(), []).append(i)
    found: dict[int, Reading] = {}
    for members in alike.values():
        read = _read([held[i] for i in members], recent, frame.references, length)
        found.update((i, reading) for i, reading in zip(members, read, strict=True) if reading is not None)
    return tuple(found[i] for i in sorted(found))


def _read(alike: Sequence[Series], recent: Window, references: Sequence[Window], length: int) -> list[Reading | None]:
    """Gauges with the same times; None for one without a sample in the `recent` window."""
    v = np.stack([series.v for series in alike], axis=1)
    known = np.isfinite(v)
    counted = known.sum(axis=0)
    centre = np.where(known, v, 0.0).sum(axis=0) / np.maximum(1, counted)
    off = np.where(known, v - centre, 0.0)
    windows = (recent, *references, *tiles(references, length))
    sums = window_sums(alike[0].t, np.stack([known, off, off * off], axis=1), windows)
    n, total, squares = sums[:, 0], sums[:, 1], sums[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        deviation = np.sqrt(np.maximum(squares / n - mean**2, 0.0))
    level, of_references = centre + mean, slice(1, len(references) + 1)
    spread = _medians(deviation[of_references], n[of_references] > 0)
    found: list[Reading | None] = []
    for i, series in enumerate(alike):
        if not n[0, i]:
            found.append(None)
            continue
        filled = n[:, i] > 0
        usual = level[of_references, i][filled[of_references]]
        found.append(
            Reading(
                series=series,
                now=float(level[0, i]),
                baseline=float(usual.mean()) if len(usual) else math.nan,
                history=level[of_references.stop :, i][filled[of_references.stop :]],
                spread=float(spread[i]),
            )
        )
    return found


def _medians(rows: Floats, known: NDArray[np.bool_]) -> Floats:
    """[S] medians over the known values of [K, S] rows; infinite without any."""
    ordered = np.sort(np.where(known, rows, np.inf), axis=0)
    count, column = known.sum(axis=0), np.arange(rows.shape[1])
    if not len(rows):
        return np.full(rows.shape[1], np.inf)
    middle: Floats = (ordered[np.maximum(0, count - 1) // 2, column] + ordered[count // 2 % len(rows), column]) / 2
    return middle


def samples(series: Series, window: Window) -> tuple[Floats, Floats]:
    """Times and values of the finite samples in a window."""
    rows = inside(series.t, window)
    finite = np.isfinite(series.v[rows])
    return series.t[rows][finite].astype(float), series.v[rows][finite]


def live_samples(series: Series, frame: Frame) -> tuple[Floats, Floats]:
    """Times and values of the finite samples in the live window."""
    return samples(series, frame.live)
