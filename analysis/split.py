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


class Measure(StrEnum):
    """What the charts of a split draw."""

    P99 = "p99"
    ERRORS = "errors"
    RATE = "rate"

    @property
    def unit(self) -> str:
        """Of the values of the course."""
        return {"p99": "ms", "errors": "share", "rate": "/s"}[self.value]


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
