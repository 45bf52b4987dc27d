"""Random numbers that are addressed, not drawn in sequence: the same row of the same seed is always the same.

Each row has a 64-bit key made from (seed, model, minute, stream, index). Hashing the key with a lane number gives a
16-bit uniform number, which looks up a table of 65,536 quantiles. So any span can be made alone, in any order, and a
fault that changes one column leaves every other draw as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Codes = NDArray[np.uint8]
Slots = NDArray[np.uint16]
Bools = NDArray[np.bool_]

SLOTS = 65_536
TABLES = 128
"""Kept of each kind, half a megabyte each: more than one fleet needs, while varied fleets come and go."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_PROBABILITIES = (np.arange(SLOTS) + 0.5) / SLOTS


def mixed(keys: Keys) -> Keys:
    """The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) over `keys`: a bijection with full avalanche."""
    x = keys ^ (keys >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def keys_of(seed: int, salt: int, index: Ints) -> Keys:
    """One key per element of `index`, different for each (seed, salt)."""
    start = mixed(np.array([seed * 1_000_003 + salt + 1], dtype=np.uint64) * _GOLDEN)
    return mixed(start + index.astype(np.uint64) * _GOLDEN)


def row_keys(minute_keys: Keys, index: Ints) -> Keys:
    """Keys of rows from the key of each row's minute and its index in it."""
    return mixed(minute_keys + (index.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


class Lanes:
    """Independent 16-bit uniform draws for a set of keys, four to a hash."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._blocks: dict[int, Slots] = {}

    def __call__(self, lane: int) -> Slots:
        """[N] uniform integers below `SLOTS`."""
        block = lane // 4
        if block not in self._blocks:
            hashed = mixed(self._keys + np.uint64((block + 1) * 0xD1B54A32D192ED03 % 2**64))
            self._blocks[block] = hashed.view(np.uint16).reshape(-1, 4)
        drawn: Slots = self._blocks[block][:, lane % 4]
        return drawn

    def uniform(self, lane: int) -> Floats:
        """[N] uniform numbers in (0, 1)."""
        return (self(lane) + 0.5) / SLOTS

    def below(self, lane: int, share: float) -> Bools:
        """[N] True with probability `share`."""
        return self(lane) < round(share * SLOTS)


def _quantiles(grid: Floats, density: Floats) -> Floats:
    cumulative = np.cumsum(density)
    return np.interp(_PROBABILITIES, cumulative / cumulative[-1], grid)


@cache
def normal_table() -> Floats:
    """[SLOTS] quantiles of the standard normal distribution."""
    grid = np.linspace(-5.0, 5.0, 20_001)
    return _quantiles(grid, np.exp(-(grid**2) / 2))


@lru_cache(TABLES)
def lognormal_table(median: float, sigma: float) -> Floats:
    """[SLOTS] quantiles of exp(N(ln median, sigma))."""
    return np.asarray(median * np.exp(sigma * normal_table()))


@lru_cache(TABLES)
def beta_table(a: float, b: float) -> Floats:
    """[SLOTS] quantiles of Beta(a, b), for a and b of at least 1."""
    grid = np.linspace(0.0, 1.0, 20_001)
    return _quantiles(grid, grid ** (a - 1) * (1 - grid) ** (b - 1))


@lru_cache(TABLES)
def gamma_table(shape: float) -> Floats:
    """[SLOTS] quantiles of a gamma distribution of mean 1 (Wilson and Hilferty, PNAS 1931; good for shape > 50)."""
    return np.asarray((1 - 1 / (9 * shape) + normal_table() / (3 * np.sqrt(shape))) ** 3)


@lru_cache(TABLES)
def category_table(weights: tuple[float, ...]) -> Codes:
    """[SLOTS] category codes with the given relative weights; a weight of 0 is never drawn."""
    cumulative = np.cumsum(weights) / np.sum(weights)
    return np.searchsorted(cumulative, _PROBABILITIES, side="left").astype(np.uint8)


def poisson(mean: Floats, slots: Slots) -> Ints:
    """[N] Poisson numbers from uniform draws (Cornish-Fisher expansion to the skewness term, floored at 0)."""
    z = normal_table()[slots]
    return np.maximum(0, np.rint(mean + np.sqrt(mean) * z + (z**2 - 1) / 6)).astype(np.int64)


def moving_gamma(keys: Sequence[Keys], weights: Sequence[float], shape: float) -> Floats:
    """[N] a moving average of independent gamma numbers of mean 1: multiplicative noise with memory."""
    table = gamma_table(shape)
    terms = np.stack([w * table[Lanes(k)(0)] for k, w in zip(keys, weights, strict=True)])
    return np.asarray(terms.sum(axis=0), dtype=np.float64)
