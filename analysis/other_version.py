"""Another version as the baseline of counts that were read without one: its buckets stand where the references are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import Counts, Histogram, MetricEvidence, Traffic
from analysis.slices import cut_counts, cut_histogram, merge_counts, merge_histograms
from analysis.view import Frame, Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def against_version(evidence: MetricEvidence, version: str, frame: Frame) -> MetricEvidence | None:
    """All other versions in the live window, and this one, moved back by a window, in the references.

    Kinds of errors and exported percentiles tell no version and are left out, and so is a latency that tells none.
    None where the requests do not know the version.
    """
    traffic = evidence.traffic
    if traffic is None or not any(key[1] == version for key in traffic.requests.keys):
        return None
    errors, latency = traffic.errors, traffic.latency
    return MetricEvidence(
        traffic=Traffic(
            _counts(traffic.requests, version, frame),
            None if errors is None or not _tells(errors) else _counts(errors, version, frame),
            None if latency is None or not _tells(latency) else _histogram(latency, version, frame),
        ),
        errors=None,
        quantiles={},
        gauges=evidence.gauges,
    )


def _tells(part: Counts | Histogram) -> bool:
    """Whether the series of a part name versions."""
    return any(key[1] for key in part.keys)


def _columns(part: Counts | Histogram, version: str, *, own: bool) -> list[int]:
    return [i for i, key in enumerate(part.keys) if (key[1] == version) == own]


def _within(windows: Iterable[Window], t: Ints) -> NDArray[np.bool_]:
    """Which bucket starts [T] lie in one of the windows."""
    found = np.zeros(len(t), dtype=np.bool_)
    for window in windows:
        found |= (t >= window.start) & (t < window.end)
    return found


def _counts(counts: Counts, version: str, frame: Frame) -> Counts:
    def of(own: bool, windows: tuple[Window, ...]) -> Counts:
        at = _columns(counts, version, own=own)
        kept = cut_counts(counts, lambda t: _within(windows, t))
        return replace(kept, keys=tuple(counts.keys[i] for i in at), n=kept.n[:, at])

    baseline = of(True, frame.baseline(version))
    moved = replace(baseline, t=baseline.t - frame.live.length)
    return merge_counts(of(False, (frame.live,)), moved)


def _histogram(histogram: Histogram, version: str, frame: Frame) -> Histogram:
    def of(own: bool, windows: tuple[Window, ...]) -> Histogram:
        at = _columns(histogram, version, own=own)
        kept = cut_histogram(histogram, lambda t: _within(windows, t))

        def some(values: Floats) -> Floats:
            return values[:, at]

        return replace(
            kept,
            keys=tuple(histogram.keys[i] for i in at),
            n=some(kept.n),
            null=some(kept.null),
            nonfinite=some(kept.nonfinite),
            total=some(kept.total),
        )

    baseline = of(True, frame.baseline(version))
    moved = replace(baseline, t=baseline.t - frame.live.length)
    return merge_histograms(of(False, (frame.live,)), moved)
