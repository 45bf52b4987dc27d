"""Fresh ways of being healthy for `bench.alarms`: noise that no rule was chosen on, whichever way its figure turns out.

The families of `healthy.py` have all been looked at. These have other causes: jobs by the clock, requests that bring
requests, levels that switch, lulls, caches that fill, heaps that are collected, pauses that make some requests slow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LAG = 30


@dataclass(frozen=True, slots=True)
class Habits:
    """What a healthy model does besides wandering."""

    job_minutes: int = 0
    """Minutes between batch jobs; each adds `job` of the traffic for four minutes."""
    job: float = 0.0
    echo: float = 0.0
    """Requests that one request brings in the minutes after it (Hawkes), remembered for six minutes."""
    switch: float = 0.0
    """Size in logs of the step between two levels of traffic."""
    stay: float = 180.0
    """Minutes in a level, mean of an exponential."""
    lulls: float = 0.0
    """Per day: a quarter to a half of the clients are away for two to eight minutes."""
    pauses: float = 0.0
    """Share of minutes in which a pause makes some requests slow; logs of the median, mean of an exponential."""
    heap_minutes: float = 0.0
    """Minutes between collections of the heap, which differ by a third."""
    cache: float = 0.0
    """Standard deviation per square root of an hour of a cache that grows and is trimmed, as a share of the memory."""


NONE = Habits()


def traffic(rng: np.random.Generator, habits: Habits, minutes: int) -> Floats:
    """[minutes] logs added to the request rate."""
    logs = np.zeros(minutes)
    if habits.job_minutes:
        since = (np.arange(minutes) + int(rng.integers(habits.job_minutes))) % habits.job_minutes
        logs += np.where(since < 4, np.log1p(habits.job * rng.uniform(0.7, 1.3, minutes)), 0.0)
    if habits.switch:
        changes = np.cumsum(rng.random(minutes) < 1 / habits.stay)
        logs += habits.switch * (changes % 2)
    for at in rng.uniform(0, minutes, rng.poisson(habits.lulls * minutes / 1_440)):
        logs[int(at) : int(at) + int(rng.integers(2, 9))] += math.log(1 - rng.uniform(0.25, 0.5))
    return logs


def echoed(rng: np.random.Generator, habits: Habits, expected: Floats) -> Floats:
    """Expected requests of each minute when requests bring requests; on the average as many as before.

    A group of a hundred clients acts as one, so that the echo does not average out at high rates.
    """
    if not habits.echo:
        return expected
    kernel = np.exp(-np.arange(1, _LAG + 1) / 6)
    kernel *= habits.echo / kernel.sum()
    rates = expected / 100
    groups = rng.poisson(rates).astype(float)
    for i in range(_LAG, len(rates)):
        rates[i] = (1 - habits.echo) * expected[i] / 100 + float(groups[i - _LAG : i][::-1] @ kernel)
        groups[i] = rng.poisson(rates[i])
    return rates * 100


def latency(rng: np.random.Generator, habits: Habits, minutes: int) -> Floats:
    """[minutes] logs added to the median latency."""
    hit = rng.random(minutes) < habits.pauses
    return np.where(hit, rng.exponential(0.15, minutes), 0.0)


def memory(rng: np.random.Generator, habits: Habits, minutes: int) -> Floats:
    """[minutes] added to the memory of a replica, as a share of it."""
    added = np.zeros(minutes)
    if habits.heap_minutes:
        at = 0
        while at < minutes:
            length = max(5, int(habits.heap_minutes * rng.uniform(0.67, 1.33)))
            added[at : at + length] += 0.3 * np.arange(min(length, minutes - at)) / habits.heap_minutes
            at += length
    if habits.cache:
        level = 0.0
        steps = habits.cache / math.sqrt(60) * rng.standard_normal(minutes)
        for i in range(minutes):
            # Trimmed when it holds a quarter more than it should, as a page cache under pressure is.
            level = min(0.25, max(-0.25, level + steps[i]))
            added[i] += level
    return added
