"""The question: which models, which window, against which baseline, under which filter."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from analysis.filters import ALL, Filter

DAY_S = 86_400
WINDOWS_S = (300, 900, 1_800, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, DAY_S, 3 * DAY_S, 7 * DAY_S)
"""Lengths that `+` and `-` step through, in seconds."""

STEPS_S = (60, 120, 300, 600, 900, 1_800, 3_600, 7_200)
"""Bucket widths in seconds; each divides a day, so that buckets of two days align."""

REFERENCES = 8
"""Reference windows of a `previous` baseline (their spread is the noise)."""

FEW_DAYS = 3
"""Days below which the times around the same one of those days are references too: one day has no spread."""

BaselineKind = Literal["previous", "1d", "1w", "range", "version"]


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open interval [start, end) of unix seconds."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Seconds."""
        return self.end - self.start

    def shifted(self, seconds: int) -> Window:
        """The same length, `seconds` later (negative: earlier)."""
        return Window(self.start + seconds, self.end + seconds)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the window is compared with.

    `previous`: the windows directly before; `1d`, `1w`: the same time on the last days or weeks; `range`: a fixed
    reference range; `version`: the rows of another model version in the same window.
    """

    kind: BaselineKind = "previous"
    span: Window | None = None
    version: str | None = None

    @property
    def label(self) -> str:
        """How the header names it."""
        if self.kind == "version":
            return f"version {self.version}"
        if self.span is not None:
            return _range(self.span)
        return {"previous": "before", "1d": "1d ago", "1w": "1w ago", "range": "fixed range"}[self.kind]


@dataclass(frozen=True, slots=True)
class Frame:
    """A view at one moment: the live window and its K reference windows, newest first, all of the same length."""

    live: Window
    references: tuple[Window, ...]
    step: int
    """Bucket width in seconds; every window starts and ends on a multiple of it."""

    @property
    def span(self) -> Window:
        """From the oldest reference to the end of the live window."""
        return Window(min(w.start for w in (self.live, *self.references)), self.live.end)

    def baseline(self, version: str | None) -> tuple[Window, ...]:
        """The windows whose rows are the baseline; another version's rows of this very window are part of it."""
        return self.references if version is None else (self.live, *self.references[:-1])


@dataclass(frozen=True, slots=True)
class View:
    """The question an engineer is asking. A key press makes a new one."""

    window_s: int = 1_800
    end: int | None = None
    """Unix seconds of the window's end; None follows the clock."""
    baseline: Baseline = field(default_factory=Baseline)
    models: tuple[str, ...] = ()
    """Models to look at; empty means all."""
    focus: str | None = None
    """The model whose panels are drawn; None means the one of the first finding."""
    where: Filter = ALL

    @property
    def live(self) -> bool:
        """Whether the window follows the clock."""
        return self.end is None

    def zoomed(self, steps: int) -> View:
        """The next longer (positive) or shorter (negative) window of `WINDOWS_S`."""
        nearest = min(range(len(WINDOWS_S)), key=lambda i: abs(WINDOWS_S[i] - self.window_s))
        return replace(self, window_s=WINDOWS_S[max(0, min(len(WINDOWS_S) - 1, nearest + steps))])

    def moved(self, steps: int, now: float) -> View:
        """The window moved by `steps` quarter lengths; moving to or past `now` follows the clock again."""
        end = (self.end if self.end is not None else int(now)) + steps * max(60, self.window_s // 4)
        return replace(self, end=None if end >= now else end)

    @property
    def seasonal(self) -> bool:
        """Whether the baseline is the same time on other days."""
        return self.baseline.kind in ("1d", "1w")

    def frame(self, now: float, references: int = REFERENCES, oldest: float | None = None) -> Frame:
        """The windows that this view means at `now` (unix seconds).

        The live window ends on the bucket that holds the moment, so a live view includes the bucket being filled.

        Args:
            oldest: unix seconds of the oldest sample that is known of, None when nothing is. A seasonal baseline that
                would lie before it is the windows before instead.
        """
        step = bucket_step(self.window_s)
        moment = now if self.end is None else self.end
        end = -(-int(moment) // step) * step
        live = Window(end - max(step, self.window_s // step * step), end)
        kind, span = self.baseline.kind, self.baseline.span
        if kind == "range" and span is not None:
            start = span.start // step * step
            count = max(1, (span.end - start) // live.length)
            windows = tuple(
                Window(start + i * live.length, start + (i + 1) * live.length) for i in reversed(range(min(count, 24)))
            )
        elif kind in ("1d", "1w"):
            windows = _seasonal(live, kind, step, oldest) or _before(live, references)
        else:
            windows = _before(live, references)
        return Frame(live, windows, step)


def _before(live: Window, count: int) -> tuple[Window, ...]:
    return tuple(live.shifted(-live.length * (i + 1)) for i in range(count))


def _seasonal(live: Window, kind: BaselineKind, step: int, oldest: float | None) -> tuple[Window, ...]:
    """The same time on the last seven days or four weeks, as far back as there are samples; newest first.

    A window longer than a day (or a week) goes back by as many whole ones as it is long: else it would be compared with
    itself. Of weeks only the first is looked for: a store need not know how far it reaches back beyond that.
    """
    period, count = (DAY_S, 7) if kind == "1d" else (7 * DAY_S, 4)
    apart = -(-live.length // period)
    windows = tuple(live.shifted(-period * apart * (i + 1)) for i in range(max(1, count // apart)))
    if oldest is None:
        return windows
    known = tuple(window for window in windows if window.start + step >= oldest)
    if not known or kind == "1w":
        return windows if known else ()
    if len(known) >= FEW_DAYS or 3 * live.length > period:
        return known
    around = [window.shifted(side * live.length) for window in known for side in (1, 0, -1)]
    return tuple(window for window in around if window.start + step >= oldest)


def _range(span: Window) -> str:
    """A range with its day, as `11-20 10:00Z-12:00Z`; with both days where it ends on another one."""
    start, end = (datetime.fromtimestamp(moment, UTC) for moment in (span.start, span.end))
    day = "" if start.date() == end.date() else f"{end:%m-%d} "
    return f"{start:%m-%d %H:%MZ}-{day}{end:%H:%MZ}"


def bucket_step(window_s: int, columns: int = 120) -> int:
    """Bucket width in seconds for a window: at most `columns` buckets, never less than a minute."""
    return next((step for step in STEPS_S if window_s / step <= columns), STEPS_S[-1])
