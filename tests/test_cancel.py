"""A question that is no longer asked ends at its source at once, and no source holds up a key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.answer import Snapshot, State
from analysis.filters import ALL, Filter, Not, Null, conjunction
from analysis.view import View, Window
from connectors.duckdb_store import DuckDbStore
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
        began = time.monotonic()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert time.monotonic() - began < GENEROUS * AT_ONCE_S
        await asyncio.wait_for(server.left.wait(), GENEROUS)
        await prometheus.close()


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
            began = time.monotonic()
            app.simulate_key(key)
            await until_at_once(lambda page=page: app.main.page == page)  # type: ignore[misc]
            took.append(time.monotonic() - began)
        assert not ended
        assert sorted(took)[len(took) // 2] < GENEROUS * 0.1
        await pilot.press("1")
        await until(pilot, lambda: time.monotonic() - app.session._search_began > 1.1)  # type: ignore[union-attr]
        began = time.monotonic()
        app.simulate_key("escape")
        await until_at_once(lambda: bool(ended))
        assert ended[0] - began < GENEROUS * AT_ONCE_S


PANELS = ("findings", "models", "latency", "confidence", "errors", "features", "infra", "accuracy", "shadow")


async def test_a_view_seen_before_is_there_in_every_panel_before_any_source_answers(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = app_of(pilot)

        def whole(view: View) -> bool:
            snapshot = app.snapshot
            if snapshot is None or replace(snapshot.view, focus=None) != replace(view, focus=None):
                return False
            return all(source.state is not State.LOADING for source in snapshot.sources)

        seen: list[Snapshot] = []
        for key in ("1", "left_square_bracket"):
            app.simulate_key(key)
            await pilot.pause()
            await until(pilot, lambda: whole(app.view))
            assert app.snapshot is not None
            seen.append(app.snapshot)
        session = app.session
        assert session is not None
        for feed in session.feeds:
            monkeypatch.setattr(feed, "poll", _never)
        for key, before in (("right_square_bracket", seen[0]), ("left_square_bracket", seen[1])):
            app.simulate_key(key)
            await until_at_once(lambda before=before: whole(before.view))  # type: ignore[misc]
            shown = app.snapshot
            assert shown is not None
            assert len(shown.findings) == len(before.findings)
            for panel in PANELS[1:]:
                assert repr(getattr(shown, panel)) == repr(getattr(before, panel)), panel


async def until_at_once(condition: Callable[[], bool]) -> None:
    """Look every millisecond, as long as a promise generously lasts."""
    end = time.monotonic() + 10 * GENEROUS * AT_ONCE_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.001)


async def _never(question: object) -> AsyncIterator[None]:
    await asyncio.Event().wait()
    yield
