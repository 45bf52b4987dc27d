"""Segments of findings that only metrics show, from a real Prometheus and from recorded pages."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import pytest

from analysis.answer import Finding, Signal, Snapshot, State
from analysis.evidence import OTHER, Cube
from analysis.filters import ALL, And, Eq, Filter, In, Not, Null, Or, Range, conjunction
from analysis.split import Measure
from analysis.view import View, Window
from connectors.base import By, MetricStore, MissingDataError
from connectors.prometheus import PrometheusStore
from connectors.scrape import ScrapeStore
from tests.labelled_fleet import END, FAULT, ROUTES, labelled_text
from tests.prometheus_server import Server, prometheus
from tests.stores import Logs
from tui import split, yank
from tui.completion import Completer
from tui.feeds import LogFeed, MetricFeed
from tui.session import Session

pytestmark = pytest.mark.prometheus

WINDOW = Window(FAULT, END)
BEFORE = (Window(END - 3_300, END - 2_100), Window(END - 2_100, FAULT))
FAILED = Not(Null("error_type"))
SLOW = Range("latency_ms", low=250.0)


@pytest.fixture(scope="module")
def text() -> str:
    return labelled_text()


@pytest.fixture(scope="module")
def server(text: str) -> Iterator[Server]:
    with prometheus(text) as running:
        yield running


@pytest.fixture(params=["prometheus", "scrape"])
async def store(request: pytest.FixtureRequest, text: str, tmp_path: Path) -> AsyncIterator[MetricStore]:
    opened: MetricStore
    if request.param == "prometheus":
        url = request.getfixturevalue("server").url
        opened = PrometheusStore(url, scrape_interval_s=15, clock=lambda: END)
    else:
        path = tmp_path / "metrics.om"
        path.write_text(text)
        opened = ScrapeStore([str(path)], clock=lambda: END)
    yield opened
    await opened.close()


def total(cube: Cube, column: int | None = None, **where: str) -> float:
    """Rows (or hits) of the leaves with these values."""
    chosen = np.ones(len(cube.n), dtype=bool)
    for dim, value in where.items():
        d = cube.dims.index(dim)
        chosen &= cube.codes[:, d] == cube.values[d].index(value)
    return float((cube.n if column is None else cube.hits[:, column])[chosen].sum())


async def test_a_cube_counts_each_label_set_as_the_server_does(store: MetricStore) -> None:
    cube = (await store.segments([WINDOW], "a", FAILED)).value
    assert set(cube.dims) >= {"version", "pod", "node", "route"}
    assert "error_type" not in cube.dims
    rate = total(cube, 0, version="42", route="/score") / total(cube, version="42", route="/score")
    assert rate == pytest.approx(0.25, abs=0.03)
    assert total(cube) == pytest.approx(12 * 60 * 12, rel=0.03)
    slow = (await store.segments([WINDOW], "a", SLOW)).value
    assert total(slow) == pytest.approx(total(cube), rel=0.01)
    assert total(slow, 0, version="42", route="/score") > 0.5 * total(slow, version="42", route="/score")
    fast = (await store.segments([WINDOW], "a", Range("latency_ms", high=250.0))).value
    assert total(fast, 0) + total(slow, 0) == pytest.approx(total(slow), rel=1e-6)


async def test_spans_add_up(store: MetricStore) -> None:
    both = (await store.segments(BEFORE, "a", FAILED)).value
    parts = [(await store.segments([span], "a", FAILED)).value for span in BEFORE]
    assert total(both) == pytest.approx(sum(total(part) for part in parts), rel=1e-9)
    assert total(both, 0) == pytest.approx(sum(total(part, 0) for part in parts), rel=1e-9)


async def test_a_filter_narrows_counts_to_its_labels(store: MetricStore) -> None:
    catalog = await store.discover()
    assert {"version", "pod", "node", "route"} <= set(catalog.dims)
    where = conjunction(Eq("version", "42"), Not(Eq("route", "/rank")))
    cube = (await store.segments([WINDOW], "a", None, where)).value
    whole = (await store.segments([WINDOW], "a", None)).value
    kept = [total(whole, version="42", route=route) for route in ROUTES if route != "/rank"]
    assert total(cube) == pytest.approx(sum(kept), rel=1e-6)
    evidence = (await store.metrics([WINDOW], 60, where)).value
    assert evidence.traffic is not None
    assert evidence.traffic.requests.keys == (("a", "42"),)
    # Memory is known by pod and not by version: it cannot say which part is meant.
    assert {series.metric for series in evidence.gauges} == {"replica_requests"}
    by_pod = (await store.metrics([WINDOW], 60, Eq("pod", "pod-b"))).value
    assert [(series.metric, series.label("replica")) for series in by_pod.gauges] == [
        ("memory", "pod-b"),
        ("replica_requests", "pod-b"),
    ]


async def test_what_a_conjunction_leaves_out_and_what_it_selects_are_the_whole(store: MetricStore) -> None:
    inside = And((Eq("version", "42"), Eq("route", "/score")))
    parts = [(await store.metrics([WINDOW], 60, where)).value for where in (ALL, inside, Not(inside))]
    requests, errors, latency = [], [], []
    for part in parts:
        assert part.traffic is not None
        assert part.traffic.errors is not None
        assert part.traffic.latency is not None
        requests.append(part.traffic.requests.n.sum())
        errors.append(part.traffic.errors.n.sum())
        latency.append(part.traffic.latency.n.sum())
    for whole, selected, left in (requests, errors, latency):
        assert min(whole, selected, left) > 0
        assert selected + left == pytest.approx(whole, rel=1e-6)
    cubes = [(await store.segments([WINDOW], "a", FAILED, where)).value for where in (ALL, inside, Not(inside))]
    assert total(cubes[1], 0) + total(cubes[2], 0) == pytest.approx(total(cubes[0], 0), rel=1e-6)
    assert total(cubes[2]) == pytest.approx(total(cubes[0]) - total(cubes[1]), rel=1e-6)


def asked(url: str) -> Any:
    """The result of an instant query, as any client gets it."""
    with urlopen(url) as reply:
        return json.load(reply)["data"]["result"]


async def test_the_promql_that_is_copied_runs_as_it_is_and_counts_the_rows_on_the_screen(
    store: MetricStore, server: Server
) -> None:
    inside = And((Eq("version", "42"), Eq("route", "/score")))
    for where in (ALL, inside, Not(inside)):
        promql = await store.count_promql("a", where, WINDOW)
        (result,) = await asyncio.to_thread(asked, f"{server.url}/api/v1/query?{urlencode({'query': promql})}")
        cube = (await store.segments([WINDOW], "a", None, where)).value
        assert float(result["value"][1]) == pytest.approx(total(cube), rel=0.01), promql
    with pytest.raises(MissingDataError):
        await store.count_promql("a", Eq("tier", "free"), WINDOW)


async def test_series_that_meet_two_alternatives_count_once(store: MetricStore) -> None:
    either = Or((Eq("version", "42"), Eq("route", "/score")))
    cube = (await store.segments([WINDOW], "a", None, either)).value
    whole = (await store.segments([WINDOW], "a", None)).value
    both = total(whole, version="42", route="/score")
    assert total(cube) == pytest.approx(total(whole, version="42") + total(whole, route="/score") - both, rel=1e-6)


@pytest.mark.parametrize("where", [Eq("tier", "free"), Range("amount", low=3.0), Eq("model", "a")])
async def test_a_filter_that_the_labels_cannot_say_is_refused(store: MetricStore, where: Filter) -> None:
    with pytest.raises(MissingDataError):
        await store.metrics([WINDOW], 60, where)


async def test_what_metrics_do_not_count_is_said(store: MetricStore) -> None:
    with pytest.raises(MissingDataError, match="confidence"):
        await store.segments([WINDOW], "a", Range("confidence", high=0.5))


async def answered(store: MetricStore, view: View) -> Session:
    """A session over one metric store that has searched the segments of its findings."""
    session = Session([], [MetricFeed(store, lambda: float(END))], view, clock=lambda: float(END))
    await session.poll_all()
    _, cases = session.answer()
    await session.explain(cases)
    return session


def found(session: Session, signal: Signal) -> Finding:
    return next(finding for finding in session.answer()[0].findings if finding.signal is signal)


async def test_a_session_without_logs_names_the_labels_and_narrows_to_them(store: MetricStore) -> None:
    session = await answered(store, View(window_s=900, end=END))
    for signal in (Signal.LATENCY, Signal.ERROR):
        (best, *_) = found(session, signal).where
        assert dict(best.where) == {"version": "42", "route": "/score"}
        assert best.share_of_change > 0.9
        assert best.rate_in > 5 * best.rate_before
        assert not best.sampled
    snapshot, _ = session.answer()
    assert 'PromQL  {model="a",route="/score",version="42"}' in await text_of(session, snapshot, found(session, signal))
    completer = Completer(session)
    assert await completer.filter("rou") == ("route=",)
    assert set(await completer.filter("route=/s")) == {"route=/score"}
    inside = View(window_s=900, end=END, where=conjunction(*(Eq(dim, value) for dim, value in best.where)))
    session.ask(inside)
    await session.poll_all()
    snapshot, cases = session.answer()
    assert snapshot.errors.ratio == pytest.approx(0.25, abs=0.03)
    await session.explain(cases)
    # Within the segment every pod fails alike.
    assert found(session, Signal.ERROR).where == ()
    session.ask(View(window_s=900, end=END, where=Not(inside.where)))
    await session.poll_all()
    snapshot, _ = session.answer()
    assert snapshot.errors.ratio == pytest.approx(0.01, abs=0.01)
    # All that fail and are slow were left out.
    assert {finding.signal for finding in snapshot.findings} & {Signal.ERROR, Signal.LATENCY} == set()


async def test_a_filter_that_metrics_cannot_apply_says_so_and_what_they_could(store: MetricStore) -> None:
    where = conjunction(Eq("tier", "free"), Range("amount", low=3.0))
    session = await answered(store, View(window_s=900, end=END, where=where))
    snapshot, _ = session.answer()
    assert (snapshot.models, snapshot.findings) == ((), ())
    why = f"{store.name} cannot be filtered by amount, tier: its labels are "
    assert [note for note in snapshot.notes if note.startswith(why)]
    for panel in (snapshot.latency, snapshot.errors, snapshot.infra):
        assert panel.status.message.startswith(why)
        assert "route, version" in panel.status.message
    session.ask(View(window_s=900, end=END, where=Range("version", low=3.0)))
    await session.poll_all()
    assert f"{store.name} cannot tell by labels: version>=3" in session.answer()[0].notes


async def test_a_model_is_chosen_by_its_name_beside_labels(store: MetricStore) -> None:
    for where, models in (
        (Eq("model", "a"), {"a"}),
        (Eq("model", "b"), set()),
        (Not(Eq("model", "a")), set()),
        (conjunction(Eq("model", "a"), Eq("version", "42")), {"a"}),
    ):
        session = await answered(store, View(window_s=900, end=END, where=where))
        snapshot, _ = session.answer()
        assert {row.model for row in snapshot.models} == models
        assert not [note for note in snapshot.notes if "cannot" in note]
    assert snapshot.errors.ratio is not None
    assert snapshot.errors.ratio > 0.05
    best = found(session, Signal.ERROR)
    assert dict(best.where[0].where) == {"route": "/score"}
    assert "count   sum(" in await text_of(session, snapshot, best)
    assert await Completer(session).filter("model=") == ("model=a",)
    either = Or((Eq("model", "a"), Eq("version", "42")))
    session = await answered(store, View(window_s=900, end=END, where=either))
    assert f"{store.name} can tell a model only beside other terms: write model=A version=2, without or" in (
        session.answer()[0].notes
    )


async def test_a_split_by_a_label_counts_each_value_as_a_filter_does(store: MetricStore) -> None:
    frame = View(window_s=900, end=END).frame(END)
    by = By("pod", ("pod-b", "pod-d"))
    spans = (frame.references[0], frame.live)
    found = (await store.traffic_by(spans, 60, "a", by)).value
    assert set(found.requests.keys) == {("a", "pod-b"), ("a", "pod-d"), ("a", OTHER)}
    assert found.errors is not None
    assert found.latency is not None
    for value, where in (
        ("pod-b", Eq("pod", "pod-b")),
        (OTHER, Not(In("pod", by.values))),
    ):
        alone = (await store.metrics(spans, 60, where)).value.traffic
        assert alone is not None
        assert alone.errors is not None
        assert alone.latency is not None
        for whole, part in ((found.requests, alone.requests), (found.errors, alone.errors)):
            assert whole.n[:, whole.keys.index(("a", value))].sum() == pytest.approx(part.n.sum(), rel=1e-9)
        at = found.latency.keys.index(("a", value))
        assert found.latency.n[:, at].sum() == pytest.approx(alone.latency.n.sum(), rel=1e-9)
    inside = (await store.traffic_by([frame.live], 60, "a", by, Eq("version", "41"))).value
    assert inside.requests.keys == (("a", OTHER),)
    with pytest.raises(MissingDataError, match="galaxy"):
        await store.traffic_by([frame.live], 60, "a", By("galaxy", ()))


async def test_a_session_without_logs_splits_by_a_label(store: MetricStore) -> None:
    session = await answered(store, View(window_s=900, end=END))
    assert {"version", "pod", "route"} <= set(split.dims_of(session))
    shown = await split.fetch(session, "a", "version", Measure.P99)
    assert (shown.status.state, shown.measure) == (State.LIVE, Measure.P99)
    slow, usual = (next(row for row in shown.rows if row.value == value) for value in ("42", "41"))
    assert slow.p99 is not None
    assert usual.p99 is not None
    assert slow.p99 > 3 * usual.p99
    assert slow.errors is not None
    assert slow.errors > 0.05
    assert slow.share + usual.share == pytest.approx(1)
    refused = await split.fetch(session, "a", "tier", Measure.P99)
    assert refused.status.state is State.ABSENT
    session.ask(View(window_s=900, end=END, where=Eq("tier", "free")))
    await session.poll_all()
    refused = await split.fetch(session, "a", "version", Measure.P99)
    assert refused.status.state is State.FAILED
    assert "cannot be filtered by tier" in refused.status.message


async def test_what_is_not_counted_by_a_label_is_drawn_as_requests(tmp_path: Path) -> None:
    path = tmp_path / "metrics.om"
    lines = (re.sub(r'(duration_seconds\w+{.*)pod="[^"]*",', r"\1", line) for line in labelled_text().splitlines())
    summed: dict[str, float] = {}
    for line in lines:
        series, _, rest = line.rpartition("} ")
        value, _, at = rest.partition(" ")
        if "duration_seconds" in series:
            summed[f"{series}}} @{at}"] = summed.get(f"{series}}} @{at}", 0.0) + float(value)
    kept = [line for line in labelled_text().splitlines() if "duration_seconds_" not in line and line != "# EOF"]
    path.write_text("\n".join([*kept, *(f"{k.replace('@', f'{v} ')}" for k, v in summed.items()), "# EOF", ""]))
    store = ScrapeStore([str(path)], clock=lambda: END)
    session = await answered(store, View(window_s=900, end=END))
    shown = await split.fetch(session, "a", "pod", Measure.P99)
    assert shown.measure is Measure.RATE
    assert {row.value for row in shown.rows} == {"pod-a", "pod-b", "pod-c", "pod-d"}
    assert [row.p99 for row in shown.rows] == [None] * 4
    assert all(np.nanmax(row.now) > 0 for row in shown.rows)
    await store.close()


async def test_metrics_are_asked_only_when_the_logs_have_answered_or_failed(text: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(text)
    logs = LogFeed(Logs(), (0.0, 0.5, 1.0), lambda: float(END))
    metrics = MetricFeed(ScrapeStore([str(path)], clock=lambda: END), lambda: float(END))
    session = Session([logs], [metrics], View(window_s=900, end=END), clock=lambda: float(END))
    await session.poll(metrics)
    _, cases = session.answer()
    assert not await session.explain(cases)
    logs.failed(MissingDataError("no such folder"))
    assert await session.explain(cases)
    assert dict(found(session, Signal.ERROR).where[0].where) == {"version": "42", "route": "/score"}
    await session.close()


async def text_of(session: Session, snapshot: Snapshot, finding: Finding) -> str:
    """What `y` copies with the cursor on the first segment."""
    return await yank.text(session, snapshot, finding, finding.where[0])


async def test_the_promql_that_is_copied_names_the_model_by_the_label_of_its_server(tmp_path: Path) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(labelled_text().replace('model="', 'model_name="'))
    store = ScrapeStore([str(path)], clock=lambda: END)
    session = await answered(store, View(window_s=900, end=END, where=Eq("model", "a")))
    snapshot, _ = session.answer()
    copied = await text_of(session, snapshot, found(session, Signal.ERROR))
    assert 'PromQL  {model_name="a",route="/score",version="42"}' in copied
    assert "filter  model=a " in copied
    await store.close()


async def test_an_even_fleet_has_no_segment(tmp_path: Path) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(labelled_text(broken=False, seed=5))
    store = ScrapeStore([str(path)], clock=lambda: END)
    session = await answered(store, View(window_s=900, end=END))
    assert [finding.where for finding in session.answer()[0].findings if finding.where] == []
    await store.close()
