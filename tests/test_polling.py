"""The polling loops: one per source, never overlapping, slower after failures, and never ended by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import State
from analysis.filters import Eq
from analysis.view import View
from connectors.base import UnreachableError
from tests.stores import NOW, Logs, steady
from tui.feeds import LogFeed
from tui.polling import LONGEST_BACKOFF_S, Poller, pause_s, until_beat_s
from tui.session import Session

VIEW = View(window_s=600)


@asynccontextmanager
async def polling(*stores: Logs, refresh_s: float = 3_600.0) -> AsyncIterator[tuple[Session, Poller]]:
    session = Session([LogFeed(store, (0.0, 1.0), lambda: NOW) for store in stores], [], VIEW, clock=lambda: NOW)
    poller = Poller(session, refresh_s, lambda: None)
    poller.start()
    try:
        yield session, poller
    finally:
        await poller.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the condition is the state of the code under test
            await asyncio.sleep(0.001)


@given(refresh_s=st.floats(1, 3_600), failures=st.integers(0, 10**6), share=st.floats(0.5, 1.0))
def test_a_pause_is_never_shorter_than_a_refresh_and_bounded(refresh_s: float, failures: int, share: float) -> None:
    pause = pause_s(refresh_s, failures, lambda low, high: low + (high - low) * (share - 0.5) * 2)
    assert refresh_s <= pause <= max(refresh_s, LONGEST_BACKOFF_S)


@given(refresh_s=st.floats(1, 3_600), passed_s=st.floats(0, 1e6))
def test_sources_are_asked_on_shared_beats_and_never_twice_in_a_quarter(refresh_s: float, passed_s: float) -> None:
    left = until_beat_s(refresh_s, passed_s)
    assert refresh_s / 4 <= left <= 1.25 * refresh_s
    beats = (passed_s + left) / refresh_s
    assert beats == pytest.approx(round(beats), abs=1e-6)


def test_failures_lengthen_the_pause() -> None:
    pauses = [pause_s(2, failures, lambda _, high: high) for failures in range(6)]
    assert pauses == [2, 4, 8, 16, 30, 30]


async def test_every_source_is_polled_again_and_again() -> None:
    stores = (Logs(steady(), name="a"), Logs(steady(), name="b"))
    async with polling(*stores, refresh_s=0.001):
        await until(lambda: all(store.names().count("watermark") > 2 for store in stores))


async def test_a_defect_in_a_store_does_not_end_its_loop() -> None:
    store = Logs(steady())
    store.fails["watermark"] = ValueError("odd")
    async with polling(store, refresh_s=0.001) as (session, _):
        await until(lambda: store.names().count("watermark") > 2)
        assert session.logs[0].status.state is State.FAILED
        store.fails.clear()
        await until(lambda: session.logs[0].status.state is State.LIVE)


async def test_a_poke_ends_the_pause() -> None:
    store = Logs(steady())
    async with polling(store) as (session, poller):
        await until(lambda: session.logs[0].status.state is State.LIVE)
        poller.poke()
        await until(lambda: store.names().count("watermark") == 2)


async def test_a_poke_during_a_poll_is_not_lost() -> None:
    store = Logs(steady())
    store.gates["series"] = asyncio.Event()
    async with polling(store) as (_, poller):
        await until(lambda: "series" in store.names())
        poller.poke()
        store.gates["series"].set()
        await until(lambda: store.names().count("watermark") == 2)


async def test_a_restart_stops_the_work_of_the_old_view_and_asks_the_new_one() -> None:
    store = Logs(steady())
    store.gates["series"] = asyncio.Event()
    async with polling(store) as (session, poller):
        await until(lambda: "series" in store.names())
        session.ask(replace(VIEW, where=Eq("region", "eu")))
        await poller.restart()
        assert store.stopped == ["series"]
        store.gates["series"].set()
        await until(lambda: session.logs[0].status.state is State.LIVE)
        assert [where for name, _, where in store.asked if name == "series"][-1] == Eq("region", "eu")


async def test_a_restart_that_is_itself_cancelled_leaves_no_second_loop() -> None:
    store = Logs(steady())
    store.gates["series"] = asyncio.Event()
    async with polling(store) as (session, poller):
        await until(lambda: "series" in store.names())
        first = asyncio.create_task(poller.restart())
        await asyncio.sleep(0)
        first.cancel()
        await poller.restart()
        store.gates["series"].set()
        await until(lambda: session.logs[0].status.state is State.LIVE)
        assert [task.get_name() for task in asyncio.all_tasks()].count("poll logs") == 1


async def test_a_source_that_fails_does_not_slow_another() -> None:
    bad, good = Logs(name="bad"), Logs(steady(), name="good")
    bad.fails["describe"] = UnreachableError("refused")
    async with polling(bad, good, refresh_s=0.001) as (session, _):
        await until(lambda: good.names().count("watermark") > 3)
        assert [feed.status.state for feed in session.logs] == [State.FAILED, State.LIVE]
