"""The rows of a model over any span, all columns at once; [a, b) and [b, c) together are exactly [a, c)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.blocks import Block, Lane, Simulation, version_names
from demo.draws import (
    SLOTS,
    Bools,
    Codes,
    Floats,
    Ints,
    Keys,
    Lanes,
    beta_table,
    category_table,
    keys_of,
    lognormal_table,
    moving_gamma,
    normal_table,
    poisson,
    row_keys,
)
from demo.effects import ExtraTraffic, Rollout, Silence
from demo.faults import apply, shadowed
from demo.fleet import LATENCY_FACTORS, Model, Numeric

MINUTE_US = 60_000_000
_NOISE_WEIGHTS = (0.4, 0.25, 0.15, 0.1, 0.06, 0.04)


def minute_counts(sim: Simulation, model: Model, minutes: Ints) -> Ints:
    """Requests that reach a healthy `model` in each minute (minutes since 1970)."""
    salt = 16 * sim.fleet.models.index(model)
    hours = minutes / 60.0 % 24.0
    diurnal = 1 + sim.fleet.diurnal_amplitude * np.cos((hours - sim.fleet.peak_hour_utc) * (2 * np.pi / 24))
    keys = [keys_of(sim.seed, salt + 1, minutes - lag) for lag in range(len(_NOISE_WEIGHTS))]
    noise = moving_gamma(keys, _NOISE_WEIGHTS, sim.fleet.noise_shape)
    mean = 60.0 * model.requests_per_second * sim.rate * diurnal * noise
    return poisson(mean, Lanes(keys_of(sim.seed, salt + 2, minutes))(0))


@dataclass(frozen=True, slots=True)
class _Arrivals:
    ts_us: Ints
    keys: Keys
    stream: Codes
    """0 for usual traffic, i + 1 for the extra traffic of effect i."""


def _arrivals(sim: Simulation, model: Model, start_us: int, end_us: int) -> _Arrivals:
    minutes = np.arange(start_us // MINUTE_US, -(-end_us // MINUTE_US), dtype=np.int64)
    usual = minute_counts(sim, model, minutes)
    salt = 16 * sim.fleet.models.index(model)
    ts_parts: list[Ints] = []
    key_parts: list[Keys] = []
    stream_parts: list[Codes] = []
    until = end_us
    streams: list[tuple[int, float]] = [(0, 1.0)]
    for number, effect in sim.effects_on(model):
        if isinstance(effect, Silence):
            until = min(until, sim.onset_us)
        elif isinstance(effect, ExtraTraffic) and end_us > sim.onset_us:
            streams.append((number + 1, effect.factor))
    for stream, factor in streams:
        counts = usual if stream == 0 else np.rint(usual * factor).astype(np.int64)
        offset = np.cumsum(counts) - counts
        index = np.arange(counts.sum(), dtype=np.int64) - np.repeat(offset, counts)
        keys = row_keys(np.repeat(keys_of(sim.seed, salt + 3 + 1_000 * stream, minutes), counts), index)
        spread = (index + (Lanes(keys)(Lane.ARRIVAL) + 0.5) / SLOTS) / np.repeat(np.maximum(counts, 1), counts)
        ts = np.repeat(minutes * MINUTE_US, counts) + (spread * MINUTE_US).astype(np.int64)
        since = start_us if stream == 0 else max(start_us, sim.onset_us)
        first, last = np.searchsorted(ts, (since, max(since, until)))
        ts_parts.append(ts[first:last])
        key_parts.append(keys[first:last])
        stream_parts.append(np.full(last - first, stream, dtype=np.uint8))
    if len(streams) == 1:
        return _Arrivals(ts_parts[0], key_parts[0], stream_parts[0])
    order = np.argsort(np.concatenate(ts_parts), kind="stable")
    return _Arrivals(
        np.concatenate(ts_parts)[order], np.concatenate(key_parts)[order], np.concatenate(stream_parts)[order]
    )


def _dims(sim: Simulation, model: Model, lanes: Lanes, arrivals: _Arrivals) -> dict[str, Codes]:
    dims = {
        name: category_table(tuple(w for _, w in weights))[lanes(lane)]
        for (name, weights), lane in zip(sim.fleet.dims, (Lane.REGION, Lane.TIER, Lane.DEVICE), strict=True)
    }
    dims["version"] = category_table(tuple(w for _, w in model.versions))[lanes(Lane.VERSION)]
    since = arrivals.ts_us >= sim.onset_us
    for number, effect in sim.effects_on(model):
        if isinstance(effect, ExtraTraffic):
            for name, value in effect.dims:
                dims[name][arrivals.stream == number + 1] = sim.fleet.dim(name).index(value)
        elif isinstance(effect, Rollout):
            chosen = since & lanes.below(Lane.EFFECTS + number, effect.share)
            for name, value in effect.segment:
                chosen &= dims[name] == sim.fleet.dim(name).index(value)
            dims["version"][chosen] = version_names(model).index(effect.version)
    return dims


def _tail_table() -> Floats:
    """[SLOTS] factor on latency: 1 for most, and for the slowest 1.5 % from 1.6 up to about 6."""
    table = np.ones(SLOTS)
    slow = SLOTS - round(0.015 * SLOTS)
    rank = (np.arange(slow, SLOTS) - slow + 0.5) / (SLOTS - slow)
    table[slow:] = 1.6 - 0.55 * np.log1p(-rank)
    return table


_TAIL = _tail_table()


def _latency(model: Model, lanes: Lanes, dims: dict[str, Codes]) -> Floats:
    factors = (np.array(LATENCY_FACTORS[name])[dims[name]] for name in ("region", "tier", "device"))
    latency: Floats = lognormal_table(model.latency_ms, model.latency_sigma)[lanes(Lane.LATENCY)]
    for factor in factors:
        latency *= factor
    latency *= _TAIL[lanes(Lane.TAIL)]
    return latency


def _features(model: Model, lanes: Lanes) -> dict[str, Floats]:
    """Lane pairs per feature: the value, then whether it is missing."""
    columns: dict[str, Floats] = {}
    for i, feature in enumerate(model.features):
        lane = Lane.FEATURES + 2 * i
        if isinstance(feature, Numeric):
            table = lognormal_table(feature.median, feature.sigma)
            values = (np.floor(table) if feature.floor else table)[lanes(lane)]
            if feature.null:
                values[lanes.below(lane + 1, feature.null)] = np.nan
        else:
            values = category_table(tuple(w for _, w in feature.weights)).astype(np.float64)[lanes(lane)]
        columns[feature.name] = values
    return columns


def _error_table(model: Model) -> Codes:
    rates = tuple(kind.rate for kind in model.errors)
    return category_table((1 - sum(rates), *rates))


def rows(sim: Simulation, model: Model, start: float, end: float) -> Block:
    """The rows of `model` with start <= ts < end (unix seconds), each before its shadow row if it has one."""
    start_us, end_us = round(start * 1e6), round(end * 1e6)
    arrivals = _arrivals(sim, model, start_us, max(start_us, end_us))
    lanes = Lanes(arrivals.keys)
    dims = _dims(sim, model, lanes, arrivals)
    confidence: Floats = (1 + beta_table(*model.confidence)[lanes(Lane.CONFIDENCE)]) / 2
    count = len(arrivals.keys)
    calls: dict[str, Floats] = {}
    failed: dict[str, Bools] = {}
    for i, dependency in enumerate(model.dependencies):
        lane = Lane.DEPENDENCIES + 2 * i
        calls[dependency.name] = lognormal_table(dependency.median_ms, 0.45)[lanes(lane)]
        failed[dependency.name] = lanes.below(lane + 1, dependency.error_rate)
    block = Block(
        model=model,
        ts_us=arrivals.ts_us,
        keys=arrivals.keys,
        lanes=lanes,
        dims=dims,
        latency_ms=_latency(model, lanes, dims),
        error=_error_table(model)[lanes(Lane.ERROR)],
        confidence=confidence,
        right_share=confidence.copy(),
        features=_features(model, lanes),
        calls_ms=calls,
        calls_failed=failed,
        prediction=lanes.below(Lane.PREDICTION, model.rare_share).astype(np.uint8),
        label=np.zeros(count, dtype=np.uint8),
        label_us=np.zeros(count, dtype=np.int64),
        shadow=np.zeros(count, dtype=np.bool_),
    )
    effects = sim.effects_on(model)
    if end_us > sim.onset_us:
        for number, effect in effects:
            apply(sim, block, number, effect)
    _finish(block)
    return shadowed(sim, block, effects)


def _finish(block: Block) -> None:
    """What follows from the rest: slow failures, labels, rounding."""
    floors = np.array([0.0, *(kind.floor_ms for kind in block.model.errors)])
    failed = block.error > 0
    jitter = 1 + 0.02 * np.abs(normal_table()[block.lanes(Lane.LATENCY)])
    least = floors[block.error] * jitter
    block.latency_ms = np.where(failed, np.maximum(block.latency_ms, least), block.latency_ms).round(1)
    wrong = block.lanes.uniform(Lane.RIGHT) >= block.right_share
    block.label = block.prediction ^ wrong.astype(np.uint8)
    delay = lognormal_table(block.model.label_delay_s, 0.8)[block.lanes(Lane.LABEL_DELAY)]
    block.label_us = block.ts_us + (delay * 1e6).astype(np.int64)
    block.confidence = block.confidence.round(4)
    block.confidence[failed] = np.nan
    for feature in block.model.features:
        if isinstance(feature, Numeric):
            block.features[feature.name] = block.features[feature.name].round(feature.decimals)
