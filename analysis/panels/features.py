"""Features of one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.panels.status import PanelStatus

if TYPE_CHECKING:
    from analysis.evidence import Bins, Floats


@dataclass(frozen=True, slots=True)
class Readings:
    """The drift of one feature in the numbers of other tools, without noise taken off. None: not for categories."""

    psi: float
    """Population stability index, 0 and up."""
    js: float
    """Jensen-Shannon distance to base 2, 0..1."""
    ks: float | None
    """Kolmogorov-Smirnov distance, 0..1."""
    wasserstein: float | None
    """Wasserstein-1 distance in standard deviations of the baseline, 0 and up."""


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One feature of one model, now against baseline."""

    feature: str
    kind: str
    """numeric or categorical."""
    state: str
    """DRIFT, tiny, ok, "too few" or the quality check that fired."""
    shift: float
    """Noise-adjusted Jensen-Shannon distance, 0..1."""
    noise: float
    q: float
    """False-discovery-rate adjusted p-value."""
    direction: str
    null: float
    null_baseline: float
    bins: Bins
    now: Floats
    """[B] shares of the non-null values."""
    baseline: Floats
    n: float
    n_baseline: float
    unseen: float = 0.0
    """Share of values that the baseline never had."""
    score: float = 0.0
    mean: float | None = None
    """Of the finite values; None for categories."""
    mean_baseline: float | None = None
    per_minute: float | None = None
    """Rows with a value per minute."""
    per_minute_baseline: float | None = None

    @property
    def readings(self) -> Readings | None:
        """The drift in the numbers of other tools, worked out when they are looked at: nothing is decided by them."""
        from analysis.readings import readings

        return readings(self.now, self.baseline, self.bins, mean=self.mean, mean_baseline=self.mean_baseline)


@dataclass(frozen=True, slots=True)
class FeaturesPanel:
    """Features of one model, ranked by drift."""

    status: PanelStatus
    model: str
    rows: tuple[FeatureRow, ...] = ()
