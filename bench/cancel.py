"""How soon a question ends that nobody asks any more, and a key is taken while one runs: `python -m bench.cancel`.

A DuckDB query that works for seconds and a Prometheus that never answers are cancelled; beside the query the event loop
is asked every millisecond how late it is, which is the longest that a key waits. Milliseconds, the worst of all rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from analysis.filters import Not, Null
from analysis.view import Window
from connectors.duckdb_store import DuckDbStore
from connectors.prometheus import PrometheusStore
from tests.logs import START, rows, write_parquet
from tests.slow_sources import HARD, silent_server

FAILED = Not(Null("error_type"))
HOUR = Window(START, START + 3_600)
LIMIT_MS = 200.0
KEY_LIMIT_MS = 100.0


async def stopped(task: asyncio.Task[object]) -> float:
    """Milliseconds until a running task that is cancelled has ended."""
    if task.done():
        raise SystemExit("the question was answered before it could be cancelled: more rows are needed")
    began = time.monotonic()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return 1e3 * (time.monotonic() - began)


async def lateness(seconds: float) -> float:
    """The longest time, ms, that the event loop was held up beyond a millisecond's sleep."""
    worst, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        await asyncio.sleep(0.001)
        worst = max(worst, 1e3 * (time.monotonic() - began) - 1)
    return worst


async def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Cancel each source `rounds` times."""
    store = DuckDbStore([str(folder)])
    await store.describe()
    duckdb, http, late = [], [], []
    for _ in range(rounds):
        asked: asyncio.Task[object] = asyncio.create_task(store.segments((HOUR,), (FAILED,), ("region",), HARD))
        late.append(await lateness(0.5))
        duckdb.append(await stopped(asked))
        async with silent_server() as server:
            prometheus = PrometheusStore(f"http://127.0.0.1:{server.port}", timeout_s=60)
            question: asyncio.Task[object] = asyncio.create_task(prometheus.segments((HOUR,), "fraud", FAILED))
            await server.asked.wait()
            http.append(await stopped(question))
            await prometheus.close()
    await store.close()
    return {"duckdb_ms": max(duckdb), "http_ms": max(http), "key_waits_ms": max(late)}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mltriage-cancel-") as name:
        write_parquet(Path(name) / "a.parquet", rows(arguments.rows))
        found = asyncio.run(measure(Path(name), arguments.rounds))
    limits = {"duckdb_ms": LIMIT_MS, "http_ms": LIMIT_MS, "key_waits_ms": KEY_LIMIT_MS}
    print(json.dumps({name: {"worst": round(value, 1), "limit": limits[name]} for name, value in found.items()}))


if __name__ == "__main__":
    main()
