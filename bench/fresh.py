"""More ways of being healthy for `bench.alarms`, written after the rules and run once: no rule knows them.

Latency that queues make and an autoscaler cuts, requests of two sizes whose mix wanders, hiccups of an upstream
service, a store that compacts, crawlers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DAY = 1_440
LONGER = math.log(6)
"""Logs that a long request takes more."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What a healthy model does, by cause."""

    replicas: float = 0.0
    """Replicas on the average of the day: the median grows with their use, and a replica more or less steps it."""
    long: float = 0.0
    """Share of requests that take six times as long, on the average."""
    long_wander: float = 0.3
    """Standard deviation of the log-odds of that share, with a memory of three quarters of an hour."""
    hiccups: float = 0.0
    """Per day: an upstream service fails some requests, slows more and is asked again, for one to three minutes."""
    compact_minutes: float = 0.0
    """Minutes between compactions, within a fifth; each slows the median for six to ten minutes."""
    compact: float = 0.18
    crawlers: float = 0.0
    """Per day: three to eight tenths more requests for ten minutes to an hour."""


NOTHING = Ways()


def traffic(rng: np.random.Generator, ways: Ways, minutes: int) -> Floats:
    """[minutes] logs added to the request rate by crawlers."""
    logs = np.zeros(minutes)
    if ways.crawlers:
        for at in rng.uniform(0, minutes, rng.poisson(ways.crawlers * minutes / _DAY)):
            logs[int(at) : int(at) + int(rng.integers(10, 60))] += math.log(1 + rng.uniform(0.3, 0.8))
    return logs


def hiccups(rng: np.random.Generator, ways: Ways, minutes: int) -> Floats:
    """[minutes] strength of an upstream hiccup, 0 to 1."""
    strength = np.zeros(minutes)
    if ways.hiccups:
        for at in rng.uniform(0, minutes, rng.poisson(ways.hiccups * minutes / _DAY)):
            strength[int(at) : int(at) + int(rng.integers(1, 4))] = rng.uniform(0.3, 1.0)
    return strength


def latency(rng: np.random.Generator, ways: Ways, load: Floats) -> Floats:
    """[minutes] logs added to the median. load: [minutes] log of the requests over their mean."""
    added = np.zeros(len(load))
    if ways.replicas:
        added += _queued(ways, np.exp(load))
    if ways.compact_minutes:
        at = rng.uniform(0, ways.compact_minutes)
        while at < len(load):
            added[int(at) : int(at) + int(rng.integers(6, 11))] += ways.compact
            at += ways.compact_minutes * rng.uniform(0.8, 1.2)
    return added


def _queued(ways: Ways, demand: Floats) -> Floats:
    """Logs by which the use of the replicas slows requests; one is added above 75 % use and taken below 45 %.

    Decided every five minutes on the mean use of the last five, and there three minutes later.
    """
    replicas = coming = max(1, round(ways.replicas * float(demand[0])))
    arrives = -1
    use = np.zeros(len(demand))
    for i, wanted in enumerate(demand):
        if i == arrives:
            replicas = coming
        use[i] = 0.6 * ways.replicas * wanted / replicas
        if i % 5 == 4 and i > arrives:
            mean = float(use[i - 4 : i + 1].mean())
            change = 1 if mean > 0.75 else -1 if mean < 0.45 and replicas > 1 else 0
            if change:
                coming, arrives = replicas + change, i + 3
    slower: Floats = -np.log(1 - 0.6 * np.minimum(use, 1.2))
    return slower


def long_share(rng: np.random.Generator, ways: Ways, minutes: int) -> Floats:
    """[minutes] share of long requests."""
    if not ways.long:
        return np.zeros(minutes)
    phi, odds = math.exp(-1 / 45), np.zeros(minutes)
    steps = rng.normal(0, ways.long_wander * math.sqrt(1 - phi * phi), minutes)
    for i in range(1, minutes):
        odds[i] = phi * odds[i - 1] + steps[i]
    share: Floats = 1 / (1 + (1 - ways.long) / ways.long * np.exp(-odds))
    return share
