"""Five hours of metrics of one model server as OpenMetrics text: a queue before some workers, replicas, a dependency.

Waiting follows from the load (Sakasegawa 1977, M/M/c), so saturation comes out of the arithmetic and is not painted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEP_S = 15
MINUTES = 300
WORKERS = 8
SERVICE_S = 0.12
CAPACITY = WORKERS / SERVICE_S
"""Requests per second that all workers together can answer: 67."""

LES = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
GIB = 2.0**30
REPLICAS = ("0", "1", "2")


@dataclass(frozen=True, slots=True)
class Story:
    """What happens in the last minutes; each fault begins `since` minutes before the end, or not at all."""

    ramp_to: float | None = None
    """Requests per second that the load climbs to within ten minutes."""
    frozen_gauges: str | None = None
    """The replica whose gauges stand still."""
    frozen_counters: str | None = None
    """The replica whose counters stand still."""
    leak_gib: float = 0.0
    """What the memory of replica 1 grows by within an hour; its limit is 8 GiB, and it usually holds 4."""
    slow_calls_ms: float = 0.0
    """What each call of the feature store takes longer, and each request with it."""
    since: float = 15.0
    seed: int = 1


def history(story: Story, end: int, model: str = "rank") -> str:
    """OpenMetrics text of the `MINUTES` before `end` (unix seconds, a multiple of `STEP_S`)."""
    rng = np.random.default_rng(story.seed)
    t = np.arange(end - 60 * MINUTES, end + 1, STEP_S, dtype=np.int64)
    faulty = t > end - 60 * story.since
    age = np.clip(t - (end - 60 * story.since), 0, None) / 60
    rate = 36 + 8 * np.sin(2 * np.pi * t / 5_400) + rng.normal(0, 0.8, len(t))
    if story.ramp_to is not None:
        rate = rate + np.clip(age / 10, 0, 1) * (story.ramp_to - rate)
    busy = np.minimum(rate / CAPACITY, 0.98)
    wait = SERVICE_S * busy ** (np.sqrt(2 * (WORKERS + 1)) - 1) / (WORKERS * (1 - busy))
    extra = np.where(faulty, story.slow_calls_ms / 1e3, 0.0)
    served = rng.poisson((rate * STEP_S / 3)[:, None], (len(t), 3))
    buckets, sums = _latencies(rng, served.sum(axis=1), wait + extra)
    if story.frozen_counters is not None:
        stuck = REPLICAS.index(story.frozen_counters)
        lost = np.where(faulty, served[:, stuck] / np.maximum(1, served.sum(axis=1)), 0.0)
        served[faulty, stuck] = 0
        buckets, sums = np.rint(buckets * (1 - lost)[:, None]), sums * (1 - lost)
    calls = served.sum(axis=1)
    return "\n".join([
        "# TYPE model_requests counter",
        *(_lines(f'model_requests_total{{model="{model}",version="7",replica="{r}"}}', t, served[:, i].cumsum())
          for i, r in enumerate(REPLICAS)),
        "# TYPE model_errors counter",
        _lines(f'model_errors_total{{model="{model}",version="7",error_type="Timeout"}}', t,
               rng.poisson(calls * 0.002).cumsum()),
        "# TYPE model_request_duration_seconds histogram",
        _histogram(model, t, buckets, sums),
        "# TYPE model_queue_depth gauge",
        _lines(f'model_queue_depth{{model="{model}"}}', t, rng.poisson(rate * wait)),
        "# TYPE model_cpu_ratio gauge",
        *(_lines(f'model_cpu_ratio{{model="{model}",replica="{r}"}}', t, _held(story, r, faulty, (
            np.clip(busy * rng.normal(1, 0.04, len(t)), 0.01, 0.99)).round(4))) for r in REPLICAS),
        "# TYPE model_memory_bytes gauge",
        *(_lines(f'model_memory_bytes{{model="{model}",replica="{r}"}}', t, _held(story, r, faulty, np.floor(GIB * (
            4 + 0.02 * rng.normal(0, 1, len(t)) + (story.leak_gib * age / 60 if r == "1" else 0))))) for r in REPLICAS),
        "# TYPE model_memory_limit_bytes gauge",
        *(_lines(f'model_memory_limit_bytes{{model="{model}",replica="{r}"}}', t, np.full(len(t), 8 * GIB))
          for r in REPLICAS),
        "# TYPE model_dependency_requests counter",
        _lines(f'model_dependency_requests_total{{model="{model}",dependency="feature-store"}}', t, calls.cumsum()),
        "# TYPE model_dependency_duration_seconds summary",
        _summary(model, t, calls, calls * (0.02 + extra) * rng.normal(1, 0.02, len(t))),
        "# EOF",
        "",
    ])  # fmt: skip


def _latencies(rng: np.random.Generator, served: NDArray[np.int64], wait: Floats) -> tuple[Floats, Floats]:
    """[T, B+1] requests per bucket (the last has no bound) and [T] sums of seconds."""
    counts, sums = np.zeros((len(served), len(LES) + 1)), np.zeros(len(served))
    for i, n in enumerate(served.tolist()):
        seconds = rng.lognormal(np.log(SERVICE_S * 0.9), 0.35, n) + rng.exponential(wait[i], n)
        counts[i] = np.bincount(np.searchsorted(LES, seconds), minlength=len(LES) + 1)
        sums[i] = seconds.sum()
    return counts, sums


def _held(story: Story, replica: str, faulty: NDArray[np.bool_], values: Floats) -> Floats:
    """The values of a gauge, standing still where the story says so."""
    if replica != story.frozen_gauges or not faulty.any():
        return values
    return np.where(faulty, values[int(np.argmax(faulty))], values)


def _lines(name: str, t: NDArray[np.int64], values: NDArray[np.generic]) -> str:
    return "\n".join(f"{name} {value} {moment}" for value, moment in zip(values.tolist(), t.tolist(), strict=True))


def _histogram(model: str, t: NDArray[np.int64], buckets: Floats, sums: Floats) -> str:
    name, labels = "model_request_duration_seconds", f'model="{model}",version="7"'
    below, total = buckets.cumsum(axis=1).cumsum(axis=0).astype(int).tolist(), sums.cumsum().tolist()
    lines = []
    for moment, counts, seconds in zip(t.tolist(), below, total, strict=True):
        lines += [
            f'{name}_bucket{{{labels},le="{le}"}} {count} {moment}'
            for le, count in zip((*LES, "+Inf"), counts, strict=True)
        ]
        lines += [f"{name}_count{{{labels}}} {counts[-1]} {moment}", f"{name}_sum{{{labels}}} {seconds:.6f} {moment}"]
    return "\n".join(lines)


def _summary(model: str, t: NDArray[np.int64], calls: NDArray[np.int64], seconds: Floats) -> str:
    name, labels = "model_dependency_duration_seconds", f'model="{model}",dependency="feature-store"'
    rows = zip(t.tolist(), calls.cumsum().tolist(), seconds.cumsum().tolist(), strict=True)
    return "\n".join(
        f"{name}_count{{{labels}}} {n} {at}\n{name}_sum{{{labels}}} {total:.6f} {at}" for at, n, total in rows
    )
