"""Traffic: request rate, versions that first appear, and models that fall silent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, Mark, Severity, Signal
from analysis.cases import Case
from analysis.evidence import Counts
from analysis.filters import Eq
from analysis.lasting import interruption, rate_is_over, without_interruption
from analysis.ranking import lower_bound, severity, standard_error, weighted
from analysis.scales import Scale, scales
from analysis.since import since_level
from analysis.slices import grid, grid_times, key_index, model_counts, window_sum, window_sums
from analysis.view import Frame, Window
from analysis.words import duration, percent, ratio

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RATE_UNIT = math.log(1.3)
"""The log ratio of a request rate that is worth a look."""

RISE = 2.0
"""Times the expected rate from which a rise is urgent: what more requests do shows in latency, errors and queues."""

FALL = 1.5
"""Times fewer requests than expected from which a fall is urgent: a third of them is surely lost."""

VERSION_SHARE = 0.005
"""Share of the window's requests from which a new version is an event."""

SILENT_REQUESTS = 20
"""Requests that must be missing before a model counts as silent."""

SILENT_BUCKETS = 3


def models_of(counts: Counts) -> tuple[str, ...]:
    """Every model of the evidence, in alphabetical order."""
    return tuple(sorted({key[0] for key in counts.keys}))


def rate_case(requests: Counts, frame: Frame, newest: float | None, model: str) -> Case | None:
    """A change of the request rate beyond what the trend and the spread of the reference windows explain.

    With adjoining reference windows the expectation is their line in time on the log scale (traffic has a daily swing);
    otherwise their mean.
    """
    n = model_counts(requests, model)
    moves = [_move(requests.t, n, scale, newest, requests.step, frame) for scale in scales(frame, newest)]
    best = max((move for move in moves if move is not None), key=lambda move: (move.urgent, move.bound), default=None)
    if best is None or best.bound <= 0:
        return None
    onset = since_level(requests.t, n, frame, newest)
    return Case(
        Finding(
            signal=Signal.REQUEST_RATE,
            model=model,
            severity=severity(Signal.REQUEST_RATE, best.bound) if best.urgent else Severity.INFO,
            title=f"requests {_rate(best.expected)} -> {_rate(best.now)} {ratio(best.now, best.expected)}",
            effect=best.effect / RATE_UNIT,
            score=weighted(Signal.REQUEST_RATE, best.bound),
            n=best.now * best.window.length,
            n_baseline=float(window_sums(requests.t, n, frame.references).sum()),
            now=best.now,
            baseline=best.expected,
            unit="req/s",
            onset=None if onset is None else float(onset.start),
            onset_between=None if onset is None else onset.between,
        ),
        None,
        best.window if onset is None else Window(onset.start, frame.live.end),
    )


@dataclass(frozen=True, slots=True)
class _Move:
    """What the rate of one window says; rates in requests per second."""

    window: Window
    now: float
    expected: float
    effect: float
    """log(now / expected)."""
    bound: float
    """Lower bound of |effect| in units."""
    urgent: bool


def _move(t: Ints, n: Floats, scale: Scale, newest: float | None, step: int, frame: Frame) -> _Move | None:
    """The rate of a window against its references; None without requests, three references or half of the window."""
    live = _complete(scale.live, newest, step)
    if live.length < scale.live.length / 2:
        return None
    now = float(window_sum(t, n, live)) / live.length
    rates = window_sums(t, n, scale.references) / np.array([w.length for w in scale.references])
    used = rates > 0
    if used.sum() < 3 or now <= 0:
        return None
    logs = np.log(rates[used])
    middles = np.array([(w.start + w.end) / 2 for w in scale.references])[used]
    expected, residuals = _expectation(middles, logs, (live.start + live.end) / 2, adjoining=frame_adjoins(frame))
    effect = math.log(now) - expected
    sampling = math.sqrt(1 / max(1.0, now * live.length))
    bound = lower_bound(effect, standard_error(residuals, sampling, RATE_UNIT), RATE_UNIT)
    urgent = bound * RATE_UNIT >= math.log(RISE if effect > 0 else FALL)
    # A burst as high as one before it is the usual traffic.
    urgent = urgent and (effect < 0 or now > float(rates.max()))
    return _Move(live, now, math.exp(expected), effect, bound, urgent and _lasts(t, n, live, step, math.exp(expected)))


def _lasts(t: Ints, n: Floats, live: Window, step: int, expected: float) -> bool:
    """Whether a change goes on, or is as urgent without its worst four minutes: it comes and goes."""
    buckets = grid(t, n, live, step)
    usual, now = expected * step, float(buckets.mean())
    if not rate_is_over(buckets, usual, now):
        return True
    kept = without_interruption(buckets - usual if now > usual else usual - buckets, interruption(step))
    if kept is None:
        return False
    rest = float(buckets[kept].mean())
    return rest >= RISE * usual if now > usual else rest <= usual / FALL


def frame_adjoins(frame: Frame) -> bool:
    """Whether the reference windows lie directly before the live one."""
    return any(window.end == frame.live.start for window in frame.references)


def _expectation(times: Floats, logs: Floats, at: float, *, adjoining: bool) -> tuple[float, Floats]:
    """Expected log rate at a time, and the residuals of the reference windows."""
    if not adjoining or len(logs) < 4:
        centre = float(np.median(logs))
        return centre, logs - centre
    width = max(1.0, float(np.ptp(times)))
    x, beyond = (times - times.mean()) / width, (at - times.mean()) / width
    squares = max(1e-9, float((x * x).sum()))
    slope = float((x * (logs - logs.mean())).sum()) / squares
    residuals = logs - logs.mean() - slope * x
    # A line extended past its points errs by more than its residuals: by the leverage of the point beyond.
    leverage = math.sqrt(1 + 1 / len(logs) + beyond**2 / squares)
    widened: Floats = residuals * leverage
    return float(logs.mean()) + slope * beyond, widened


def _complete(window: Window, newest: float | None, step: int) -> Window:
    """The part of a window whose buckets are complete."""
    if newest is None:
        return window
    return Window(window.start, max(window.start, min(window.end, int(newest) // step * step)))


def _rate(value: float) -> str:
    return f"{value:.3g} req/s"


def version_title(usual: str, version: str, share: float, worse: Sequence[str] = ()) -> str:
    """`version 41 -> 42: errors x12, 19% of requests`: what it does stands first: the end may be cut."""
    own = f": {', '.join(worse)}" if worse else ""
    return f"version {usual} -> {version}{own}, {percent(share)} of requests"


def version_events(requests: Counts, frame: Frame, model: str) -> Iterator[tuple[Case, Mark]]:
    """Each version of a model that the reference windows do not know, as a finding and as a mark on every chart."""
    at = key_index(requests.keys, model=model)
    versions = [requests.keys[int(i)][1] for i in at]
    live = grid(requests.t, requests.n[:, at], frame.live, requests.step)
    before = window_sums(requests.t, requests.n[:, at], frame.references).sum(axis=0)
    total = live.sum()
    if before.sum() <= 0 or total <= 0:
        return
    times = grid_times(frame.live, requests.step)
    usual = versions[int(np.argmax(before))]
    for i, version in enumerate(versions):
        share = float(live[:, i].sum() / total)
        if not version or before[i] > 0 or share < VERSION_SHARE:
            continue
        first = float(times[int(np.argmax(live[:, i] > 0))])
        yield (
            Case(
                Finding(
                    signal=Signal.VERSION,
                    model=model,
                    severity=Severity.INFO,
                    title=version_title(usual, version, share),
                    effect=share,
                    score=0.5,
                    n=float(live[:, i].sum()),
                    n_baseline=float(before.sum()),
                    now=share,
                    baseline=0.0,
                    unit="ratio",
                    onset=first,
                    subject=version,
                ),
                Eq("version", version),
                Window(int(first), frame.live.end),
            ),
            Mark(first, "version", f"{usual}->{version}", model),
        )


def silence_case(requests: Counts, frame: Frame, newest: float | None, model: str) -> Case | None:
    """A model whose rows stopped while the rest of its source goes on.

    Silent: no row for at least three buckets in which the reference windows' lowest rate would have brought 20.
    """
    n = model_counts(requests, model)
    windows = frame.references
    rates = window_sums(requests.t, n, windows) / np.array([w.length for w in windows])
    if not (rates > 0).any():
        return None
    rate = float(rates[rates > 0].min())
    rows = requests.t[(n > 0) & (requests.t < frame.live.end)]
    last = int(rows.max()) + requests.step if len(rows) else frame.references[-1].start
    if not frame_adjoins(frame):
        # What happened between a window of another day and this one is not known.
        last = max(last, frame.live.start)
    end = frame.live.end if newest is None else min(frame.live.end, int(newest) // requests.step * requests.step)
    gap = end - last
    expected = gap * rate
    if gap < SILENT_BUCKETS * requests.step or expected < SILENT_REQUESTS:
        return None
    bound = 1.0 + math.log10(expected)
    return Case(
        Finding(
            signal=Signal.STALENESS,
            model=model,
            severity=severity(Signal.STALENESS, bound),
            title=f"silent for {duration(gap)}, {rate:.3g} req/s before",
            effect=-bound,
            score=weighted(Signal.STALENESS, bound),
            n=0.0,
            n_baseline=float(rates.sum() * windows[0].length),
            now=0.0,
            baseline=rate,
            unit="req/s",
            onset=float(last),
        ),
        None,
        Window(max(frame.live.start, last), frame.live.end),
    )
