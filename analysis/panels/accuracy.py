"""What the labels say of one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.panels.status import PanelStatus

if TYPE_CHECKING:
    from analysis.evidence import Floats, Ints


@dataclass(frozen=True, slots=True)
class ScoreBand:
    """The labelled rows of one band of scores, now against the baseline at equal label age."""

    low: float
    high: float
    n: float
    right: float | None
    """Share of right predictions, 0..1; None below 10 labels."""
    interval: tuple[float, float]
    """Of `right`, 95 %."""
    said: float | None
    """Mean score."""
    right_baseline: float | None
    n_baseline: float
    z: float | None
    """Standardised change of right less said; None where a side has too few labels."""


@dataclass(frozen=True, slots=True)
class AccuracyPanel:
    """What the labels say of one model, and what its scores promise where labels are missing."""

    status: PanelStatus
    model: str
    span_s: int = 0
    """How far back the labelled rows reach, seconds: the window, or the span in which a change shows."""
    now: float | None = None
    """Share of right predictions, 0..1."""
    interval: tuple[float, float] = (0.0, 1.0)
    baseline: float | None = None
    difference: tuple[float, float] | None = None
    """Interval of now - baseline, 95 %."""
    n: float = 0
    n_baseline: float = 0
    coverage: float | None = None
    """Share of the predictions whose label is known, 0..1."""
    coverage_baseline: float | None = None
    """What it was in the references at the same age."""
    like: bool = True
    """Whether the two differ by no more than 5 points."""
    median_delay_s: float | None = None
    most_delay_s: float | None = None
    """Seconds in which half, and nine tenths, of the labels come."""
    level: float | None = None
    """Accuracy when all labels are in, 0..1."""
    estimate: float | None = None
    """Accuracy of the live window from its scores alone, 0..1."""
    estimate_band: tuple[float, float] = (0.0, 1.0)
    doubt: str = ""
    """Why the estimate must not be believed; empty where nothing speaks against it."""
    ece: float | None = None
    """Expected calibration error, 0..1; None below 1,000 labels."""
    ece_floor: float | None = None
    """What a perfectly calibrated model would show by chance."""
    ece_debiased: float | None = None
    ece_baseline: float | None = None
    concept: float | None = None
    """Part of the change of accuracy at the same scores, with its sign; None without scores."""
    inputs: float | None = None
    """Part of the change that other scores explain."""
    concept_p: float | None = None
    bands: tuple[ScoreBand, ...] = ()
    t: Ints | None = None
    right_over_time: Floats | None = None
    """[T] share right among the labels of each bucket; NaN is a gap."""
    usual_over_time: Floats | None = None
    """[T] what it used to be at the age of each bucket."""
    note: str = ""
    """What the reader must know about these labels."""
