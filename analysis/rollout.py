"""Which versions of a model run side by side, since when, and what a new one does to its own requests."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, Severity, Signal
from analysis.canary import staged_log_e, staged_mean_log_e
from analysis.cases import Case
from analysis.compare import bucket_dispersion
from analysis.confidence import MEAN_UNIT, MIN_ROWS
from analysis.evidence import Counts, Histogram, NumericBins, Traffic
from analysis.filters import Eq
from analysis.latency import percentiles
from analysis.probabilities import within
from analysis.proportions import shrunk_dispersion
from analysis.quantiles import count_above, nearest_edge
from analysis.slices import key_index, window_sum
from analysis.traffic import VERSION_SHARE, frame_adjoins, version_title
from analysis.view import Frame, Window
from analysis.words import ratio

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SURE = math.log(100)
"""ln of the e-value from which a version is called worse: at most 1 in 100 equal versions ever gets there."""

SURE_OF_MEAN = math.log(200)
"""The same of a mean confidence."""

LEAST_RATIO = 1.2
"""Smaller differences are not told beside a version's name."""

LATENCY_EDGES = {"p50": 1, "p95": 2, "p99": 3}
"""Percentile of the old version -> its place among `percentiles`."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two versions of a model, and the time over which both ran."""

    a: str
    b: str
    versions: tuple[str, ...]
    """All that ran, the one with the most requests first."""
    span: Window


def pairing(requests: Counts, model: str, frame: Frame, a: str | None = None, b: str | None = None) -> Pairing | None:
    """Versions A and B as wished, else the most used one and the newest of the others; None below two versions.

    Both are compared from the first bucket of the later one on, where the evidence shows it beginning, else over the
    live window: a start that stays where it is keeps what is said valid at every look.
    """
    at = key_index(requests.keys, model=model)
    live = window_sum(requests.t, requests.n[:, at], frame.live)
    names = [requests.keys[int(i)][1] for i in at]
    order = sorted(range(len(names)), key=lambda i: (-live[i], names[i]))
    ran = [names[i] for i in order if live[i] > 0]
    if len(ran) < 2:
        return None
    first = {
        names[i]: int(requests.t[np.flatnonzero(requests.n[:, column] > 0)[0]])
        for i, column in enumerate(at)
        if live[i] > 0
    }
    # Asked for, unless it no longer runs.
    chosen_a = a if a in ran else next(name for name in ran if name != b)
    others = [name for name in ran if name != chosen_a]
    chosen_b = b if b in others else max(others, key=lambda name: (first[name], -ran.index(name)))
    start, oldest = max(first[chosen_a], first[chosen_b]), int(requests.t[0])
    span = Window(start, frame.live.end) if start > oldest else frame.live
    return Pairing(chosen_a, chosen_b, tuple(ran), span)


def with_own_changes(
    case: Case, traffic: Traffic, frame: Frame, model: str, confidence: Histogram | None = None
) -> Case:
    """The case of a new version, with what it surely does worse than the version that most requests still go to."""
    pair = pairing(traffic.requests, model, frame, b=case.finding.subject)
    words = own_changes(traffic, model, pair, confidence) if pair is not None else ()
    if pair is None or not words:
        return case
    title = version_title(pair.a, case.finding.subject, case.finding.effect, words)
    return replace(case, finding=replace(case.finding, title=title, severity=Severity.WARNING))


def staged_cases(traffic: Traffic, frame: Frame, model: str, confidence: Histogram | None = None) -> list[Case]:
    """Versions that began before the window and surely do something worse than the one most requests go to.

    A roll-out in stages moves traffic, which changes no rate of either version: what the model's own numbers show is
    diluted by the stages before. A version that began before all that is loaded is not judged: only from a fixed
    beginning on is the test valid at every look.
    """
    requests = traffic.requests
    at = key_index(requests.keys, model=model)
    if not frame_adjoins(frame) or not len(requests.t):
        return []
    live = window_sum(requests.t, requests.n[:, at], frame.live)
    found: list[Case] = []
    for column, rows in zip(at.tolist(), live.tolist(), strict=True):
        version = requests.keys[column][1]
        held = np.flatnonzero(requests.n[:, column] > 0)
        first = int(requests.t[held[0]]) if len(held) else frame.live.end
        share = rows / live.sum() if rows else 0.0
        if not version or not int(requests.t[0]) < first < frame.live.start or share < VERSION_SHARE:
            continue
        pair = pairing(requests, model, frame, b=version)
        words = own_changes(traffic, model, pair, confidence) if pair is not None and pair.b == version else ()
        if words and pair is not None:
            found.append(_staged(model, pair, words, share, float(rows), float(live.sum()), frame))
    return found


def _staged(
    model: str, pair: Pairing, words: tuple[str, ...], share: float, rows: float, total: float, frame: Frame
) -> Case:
    finding = Finding(
        signal=Signal.VERSION,
        model=model,
        severity=Severity.WARNING,
        title=version_title(pair.a, pair.b, share, words),
        effect=share,
        score=0.5,
        n=rows,
        n_baseline=total - rows,
        now=share,
        baseline=0.0,
        unit="ratio",
        onset=float(pair.span.start),
        subject=pair.b,
    )
    return Case(finding, Eq("version", pair.b), frame.live)


def own_changes(traffic: Traffic, model: str, pair: Pairing, confidence: Histogram | None = None) -> tuple[str, ...]:
    """What version B surely does worse than A on its own requests: "errors x8.3", "confidence 0.91 -> 0.84".

    Interval-wise e-process over the buckets since B began, so that neither a base rate that drifts nor the stages of
    the roll-out count as a difference; failures are divided by their dispersion within A. Latency asks for the
    requests beyond A's p50, p95 and p99, at a third of the level each.

    Args:
        confidence: by (model, version).
    """
    inside = (traffic.requests.t >= pair.span.start) & (traffic.requests.t < pair.span.end)
    n_a, n_b = (_column(traffic.requests, model, version)[inside] for version in (pair.a, pair.b))
    found = []
    if traffic.errors is not None:
        k_a, k_b = (_at(traffic.errors, model, version, traffic.requests.t[inside]) for version in (pair.a, pair.b))
        worse = _worse(k_b, n_b, k_a, n_a, SURE)
        if worse is not None:
            found.append(f"errors {ratio(worse, 1.0)}")
    latency = traffic.latency
    if latency is not None and isinstance(latency.bins, NumericBins) and np.array_equal(latency.t, traffic.requests.t):
        bins_a, bins_b = (
            latency.n[inside][:, key_index(latency.keys, model=model, second=version)].sum(axis=1)
            for version in (pair.a, pair.b)
        )
        values = percentiles(bins_a.sum(axis=0), latency.bins)
        slower: list[tuple[float, str]] = []
        for name, place in LATENCY_EDGES.items():
            if not math.isfinite(values[place]):
                continue
            edge = nearest_edge(latency.bins.edges, float(values[place]))
            worse = _worse(
                count_above(bins_b, edge), bins_b.sum(axis=1), count_above(bins_a, edge), bins_a.sum(axis=1),
                SURE + math.log(len(LATENCY_EDGES)),
            )  # fmt: skip
            if worse is not None:
                slower.append((worse, f"beyond {name} {ratio(worse, 1.0)}"))
        if slower:
            found.append(max(slower)[1])
    fallen = less_sure(confidence, model, pair) if confidence is not None else None
    if fallen is not None:
        found.append(f"confidence {fallen[0]:.2f} -> {fallen[1]:.2f}")
    return tuple(found)


def less_sure(confidence: Histogram, model: str, pair: Pairing) -> tuple[float, float] | None:
    """Mean confidence of A at the times of B's requests, and of B, where B's is surely lower and by enough to tell.

    The e-process of the means takes rows at the middles of their bins, over the dispersion of the difference between
    A and B from bucket to bucket: what moves both is no noise of it.
    """
    h = within(confidence)
    inside = (h.t >= pair.span.start) & (h.t < pair.span.end)
    a, b = (key_index(h.keys, model=model, second=version) for version in (pair.a, pair.b))
    n_a, n_b = h.n[inside][:, a].sum(axis=1), h.n[inside][:, b].sum(axis=1)
    total_a, total_b = h.total[inside][:, a].sum(axis=1), h.total[inside][:, b].sum(axis=1)
    rows_a, rows_b = n_a.sum(axis=1), n_b.sum(axis=1)
    both = (rows_a > 0) & (rows_b > 0)
    if min(rows_a[both].sum(), rows_b[both].sum()) < MIN_ROWS or not isinstance(h.bins, NumericBins):
        return None
    rows = rows_b[both]
    of_a = float((rows * total_a[both] / rows_a[both]).sum() / rows.sum())
    of_b = float(total_b[both].sum() / rows.sum())
    if of_a - of_b < MEAN_UNIT:
        return None
    edges = np.array(h.bins.edges)
    middles = (edges[1:] + edges[:-1]) / 2
    clumps = _mean_dispersion(n_a[both], n_b[both], middles)
    sure = float(staged_mean_log_e(n_b[both] / clumps, n_a[both] / clumps, middles)[-1])
    return (of_a, of_b) if sure >= SURE_OF_MEAN else None


def _mean_dispersion(n_a: Floats, n_b: Floats, values: Floats) -> float:
    """Variance of the weighted difference of two means, by its spread over the buckets, over that of independent rows.

    At least one. Buckets count by what they weigh in the sum: where B has more rows, noise that rows do not explain
    is the larger part.

    Args:
        n_a, n_b: [T, B] rows per value, some of both in each bucket.
        values: [B]
    """
    rows_a, rows_b = n_a.sum(axis=1), n_b.sum(axis=1)
    pool = (n_a + n_b) / (rows_a + rows_b)[:, None]
    variance = (pool * (values - (pool @ values)[:, None]) ** 2).sum(axis=1)
    weight = rows_a * rows_b / (rows_a + rows_b)
    apart = n_b @ values / rows_b - n_a @ values / rows_a
    independent = float((weight * variance).sum())
    buckets = float(weight.sum() ** 2 / (weight**2).sum())
    if buckets < 2 or independent <= 0:
        return 1.0
    spread = float((weight**2 * (apart - float((weight * apart).sum() / weight.sum())) ** 2).sum()) / (1 - 1 / buckets)
    return float(shrunk_dispersion(spread / independent, int(buckets)))


def _worse(k_b: Floats, n_b: Floats, k_a: Floats, n_a: Floats, sure: float) -> float | None:
    """How many times A's rate B fails, if that is sure and worth telling. k, n: [T] per bucket."""
    total = n_a + n_b
    share = np.divide(n_b, total, out=np.zeros(len(total)), where=total > 0)
    clumps = bucket_dispersion(k_a, n_a)
    if not len(k_a) or float(staged_log_e(k_b / clumps, k_a / clumps, share)[-1]) < sure:
        return None
    # Expected at A's rate of the same bucket's traffic, so that a busy hour of B is no difference.
    expected = float((share * (k_a + k_b)).sum())
    rest = float(((1 - share) * (k_a + k_b)).sum())
    times = (float(k_b.sum()) / expected) / max((float(k_a.sum()) + 0.5) / rest, 1e-9) if expected and rest else 0.0
    return times if times >= LEAST_RATIO else None


def _column(counts: Counts, model: str, version: str) -> Floats:
    column: Floats = counts.n[:, key_index(counts.keys, model=model, second=version)].sum(axis=1)
    return column


def _at(counts: Counts, model: str, version: str, t: Ints) -> Floats:
    """Counts of the buckets `t`; a bucket that is not there held none."""
    known = dict(zip(counts.t.tolist(), _column(counts, model, version).tolist(), strict=True))
    return np.array([known.get(moment, 0.0) for moment in t.tolist()])
