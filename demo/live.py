"""The child process of a live fleet: appends rows about once a second, serves /metrics, and writes the older hours."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.blocks import Simulation
from demo.child import Order
from demo.labels import Deliveries
from demo.lines import JSONL_S, append_lines, json_lines
from demo.metrics import LiveMetrics, write_openmetrics
from demo.scenarios import SCENARIOS
from demo.writer import ParquetWriter, file_stem, hours_back, write_span

if TYPE_CHECKING:
    from prometheus_client.core import Metric

TICK_S = 1.0
_NICE = 10
"""What is not waited for must not take the processor from the screen."""


class FleetCollector:
    """Hands the fleet's metrics of this moment to prometheus_client."""

    def __init__(self, metrics: LiveMetrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """One metric per family."""
        from prometheus_client.core import Metric

        with self._lock:
            found = self._metrics.at(time.time())
        for family in found:
            metric = Metric(family.name, "Simulated.", family.kind)
            for sample in family.samples:
                if sample.values[-1] == sample.values[-1]:
                    metric.add_sample(family.name + sample.suffix, dict(sample.labels), float(sample.values[-1]))
            yield metric


def serve_metrics(metrics: LiveMetrics, port: int = 0) -> tuple[Any, str]:
    """Serve /metrics on 127.0.0.1 (port 0: a free one) in a thread. Returns the server and the URL."""
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(FleetCollector(metrics))
    server, _ = start_http_server(port, "127.0.0.1", registry)
    return server, f"http://127.0.0.1:{server.server_port}/metrics"


class Appender:
    """Appends what has happened since the last call to JSONL files of `JSONL_S` seconds each."""

    def __init__(self, logs: Path, sim: Simulation, since: float, deliveries: Deliveries) -> None:
        self._logs = logs
        self._deliveries = deliveries
        self._sim = sim
        self._until = since
        self._path = logs / f"{file_stem(since)}.jsonl"

    def append(self, now: float) -> None:
        """Append the rows and the labels up to `now` (unix seconds), whole lines only."""
        while self._until < now:
            border = (self._until // JSONL_S + 1) * JSONL_S
            end = min(now, border)
            lines = json_lines(self._sim, self._until, end, known_at=end)
            if lines:
                append_lines(self._path, lines)
                self._deliveries.expect(self._until, end, known_at=end)
            self._until = end
            if end == border:
                self._path = self._logs / f"{file_stem(border)}.jsonl"
        self._deliveries.deliver(now)


def run(order: Order, gone: threading.Event) -> None:
    """Keep the fleet alive until `gone` is set."""
    folder = Path(order.folder)
    sim = Simulation(SCENARIOS[order.scenario], order.seed, order.onset, order.rate)
    logs = folder / "logs"
    write_span(logs, sim, order.recent, order.shared, known_at=order.now)
    write_openmetrics(folder / "metrics.om", sim, order.recent, order.now, anchor=order.recent)
    server, url = serve_metrics(LiveMetrics(sim, order.recent))
    sys.stdout.write(url + "\n")
    sys.stdout.flush()
    os.nice(_NICE)
    (folder / "labels").mkdir(exist_ok=True)
    deliveries = Deliveries(folder / "labels" / "labels.jsonl", sim)
    for start, end in hours_back(order.recent, order.now):
        deliveries.expect(start, end, known_at=order.now)
    appender = Appender(logs, sim, order.now, deliveries)
    writer = ParquetWriter(sim)
    older = hours_back(order.oldest, order.recent)[::-1]
    behind = bool(older)
    while not gone.is_set():
        begun = time.monotonic()
        appender.append(time.time())
        if older:
            start, end = older.pop()
            writer.write(logs / f"{file_stem(start)}.parquet", start, end, order.now)
        elif behind:
            write_openmetrics(folder / "metrics.om", sim, order.oldest, order.now, anchor=order.recent)
            behind = False
        gone.wait(max(0.05, TICK_S - (time.monotonic() - begun)))
    server.shutdown()


def main() -> None:
    """Run what the first argument orders until standard input ends, which it does when the parent does."""
    order = Order.from_json(sys.argv[1])
    gone = threading.Event()

    def watch() -> None:
        while sys.stdin.buffer.read(4_096):
            continue
        gone.set()

    threading.Thread(target=watch, daemon=True).start()
    try:
        run(order, gone)
    finally:
        shutil.rmtree(order.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
