"""Numbers in words, as every title, table, report and incident writes them: one rule for all.

Two significant digits below ten, whole numbers above: `1.2s`, `x3.9`, `0.93%`, `2.1k`, `612`. A reader decides by a
factor, not by the third digit; the JSON of the report has six.
"""

from __future__ import annotations

import math

NONE = "--"
"""What stands where there is no number."""


def significant(value: float) -> str:
    """Two significant digits below ten and no fraction above; no exponent from 0.001 on."""
    size = abs(value)
    if size >= 9.95:
        return f"{value:.0f}"
    if size >= 0.995:
        return f"{value:.1f}"
    if size >= 0.0995:
        return f"{value:.2f}"
    return "0" if size == 0 else f"{value:.2g}"


def milliseconds(value: float | None) -> str:
    """0.40ms, 41ms, 1.2s, 2m05s."""
    if value is None or not math.isfinite(value):
        return NONE
    if abs(value) < 999.5:
        return f"{significant(value)}ms"
    if abs(value) < 99_950:
        return f"{significant(value / 1e3)}s"
    minutes, seconds = divmod(int(abs(value) / 1e3), 60)
    return f"{'-' if value < 0 else ''}{minutes}m{seconds:02d}s"


def percent(share: float | None) -> str:
    """A share 0..1 as 0.02%, 0.93%, 4.8%, 31%."""
    value = math.nan if share is None else share * 100
    if not math.isfinite(value):
        return NONE
    if 0 < abs(value) < 0.001:
        return "<.001%"
    return f"{significant(value)}%"


def ratio(now: float, baseline: float) -> str:
    """x3.9; empty when there is nothing to divide by."""
    if not (0 < baseline < math.inf and 0 <= now < math.inf):
        return ""
    value = now / baseline
    return f"x{quantity(value)}" if value >= 999.5 else f"x{significant(value)}"


def quantity(value: float | None) -> str:
    """A number of things or a rate: 612, 2.1k, 34M, 0.25."""
    if value is None or not math.isfinite(value):
        return NONE
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size * 0.9995:
            scaled = value / size
            return f"{value:.1e}" if abs(scaled) >= 1e4 else f"{significant(scaled)}{unit}"
    return f"{value:.0f}" if float(value).is_integer() else significant(value)


def binary_bytes(value: float | None) -> str:
    """512B, 1.4Gi."""
    if value is None or not math.isfinite(value):
        return NONE
    for unit, size in (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if abs(value) >= size * 0.9995:
            return f"{quantity(value / size)}{unit}"
    return f"{value:.0f}B"


def duration(seconds: float | None) -> str:
    """45s, 12m, 3h05m, 2d4h: seconds below a minute only, so that what stands for hours does not change every look."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
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
    """A value in its unit: ms, s, B, ratio and % (as percent), plain counts, or the unit written behind the number."""
    match unit:
        case "ms":
            return milliseconds(value)
        case "s" | "seconds":
            return milliseconds(None if value is None else value * 1e3)
        case "ratio" | "share":
            return percent(value)
        case "%" | "percent":
            return percent(None if value is None else value / 100)
        case "B" | "bytes":
            return binary_bytes(value)
        case "" | "count" | "req" | "score":
            return quantity(value)
    text = quantity(value)
    return text if text == NONE else f"{text}{unit}" if unit.startswith("/") else f"{text} {unit}"


def quiet(compared: int, models: int, baseline: str) -> str:
    """What is said where no change is told of `models`, of which only `compared` have a past to be compared with."""
    if not compared:
        return f"cannot tell: no rows to compare {_models(models)} with ({baseline})"
    others = f", {_models(models - compared)} without a baseline" if compared < models else ""
    whose = "its" if compared == 1 else "their"
    return f"nothing changed: {_models(compared)} within {whose} usual range ({baseline}){others}"


def _models(number: int) -> str:
    return "1 model" if number == 1 else f"{number} models"
