"""A model on several pods and routes as OpenMetrics text: the fault of one conjunction begins in the last quarter."""

from __future__ import annotations

import random

from tests.metrics_fleet import HEADS, LES, MINUTES, START

END = START + MINUTES * 60
FAULT = END - 900
"""Unix seconds from which version 42 on route /score is slow and fails."""

PODS = {"pod-a": ("n1", "41"), "pod-b": ("n1", "42"), "pod-c": ("n2", "41"), "pod-d": ("n2", "42")}
ROUTES = ("/score", "/rank", "/explain")


def labelled_text(*, step_s: int = 15, broken: bool = True, seed: int = 3) -> str:
    """Four pods of two versions on two nodes, three routes; requests and latency by pod and route, errors too.

    Args:
        broken: whether version 42 on /score turns slow and fails from `FAULT` on.
    """
    rnd = random.Random(seed)
    lines: dict[str, list[str]] = {"requests": [], "errors": [], "latency": [], "memory": []}
    for pod, (node, version) in PODS.items():
        for route in ROUTES:
            labels = f'model="a",version="{version}",pod="{pod}",node="{node}",route="{route}"'
            requests = errors = 0
            buckets = [0] * (len(LES) + 1)
            for moment in range(START, END + 1, step_s):
                bad = broken and moment > FAULT and version == "42" and route == "/score"
                for _ in range(rnd.randint(8, 16)):
                    seconds = rnd.lognormvariate(-1.2 if bad else -3.2, 0.6)
                    requests += 1
                    errors += rnd.random() < (0.25 if bad else 0.01)
                    buckets[next((i for i, le in enumerate(LES) if seconds <= le), len(LES))] += 1
                lines["requests"].append(f"model_requests_total{{{labels}}} {requests} {moment}")
                lines["errors"].append(f'model_errors_total{{{labels},error_type="timeout"}} {errors} {moment}')
                for i, le in enumerate((*LES, "+Inf")):
                    count = sum(buckets[: i + 1])
                    lines["latency"].append(
                        f'model_request_duration_seconds_bucket{{{labels},le="{le}"}} {count} {moment}'
                    )
                lines["latency"].append(f"model_request_duration_seconds_sum{{{labels}}} {requests * 0.05} {moment}")
                lines["latency"].append(f"model_request_duration_seconds_count{{{labels}}} {requests} {moment}")
        for moment in range(START, END + 1, step_s):
            lines["memory"].append(f'model_memory_bytes{{model="a",pod="{pod}"}} 1e9 {moment}')
    return "\n".join([*(line for name, head in HEADS.items() for line in (head, *lines[name])), "# EOF", ""])
