"""CPU of one refresh: 200 features of 30 bins and 50 series of 300 points, judged, ranked and drawn as a snapshot.

    python -m bench.refresh [--features 200] [--models 5] [--repeats 20] [--profile]

Prints CPU milliseconds per refresh and their ratio to the limit of 50 ms, of a fleet that is well and of one in which
the inputs of one model moved (`MOVED` features, twelve minutes ago). Each repeat adds five seconds of rows to the
newest bucket, so that nothing is answered from memory.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import time
from dataclasses import replace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from analysis.answer import SourceStatus, State
from analysis.evidence import CategoryBins, Counts, Histogram, LogEvidence, MetricEvidence, NumericBins, Series, Traffic
from analysis.triage import Evidence, judge, picture
from analysis.view import Frame, View

Ints = NDArray[np.int64]

LIMIT_MS = 50.0
NOW = 1_800_000_000.0
VIEW = View(window_s=1_800)
BINS = 30
SERIES = 50
MOVED = 5
SINCE_S = 720
REFRESH_S = 5
RECENT = 10
"""Buckets that say what the usual rows are."""
LATENCY = NumericBins((-np.inf, *(0.1 * 2 ** (i / 8) for i in range(189)), np.inf))
CONFIDENCE = NumericBins(tuple(i / 20 for i in range(21)))


def histogram(
    rng: np.random.Generator, t: np.ndarray, models: list[str], bins: NumericBins | CategoryBins
) -> Histogram:
    """Clumped counts of every model."""
    shares = rng.dirichlet(np.full(len(bins), 2.0), len(models))
    size = rng.gamma(20, 30, (len(t), len(models), 1))
    n = rng.poisson(size * shares).astype(float)
    nothing = np.zeros(n.shape[:2])
    return Histogram(t, 60, tuple((m,) for m in models), bins, n, nothing, nothing.copy(), n.sum(axis=2))


def evidence(frame: Frame, features: int, models: int) -> Evidence:
    """A fleet that is well, over the window and its eight references."""
    rng = np.random.default_rng(5)
    t = np.arange(frame.span.start, frame.span.end, 60, dtype=np.int64)
    names = [f"model{i}" for i in range(models)]
    keys = tuple((name, "1") for name in names)
    shares = np.exp(-0.5 * ((np.arange(len(LATENCY)) - 70) / 9) ** 2)
    n = rng.poisson(600 * shares / shares.sum(), (len(t), models, len(LATENCY))).astype(float)
    nothing = np.zeros(n.shape[:2])
    requests = Counts(t, 60, keys, n.sum(axis=2))
    errors = Counts(t, 60, keys, rng.poisson(2.0, nothing.shape).astype(float))
    latency = Histogram(t, 60, keys, LATENCY, n, nothing, nothing, n.sum(axis=2))
    edges = NumericBins((-np.inf, *np.linspace(-3, 3, BINS - 1), np.inf), reference=True)
    columns = {f"feature{i:03}": histogram(rng, t, [names[i % models]], edges) for i in range(features)}
    logs = LogEvidence(
        traffic=Traffic(requests, errors, latency),
        confidence=histogram(rng, t, names, CONFIDENCE),
        features=columns,
        newest=float(frame.live.end - 1),
    )
    gauges = tuple(
        Series("cpu", (("model", names[i % models]), ("replica", str(i))), "ratio", t, 0.4 + 0.05 * rng.random(len(t)))
        for i in range(SERIES)
    )
    live = SourceStatus("logs", "files", State.LIVE, float(frame.live.end - 1))
    return Evidence(
        logs=logs,
        metrics=MetricEvidence(None, None, {}, gauges),
        log_sources=(live,),
        metric_sources=(replace(live, name="fleet", kind="scrape"),),
    )


def with_drift(known: Evidence, frame: Frame) -> Evidence:
    """The same fleet with the first features of the first model moved to higher bins since `SINCE_S`."""
    assert known.logs is not None
    features = dict(known.logs.features)
    own = [name for name, h in features.items() if (h.keys[0]) == ("model0",)][:MOVED]
    for name in own or list(features)[:MOVED]:
        h = features[name]
        n = h.n.copy()
        late = h.t >= frame.live.end - SINCE_S
        n[late, 0] = np.roll(n[late, 0], BINS // 4, axis=1)
        features[name] = replace(h, n=n)
    return replace(known, logs=replace(known.logs, features=features))


def touched(known: Evidence, rng: np.random.Generator) -> Evidence:
    """The same evidence five seconds later: more rows of the usual kind in the newest bucket."""
    assert known.logs is not None
    for h in known.logs.features.values():
        h.n[-1] += rng.poisson(h.n[-RECENT:-1].mean(axis=0) * (REFRESH_S / h.step))
    return replace(known, logs=replace(known.logs))


def measure(known: Evidence, frame: Frame, repeats: int, profile: cProfile.Profile | None) -> list[float]:
    """[repeats] CPU milliseconds of a refresh."""
    rng = np.random.default_rng(7)
    standing = judge(known, VIEW, frame, NOW, threshold=0.6).standing
    costs = []
    for _ in range(repeats):
        known = touched(known, rng)
        started = time.process_time()
        if profile is not None:
            profile.enable()
        judgement = judge(known, VIEW, frame, NOW, threshold=0.6, standing=standing)
        picture(judgement, known, VIEW, NOW, threshold=0.6)
        if profile is not None:
            profile.disable()
        standing = judgement.standing
        costs.append((time.process_time() - started) * 1e3)
    return costs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--profile", action="store_true")
    chosen = parser.parse_args()
    frame = VIEW.frame(NOW)
    profile = cProfile.Profile() if chosen.profile else None
    points = frame.span.length // frame.step
    print(f"{chosen.features} features x {BINS} bins, {SERIES} series x {points} points, {chosen.models} models")
    healthy = evidence(frame, chosen.features, chosen.models)
    for name, known in (("well", healthy), (f"{MOVED} features moved", with_drift(healthy, frame))):
        costs = measure(known, frame, chosen.repeats, profile)
        median = float(np.median(costs))
        print(
            f"  {name:18} median {median:5.1f} ms CPU, best {min(costs):5.1f} ms; {median / LIMIT_MS:.2f} of the limit"
        )
    if profile is not None:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
