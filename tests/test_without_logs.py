"""Metrics alone: the keys that need no rows work, and those that do say what to start with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.split import Measure
from tests.test_app import fleet, located, options, until
from tui.app import Triage
from tui.screens.prompt import Prompt
from widgets.panel import Panel, text_of
from widgets.records import RecordsPanel
from widgets.selection import SelectionPanel
from widgets.split import SplitPanel
from widgets.versions import VersionsPanel

__all__ = ["fleet"]

START = "start with --logs PATH"


def told(panel: Panel[Any]) -> str:
    return " ".join("\n".join(text_of(panel)).split())


async def test_what_needs_rows_says_what_to_start_with(fleet: Path) -> None:
    async with Triage(replace(options(fleet), logs=())).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        for key in "tD":
            app.clear_notifications()
            await pilot.press(key)
            await until(pilot, lambda: any(START in str(note.message) for note in app._notifications))
        await pilot.press("v", *"slow", "enter")
        await until(pilot, lambda: START in told(app.main.query_one(SelectionPanel)))
        await pilot.press("escape", "o")
        await until(pilot, lambda: START in told(app.main.query_one(RecordsPanel)))
        await pilot.press("escape", "V")
        await until(pilot, lambda: START in told(app.main.query_one(VersionsPanel)))
        assert "s and version shows what the metrics count" in told(app.main.query_one(VersionsPanel))


async def test_s_splits_by_a_label(fleet: Path) -> None:
    async with Triage(replace(options(fleet), logs=())).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("enter", "s")
        prompt = app.main.query_one(Prompt)
        assert prompt.query_one("Input").value == "version"  # type: ignore[attr-defined]
        await pilot.press("enter")
        split = app.main.query_one(SplitPanel)
        await until(pilot, lambda: split.part is not None and bool(split.part.rows))
        assert split.part is not None
        assert split.part.measure is Measure.P99
        slow, usual = (next(row.p99 for row in split.part.rows if row.value == value) for value in ("42", "41"))
        assert slow is not None
        assert usual is not None
        assert slow > 3 * usual
