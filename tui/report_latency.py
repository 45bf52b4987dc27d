"""The latency of the model in focus as plain data, for the JSON of the report."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.answer import LatencyPanel
    from analysis.slow_share import SlowShare


def latency(part: LatencyPanel) -> dict[str, Any]:
    """The latency of the model in focus over the whole window, with its bounds, as documented in docs/report.md."""
    return {
        "model": part.model,
        "n": number(part.n),
        "n_baseline": number(part.n_baseline),
        "percentiles": [
            {
                "name": name,
                "now_ms": number(value),
                "between_ms": _bounds(part.bounds.get(name, ())),
                "baseline_ms": number(part.window_baseline.get(name)),
                "ratio_between": _bounds(part.ratio_bounds.get(name, ())),
            }
            for name, value in part.window.items()
        ],
        "slow": [_slow(slow) for slow in part.slow],
        "moved": part.moved,
    }


def _slow(slow: SlowShare) -> dict[str, Any]:
    return {
        "threshold_ms": number(slow.threshold_ms),
        "target": number(slow.target),
        "now": _bounds(slow.now),
        "baseline": _bounds(slow.baseline),
        "interval": _bounds(slow.interval),
        "counted_at_ms": number(slow.edge_ms),
        "share": number(slow.at_edge),
        "share_baseline": number(slow.at_edge_baseline),
        "p": number(slow.p),
        "burn": number(slow.burn),
    }


def _bounds(bounds: Iterable[float]) -> list[float | None]:
    return [number(bound) for bound in bounds]


def number(value: float | None) -> float | None:
    """Six significant digits: enough for any reading, and stable to compare."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")
