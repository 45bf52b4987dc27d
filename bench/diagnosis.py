"""Does the first finding name the cause? Counts it over the demo's scenarios and seeds.

    python -m bench.diagnosis [--vary] [--scenarios a,b] [--seeds 20] [--first 1] [--minutes 10] [--jobs 2]

With --vary every seed is another variant of the scenario (`demo.vary`): model, segment, features, sizes of fault and
traffic, noise, time since the onset. What is drawn, and within which bounds, is printed.

hit@1, hit@3: an injected signal (or another true name of it) on its model is the first, or among the first three
findings. segment: `where[0]` of that finding is the injected segment. onset: within 2 minutes, where it lies in the
window. lines: leaders of severity warning or above, which an engineer sees unfolded. alarms: all findings of that
severity; on `healthy` they are false.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

# 2026-11-04T13:40Z, a Wednesday afternoon: the result must not depend on when the benchmark runs.
NOW = 1_793_799_600.0
STEP_S = 3_673.0
"""Each seed looks at another time of the day."""

SEGMENTED = ("bad-canary", "new-error", "slow-tail", "low-confidence")
"""The scenarios whose segment must be named."""

HOURS = 5.0
WINDOW_S = 1_800.0


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario with one seed."""

    scenario: str
    seed: int
    rank: int
    """Of the first true finding, from 1; 0 when there is none."""
    segment: bool | None
    onset_error_s: float | None
    """None: the onset lies before the window; infinite: none was told."""
    alarms: int
    """Findings of severity warning or above."""
    lines: int
    """Those of them that lead a story."""
    first: tuple[str, ...]
    cpu_s: float


def diagnose(scenario: str, seed: int, minutes: float | None, *, vary: bool) -> Result:
    """Write the scenario, ask for the report at `minutes` after its onset, and compare it with the truth.

    `minutes` None takes the scenario's or the variant's own.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from demo.run import write
    from tui.config import load
    from tui.options import Flags, resolve
    from tui.report import evaluate
    from tui.report_json import as_dict

    folder = Path(tempfile.mkdtemp(prefix="mltriage-bench-"))
    try:
        now = NOW + seed * STEP_S
        write(folder, scenario, seed=seed, minutes_after_onset=minutes, hours=HOURS, now=now, vary=vary)
        truth = json.loads((folder / "truth.json").read_text())
        flags = Flags(logs=(str(folder / "logs"),), scrape=(str(folder / "metrics.om"),), at=f"{int(now)}")
        started = time.process_time()
        answer = as_dict(asyncio.run(evaluate(resolve(flags, load(None), time.time()))))
        return judge(scenario, seed, answer, truth, time.process_time() - started)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def judge(scenario: str, seed: int, answer: dict[str, Any], truth: dict[str, Any], cpu_s: float) -> Result:
    """Compare one answer with what was injected."""
    findings = answer["findings"]
    loud = [finding for finding in findings if finding["severity"] in ("warning", "critical")]
    found = next((f for f in findings if any(names(f, fault) for fault in truth["faults"])), None)
    segment = onset = None
    if found is not None:
        fault = truth["faults"][0]
        if fault["segment"]:
            segment = bool(found["where"]) and found["where"][0]["segment"] == fault["segment"]
        if fault["onset"] >= NOW + seed * STEP_S - WINDOW_S:
            onset = math.inf
        if onset is not None and found["onset_s_ago"] is not None:
            onset = abs(found["onset_s_ago"] - (NOW + seed * STEP_S - fault["onset"]))
    return Result(
        scenario,
        seed,
        0 if found is None else found["rank"],
        segment,
        onset,
        len(loud),
        sum(finding["folded_into"] is None for finding in loud),
        tuple(f"{f['severity'][0]} {f['signal']} {f['model']}: {f['title']} {where(f)}" for f in findings[:4]),
        cpu_s,
    )


def where(finding: dict[str, Any]) -> str:
    """The first segment of a finding, to read."""
    return (
        " ".join(f"{dim}={value}" for dim, value in finding["where"][0]["segment"].items()) if finding["where"] else ""
    )


def names(finding: dict[str, Any], fault: dict[str, Any]) -> bool:
    """Whether a finding names a fault: its signal and subject, or another true name of it, on its model."""
    if finding["model"] != fault["model"]:
        return False
    subject = next(
        (str(finding[k]) for k in ("error_type", "feature", "metric", "dependency", "version") if k in finding), ""
    )
    return any(
        finding["signal"] == sign["signal"] and sign["subject"] in ("", subject) for sign in (fault, *fault["also"])
    )


def summary(scenario: str, results: Sequence[Result]) -> str:
    """One line of the table."""
    count = len(results)
    if scenario == "healthy":
        return f"{scenario:18} {sum(r.alarms for r in results)} false alarms in {count} runs"
    timed = [r.onset_error_s for r in results if r.onset_error_s is not None]
    located = [r for r in results if r.segment is not None]
    return (
        f"{scenario:18} hit@1 {sum(r.rank == 1 for r in results)}/{count}"
        f"  hit@3 {sum(0 < r.rank <= 3 for r in results)}/{count}"
        f"  segment {sum(bool(r.segment) for r in located)}/{len(located)}"
        f"  onset<2min {sum(error <= 120 for error in timed)}/{len(timed)}"
        f"  lines {sum(r.lines for r in results) / count:.1f}  alarms {sum(r.alarms for r in results) / count:.1f}"
        f"  cpu {sum(r.cpu_s for r in results) / count:.2f} s"
    )


def main() -> None:
    """Run and print the table."""
    from demo.scenarios import SCENARIOS
    from demo.vary import BOUNDS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--vary", action="store_true", help="a variant of the scenario for each seed")
    parser.add_argument("--minutes", type=float, help="after the onset; the scenario's own where not given")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="print the first findings of every run")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    if chosen.vary:
        print("factors: " + "; ".join(f"{name} {low:g}..{high:g}" for name, (low, high) in BOUNDS.items()))
    everything: list[Result] = []
    with ProcessPoolExecutor(chosen.jobs, mp_context=get_context("spawn")) as pool:
        for scenario in chosen.scenarios.split(","):
            results = list(pool.map(partial(diagnose, scenario, minutes=chosen.minutes, vary=chosen.vary), seeds))
            everything += results
            print(summary(scenario, results), flush=True)
            for result in results:
                if not (chosen.verbose or missed(result)):
                    continue
                error = "none" if result.onset_error_s is None else f"{result.onset_error_s:.0f} s"
                print(f"    seed {result.seed} rank {result.rank} segment {result.segment} onset off by {error}")
                for line in result.first:
                    print(f"        {line}")
    faulty = [r for r in everything if r.scenario != "healthy"]
    located = [r for r in faulty if r.scenario in SEGMENTED]
    if faulty:
        print(
            f"all: hit@1 {share(r.rank == 1 for r in faulty)}  hit@3 {share(0 < r.rank <= 3 for r in faulty)}"
            f"  onset<2min {share(r.onset_error_s <= 120 for r in faulty if r.onset_error_s is not None)}"
            f"  segment of {', '.join(SEGMENTED)} {share(bool(r.segment) for r in located)}"
        )


def missed(result: Result) -> bool:
    """Whether a run is worth reading: the cause not first, its time wrong, or noise where nothing was wrong."""
    if result.scenario == "healthy":
        return result.alarms > 0
    return result.rank != 1 or (result.onset_error_s is not None and result.onset_error_s > 120)


def share(hits: Any) -> str:
    """A share of a sequence of truths, to read."""
    values = list(hits)
    return f"{sum(values)}/{len(values)}"


if __name__ == "__main__":
    main()
