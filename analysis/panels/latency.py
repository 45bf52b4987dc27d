"""Latency percentiles of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analysis.panels.status import PanelStatus

if TYPE_CHECKING:
    from analysis.evidence import Floats, Ints
    from analysis.finding import Finding
    from analysis.knee import Knee
    from analysis.slow_share import SlowShare


@dataclass(frozen=True, slots=True)
class LatencyPanel:
    """Latency percentiles of one model over time, now and as expected."""

    status: PanelStatus
    model: str
    t: Ints | None = None
    """[T] bucket starts of the live window."""
    now: Mapping[str, Floats] = field(default_factory=dict)
    """p50, p90, p95, p99 -> [T] milliseconds; NaN is a gap."""
    baseline: Mapping[str, Floats] = field(default_factory=dict)
    """Same, from the sum of the reference windows at the same position in the window."""
    window: Mapping[str, float | None] = field(default_factory=dict)
    """Percentiles of the whole window, milliseconds; None where n is too small."""
    window_baseline: Mapping[str, float | None] = field(default_factory=dict)
    n: float = 0
    n_baseline: float = 0
    rate: Floats | None = None
    """[T] requests per second."""
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """95 % bounds of `window`, milliseconds: sampling and bins. The upper one is infinite in an open last bin."""
    ratio_bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """95 % bounds of `window` / `window_baseline`."""
    moved: str = ""
    """Which requests changed, in words; empty without a sure change."""
    exported: str = ""
    """What these percentiles are where the server computed them itself; empty where they come from a histogram."""
    slow: tuple[SlowShare, ...] = ()
    """The share of slow requests, for each latency objective or at the baseline's p99."""
    knee: Knee | None = None
    """Where latency begins to climb with load; None where that cannot be told."""
    told: Finding | None = None
    """The finding about latency, which is measured from its onset on; everything else here is of the whole window."""
