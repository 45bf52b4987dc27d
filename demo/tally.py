"""Counters of one model, counted from the very rows that are logged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from demo.blocks import Block, Simulation
from demo.draws import Bools, Floats, Ints
from demo.fleet import Model
from demo.rows import rows

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram in seconds; one more bucket holds the rest."""

_CHUNK_S = 3_600
_WARM_UP_HOURS = 720
_WARM_UP_FLOOR = 1_000.0
_QUIET_HOUR = 472_222
"""Some hour (since 1970) long before any history, whose traffic stands for the past."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts (and seconds) per step. T steps, V versions, R replicas, E error kinds, B buckets, D dependencies."""

    requests: Floats
    """[T, V, R]"""
    errors: Floats
    """[T, V, E]"""
    buckets: Floats
    """[T, V, B] not cumulated."""
    latency_s: Floats
    """[T, V]"""
    calls: Floats
    """[T, D]"""
    calls_failed: Floats
    """[T, D]"""
    calls_s: Floats
    """[T, D]"""

    def __add__(self, other: Tally) -> Tally:
        """Element by element; a tally of one step is added to each step of the other."""
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def map(self, change: Callable[[Floats], Floats]) -> Tally:
        """`change` applied to each array."""
        return Tally(*(change(getattr(self, f.name)) for f in fields(self)))

    def sum(self) -> Tally:
        """All steps together, as a tally of one step."""
        return self.map(lambda a: a.sum(axis=0, keepdims=True))


def tally(sim: Simulation, model: Model, edges: Floats) -> Tally:
    """Counts of the rows between each two of the ascending `edges` (unix seconds): len(edges) - 1 steps."""
    parts: list[Tally] = []
    first = 0
    while first < len(edges) - 1:
        last = max(first + 1, int(np.searchsorted(edges, edges[first] + _CHUNK_S, side="right")) - 1)
        parts.append(_count(rows(sim, model, edges[first], edges[last]), edges[first : last + 1]))
        first = last
    if len(parts) == 1:
        return parts[0]
    return Tally(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Tally)))


def _count(block: Block, edges: Floats) -> Tally:
    steps, versions = len(edges) - 1, len(block.model.versions)
    kinds, bounds = len(block.model.errors), len(BUCKETS_S) + 1
    step = np.searchsorted((edges * 1e6).round().astype(np.int64), block.ts_us, side="right") - 1
    group = step * versions + block.dims["version"]
    latency_s = block.latency_ms / 1_000

    def counted(code: Ints, size: int) -> Floats:
        counts = np.bincount(group * size + code, minlength=steps * versions * size)
        return counts.reshape(steps, versions, size).astype(np.float64)

    live = ~block.shadow
    calls = np.bincount(step[live], minlength=steps).astype(np.float64)
    names = [dependency.name for dependency in block.model.dependencies]
    return Tally(
        requests=counted(block.replica().astype(np.int64), block.model.replicas),
        errors=counted(block.error.astype(np.int64), kinds + 1)[:, :, 1:],
        buckets=counted(np.searchsorted(BUCKETS_S, latency_s, side="left"), bounds),
        latency_s=_weighted(group, latency_s, steps * versions).reshape(steps, versions),
        calls=np.repeat(calls[:, None], len(names), axis=1),
        calls_failed=np.stack([_weighted(step, block.calls_failed[n] & live, steps) for n in names], axis=1),
        calls_s=np.stack([_weighted(step, block.calls_ms[n] * live / 1_000, steps) for n in names], axis=1),
    )


def _weighted(index: Ints, weights: Floats | Bools, size: int) -> Floats:
    return np.bincount(index, weights, size).astype(np.float64)


def warm_up(sim: Simulation, model: Model) -> Tally:
    """Counters (one step) of a process that has served the model without fault for a month.

    Each counter that exists in health is large enough for more than a week of history to be taken off.
    """
    before = replace(sim, onset=4e9)
    edges = np.array([_QUIET_HOUR, _QUIET_HOUR + 1]) * 3_600.0
    hour = tally(before, model, edges)
    month = hour.map(lambda a: a * _WARM_UP_HOURS)
    bounds = len(BUCKETS_S) + 1
    present = (hour.requests.sum(axis=2) > 0).astype(np.float64)
    kinds = np.array([kind.rate > 0 for kind in model.errors], dtype=np.float64)
    return Tally(
        requests=month.requests + present[:, :, None] * (_WARM_UP_FLOOR * bounds / model.replicas),
        errors=month.errors + present[:, :, None] * kinds * _WARM_UP_FLOOR,
        buckets=month.buckets + present[:, :, None] * _WARM_UP_FLOOR,
        latency_s=month.latency_s + present * _WARM_UP_FLOOR,
        calls=month.calls + bounds * _WARM_UP_FLOOR,
        calls_failed=month.calls_failed + _WARM_UP_FLOOR,
        calls_s=month.calls_s + _WARM_UP_FLOOR,
    )
