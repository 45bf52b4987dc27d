"""CPU of one refresh: 200 features of 30 bins and 50 series of 300 points, judged, ranked and drawn as a snapshot.

    python -m bench.refresh [--features 200] [--models 5] [--repeats 20] [--profile]

Prints CPU milliseconds per refresh and their ratio to the limit of 50 ms. The newest bucket changes before each
repeat, so that nothing is answered from memory.
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


def touched(known: Evidence) -> Evidence:
    """The same evidence with a few more rows in the newest bucket."""
    assert known.logs is not None
    for h in known.logs.features.values():
        h.n[-1] += 1
    return replace(known, logs=replace(known.logs))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--profile", action="store_true")
    chosen = parser.parse_args()
    frame = VIEW.frame(NOW)
    known = evidence(frame, chosen.features, chosen.models)
    standing = judge(known, VIEW, frame, NOW, threshold=0.6).standing
    profile = cProfile.Profile()
    costs = []
    for _ in range(chosen.repeats):
        known = touched(known)
        started = time.process_time()
        if chosen.profile:
            profile.enable()
        judgement = judge(known, VIEW, frame, NOW, threshold=0.6, standing=standing)
        picture(judgement, known, VIEW, NOW, threshold=0.6)
        profile.disable()
        standing = judgement.standing
        costs.append((time.process_time() - started) * 1e3)
    if chosen.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
    median = float(np.median(costs))
    points = frame.span.length // 60
    print(
        f"{chosen.features} features x {BINS} bins, {SERIES} series x {points} points,"
        f" {chosen.models} models: median {median:.1f} ms CPU, best {min(costs):.1f} ms;"
        f" ratio to the limit of {LIMIT_MS:.0f} ms: {median / LIMIT_MS:.2f}"
    )


if __name__ == "__main__":
    main()
