"""How each effect changes the rows of a block from the onset on."""

from __future__ import annotations

import numpy as np

from demo.blocks import NULL_CODE, Block, Lane, Simulation, members, version_names
from demo.draws import Bools, Floats, Lanes, lognormal_table, mixed
from demo.effects import (
    Effect,
    Emptied,
    Failing,
    Outage,
    Recoded,
    Scaled,
    Scores,
    Shadow,
    Slow,
    Stuck,
)
from demo.fleet import Category, Model, names


def apply(sim: Simulation, block: Block, number: int, effect: Effect) -> None:
    """Change `block` as `effect`, the scenario's `number`th, says. Effects on traffic and gauges change no column."""
    lane = Lane.EFFECTS + number
    if isinstance(effect, Slow):
        hit = members(sim, block, effect.segment) & block.lanes.below(lane, effect.share)
        block.latency_ms[hit] *= effect.factor
        if effect.add_ms:
            extra = lognormal_table(effect.add_ms, 0.35)
            block.latency_ms[hit] += extra[block.lanes(Lane.TAIL)[hit]]
    elif isinstance(effect, Failing):
        hit = members(sim, block, effect.segment) & block.lanes.below(lane, effect.share)
        block.error[hit] = _error_code(block.model, effect.error_type)
    elif isinstance(effect, Scores):
        _move_scores(block, members(sim, block, effect.segment), effect)
    elif isinstance(effect, Scaled):
        block.features[effect.feature][members(sim, block, effect.segment)] *= effect.factor
    elif isinstance(effect, Stuck):
        block.features[effect.feature][members(sim, block, effect.segment)] = effect.value
    elif isinstance(effect, Emptied):
        hit = members(sim, block, effect.segment) & block.lanes.below(lane, effect.share)
        category = isinstance(_feature(block.model, effect.feature), Category)
        block.features[effect.feature][hit] = NULL_CODE if category else np.nan
    elif isinstance(effect, Recoded):
        hit = members(sim, block, effect.segment) & block.lanes.below(lane, effect.share)
        feature = _feature(block.model, effect.feature)
        if not isinstance(feature, Category):
            raise TypeError(f"{effect.feature} is not a categorical feature")
        block.features[effect.feature][hit] = names(feature.weights).index(effect.value)
    elif isinstance(effect, Outage):
        _fail_calls(sim, block, lane, effect)


def _feature(model: Model, name: str) -> object:
    return {feature.name: feature for feature in model.features}[name]


def _error_code(model: Model, name: str) -> int:
    return [kind.name for kind in model.errors].index(name) + 1


def _move_scores(block: Block, hit: Bools, effect: Scores) -> None:
    """Confidence c stands for 2c - 1 in (0, 1); that is what moves on the logit scale."""
    if effect.logit:
        sure: Floats = np.clip(2 * block.confidence[hit] - 1, 1e-6, 1 - 1e-6)
        moved = (1 + 1 / (1 + (1 - sure) / sure * np.exp(-effect.logit))) / 2
        block.confidence[hit] = moved
        if effect.calibrated:
            block.right_share[hit] = moved
    block.right_share[hit] += effect.right


def _fail_calls(sim: Simulation, block: Block, lane: int, effect: Outage) -> None:
    hit = members(sim, block, ()) & block.lanes.below(lane, effect.share)
    extra = lognormal_table(effect.add_ms, 0.35)[block.lanes(Lane.TAIL)[hit]]
    block.calls_ms[effect.dependency][hit] += extra
    block.calls_failed[effect.dependency][hit] = True
    block.latency_ms[hit] += extra
    shown = block.lanes.below(Lane.VISIBLE, effect.visible)
    block.error[hit & shown] = _error_code(block.model, effect.error_type)


def shadowed(sim: Simulation, block: Block, effects: tuple[tuple[int, Effect], ...]) -> Block:
    """The block with a row of its shadow version after each row, if it has one."""
    for number, effect in effects:
        if isinstance(effect, Shadow):
            return _with_shadow(sim, block, Lane.EFFECTS + number, effect)
    return block


def _with_shadow(sim: Simulation, block: Block, lane: int, effect: Shadow) -> Block:
    agrees = np.where(members(sim, block, effect.segment), effect.disagreeing, effect.agreement)
    differs = block.lanes.uniform(lane) >= agrees
    own = Lanes(mixed(block.keys))
    keys = block.keys.repeat(2)
    both = Block(
        model=block.model,
        ts_us=block.ts_us.repeat(2),
        keys=keys,
        lanes=Lanes(keys),
        dims={name: codes.repeat(2) for name, codes in block.dims.items()},
        latency_ms=block.latency_ms.repeat(2),
        error=block.error.repeat(2),
        confidence=block.confidence.repeat(2),
        right_share=block.right_share.repeat(2),
        features={name: values.repeat(2) for name, values in block.features.items()},
        calls_ms={name: values.repeat(2) for name, values in block.calls_ms.items()},
        calls_failed={name: values.repeat(2) for name, values in block.calls_failed.items()},
        prediction=block.prediction.repeat(2),
        label=block.label.repeat(2),
        label_us=block.label_us.repeat(2),
        shadow=np.tile(np.array([False, True]), len(block)),
    )
    both.dims["version"][1::2] = version_names(block.model).index(effect.version)
    both.latency_ms[1::2] = np.round(block.latency_ms * lognormal_table(1.05, 0.1)[own(Lane.LATENCY)], 1)
    both.prediction[1::2] ^= differs.astype(np.uint8)
    moved = block.confidence + 0.04 * (own.uniform(Lane.CONFIDENCE) - 0.5)
    both.confidence[1::2] = np.round(np.clip(moved, 0.5, 1.0), 4)
    return both
