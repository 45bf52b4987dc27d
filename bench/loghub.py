"""Error messages into types on the public Loghub 2k sets: grouping accuracy beside Drain3 and Drain as published.

    .venv/bin/python -m bench.loghub FOLDER [--drain PYTHON]

FOLDER holds the sets as their authors give them away, `*_2k.log_structured.csv` (Zhu et al. 2023, "Loghub: A Large
Collection of System Log Datasets for AI-driven Log Analytics"); only the columns Content and EventId are read. None of
them is part of this repository. `--drain` is the Python of an environment of its own in which drain3 is installed.

No line is prepared for any set; the published figures of Drain are with expressions and thresholds written for each.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from bench.messages import accuracy, drain, ours

PUBLISHED = {
    "HDFS": 0.998, "Hadoop": 0.948, "Spark": 0.920, "Zookeeper": 0.967, "BGL": 0.963, "HPC": 0.887,
    "Thunderbird": 0.955, "Windows": 0.997, "Linux": 0.690, "Android": 0.911, "HealthApp": 0.780, "Apache": 1.000,
    "Proxifier": 0.527, "OpenSSH": 0.788, "OpenStack": 0.733, "Mac": 0.787,
}  # fmt: skip
"""Grouping accuracy of Drain with settings per set: logparser, `logparser/Drain/README.md` (Zhu et al. 2019)."""


def read(path: Path) -> tuple[list[str], list[str]]:
    """The messages of one set, and the event id of each."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = [(row["Content"], row["EventId"]) for row in csv.DictReader(file)]
    return [content for content, _ in rows], [event for _, event in rows]


def main() -> None:
    """Print one line per set, and the means over the sets that are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--drain", metavar="PYTHON")
    options = parser.parse_args()
    paths = sorted(options.folder.rglob("*_2k.log_structured*.csv"))
    if not paths:
        parser.error(f"no *_2k.log_structured.csv in {options.folder}")
    print(f"{'set':12} {'lines':>6} {'events':>6} {'types':>6} {'mltriage':>9} {'drain3':>7} {'Drain published':>16}")
    scores: list[tuple[float, float, float]] = []
    for path in paths:
        name = path.name.split("_2k")[0]
        messages, events = read(path)
        groups, _ = ours(messages)
        peer = accuracy(drain(options.drain, messages)[0], events) if options.drain else float("nan")
        scores.append((accuracy(groups, events), peer, PUBLISHED.get(name, float("nan"))))
        mine, theirs, published = scores[-1]
        counts = f"{len(messages):6d} {len(set(events)):6d} {len(set(groups)):6d}"
        print(f"{name:12} {counts} {mine:9.3f} {theirs:7.3f} {published:16.3f}")
    mine, theirs, published = (sum(column) / len(column) for column in zip(*scores, strict=True))
    print(f"{'mean':12} {'':20} {mine:9.3f} {theirs:7.3f} {published:16.3f}")


if __name__ == "__main__":
    main()
