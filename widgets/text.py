"""How a number, a moment or a foreign text is written: shared by every panel and by the report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from rich.cells import cell_len, get_character_cell_size

from analysis import words
from analysis.printable import printable as printable
from analysis.words import NONE as NONE
from analysis.words import duration as duration
from analysis.words import measured as quantity
from analysis.words import milliseconds as ms
from analysis.words import percent as percent
from analysis.words import quantity as count

__all__ = [
    "NONE", "TIMES", "age", "ago", "between", "clock", "count", "cut", "cut_words", "duration", "exact", "fit", "ms",
    "percent", "points", "printable", "quantity", "ratio", "share", "since", "sparkline", "tenths", "within", "wrap",
]  # fmt: skip

_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.-=+*%#"


def age(seconds: float | None) -> str:
    """One unit only, for a column of ages: 4s, 7m, 3h, 2d."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    whole = max(0, int(seconds))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if whole >= size * (2 if unit == "m" else 1):
            return f"{min(whole // size, 9999)}{unit}"
    return f"{whole}s"


def ago(t: float | None, now: float) -> str:
    """How long before `now` (both unix seconds), as the list of changes writes it: t-08m, t-2h05."""
    if t is None or not math.isfinite(t):
        return NONE
    minutes = max(0, int(now - t) // 60)
    if minutes < 100:
        return f"t-{minutes:02d}m"
    if minutes < 48 * 60:
        return f"t-{minutes // 60}h{minutes % 60:02d}"
    return f"t-{min(minutes // 1440, 9999)}d"


def share(value: float | None) -> str:
    """A number between 0 and 1 as a column shows it: .71, 1.0, 0."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:.2f}"
    return text.replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.1f}"


def tenths(value: float | None) -> str:
    """A share to a tenth of a point, which is what labels can tell."""
    return NONE if value is None or not math.isfinite(value) else f"{value * 100:.1f}%"


def between(interval: tuple[float, float]) -> str:
    """An interval of shares in percent: 63.3-65.7."""
    low, high = (bound * 100 for bound in interval)
    return f"{low:.1f}-{high:.1f}" if high < 99.95 else f"{low:.1f}-100"


def points(change: float) -> str:
    """A change of a share in points, without a minus before zero."""
    return f"{round(change * 100, 1) + 0.0:+.1f}pp"


def ratio(now: float | None, baseline: float | None) -> str:
    """How many times the baseline: x3.9, x0.42; `--` when there is nothing to divide by."""
    return NONE if now is None or baseline is None else words.ratio(now, baseline) or NONE


def clock(t: float | None, zone: tzinfo | None = UTC, *, seconds: bool = False, named: bool = True) -> str:
    """The time of day of unix seconds `t` in `zone`: 03:12Z, 04:12 CET; None is the zone of this machine."""
    if t is None or not math.isfinite(t):
        return NONE
    try:
        moment = datetime.fromtimestamp(t, UTC).astimezone(zone)
    except (OverflowError, OSError, ValueError):
        return NONE
    text = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    if not named:
        return text
    return f"{text}Z" if zone is UTC else f"{text} {moment.tzname() or ''}".rstrip()


TIMES = ("ts", "label_ts")
"""Fields of a record that are moments, in unix seconds."""


def exact(t: float, zone: tzinfo | None = UTC, *, dated: bool = False) -> str:
    """Unix seconds `t` to the millisecond: 03:12:44.071Z; `dated` puts the day before it."""
    moment = datetime.fromtimestamp(t, UTC).astimezone(zone)
    day = f"{moment:%Y-%m-%d} " if dated else ""
    name = "Z" if zone is UTC else f" {moment.tzname() or ''}".rstrip()
    return f"{day}{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}{name}"


def since(
    t: float | None, between: tuple[float, float] | None, zone: tzinfo | None = UTC, *, near: float | None = None
) -> str:
    """When something began, and between which minutes it may have: `14:03Z (14:02-14:05)`.

    Args:
        near: a moment, unix seconds; an onset a day or more away from it carries its date.
    """
    text = clock(t, zone)
    if t is None or text == NONE:
        return NONE
    if near is not None and abs(near - t) >= 86_400:
        text = f"{datetime.fromtimestamp(t, UTC).astimezone(zone):%m-%d} {text}"
    return text + within(between, zone)


def within(between: tuple[float, float] | None, zone: tzinfo | None = UTC) -> str:
    """An interval of time behind a moment: ` (14:02-14:05)`; empty where it is one minute, or not known."""
    low, high = (clock(moment, zone, named=False) for moment in between or (0.0, 0.0))
    return "" if low == high else f" ({low}-{high})"


def fit(text: str, width: int, *, right: bool = False, ascii: bool = False) -> str:  # noqa: A002
    """`text` in exactly `width` cells: padded with blanks, or cut with an ellipsis."""
    cells = len(text) if text.isascii() else cell_len(text)
    if cells > width:
        text = cut(text, width, ascii=ascii)
        cells = cell_len(text)
    blanks = " " * (width - cells)
    return blanks + text if right else text + blanks


def cut(text: str, width: int, *, ascii: bool = False) -> str:  # noqa: A002
    """At most `width` cells of `text`; an ellipsis says that there was more.

    A wide character is never halved, nor a number that something stands before: "-> 4…" reads as if it began with 4.
    """
    if width <= 0:
        return ""
    if (len(text) if text.isascii() else cell_len(text)) <= width:
        return text
    sign = "~" if ascii else "…"
    used, out = 0, []
    for char in text:
        cells = get_character_cell_size(char)
        if used + cells > width - 1:
            break
        used += cells
        out.append(char)
    kept = "".join(out)
    if kept[-1:].isdigit() or kept[-1:] == ".":
        rest = text[len(kept)]
        whole = kept.rstrip("0123456789.,") if rest.isalnum() or rest in ".,%" else kept
        kept = whole if whole.strip() else kept
    return kept + sign


def cut_words(text: str, width: int, *, ascii: bool = False) -> str:  # noqa: A002
    """At most `width` cells of `text`, cut between words where the first one fits: "not…" is not what was said."""
    kept = cut(text, width, ascii=ascii)
    if kept == text or text[len(kept) - 1 :][:1] == " ":
        return kept
    whole, blank, _ = kept[:-1].rpartition(" ")
    return whole + kept[-1] if blank and whole.strip() else kept


def wrap(text: str, width: int, lines: int) -> list[str]:
    """`text` in at most `lines` rows of `width` cells, broken at blanks if it can be; the last row is cut."""
    out: list[str] = []
    rest = text
    while rest and len(out) < lines - 1 and width > 1:
        used, at = 0, 0
        for char in rest:
            cells = get_character_cell_size(char)
            if used + cells > width:
                break
            used += cells
            at += 1
        blank = rest.rfind(" ", 0, at + 1) if at < len(rest) else -1
        if blank > at // 2:
            out.append(rest[:blank])
            rest = rest[blank + 1 :]
        else:
            out.append(rest[:at])
            rest = rest[at:]
    if rest and lines > 0:
        out.append(cut(rest, width))
    return out


def sparkline(values: Sequence[float] | Iterable[float], width: int, *, ascii: bool = False) -> str:  # noqa: A002
    """`values` as one row of `width` bars; a gap (NaN) is a dot.

    Fewer values than cells: each is drawn wider; more: each cell shows its largest. The scale is at least 60 % of the
    largest value wide, so that noise does not look like news, and zero alone is drawn at the foot.
    """
    bars, gap = (_ASCII_BARS, " ") if ascii else (_BARS, "·")
    given = [float(value) for value in values]
    if width <= 0:
        return ""
    size = len(given)
    columns: list[float] = []
    for i in range(width if size else 0):
        first = i * size // width
        part = [v for v in given[first : max(first + 1, (i + 1) * size // width)] if math.isfinite(v)]
        columns.append(max(part) if part else math.nan)
    present = [v for v in columns if not math.isnan(v)]
    if not present:
        return gap * width
    largest = max(abs(v) for v in present) or 1.0
    low, high = min(present) / largest, max(present) / largest
    scale = max(high - low, 0.6)
    low -= scale / len(bars) if low else 0.0
    levels = [math.nan if math.isnan(v) else (v / largest - low) / scale * (len(bars) - 1) for v in columns]
    return "".join(gap if math.isnan(v) else bars[max(0, min(len(bars) - 1, round(v)))] for v in levels)
