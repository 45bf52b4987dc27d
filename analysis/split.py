"""The traffic of one model side by side for the values of a dimension."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from analysis.answer import PanelStatus

if TYPE_CHECKING:
    from analysis.evidence import Floats, Ints

MOST = 8
"""Values that are told apart; more lines than this cannot be. The last is the sum of the rest."""


MAX_P = 0.001
"""Of a fall that is told: eight values are looked at, and every dimension may be."""


class Measure(StrEnum):
    """What the charts of a split draw."""

    P99 = "p99"
    ERRORS = "errors"
    RATE = "rate"
    RIGHT = "right"

    @property
    def unit(self) -> str:
        """Of the values of the course."""
        return {"p99": "ms", "errors": "share", "rate": "/s", "right": "share"}[self.value]


@dataclass(frozen=True, slots=True)
class Right:
    """How often the predictions of one value equal their labels, against the baseline at equal label age."""

    n: float
    """Labels of the span."""
    share: float | None
    """Right ones, 0..1; None with too few labels."""
    interval: tuple[float, float]
    """95 % (Wilson)."""
    n_baseline: float
    baseline: float | None
    coverage: float | None
    """Share of the predictions whose label is known, 0..1; None without predictions."""
    p: float
    """Of no change, over the dispersion of the reference windows."""

    @property
    def fell(self) -> bool:
        """Whether the value is surely right less often than before."""
        known = self.share is not None and self.baseline is not None
        return known and self.p < MAX_P and (self.share or 0.0) < (self.baseline or 0.0)


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One value of the dimension."""

    value: str
    n: float
    """Requests of the window."""
    share: float
    """Of the model's requests in the window, 0..1."""
    share_baseline: float
    rate: float
    """Requests per second over the window."""
    p50: float | None
    p99: float | None
    """Milliseconds over the window; None where n is too small or latency is not logged."""
    p99_baseline: float | None
    errors: float | None
    """Errors per request; None where they are not logged."""
    errors_baseline: float | None
    now: Floats
    """[T] the measure per bucket; NaN is a gap."""
    right: Right | None = None
    """Of a split of the accuracy, where n counts predictions and latency and errors are not asked."""


@dataclass(frozen=True, slots=True)
class Split:
    """One model by one dimension, the largest value first."""

    status: PanelStatus
    model: str = ""
    dim: str = ""
    measure: Measure = Measure.P99
    t: Ints | None = None
    """[T] bucket starts of the live window."""
    rows: tuple[SplitRow, ...] = ()
    span_s: int = 0
    """Seconds that a split of the accuracy is about: labels are late, so it may be longer than the window."""
