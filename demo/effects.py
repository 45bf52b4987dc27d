"""What a fault does to the data, as small declarative pieces. `demo.rows` and `demo.metrics` carry them out."""

from __future__ import annotations

from dataclasses import dataclass

Segment = tuple[tuple[str, str], ...]
"""(dimension or "version", value) pairs that all hold; empty means every row of the model."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """`version` takes `share` of the requests of the segment."""

    model: str
    version: str
    share: float
    segment: Segment = ()


@dataclass(frozen=True, slots=True)
class ExtraTraffic:
    """`factor` times the usual traffic arrives on top of it, all of it with the given dimension values."""

    model: str
    factor: float
    dims: Segment = ()


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing of the model is logged or exposed any more."""

    model: str


@dataclass(frozen=True, slots=True)
class Slow:
    """`share` of the requests take `factor` times as long plus a lognormal time of median `add_ms`."""

    model: str
    segment: Segment = ()
    share: float = 1.0
    factor: float = 1.0
    add_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Failing:
    """`share` of the requests end with `error_type`."""

    model: str
    error_type: str
    share: float
    segment: Segment = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """Confidence moves by `logit`; the probability of being right follows if `calibrated`, and moves by `right`."""

    model: str
    segment: Segment = ()
    logit: float = 0.0
    calibrated: bool = True
    right: float = 0.0


@dataclass(frozen=True, slots=True)
class Scaled:
    """A numeric feature is multiplied by `factor`."""

    model: str
    feature: str
    factor: float
    segment: Segment = ()


@dataclass(frozen=True, slots=True)
class Emptied:
    """A feature is null with probability `share`."""

    model: str
    feature: str
    share: float
    segment: Segment = ()


@dataclass(frozen=True, slots=True)
class Stuck:
    """A numeric feature always has the same value."""

    model: str
    feature: str
    value: float
    segment: Segment = ()


@dataclass(frozen=True, slots=True)
class Recoded:
    """`share` of the rows have `value` in a categorical feature."""

    model: str
    feature: str
    value: str
    share: float
    segment: Segment = ()


@dataclass(frozen=True, slots=True)
class Outage:
    """`share` of the calls of a dependency fail after `add_ms` more; `visible` of those end the request."""

    model: str
    dependency: str
    share: float
    add_ms: float
    visible: float
    error_type: str


@dataclass(frozen=True, slots=True)
class Leak:
    """The memory of one replica grows to its limit in `seconds`; it is then killed and starts again."""

    model: str
    replica: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Saturated:
    """Requests wait: the queue grows to about `depth`."""

    model: str
    depth: float


@dataclass(frozen=True, slots=True)
class Shadow:
    """`version` answers each request a second time without effect (before the onset too) and agrees with probability
    `agreement`; in the segment, from the onset on, with `disagreeing`."""

    model: str
    version: str
    agreement: float
    disagreeing: float
    segment: Segment


Effect = (
    Rollout
    | ExtraTraffic
    | Silence
    | Slow
    | Failing
    | Scores
    | Scaled
    | Emptied
    | Stuck
    | Recoded
    | Outage
    | Leak
    | Saturated
    | Shadow
)
