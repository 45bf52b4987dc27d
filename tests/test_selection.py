"""What selected rows have in common: without a baseline, against the other rows of the same window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.answer import PanelStatus, State
from analysis.filters import ALL, And, Eq, Filter, FilterError, Not, Null, Range
from analysis.selection import Selection
from analysis.view import Window
from connectors.base import UnreachableError
from tests.sample import sample
from tests.test_app import fleet, located, options, until
from tui.app import Triage
from tui.screens.prompt import Prompt
from tui.selection import between, choice
from widgets.selection import SelectionPanel

__all__ = ["fleet"]


def selection_of(app: Triage) -> Selection:
    part = app.main.query_one(SelectionPanel).part
    return part if part is not None else Selection(PanelStatus(State.LOADING))


async def typed(app: Triage, pilot: Any, text: str) -> Prompt:
    await pilot.press("v")
    prompt = app.main.query_one(Prompt)
    prompt.query_one("Input").value = text  # type: ignore[attr-defined]
    await pilot.press("enter")
    return prompt


@pytest.mark.parametrize("word", ["slow", "errors", "latency_ms>=300"])
async def test_the_bad_rows_of_a_canary_have_its_version_in_common(fleet: Path, word: str) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await typed(app, pilot, word)
        await until(pilot, lambda: bool(selection_of(app).segments))
        found = selection_of(app)
        assert app.main.page == "selection"
        assert dict(found.segments[0].where) == {"version": "42"}
        assert 0 < found.n < found.of
        assert found.segments[0].rate_in > 3 * found.segments[0].rate_out
        await pilot.press("enter")
        assert app.view.where == Eq("version", "42")


async def test_x_leaves_a_common_segment_out_and_the_selection_answers_for_the_rest(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await typed(app, pilot, "slow")
        await until(pilot, lambda: bool(selection_of(app).segments))
        before = selection_of(app).n
        await pilot.press("x")
        assert app.view.where == Not(Eq("version", "42"))
        await until(pilot, lambda: selection_of(app).status.state is State.LIVE and selection_of(app).n < before)
        assert all("version" not in dict(segment.where) for segment in selection_of(app).segments)


async def test_a_range_of_time_is_marked_with_the_cursor_at_both_ends(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        assert app.snapshot is not None
        frame = app.snapshot.frame
        await pilot.press("left", "v")
        assert app.main.selection is not None
        await pilot.press("left", "left", "left", "left")
        assert app.main.selection[0] == frame.live.end - frame.step
        await pilot.press("v")
        await until(pilot, lambda: selection_of(app).status.state is State.LIVE)
        found = selection_of(app)
        assert found.title == "14:37Z to 14:42Z"
        assert found.segments
        assert dict(found.segments[0].where)["version"] == "42"
        assert app.main.cursor is None


async def test_what_cannot_be_selected_says_what_can(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        prompt = await typed(app, pilot, "sluggish")
        assert prompt.has_class("-open")
        assert "field=value" in str(prompt.query_one("#problem").render())


async def test_escape_stops_a_search_that_a_slow_store_holds_up(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    stopped: list[bool] = []

    async def hang(
        spans: Sequence[Window], outcomes: Sequence[Filter], dims: Sequence[str], where: Filter = ALL
    ) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(True)
            raise

    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        assert app.session is not None
        monkeypatch.setattr(app.session.logs[0].store, "segments", hang)
        await typed(app, pilot, "slow")
        await until(pilot, lambda: app.main.page == "selection")
        await pilot.pause()
        assert selection_of(app).status.state is State.LOADING
        await pilot.press("escape")
        await until(pilot, lambda: bool(stopped) and app.main.page == "overview")


async def test_a_store_that_fails_is_named(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(
        spans: Sequence[Window], outcomes: Sequence[Filter], dims: Sequence[str], where: Filter = ALL
    ) -> Any:
        raise UnreachableError("the disk is away")

    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        assert app.session is not None
        monkeypatch.setattr(app.session.logs[0].store, "segments", refuse)
        await typed(app, pilot, "errors")
        await until(pilot, lambda: selection_of(app).status.state is State.FAILED)
        assert "inference: the disk is away" in selection_of(app).status.message


def test_words_become_rows() -> None:
    snapshot = sample()
    usual = snapshot.latency.window_baseline["p99"]
    assert choice("slow", snapshot, 0.6).rows == Range("latency_ms", low=usual)
    assert choice("errors", snapshot, 0.6).rows == Not(Null("error_type"))
    assert choice("unsure", snapshot, 0.7).rows == Range("confidence", high=0.7)
    assert choice("tier=free region=eu", snapshot, 0.6).rows == And((Eq("tier", "free"), Eq("region", "eu")))
    assert between(10, 20, "").rows == Range("ts", low=10, high=20)


def test_slow_needs_to_know_what_is_usual() -> None:
    snapshot = sample()
    blank = replace(snapshot, latency=replace(snapshot.latency, window={}, window_baseline={}))
    with pytest.raises(FilterError, match="too few requests"):
        choice("slow", blank, 0.6)
