"""Numbers in words: units, ratios and shares as every title, table and report writes them."""

from __future__ import annotations

import math


def milliseconds(value: float | None) -> str:
    """41ms, 1.24s, 2m05s."""
    if value is None or not math.isfinite(value):
        return "--"
    if value < 9.95:
        return f"{value:.1f}ms"
    if value < 999.5:
        return f"{value:.0f}ms"
    if value < 99_950:
        return f"{value / 1e3:.3g}s"
    return f"{int(value // 60_000)}m{int(value % 60_000 // 1000):02d}s"


def percent(share: float | None) -> str:
    """A share 0..1 as 0.02%, 4.8%, 31%."""
    value = math.nan if share is None else share * 100
    if not math.isfinite(value):
        return "--"
    if value == 0:
        return "0%"
    if abs(value) < 0.1:
        return f"{value:.2g}%" if abs(value) >= 0.001 else "<0.001%"
    return f"{value:.1f}%" if abs(value) < 9.95 else f"{value:.0f}%"


def ratio(now: float, baseline: float) -> str:
    """x3.9; empty when there is nothing to divide by."""
    if not (0 < baseline < math.inf and 0 <= now < math.inf):
        return ""
    value = now / baseline
    if value >= 999.5:
        return f"x{quantity(value)}"
    if value >= 9.95:
        return f"x{value:.0f}"
    return f"x{value:.1f}" if value >= 0.1 else f"x{value:.2g}"


def quantity(value: float | None) -> str:
    """612, 2.1k, 3.4M, 0.004; about three significant digits."""
    if value is None or not math.isfinite(value):
        return "--"
    size = abs(value)
    if size < 1 or size >= 1e15:
        return f"{value:.3g}"
    for limit, divisor, suffix in ((999.5, 1, ""), (999.5e3, 1e3, "k"), (999.5e6, 1e6, "M"), (math.inf, 1e9, "G")):
        if size < limit:
            scaled = value / divisor
            if abs(scaled) >= 99.5 or (suffix == "" and float(scaled).is_integer()):
                return f"{scaled:.0f}{suffix}"
            return f"{scaled:.{1 if abs(scaled) >= 9.95 else 2}f}".rstrip("0").rstrip(".") + suffix
    return "--"


def binary_bytes(value: float | None) -> str:
    """512 B, 3.2 GiB."""
    if value is None or not math.isfinite(value):
        return "--"
    for divisor, suffix in ((1, "B"), (2**10, "KiB"), (2**20, "MiB"), (2**30, "GiB")):
        if abs(value) < 999.5 * divisor:
            return f"{value / divisor:.3g} {suffix}"
    return f"{quantity(value / 2**40)} TiB"


def duration(seconds: float) -> str:
    """45s, 12m, 3h05m, 2d4h."""
    if not math.isfinite(seconds):
        return "--"
    total = max(0, round(seconds))
    if total < 60:
        return f"{total}s"
    if total < 3600:
        return f"{total // 60}m"
    if total < 86_400:
        hours, minutes = divmod(total // 60, 60)
        return f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"
    days, hours = divmod(total // 3600, 24)
    return f"{days}d{hours}h" if hours else f"{days}d"


def measured(value: float | None, unit: str) -> str:
    """A value in its unit: ms, ratio (as percent), B, req/s and plain counts."""
    match unit:
        case "ms":
            return milliseconds(value)
        case "s":
            return milliseconds(None if value is None else value * 1e3)
        case "ratio":
            return percent(value)
        case "B":
            return binary_bytes(value)
        case "" | "count" | "req" | "score":
            return quantity(value)
        case _:
            return f"{quantity(value)} {unit}"
