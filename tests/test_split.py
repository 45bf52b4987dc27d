"""One model by the values of a dimension: fetched on demand, compared with the same baseline as everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis.answer import Finding, Severity, Signal, State
from analysis.evidence import OTHER, Counts, Traffic
from analysis.filters import Eq
from analysis.split import Measure, Split
from analysis.split_rows import split_rows
from analysis.view import View
from connectors.base import By
from connectors.duckdb_store import DuckDbStore
from tests.test_app import NOW, app_of, fleet, located, options, until
from tui.app import Triage
from tui.completion import split_term, starting
from tui.screens.prompt import Prompt
from tui.split import measure_of
from widgets.panel import text_of
from widgets.split import SplitPanel

__all__ = ["fleet"]


def split_of(app: Triage) -> Split:
    part = app.main.query_one(SplitPanel).part
    return part if part is not None else Split(app.snapshot.latency.status)  # type: ignore[union-attr]


async def test_s_and_enter_split_the_chart_by_the_dimension_of_the_segment(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("enter", "s")
        assert app.main.query_one(Prompt).query_one("Input").value == "version"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: bool(split_of(app).rows))
        found = split_of(app)
        assert app.main.page == "split"
        assert (found.model, found.dim, found.measure) == ("fraud", "version", Measure.P99)
        by_value = {row.value: row for row in found.rows}
        assert set(by_value) == {"41", "42"}
        slow, usual = by_value["42"].p99, by_value["41"].p99
        assert slow is not None
        assert usual is not None
        assert slow > 3 * usual
        assert by_value["42"].p99_baseline is None
        assert by_value["41"].share + by_value["42"].share == pytest.approx(1)
        text = "\n".join(text_of(app.main.query_one(SplitPanel)))
        assert " 42 " in text
        await pilot.press("escape")
        assert app.main.page == "latency"


async def test_from_the_accuracy_page_the_split_is_of_who_is_right(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("9", "s")
        await until(pilot, lambda: app.main.query_one(Prompt).has_class("-open"))
        await pilot.press("ctrl+u", *"region", "enter")
        await until(pilot, lambda: app.main.page == "split" and split_of(app).status.state is State.LIVE)
        found = split_of(app)
        assert (found.measure, found.dim) == (Measure.RIGHT, "region")
        assert found.span_s >= 1_800
        assert len(found.rows) > 1
        assert all(row.right is not None and row.right.n > 0 for row in found.rows)
        await pilot.press("down", "enter")
        await until(pilot, lambda: len(split_of(app).rows) == 1)
        assert split_of(app).rows[0].right is not None


async def test_enter_on_a_value_makes_it_the_filter_and_the_split_answers_for_it(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("s")
        prompt = app.main.query_one(Prompt)
        prompt.query_one("Input").value = "region"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: bool(split_of(app).rows))
        value = split_of(app).rows[0].value
        await pilot.press("enter")
        assert app.view.where == Eq("region", value)
        await until(pilot, lambda: [row.value for row in split_of(app).rows] == [value])


async def test_a_dimension_that_is_not_logged_is_refused_with_the_ones_that_are(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("s")
        prompt = app.main.query_one(Prompt)
        prompt.query_one("Input").value = "galaxy"  # type: ignore[attr-defined]
        await pilot.press("enter")
        assert prompt.has_class("-open")
        assert "region" in str(prompt.query_one("#problem").render())


async def test_names_and_values_of_a_filter_are_completed(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        completer = app.completer
        assert completer is not None
        assert "region=" in await completer.filter("reg")
        assert list(await completer.filter("tier=pro region=eu")) == ["tier=pro region=eu-w1"]
        assert "region=us-e1,eu-w1" in await completer.filter("region=us-e1,e")
        assert list(await completer.filter("nothing=x")) == []
        assert list(await completer.baseline("version:4")) == ["version:41", "version:42"]
        await pilot.press("slash", *"reg")
        prompt = app.main.query_one(Prompt)
        await until(pilot, lambda: "region=" in str(prompt.query_one("#offers").render()))
        await pilot.press("tab")
        assert prompt.query_one("Input").value == "region="  # type: ignore[attr-defined]
        await pilot.press("e")
        await until(pilot, lambda: "region=eu-w1" in str(prompt.query_one("#offers").render()))
        await pilot.press("tab", "enter")
        assert app.view.where == Eq("region", "eu-w1")


async def test_a_name_that_is_typed_to_its_end_is_completed_by_its_values(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        prompt = app.main.query_one(Prompt)

        def offered(text: str) -> Callable[[], bool]:
            return lambda: text in str(prompt.query_one("#offers").render())

        await pilot.press("slash", *"tie")
        await until(pilot, offered("tier="))
        await pilot.press("r", "equals_sign")
        await until(pilot, offered("tier=free"))
        await pilot.press("tab")
        taken = prompt.query_one("Input").value  # type: ignore[attr-defined]
        await pilot.press("tab")
        await until(pilot, lambda: prompt.query_one("Input").value not in ("tier=", taken))  # type: ignore[attr-defined]
        assert offered("tier=free")()


async def test_c_reaches_the_time_before_the_onset(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        assert app.snapshot is not None
        onset = app.snapshot.findings[0].onset
        await pilot.press("c")
        baseline = app.view.baseline
        assert baseline.kind == "range"
        assert baseline.span is not None
        assert onset is not None
        assert onset - 60 < baseline.span.end <= onset
        assert baseline.span.length == 8 * app.view.window_s
        kinds = []
        for _ in range(3):
            await pilot.press("c")
            kinds.append(app_of(pilot).view.baseline.kind)
        assert kinds == ["1d", "1w", "previous"]


def test_the_store_folds_what_is_not_asked_for(fleet: Path) -> None:
    async def ask() -> Traffic:
        store = DuckDbStore([str(fleet / "logs")])
        try:
            frame = View(end=NOW).frame(NOW)
            where = Eq("model", "fraud")
            return (await store.series((frame.live,), frame.step, where, By("region", ("eu-w1",)))).value
        finally:
            await store.close()

    traffic = asyncio.run(ask())
    assert traffic.requests.keys == (("fraud", OTHER), ("fraud", "eu-w1"))
    assert traffic.latency is not None
    assert traffic.latency.n.sum() > 0
    assert float(traffic.requests.n[:, 0].sum()) > float(traffic.requests.n[:, 1].sum()) > 0


def test_rows_are_sums_of_their_buckets_and_gaps_are_no_zeros() -> None:
    view = View(window_s=300, end=NOW)
    frame = view.frame(NOW)
    t = np.array([frame.references[0].start, frame.live.start, frame.live.start + 60], dtype=np.int64)
    n = np.array([[10.0, 30.0], [5.0, 15.0], [5.0, 0.0]])
    bad = np.array([[1.0, 0.0], [5.0, 0.0], [0.0, 0.0]])
    keys = (("m", "a"), ("m", "b"))
    traffic = Traffic(Counts(t, 60, keys, n), Counts(t, 60, keys, bad), None)
    first, second = split_rows(traffic, frame, "m", Measure.ERRORS)
    assert (first.value, first.n, first.errors, first.errors_baseline) == ("b", 15.0, 0.0, 0.0)
    assert (second.value, second.errors, second.errors_baseline) == ("a", 0.5, 0.1)
    assert first.share == pytest.approx(0.6)
    assert first.share_baseline == pytest.approx(0.75)
    assert first.p99 is None
    assert second.now[0] == 1.0
    assert np.isnan(first.now[1:]).all()


def test_the_chart_shows_what_the_finding_is_about() -> None:
    def finding(signal: Signal) -> Finding:
        return Finding(signal, "m", Severity.INFO, "", 0, 0, 0, 0)

    assert measure_of(finding(Signal.ERROR), "latency") is Measure.ERRORS
    assert measure_of(finding(Signal.REQUEST_RATE), "latency") is Measure.RATE
    assert measure_of(finding(Signal.LATENCY), "overview") is Measure.P99
    assert measure_of(None, "errors") is Measure.ERRORS
    assert measure_of(finding(Signal.CALIBRATION), "overview") is Measure.RIGHT
    assert measure_of(finding(Signal.ERROR), "accuracy") is Measure.RIGHT


def test_a_term_is_cut_at_its_operator() -> None:
    assert split_term("region!=eu") == ("region", "!=", "eu")
    assert split_term("amount>=1") == ("amount", ">=", "1")
    assert split_term("reg") == ("reg", "", "")
    assert starting(["eu-w1", "us-e1"], "E") == ("eu-w1", "us-e1")
