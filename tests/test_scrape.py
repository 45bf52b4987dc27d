"""The scrape store: pages taken from real servers, resets, histories and failing targets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.evidence import MetricEvidence
from analysis.view import Window
from connectors.base import MalformedError, MissingDataError, RejectedError, SourceError, UnreachableError
from connectors.exposition import parse_history, parse_page
from connectors.metric_evidence import rebin
from connectors.ring import RESOLUTION_S, Ring
from connectors.scrape import ScrapeStore
from connectors.signals import make_plan
from tests.metrics_fleet import LES, MINUTES, START, fleet_text

PAGES = Path(__file__).parent / "data" / "metrics"
HOUR = Window(START, START + MINUTES * 60)


class Clock:
    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def pages(texts: Mapping[str, Callable[[], str | httpx.Response]]) -> httpx.MockTransport:
    def handler(request: httpx.Request) -> httpx.Response:
        found = texts[request.url.netloc.decode()]()
        return found if isinstance(found, httpx.Response) else httpx.Response(200, text=found)

    return httpx.MockTransport(handler)


def grown(page: str, factor: float) -> str:
    """The same page later: every value `factor` times as large."""
    return re.sub(r"^([^#\n].*) (\S+)$", lambda m: f"{m[1]} {float(m[2]) * factor!r}", page, flags=re.MULTILINE)


async def scraped(page: str) -> tuple[MetricEvidence, tuple[str, ...]]:
    """Evidence of one minute in which every number of a real page has doubled."""
    text = (PAGES / f"{page}.metrics.txt").read_text()
    clock = Clock()
    growth = iter((1.0, 2.0))
    store = ScrapeStore(
        ["http://host:8080"], transport=pages({"host:8080": lambda: grown(text, next(growth))}), clock=clock
    )
    await store.poll()
    clock.now += 60
    await store.poll()
    fetched = await store.metrics([Window(START, START + 60)], 60)
    catalog = await store.discover()
    await store.close()
    return fetched.value, catalog.models


@pytest.mark.parametrize(
    ("page", "models", "requests", "errors", "latency"),
    [
        ("bentoml", ("Fraud",), 48.0, 4.0, None),
        ("kserve", ("fraud",), 30.0, 5.0, 30.0),
        ("mlserver", ("fraud",), 30.0, 5.0, 31.0),
        ("mlserver_workers", ("fraud",), 60.0, 10.0, 60.0),
        ("ray_serve", ("fraud",), 40.0, 7.0, 40.0),
    ],
)
async def test_a_real_page_becomes_evidence(
    page: str, models: tuple[str, ...], requests: float, errors: float, latency: float | None
) -> None:
    evidence, found = await scraped(page)
    assert found == models
    traffic = evidence.traffic
    assert traffic is not None
    assert traffic.errors is not None
    assert traffic.latency is not None
    assert {key[0] for key in traffic.requests.keys} == set(models)
    assert traffic.requests.n.sum() == pytest.approx(requests)
    assert traffic.errors.n.sum() == pytest.approx(errors)
    assert evidence.errors is not None
    assert evidence.errors.counts.n.sum() >= errors
    if latency is not None:
        assert traffic.latency.n.sum() == pytest.approx(latency)
    assert traffic.latency.total.sum() > 0
    assert {key[0] for key in traffic.latency.keys} == set(models)


async def test_a_page_of_a_host_has_gauges_and_no_traffic() -> None:
    evidence, models = await scraped("node_exporter")
    assert evidence.traffic is None
    assert models == ()
    found = {series.metric: series for series in evidence.gauges}
    assert {"cpu", "memory", "memory_limit", "oom", "host_load", "up"} <= set(found)
    assert found["cpu"].unit == "ratio"
    assert 0 < float(found["cpu"].v[0]) < 1
    limit = found["memory_limit"]
    host = next(s for s in evidence.gauges if s.metric == "memory" and s.labels == limit.labels)
    assert limit.label("replica") == "host:8080"
    assert 0 < host.v[0] < limit.v[0]


async def test_confidence_and_drift_of_custom_metrics_are_gauges() -> None:
    evidence, _ = await scraped("bentoml")
    found = {series.metric: series for series in evidence.gauges}
    assert 0 < float(found["confidence_mean"].v[0]) < 1


async def test_a_history_alone_is_a_store(tmp_path: Path) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(fleet_text())
    store = ScrapeStore([str(path)])
    catalog = await store.discover()
    assert catalog.presets == ("plain",)
    assert catalog.models == ("a", "b")
    water = await store.watermark()
    assert (water.oldest, water.newest) == (HOUR.start, HOUR.end)
    traffic = (await store.metrics([HOUR], 60)).value.traffic
    assert traffic is not None
    assert traffic.latency is not None
    assert traffic.requests.keys == (("a", "1"), ("b", "2"))
    assert traffic.latency.n.sum() == pytest.approx(traffic.requests.n.sum())
    assert len(traffic.latency.bins) == len(LES) + 1


async def test_a_history_that_grows_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.om"
    text = fleet_text()
    path.write_text(text)
    clock = Clock()
    store = ScrapeStore([str(path)], clock=clock)
    before = (await store.metrics([HOUR], 60)).value.traffic
    path.write_text(fleet_text(step_s=30) + "\n")
    clock.now += 60
    after = (await store.metrics([HOUR], 60)).value.traffic
    assert before is not None
    assert after is not None
    assert after.requests.n.sum() < before.requests.n.sum()


async def test_pieces_of_a_span_equal_the_span(tmp_path: Path) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(fleet_text(offset_s=7.3))
    store = ScrapeStore([str(path)])
    whole = (await store.metrics([HOUR], 60)).value
    middle = START + 1200
    parts = [(await store.metrics([w], 60)).value for w in (Window(START, middle), Window(middle, HOUR.end))]
    assert whole.traffic is not None
    joined = np.concatenate([p.traffic.requests.n for p in parts if p.traffic])
    assert np.allclose(joined, whole.traffic.requests.n)
    both = (await store.metrics([Window(START, START + 600), Window(middle, HOUR.end)], 60)).value.traffic
    assert both is not None
    assert np.allclose(both.requests.n[:10], whole.traffic.requests.n[:10])
    assert np.allclose(both.requests.n[-40:], whole.traffic.requests.n[-40:])


async def test_a_live_target_continues_its_history(tmp_path: Path) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(
        f'model_requests_total{{model="a"}} 10 {START}\nmodel_requests_total{{model="a"}} 40 {START + 60}\n'
    )
    clock = Clock(START + 120)
    page = '# TYPE model_requests_total counter\nmodel_requests_total{model="a"} 100\n'
    store = ScrapeStore(["http://x:1/metrics"], history=path, transport=pages({"x:1": lambda: page}), clock=clock)
    traffic = (await store.metrics([Window(START, START + 120)], 60)).value.traffic
    assert traffic is not None
    assert traffic.requests.n[:, 0].tolist() == [30.0, 60.0]


async def test_a_restarted_counter_loses_nothing_and_never_falls() -> None:
    values = iter((100, 130, 5, 25))
    clock = Clock()
    transport = pages({"x:1": lambda: f'model_requests_total{{model="a"}} {next(values)}\n'})
    store = ScrapeStore(["http://x:1"], transport=transport, clock=clock)
    for at in range(4):
        clock.now = START + 60 * at
        await store.poll()
    traffic = (await store.metrics([Window(START, START + 180)], 60)).value.traffic
    assert traffic is not None
    assert traffic.requests.n[:, 0].tolist() == [30.0, 5.0, 20.0]


async def test_resets_are_handled_per_replica_before_the_sum() -> None:
    values = iter(((1000, 10), (1010, 20), (5, 30)))

    def page() -> str:
        one, two = next(values)
        series = 'model_requests_total{model="a",replica="'
        return f'{series}1"}} {one}\n{series}2"}} {two}\n'

    clock = Clock()
    store = ScrapeStore(["http://x:1"], transport=pages({"x:1": page}), clock=clock)
    for at in range(3):
        clock.now = START + 60 * at
        await store.poll()
    traffic = (await store.metrics([Window(START, START + 120)], 60)).value.traffic
    assert traffic is not None
    assert traffic.requests.n[:, 0].tolist() == [20.0, 15.0]


async def test_the_first_error_counts_and_the_first_page_does_not() -> None:
    texts = iter(
        (
            'model_requests_total{model="a"} 500\n',
            'model_requests_total{model="a"} 510\nmodel_errors_total{model="a",error_type="oom"} 3\n',
        )
    )
    clock = Clock()
    store = ScrapeStore(["http://x:1"], transport=pages({"x:1": lambda: next(texts)}), clock=clock)
    await store.poll()
    clock.now += 60
    await store.poll()
    evidence = (await store.metrics([Window(START, START + 60)], 60)).value
    assert evidence.traffic is not None
    assert evidence.traffic.requests.n.tolist() == [[10.0]]
    assert evidence.errors is not None
    assert evidence.errors.counts.keys == (("a", "oom"),)
    assert evidence.errors.counts.n.tolist() == [[3.0]]
    assert evidence.errors.first_seen == {("a", "oom"): START}


async def test_one_failing_target_is_told_and_the_others_live() -> None:
    texts: dict[str, Callable[[], str | httpx.Response]] = {
        "good:1": lambda: 'model_requests_total{model="a"} 1\n',
        "bad:1": lambda: httpx.Response(403, text="no"),
    }
    store = ScrapeStore(["http://good:1", "http://bad:1"], transport=pages(texts), clock=Clock())
    fetched = await store.metrics([Window(START, START + 60)], 60)
    assert fetched.warnings == ("bad:1: forbidden: http://bad:1/metrics: no",)
    up = {series.label("replica"): float(series.v[-1]) for series in fetched.value.gauges if series.metric == "up"}
    assert up == {"good:1": 1.0, "bad:1": 0.0}


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(404, text="no"), RejectedError),
        (httpx.Response(500, text="no"), UnreachableError),
        (httpx.Response(200, html="<html>"), MalformedError),
        (httpx.Response(200, text=""), MalformedError),
        (httpx.Response(200, text="this is not a metric page {\n"), MalformedError),
        (httpx.Response(302, headers={"location": "/login"}), RejectedError),
    ],
)
async def test_when_every_target_fails_the_error_is_typed(response: httpx.Response, kind: type[SourceError]) -> None:
    store = ScrapeStore(["http://bad:1"], transport=pages({"bad:1": lambda: response}))
    with pytest.raises(kind):
        await store.metrics([HOUR], 60)


async def test_a_missing_history_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="history not readable"):
        await ScrapeStore([str(tmp_path / "none.om")]).discover()


async def test_a_gauge_ends_when_its_series_leaves_the_page() -> None:
    texts = iter(('model_requests_total 1\nmodel_memory_bytes{model="a"} 5\n', "model_requests_total 1\n"))
    clock = Clock(START + 30)
    store = ScrapeStore(["http://x:1"], transport=pages({"x:1": lambda: next(texts)}), clock=clock)
    await store.poll()
    clock.now += 60
    await store.poll()
    gauges = (await store.metrics([Window(START, START + 120)], 60)).value.gauges
    memory = next(series for series in gauges if series.metric == "memory")
    assert memory.v[0] == 5
    assert math.isnan(memory.v[1])


async def test_triton_without_a_histogram_has_quantiles_and_a_mean() -> None:
    growth = iter((1, 3))

    def page() -> str:
        n = next(growth)
        labels = 'model="m",version="1"'
        return (
            f"nv_inference_request_success{{{labels}}} {100 * n}\nnv_inference_request_failure{{{labels}}} {n}\n"
            f"nv_inference_request_duration_us{{{labels}}} {100 * n * 20_000}\n"
            f'nv_inference_request_summary_us{{{labels},quantile="0.99"}} 45000\n'
        )

    clock = Clock()
    store = ScrapeStore(["http://x:1"], transport=pages({"x:1": page}), clock=clock)
    await store.poll()
    clock.now += 60
    await store.poll()
    evidence = (await store.metrics([Window(START, START + 60)], 60)).value
    assert evidence.traffic is not None
    assert evidence.traffic.requests.n.sum() == 202
    assert evidence.traffic.latency is None
    assert evidence.quantiles[0.99][0].v[0] == 45.0
    mean = next(series for series in evidence.gauges if series.metric == "latency_mean")
    assert (float(mean.v[0]), mean.unit, mean.label("model")) == (20.0, "ms", "m")


def test_samples_within_the_resolution_replace_each_other() -> None:
    ring = Ring()
    ring.need(make_plan({"model_requests_total"}), frozenset())
    sample = list(parse_page('model_requests_total{model="a"} 1\n', "text/plain"))
    for second in range(600):
        ring.add_page("x", sample, START + second)
    assert ring.count <= 600 / RESOLUTION_S + 2


def test_a_history_is_read_as_the_library_reads_it() -> None:
    from prometheus_client import parser

    text = fleet_text(step_s=600)
    mine = {
        (one.name, tuple(sorted(one.labels.items())), t): v
        for one in parse_history(text.splitlines(keepends=True))
        for t, v in zip(one.t.tolist(), one.v.tolist(), strict=True)
    }
    theirs = {
        (s.name, tuple(sorted(s.labels.items())), float(s.timestamp) * 1000): s.value
        for family in parser.text_string_to_metric_families(text)
        for s in family.samples
        if isinstance(s.timestamp, float)
    }
    assert mine == theirs


def test_awkward_history_lines_are_read() -> None:
    text = (
        "# HELP m what } it { is\n# TYPE m counter\n"
        'm_total{path="/a b} c",quote="\\"x\\"\\n"} 1 1700000000 # {trace="t"} 0.5 1700000000.1\n'
        'm_total{path="/a b} c",quote="\\"x\\"\\n"} 2e3 1700000060\n'
        "m_created 1 1700000000\nplain NaN 1700000000000\n\n# EOF\n"
    )
    one, plain = parse_history(text.splitlines(keepends=True))
    assert dict(one.labels) == {"path": "/a b} c", "quote": '"x"\n'}
    assert one.v.tolist() == [1.0, 2000.0]
    assert plain.t.tolist() == [1_700_000_000.0]


@pytest.mark.parametrize("line", ['m{a="x y"} 5', "m 5", "<html>", 'm{a="x} 5 1700000000'])
def test_a_history_without_timestamps_is_refused_by_line(line: str) -> None:
    with pytest.raises(MalformedError, match="line 2"):
        parse_history(["# TYPE m gauge\n", line + "\n"])


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 500)), min_size=2, max_size=30))
def test_increases_add_up_to_what_was_counted(pieces: list[tuple[int, int]]) -> None:
    """However samples and buckets lie, and wherever the counter restarts, nothing is lost or counted twice."""
    ring = Ring()
    plan = make_plan({"model_requests_total"})
    ring.need(plan, frozenset())
    at, value, counted = float(START), 0, 0
    sampled = [(at, value)]
    for i, (pause, count) in enumerate(pieces):
        at += pause * RESOLUTION_S
        value = count if i % 7 == 6 and count < value else value + count
        counted += count
        sampled.append((at, value))
    for moment, seen in sampled:
        ring.add_page("x", list(parse_page(f"model_requests_total {seen}\n", "text/plain")), moment)
    query = plan.first("requests")
    assert query is not None
    t = np.arange(START, int(at) + 60, 60, dtype=np.int64)
    (row,) = ring.answer(query, t, 60)
    assert np.nansum(row.v) == pytest.approx(counted)
    assert np.nanmin(row.v) >= 0


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3))
def test_rebinning_keeps_the_counts(counts: list[float]) -> None:
    have, want = (0.0, 1.0, 4.0, math.inf), (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, math.inf)
    moved: Any = rebin(np.array([counts]), have, want)
    assert moved.sum() == pytest.approx(sum(counts))
    assert moved[0, :2].sum() == pytest.approx(counts[0])
    assert moved[0, 2:4].sum() == pytest.approx(counts[1])
