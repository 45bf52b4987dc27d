"""Merging the evidence of several spans or sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import Histogram, LogEvidence, MetricEvidence, Repeats, Series, Traffic, is_dimension
from analysis.labels import merge_labels, shift_labels
from analysis.slices import (
    cut_errors,
    cut_traffic,
    either,
    merge_calls,
    merge_errors,
    merge_features,
    merge_histograms,
    merge_pairs,
    merge_repeats,
    merge_traffic,
)

Ints = NDArray[np.int64]


def merge_logs(a: LogEvidence, b: LogEvidence) -> LogEvidence:
    """The sum of two spans or stores. Features that are binned differently stay those of `a`."""
    shared = {name: h for name, h in b.features.items() if name not in a.features or a.features[name].bins == h.bins}
    newest = [at for at in (a.newest, b.newest) if at is not None]
    return LogEvidence(
        traffic=either(a.traffic, b.traffic, merge_traffic),
        confidence=either(a.confidence, b.confidence, merge_histograms),
        features=merge_features(a.features, shared),
        errors=either(a.errors, b.errors, merge_errors),
        newest=max(newest, default=None),
        labels=either(a.labels, b.labels, merge_labels),
        pairs=either(a.pairs, b.pairs, merge_pairs),
        repeats=either(a.repeats, b.repeats, merge_repeats),
        calls=either(a.calls, b.calls, merge_calls),
    )


def left_out(a: LogEvidence, b: LogEvidence) -> list[str]:
    """Features of `b` that `merge_logs` leaves out and that somebody may miss: whatever is no dimension."""
    known = {name: h.bins for name, h in a.features.items() if not is_dimension(h.bins)}
    return [name for name, h in b.features.items() if name in known and known[name] != h.bins]


def shift_logs(evidence: LogEvidence, seconds: int) -> LogEvidence:
    """The same evidence, `seconds` later: another version's rows of this window as the reference of this window."""

    def moved(h: Histogram) -> Histogram:
        return replace(h, t=h.t + seconds)

    traffic, errors, repeats = evidence.traffic, evidence.errors, evidence.repeats
    return LogEvidence(
        traffic=None
        if traffic is None
        else Traffic(
            replace(traffic.requests, t=traffic.requests.t + seconds),
            None if traffic.errors is None else replace(traffic.errors, t=traffic.errors.t + seconds),
            None if traffic.latency is None else moved(traffic.latency),
        ),
        confidence=None if evidence.confidence is None else moved(evidence.confidence),
        features={name: moved(h) for name, h in evidence.features.items()},
        errors=None
        if errors is None
        else replace(
            errors,
            counts=replace(errors.counts, t=errors.counts.t + seconds),
            first_seen={key: at + seconds for key, at in errors.first_seen.items()},
        ),
        newest=evidence.newest,
        labels=None if evidence.labels is None else shift_labels(evidence.labels, seconds),
        repeats=None
        if repeats is None
        else Repeats(*(replace(counts, t=counts.t + seconds) for counts in (repeats.rows, repeats.repeated))),
    )


def merge_metrics(a: MetricEvidence, b: MetricEvidence) -> MetricEvidence:
    """The union of two sets of metric evidence; where both have a sample of a gauge at one time, b's counts."""
    return MetricEvidence(
        traffic=either(a.traffic, b.traffic, merge_traffic),
        errors=either(a.errors, b.errors, merge_errors),
        quantiles={
            q: merge_series((*a.quantiles.get(q, ()), *b.quantiles.get(q, ())))
            for q in sorted({*a.quantiles, *b.quantiles})
        },
        gauges=merge_series((*a.gauges, *b.gauges)),
    )


def cut_metrics(evidence: MetricEvidence, keep: Callable[[Ints], NDArray[np.bool_]]) -> MetricEvidence:
    """Only the buckets and samples whose time `keep` accepts."""
    return MetricEvidence(
        traffic=None if evidence.traffic is None else cut_traffic(evidence.traffic, keep),
        errors=None if evidence.errors is None else cut_errors(evidence.errors, keep),
        quantiles={q: tuple(_cut(s, keep) for s in series) for q, series in evidence.quantiles.items()},
        gauges=tuple(_cut(s, keep) for s in evidence.gauges),
    )


def merge_series(series: Iterable[Series]) -> tuple[Series, ...]:
    """One series per (metric, labels), ascending in time; of two samples at one time the later given counts."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Series]] = {}
    for one in series:
        groups.setdefault((one.metric, one.labels), []).append(one)
    return tuple(_join(group) for group in groups.values())


def _join(group: list[Series]) -> Series:
    if len(group) == 1:
        return group[0]
    t = np.concatenate([s.t for s in reversed(group)])
    v = np.concatenate([s.v for s in reversed(group)])
    times, first = np.unique(t, return_index=True)
    return Series(group[0].metric, group[0].labels, group[0].unit, times, v[first])


def _cut(series: Series, keep: Callable[[Ints], NDArray[np.bool_]]) -> Series:
    rows = keep(series.t)
    return Series(series.metric, series.labels, series.unit, series.t[rows], series.v[rows])
