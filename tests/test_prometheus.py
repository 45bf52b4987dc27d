"""The Prometheus store against a real Prometheus, and the scrape store against the same samples."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from analysis.burn import budget, burn_rate, tally
from analysis.evidence import Histogram
from analysis.objectives import Objective
from analysis.view import Window
from connectors.base import RejectedError, UnreachableError
from connectors.presets import load_presets, parse_matchers
from connectors.prom_session import PromClient
from connectors.prometheus import PrometheusStore
from connectors.promql import Step, render
from connectors.scrape import ScrapeStore
from connectors.signals import Query, make_plan
from tests.metrics_fleet import MINUTES, START, fleet_text
from tests.prometheus_server import Server, free_port, prometheus

pytestmark = pytest.mark.prometheus

HOUR = Window(START, START + MINUTES * 60)
LATENCY = "model_request_duration_seconds_bucket"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with prometheus(fleet_text(restart_at=1815)) as running:
        yield running


@pytest.fixture
async def store(server: Server) -> AsyncIterator[PrometheusStore]:
    # The samples are of a fixed day, and nothing is scraped.
    opened = PrometheusStore(server.url, scrape_interval_s=15, clock=lambda: HOUR.end)
    yield opened
    await opened.close()


def quantile(q: float, histogram: Histogram, at: int, key: int) -> float:
    """Linear interpolation within a bucket, as Prometheus documents it; milliseconds."""
    counts, edges = histogram.n[at, key], histogram.bins.edges  # type: ignore[union-attr]
    cumulative = np.cumsum(counts)
    rank = q * cumulative[-1]
    i = int(np.searchsorted(cumulative, rank, side="left"))
    if math.isinf(edges[i + 1]):
        return edges[i]
    before = cumulative[i - 1] if i else 0.0
    return float(edges[i] + (edges[i + 1] - edges[i]) * (rank - before) / counts[i])


async def asked(server: Server, q: float, how: str, at: int) -> dict[str, float]:
    """Prometheus's own quantile per model at a moment, in seconds."""
    expr = f"histogram_quantile({q}, sum by (le, model) ({how}({LATENCY}[60s])))"
    async with httpx.AsyncClient() as client:
        reply = await client.get(f"{server.url}/api/v1/query", params={"query": expr, "time": str(at)})
    return {one["metric"]["model"]: float(one["value"][1]) for one in reply.json()["data"]["result"]}


@pytest.mark.parametrize("how", ["increase", "rate"])
@pytest.mark.parametrize("kind", ["prometheus", "scrape"])
async def test_quantiles_of_our_buckets_are_those_of_histogram_quantile(
    server: Server, store: PrometheusStore, kind: str, how: str, tmp_path: Path
) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(fleet_text(restart_at=1815))
    ours = store if kind == "prometheus" else ScrapeStore([str(path)])
    traffic = (await ours.metrics([HOUR], 60)).value.traffic
    assert traffic is not None
    assert traffic.latency is not None
    for bucket in (5, 20, 29, 31, 45):
        end = START + 60 * (bucket + 1)
        at = traffic.latency.t.tolist().index(end - 60)
        for q in (0.5, 0.9, 0.95, 0.99):
            theirs = await asked(server, q, how, end)
            for key, (model, _) in enumerate(traffic.latency.keys):
                # Samples lie on the edges of the buckets, so the counts differ by one factor at most.
                assert quantile(q, traffic.latency, at, key) == pytest.approx(theirs[model] * 1e3, rel=1e-9)


async def test_samples_between_the_edges_move_quantiles_by_little(tmp_path: Path) -> None:
    text = fleet_text(offset_s=7.0)
    path = tmp_path / "metrics.om"
    path.write_text(text)
    traffic = (await ScrapeStore([str(path)]).metrics([HOUR], 60)).value.traffic
    assert traffic is not None
    assert traffic.latency is not None
    with prometheus(text) as shifted:
        for bucket in (10, 40):
            theirs = await asked(shifted, 0.5, "increase", START + 60 * (bucket + 1))
            for key, (model, _) in enumerate(traffic.latency.keys):
                # About 80 requests per bucket: the 15 s on which the two differ are a fifth of them.
                assert quantile(0.5, traffic.latency, bucket, key) == pytest.approx(theirs[model] * 1e3, rel=0.2)


async def test_discovery_watermark_and_evidence(store: PrometheusStore) -> None:
    catalog = await store.discover()
    assert catalog.presets == ("plain",)
    assert catalog.models == ("a", "b")
    assert set(catalog.signals) == {"requests", "replica_requests", "errors", "latency", "memory"}
    water = await store.watermark()
    assert (water.oldest, water.newest) == (HOUR.start, HOUR.end)
    fetched = await store.metrics([HOUR], 60)
    evidence = fetched.value
    assert evidence.traffic is not None
    assert evidence.traffic.errors is not None
    assert evidence.traffic.requests.n.shape == (MINUTES, 2)
    assert 0.03 < evidence.traffic.errors.n.sum() / evidence.traffic.requests.n.sum() < 0.07
    assert evidence.errors is not None
    assert evidence.errors.counts.keys == (("a", "timeout"), ("b", "timeout"))
    assert [(series.metric, series.labels) for series in evidence.gauges] == [
        ("memory", (("model", "a"), ("replica", "r1"))),
        ("memory", (("model", "b"), ("replica", "r1"))),
        ("replica_requests", (("model", "a"),)),
        ("replica_requests", (("model", "b"),)),
    ]
    assert evidence.gauges[0].v[-1] == 1e9 + 3600
    assert "requests: sum by" in fetched.query
    assert fetched.warnings == ()


async def test_both_stores_give_the_same_evidence(store: PrometheusStore, tmp_path: Path) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(fleet_text(restart_at=1815))
    theirs = (await store.metrics([HOUR], 60)).value.traffic
    ours = (await ScrapeStore([str(path)]).metrics([HOUR], 60)).value.traffic
    assert theirs is not None
    assert ours is not None
    assert theirs.latency is not None
    assert ours.latency is not None
    assert theirs.requests.keys == ours.requests.keys
    # The first bucket holds its first sample twice for Prometheus: the edge belongs to both sides.
    assert np.allclose(theirs.requests.n[1:], ours.requests.n[1:])
    assert np.allclose(theirs.latency.n[1:], ours.latency.n[1:])
    assert np.allclose(theirs.latency.total[1:], ours.latency.total[1:])


@pytest.mark.parametrize("kind", ["prometheus", "scrape"])
async def test_burns_are_those_that_the_server_computes(
    server: Server, store: PrometheusStore, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(fleet_text(restart_at=1815))
    ours = store if kind == "prometheus" else ScrapeStore([str(path)])
    fetched = await ours.traffic([HOUR], 60)
    assert fetched.value is not None
    promises = [Objective("b", "availability", 0.999), Objective("b", "latency", 0.99, 260.0)]
    counts = tally(fetched.value, promises)
    slow = (
        f'1 - sum(increase({LATENCY}{{model="b",le="0.25"}}[W])) / sum(increase({LATENCY}{{model="b",le="+Inf"}}[W]))'
    )
    failed = 'sum(increase(model_errors_total{model="b"}[W])) / sum(increase(model_requests_total{model="b"}[W]))'
    for promise, bad, allowed in zip(promises, (failed, slow), (0.001, 0.01), strict=True):
        found = budget(promise, [counts], HOUR.end, HOUR.start)
        assert found is not None
        for spend in found.spends[:3]:
            expr = f"({bad.replace('W', f'{spend.window_s}s')}) / {allowed}"
            async with httpx.AsyncClient() as client:
                reply = await client.get(f"{server.url}/api/v1/query", params={"query": expr, "time": str(HOUR.end)})
            theirs = float(reply.json()["data"]["result"][0]["value"][1])
            assert spend.n > 100
            assert burn_rate(spend.bad, spend.n, promise.target) == pytest.approx(theirs, rel=1e-6)


async def test_spans_asked_one_by_one_equal_the_whole_span(store: PrometheusStore) -> None:
    whole = (await store.metrics([HOUR], 60)).value.traffic
    spans = [Window(START, START + 600), Window(START + 3000, HOUR.end)]
    parts = (await store.metrics(spans, 60)).value.traffic
    assert whole is not None
    assert parts is not None
    assert whole.latency is not None
    assert parts.latency is not None
    assert parts.requests.t.tolist() == [*range(START, START + 600, 60), *range(START + 3000, HOUR.end, 60)]
    chosen = np.isin(whole.requests.t, parts.requests.t)
    assert np.array_equal(parts.requests.n, whole.requests.n[chosen])
    assert np.array_equal(parts.latency.n, whole.latency.n[chosen])


async def test_a_step_shorter_than_four_scrapes_uses_a_rate(server: Server) -> None:
    slow = PrometheusStore(server.url, scrape_interval_s=60, clock=lambda: HOUR.end)
    fetched = await slow.metrics([HOUR], 60)
    await slow.close()
    assert "[240s])) * 0.25" in fetched.query
    assert fetched.value.traffic is not None
    per_minute = fetched.value.traffic.requests.n[10:50].mean()
    assert per_minute == pytest.approx(80, rel=0.1)


async def test_a_selector_and_own_promql_reach_the_server(server: Server) -> None:
    own = {"queue_depth": "sum by (model) (model_memory_bytes{{selector}})"}
    chosen = PrometheusStore(
        server.url, selector='model="a"', queries=own, scrape_interval_s=15, clock=lambda: HOUR.end
    )
    evidence = (await chosen.metrics([HOUR], 60)).value
    await chosen.close()
    assert evidence.traffic is not None
    assert evidence.traffic.requests.keys == (("a", "1"),)
    assert [s.labels for s in evidence.gauges if s.metric == "queue_depth"] == [(("model", "a"),)]


def every_query() -> list[Query]:
    """Every structure of every preset, as if all that it needs were exposed."""
    queries = []
    for preset in load_presets():
        for signal, variants in preset.signals.items():
            for variant in variants:
                needed = {name.removeprefix("-") for name in (*variant.metric, *variant.over, *variant.needs)}
                if variant.pattern:
                    needed = {
                        "prediction_confidence_bucket",
                        "prediction_confidence_sum",
                        "prediction_confidence_count",
                    }
                    needed |= {"feature_drift_score"}
                if variant.kind == "histogram":
                    needed |= {name + end for name in needed for end in ("_bucket", "_sum", "_count")}
                # Errors alone make no traffic, so the requests are there as well.
                needed |= {name for other in preset.signals.get("requests", ()) for name in other.metric}
                found = make_plan(needed | preset.any | preset.all)
                wanted = [query for query in found.queries if query.signal == signal and query.preset == preset.id]
                assert wanted, (preset.id, signal)
                queries += wanted
    return queries


async def test_every_expression_of_every_preset_is_accepted(server: Server) -> None:
    extra = parse_matchers('namespace=~"ml|x"')
    expressions = {
        render(query, step, matchers)
        for query in every_query()
        for step, matchers in ((Step(60), ()), (Step(60, 60.0), extra))
    }
    assert len(expressions) > 400
    refused = {}
    gate = asyncio.Semaphore(8)
    async with httpx.AsyncClient() as client:

        async def send(expr: str) -> None:
            async with gate:
                reply = await client.post(f"{server.url}/api/v1/query", data={"query": expr, "time": str(HOUR.end)})
            if reply.status_code != 200:
                refused[expr] = reply.text

        await asyncio.gather(*map(send, expressions))
    assert refused == {}


async def test_the_interval_of_the_targets_is_used() -> None:
    page = 'model_requests_total{model="a"} 5\n'
    served: list[int] = []
    scraped = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        served.append(1)
        if len(served) > 1:
            # The second scrape has begun, so the first is stored.
            scraped.set()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n"
            + f"Content-Length: {len(page)}\r\n\r\n{page}".encode()
        )
        await writer.drain()
        writer.close()

    target = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = target.sockets[0].getsockname()[1]
    running = prometheus(targets=[f"127.0.0.1:{port}"], scrape_interval="1s")
    server = await asyncio.to_thread(running.__enter__)
    try:
        live = PrometheusStore(server.url)
        await asyncio.wait_for(scraped.wait(), 60)
        fetched = await live.metrics([Window(0, 60)], 60)
        assert "[60s]" in fetched.query
        assert live._scrape_s == 1.0
        await live.close()
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)
        target.close()


async def test_a_refused_port_is_told_with_its_address() -> None:
    port = free_port()
    nobody = PrometheusStore(f"http://127.0.0.1:{port}")
    with pytest.raises(UnreachableError) as error:
        await nobody.discover()
    assert error.value.title == "connection refused"
    assert str(port) in error.value.message
    await nobody.close()


def test_an_export_is_a_frame_with_utc_times(server: Server) -> None:
    client = PromClient(server.url)
    frame = client.export_frame('model_memory_bytes{model="a"}', Window(START, START + 120), 60)
    assert list(frame["value"]) == [1e9, 1e9 + 60, 1e9 + 120]
    assert list(frame["model"]) == ["a"] * 3
    assert str(frame.index.tz) == "UTC"  # type: ignore[attr-defined]
    assert frame.index[0].timestamp() == START
    empty = client.export_frame("nothing_here", Window(START, START + 120), 60)
    assert list(empty.columns) == ["value"]
    assert empty.empty
    with pytest.raises(RejectedError, match="parse error"):
        client.export_frame("sum by (", Window(START, START + 120), 60)
    client.close()


def test_doctor_learns_the_version_and_the_targets(server: Server) -> None:
    client = PromClient(server.url)
    found = client.check()
    assert found["version"].startswith("2.")
    assert found["targets"] == "0/0"
    client.close()
