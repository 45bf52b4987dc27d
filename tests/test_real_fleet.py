"""The main job end to end: a real Prometheus scrapes the live demo fleet and its own host, mltriage reads both."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from analysis.answer import Snapshot, State
from demo.child import Child
from demo.run import LiveFleet
from tests.prometheus_server import Server, free_port, prometheus
from tui.config import load
from tui.doctor import run as run_doctor
from tui.options import Flags, resolve
from tui.report import evaluate

pytestmark = pytest.mark.prometheus

PATIENCE_S = 60.0


@contextmanager
def node_exporter() -> Iterator[str]:
    """The Debian package `prometheus-node-exporter` on a free port."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        ["prometheus-node-exporter", f"--web.listen-address={address}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[LiveFleet, Server]]:
    """The fleet with its past in a real Prometheus that goes on scraping it."""
    with LiveFleet.of(Child.start("bad-canary", hours=5, minutes_after_onset=10)) as fleet, node_exporter() as node:
        instance = urlsplit(fleet.metrics_url).netloc
        # The past as this server would have scraped it: without the target labels each series would be there twice.
        past = re.sub(
            r"^(\w+)\{", rf'\1{{instance="{instance}",job="models",', fleet.history.read_text(), flags=re.MULTILINE
        )
        with prometheus(past, targets=(instance, node), scrape_interval="1s") as server:
            yield from scraped_fleet(fleet, server)


def scraped_fleet(fleet: LiveFleet, server: Server) -> Iterator[tuple[LiveFleet, Server]]:
    """The fleet and the server once every target has been scraped some times."""
    end = time.monotonic() + PATIENCE_S
    while float(scraped(server)) < 2:
        assert time.monotonic() < end, "the targets were never scraped"
        time.sleep(0.2)
    yield fleet, server


def scraped(server: Server) -> str:
    """How many targets are up and have been scraped several times."""
    answer = httpx.get(f"{server.url}/api/v1/query", params={"query": "count(count_over_time(up[1m]) > 5)"}).json()
    result = answer["data"]["result"]
    return str(result[0]["value"][1]) if result else "0"


def answer(**flags: str) -> Snapshot:
    sources = {name: (value,) for name, value in flags.items()}
    return asyncio.run(evaluate(resolve(Flags(**sources), load(None), time.time())))  # type: ignore[arg-type]


def test_prometheus_alone_fills_latency_errors_and_infrastructure(served: tuple[LiveFleet, Server]) -> None:
    snapshot = answer(prometheus=served[1].url)
    assert {row.model for row in snapshot.models} == {"fraud", "rank", "churn"}
    assert all(row.request_rate and row.latency_ms["p99"] and row.error_ratio is not None for row in snapshot.models)
    assert snapshot.latency.status.state is State.LIVE
    assert snapshot.errors.rows
    metrics = {row.metric for row in snapshot.infra.rows}
    assert {"memory", "cpu", "queue_depth", "in_flight", "load"} & metrics >= {"memory", "cpu", "queue_depth"}
    assert any("127.0.0.1" in row.name for row in snapshot.infra.rows), "the host's own metrics are missing"
    assert snapshot.confidence.status.state is State.ABSENT
    assert "--logs" in snapshot.confidence.status.message


def test_prometheus_alone_names_the_slow_model(served: tuple[LiveFleet, Server]) -> None:
    snapshot = answer(prometheus=served[1].url)
    assert snapshot.findings[0].model == "fraud"
    assert any(finding.signal == "version" and finding.subject == "42" for finding in snapshot.findings)


def test_logs_alone_fill_the_rest(served: tuple[LiveFleet, Server]) -> None:
    snapshot = answer(logs=str(served[0].logs))
    states = (snapshot.latency, snapshot.confidence, snapshot.errors, snapshot.features)
    assert all(panel.status.state is State.LIVE for panel in states)
    assert snapshot.infra.status.state is State.ABSENT
    assert dict(snapshot.findings[0].where[0].where) == {"version": "42"}


def test_logs_and_metrics_agree_on_rate_and_latency(served: tuple[LiveFleet, Server]) -> None:
    fleet, server = served
    by_metrics = {row.model: row for row in answer(prometheus=server.url).models}
    by_logs = {row.model: row for row in answer(logs=str(fleet.logs)).models}
    for model, row in by_logs.items():
        other = by_metrics[model]
        assert row.request_rate is not None
        assert other.request_rate == pytest.approx(row.request_rate, rel=0.1)
        assert other.latency_ms["p50"] == pytest.approx(row.latency_ms["p50"], rel=0.35)


def test_the_doctor_tells_the_server_and_its_targets(
    served: tuple[LiveFleet, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    found = resolve(Flags(prometheus=(served[1].url,)), load(None), time.time())
    assert run_doctor(found) == 0
    printed = capsys.readouterr().out
    assert "version 2." in printed
    assert "targets up: 2 of 2" in printed
    assert "plain" in printed
    assert "node_exporter" in printed
