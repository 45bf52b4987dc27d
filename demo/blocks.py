"""A simulation, and one model's rows as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from demo.draws import Bools, Codes, Floats, Ints, Keys, Lanes
from demo.effects import Effect, Segment
from demo.fleet import FLEET, Fleet, Model, names
from demo.scenarios import Scenario

NULL_CODE = 255
"""Category code of a missing value."""


class Lane(IntEnum):
    """Which draw of a row decides what. A new one goes to the end, or every seed changes."""

    ARRIVAL = 0
    REGION = 1
    TIER = 2
    DEVICE = 3
    VERSION = 4
    LATENCY = 5
    TAIL = 6
    ERROR = 7
    CONFIDENCE = 8
    PREDICTION = 9
    RIGHT = 10
    LABEL_DELAY = 11
    REPLICA = 12
    FEATURES = 16
    DEPENDENCIES = 48
    EFFECTS = 64
    VISIBLE = 96


@dataclass(frozen=True, slots=True)
class Simulation:
    """A fleet with one scenario: everything that decides the data."""

    scenario: Scenario
    seed: int
    onset: float
    """Unix seconds."""
    rate: float = 1.0
    """Factor on all traffic."""
    fleet: Fleet = FLEET

    @property
    def onset_us(self) -> int:
        """Unix microseconds."""
        return round(self.onset * 1e6)

    def effects_on(self, model: Model) -> tuple[tuple[int, Effect], ...]:
        """The effects on a model with their numbers, which name their lanes."""
        return tuple((i, effect) for i, effect in enumerate(self.scenario.effects) if effect.model == model.name)


@dataclass(slots=True)
class Block:
    """Rows of one model, ascending in `ts_us`. All arrays are [N]; faults change them in place."""

    model: Model
    ts_us: Ints
    keys: Keys
    lanes: Lanes
    dims: dict[str, Codes]
    """Codes of region, tier, device and version."""
    latency_ms: Floats
    error: Codes
    """0 is none, i + 1 is the model's error kind i."""
    confidence: Floats
    """NaN for an error."""
    right_share: Floats
    """Probability that the prediction is right."""
    features: dict[str, Floats]
    """Values, NaN where missing; for a category its codes."""
    calls_ms: dict[str, Floats]
    """Duration of the call of each dependency."""
    calls_failed: dict[str, Bools]
    prediction: Codes
    label: Codes
    label_us: Ints
    """When the label becomes known."""
    shadow: Bools

    def __len__(self) -> int:
        return len(self.ts_us)

    def replica(self) -> Codes:
        """The replica that served each row."""
        return (self.lanes(Lane.REPLICA) % self.model.replicas).astype(np.uint8)

    def request_ids(self) -> Keys:
        """Unique 64-bit ids with the top bit set, so that all have 16 hexadecimal digits."""
        return self.keys | np.uint64(1 << 63)


def version_names(model: Model) -> tuple[str, ...]:
    """Versions in the order of their codes."""
    return names(model.versions)


def members(sim: Simulation, block: Block, segment: Segment) -> Bools:
    """[N] rows from the onset on that lie in the segment."""
    inside = block.ts_us >= sim.onset_us
    for name, value in segment:
        values: Sequence[str] = version_names(block.model) if name == "version" else sim.fleet.dim(name)
        inside &= block.dims[name] == values.index(value)
    return inside
