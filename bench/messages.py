"""Error messages into types: grouping accuracy and CPU on labelled messages of model servers, beside Drain3.

    .venv/bin/python -m bench.messages [--lines N] [--drain PYTHON]

A line is grouped rightly when its group holds exactly the lines of its kind (Zhu et al. 2019, "Tools and Benchmarks for
Automated Log Parsing"). `--drain` is the Python of an environment of its own in which drain3 is installed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from analysis.messages import masked, templates

Draw = np.random.Generator

WORDS = (
    "amount", "merchant_cat", "device", "age", "tenure", "session", "query", "position", "price", "country", "hour",
    "channel", "basket", "clicks", "rating", "locale",
)  # fmt: skip
SERVICES = ("feast", "redis", "pricing", "geoip", "catalog", "ledger", "identity", "inventory")
USERS = tuple(f"{a}{b}" for a in ("mo", "li", "an", "ra", "jo", "te", "ku") for b in ("na", "ri", "ko", "sh", "van"))


def _hex(r: Draw, n: int) -> str:
    return "".join(r.choice(list("0123456789abcdef"), n))


def _shape(r: Draw) -> str:
    return "[" + ", ".join(str(v) for v in r.integers(1, 512, r.integers(2, 6))) + "]"


KINDS: tuple[Callable[[Draw], str], ...] = (
    lambda r: f"CUDA out of memory. Tried to allocate {r.random() * 9:.2f} GiB (GPU {r.integers(8)}; 15.78 GiB total)",
    lambda r: f"CUDA error: device-side assert triggered on cuda:{r.integers(8)}",
    lambda r: f"feature store timeout after {r.integers(50, 3000)} ms (key user:{_hex(r, 8)})",
    lambda r: f"HTTP 503 from http://{r.choice(SERVICES)}:{r.integers(1000, 9999)}/v1 after {r.integers(3)} tries",
    lambda r: f"HTTP 504 from http://{r.choice(SERVICES)}:{r.integers(1000, 9999)}/v1 after {r.integers(3)} tries",
    lambda r: f"connection to 10.{r.integers(255)}.{r.integers(255)}.{r.integers(255)}:{r.integers(9999)} refused",
    lambda r: f"input '{r.choice(WORDS)}' has shape {_shape(r)}, expected {_shape(r)}",
    lambda r: f"expected float32 but got int64 for input {r.choice(WORDS)}",
    lambda r: f"expected float32 but got string for input {r.choice(WORDS)}",
    lambda r: f"KeyError: '{r.choice(WORDS)}'",
    lambda r: f"missing required features: {', '.join(r.choice(WORDS, 1))}",
    lambda r: f"token limit exceeded: prompt has {r.integers(4097, 99999)} tokens, limit is 4096",
    lambda r: f"model file /models/fraud/{r.integers(99)}/weights-{_hex(r, 6)}.onnx not found",
    lambda r: f"request {_hex(r, 8)}-{_hex(r, 4)}-{_hex(r, 4)}-{_hex(r, 12)} was cancelled by the client",
    lambda r: f"queue is full ({r.integers(100, 999)} of {r.integers(100, 999)} slots), request rejected",
    lambda r: f"permission denied for user {r.choice(USERS)} on model {r.choice(SERVICES)}",
    lambda r: f"JSON decode error: line {r.integers(9)} column {r.integers(99)} (char {r.integers(999)})",
    lambda r: f"Traceback (most recent call last):\n  File \"s.py\", line {r.integers(99)}\nValueError: NaN in row "
    f"{r.integers(512)}",
    lambda r: f"certificate of {r.choice(SERVICES)}.internal expired at 2026-0{r.integers(1, 9)}-1{r.integers(9)}T0"
    f"{r.integers(9)}:00:00Z",
    lambda r: f"worker {r.integers(32)} (pid {r.integers(99999)}) was killed with signal 9",
)  # fmt: skip
"""Kinds of failure of a model server. Parameters are numbers, ids, addresses, paths, lists, and plain words."""


def draw(n: int, seed: int) -> tuple[list[str], list[int]]:
    """n messages, and the kind of each; frequent and rare kinds (Zipf)."""
    r = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(KINDS) + 1)
    kinds = r.permutation(len(KINDS))[r.choice(len(KINDS), n, p=weights / weights.sum())].tolist()
    return [KINDS[kind](r) for kind in kinds], kinds


def accuracy(groups: Sequence[object], kinds: Sequence[object]) -> float:
    """Share of the lines whose group holds exactly the lines of their kind, 0..1."""
    of_group: dict[object, set[object]] = defaultdict(set)
    for group, kind in zip(groups, kinds, strict=True):
        of_group[group].add(kind)
    size, whole = Counter(groups), Counter(kinds)
    right = sum(
        size[group] for group, held in of_group.items() if len(held) == 1 and size[group] == whole[next(iter(held))]
    )
    return right / len(kinds)


def ours(messages: Sequence[str]) -> tuple[list[str], float]:
    """The template of each message, and the CPU seconds that it took."""
    started = time.process_time()
    texts = [masked(message) for message in messages]
    shapes = templates(texts)
    return [shapes[text] for text in texts], time.process_time() - started


_DRAIN = """
import json, sys, time
from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig
miner = TemplateMiner(config=TemplateMinerConfig())
lines = [line.replace("\\n", " ") for line in json.load(sys.stdin)]
started = time.process_time()
ids = [miner.add_log_message(line)["cluster_id"] for line in lines]
print(json.dumps([ids, time.process_time() - started]))
"""


def drain(python: str, lines: Sequence[str]) -> tuple[list[int], float]:
    """Cluster of each line by Drain3 with its defaults, and the CPU seconds that it took."""
    done = subprocess.run([python, "-c", _DRAIN], input=json.dumps(lines), capture_output=True, text=True, check=True)
    ids, elapsed = json.loads(done.stdout)
    return ids, elapsed


def main() -> None:
    """Print one line per method and order of the same messages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--drain", metavar="PYTHON")
    options = parser.parse_args()
    print(f"{len(KINDS)} kinds, {options.lines} lines per seed")
    for seed in range(3):
        messages, kinds = draw(options.lines, seed)
        groups, cpu_s = ours(messages)
        rows = [("mltriage", accuracy(groups, kinds), len(set(groups)), len(messages) / cpu_s)]
        backwards, _ = ours(messages[::-1])
        same = sum(a == b for a, b in zip(groups, backwards[::-1], strict=True)) / len(groups)
        if options.drain:
            texts = [masked(message) for message in messages]
            for name, lines in (("drain3", messages), ("masked, then drain3", texts)):
                ids, drain_s = drain(options.drain, lines)
                rows.append((name, accuracy(ids, kinds), len(set(ids)), len(lines) / drain_s))
        for name, right, count, speed in rows:
            print(f"seed {seed} {name:20} accuracy {right:.3f}  groups {count:4d}  {speed:9.0f} lines/s CPU")
        print(f"seed {seed} same name in reverse order: {same:.1%} of lines")


if __name__ == "__main__":
    main()
