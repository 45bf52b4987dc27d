"""The segment search on cubes: `python -m bench.segments [FILE.csv ...]`, or `--score N`, or `--generate N --dir DIR`.

A CSV has a header `dims..., n, bad, n_baseline, bad_baseline` and one row per leaf. Printed are the ranked segments, a
JSON object each; CPU seconds go to stderr. `--score` plants causes in cubes of its own and counts what is found, and
what is shown on as many cubes without a cause. No setting was chosen on the seeds of `--score`.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from analysis.answer import Segment
from analysis.evidence import Cube
from analysis.filters import ALL
from analysis.segments import search
from bench.segment_cubes import Case, Where, case

COUNTS = ("n", "bad", "n_baseline", "bad_baseline")
SCORED_SEED = 1_000_000
"""The first seed of `--score`; development used seeds below."""


def read(path: Path) -> tuple[Cube, Cube]:
    """The live and the baseline cube of a CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else {}) if name not in COUNTS]
    columns = [np.array([row[name] for row in rows], dtype=object) for name in names]
    values, codes = [], np.zeros((len(rows), len(names)), dtype=np.int64)
    for d, column in enumerate(columns):
        listed, codes[:, d] = np.unique(column.astype(str), return_inverse=True)
        values.append(tuple(str(value) for value in listed))
    n, bad, n_before, bad_before = (np.array([float(row[name] or 0) for row in rows]) for name in COUNTS)

    def cube(count: Any, hits: Any) -> Cube:
        return Cube(tuple(names), tuple(values), codes, count, hits[:, None], (ALL,))

    return cube(n, bad), cube(n_before, bad_before)


def write(path: Path, one: Case) -> None:
    """A generated case as CSV; its causes beside it as JSON."""
    cells: dict[tuple[int, ...], list[float]] = {}
    for at, cube in ((0, one.live), (2, one.baseline)):
        for codes, n, hits in zip(cube.codes, cube.n, cube.hits[:, 0], strict=True):
            cells.setdefault(tuple(int(code) for code in codes), [0.0] * 4)[at : at + 2] = [n, hits]
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow([*one.live.dims, *COUNTS])
        for codes, counts in cells.items():
            named = [one.live.values[d][code] for d, code in enumerate(codes)]
            out.writerow([*named, *(int(count) for count in counts)])
    path.with_suffix(".json").write_text(json.dumps({"causes": [dict(cause) for cause in one.causes]}) + "\n")


def as_line(segment: Segment) -> str:
    """One segment as a JSON object."""
    values = asdict(segment)
    values["segment"] = dict(segment.where)
    values["aliases"] = [dict(alias) for alias in segment.aliases]
    del values["where"]
    return json.dumps(values)


def right(segment: Segment, cause: Where, twins: dict[str, str]) -> bool:
    """Whether a segment, or another name of it, is the cause; a renamed dim's value counts as the value itself."""

    def plain(where: Where) -> set[tuple[str, str]]:
        return {(twins[d], v.replace("t", "v")) if d in twins else (d, v) for d, v in where}

    return any(plain(name) == set(cause) for name in (segment.where, *segment.aliases))


def score(cubes: int, first: int, max_order: int) -> None:
    """F1 of the segments shown over cubes with causes, rows shown per cause, and null cubes that show anything."""
    hit = shown = planted = first_right = 0
    spent = 0.0
    for seed in range(first, first + cubes):
        one = case(seed)
        began = time.process_time()
        found = search(one.live, one.baseline, 0, max_order=max_order)
        spent += time.process_time() - began
        hit += sum(any(right(segment, cause, one.twins) for segment in found) for cause in one.causes)
        first_right += bool(found) and any(right(found[0], cause, one.twins) for cause in one.causes)
        shown += len(found)
        planted += len(one.causes)
    f1 = 2 * hit / max(1, shown + planted)
    print(
        f"{cubes} cubes, {planted} causes: F1 {f1:.3f}, precision {hit / max(1, shown):.3f}, "
        f"recall {hit / max(1, planted):.3f}, first row right {first_right / cubes:.3f}, "
        f"{shown / max(1, planted):.2f} rows per cause, {1e3 * spent / cubes:.1f} ms CPU per cube"
    )
    loud = sum(
        bool(search((one := case(seed, causes=0)).live, one.baseline, 0, max_order=max_order))
        for seed in range(first, first + cubes)
    )
    print(f"{cubes} cubes without a cause: {loud} show something ({100 * loud / cubes:.1f} %)")


def main() -> None:
    """Read, generate or score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--max-order", type=int, default=3)
    parser.add_argument("--limit", type=int, default=5, help="segments shown")
    parser.add_argument("--alternatives", type=int, default=0, help="wider and narrower names shown after them")
    parser.add_argument("--score", type=int, metavar="CUBES")
    parser.add_argument("--first-seed", type=int, default=SCORED_SEED)
    parser.add_argument("--generate", type=int, metavar="CUBES")
    parser.add_argument("--null", action="store_true", help="generate cubes without a cause")
    parser.add_argument("--dir", type=Path, default=Path())
    chosen = parser.parse_args()
    if chosen.score:
        score(chosen.score, chosen.first_seed, chosen.max_order)
    for seed in range(chosen.first_seed, chosen.first_seed + (chosen.generate or 0)):
        write(chosen.dir / f"cube-{seed}.csv", case(seed, causes=0 if chosen.null else None))
    for path in chosen.files:
        live, baseline = read(path)
        began = time.process_time()
        found = search(
            live, baseline, 0, max_order=chosen.max_order, limit=chosen.limit, alternatives=chosen.alternatives
        )
        spent = time.process_time() - began
        for segment in found:
            print(as_line(segment))
        print(f"{path}: {len(found)} segments, {spent:.3f} s CPU", file=sys.stderr)


if __name__ == "__main__":
    main()
