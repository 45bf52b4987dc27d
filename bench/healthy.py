"""Healthy traffic for the benches of alarms: additive minute buckets of one model, a day at a time, nothing planted.

Each family is a way of being healthy. Rates swing over the day, days differ, minutes are correlated; requests come in
clusters, so counts vary more than independent rows would; the mix of values wanders; errors clump. Nothing in here is
what `analysis` assumes of noise: it sees the counts alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import (
    CategoryBins,
    Counts,
    ErrorCounts,
    Histogram,
    Key,
    LogEvidence,
    NumericBins,
    Series,
    Traffic,
)
from bench import fresh, interruptions
from bench.fresh import Ways
from bench.holdout import NONE, Habits, echoed, latency, memory, traffic
from bench.interruptions import Interruptions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP = 60
DAY = 1_440
"""Minutes."""
HISTORY = 270
"""Minutes before the day that the first window's references need."""
START = 1_800_000_000 // 86_400 * 86_400
MODEL = "shop"
LATENCY_BINS = NumericBins((-math.inf, *(0.1 * 2 ** (i / 8) for i in range(189)), math.inf))
CONFIDENCE_BINS = NumericBins(tuple(i / 20 for i in range(21)))
QUANTILES = (0.001, 0.01, 0.05, *(i / 10 for i in range(1, 10)), 0.95, 0.99, 0.999)
FEATURE_BINS = NumericBins((-math.inf, *QUANTILES, math.inf), reference=True)
"""Cut at quantiles of the baseline; the values are ranks, because only the counts matter."""
FEATURE_SHARES = np.diff((0.0, *QUANTILES, 1.0))
CATEGORIES = CategoryBins((*(f"c{i}" for i in range(12)), "(other)", "(unseen)"))
CATEGORY_SHARES = np.append(1.0 / np.arange(1, 14) ** 1.1, 0.0)
CATEGORY_SHARES /= CATEGORY_SHARES.sum()
ERROR_SHARES = {"timeout": 0.004, "bad_input": 0.002, "upstream": 0.001, "oom": 0.0002}


@dataclass(frozen=True, slots=True)
class Family:
    """One way of being healthy. Standard deviations are of logarithms (rates, latency) or log-odds (shares)."""

    name: str
    rate: float = 20.0
    """Requests per second on the average of the day."""
    swing: float = 0.6
    """Amplitude of the day's swing of the log rate."""
    day: float = 0.1
    """From day to day."""
    minute: float = 0.05
    """From minute to minute, with a memory of `minute_tau`."""
    minute_tau: float = 5.0
    bursts: float = 0.0
    """Bursts per day: a Pareto factor of traffic for some minutes."""
    cluster: float = 1.0
    """Mean number of requests that share their values."""
    wobble: float = 0.05
    """Shares of values, independent for each bin."""
    wobble_tau: float = 15.0
    tails: str = "normal"
    """Of the wobble: normal, laplace or t3."""
    mix: float = 0.05
    """Shares of values, by a few causes that move many features together; half of it over the day."""
    mix_tau: float = 60.0
    latency: float = 0.04
    """Median latency."""
    latency_tau: float = 10.0
    clumps: float = 0.2
    """Squared coefficient of variation of an error type from minute to minute, beyond Poisson."""
    habits: Habits = NONE
    """Other causes than noise."""
    interruptions: Interruptions = interruptions.NOTHING
    ways: Ways = fresh.NOTHING


DESIGN = (
    Family("steady", rate=20, swing=0.3, wobble=0.03, mix=0.02),
    Family("swinging", rate=50, swing=0.9, wobble=0.05, mix=0.1, wobble_tau=3),
    Family("clustered", rate=10, cluster=4, wobble=0.05, clumps=0.6),
    Family("slow wobble", rate=30, wobble=0.1, wobble_tau=60, latency=0.06, latency_tau=40),
    Family("jumping days", rate=15, day=0.4, minute=0.15, minute_tau=20, wobble=0.06, tails="laplace"),
    Family("heavy bursts", rate=25, bursts=12, cluster=2, wobble=0.06, tails="t3", clumps=1.0),
    Family("wandering mix", rate=60, mix=0.15, mix_tau=180, wobble=0.08, wobble_tau=30),
    Family("slow", rate=0.5, cluster=1.5, swing=0.8, latency=0.08, wobble=0.08, tails="laplace"),
    Family("fast", rate=500, swing=0.7, cluster=8, wobble=0.08, wobble_tau=25, tails="laplace"),
    Family("trembling", rate=8, minute=0.3, minute_tau=2, latency=0.12, latency_tau=25, clumps=1.5),
    Family("freezing", rate=25, swing=0.4, interruptions=Interruptions(freezes=0.06, freeze_s=1.2)),
    Family("rarely frozen", rate=80, swing=0.6, interruptions=Interruptions(freezes=0.012, freeze_s=3.0)),
    Family("going cold", rate=15, minute=0.1, interruptions=Interruptions(colds=8, cold=0.6)),
    Family("dipping", rate=18, swing=0.6, interruptions=Interruptions(dips=10)),
    Family("rarely dipping", rate=35, minute=0.1, interruptions=Interruptions(dips=3, dip=(0.3, 0.8))),
    Family("working hours", rate=20, swing=0.7, day=0.2, interruptions=Interruptions(levels=0.2)),
    Family("uneven", rate=4, cluster=2, minute=0.2, interruptions=Interruptions(levels=0.3, level_minutes=40, colds=4)),
)
"""Families on which the rules were chosen, or whose alarms were looked at."""

HELD_OUT = (
    Family("jobs", rate=12, swing=0.5, habits=Habits(job_minutes=60, job=0.8, pauses=0.1, heap_minutes=90)),
    Family("echoes", rate=30, swing=0.7, habits=Habits(echo=0.5, pauses=0.05, cache=0.03)),
    Family("switching", rate=40, day=0.2, habits=Habits(switch=0.35, stay=150, heap_minutes=35, cache=0.02)),
    Family("lulls", rate=6, cluster=2, swing=0.8, habits=Habits(lulls=6, pauses=0.2, cache=0.05, heap_minutes=240)),
)
"""Families that no rule was chosen on: causes that the others do not have. `holdout.py`; the alarms of the first three
were looked at before short interruptions had a rule."""

FRESH = (
    Family("autoscaled", rate=30, swing=0.6, minute=0.1, ways=Ways(replicas=5)),
    Family("two sizes", rate=20, swing=0.5, ways=Ways(long=0.05)),
    Family("hiccups", rate=25, swing=0.6, minute=0.08, ways=Ways(hiccups=6)),
    Family("compacting", rate=12, swing=0.7, day=0.2, ways=Ways(compact_minutes=50)),
    Family("crawled", rate=10, swing=0.6, cluster=2, ways=Ways(crawlers=4, long=0.02)),
)
"""Families written after all rules. `fresh.py`

Their alarms and those of `HELD_OUT` are known now: the next change of a rule needs families of other causes to decide.
"""


def correlated(
    rng: np.random.Generator, shape: tuple[int, ...], tau: float, tails: str = "normal"
) -> NDArray[np.float32]:
    """[T, ...] noise of unit variance whose correlation falls by e in `tau` minutes."""
    phi = math.exp(-1 / tau) if tau > 0 else 0.0
    if tails == "laplace":
        innovation = rng.laplace(0, math.sqrt(0.5), shape).astype(np.float32)
    elif tails == "t3":
        innovation = (rng.standard_t(3, shape) / math.sqrt(3)).astype(np.float32)
    else:
        innovation = rng.standard_normal(shape, dtype=np.float32)
    innovation[1:] *= math.sqrt(1 - phi * phi)
    for i in range(1, shape[0]):
        innovation[i] += phi * innovation[i - 1]
    return innovation


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault from a minute of the day on; nothing where all is zero."""

    minute: int = 0
    latency: float = 0.0
    """Added to the log median."""
    slow: float = 0.0
    """Share of requests that take a second more."""
    errors: float = 0.0
    """Share of requests that fail with a timeout beyond the usual."""
    rate: float = 0.0
    """Added to the log rate."""
    shift: float = 0.0
    """Tenth of the features: standard deviations that the mean moves."""
    nulls: float = 0.0
    """Tenth of the features: share of rows without a value."""
    confidence: float = 0.0
    """Added to the mean confidence."""


def day(family: Family, seed: int, features: int, fault: Planted | None = None, minutes: int = DAY) -> LogEvidence:
    """What the log of one model holds of `minutes` and the history before them."""
    fault = fault or Planted()
    rng = np.random.default_rng([seed, *family.name.encode()])
    total = HISTORY + minutes
    t = START + STEP * (np.arange(total, dtype=np.int64) - HISTORY)
    hit = np.arange(total) - HISTORY >= fault.minute
    on = hit.astype(np.float64)
    hiccup = fresh.hiccups(np.random.default_rng([seed, 23, *family.name.encode()]), family.ways, total)
    n = _requests(rng, family, total, on * fault.rate + np.log1p(0.1 * hiccup))
    load = np.log(np.maximum(n, 1) / n.mean())
    return LogEvidence(
        traffic=Traffic(
            Counts(t, STEP, ((MODEL, "v1"),), n[:, None]),
            None,
            _latency(rng, family, t, n, load, on * fault.latency, on * fault.slow + 0.02 * hiccup),
        ),
        confidence=_confidence(rng, family, t, n, on * fault.confidence),
        features=_features(rng, family, t, n, features, hit, fault),
        errors=_errors(rng, family, t, n, on * fault.errors + 0.015 * hiccup),
        newest=float(t[-1] + STEP - 1),
    )


def _requests(rng: np.random.Generator, family: Family, total: int, added: Floats) -> Floats:
    clock = 2 * math.pi * np.arange(total) / DAY
    days = rng.normal(0, family.day, total // DAY + 2)
    # A day differs from the next, and the change takes the small hours.
    level = np.interp(np.arange(total), np.arange(len(days)) * DAY, days)
    logs = family.swing * np.sin(clock + rng.uniform(0, 2 * math.pi)) + level + added
    logs = logs + family.minute * correlated(rng, (total,), family.minute_tau)
    for at in rng.uniform(0, total, rng.poisson(family.bursts * total / DAY)):
        length = int(rng.integers(3, 20))
        logs[int(at) : int(at) + length] += min(2.0, math.log(1 + rng.pareto(2.5)))
    logs += traffic(rng, family.habits, total)
    logs += interruptions.traffic(rng, family.interruptions, total)
    logs += fresh.traffic(rng, family.ways, total)
    expected = echoed(rng, family.habits, family.rate * STEP * np.exp(logs))
    n: Floats = np.round(rng.poisson(expected / family.cluster) * family.cluster)
    return n


def _latency(
    rng: np.random.Generator, family: Family, t: Ints, n: Floats, load: Floats, added: Floats, slow: Floats
) -> Histogram:
    total = len(t)
    median = math.log(80) + family.latency * correlated(rng, (total,), family.latency_tau) + 0.08 * load + added
    median += latency(rng, family.habits, total)
    median += interruptions.latency(rng, family.interruptions, total)
    median += fresh.latency(rng, family.ways, load)
    spread = 0.5 * np.exp(0.05 * correlated(rng, (total,), family.latency_tau))
    edges = np.log(np.array(LATENCY_BINS.edges[1:-1]))
    z = (edges[None] - median[:, None]) / spread[:, None]
    late = (edges[None] - np.log(np.exp(median) + 1_000)[:, None]) / 0.1
    below = (1 - slow[:, None]) * _normal_cdf(z) + slow[:, None] * _normal_cdf(late)
    long = fresh.long_share(rng, family.ways, total)[:, None]
    below += long * (_normal_cdf(z - fresh.LONGER / spread[:, None]) - _normal_cdf(z))
    waiting, waits_ms = interruptions.frozen(rng, family.interruptions, total)
    for wait_ms in waits_ms.T if waiting.any() else ():
        waited = (edges[None] - np.log(np.exp(median) + wait_ms)[:, None]) / spread[:, None]
        below += waiting[:, None] / waits_ms.shape[1] * (_normal_cdf(waited) - _normal_cdf(z))
    shares = np.diff(np.column_stack([np.zeros(total), below, np.ones(total)]), axis=1)
    counts = rng.multinomial(n.astype(int), np.clip(shares, 0, 1)).astype(float)[:, None]
    empty = np.zeros((total, 1))
    return Histogram(t, STEP, ((MODEL, "v1"),), LATENCY_BINS, counts, empty, empty, empty)


@cache
def _cdf_table() -> tuple[Floats, Floats]:
    x = np.linspace(-8, 8, 4_001)
    return x, np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])


def _normal_cdf(z: Floats) -> Floats:
    x, p = _cdf_table()
    found: Floats = np.interp(z, x, p)
    return found


def _confidence(rng: np.random.Generator, family: Family, t: Ints, n: Floats, added: Floats) -> Histogram:
    total = len(t)
    mean = 0.85 + added + 0.1 * family.wobble * correlated(rng, (total,), family.wobble_tau, family.tails)
    edges = np.array(CONFIDENCE_BINS.edges)
    below = _normal_cdf((edges[None, 1:-1] - mean[:, None]) / 0.12)
    shares = np.diff(np.column_stack([np.zeros(total), below, np.ones(total)]), axis=1)
    counts = _clustered(rng, n, shares[:, None], family.cluster)
    empty = np.zeros((total, 1))
    sums = counts @ ((edges[1:] + edges[:-1]) / 2)
    return Histogram(t, STEP, ((MODEL,),), CONFIDENCE_BINS, counts, empty, empty, sums)


def _clustered(rng: np.random.Generator, n: Floats, shares: NDArray[np.floating], cluster: float) -> Floats:
    """[T, K, B] counts of n rows each that come in clusters of equal values."""
    groups = np.maximum(np.round(n / cluster), 0).astype(int)
    counts = rng.multinomial(groups[:, None], shares).astype(float)
    return counts * cluster if cluster > 1 else counts


def _errors(rng: np.random.Generator, family: Family, t: Ints, n: Floats, added: Floats) -> ErrorCounts:
    counts = np.zeros((len(t), len(ERROR_SHARES)))
    first: dict[Key, float] = {}
    for i, (name, share) in enumerate(ERROR_SHARES.items()):
        size = rng.gamma(1 / family.clumps, family.clumps, len(t)) * share
        size = size + added if name == "timeout" else size
        counts[:, i] = np.minimum(n, rng.poisson(n * size))
        seen = np.flatnonzero(counts[:, i])
        if len(seen):
            first[MODEL, name] = float(t[seen[0]])
    return ErrorCounts(Counts(t, STEP, tuple((MODEL, name) for name in ERROR_SHARES), counts), first)


def _features(
    rng: np.random.Generator, family: Family, t: Ints, n: Floats, count: int, hit: NDArray[np.bool_], fault: Planted
) -> dict[str, Histogram]:
    """Numeric features and, every fourth, a categorical one; the first tenth takes the fault."""
    total, causes = len(t), 3
    swing = np.sin(2 * math.pi * np.arange(total) / DAY)[:, None] * math.sqrt(2)
    shared = (correlated(rng, (total, causes), family.mix_tau) + swing) / math.sqrt(2)
    empty = np.zeros((total, 1))
    made: dict[str, Histogram] = {}
    for i in range(count):
        bins, shares = (CATEGORIES, CATEGORY_SHARES) if i % 4 == 3 else (FEATURE_BINS, FEATURE_SHARES)
        width = len(shares)
        loads = rng.normal(0, family.mix / math.sqrt(causes), (causes, width))
        odds = family.wobble * correlated(rng, (total, width), family.wobble_tau, family.tails) + shared @ loads
        weights = shares * np.exp(np.clip(odds, -2, 2))
        if i < count // 10 and fault.shift:
            weights[hit] = _moved(weights[hit], fault.shift) if bins is FEATURE_BINS else np.roll(weights[hit], 1, 1)
        now = weights / weights.sum(axis=1, keepdims=True)
        lost = 0.01 * np.exp(family.wobble * correlated(rng, (total,), family.wobble_tau))
        lost = np.where(hit & (i < count // 10), np.maximum(lost, fault.nulls), lost)
        nulls = rng.binomial(n.astype(int), np.minimum(lost, 1)).astype(float)
        counts = _clustered(rng, n - nulls, now[:, None], family.cluster)
        made[f"f{i:03}"] = Histogram(t, STEP, ((MODEL,),), bins, counts, nulls[:, None], empty, empty)
    return made


def _moved(weights: Floats, by: float) -> Floats:
    """Shares of bins cut at normal quantiles after the mean moved by some standard deviations."""
    x, p = _cdf_table()
    edges = np.interp(QUANTILES, p, x)
    tilt = np.diff(np.concatenate([[0.0], _normal_cdf(edges - by), [1.0]])) / FEATURE_SHARES
    moved: Floats = weights * tilt
    return moved


def gauges(family: Family, seed: int, minutes: int = DAY) -> tuple[Series, ...]:
    """Processor use, memory and queue of four replicas."""
    rng = np.random.default_rng([seed, 7, *family.name.encode()])
    total = HISTORY + minutes
    t = START + STEP * (np.arange(total, dtype=np.int64) - HISTORY)
    swing = 0.5 * family.swing * np.sin(2 * math.pi * np.arange(total) / DAY)
    made = []
    for i in range(4):
        labels = (("model", MODEL), ("pod", f"p{i}"))
        noise = correlated(rng, (3, total)[::-1], family.minute_tau).T
        made += [
            Series("cpu", labels, "ratio", t, 0.4 * np.exp(swing + 0.1 * noise[0])),
            Series("queue_depth", labels, "count", t, np.round(4 * np.exp(swing + 0.3 * noise[1]))),
            Series("memory", labels, "bytes", t, 2e9 * (1 + 0.03 * noise[2] + memory(rng, family.habits, total))),
            Series("memory_limit", labels, "bytes", t, np.full(total, 4e9)),
        ]
    return tuple(made)
