"""Error budgets in an answer, and the readings behind them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.answer import Severity, Signal
from analysis.budgets import with_budgets
from analysis.objectives import Budget, Objective
from analysis.view import View
from connectors.base import UnreachableError
from tests.panel_app import LOOK, PanelApp
from tests.sample import sample
from tests.stores import NOW, Logs, Metrics, Row
from tests.test_burn import failing
from tui.budgets import EVERY_S, Budgets
from tui.feeds import LogFeed, MetricFeed
from tui.session import Session
from widgets.header import HeaderPart
from widgets.models import ModelsPanel
from widgets.panel import text_of

PROMISE = Objective("fraud", "availability", 0.999)
FAST = Objective("fraud", "latency", 0.99, 250.0)


def of(budget: Budget, objective: Objective) -> Budget:
    return replace(budget, objective=objective)


def test_a_budget_that_does_not_burn_takes_the_urgency_out_of_a_slow_tail() -> None:
    answer = with_budgets(sample(), [of(failing(0.0002, 300), FAST)])
    slow = next(f for f in answer.findings if f.signal is Signal.LATENCY)
    assert slow.severity is Severity.WARNING
    assert next(row for row in answer.models if row.model == "fraud").burn == pytest.approx(0.2)


def test_what_burns_without_paging_is_as_urgent_as_its_size() -> None:
    answer = with_budgets(sample(), [of(failing(0.002, 300), FAST)])
    assert next(f for f in answer.findings if f.signal is Signal.LATENCY).severity is Severity.CRITICAL


def test_a_page_makes_a_warning_critical_and_the_header_says_it() -> None:
    calm = replace(sample(), findings=tuple(replace(f, severity=Severity.WARNING) for f in sample().findings))
    answer = with_budgets(calm, [failing(0.05, 30)])
    assert next(f for f in answer.findings if f.signal is Signal.ERROR).severity is Severity.CRITICAL
    assert next(row for row in answer.models if row.model == "fraud").state is Severity.CRITICAL
    (alert,) = HeaderPart.of(answer).alerts
    assert alert.severity is Severity.CRITICAL
    assert alert.text.startswith("fraud error-budget burn 25x/1h 50x/5m, budget ")
    assert alert.text.endswith("pages now, since 03:02Z")


def test_a_budget_that_burns_without_any_change_is_a_finding() -> None:
    quiet = replace(sample(), findings=())
    answer = with_budgets(quiet, [failing(0.05, 300)])
    (found,) = answer.findings
    assert (found.signal, found.severity, found.check) == (Signal.ERROR, Severity.CRITICAL, "burn")
    assert "99.9% without error" in found.title
    assert with_budgets(quiet, [failing(0.0002, 300)]).findings == ()
    assert with_budgets(quiet, []) == quiet


async def test_the_models_have_a_column_of_burns_only_where_something_is_promised() -> None:
    plain = PanelApp(ModelsPanel(LOOK), snapshot=sample())
    async with plain.run_test(size=(120, 10)):
        assert "burn" not in text_of(plain.panels[0])[1]
    promised = PanelApp(ModelsPanel(LOOK), snapshot=with_budgets(sample(), [failing(0.05, 30)]))
    async with promised.run_test(size=(80, 10)):
        assert "burn" in text_of(promised.panels[0])[1]
        assert " 25x " in text_of(promised.panels[0])[2]


async def test_a_wide_table_of_models_says_what_is_left_and_when_it_pages() -> None:
    answer = with_budgets(sample(), [failing(0.05, 5)])
    wide = PanelApp(ModelsPanel(LOOK), snapshot=answer)
    async with wide.run_test(size=(160, 12)):
        names, fraud = text_of(wide.panels[0])[1:3]
        at = names.index("burn")
        assert names[at:].split()[:4] == ["burn", "5m", "left", "pages"]
        assert fraud[at:].split()[:4] == ["4.2x", "50x", "99%", "~13m"]


def rows(hours: float, error_s: float, every: int = 2) -> list[Row]:
    """A request every two seconds; the last `error_s` seconds all fail."""
    seconds = range(int(hours * 3_600), 0, -every)
    return [Row(NOW - back, error="Timeout" if back <= error_s else None) for back in seconds]


@pytest.mark.parametrize("kind", ["logs", "metrics"])
async def test_logs_and_metrics_alike_tell_the_burn_of_a_model(kind: str) -> None:
    known = rows(2.5, 120)
    logs = [LogFeed(Logs(known), (0.0, 1.0), lambda: NOW)] if kind == "logs" else []
    metrics = [MetricFeed(Metrics(known), lambda: NOW)] if kind == "metrics" else []
    session = Session(logs, metrics, View(), objectives=[PROMISE], clock=lambda: NOW)
    await session.poll_all()
    (budget,) = session.answer()[0].budgets
    assert budget.burn(3_600) == pytest.approx(60 / 1_800 / 0.001, rel=0.05)
    assert budget.fires
    assert budget.note == "needs 6h of data, has 2h30m"


async def test_older_days_are_read_piece_by_piece_and_nothing_twice() -> None:
    now = [NOW]
    store = Metrics(rows(40, 0, every=60))
    feed = MetricFeed(store, lambda: now[0])
    session = Session([], [feed], View(), objectives=[PROMISE], clock=lambda: now[0])
    asked: list[float] = []
    for _ in range(8):
        store.asked.clear()
        await session.poll(feed)
        asked.append(sum(w.length for name, spans, _ in store.asked if name == "traffic" for w in spans) / 3_600)
        now[0] += EVERY_S / 2
    assert asked[0] <= 6.1
    assert all(hours <= 12.2 for hours in asked)
    assert sum(asked) == pytest.approx(40, abs=0.7)
    assert asked[-1] <= 0.1


async def test_a_store_that_cannot_tell_the_days_is_a_note_and_the_picture_stays() -> None:
    store = Metrics(rows(1, 0))
    store.fails["traffic"] = UnreachableError("timeout", "3 days are too much")
    feed = MetricFeed(store, lambda: NOW)
    session = Session([], [feed], View(), objectives=[PROMISE], clock=lambda: NOW)
    await session.poll_all()
    answer = session.answer()[0]
    assert answer.budgets == ()
    assert answer.models
    assert any("error budgets: timeout: 3 days are too much" in note for note in answer.notes)


async def test_without_objectives_nobody_is_asked() -> None:
    store = Metrics(rows(1, 0))
    feed = MetricFeed(store, lambda: NOW)
    assert not await Budgets((), lambda: NOW).read(feed, int(NOW))
    assert "traffic" not in store.names()
