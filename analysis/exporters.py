"""What the metrics themselves say of their sources: a replica that exports or counts nothing any more, a stuck value.

Other series go on, so the source as a whole is alive; what the silent one would have said is missing all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, Severity, Signal
from analysis.cases import Case
from analysis.evidence import Series
from analysis.gauges import MODEL_LABELS, REPLICA_LABELS, live_samples, name_of, samples
from analysis.view import Frame, Window
from analysis.words import duration, measured

Floats = NDArray[np.float64]

MISSING, FROZEN, IDLE = "missing", "frozen", "idle"

COUNTED = "replica_requests"
"""The metric that counts the requests of each replica, per bucket."""

MISSED = 20.0
"""Requests that a replica must have missed by its usual share before it is called idle."""

SILENT_S = 180
"""Seconds without a sample, while others have some, from which a replica is missing; five buckets if that is more."""

MOVING = frozenset({"memory", "cpu", "gpu", "queue_time", "dependency_latency"})
"""Gauges that a running server changes from sample to sample."""

STUCK = 10
"""Equal samples in a row from which a gauge that used to move is stuck."""

MOVES = 0.9
"""Share of the baseline's samples that must differ from the one before."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A series that has no recent sample, while others of its source have."""

    series: Series
    newest: float
    """Unix seconds of its last sample."""


def silent_series(gauges: Iterable[Series], frame: Frame) -> tuple[Silent, ...]:
    """The series with a sample in the live window but none of late, as seen from the newest sample of all."""
    last = [(series, float(t[-1])) for series in gauges if len(t := live_samples(series, frame)[0])]
    newest = max((at for _, at in last), default=0.0)
    return tuple(Silent(series, at) for series, at in last if newest - at >= _patience(frame))


def exporter_cases(gauges: Sequence[Series], frame: Frame) -> list[Case]:
    """Replicas that export or count nothing any more and were not replaced, and stuck gauges: information, by model."""
    by_model: dict[str, list[Series]] = {}
    for series in gauges:
        by_model.setdefault(series.label(*MODEL_LABELS) or "", []).append(series)
    cases = []
    for model, own in by_model.items():
        cases += [case for test in (_missing, _idle, _frozen) if (case := test(own, frame, model)) is not None]
    return cases


def _missing(own: Sequence[Series], frame: Frame, model: str) -> Case | None:
    """Replicas of one model that fell silent: all their series did, and no other replica came for them.

    A roll-out replaces replicas, and a model that is scaled down has fewer: only the first is told apart, so what is
    left is information.
    """
    newest: dict[str, float] = {}
    began: dict[str, float] = {}
    for series in own:
        replica = series.label(*REPLICA_LABELS)
        times = series.t[np.isfinite(series.v)]
        if replica is None or not len(times):
            continue
        newest[replica] = max(newest.get(replica, 0.0), float(times[-1]))
        began[replica] = min(began.get(replica, np.inf), float(times[0]))
    end = max(newest.values(), default=0.0)
    silent = sorted(r for r, at in newest.items() if end - at >= _patience(frame) and at >= frame.live.start)
    alive = [r for r, at in newest.items() if end - at < _patience(frame)]
    came = sum(1 for r in alive if silent and began[r] >= min(newest[s] for s in silent) - _patience(frame))
    if not silent or not alive or came >= len(silent):
        return None
    first = min(newest[r] for r in silent)
    what = f"replica {silent[0]}" if len(silent) == 1 else f"{len(silent)} replicas ({', '.join(silent[:3])})"
    one = "exports" if len(silent) == 1 else "export"
    title = f"{what} {one} nothing for {duration(end - first)}, {len(alive)} of {len(alive) + len(silent)} go on"
    return _case(model, MISSING, title, first, frame, now=end - first, n=len(silent))


def _idle(own: Sequence[Series], frame: Frame, model: str) -> Case | None:
    """Replicas whose count of requests stands still while they export and others count: out of rotation, or stuck.

    What a replica has missed follows from its share in the reference windows and what the others counted meanwhile.
    Replicas that began to count at that time took its place.
    """
    counted = {r: s for s in own if s.metric == COUNTED and (r := s.label(*REPLICA_LABELS)) is not None}
    usual = {r: sum(float(samples(s, w)[1].sum()) for w in frame.references) for r, s in counted.items()}
    whole = sum(usual.values())
    since: dict[str, float] = {}
    for replica, series in counted.items():
        t, v = live_samples(series, frame)
        held = np.flatnonzero(v > 0)
        first = int(held[-1]) + 1 if len(held) else 0
        if len(t) and t[-1] + frame.step - t[min(first, len(t) - 1)] >= _patience(frame) and first < len(t):
            since[replica] = float(t[first])
    alive = [r for r in counted if r not in since and len(live_samples(counted[r], frame)[0])]
    rest = max(1e-9, sum(usual[r] for r in alive))
    idle = sorted(r for r, at in since.items() if _since(counted, alive, at) * usual[r] / rest >= MISSED)
    if not whole or not idle or not alive:
        return None
    first_idle = min(since[r] for r in idle)
    came = sum(1 for r in alive if _began(counted[r]) >= first_idle - _patience(frame))
    if came >= len(idle) or first_idle < frame.live.start + frame.step:
        return None
    what = f"replica {idle[0]}" if len(idle) == 1 else f"{len(idle)} replicas ({', '.join(idle[:3])})"
    one = "counts" if len(idle) == 1 else "count"
    age = float(max(live_samples(counted[r], frame)[0][-1] for r in idle)) + frame.step - first_idle
    title = f"{what} {one} no requests for {duration(age)}, {len(alive)} of {len(alive) + len(idle)} go on"
    return _case(model, IDLE, title, first_idle, frame, now=age, n=len(idle))


def _since(counted: Mapping[str, Series], replicas: Iterable[str], at: float) -> float:
    """Requests that some replicas counted from a moment on."""
    return sum(float(np.nansum(counted[r].v[counted[r].t >= at])) for r in replicas)


def _began(series: Series) -> float:
    """Unix seconds of the first bucket with a count."""
    held = series.t[np.nan_to_num(series.v) > 0]
    return float(held[0]) if len(held) else math.inf


def _frozen(own: Sequence[Series], frame: Frame, model: str) -> Case | None:
    """Gauges that used to move and have shown one value for ten samples or more, the longest first."""
    stuck = [
        (series, since)
        for series in own
        if series.metric in MOVING and (since := _stuck_since(series, frame)) is not None
    ]
    if not stuck:
        return None
    series, since = min(stuck, key=lambda found: found[1])
    t, v = live_samples(series, frame)
    more = f", and {len(stuck) - 1} more" if len(stuck) > 1 else ""
    value, age = measured(float(v[-1]), series.unit), float(t[-1]) + frame.step - since
    what = f"{name_of(series)} {series.metric.replace('_', ' ')}".strip()
    title = f"{what} exactly {value} for {duration(age)}{more}: exporter stuck?"
    return _case(model, FROZEN, title, since, frame, now=age, n=len(stuck))


def _stuck_since(series: Series, frame: Frame) -> float | None:
    """Unix seconds since when a gauge has not moved; None for one that moves, never did, or rests at zero or full."""
    t, v = live_samples(series, frame)
    if len(v) < STUCK or v[-1] in (0.0, 1.0):
        return None
    moved = np.flatnonzero(v != v[-1])
    first = int(moved[-1]) + 1 if len(moved) else 0
    if len(v) - first < STUCK:
        return None
    before = [samples(series, window)[1] for window in frame.references]
    steps = np.concatenate([np.diff(values) for values in before if len(values) > 1] or [np.zeros(0)])
    usual = len(steps) >= 3 * STUCK and float((steps != 0).mean()) >= MOVES
    return float(t[first]) if usual else None


def _patience(frame: Frame) -> float:
    return float(max(SILENT_S, 5 * frame.step))


def _case(model: str, check: str, title: str, onset: float, frame: Frame, *, now: float, n: int) -> Case:
    return Case(
        Finding(
            signal=Signal.INFRA,
            model=model,
            severity=Severity.INFO,
            title=title,
            effect=1.0,
            score=0.9,
            n=float(n),
            n_baseline=0.0,
            now=now,
            unit="s",
            onset=onset,
            subject=check,
            check=check,
        ),
        None,
        Window(int(onset), frame.live.end),
    )
