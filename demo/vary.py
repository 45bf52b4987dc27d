"""Variants of a scenario: another fleet, another place and size of the fault, drawn from a seed within stated bounds.

A benchmark over the scenarios as they are written says how well an answer knows them; over variants it says how well
it finds faults of their kind.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from demo.effects import (
    Effect,
    Emptied,
    ExtraTraffic,
    Failing,
    Leak,
    Outage,
    Recoded,
    Rollout,
    Saturated,
    Scaled,
    Scores,
    Segment,
    Shadow,
    Slow,
    Stuck,
)
from demo.fleet import FLEET, Category, ErrorKind, Fleet, Model, Numeric, Weights
from demo.scenarios import Expected, Scenario, Sign

BOUNDS = {
    "request rate of each model": (0.6, 1.8),
    "latency: median": (0.6, 2.0),
    "latency: sigma": (0.8, 1.25),
    "error rate of each type": (0.5, 2.0),
    "confidence: both parameters": (0.8, 1.3),
    "size of each dimension value": (0.7, 1.4),
    "daily swing of traffic": (0.4, 1.4),
    "noise of traffic from minute to minute": (0.7, 1.6),
    "size of the fault": (0.75, 1.5),
    "minutes since the onset": (0.4, 1.3),
    "minutes since the onset, where only labels show it": (0.9, 1.3),
}
"""What is drawn, as factors on the fleet and the scenario as they are written. The rest is chosen at random: the hour
of the peak, the model, its features, version, error type and replica, and the segment, which keeps its number of
dimensions and holds at least `LEAST_SEGMENT` of the rows."""

LEAST_SEGMENT = 0.12

UNLABELLED_MINUTES = 30
"""A scenario that is looked at later than this after its onset waits for labels."""

Draw = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Variant:
    """A scenario in a fleet of its own."""

    scenario: Scenario
    fleet: Fleet


def varied(scenario: Scenario, seed: int) -> Variant:
    """The variant of a scenario that a seed stands for: always the same one."""
    rng = random.Random(f"{scenario.name} {seed}")

    def draw(what: str) -> float:
        low, high = BOUNDS[what]
        return float(low * (high / low) ** rng.random())

    since = "minutes since the onset"
    if scenario.minutes_after_onset > UNLABELLED_MINUTES:
        since += ", where only labels show it"
    fleet = _fleet(draw, rng)
    recast = _Recast(scenario, fleet, draw, rng)
    effects = tuple(recast.effect(effect) for effect in scenario.effects)
    return Variant(
        replace(
            scenario,
            effects=effects,
            expected=tuple(recast.expected(expected) for expected in scenario.expected),
            minutes_after_onset=scenario.minutes_after_onset * draw(since),
        ),
        recast.fleet,
    )


def _fleet(draw: Draw, rng: random.Random) -> Fleet:
    return replace(
        FLEET,
        models=tuple(_model(model, draw) for model in FLEET.models),
        dims=tuple(
            (name, tuple((value, weight * draw("size of each dimension value")) for value, weight in weights))
            for name, weights in FLEET.dims
        ),
        diurnal_amplitude=FLEET.diurnal_amplitude * draw("daily swing of traffic"),
        peak_hour_utc=rng.uniform(0, 24),
        # The shape is the inverse square of the noise.
        noise_shape=FLEET.noise_shape / draw("noise of traffic from minute to minute") ** 2,
    )


def _model(model: Model, draw: Draw) -> Model:
    busy = draw("request rate of each model")
    a, b = model.confidence
    return replace(
        model,
        requests_per_second=model.requests_per_second * busy,
        requests_per_core=model.requests_per_core * busy,
        latency_ms=model.latency_ms * draw("latency: median"),
        latency_sigma=model.latency_sigma * draw("latency: sigma"),
        confidence=(a * draw("confidence: both parameters"), b * draw("confidence: both parameters")),
        errors=tuple(replace(kind, rate=kind.rate * draw("error rate of each type")) for kind in model.errors),
    )


class _Recast:
    """Puts the parts of one scenario in other places, each part always in the same one."""

    def __init__(self, scenario: Scenario, fleet: Fleet, draw: Draw, rng: random.Random) -> None:
        self.fleet = fleet
        self._draw, self._rng = draw, rng
        self._names: dict[tuple[str, ...], str] = {}
        self._segments: dict[Segment, Segment] = {}
        models = list(dict.fromkeys(effect.model for effect in scenario.effects))
        others = rng.sample([model.name for model in fleet.models], len(models))
        self._models = dict(zip(models, others, strict=True))
        # What several models call alike they share: it keeps its name.
        self._shared = len(models) > 1
        if self._shared:
            self._models = {name: name for name in models}

    def effect(self, effect: Effect) -> Effect:
        """The same kind of fault elsewhere and of another size."""
        old, new = effect.model, self._models[effect.model]
        size = self._draw("size of the fault")
        moved: Effect = replace(effect, model=new)
        if isinstance(moved, Rollout | Slow | Failing | Scores | Scaled | Emptied | Stuck | Recoded | Shadow):
            moved = replace(moved, segment=self._segment(old, moved.segment))
        if isinstance(moved, Rollout):
            return replace(moved, version=self._version(old, moved.version), share=min(0.9, moved.share * size))
        if isinstance(moved, ExtraTraffic):
            return replace(moved, factor=moved.factor * size)
        if isinstance(moved, Slow):
            share = min(1.0, moved.share * size) if moved.share < 1 else 1.0
            return replace(moved, share=share, factor=moved.factor**size, add_ms=moved.add_ms * size)
        if isinstance(moved, Failing):
            return replace(moved, error_type=self._error(old, moved.error_type), share=min(0.9, moved.share * size))
        if isinstance(moved, Scores):
            return replace(moved, logit=moved.logit * size, right=max(-0.45, moved.right * size))
        if isinstance(moved, Scaled):
            return replace(moved, feature=self._feature(old, moved.feature, Numeric), factor=moved.factor**size)
        if isinstance(moved, Stuck):
            feature = self._feature(old, moved.feature, Numeric)
            return replace(moved, feature=feature, value=round(self._numeric(new, feature).median * size))
        if isinstance(moved, Emptied):
            feature = self._feature(old, moved.feature, Numeric)
            return replace(moved, feature=feature, share=min(0.9, moved.share * size))
        if isinstance(moved, Recoded):
            feature = self._feature(old, moved.feature, Category)
            value = self._value(old, new, moved.feature, feature, moved.value)
            return replace(moved, feature=feature, value=value, share=min(0.9, moved.share * size))
        if isinstance(moved, Outage):
            share, visible = min(0.9, moved.share * size), min(0.9, moved.visible * self._draw("size of the fault"))
            return replace(moved, share=share, visible=visible, add_ms=moved.add_ms * size)
        if isinstance(moved, Leak):
            replica = self._rng.randrange(self.fleet.model(new).replicas)
            return replace(moved, replica=replica, seconds=moved.seconds / size)
        if isinstance(moved, Saturated):
            return replace(moved, depth=moved.depth * size)
        if isinstance(moved, Shadow):
            lost = size * (moved.agreement - moved.disagreeing)
            return replace(moved, version=self._version(old, moved.version), disagreeing=moved.agreement - lost)
        return moved

    def expected(self, expected: Expected) -> Expected:
        """What there is to find, by the same names."""
        model = self._models[expected.model]
        names = {old[2]: new for old, new in self._names.items() if old[0] == expected.model}
        also = tuple(Sign(sign.signal, names.get(sign.subject, sign.subject)) for sign in expected.also)
        return replace(
            expected,
            model=model,
            subject=names.get(expected.subject, expected.subject),
            segment=self._segment(expected.model, expected.segment),
            also=also,
        )

    def _segment(self, model: str, segment: Segment) -> Segment:
        if any(dim == "version" for dim, _ in segment):
            return tuple((dim, self._version(model, value)) for dim, value in segment)
        weights = {dim: dict(values) for dim, values in self.fleet.dims}
        if not segment or any(weights[dim][value] == 0 for dim, value in segment):
            return segment
        if segment not in self._segments:
            self._segments[segment] = self._rng.choice(self._places(len(segment)))
        return self._segments[segment]

    def _places(self, order: int) -> list[Segment]:
        """Every conjunction of `order` dimensions that holds enough rows."""
        found: list[tuple[float, Segment]] = [(1.0, ())]
        for _ in range(order):
            found = [
                (share * weight / sum(w for _, w in values), (*segment, (dim, value)))
                for share, segment in found
                for dim, values in self.fleet.dims
                if not segment or dim > segment[-1][0]
                for value, weight in values
            ]
        return [segment for share, segment in found if share >= LEAST_SEGMENT]

    def _version(self, model: str, version: str) -> str:
        name = self._names.setdefault((model, "version", version), f"v{self._rng.randrange(100, 1_000)}")
        self._extend(model, lambda m: replace(m, versions=_with(m.versions, name)))
        return name

    def _error(self, model: str, kind: str) -> str:
        if self._shared:
            return kind
        name = self._names.setdefault(
            (model, "error", kind), self._rng.choice(("SchemaMismatch", "QuotaExceeded", "NanInput", "BadGateway"))
        )
        if name not in {known.name for known in self.fleet.model(self._models[model]).errors}:
            added = ErrorKind(name, 0.0, name + " in request {0} after {1} ms")
            self._extend(model, lambda m: replace(m, errors=(*m.errors, added)))
        return name

    def _feature(self, model: str, feature: str, kind: type[Numeric | Category]) -> str:
        taken = {new for old, new in self._names.items() if old[:2] == (model, "feature")}
        free = [
            f.name
            for f in self.fleet.model(self._models[model]).features
            # A count that is small or rounded down can be scaled without being changed.
            if isinstance(f, kind) and f.name not in taken and not (isinstance(f, Numeric) and f.median < 5)
        ]
        return self._names.setdefault((model, "feature", feature), self._rng.choice(free))

    def _value(self, model: str, new: str, old_feature: str, feature: str, value: str) -> str:
        """Another value of the feature; one that nobody had stays new."""
        if dict(self._category(model, old_feature).weights)[value]:
            usual = self._category(new, feature).weights
            return self._rng.choice([name for name, weight in usual if 0 < weight < 0.3])
        name = f"{value}_{self._rng.randrange(100)}"

        def add(m: Model) -> Model:
            return replace(
                m,
                features=tuple(
                    replace(f, weights=_with(f.weights, name)) if isinstance(f, Category) and f.name == feature else f
                    for f in m.features
                ),
            )

        self._extend(model, add)
        return name

    def _numeric(self, model: str, feature: str) -> Numeric:
        return next(f for f in self.fleet.model(model).features if isinstance(f, Numeric) and f.name == feature)

    def _category(self, model: str, feature: str) -> Category:
        return next(f for f in self.fleet.model(model).features if isinstance(f, Category) and f.name == feature)

    def _extend(self, model: str, change: Callable[[Model], Model]) -> None:
        """Change the model that takes the place of `model`."""
        new = self._models[model]
        models = tuple(change(m) if m.name == new else m for m in self.fleet.models)
        self.fleet = replace(self.fleet, models=models)


def _with(weights: Weights, name: str) -> Weights:
    return weights if name in dict(weights) else (*weights, (name, 0.0))
