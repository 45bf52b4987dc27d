"""The two axes of a chart: limits that hold still until the data leave them, and times on round clock moments."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime, tzinfo

from analysis.words import binary_bytes
from widgets.text import clock, count

_TIME_STEPS = (60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
_HUGE = 1e15
_SHRINK = 0.4


def nice(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8, 10 times a power of ten that is at least `value` (> 0)."""
    size = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15) if step * size >= value * (1 - 1e-9))


class Axis:
    """Value limits with hysteresis: they move only when data leave them or fill less than 40 % of them.

    Every move redraws a whole chart over the wire, so that a maximum that flickers must not rescale it.
    """

    def __init__(self, *, zero: bool = True, binary: bool = False) -> None:
        """`zero`: the axis begins at zero unless values are negative; `binary`: round in Ki, Mi, Gi."""
        self._zero = zero
        self._binary = binary
        self._limits: tuple[float, float] | None = None
        self._subject: Hashable = None

    def about(self, subject: Hashable) -> Axis:
        """This axis, which forgets what it showed when that was of another subject."""
        if subject != self._subject:
            self._subject, self._limits = subject, None
        return self

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """(low, high) to draw data between `low` and `high`; non-finite values count as no data."""
        if not (math.isfinite(low) and math.isfinite(high)):
            return self._limits or (0.0, 1.0)
        low, high = max(-_HUGE, min(_HUGE, low)), max(-_HUGE, min(_HUGE, high))
        if self._limits is not None:
            bottom, top = self._limits
            held = bottom <= low and high <= top
            if held and high - (bottom if self._zero else low) >= (top - bottom) * _SHRINK:
                return self._limits
        self._limits = self.fresh(low, high)
        return self._limits

    def fresh(self, low: float, high: float) -> tuple[float, float]:
        """Round limits around finite `low` and `high`, whatever was shown before."""
        if self._zero and low >= 0:
            scale = 1024.0 ** max(0, math.floor(math.log(high, 1024))) if self._binary and high > 1 else 1.0
            return 0.0, nice(high / scale * 1.02) * scale if high > 1e-12 else 1.0
        span = max(high - low, abs(high) * 0.02, abs(low) * 0.02, 1e-9)
        step = nice(span / 4)
        bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
        return bottom, top if top > bottom else bottom + step


def value_ticks(low: float, high: float, most: int, unit: str = "") -> list[float]:
    """At most `most` evenly spaced values from `low` to `high`, as many as fall on round steps of the whole."""
    if not (math.isfinite(low) and math.isfinite(high)) or high - low < 1e-290 or most < 2:
        return [low] if math.isfinite(low) else []
    best = [low, high]
    scale = 1024.0 ** max(0, math.floor(math.log(high, 1024))) if unit in ("B", "bytes") and high > 1 else 1.0
    for divisions in range(2, most):
        step = (high - low) / divisions
        mantissa = step / scale / 10.0 ** math.floor(math.log10(step / scale))
        steps = (1, 2, 2.5, 4, 5) if divisions <= 4 else (1, 2, 5)
        if any(math.isclose(mantissa, good, rel_tol=1e-6) for good in steps):
            best = [low + i * step for i in range(divisions + 1)]
    return best


def value_labels(values: Sequence[float], unit: str) -> list[str]:
    """The values in one unit, written out at each tick: 0, 200ms, 400ms; 0, 0.5s, 1s."""
    top = max((abs(value) for value in values), default=0.0)
    if unit in ("B", "bytes"):
        return [binary_bytes(value) if value else "0" for value in values]
    scale, suffix = 1.0, ""
    match unit:
        case "ms":
            scale, suffix = (1000.0, "s") if top >= 1_000 else (1.0, "ms")
        case "s" | "seconds":
            suffix = "s"
        case "ratio" | "share":
            scale, suffix = 0.01, "%"
        case "%" | "percent":
            suffix = "%"
        case "/s":
            suffix = "/s"
    out = []
    for value in values:
        scaled = value / scale
        text = count(scaled) if top / scale >= 1_000 else f"{scaled:.4g}"
        out.append(text + suffix if scaled else "0")
    return out


def time_ticks(start: float, end: float, width: int, zone: tzinfo | None) -> list[tuple[int, str]]:
    """(column, label) of round clock moments in [start, end) over `width` cells; the first label names the zone.

    The moments are multiples of the step on the clock of `zone`, so that they move with the data and never jump.
    """
    if width < 6 or not end > start or not (math.isfinite(start) and math.isfinite(end)) or abs(end) > 1e11:
        return []
    per_cell = (end - start) / width
    step = next((s for s in _TIME_STEPS if s / per_cell >= 10), 0)
    if not step:
        return []
    try:
        offset = datetime.fromtimestamp(start, UTC).astimezone(zone).utcoffset()
    except (OverflowError, OSError, ValueError):
        return []
    shift = offset.total_seconds() if offset else 0.0
    t = math.ceil((start + shift) / step) * step - shift
    out: list[tuple[int, str]] = []
    after = 0
    while t < end:
        column = int((t - start) / per_cell)
        text = clock(t, zone, named=not out)
        if step >= 86_400:
            text = datetime.fromtimestamp(t, UTC).astimezone(zone).strftime("%m-%d")
        if column >= after and column + len(text) <= width:
            out.append((column, text))
            after = column + len(text) + 1
        t += step
    return out
