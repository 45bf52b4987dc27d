"""Days as a baseline: which of the same times on earlier days are fit to be compared with.

A day without rows is left out, and so is one that stands apart from the others: an incident of yesterday would widen
the noise until it hides the one of today, or make a healthy day look changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import NumericBins, Traffic
from analysis.latency import percentiles
from analysis.quantiles import min_count
from analysis.slices import model_counts, model_histogram, window_sum, window_sums
from analysis.traffic import frame_adjoins, models_of
from analysis.view import DAY_S, Frame, View, Window
from analysis.words import duration, percent

Floats = NDArray[np.float64]

LEAST_DAYS = 4
"""Days with rows below which none can be said to stand apart."""

APART = 5.0
"""Robust standard deviations from the median of the days at which one stands apart (Iglewicz and Hoaglin 1993 take 3.5
for single values; days differ by more than chance)."""

MAD_TO_SD = 1.4826
"""Median absolute deviation to standard deviation, for normal values."""

LATENCY_APART, RATE_APART, ERRORS_APART = math.log(1.5), math.log(3.0), 0.02
"""What a day must differ by in any case: p95 by half, the rate threefold (a Sunday is no incident), errors by .02."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A reference window that is not used."""

    window: Window
    why: str


def on_other_days(view: View, frame: Frame) -> bool:
    """Whether the references are other days, as the view asks: without any history they are the windows before."""
    return view.seasonal and (view.window_s >= DAY_S or not frame_adjoins(frame))


def usable(frame: Frame, traffic: Iterable[Traffic]) -> tuple[Frame, tuple[LeftOut, ...]]:
    """The frame without the reference windows that hold no rows or stand apart, and those windows, newest first.

    Standing apart: the p95, the rate or the error share of a model differs from the median of the windows by more than
    five robust standard deviations and by half (rate: threefold, errors: two points). At most a third of the windows
    are left out for it, the worst first: where more are apart, that is how the days are. A frame of which nothing would
    be left is returned as it is.
    """
    windows = frame.references
    known = [part for part in traffic if part.requests.n.size]
    rows = np.sum([window_sums(p.requests.t, p.requests.n, windows).sum(axis=1) for p in known], axis=0)
    if not known or not rows.any():
        return frame, ()
    why = {int(i): "no rows" for i in np.flatnonzero(rows == 0)}
    filled = np.flatnonzero(rows > 0)
    if len(filled) >= LEAST_DAYS:
        held = [windows[i] for i in filled]
        worst: dict[int, tuple[float, str]] = {}
        for name, values, least, words in (row for part in known for row in _courses(part, held)):
            for i, times in enumerate(_apart(values, least)):
                if times > max(1.0, worst.get(i, (0.0, ""))[0]):
                    worst[i] = (times, f"{name} {words[i]}")
        for i in sorted(worst, key=lambda i: -worst[i][0])[: len(filled) // 3]:
            why[int(filled[i])] = worst[i][1]
    kept = tuple(window for i, window in enumerate(windows) if i not in why)
    return replace(frame, references=kept), tuple(LeftOut(windows[i], why[i]) for i in sorted(why))


def days_in_words(frame: Frame, left_out: Iterable[LeftOut]) -> str:
    """Which days are the baseline and which are not, for a reader: "same time 1d 2d 4d ago; not 3d: no rows"."""

    def ago(window: Window) -> str:
        return duration(round((frame.live.start - window.start) / DAY_S) * DAY_S)

    used = dict.fromkeys(ago(window) for window in frame.references)
    around = " and around it" if len(used) < len(frame.references) else ""
    said = f"baseline: same time {' '.join(used)} ago{around}"
    reasons: dict[str, list[str]] = {}
    for day in left_out:
        reasons.setdefault(day.why, []).append(ago(day.window))
    return "; ".join([said, *(f"not {' '.join(days)}: {why}" for why, days in reasons.items())])


def baseline_notes(
    traffic: Traffic | None, view: View, frame: Frame, left_out: tuple[LeftOut, ...], of_version: str | None = None
) -> tuple[str, ...]:
    """What the answer is compared with where that is not plain, and what limits it: reference windows without data.

    Args:
        of_version: the version whose rows the references of `traffic` are.
    """
    if traffic is None:
        return ()
    if of_version is not None:
        return (_version_note(traffic, of_version, frame),)
    filled = [window for window in frame.references if _holds_rows(traffic, window)]
    if not filled:
        hint = ": c chooses another baseline" if view.seasonal else ""
        return (f"no baseline: the reference windows hold no data, so no change can be told{hint}",)
    notes = []
    if on_other_days(view, frame):
        notes.append(days_in_words(frame, left_out))
    elif view.seasonal:
        notes.append("no history of other days: compared with the windows before")
    if len(filled) < len(frame.references):
        notes.append(f"thin baseline: {len(filled)} of {len(frame.references)} reference windows hold data")
    return tuple(notes)


def _version_note(traffic: Traffic, version: str, frame: Frame) -> str:
    """Which rows of another version are the baseline, and for which models there are none."""
    requests = traffic.requests
    held = frame.references
    without = [
        model
        for model in models_of(requests)
        if not window_sums(requests.t, model_counts(requests, model), held).any()
        and window_sum(requests.t, model_counts(requests, model), frame.live) > 0
    ]
    reach = duration(frame.live.length * len(held))
    if len(without) == len(models_of(requests)):
        return f"no baseline: version {version} has no rows in the last {reach}: c chooses another baseline"
    others = f"; not compared: {', '.join(without)}" if without else ""
    return f"baseline: version {version}, last {reach}, no other days{others}"


def _holds_rows(traffic: Traffic, window: Window) -> bool:
    return bool(window_sum(traffic.requests.t, traffic.requests.n, window).sum() > 0)


def _courses(traffic: Traffic, windows: list[Window]) -> Iterator[tuple[str, Floats, float, list[str]]]:
    """Of each model: its name, a statistic [K] of the windows (NaN: too few rows), the least that counts, in words."""
    requests = traffic.requests
    for model in models_of(requests):
        n = window_sums(requests.t, model_counts(requests, model), windows)
        rates = n / np.array([window.length for window in windows])
        with np.errstate(divide="ignore"):
            yield model, np.log(rates), RATE_APART, [f"{rate:.3g} req/s" for rate in rates]
        if traffic.errors is not None:
            failed = window_sums(traffic.errors.t, model_counts(traffic.errors, model), windows)
            share = np.divide(failed, n, out=np.full(len(n), np.nan), where=n > 0)
            yield model, share, ERRORS_APART, [f"errors {percent(value)}" for value in share]
        if traffic.latency is None:
            continue
        own = model_histogram(traffic.latency, model)
        if isinstance(own.bins, NumericBins) and own.n.size:
            counts = window_sums(own.t, own.n[:, 0], windows)
            p95 = np.where(counts.sum(axis=1) >= min_count(0.95), percentiles(counts, own.bins)[:, 2], np.nan)
            usual = float(np.nanmedian(p95)) if np.isfinite(p95).any() else math.nan
            yield model, np.log(p95), LATENCY_APART, [f"p95 x{value / usual:.1f}" for value in p95]


def _apart(values: Floats, least: float) -> Floats:
    """[K] distance of each value from the median, 1 where it begins to stand apart; 0 with too few values."""
    known = np.isfinite(values) | np.isneginf(values)
    if known.sum() < LEAST_DAYS:
        return np.zeros(len(values))
    # A model without a row on that day has a rate of log 0: infinitely far, yet no reason for infinite spread.
    centre = float(np.median(values[known]))
    if not math.isfinite(centre):
        return np.zeros(len(values))
    distance = np.where(known, np.abs(values - centre), 0.0)
    limit = max(APART * MAD_TO_SD * float(np.median(distance[known])), least)
    return np.minimum(distance / limit, 1e9) if math.isfinite(limit) else np.zeros(len(values))
