"""The saturation knee: the request rate beyond which latency climbs, from how the two went together in the past."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, Severity, Signal
from analysis.cases import Case
from analysis.evidence import Histogram, NumericBins
from analysis.quantiles import quantiles
from analysis.slices import model_histogram, window_sum, window_sums
from analysis.special import f_sf
from analysis.traffic import RATE_UNIT
from analysis.view import Frame
from analysis.words import quantity, ratio

Floats = NDArray[np.float64]

MIN_BUCKETS = 60
GROUP = 5
MIN_BEYOND = 2
"""Groups beyond the knee below which it is not known."""

CANDIDATES = 32
LEAST_RANGE = 1.3
"""Times its 5th percentile that the 95th of the request rate must reach: a steady load shows no knee."""

MAX_P = 0.001
CLIMB = 1.5
"""Times the latency at the knee that the highest rates must reach."""

WIDEST = 1.35
"""Highest over lowest rate that may as well be the knee, above which it is not placed."""

WITHIN_F = 3.9
"""95 % point of F with one degree of freedom and many."""

FLAT = 0.25
"""Largest part of the slope beyond the knee that the slope before it may have."""


LEAST_SCORE = 1.0
"""Score of a load beyond the knee under which latency rose, however small its rise is."""


@dataclass(frozen=True, slots=True)
class Knee:
    """Where latency begins to climb with load; rates in requests per second."""

    rate: float
    low: float
    high: float
    """95 % interval of `rate`."""
    climb: float
    """Times the latency at the knee that the highest rates reach."""
    now: float
    """Rate of the last five buckets."""
    n: int
    """Buckets behind it."""

    @property
    def beyond(self) -> bool:
        """Whether the load of the last buckets is beyond all that may be the knee."""
        return self.now > self.high

    @property
    def words(self) -> str:
        """~420 req/s (380-460)."""
        return f"~{quantity(self.rate)} req/s ({quantity(self.low)}-{quantity(self.high)})"


def knee(rate: Floats, latency: Floats) -> Knee | None:
    """The knee of [T] latencies over [T] request rates, ascending in time; None where it cannot be told.

    Buckets of alike rates are taken by fives, and the medians of each five fitted, which leaves single slow buckets
    out. On logarithms, a line with a bend against a straight line (F test, p < .001) and against a step: a fault that
    fell together with more load is a step, a queue that fills climbs with the load. Before the bend latency is nearly
    flat, beyond it it climbs by half or more. All bends that fit about as well must lie close together: they do not
    where no load between low and high was ever seen. Segmented regression: Muggeo 2003; knees of load curves: Gunther,
    *Guerrilla Capacity Planning*.
    """
    known = np.isfinite(rate) & np.isfinite(latency) & (rate > 0) & (latency > 0)
    if known.sum() < MIN_BUCKETS:
        return None
    x, y = _grouped(np.log(rate[known]), np.log(latency[known]))
    first, last = x[len(x) // 5], x[-MIN_BEYOND - 1]
    if last - first < 1e-6:
        return None
    bends = np.linspace(first, last, CANDIDATES)
    errors, slopes = _bent(x, y, bends)
    best, free = int(np.argmin(errors)), len(x) - 4
    before, beyond = float(slopes[best, 0]), float(slopes[best].sum())
    straight = float(_bent(x, y, x[-1:])[0][0])
    f = (straight - errors[best]) / 2 / max(errors[best] / free, 1e-12)
    climb = math.exp(beyond * (float(x[-1]) - bends[best]))
    alike = bends[errors <= errors[best] * (1 + WITHIN_F / free)]
    half = (last - first) / (CANDIDATES - 1) / 2
    low, high = math.exp(float(alike.min()) - half), math.exp(float(alike.max()) + half)
    real = float(f_sf(f, 2, free)) < MAX_P and errors[best] < _stepped(y).min()
    if not real or climb < CLIMB or beyond <= 0 or before > FLAT * beyond or high > WIDEST * low:
        return None
    recent = rate[known][-5:]
    return Knee(math.exp(float(bends[best])), low, high, climb, float(recent.mean()), int(known.sum()))


def _grouped(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """[T / 5] medians of x and y over five neighbours in the order of x; the lowest remainder is left out."""
    order = np.argsort(x, kind="stable")[len(x) % GROUP :].reshape(-1, GROUP)
    return np.median(x[order], axis=1), np.median(y[order], axis=1)


def _bent(x: Floats, y: Floats, bends: Floats) -> tuple[Floats, Floats]:
    """[C] squared errors of the best line with a bend at each of [C] places; [C, 2] slope before, and what it adds."""
    hinge = np.maximum(0.0, x[None] - bends[:, None])
    columns = np.stack([np.broadcast_to(np.ones_like(x), hinge.shape), np.broadcast_to(x, hinge.shape), hinge], axis=2)
    gram = np.einsum("cti,ctj->cij", columns, columns) + 1e-9 * np.eye(3)
    beta = np.linalg.solve(gram, np.einsum("cti,t->ci", columns, y)[..., None])[..., 0]
    errors: Floats = ((y[None] - np.einsum("cti,ci->ct", columns, beta)) ** 2).sum(axis=1)
    return errors, beta[:, 1:]


def _stepped(y: Floats) -> Floats:
    """[T - 1] squared errors of two levels, the second from each position but the first on."""
    at = np.arange(1, len(y))
    head, whole = np.cumsum(y)[:-1], float(y.sum())
    errors: Floats = float((y * y).sum()) - head**2 / at - (whole - head) ** 2 / (len(y) - at)
    return errors


def knee_of(latency: Histogram, model: str) -> Knee | None:
    """The knee of a model's median latency over its request rate, from every bucket that is known."""
    own = model_histogram(latency, model)
    counts, bins = own.n[:, 0], own.bins
    if not isinstance(bins, NumericBins) or len(counts) < MIN_BUCKETS:
        return None
    # The newest bucket is still being filled.
    counts = counts[:-1]
    rate = counts.sum(axis=1) / own.step
    low, high = np.quantile(rate, (0.05, 0.95))
    if high < LEAST_RANGE * low:
        return None
    return knee(rate, quantiles(counts, bins.edges, (0.5,))[:, 0])


def with_knee(rate: Case | None, slow: Case | None, latency: Histogram | None, frame: Frame, model: str) -> Case | None:
    """The case of the request rate, which says where the load is beyond the knee; that alone is a case where all slows.

    Where latency rose as well the load is a warning, from the bucket on in which it passed the knee: what it explains
    is a symptom, and a rise that would be no news by itself is its cause.

    Args:
        rate: a change of the request rate, or silence.
        slow: a change of the latency.
    """
    rises = rate is not None and rate.finding.signal is Signal.REQUEST_RATE and rate.finding.effect > 0
    slower = slow is not None and slow.finding.effect > 0 and slow.finding.severity.rank >= Severity.WARNING.rank
    if latency is None or not (rises or (rate is None and slower)):
        return rate
    found = knee_of(latency, model)
    now = rate.finding.now if rate is not None else None
    if found is None or max(found.now, now or 0.0) <= found.high:
        return rate
    passed = _passed(latency, found, frame, model)
    known = rate or _load(latency, found, frame, model)
    # The knee stands first: the end may be cut.
    words = f"requests beyond the knee of ~{quantity(found.rate)} req/s: {_rates(rate, found)}"
    finding = replace(known.finding, title=words, onset=known.finding.onset or passed)
    if slower and finding.severity.rank < Severity.WARNING.rank:
        finding = replace(finding, severity=Severity.WARNING, score=max(finding.score, LEAST_SCORE))
    return replace(known, finding=finding)


def _rates(rate: Case | None, found: Knee) -> str:
    """34.3 -> 64.3 x1.9, of a known change; else what the load is."""
    if rate is None or rate.finding.now is None or rate.finding.baseline is None:
        return f"{found.now:.3g}"
    before, now = rate.finding.baseline, rate.finding.now
    return f"{before:.3g} -> {now:.3g} {ratio(now, before)}"


def _passed(latency: Histogram, found: Knee, frame: Frame, model: str) -> float | None:
    """Unix seconds since when the load has been beyond the knee; None where that is before the live window."""
    own = model_histogram(latency, model)
    rate = own.n[:-1, 0].sum(axis=1) / own.step
    # One bucket below it is no way back.
    under = np.flatnonzero((rate[:-1] <= found.rate) & (rate[1:] <= found.rate))
    first = int(under[-1]) + 2 if len(under) else 0
    return float(own.t[first]) if first < len(rate) and own.t[first] >= frame.live.start else None


def _load(latency: Histogram, found: Knee, frame: Frame, model: str) -> Case:
    own = model_histogram(latency, model)
    rows = own.n[:, 0].sum(axis=1)
    finding = Finding(
        signal=Signal.REQUEST_RATE,
        model=model,
        severity=Severity.INFO,
        title="",
        effect=math.log(found.now / found.rate) / RATE_UNIT,
        score=0.0,
        n=float(window_sum(own.t, rows, frame.live)),
        n_baseline=float(window_sums(own.t, rows, frame.references).sum()),
        now=found.now,
        baseline=found.rate,
        unit="req/s",
    )
    return Case(finding, None, frame.live)
