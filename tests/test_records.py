"""Raw rows behind a finding: bounded, masked, readable whole, never interpreted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.answer import PanelStatus, State
from analysis.filters import ALL, Filter
from analysis.records import MASKED, Record, Records, masked, newest, ordered
from analysis.view import Window
from connectors.base import UnreachableError
from tests.panel_app import LOOK
from tests.test_app import fleet, located, options, until
from tui.app import Triage
from tui.records import LIMIT, as_json
from tui.screens.prompt import Prompt
from tui.screens.record import RecordScreen
from widgets.panel import text_of
from widgets.records import RecordsPanel

__all__ = ["fleet"]


def rows_of(app: Triage) -> Records:
    part = app.main.query_one(RecordsPanel).part
    assert part is not None
    return part


async def opened(app: Triage, pilot: Any) -> Records:
    """The records of the first finding."""
    await pilot.press("enter", "o")
    await until(pilot, lambda: app.main.query_one(RecordsPanel).part is not None and bool(rows_of(app).rows))
    return rows_of(app)


async def test_o_shows_the_rows_behind_the_finding_newest_first(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        records = await opened(app, pilot)
        assert app.main.page == "records"
        times = [float(str(record.values["ts"])) for record in records.rows]
        assert times == sorted(times, reverse=True)
        assert len(times) == LIMIT
        slowest_edge = min(float(str(record.values["latency_ms"])) for record in records.rows)
        assert slowest_edge > 50
        assert all(record.values["model"] == "fraud" for record in records.rows)
        assert "latency_ms>=" in records.question
        await pilot.press("escape")
        assert app.main.page == "latency"
        await pilot.press("escape")
        assert app.main.page == "overview"


async def test_enter_shows_a_record_whole_and_y_copies_it_as_json(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []

    async def keep(text: str, app: object) -> Any:
        copied.append(text)
        return type("Copied", (), {"words": "copied", "path": None})()

    monkeypatch.setattr("tui.clipboard.copy", keep)
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        records = await opened(app, pilot)
        await pilot.press("down", "enter")
        assert isinstance(app.screen, RecordScreen)
        assert all(name in app.screen.text().plain for name in records.fields)
        await pilot.press("y")
        await until(pilot, lambda: bool(copied))
        assert json.loads(copied[0]) == dict(records.rows[1].values)
        await pilot.press("escape")
        assert app.main.page == "records"


async def test_sensitive_fields_leave_the_log_masked(fleet: Path) -> None:
    chosen = replace(options(fleet), sensitive=frozenset({"request_id"}))
    async with Triage(chosen).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        records = await opened(app, pilot)
        assert {record.values["request_id"] for record in records.rows} == {MASKED}


async def test_the_columns_are_chosen_by_name_and_stay_chosen(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await opened(app, pilot)
        prompt = app.main.query_one(Prompt)
        await pilot.press("comma")
        prompt.query_one("Input").value = "region nowhere"  # type: ignore[attr-defined]
        await pilot.press("enter")
        assert "no field nowhere" in str(prompt.query_one("#problem").render())
        prompt.query_one("Input").value = "region tier"  # type: ignore[attr-defined]
        await pilot.press("enter")
        assert rows_of(app).shown == ("region", "tier")
        head = text_of(app.main.query_one(RecordsPanel))[1].split()
        assert head[:2] == ["region", "tier"]
        await pilot.press("r")
        await until(pilot, lambda: rows_of(app).status.state is State.LIVE)
        assert rows_of(app).shown == ("region", "tier")


async def test_a_store_that_fails_is_named_with_its_own_words(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(spans: Sequence[Window], where: Filter = ALL, limit: int = 50) -> Any:
        raise UnreachableError("the disk is away", "I/O error", "mount it again")

    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        assert app.session is not None
        monkeypatch.setattr(app.session.logs[0].store, "records", refuse)
        await pilot.press("o")
        await until(pilot, lambda: rows_of(app).status.state is State.FAILED)
        assert rows_of(app).status.message == "inference: the disk is away: I/O error"


def test_a_null_is_not_masked_because_that_it_is_missing_is_no_secret() -> None:
    assert masked({"user": "u1", "email": None}, {"user", "email"}) == {"user": MASKED, "email": None}


def test_columns_begin_with_the_time_and_what_the_question_names() -> None:
    names = ("ts", "request_id", "model", "region", "latency_ms", "amount")
    assert ordered(names, {"region"}) == ("ts", "region", "latency_ms", "model", "amount", "request_id")


def test_rows_of_several_stores_are_one_list() -> None:
    found = newest([[{"ts": 3.0}, {"ts": 1.0}], [{"ts": 2.0}]], 2)
    assert [record.values["ts"] for record in found] == [3.0, 2.0]
    assert [record.number for record in found] == [0, 1]


def test_text_from_the_log_cannot_reach_the_terminal_as_commands() -> None:
    panel, screen_fields = RecordsPanel(), ("message",)
    record = Record({"message": "\x1b[2J\x07gone [bold]x"}, 0)
    assert "\x1b" not in panel.value(record, "message")
    text = RecordScreen(record, screen_fields).text().plain
    assert "\x1b" not in text
    assert "[bold]x" in text
    assert json.loads(as_json(record)) == {"message": "\x1b[2J\x07gone [bold]x"}


def test_unknown_columns_are_refused() -> None:
    records = Records(PanelStatus(State.LIVE), fields=("a", "b"))
    with pytest.raises(KeyError, match="c"):
        records.choose(["a", "c"])


def test_moments_are_told_as_times_with_their_zone_and_a_late_label_with_its_day() -> None:
    record = Record({"ts": 1_795_700_999.097, "label_ts": 1_795_787_399.5}, 0)
    panel = RecordsPanel(LOOK)
    assert panel.value(record, "ts") == "13:49:59.097Z"
    assert panel.value(record, "label_ts") == "2026-11-27 13:49:59.500Z"
    text = RecordScreen(record, ("ts", "label_ts")).text().plain
    assert "2026-11-26 13:49:59.097Z  (1795700999.097)" in text
