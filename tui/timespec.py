"""Durations, moments and baselines as an engineer types them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from analysis.view import Baseline, Window
from tui.config_schema import Zone

UNITS_S = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(\d{1,9}[wdhms])+")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(Z?)", re.IGNORECASE)
_UNIX = re.compile(r"\d{9,}(\.\d*)?")
_LATEST_S = 32_503_680_000  # the year 3000: beyond it a number is in milliseconds


class TimeSpecError(ValueError):
    """The text is not a duration, moment or baseline; the message says what would be."""


def parse_duration(text: str) -> int:
    """Seconds of `90s`, `30m`, `2h`, `1d`, `1w` or a sum such as `1h30m`.

    Raises:
        TimeSpecError: anything else, zero included.
    """
    text = text.strip().lower()
    if not _DURATION.fullmatch(text):
        raise TimeSpecError(
            f"{text!r} is not a duration: write a number and a unit, such as 90s, 30m, 2h, 1d, 1w or 1h30m"
        )
    seconds = sum(int(part[:-1]) * UNITS_S[part[-1]] for part in re.findall(r"\d+[wdhms]", text))
    if seconds == 0:
        raise TimeSpecError(f"{text!r} is no time at all")
    return seconds


def format_duration(seconds: int) -> str:
    """The shortest text that `parse_duration` reads as `seconds` (positive)."""
    parts = []
    for unit, length in UNITS_S.items():
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_window(text: str) -> int:
    """Seconds of a window: a duration from 1m to 30d.

    Raises:
        TimeSpecError: not a duration, or outside these limits.
    """
    seconds = parse_duration(text)
    if not 60 <= seconds <= 30 * 86_400:
        raise TimeSpecError(f"a window of {text.strip()} is outside 1m to 30d")
    return seconds


def parse_time(text: str, now: float, zone: Zone = "utc") -> int:
    """Unix seconds of a moment.

    Forms: `now`; `-2h`, `-1h30m` (before `now`); `03:01`, `03:01:30` (the latest such moment not after `now`);
    `2026-11-22`, `2026-11-22T03:12`, `2026-11-22 03:12:44` in `zone`, with `Z` or an offset such as `+01:00` in that;
    unix seconds.

    Raises:
        TimeSpecError: anything else.
    """
    text = text.strip()
    if text.lower() == "now":
        return int(now)
    if text.startswith("-"):
        try:
            return int(now) - parse_duration(text[1:])
        except TimeSpecError:
            raise TimeSpecError(f"{text!r} is not a time: after a minus, write a duration, such as -2h") from None
    if _UNIX.fullmatch(text):
        if float(text) >= _LATEST_S:
            raise TimeSpecError(f"{text!r} looks like milliseconds: write unix seconds")
        return int(float(text))
    if clock := _CLOCK.fullmatch(text):
        return _latest(clock, now, "utc" if clock[4] else zone)
    try:
        return int(_in_zone(datetime.fromisoformat(text), zone).timestamp())
    except (ValueError, OverflowError, OSError):
        raise TimeSpecError(
            f"{text!r} is not a time: write now, -2h, 03:01, 2026-11-22, 2026-11-22T03:12Z or unix seconds"
        ) from None


def format_time(moment: int) -> str:
    """`2026-11-22T03:12:44Z`, which `parse_time` reads back."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_baseline(text: str, now: float, zone: Zone = "utc") -> Baseline:
    """Read `previous`, `1d`, `1w`, `FROM..TO` (two moments) or `version:V`.

    Raises:
        TimeSpecError: anything else, or a range that ends before it starts.
    """
    text = text.strip()
    match text:
        case "previous":
            return Baseline("previous")
        case "1d":
            return Baseline("1d")
        case "1w":
            return Baseline("1w")
    if text.startswith("version:") and (version := text.removeprefix("version:").strip()):
        return Baseline("version", version=version)
    if ".." in text:
        start, end = (parse_time(part, now, zone) for part in text.split("..", 1))
        if end - start < 60:
            raise TimeSpecError(f"the baseline {text!r} is shorter than a minute: write the earlier time first")
        return Baseline("range", span=Window(start, end))
    raise TimeSpecError(f"{text!r} is not a baseline: write previous, 1d, 1w, FROM..TO or version:V")


def format_baseline(baseline: Baseline) -> str:
    """The text that `parse_baseline` reads back."""
    if baseline.kind == "version":
        return f"version:{baseline.version}"
    if baseline.span is not None:
        return f"{format_time(baseline.span.start)}..{format_time(baseline.span.end)}"
    return baseline.kind


def _latest(clock: re.Match[str], now: float, zone: Zone) -> int:
    """The last moment up to `now` at which the clock of `zone` showed these hours, minutes and seconds."""
    today = datetime.fromtimestamp(now, UTC if zone == "utc" else None)
    try:
        moment = today.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3] or 0), microsecond=0)
    except ValueError:
        raise TimeSpecError(f"{clock[0]!r} is not a time of day: hours go to 23, minutes and seconds to 59") from None
    if moment.timestamp() > now:
        moment -= timedelta(days=1)
    return int(moment.timestamp())


def _in_zone(moment: datetime, zone: Zone) -> datetime:
    # A moment without a zone is local time to datetime.timestamp(), with the offset of its own date.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None and zone == "utc" else moment
