"""Error budgets: how fast the part of requests that may be bad is used up, and when that pages somebody.

Burn is the bad share over what the objective allows: at 1 the budget of thirty days lasts thirty days. Rules, windows
and factors: Google, *The Site Reliability Workbook*, ch. 5 "Alerting on SLOs", table 5-8.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis import quantiles
from analysis.answer import Severity
from analysis.evidence import Counts, NumericBins, Traffic
from analysis.objectives import Budget, Objective, Spend
from analysis.slices import cut_counts, key_index, merge_counts, model_counts, model_histogram
from analysis.view import DAY_S
from analysis.words import duration

if TYPE_CHECKING:
    from analysis.evidence import Floats, Ints

BUDGET_S = 30 * DAY_S
"""What a budget is for, in seconds."""

WINDOWS_S = (300, 1_800, 3_600, 6 * 3_600, 3 * DAY_S)


@dataclass(frozen=True, slots=True)
class Rule:
    """Both windows must burn at least `factor`: the long one proves that it matters, the short one that it goes on."""

    long_s: int
    short_s: int
    factor: float
    severity: Severity


RULES = (
    Rule(3_600, 300, 14.4, Severity.CRITICAL),
    Rule(6 * 3_600, 1_800, 6.0, Severity.CRITICAL),
    Rule(3 * DAY_S, 6 * 3_600, 1.0, Severity.WARNING),
)

LEAST_REQUESTS = 100
LEAST_BAD = 10
LEAST_RATE = 0.2
"""Requests per second over the window below which a share says too little."""

COVERED = 0.95
"""Part of a window that must be known before it counts."""

SOON_S = 3_600.0
"""A page that is due within this time is treated as one."""


def burn_rate(bad: float, n: float, target: float) -> float:
    """(bad / n) / (1 - target); NaN without requests."""
    return bad / n / (1 - target) if n > 0 else math.nan


def spent(burn: float, window_s: float) -> float:
    """Share of thirty days' budget that a burn over a window uses up."""
    return burn * window_s / BUDGET_S


def tally(traffic: Traffic, objectives: Iterable[Objective]) -> Counts:
    """[T, 2 x objectives] requests and bad ones per bucket, by (model, objective, n or bad).

    An objective of which the traffic cannot tell the bad requests is left out. Latency is counted at the bin edge
    nearest to its threshold, on the log scale; the edge is part of the key, so that other bins are not added to it.
    """
    requests = traffic.requests
    keys: list[tuple[str, ...]] = []
    columns: list[Counts] = []
    for objective in objectives:
        if not key_index(requests.keys, model=objective.model).size:
            continue
        found = _bad(traffic, objective)
        if found is None:
            continue
        t, n, bad, edge = found
        name = (*objective.key, edge)
        keys += [(*name, "n"), (*name, "bad")]
        columns.append(Counts(t, requests.step, ((*name, "n"), (*name, "bad")), np.stack([n, bad], axis=1)))
    if not columns:
        return Counts(np.zeros(0, np.int64), requests.step, (), np.zeros((0, 0)))
    merged = columns[0]
    for more in columns[1:]:
        merged = merge_counts(merged, more)
    return merged


def _bad(traffic: Traffic, objective: Objective) -> tuple[Ints, Floats, Floats, str] | None:
    model, requests = objective.model, traffic.requests
    if objective.threshold_ms is None:
        if traffic.errors is None:
            return None
        n = model_counts(requests, model)
        errors = cut_counts(traffic.errors, lambda t: np.isin(t, requests.t))
        bad = np.zeros(len(n))
        bad[np.searchsorted(requests.t, errors.t)] = model_counts(errors, model)
        return requests.t, n, np.minimum(bad, n), ""
    latency = traffic.latency
    if latency is None or not isinstance(latency.bins, NumericBins) or not key_index(latency.keys, model=model).size:
        return None
    edge = nearest_edge(latency.bins, objective.threshold_ms)
    counts = model_histogram(latency, model).n[:, 0]
    slow = counts[:, np.asarray(latency.bins.edges[:-1]) >= edge].sum(axis=1)
    return latency.t, counts.sum(axis=1), slow, f"{edge:g}"


def nearest_edge(bins: NumericBins, threshold: float) -> float:
    """The finite positive edge nearest to a threshold, by ratio."""
    return bins.edges[quantiles.nearest_edge(bins.edges, threshold)]


def budget(objective: Objective, counts: Sequence[Counts], end: int, known_from: float) -> Budget | None:
    """The state of an objective at `end`; None where nothing is known of it.

    Args:
        counts: tallies of disjoint spans, of any bucket widths; a bucket counts where it starts.
        end: unix seconds.
        known_from: unix seconds of the oldest request that could have been counted.
    """
    t, n, bad, edge = _columns(objective, counts, end)
    if not len(t):
        return None
    spends = tuple(_spend(t, n, bad, end, known_from, window, objective.target) for window in WINDOWS_S)
    by_window = {spend.window_s: spend for spend in spends}
    firing = [rule for rule in RULES if _fires(rule, by_window)]
    pages_in_s = _pages_in(t, n, bad, end, known_from, objective.target)
    severity = max((rule.severity for rule in firing), key=lambda s: s.rank, default=Severity.OK)
    if pages_in_s is not None and pages_in_s <= SOON_S:
        severity = Severity.CRITICAL
    known_s = min(float(BUDGET_S), end - max(known_from, float(t[0])))
    total = float(n.sum())
    left = 1 - spent(burn_rate(float(bad.sum()), total, objective.target), known_s) if total >= LEAST_REQUESTS else None
    hour = by_window[3_600].burn
    gone_in_s = max(0.0, left) * BUDGET_S / hour if left is not None and hour else None
    return Budget(
        objective=objective,
        spends=spends,
        severity=severity,
        fires=bool(firing),
        left=left,
        known_s=known_s,
        gone_in_s=gone_in_s,
        pages_in_s=pages_in_s,
        edge_ms=edge,
        note=_note(spends),
    )


def _columns(objective: Objective, counts: Sequence[Counts], end: int) -> tuple[Ints, Floats, Floats, float | None]:
    """Ascending bucket starts before `end` with requests and bad ones; the latency edge that most of them share."""
    parts: list[tuple[Ints, Floats, Floats]] = []
    edges = [key[2] for one in counts for key in one.keys if key[:2] == objective.key and key[3] == "n"]
    if not edges:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0), None
    edge = max(set(edges), key=edges.count)
    name = (*objective.key, edge)
    for one in counts:
        if (*name, "n") in one.keys:
            before = one.t < end
            n, bad = (one.n[before, one.keys.index((*name, what))] for what in ("n", "bad"))
            parts.append((one.t[before], n, bad))
    t, n, bad = (np.concatenate([part[i] for part in parts]) for i in range(3))
    order = np.argsort(t, kind="stable")
    return t[order], n[order], bad[order], float(edge) if edge else None


def _spend(t: Ints, n: Floats, bad: Floats, end: int, known_from: float, window: int, target: float) -> Spend:
    rows = t >= end - window
    requests, failed = float(n[rows].sum()), float(bad[rows].sum())
    covered = max(0.0, min(float(window), end - known_from))
    enough = covered >= COVERED * window and requests >= LEAST_REQUESTS and requests / window >= LEAST_RATE
    return Spend(window, requests, failed, covered, burn_rate(failed, requests, target) if enough else None)


def _fires(rule: Rule, spends: dict[int, Spend]) -> bool:
    long, short = spends[rule.long_s], spends[rule.short_s]
    enough = long.bad >= LEAST_BAD
    return enough and all(spend.burn is not None and spend.burn >= rule.factor for spend in (long, short))


def _pages_in(t: Ints, n: Floats, bad: Floats, end: int, known_from: float, target: float) -> float | None:
    """Seconds until a page rule fires if requests and bad ones go on as in the last five minutes.

    Minute by minute: each window loses its oldest minute and gains one of now.
    """
    recent = t >= end - 300
    per_s, bad_per_s = float(n[recent].sum()) / 300, float(bad[recent].sum()) / 300
    if per_s < LEAST_RATE or bad_per_s <= 0:
        return None
    soonest: float | None = None
    for rule in RULES:
        allowed = rule.factor * (1 - target)
        if rule.severity is not Severity.CRITICAL or bad_per_s < allowed * per_s:
            continue
        ahead = np.arange(0, rule.long_s + 60, 60)
        long_n, long_bad = (_ahead(t, v, end, rule.long_s, ahead, rate) for v, rate in ((n, per_s), (bad, bad_per_s)))
        short_n, short_bad = (
            _ahead(t, v, end, rule.short_s, ahead, rate) for v, rate in ((n, per_s), (bad, bad_per_s))
        )
        known = end + ahead - known_from >= COVERED * rule.long_s
        enough = known & (long_n >= LEAST_REQUESTS) & (long_bad >= LEAST_BAD)
        fires = enough & (long_bad >= allowed * long_n) & (short_bad >= allowed * short_n)
        if fires.any():
            first = float(ahead[int(np.argmax(fires))])
            soonest = first if soonest is None else min(soonest, first)
    return soonest


def _ahead(t: Ints, v: Floats, end: int, window: int, ahead: Ints, per_s: float) -> Floats:
    """[A] sums of a window that ends `ahead` seconds after `end`, of which the part to come brings `per_s`."""
    before = np.concatenate([[0.0], np.cumsum(v)])
    kept = before[-1] - before[np.searchsorted(t, end + ahead - window)]
    total: Floats = kept + per_s * np.minimum(ahead, window)
    return total


def _note(spends: Sequence[Spend]) -> str:
    """What keeps the windows from being told, the shortest first."""
    for spend in spends:
        if spend.covered_s < COVERED * spend.window_s:
            return f"needs {duration(spend.window_s)} of data, has {duration(spend.covered_s)}"
        if spend.n < LEAST_REQUESTS or spend.n / spend.window_s < LEAST_RATE:
            return f"too little traffic in {duration(spend.window_s)}: {spend.n:.0f} requests"
    return ""
