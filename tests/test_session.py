"""A session turns views into snapshots: no source waits for another, and no answer is shown under another view."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any

import pytest

from analysis import triage
from analysis.answer import Signal, State
from analysis.filters import Eq
from analysis.view import Baseline, View
from connectors.base import FeatureSpec, UnreachableError
from tests.stores import NOW, Logs, Metrics, Row, steady
from tui.feeds import LogFeed, MetricFeed
from tui.session import Session

VIEW = View(window_s=600)
EU = Eq("region", "eu")


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def session(*stores: Logs | Metrics, view: View = VIEW, clock: Clock | None = None) -> Session:
    clock = clock or Clock()
    logs = [LogFeed(store, (0.0, 1.0), clock) for store in stores if isinstance(store, Logs)]
    metrics = [MetricFeed(store, clock) for store in stores if isinstance(store, Metrics)]
    return Session(logs, metrics, view, clock=clock)


def failing(region: str = "us", name: str = "Boom", model: str = "fraud") -> list[Row]:
    """Rows of every region, of which those of one region fail in the last five minutes."""
    rows = steady(every=1, model=model)
    return [replace(r, error=name) if r.region == region and r.t >= NOW - 300 else r for r in rows]


def states(one: Session) -> dict[str, State]:
    return {source.name: source.state for source in one.answer()[0].sources}


async def asked(store: Logs, name: str) -> None:
    """Wait until a question has reached the store."""
    while name not in store.names():  # noqa: ASYNC110 - the store belongs to the code under test
        await asyncio.sleep(0)


async def test_a_slow_source_does_not_hold_up_another() -> None:
    slow, fast = Logs(steady(model="rank"), name="slow"), Logs(steady(), name="fast")
    slow.gates["series"] = asyncio.Event()
    one = session(slow, fast)
    waiting = asyncio.create_task(one.poll(one.logs[0]))
    await one.poll(one.logs[1])
    snapshot, _ = one.answer()
    assert [row.model for row in snapshot.models] == ["fraud"]
    assert states(one) == {"slow": State.LOADING, "fast": State.LIVE}
    slow.gates["series"].set()
    await waiting
    assert [row.model for row in one.answer()[0].models] == ["fraud", "rank"]


async def test_each_part_of_the_first_answer_is_news() -> None:
    one, news = session(Logs(steady())), 0

    def count() -> None:
        nonlocal news
        news += 1

    await one.poll(one.logs[0], count)
    assert news == 7
    await one.poll(one.logs[0], count)
    assert news == 8


async def test_rows_of_several_stores_add_up_and_each_store_has_its_state() -> None:
    one = session(Logs(steady(), name="a"), Logs(steady(), name="b"), Logs([], name="c"))
    await one.poll_all()
    both = one.answer()[0].models[0].request_rate
    alone = session(Logs(steady()))
    await alone.poll_all()
    single = alone.answer()[0].models[0].request_rate
    assert both is not None
    assert single is not None
    assert both == pytest.approx(2 * single)
    assert states(one) == {"a": State.LIVE, "b": State.LIVE, "c": State.EMPTY}


async def test_a_feature_that_two_stores_log_differently_is_said_to_be_left_out() -> None:
    one = session(Logs(steady(), name="a"), Logs(steady(merchant="games"), name="b"))
    await one.poll_all()
    assert "b: feature merchant is left out, another source logs it too" in one.answer()[0].notes


async def test_a_failing_source_keeps_its_last_answer_and_the_others_live_on() -> None:
    store, other = Logs(steady(), name="a"), Logs(steady(model="rank"), name="b")
    one = session(store, other)
    await one.poll_all()
    store.fails["watermark"] = UnreachableError("refused", "no route", "check the tunnel")
    await one.poll_all()
    snapshot, _ = one.answer()
    assert states(one) == {"a": State.FAILED, "b": State.LIVE}
    assert [row.model for row in snapshot.models] == ["fraud", "rank"]
    assert [f.subject for f in snapshot.findings if f.signal is Signal.STALENESS] == ["a"]
    del store.fails["watermark"]
    await one.poll_all()
    assert states(one) == {"a": State.LIVE, "b": State.LIVE}


async def test_the_time_before_the_first_sample_is_not_counted_as_quiet() -> None:
    rows = steady(every=1)
    whole, begun = session(Metrics(rows)), session(Metrics([row for row in rows if row.t >= NOW - 120]))
    await whole.poll_all()
    await begun.poll_all()
    usual, young = whole.answer()[0].models[0], begun.answer()[0].models[0]
    assert usual.request_rate is not None
    assert young.request_rate == pytest.approx(usual.request_rate, rel=0.1)
    known = [not math.isnan(value) for value in young.trend]
    assert known == sorted(known)
    assert sum(known) in (2, 3)


async def test_what_a_failing_source_has_told_is_there_again_after_a_look_at_the_past() -> None:
    logs, metrics, clock = Logs(steady(), name="a"), Metrics(steady(model="rank")), Clock()
    one = session(logs, metrics, clock=clock)
    await one.poll_all()
    live = one.view
    for name in ("watermark", "metrics"):
        logs.fails[name] = metrics.fails[name] = UnreachableError("refused", "no route", "check the tunnel")
    await one.poll_all()
    one.ask(one.moved(-1))
    await one.poll_all()
    clock.now += 90
    one.ask(live)
    await one.poll_all()
    snapshot, _ = one.answer()
    assert [row.model for row in snapshot.models] == ["fraud", "rank"]
    assert {source.state for source in snapshot.sources} == {State.FAILED}
    one.ask(replace(live, window_s=2 * live.window_s))
    await one.poll_all()
    assert one.answer()[0].models == ()


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("x"), TimeoutError(), ZeroDivisionError("by zero")])
async def test_a_defect_in_a_store_is_a_failure_that_names_its_class(error: Exception) -> None:
    store = Logs(steady())
    store.fails["errors"] = error
    one = session(store)
    await one.poll_all()
    source = one.answer()[0].sources[0]
    assert source.state is State.FAILED
    assert type(error).__name__ in str(source.error)


async def test_another_view_shows_nothing_of_the_last_ones_rows() -> None:
    store = Logs(failing())
    one = session(store)
    await one.poll_all()
    assert one.answer()[0].models
    one.ask(replace(VIEW, where=Eq("region", "nowhere")))
    snapshot, _ = one.answer()
    assert (snapshot.models, snapshot.findings) == ((), ())
    assert states(one) == {"logs": State.LOADING}
    await one.poll_all()
    assert states(one) == {"logs": State.LIVE}
    assert one.answer()[0].models == ()


async def test_an_answer_during_which_the_question_changes_is_not_kept_as_one_to_the_old_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    one = session(Logs(failing()), clock=clock)
    await one.poll_all()
    await one.explain(one.answer()[1])
    whole, _ = one.answer()
    assert whole.findings[0].where
    clock.now += whole.frame.step

    def changing(*args: Any, **named: Any) -> triage.Judgement:
        one.ask(replace(VIEW, window_s=1200))
        return judge(*args, **named)

    judge = triage.judge
    monkeypatch.setattr(triage, "judge", changing)
    one.answer()
    assert one.generation == 1
    assert one.kept(VIEW) is whole


async def test_pausing_keeps_the_picture() -> None:
    one = session(Logs(steady()))
    await one.poll_all()
    one.ask(replace(VIEW, end=int(NOW)))
    assert one.generation == 1
    assert states(one) == {"logs": State.LIVE}
    assert one.answer()[0].models


async def test_a_view_that_reaches_further_back_waits_for_its_rows() -> None:
    one = session(Logs(steady()))
    await one.poll_all()
    one.ask(replace(VIEW, end=int(NOW) - 3_600))
    assert states(one) == {"logs": State.LOADING}
    await one.poll_all()
    assert states(one) == {"logs": State.LIVE}


async def test_an_answer_that_comes_after_the_view_changed_is_dropped() -> None:
    store = Logs(steady())
    store.gates["errors"] = asyncio.Event()
    one, news = session(store), []
    task = asyncio.create_task(one.poll(one.logs[0], lambda: news.append(one.generation)))
    await asked(store, "errors")
    one.ask(replace(VIEW, where=EU))
    store.gates["errors"].set()
    await task
    assert news == [0]
    assert states(one) == {"logs": State.LOADING}


async def test_a_failure_of_a_dropped_question_is_no_failure() -> None:
    store = Logs(steady())
    store.gates["series"] = asyncio.Event()
    store.fails["series"] = UnreachableError("the query was cancelled")
    one = session(store)
    task = asyncio.create_task(one.poll(one.logs[0]))
    await asked(store, "series")
    one.ask(replace(VIEW, where=EU))
    store.gates["series"].set()
    await task
    assert states(one) == {"logs": State.LOADING}


async def test_cancelling_a_poll_stops_the_stores_work_and_is_no_failure() -> None:
    store = Logs(steady())
    store.gates["series"] = asyncio.Event()
    one = session(store)
    task = asyncio.create_task(one.poll(one.logs[0]))
    await asked(store, "series")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.stopped == ["series"]
    assert states(one) == {"logs": State.LOADING}


async def test_the_model_in_focus_is_no_new_question() -> None:
    one = session(Logs([*steady(), *steady(model="rank")]))
    await one.poll_all()
    one.ask(replace(VIEW, focus="rank"))
    assert one.generation == 0
    snapshot, _ = one.answer()
    assert (snapshot.focus, states(one)) == ("rank", {"logs": State.LIVE})


async def test_a_version_baseline_says_that_metrics_do_not_know_the_version() -> None:
    one = session(Metrics(steady()), view=replace(VIEW, baseline=Baseline("version", version="41")))
    await one.poll_all()
    assert any("metrics tell no version 41" in note for note in one.answer()[0].notes)


async def test_a_minute_that_left_the_window_is_no_baseline_before_the_other_versions_rows_are_read() -> None:
    clock = Clock(NOW - NOW % 60)
    other = [Row(float(t), "rank", version="7") for t in range(int(NOW) - 7_200, int(NOW), 5)]
    store = Logs([*steady(every=5, version="41"), *other])
    one = session(store, view=replace(VIEW, baseline=Baseline("version", version="41")), clock=clock)
    await one.poll_all()
    assert {row.model: row.compared for row in one.answer()[0].models} == {"fraud": True, "rank": False}
    clock.now += 60
    assert {row.model: row.compared for row in one.answer()[0].models} == {"fraud": True, "rank": False}


async def test_a_wait_for_another_service_is_no_feature_to_search_by() -> None:
    store = Logs(steady())
    store.features_logged = (*store.features_logged, FeatureSpec("db_ms", "numeric"))
    store.calls = {"db_ms": ("db", 1.0)}
    one = session(store)
    await one.poll_all()
    assert one.features() == ("merchant",)


async def test_revisions_grow_and_close_reaches_every_store() -> None:
    stores = (Logs(name="a"), Logs(name="b"))
    one = session(*stores)
    assert one.answer()[0].revision < one.answer()[0].revision
    await one.close()
    assert [store.closed for store in stores] == [True, True]


async def test_a_session_asks_a_store_how_far_it_reaches_back_and_compares_with_what_there_is() -> None:
    store = Logs(steady(every=5))
    one = session(store, view=View(window_s=600, baseline=Baseline("1d")))
    await one.poll_all()
    frame = one.frame()
    assert frame.references[0].end == frame.live.start
    snapshot, _ = one.answer()
    assert snapshot.frame.live.end >= NOW
    assert "no history of other days: compared with the windows before" in snapshot.notes
