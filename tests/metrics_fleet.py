"""A small fleet's counters as OpenMetrics text with timestamps, for tests of both metric stores."""

from __future__ import annotations

import random

LES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
HEADS = {
    "requests": "# TYPE model_requests counter",
    "errors": "# TYPE model_errors counter",
    "latency": "# TYPE model_request_duration_seconds histogram",
    "memory": "# TYPE model_memory_bytes gauge",
}
START = 1_700_000_040
"""Unix seconds, a multiple of 60."""
MINUTES = 60


def fleet_text(*, step_s: int = 15, offset_s: float = 0.0, restart_at: int | None = None, extra: str = "") -> str:
    """Two models, an hour of requests, errors, latency and memory; model `b` gets slower in the second half.

    Args:
        step_s: seconds between samples.
        offset_s: how far the samples lie behind full steps.
        restart_at: second of the hour at which the counters of model `a` start again from zero.
    """
    rnd = random.Random(7)
    lines: dict[str, list[str]] = {"requests": [], "errors": [], "latency": [], "memory": []}
    for model, version in (("a", "1"), ("b", "2")):
        requests, errors, total = 0, 0, 0.0
        buckets = [0] * (len(LES) + 1)
        for at in range(0, MINUTES * 60 + 1, step_s):
            if model == "a" and restart_at is not None and at == restart_at:
                requests, errors, total, buckets = 0, 0, 0.0, [0] * (len(LES) + 1)
            for _ in range(rnd.randint(10, 30)):
                seconds = rnd.lognormvariate(-3.0 if model == "a" or at < 1800 else -1.5, 0.7)
                requests += 1
                errors += rnd.random() < 0.05
                total += seconds
                buckets[next((i for i, le in enumerate(LES) if seconds <= le), len(LES))] += 1
            moment = START + at + offset_s
            of = f'model="{model}",version="{version}"'
            lines["requests"].append(f"model_requests_total{{{of}}} {requests} {moment}")
            lines["errors"].append(f'model_errors_total{{{of},error_type="timeout"}} {errors} {moment}')
            for i, le in enumerate((*LES, "+Inf")):
                count = sum(buckets[: i + 1])
                lines["latency"].append(f'model_request_duration_seconds_bucket{{{of},le="{le}"}} {count} {moment}')
            lines["latency"].append(f"model_request_duration_seconds_sum{{{of}}} {total} {moment}")
            lines["latency"].append(f"model_request_duration_seconds_count{{{of}}} {requests} {moment}")
            lines["memory"].append(f'model_memory_bytes{{model="{model}",replica="r1"}} {1e9 + at} {moment}')
    body = [line for name, head in HEADS.items() for line in (head, *lines[name])]
    return "\n".join([*body, *([extra] if extra else []), "# EOF", ""])
