"""CPU and memory of the drift of 40 features, a million rows against a million: `python -m bench.drift [--dir DIR]`.

Every side runs in a fresh process and reads the same two Parquet files: import, read, compare, print. mltriage asks its
store exactly what a session asks, and judges the answer. The peers run with their own defaults, if an interpreter that
has them is named:

    python -m bench.drift --evidently /path/to/python --nannyml /path/to/python
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# As the command line does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROWS = 1_000_000
NUMERIC, CATEGORICAL = 32, 8
MOVED = ("n03", "n17", "c05")
"""Features that drift: a mean by 0.3 deviations, a scale by 1.3, and a category from 10 to 20 %."""
WINDOW_S = 1_800
REFERENCES = 8
END = 1_795_305_600
CPU_LIMIT_S = 3.5
RSS_LIMIT_MB = 300.0

EVIDENTLY = """
import sys, pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
base, live = (pd.read_parquet(p).drop(columns=["ts", "model"]) for p in sys.argv[1:3])
numbers, words = [c for c in base if c[2] == "n"], [c for c in base if c[2] == "c"]
shape = DataDefinition(numerical_columns=numbers, categorical_columns=words)
sides = [Dataset.from_pandas(side, data_definition=shape) for side in (live, base)]
found = Report([DataDriftPreset()]).run(*sides).dict()
"""

NANNYML = """
import os, sys
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
import pandas as pd, nannyml
base, live = (pd.read_parquet(p).drop(columns=["ts", "model"]) for p in sys.argv[1:3])
names = list(base)
drift = nannyml.UnivariateDriftCalculator(column_names=names, chunk_number=1,
    continuous_methods=["jensen_shannon"], categorical_methods=["jensen_shannon"])
drift.fit(base)
found = drift.calculate(live).to_df()
"""

MEASURED = """
import resource, json
spent = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu_s": spent.ru_utime + spent.ru_stime, "rss_mb": spent.ru_maxrss / 1024}))
"""


def generate(folder: Path, rows: int) -> tuple[Path, Path]:
    """Baseline and live file, `rows` rows each: about 250 MB together for a million."""
    import duckdb

    con = duckdb.connect()
    con.execute("SELECT setseed(0.5)")
    paths = folder / "baseline.parquet", folder / "live.parquet"
    spans = (END - (REFERENCES + 1) * WINDOW_S, END - WINDOW_S), (END - WINDOW_S, END)
    for path, (start, end) in zip(paths, spans, strict=True):
        if path.exists():
            continue
        live = path.stem == "live"
        columns = []
        for i in range(NUMERIC):
            name = f"n{i:02d}"
            normal = "sqrt(-2 * ln(1 - random())) * cos(6.283185307 * random())"
            moved = {"n03": f"{normal} + 0.3", "n17": f"1.3 * {normal}"}.get(name, normal) if live else normal
            value = moved if i % 2 else f"exp({moved})"
            columns.append(f"CASE WHEN random() >= {0.01 * (i % 4)} THEN {value} END AS f_{name}")
        for i in range(CATEGORICAL):
            grown = 0.2 if live and f"c{i:02d}" in MOVED else 0.1
            columns.append(
                f"CASE WHEN random() < {grown} THEN 'v0' ELSE 'v' || floor(random() * {4 + 3 * i}) END AS f_c{i:02d}"
            )
        partial = path.with_suffix(".part")
        con.execute(
            f"""COPY (SELECT make_timestamp({start}::BIGINT * 1000000 + i * {end - start}000000 // {rows}) AS ts,
            'fraud' AS model, {", ".join(columns)} FROM range({rows}) AS t(i)) TO '{partial}' (FORMAT parquet)"""
        )
        partial.rename(path)
    con.close()
    return paths


async def ours(folder: Path) -> list[str]:
    """What a session does at its first look at the features; the names of those that drift."""
    from analysis.features import feature_changes
    from analysis.spans import union
    from analysis.view import View
    from connectors.duckdb_store import DuckDbStore

    frame = View(window_s=WINDOW_S, end=END).frame(END)
    store = DuckDbStore([str(folder)])
    await store.describe()
    newest = (await store.watermark()).newest
    bins = (await store.feature_bins(union(frame.references))).value
    evidence = await store.features(union((frame.live, *frame.references)), frame.step, bins)
    await store.close()
    changes = feature_changes(evidence.value, frame, newest, ("fraud",))["fraud"]
    assert len(changes) == NUMERIC + CATEGORICAL
    return sorted(change.row.feature for change in changes if change.case is not None)


def _ours(folder: Path, answer: multiprocessing.SimpleQueue[tuple[float, float, list[str]]]) -> None:
    found = asyncio.run(ours(folder))
    spent = resource.getrusage(resource.RUSAGE_SELF)
    scale = 2**20 if sys.platform == "darwin" else 2**10
    answer.put((spent.ru_utime + spent.ru_stime, spent.ru_maxrss / scale, found))


def measured(folder: Path) -> tuple[float, float, list[str]]:
    """CPU seconds, peak MB and findings of mltriage in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    answer: multiprocessing.SimpleQueue[tuple[float, float, list[str]]] = spawn.SimpleQueue()
    process = spawn.Process(target=_ours, args=(folder, answer))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"mltriage failed with exit code {process.exitcode}")
    return answer.get()


def peer(python: str, script: str, paths: tuple[Path, Path]) -> tuple[float, float] | str:
    """CPU seconds and peak MB of a peer, or why it did not run."""
    command = [python, "-W", "ignore", "-c", script + MEASURED, *map(str, paths)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return found["cpu_s"], found["rss_mb"]


def main() -> int:
    """Exit code 1 when a limit is exceeded or a drift is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, help="where the files are, or are written")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--evidently", help="an interpreter that has Evidently")
    parser.add_argument("--nannyml", help="an interpreter that has NannyML")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mltriage-bench-") as scratch:
        folder = options.dir or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        paths = generate(folder, options.rows)
        started = time.monotonic()
        cpu, rss, found = measured(folder)
        print(f"{NUMERIC + CATEGORICAL} features, {options.rows:,} + {options.rows:,} rows, cold")
        print(
            f"  mltriage   {cpu:7.2f} CPU s {rss:6.0f} MB  {time.monotonic() - started:5.1f} s elapsed, drift: {found}"
        )
        shares = f"{cpu / CPU_LIMIT_S:.2f} of {CPU_LIMIT_S} s, {rss / RSS_LIMIT_MB:.2f} of {RSS_LIMIT_MB:.0f} MB"
        print(f"  of the limits: {shares}")
        for name, python, script in (
            ("Evidently", options.evidently, EVIDENTLY),
            ("NannyML", options.nannyml, NANNYML),
        ):
            if python is None:
                print(f"  {name:<10} skipped: name an interpreter that has it with --{name.lower()}")
                continue
            theirs = peer(python, script, paths)
            if isinstance(theirs, str):
                print(f"  {name:<10} skipped: {theirs}")
                continue
            ratios = f"{theirs[0] / cpu:.1f} times the CPU, {theirs[1] / rss:.1f} times the memory"
            print(f"  {name:<10} {theirs[0]:7.2f} CPU s {theirs[1]:6.0f} MB  {ratios}")
        fine = cpu <= CPU_LIMIT_S and rss <= RSS_LIMIT_MB and found == sorted(MOVED)
        return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
