"""A question that is no longer asked ends at its source at once, and no source holds up a key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from analysis.filters import ALL, Filter, Not, Null, conjunction
from analysis.view import Window
from connectors.clickhouse_transport import ClickHouseTransport
from connectors.duckdb_store import DuckDbStore
from connectors.duckdb_transport import DuckDbTransport, _Call
from connectors.prometheus import PrometheusStore
from tests.logs import rows, write_parquet
from tests.slow_sources import HARD, silent_server
from tests.test_app import app_of, fleet, options, until
from tests.test_explaining import END
from tui.app import Triage

__all__ = ["fleet"]

FAILED = Not(Null("error_type"))
HOUR = Window(END - 3_600, END)
AT_ONCE_S = 0.2
FEW_TURNS = 5
"""Turns of the event loop: none of them may wait for anything, and each is a fraction of a millisecond."""
KEY_S = 0.1
GENEROUS = 5
"""How much longer than promised a busy machine may take."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DuckDbStore]:
    frame = rows(400_000)
    write_parquet(tmp_path / "a.parquet", frame)
    opened = DuckDbStore([str(tmp_path)])
    await opened.describe()
    yield opened
    await opened.close()


async def turns_until(condition: Callable[[], bool]) -> int:
    """How often the event loop goes round until the condition holds: what depends on no clock and no other program."""
    for turns in range(1_000):
        if condition():
            return turns
        await asyncio.sleep(0)
    raise AssertionError("a thousand turns were not enough")


async def test_duckdb_is_interrupted_within_the_turn_that_hears_of_it(
    store: DuckDbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted: list[str] = []
    interrupt = _Call.interrupt

    def noted(self: _Call) -> None:
        interrupted.append("DuckDB")
        interrupt(self)

    monkeypatch.setattr(_Call, "interrupt", noted)
    endless = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    transport = store._transport
    assert isinstance(transport, DuckDbTransport)
    asked = asyncio.create_task(transport.run(endless))
    await turns_until(lambda: bool(transport._running))
    asked.cancel()
    assert await turns_until(lambda: bool(interrupted)) <= FEW_TURNS
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not transport._running


async def test_a_duckdb_query_that_works_for_seconds_ends_at_once(store: DuckDbStore) -> None:
    asked = asyncio.create_task(store.segments((HOUR,), (FAILED,), ("region",), HARD))
    await asyncio.sleep(0.3)
    assert not asked.done()
    began = time.monotonic()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert time.monotonic() - began < GENEROUS * AT_ONCE_S
    # The engine is free again: it does not go on with what nobody waits for.
    began = time.monotonic()
    cube = (await store.segments((Window(END - 60, END),), (), ("region",))).value
    assert cube.n.sum() > 0
    assert time.monotonic() - began < GENEROUS


async def test_a_silent_prometheus_is_left_at_once() -> None:
    async with silent_server() as server:
        prometheus = PrometheusStore(f"http://127.0.0.1:{server.port}", timeout_s=60)
        asked = asyncio.create_task(prometheus.segments((HOUR,), "fraud", FAILED))
        await asyncio.wait_for(server.asked.wait(), 30)
        asked.cancel()
        assert await turns_until(asked.done) <= FEW_TURNS
        assert asked.cancelled()
        await asyncio.wait_for(server.left.wait(), GENEROUS)
        await prometheus.close()


async def test_clickhouse_is_left_and_told_at_once() -> None:
    asked: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if not request.content.startswith(b"KILL"):
            await asyncio.Event().wait()
        return httpx.Response(200)

    transport = ClickHouseTransport("http://ch:8123", timeout_s=60, transport=httpx.MockTransport(answer))
    query = asyncio.create_task(transport.run("SELECT 1"))
    await turns_until(lambda: bool(asked))
    query.cancel()
    assert await turns_until(query.done) <= FEW_TURNS
    await turns_until(lambda: len(asked) > 1)
    query_id = asked[0].url.params["query_id"]
    assert asked[1].content.decode() == f"KILL QUERY WHERE query_id = '{query_id}' ASYNC"
    await transport.close()


async def test_keys_answer_and_escape_stops_while_a_store_searches(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DuckDbStore.segments
    running: list[asyncio.Task[Any]] = []
    ended: list[float] = []

    async def slowly(
        self: DuckDbStore, spans: Sequence[Window], outcomes: Sequence[Filter], dims: Sequence[str],
        where: Filter = ALL, cuts: Any = None,
    ) -> Any:  # fmt: skip
        task = asyncio.current_task()
        assert task is not None
        running.append(task)
        try:
            while True:
                await real(self, spans, outcomes, dims, conjunction(where, HARD))
        finally:
            ended.append(time.monotonic())

    monkeypatch.setattr(DuckDbStore, "segments", slowly)
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: bool(running) and app.snapshot is not None and bool(app.snapshot.findings))
        took = []
        for page in ("latency", "errors", "features", "infra") * 2:
            key = {"latency": "2", "errors": "4", "features": "5", "infra": "6"}[page]
            began = time.thread_time()
            app.simulate_key(key)
            await until_at_once(lambda page=page: app.main.page == page)  # type: ignore[misc]
            took.append(time.thread_time() - began)
        assert not ended
        # CPU of the thread that serves keys: other programs on this machine do not count, work of ours in it does.
        assert sorted(took)[len(took) // 2] < KEY_S
        await pilot.press("1")
        await until(pilot, lambda: time.monotonic() - app.session._search_began > 1.1)  # type: ignore[union-attr]
        interrupted: list[float] = []
        interrupt = _Call.interrupt

        def noted(self: _Call) -> None:
            interrupted.append(time.thread_time())
            interrupt(self)

        monkeypatch.setattr(_Call, "interrupt", noted)
        cpu, began = time.thread_time(), time.monotonic()
        app.simulate_key("escape")
        await until_at_once(lambda: bool(ended and interrupted))
        assert interrupted[0] - cpu < KEY_S, "DuckDB is interrupted before anything else is worked on"
        assert ended[0] - began < GENEROUS * AT_ONCE_S


async def until_at_once(condition: Callable[[], bool]) -> None:
    """Look every millisecond, as long as a promise generously lasts."""
    end = time.monotonic() + 10 * GENEROUS * AT_ONCE_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.001)
