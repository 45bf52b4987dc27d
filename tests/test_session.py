"""A session turns views into snapshots: no source waits for another, and no answer is shown under another view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from analysis.answer import Finding, Severity, Signal, State
from analysis.cases import Case
from analysis.filters import Eq, Not, conjunction
from analysis.view import Baseline, View
from connectors.base import MissingDataError, UnreachableError
from tests.stores import NOW, Logs, Metrics, Row, holds, steady
from tui.explaining import BASELINE_EVERY_S, EXPLAIN_EVERY_S, Explainer
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


async def test_a_version_baseline_says_that_metrics_cannot_follow() -> None:
    one = session(Metrics(steady()), view=replace(VIEW, baseline=Baseline("version", version="41")))
    await one.poll_all()
    assert any("not split by version" in note for note in one.answer()[0].notes)


async def test_revisions_grow_and_close_reaches_every_store() -> None:
    stores = (Logs(name="a"), Logs(name="b"))
    one = session(*stores)
    assert one.answer()[0].revision < one.answer()[0].revision
    await one.close()
    assert [store.closed for store in stores] == [True, True]


async def explained(*stores: Logs, view: View = VIEW) -> tuple[Session, tuple[Case, ...]]:
    one = session(*stores, view=view)
    await one.poll_all()
    _, cases = one.answer()
    return one, cases


def where_of(one: Session, signal: Signal = Signal.ERROR) -> tuple[tuple[str, str], ...] | None:
    finding = next(f for f in one.answer()[0].findings if f.signal is signal)
    return finding.where[0].where if finding.where else None


async def test_a_finding_is_located_once_and_remembered_for_a_while() -> None:
    store = Logs(failing())
    one, cases = await explained(store)
    assert where_of(one) is None
    assert await one.explain(cases)
    assert where_of(one) == (("region", "us"),)
    assert not await one.explain(cases)
    assert store.names().count("segments") == 2
    clock = one.clock
    assert isinstance(clock, Clock)
    clock.now += EXPLAIN_EVERY_S + 1
    assert not await one.explain(cases)
    assert store.names().count("segments") == 3
    clock.now += BASELINE_EVERY_S + 1
    await one.explain(cases)
    assert store.names().count("segments") == 5


async def test_cases_of_one_model_and_window_share_a_question() -> None:
    rows = [replace(r, error="Other") if r.error and i % 20 else r for i, r in enumerate(failing())]
    store = Logs(rows)
    one, cases = await explained(store)
    errors = [case for case in cases if case.finding.signal is Signal.ERROR]
    assert len(errors) >= 2
    await one.explain([replace(case, window=errors[0].window) for case in errors])
    assert store.names().count("segments") == 2


async def test_a_case_without_rows_is_not_searched() -> None:
    store = Logs(failing())
    one, cases = await explained(store)
    assert not await one.explain([replace(case, outcome=None) for case in cases])
    assert "segments" not in store.names()


async def test_a_search_stays_within_the_view() -> None:
    store = Logs([*failing(), *failing(model="rank")])
    rows = Eq("version", "41")
    one, cases = await explained(store, view=replace(VIEW, where=rows, models=("fraud",)))
    await one.explain(cases)
    wheres = [where for name, _, where in store.asked if name == "segments"]
    assert wheres == [conjunction(rows, Eq("model", "fraud"))] * 2


async def test_a_filter_forgets_what_was_found_without_it() -> None:
    one, cases = await explained(Logs(failing()))
    await one.explain(cases)
    one.ask(replace(VIEW, where=Not(Eq("region", "ap"))))
    await one.poll_all()
    assert where_of(one) is None


async def test_a_search_against_a_version_does_not_mix_the_two() -> None:
    store = Logs([*steady(every=1), *(replace(r, version="42") for r in failing())])
    one, cases = await explained(store, view=replace(VIEW, baseline=Baseline("version", version="41")))
    await one.explain(cases)
    live, baseline = (where for name, _, where in store.asked if name == "segments")
    for version, here in (("41", baseline), ("42", live)):
        other = live if here is baseline else baseline
        assert holds(Row(NOW, version=version), here)
        assert not holds(Row(NOW, version=version), other)


@pytest.mark.parametrize("error", [MissingDataError("no dimension"), ValueError("odd")])
async def test_a_search_that_fails_is_a_note_and_is_not_repeated_at_once(error: Exception) -> None:
    store = Logs(failing())
    one, cases = await explained(store)
    store.fails["segments"] = error
    assert await one.explain(cases)
    assert not await one.explain(cases)
    assert store.names().count("segments") == 1
    snapshot, _ = one.answer()
    assert any("segments could not be searched" in note for note in snapshot.notes)
    assert snapshot.sources[0].state is State.LIVE


async def test_the_store_that_has_the_models_rows_is_searched() -> None:
    other, own = Logs(steady(model="rank"), name="other"), Logs(failing(), name="own")
    one, cases = await explained(other, own)
    await one.explain(cases)
    assert "segments" not in other.names()
    assert where_of(one) == (("region", "us"),)


@pytest.mark.parametrize("stop", [Session.stop_search, lambda one: one.ask(replace(VIEW, window_s=900))])
async def test_a_stop_and_a_new_question_cancel_the_search_at_its_store(stop: Callable[[Session], object]) -> None:
    store = Logs(failing())
    one, cases = await explained(store)
    store.gates["segments"] = asyncio.Event()
    task = asyncio.create_task(one.explain(cases))
    await asked(store, "segments")
    stop(one)
    assert not await task
    assert store.stopped == ["segments"]
    assert not one.stop_search()


async def test_a_stopped_search_rests_for_a_while() -> None:
    store = Logs(failing())
    one, cases = await explained(store)
    store.gates["segments"] = asyncio.Event()
    task = asyncio.create_task(one.explain(cases))
    await asked(store, "segments")
    assert one.stop_search()
    assert not await task
    store.gates.clear()
    assert not await one.explain(cases)
    clock = one.clock
    assert isinstance(clock, Clock)
    clock.now += EXPLAIN_EVERY_S + 1
    assert await one.explain(cases)


async def test_a_request_rate_is_located_by_the_rows_that_are_gone() -> None:
    rows = [Row(NOW - 10_000 + i, region=f"r{i % 8}") for i in range(10_000)]
    one, _ = await explained(Logs([row for row in rows if row.region != "r3" or row.t < NOW - 600]))
    finding = Finding(Signal.REQUEST_RATE, "fraud", Severity.WARNING, "requests fell", -1, 1, 1, 1)
    explainer = Explainer(one.logs, one.clock)
    case = Case(finding, None, one.frame().live)
    assert await explainer.explain([case], one.question(), lambda: True, lambda: None)
    (segment,) = explainer.found[finding.key].answer.segments
    assert segment.where == (("region", "r3"),)
    assert segment.lift < 0.05


async def test_a_search_for_an_older_view_is_dropped() -> None:
    store = Logs(failing())
    one, cases = await explained(store)
    store.gates["segments"] = asyncio.Event()
    task = asyncio.create_task(one.explain(cases))
    await asked(store, "segments")
    one.ask(replace(VIEW, window_s=900))
    store.gates["segments"].set()
    assert not await task
    await one.poll_all()
    assert where_of(one) is None


async def test_a_case_that_metrics_show_before_the_logs_are_read_is_searched_once_they_are() -> None:
    store = Logs(failing())
    _, cases = await explained(store)
    early = session(store)
    assert await early.explain(cases) is False, "no store has rows yet"
    await early.poll_all()
    _, again = early.answer()
    assert await early.explain(again)
    assert where_of(early) == (("region", "us"),)


def new_merchants(name: str = "casino") -> list[Row]:
    """A third of the live window's rows have a merchant that the baseline never had."""
    rows = steady(every=1)
    return [replace(r, merchant=name) if i % 3 == 0 and r.t >= NOW - 300 else r for i, r in enumerate(rows)]


async def test_an_unseen_value_is_named_once_it_is_a_finding() -> None:
    store = Logs(new_merchants())
    one, cases = await explained(store)
    assert "top_values" not in store.names()
    assert await one.explain(cases)
    snapshot, _ = one.answer()
    (finding,) = [f for f in snapshot.findings if f.signal is Signal.QUALITY]
    assert finding.title.startswith("merchant new: casino")
    assert "casino" in snapshot.features.rows[0].direction
    assert not await one.explain(cases)
    assert store.names().count("top_values") == 1


async def test_another_writing_of_a_known_value_is_told_as_such() -> None:
    one, cases = await explained(Logs(new_merchants("FOOD")))
    await one.explain(cases)
    (finding,) = [f for f in one.answer()[0].findings if f.signal is Signal.QUALITY]
    assert (finding.check, finding.subject) == ("format", "merchant")
    assert "'FOOD' for 'food'" in finding.title


async def test_a_store_that_does_not_name_values_leaves_the_finding_as_it_was() -> None:
    store = Logs(new_merchants())
    store.fails["top_values"] = UnreachableError("gone")
    one, cases = await explained(store)
    await one.explain(cases)
    (finding,) = [f for f in one.answer()[0].findings if f.signal is Signal.QUALITY]
    assert "unseen" in finding.title


async def test_names_of_another_question_are_forgotten() -> None:
    store = Logs(new_merchants())
    one, cases = await explained(store)
    gate = store.gates["top_values"] = asyncio.Event()
    looking = asyncio.create_task(one.explain(cases))
    await asked(store, "top_values")
    one.ask(replace(VIEW, where=Eq("region", "eu")))
    gate.set()
    await looking
    await one.poll_all()
    assert not any("casino" in f.title for f in one.answer()[0].findings)


async def test_a_session_asks_a_store_how_far_it_reaches_back_and_compares_with_what_there_is() -> None:
    store = Logs(steady(every=5))
    one = session(store, view=View(window_s=600, baseline=Baseline("1d")))
    await one.poll_all()
    frame = one.frame()
    assert frame.references[0].end == frame.live.start
    snapshot, _ = one.answer()
    assert snapshot.frame.live.end >= NOW
    assert "no history of other days: compared with the windows before" in snapshot.notes
