"""False alarms on healthy traffic, and what the same rule finds: `python -m bench.alarms [--days 2] [--features 200]`.

One model at a time, a simulated day of minute buckets, judged by what the session itself calls (`triage.judge`, which
settles). A finding counts once when it becomes a warning or worse, and again only after it was forgotten. One look a
minute at a random second: within a minute of data further looks confirm nothing (`--looks` shows it). Design families
are those on which the rules were chosen or whose alarms were looked at; held-out families are noisy for other reasons,
and decide.

Beside it, on the same features and windows, the fixed thresholds of other tools: PSI > 0.2,
NannyML's Jensen-Shannon > 0.1, Evidently's (Jensen-Shannon > 0.1 for categories, Wasserstein > 0.1 for numbers), each
counted when it holds at two looks in a row, a quarter of an hour apart.
Then planted faults: the share found as a warning within ten minutes, and the median minutes until then.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from analysis.answer import FeatureRow, Finding, FindingKey, Severity, Signal
from analysis.evidence import LogEvidence, MetricEvidence
from analysis.readings import readings
from analysis.settling import CONFIRMED, Standing
from analysis.special import gamma_sf
from analysis.triage import Evidence, judge
from analysis.view import View
from bench.healthy import (
    CONFIDENCE_BINS,
    DAY,
    DESIGN,
    FRESH,
    HELD_OUT,
    HISTORY,
    START,
    STEP,
    Family,
    Planted,
    day,
    gauges,
)

NOTHING = Planted()
FIXED_EVERY = 15
LIMIT = 1.0
"""Findings of warning or above per model and day."""

WEEK = 1 / 7
"""One a week: the goal after it."""

FAULTS = {
    "p50 x1.5": (Planted(latency=math.log(1.5)), Signal.LATENCY),
    "p99: 5 % a second more": (Planted(slow=0.05), Signal.LATENCY),
    "errors + 3 %": (Planted(errors=0.03), Signal.ERROR),
    "traffic x0.3": (Planted(rate=math.log(0.3)), Signal.REQUEST_RATE),
    "mean + 0.5 sd": (Planted(shift=0.5), Signal.FEATURE),
    "nulls 1 % -> 10 %": (Planted(nulls=0.1), Signal.QUALITY),
    "confidence - 0.1": (Planted(confidence=-0.1), Signal.CONFIDENCE),
}
WITHIN = 10
"""Minutes in which a planted fault must be told."""
_BEFORE, _AFTER = 20, 15


@dataclass
class Alarms:
    """Findings that were raised: (minute, finding), and those that fired at all."""

    raised: list[tuple[int, Finding]] = field(default_factory=list)
    fired: set[FindingKey] = field(default_factory=set)


@contextmanager
def partly_filled(logs: LogEvidence, minute: int, share: float, rng: np.random.Generator) -> Iterator[None]:
    """The bucket of a minute thinned to the share of it that has passed."""
    traffic, errors, confidence = logs.traffic, logs.errors, logs.confidence
    assert traffic is not None
    assert traffic.latency is not None
    assert errors is not None
    assert confidence is not None
    row = HISTORY + minute
    rows = [traffic.requests.n[row], errors.counts.n[row]]
    for h in (traffic.latency, confidence, *logs.features.values()):
        rows += [h.n[row], h.null[row]] if h.null.any() else [h.n[row]]
    kept = [counts.copy() for counts in rows]
    for counts in rows:
        counts[...] = rng.binomial(counts.astype(int), share)
    middles = (np.array(CONFIDENCE_BINS.edges[1:]) + np.array(CONFIDENCE_BINS.edges[:-1])) / 2
    sums = confidence.total[row].copy()
    confidence.total[row] = confidence.n[row] @ middles
    yield
    confidence.total[row] = sums
    for counts, before in zip(rows, kept, strict=True):
        counts[...] = before


def watch(
    family: Family, seed: int, features: int, minutes: range, fault: Planted = NOTHING, per_minute: int = 1
) -> tuple[Alarms, Counter[str]]:
    """What is raised in some minutes of a day, ours and by fixed thresholds (name -> episodes).

    While nothing stands only every third minute is looked at: what is raised shows in three consecutive minutes, one of
    which that is, and a first look also judges the two minutes before it.
    """
    logs = day(family, seed, features, fault, minutes.stop)
    metrics = MetricEvidence(None, None, {}, gauges(family, seed, minutes.stop))
    view, found, fixed = View(), Alarms(), Fixed()
    rng = np.random.default_rng([seed, 11])
    standing: Standing | None = None
    up: set[FindingKey] = set()
    for minute in minutes:
        if not standing and minute % CONFIRMED:
            continue
        seconds = (rng.uniform(1, STEP),) if per_minute == 1 else np.linspace(STEP / per_minute, STEP, per_minute)
        for second in seconds:
            moment = START + minute * STEP + float(second)
            frame = view.frame(moment - 0.5)
            with partly_filled(logs, minute, float(second) / STEP, rng):
                evidence = Evidence(logs=replace(logs, newest=moment - 0.5), metrics=metrics)
                judgement = judge(evidence, view, frame, moment, threshold=0.6, standing=standing or None)
            standing = judgement.standing
            urgent = {f.key: f for f in judgement.findings if f.severity.rank >= Severity.WARNING.rank}
            found.raised += [(minute, urgent[key]) for key in urgent if key not in up]
            found.fired |= set(standing)
            # A finding that clears has not been forgotten: coming back it is the same one.
            up = set(urgent) | {key for key in up if key in standing}
        if minute % FIXED_EVERY == 0:
            fixed.look([row for rows in judgement.features.values() for row in rows])
    return found, fixed.episodes


class Fixed:
    """Episodes of thresholds on distances, looked at every quarter of an hour and counted when they last for two."""

    def __init__(self) -> None:
        self.episodes: Counter[str] = Counter(dict.fromkeys(("PSI > 0.2", "NannyML", "Evidently"), 0))
        self._lasting: Counter[tuple[str, str]] = Counter()

    def look(self, rows: list[FeatureRow]) -> None:
        """Count what becomes an episode with the features of this look."""
        over: set[tuple[str, str]] = set()
        for row in rows:
            read = readings(row.now * row.n, row.baseline * row.n_baseline, row.bins)
            if read is None:
                continue
            moved = read.js if read.wasserstein is None else read.wasserstein
            fires = {"PSI > 0.2": read.psi > 0.2, "NannyML": read.js > 0.1, "Evidently": moved > 0.1}
            over |= {(name, row.feature) for name, fired in fires.items() if fired}
        self._lasting = Counter({key: self._lasting[key] + 1 for key in over})
        self.episodes.update(name for (name, _), looks in self._lasting.items() if looks == 2)


def bounds(count: int, days: float) -> tuple[float, float]:
    """95 % interval of a Poisson rate per day from a count (Garwood 1936)."""

    def solve(target: float, k: int) -> float:
        low, high = 0.0, 10.0 + 4 * k
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if float(gamma_sf(k + 1, middle)) > target else (low, middle)
        return low

    return (solve(0.975, count - 1) if count else 0.0) / days, solve(0.025, count) / days


def quiet(
    families: tuple[Family, ...], spans: int, minutes: int, features: int, seed: int, per_minute: int, *, verbose: bool
) -> float:
    """Print the rows of some families; the rate of all together."""
    total, raised, days = 0.0, 0, spans * minutes / DAY
    fixed: Counter[str] = Counter()
    for family in families:
        started, mine = time.process_time(), 0
        fired, theirs, signals = 0, Counter[str](), Counter[str]()
        for i in range(spans):
            alarms, episodes = watch(family, seed + i, features, range(minutes), per_minute=per_minute)
            mine, fired = mine + len(alarms.raised), fired + len(alarms.fired)
            signals.update(str(f.signal) for _, f in alarms.raised)
            theirs.update(episodes)
            if verbose:
                for minute, finding in alarms.raised:
                    print(
                        f"      {minute // 60:02}:{minute % 60:02} {finding.severity} {finding.signal} {finding.title}"
                    )
        low, high = bounds(mine, days)
        others = "  ".join(f"{theirs[name] / days:9.1f}" for name in theirs)
        print(
            f"{family.name:14} {mine / days:6.2f} [{low:.2f}, {high:.2f}]  fired {fired / days:6.1f}   {others}"
            f"   {time.process_time() - started:5.0f} s CPU  {dict(signals) or ''}",
            flush=True,
        )
        total, raised = total + days, raised + mine
        fixed.update(theirs)
    low, high = bounds(raised, total)
    others = "  ".join(f"{fixed[name] / total:9.1f}" for name in fixed)
    print(f"{'all':14} {raised / total:6.2f} [{low:.2f}, {high:.2f}] of {total:.2g} model-days{'':6}{others}")
    print(
        f"{'':14} limit {LIMIT:.2f}: {raised / total / LIMIT:.2f} of it; one a week: {raised / total / WEEK:.2f} of it"
    )
    return raised / total


def power(families: tuple[Family, ...], repeats: int, features: int, seed: int) -> None:
    """Print the share of planted faults that are told in time."""
    for name, (fault, signal) in FAULTS.items():
        waited: list[float] = []
        for family in families:
            for i in range(repeats):
                planted = replace(fault, minute=_BEFORE)
                alarms, _ = watch(family, seed + i, features, range(_BEFORE, _BEFORE + _AFTER), planted)
                times = [minute - _BEFORE for minute, f in alarms.raised if f.signal is signal]
                waited.append(min(times, default=math.inf))
        found = np.array(waited)
        print(
            f"{name:26} found within {WITHIN} min {np.mean(found <= WITHIN):5.2f}   median {np.median(found):4.0f} min"
            f"   of {len(found)}",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=1, help="days per family, each with a seed of its own")
    parser.add_argument("--hours", type=int, default=24, help="of each day that are looked at")
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--families", default="", help="names, comma-separated; default all")
    parser.add_argument("--looks", type=int, default=1, help="looks per minute")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3, help="planted faults per family; 0 leaves them out")
    parser.add_argument("--verbose", action="store_true")
    chosen = parser.parse_args()
    wanted = set(filter(None, chosen.families.split(",")))
    for title, families in (("design families", DESIGN), ("held-out families", (*HELD_OUT, *FRESH))):
        kept = tuple(family for family in families if not wanted or family.name in wanted)
        if not kept or not chosen.days:
            continue
        print(f"{title}: warnings per model and day [95 %]; episodes per day of PSI > 0.2, NannyML, Evidently")
        quiet(kept, chosen.days, chosen.hours * 60, chosen.features, chosen.seed, chosen.looks, verbose=chosen.verbose)
    if chosen.repeats:
        print("planted faults, held-out families")
        kept = tuple(family for family in (*HELD_OUT, *FRESH) if not wanted or family.name in wanted)
        power(kept, chosen.repeats, min(chosen.features, 40), chosen.seed)


if __name__ == "__main__":
    main()
