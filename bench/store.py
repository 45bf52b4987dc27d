"""CPU cost of the embedded log store over a day of 10 million rows: `python -m bench.store [--dir DIR]`."""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from analysis.filters import Not, Null, Range
from analysis.view import Window
from connectors.duckdb_store import DuckDbStore

ROWS = 10_000_000
HOURS = 24
START = 1_795_305_600
END = START + HOURS * 3_600
STEP = 60
CONFIDENCE_EDGES = tuple(i / 20 for i in range(21))
FIRST_LIMIT_S = 2.0
REFRESH_LIMIT_S = 0.2


def generate(folder: Path, rows: int) -> None:
    """24 hourly Parquet files, 20 columns, 8 features; about 786 MB and 18 CPU s for 10 M rows."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect()

    def pick(*values: str) -> str:
        return f"{list(values)}[1 + floor(random() * {len(values)})::INT]"

    for hour in range(HOURS):
        target = folder / f"hour-{hour:02d}.parquet"
        if target.exists():
            continue
        per_hour = rows // HOURS
        partial = folder / f"_{target.name}"
        con.execute(
            f"""COPY (SELECT
              make_timestamp(({START + hour * 3_600}::BIGINT * 1000000) + i * 3600000000 // {per_hour}) AS ts,
              uuid()::VARCHAR AS request_id, {pick("fraud", "rank", "churn")} AS model, {pick("41", "42")} AS version,
              {pick("eu-w1", "us-e1", "us-w2", "ap-s1")} AS region, {pick("free", "pro", "enterprise")} AS tier,
              {pick("ios", "android", "web")} AS device,
              exp(4 + 0.6 * sqrt(-2 * ln(1 - random())) * cos(6.283 * random())) AS latency_ms,
              CASE WHEN random() < 0.01 THEN {pick("Timeout", "HTTP 503", "OOM")} END AS error_type,
              NULL::VARCHAR AS error_message, random() AS prediction, random() ** 0.3 AS confidence,
              random() AS f_uniform, 10 * random() ** 3 AS f_skewed, ln(1 - random()) AS f_tail,
              CASE WHEN random() > 0.05 THEN random() * 100 END AS f_nulls, floor(random() * 1000) AS f_steps,
              floor(random() * 5)::INT AS f_few, {pick(*"abcdefg")} AS f_category,
              {pick("US", "DE", "FR", "IN", "JP")} AS f_country
            FROM range({per_hour}) AS t(i)) TO '{partial}' (FORMAT parquet, COMPRESSION zstd)"""
        )
        partial.rename(target)
    con.close()


class Meter:
    """CPU seconds of named steps."""

    def __init__(self) -> None:
        self.total = 0.0

    async def measure(self, name: str, question: Callable[[], Awaitable[Any]]) -> Any:
        before = time.process_time()
        answer = await question()
        spent = time.process_time() - before
        self.total += spent
        print(f"  {name:<24}{spent:8.3f} s")
        return answer


def _verdict(name: str, spent: float, limit: float) -> bool:
    print(f"  {name:<24}{spent:8.3f} s   {spent / limit:5.2f} of the limit {limit} s")
    return spent <= limit


async def first_data(folder: Path, baseline_s: int) -> tuple[DuckDbStore, Any, float]:
    """From nothing to all answers for a 30 minute window and its baseline."""
    meter = Meter()
    window = Window(END - 1_800, END)
    baseline = Window(window.start - baseline_s, window.start)
    spans = (baseline, window)

    async def start() -> DuckDbStore:
        return DuckDbStore([str(folder)])

    store: DuckDbStore = await meter.measure("open (imports duckdb)", start)
    await meter.measure("describe", store.describe)
    await meter.measure("watermark", store.watermark)
    bins = (await meter.measure("feature_bins", lambda: store.feature_bins((baseline,)))).value
    await meter.measure("series", lambda: store.series(spans, STEP))
    await meter.measure("confidence", lambda: store.confidence(spans, STEP, CONFIDENCE_EDGES))
    await meter.measure("features", lambda: store.features(spans, STEP, bins))
    await meter.measure("errors", lambda: store.errors(spans, STEP))
    await meter.measure("repeats", lambda: store.repeats(spans, STEP))
    return store, bins, meter.total


async def run(folder: Path) -> bool:
    print("first data, 30 m + 2 h")
    store, bins, spent = await first_data(folder, 7_200)
    fine = _verdict("first data", spent, FIRST_LIMIT_S)
    newest = (Window(END - 120, END),)
    print("refresh, newest two minutes")
    meter = Meter()
    await meter.measure("watermark", store.watermark)
    await meter.measure("series", lambda: store.series(newest, STEP))
    await meter.measure("confidence", lambda: store.confidence(newest, STEP, CONFIDENCE_EDGES))
    await meter.measure("features", lambda: store.features(newest, STEP, bins))
    await meter.measure("errors", lambda: store.errors(newest, STEP))
    await meter.measure("repeats", lambda: store.repeats(newest, STEP))
    fine &= _verdict("refresh", meter.total, REFRESH_LIMIT_S)
    print("for information")
    outcomes = (Not(Null("error_type")), Range("latency_ms", low=250))
    window = (Window(END - 1_800, END),)
    dims = ("version", "region", "tier", "device")
    await Meter().measure("segments 30 m", lambda: store.segments(window, outcomes, dims))
    day = (Window(START, END),)
    await Meter().measure("segments 24 h", lambda: store.segments(day, outcomes, dims))
    await Meter().measure("records 24 h", lambda: store.records(day, limit=50))
    await Meter().measure("series 24 h", lambda: store.series(day, 300))
    await store.close()
    print("first data, 30 m + 4 h")
    store, _, spent = await first_data(folder, 14_400)
    print(f"  {'first data':<24}{spent:8.3f} s")
    await store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(f"peak RSS {peak:.0f} MiB")
    return fine


def main() -> int:
    """Exit code 1 when a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, help="where the day is, or is written")
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mltriage-bench-") as scratch:
        folder = options.dir or Path(scratch)
        # In a process of its own, so that the import of duckdb and the peak memory measured are those of the store.
        writer = multiprocessing.get_context("spawn").Process(target=generate, args=(folder, options.rows))
        writer.start()
        writer.join()
        return 0 if asyncio.run(run(folder)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
