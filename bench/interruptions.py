"""Ways in which a healthy model is interrupted, for the design families of `healthy.py`: short, and over by themselves.

They come all day, so a program that calls them incidents is switched off. The parameters are logarithms of factors,
minutes and events per day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DAY = 1_440
_POSITIONS = (np.arange(8) + 0.5) / 8
"""Of a request inside a freeze: the later it comes, the shorter it waits."""


@dataclass(frozen=True, slots=True)
class Interruptions:
    """What interrupts a model."""

    freezes: float = 0.0
    """Share of minutes in which the process stops once and every request that comes meanwhile waits."""
    freeze_s: float = 1.5
    """Seconds of a freeze, mean of an exponential."""
    colds: float = 0.0
    """Per day: a cache is empty, the median is up by `cold` and comes back within some minutes."""
    cold: float = 0.5
    cold_minutes: float = 1.5
    """By which the rise falls to a third."""
    dips: float = 0.0
    """Per day: a part of the clients cannot reach the model for one to four minutes and sends half of it after."""
    dip: tuple[float, float] = (0.2, 0.7)
    """Share of the requests that a dip loses, from and to."""
    levels: float = 0.0
    """Standard deviation of the level of traffic in each stretch of a working day."""
    level_minutes: float = 90.0
    """Length of such a stretch, half to one and a half times."""


NOTHING = Interruptions()


def frozen(rng: np.random.Generator, habits: Interruptions, minutes: int) -> tuple[Floats, Floats]:
    """[minutes] share of the requests that wait for a freeze, and [minutes, 8] milliseconds that eighths of them do."""
    if not habits.freezes:
        return np.zeros(minutes), np.zeros((minutes, len(_POSITIONS)))
    hit = rng.random(minutes) < habits.freezes
    seconds = np.where(hit, np.minimum(rng.exponential(habits.freeze_s, minutes), 30.0), 0.0)
    return seconds / 60, 1_000 * seconds[:, None] * _POSITIONS


def latency(rng: np.random.Generator, habits: Interruptions, minutes: int) -> Floats:
    """[minutes] logs added to the median latency by cold caches."""
    added = np.zeros(minutes)
    if habits.colds:
        since = np.arange(minutes)
        for at in rng.uniform(0, minutes, rng.poisson(habits.colds * minutes / _DAY)):
            age = since - int(at)
            fall = np.exp(-np.maximum(age, 0) / habits.cold_minutes)
            added += np.where(age >= 0, habits.cold * rng.uniform(0.5, 1.5) * fall, 0.0)
    return added


def traffic(rng: np.random.Generator, habits: Interruptions, minutes: int) -> Floats:
    """[minutes] logs added to the request rate by dips and by the stretches of a working day."""
    logs = np.zeros(minutes)
    if habits.dips:
        for at in rng.uniform(0, minutes, rng.poisson(habits.dips * minutes / _DAY)):
            begin, length = int(at), int(rng.integers(1, 5))
            lost = rng.uniform(*habits.dip)
            logs[begin : begin + length] += math.log(1 - lost)
            logs[begin + length : begin + 2 * length] += math.log(1 + lost / 2)
    if habits.levels:
        begin = 0
        while begin < minutes:
            length = int(habits.level_minutes * rng.uniform(0.5, 1.5))
            logs[begin : begin + length] += rng.normal(0, habits.levels)
            begin += length
    return logs
