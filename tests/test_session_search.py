"""What a session asks the stores for its findings: their segments, and the names of their values."""

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
from tests.stores import NOW, Logs, Row, holds, steady
from tests.test_session import VIEW, Clock, asked, failing, session
from tui.explaining import BASELINE_EVERY_S, EXPLAIN_EVERY_S, Explainer
from tui.session import Session


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
