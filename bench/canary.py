"""How often do equal versions look different to someone who keeps looking, and how long until a bad one is called?

    python -m bench.canary [--runs 500]

A canary of 5 % at 100 requests a second and 1 % errors, looked at every half minute for an hour. Each line: the rule,
the share of runs that ever alarm at a ratio of 1 (false) and of 2, and the median minutes to that alarm. `staged`
grows the canary over 1, 5 and 20 % while the base rate triples; `bursts` fails in clumps of five.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analysis.canary import log_e, log_rate_ratio, staged_log_e
from analysis.compare import Mixed, over_time
from analysis.special import normal_quantile

Floats = NDArray[np.float64]
Rule = Callable[[Floats, Floats, Floats, Floats], Floats]
"""[T] failures and requests of canary and live per half minute -> [T] whether the rule alarms at each look."""

LOOKS, PER_LOOK, ERRORS = 120, 3_000, 0.01


def z_test(k1: Floats, n1: Floats, k2: Floats, n2: Floats) -> Floats:
    """Two-proportion z at p < .05, pooled over all looks so far."""
    a, n, b, m = (np.cumsum(x) for x in (k1, n1, k2, n2))
    pooled = (a + b) / (n + m)
    z = (a / n - b / m) / np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / n + 1 / m), 1e-12))
    return (np.abs(z) > normal_quantile(0.975)).astype(np.float64)


def e_value(k1: Floats, n1: Floats, k2: Floats, n2: Floats, clumps: float = 1.0) -> Floats:
    """Beta-binomial e-value of at least 20, pooled over all looks so far."""
    a, b, share = np.cumsum(k1) / clumps, np.cumsum(k2) / clumps, np.cumsum(n1) / np.cumsum(n1 + n2)
    return np.array([log_e(*look) >= math.log(20) for look in zip(a, b, share, strict=True)], dtype=np.float64)


def declumped(k1: Floats, n1: Floats, k2: Floats, n2: Floats) -> Floats:
    """The same with failures divided by their clumps of five."""
    return e_value(k1, n1, k2, n2, 5.0)


def by_interval(k1: Floats, n1: Floats, k2: Floats, n2: Floats) -> Floats:
    """Interval-wise e-process of at least 20."""
    return (staged_log_e(k1, k2, n1 / (n1 + n2)) >= math.log(20)).astype(np.float64)


def confidence_sequence(k1: Floats, n1: Floats, k2: Floats, n2: Floats) -> Floats:
    """The interval of the versions screen excludes a ratio of one; it adjusts for the times at which the canary ran."""
    alarms = []
    for end in range(1, len(k1) + 1):
        a, n, b, m = (x[:end] for x in (k1, n1, k2, n2))
        counts = over_time(Mixed(float(b.sum()), float(m.sum()), float(a.sum()), float(n.sum()), 1.0), b, m, n)
        ratio = log_rate_ratio(counts.k_b, counts.n_b * counts.mix, counts.k_a, counts.n_a)
        low, high = ratio.interval()
        alarms.append(not low <= 1 <= high)
    return np.array(alarms, dtype=np.float64)


def runs_of(
    rng: np.random.Generator, ratio: float, share: Floats, base: Floats, burst: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Failures and requests of one run. share, base: [T]"""
    n1, n2 = PER_LOOK * share, PER_LOOK * (1 - share)
    k1, k2 = (burst * rng.poisson(n * base * times / burst) for n, times in ((n1, ratio), (n2, 1.0)))
    return k1.astype(np.float64), n1, k2.astype(np.float64), n2


def measure(rule: Rule, ratio: float, share: Floats, base: Floats, burst: int, runs: int) -> tuple[float, float]:
    """Share of runs that ever alarm, and the median minutes to the alarm (NaN without any)."""
    rng = np.random.default_rng(7)
    first = []
    for _ in range(runs):
        alarms = rule(*runs_of(rng, ratio, share, base, burst))
        if alarms.any():
            first.append((int(np.argmax(alarms)) + 1) / 2)
    return len(first) / runs, float(np.median(first)) if first else math.nan


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    runs = parser.parse_args().runs
    rules: dict[str, Rule] = {
        "z p<.05 every look": z_test,
        "e-value": e_value,
        "e-value by interval": by_interval,
        "interval of a ratio": confidence_sequence,
    }
    steady, flat = np.full(LOOKS, 0.05), np.full(LOOKS, ERRORS)
    staged = np.repeat([0.01, 0.05, 0.2], LOOKS // 3)
    drift = ERRORS * np.linspace(1, 3, LOOKS)
    burst = dict(rules)
    burst["e-value, counts / 5"] = declumped
    for name, table, share, base, size in (
        ("steady", rules, steady, flat, 1),
        ("bursts", burst, steady, flat, 5),
        ("staged", rules, staged, drift, 1),
    ):
        for label, rule in table.items():
            false, _ = measure(rule, 1.0, share, base, size, runs)
            found, minutes = measure(rule, 2.0, share, base, size, runs)
            print(f"{name:8} {label:22} false {false:6.1%}  x2 found {found:6.1%} after {minutes:4.1f} min", flush=True)


if __name__ == "__main__":
    main()
