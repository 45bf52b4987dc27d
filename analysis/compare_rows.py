"""The rows of a comparison from what the log stores say of two versions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.canary import ALPHA
from analysis.compare import Mixed, Moments, bucket_dispersion, mean_row, mixed, over_time, share_row
from analysis.comparison import ComparisonRow, Verdict
from analysis.confidence import MEAN_UNIT, standard_deviation, threshold_bin
from analysis.evidence import Counts, Cube, Histogram, Labels, NumericBins, Traffic
from analysis.features import MAX_Q
from analysis.features import MIN_ROWS as MIN_FEATURE_ROWS
from analysis.filters import Filter, Not, Null, Range
from analysis.latency import summary
from analysis.multiple import benjamini_hochberg
from analysis.quantiles import count_above, nearest_edge
from analysis.shift import JS_FLOOR, ShiftCase, shift_tests
from analysis.slices import grid, key_index, tiles, window_sum, window_sums
from analysis.view import Window
from analysis.words import milliseconds

Floats = NDArray[np.float64]

PERCENTILES = ("p50", "p95", "p99")
ACCURACY_EQUAL = 0.01
TILES = 8
"""Pieces of the span between which version A's own features differ by chance."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which rows count as bad, the same in both cubes."""

    names: tuple[str, ...]
    """error, p50, p95, p99, unsure: those that can be asked."""
    outcomes: tuple[Filter, ...]
    edges: Mapping[str, int] = field(default_factory=dict)
    """Percentile -> index of the latency edge near A's percentile."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What is known of versions A and B over one span."""

    traffic: Traffic
    """By (model, version)."""
    question: Question
    cubes: tuple[Cube, Cube]
    """Of A and B."""
    confidence: tuple[Histogram | None, Histogram | None] = (None, None)
    features: tuple[Mapping[str, Histogram], Mapping[str, Histogram]] = field(default_factory=lambda: ({}, {}))
    labels: tuple[Labels | None, Labels | None] = (None, None)


def question_of(traffic: Traffic, model: str, a: str, span: Window, threshold: float | None) -> Question:
    """The outcomes to count: errors, requests slower than each of A's percentiles, and unsure ones.

    Args:
        threshold: confidence below which a row is unsure; None where confidence is not logged.
    """
    names: list[str] = []
    outcomes: list[Filter] = []
    edges: dict[str, int] = {}
    if traffic.errors is not None:
        names.append("error")
        outcomes.append(Not(Null("error_type")))
    if traffic.latency is not None and isinstance(traffic.latency.bins, NumericBins):
        bins = traffic.latency.bins
        values = summary(_bins(traffic.latency, model, a, span), bins)
        for name in PERCENTILES:
            value = values[name]
            if value is not None:
                edges[name] = nearest_edge(bins.edges, value)
                names.append(name)
                outcomes.append(Range("latency_ms", low=bins.edges[edges[name]]))
    if threshold is not None:
        names.append("unsure")
        outcomes.append(Range("confidence", high=threshold))
    return Question(tuple(names), tuple(outcomes), edges)


def comparison_rows(
    sides: Sides, model: str, a: str, b: str, span: Window, threshold: float
) -> tuple[ComparisonRow, ...]:
    """Every measure that is logged: traffic, latency, errors, confidence, accuracy, inputs."""
    seconds, counts = float(span.length), _counts(sides)
    n = tuple(float(_per_bucket(sides.traffic.requests, model, v, span).sum()) for v in (a, b))
    rows = [ComparisonRow("requests", "rate", n[0] / seconds, n[1] / seconds, n[0], n[1])]
    rows += _latency_rows(sides, counts, model, (a, b), span)
    errors = sides.traffic.errors
    if errors is not None:
        failed = _per_bucket(errors, model, a, span)
        n_a, n_b = (_per_bucket(sides.traffic.requests, model, version, span) for version in (a, b))
        found = over_time(counts["error"], failed, n_a, n_b)
        noise = bucket_dispersion(failed, n_a)
        rows.append(share_row("errors", found.shares, "ratio", found, seconds, dispersion=noise))
    rows += _confidence_rows(sides, counts, span, threshold)
    accuracy = (_accuracy(sides.labels[0], span), _accuracy(sides.labels[1], span))
    if any(m.n for m in accuracy):
        rows.append(
            mean_row(
                "accuracy",
                "ratio",
                accuracy,
                seconds,
                ACCURACY_EQUAL,
                note="labels known so far",
            )
        )
    inputs = _inputs_row(sides.features, span)
    return (*rows, inputs) if inputs is not None else tuple(rows)


def _counts(sides: Sides) -> dict[str, Mixed]:
    cube_a, cube_b = sides.cubes
    return {name: mixed(cube_b, cube_a, i) for i, name in enumerate(sides.question.names)}


def _latency_rows(
    sides: Sides, counts: Mapping[str, Mixed], model: str, versions: tuple[str, str], span: Window
) -> list[ComparisonRow]:
    latency = sides.traffic.latency
    if latency is None or not isinstance(latency.bins, NumericBins):
        return []
    values = [summary(_bins(latency, model, version, span), latency.bins) for version in versions]
    own, other = (
        grid(
            latency.t,
            latency.n[:, key_index(latency.keys, model=model, second=version)].sum(axis=1),
            span,
            latency.step,
        )
        for version in versions
    )
    rows = []
    for name in PERCENTILES:
        both = (values[0][name], values[1][name])
        if name not in counts:
            n_a, n_b = (float(_bins(latency, model, version, span).sum()) for version in versions)
            rows.append(ComparisonRow(name, "ms", *both, n_a, n_b))
            continue
        edge = sides.question.edges[name]
        slow, n_a = count_above(own, edge), own.sum(axis=1)
        found, noise = over_time(counts[name], slow, n_a, other.sum(axis=1)), bucket_dispersion(slow, n_a)
        note = f"slower than {milliseconds(latency.bins.edges[edge])}"
        # Three edges ask one question: is it slower?
        rows.append(
            share_row(
                name,
                both,
                "ms",
                found,
                float(span.length),
                dispersion=noise,
                alpha=ALPHA / len(PERCENTILES),
                note=note,
            )
        )
    return rows


def _confidence_rows(sides: Sides, counts: Mapping[str, Mixed], span: Window, threshold: float) -> list[ComparisonRow]:
    rows = []
    moments = (_moments(sides.confidence[0], span), _moments(sides.confidence[1], span))
    if any(m.n for m in moments):
        rows.append(
            mean_row(
                "confidence",
                "score",
                moments,
                float(span.length),
                MEAN_UNIT,
                note="mean, as logged",
            )
        )
    if "unsure" in counts:
        found, noise = counts["unsure"], 1.0
        of_a, of_b = sides.confidence
        if of_a is not None and of_b is not None and isinstance(of_a.bins, NumericBins):
            cut = threshold_bin(of_a.bins, threshold)
            own, other = (grid(h.t, h.n.sum(axis=1), span, h.step) for h in (of_a, of_b))
            unsure, n_a = own[:, :cut].sum(axis=1), own.sum(axis=1)
            found, noise = over_time(found, unsure, n_a, other.sum(axis=1)), bucket_dispersion(unsure, n_a)
        note = f"below {threshold:g}"
        rows.append(share_row("unsure", found.shares, "ratio", found, float(span.length), dispersion=noise, note=note))
    return rows


def _bins(latency: Histogram, model: str, version: str, span: Window) -> Floats:
    at = key_index(latency.keys, model=model, second=version)
    counts: Floats = window_sum(latency.t, latency.n[:, at].sum(axis=1), span)
    return counts


def _per_bucket(counts: Counts, model: str, version: str, span: Window) -> Floats:
    at = key_index(counts.keys, model=model, second=version)
    column: Floats = grid(counts.t, counts.n[:, at].sum(axis=1), span, counts.step)
    return column


def _moments(histogram: Histogram | None, span: Window) -> Moments:
    if histogram is None or not isinstance(histogram.bins, NumericBins):
        return Moments(0.0, None, math.inf)
    counts = window_sum(histogram.t, histogram.n.sum(axis=1), span)
    n, total = float(counts.sum()), float(window_sum(histogram.t, histogram.total.sum(axis=1), span))
    return Moments(n, total / n if n else None, standard_deviation(counts, histogram.bins))


def _accuracy(labels: Labels | None, span: Window) -> Moments:
    if labels is None:
        return Moments(0.0, None, math.inf)
    known = (labels.delay >= 0) & (labels.t >= span.start) & (labels.t < span.end)
    n, correct = float(labels.n[known].sum()), float(labels.correct[known].sum())
    share = correct / n if n else None
    # Half a label of each kind keeps the spread of all-right above zero.
    smooth = (correct + 0.5) / (n + 1)
    return Moments(n, share, math.sqrt(smooth * (1 - smooth)))


def _inputs_row(
    features: tuple[Mapping[str, Histogram], Mapping[str, Histogram]], span: Window
) -> ComparisonRow | None:
    """Which inputs B gets otherwise than A: what differs here is not of the version's making."""
    of_a, of_b = features
    names = [name for name in of_a if name in of_b and of_a[name].bins == of_b[name].bins]
    pieces = tiles((span,), max(1, span.length // TILES))
    cases, told = [], []
    for name in names:
        a, b = of_a[name], of_b[name]
        live = window_sum(b.t, b.n.sum(axis=1), span)
        windows = window_sums(a.t, a.n.sum(axis=1), pieces)
        if min(live.sum(), windows.sum()) >= MIN_FEATURE_ROWS:
            cases.append(ShiftCase(live, windows, isinstance(a.bins, NumericBins)))
            told.append(name)
    if not cases:
        return None
    tests = shift_tests(cases)
    q = benjamini_hochberg([test.p for test in tests])
    moved = sorted(
        (
            (test.js_adj, name)
            for test, name, value in zip(tests, told, q, strict=True)
            if value < MAX_Q and test.js_adj >= JS_FLOOR
        ),
        reverse=True,
    )
    n_a, n_b = max(test.m for test in tests), max(test.n for test in tests)
    words = f"{len(moved)} of {len(told)} differ: {', '.join(name for _, name in moved[:3])}" if moved else "alike"
    return ComparisonRow(
        "inputs",
        "count",
        None,
        None,
        n_a,
        n_b,
        verdict=Verdict.DIFFERENT if moved else Verdict.SAME,
        words=words,
        note="traffic, not the version" if moved else "",
    )
