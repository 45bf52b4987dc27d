"""The screen as an engineer uses it: keys change the question, the answer follows, a slow source holds nothing up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from analysis.answer import Signal, State
from analysis.filters import Eq, Not, conjunction, format_filter
from analysis.view import Window
from connectors.base import Schema, Watermark
from demo.run import write
from tui.app import Answered, Triage
from tui.clipboard import Copied
from tui.config import load
from tui.config_schema import LogSource, ScrapeSource
from tui.keys import KEYS
from tui.options import Flags, Options, resolve
from tui.screens.help import HelpScreen
from tui.screens.main import MainScreen, size_class
from tui.screens.prompt import Prompt
from tui.session import Session
from widgets.changes import ChangesPanel
from widgets.errors import ErrorsPanel
from widgets.models import ModelsPanel
from widgets.segments import SegmentsPanel

NOW = 1_793_803_273
"""2026-11-04T14:41:13Z"""
DEADLINE_S = 60.0


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five hours of the bad-canary scenario, ten minutes after its onset."""
    folder = tmp_path_factory.mktemp("fleet")
    write(folder, "bad-canary", seed=1, minutes_after_onset=10, hours=5, now=NOW)
    return folder


def options(fleet: Path, **flags: object) -> Options:
    """The fleet as of `NOW` under names that do not change from run to run, as the pictures show them."""
    resolved = resolve(Flags(at=str(NOW), **flags), load(None), time.time())  # type: ignore[arg-type]
    return replace(
        resolved,
        logs=(LogSource(name="inference", path=str(fleet / "logs")),),
        scrape=(ScrapeSource(name="fleet", file=str(fleet / "metrics.om")),),
    )


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait for the condition, as long as it takes on a busy machine."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        await pilot.pause(0.02)


def app_of(pilot: Pilot[None]) -> Triage:
    assert isinstance(pilot.app, Triage)
    return pilot.app


async def located(pilot: Pilot[None]) -> Triage:
    """The app once its first finding has a segment."""
    app = app_of(pilot)
    await until(pilot, lambda: bool(app.snapshot and app.snapshot.findings and app.snapshot.findings[0].where))
    return app


def clipboard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets what is copied."""
    copied: list[str] = []

    async def keep(text: str, app: object) -> Copied:
        copied.append(text)
        return Copied("file", None)

    monkeypatch.setattr("tui.clipboard.copy", keep)
    return copied


def read(names: list[str]) -> dict[str, str]:
    """Ending -> text of files that only their owner may read."""
    assert all(Path(name).stat().st_mode & 0o077 == 0 for name in names)
    return {Path(name).suffix: Path(name).read_text(encoding="utf-8") for name in names}


async def test_a_newcomer_sees_the_fault_named_and_located(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        assert app.snapshot is not None
        first = app.snapshot.findings[0]
        assert (first.signal, first.model) == (Signal.LATENCY, "fraud")
        assert dict(first.where[0].where) == {"version": "42"}
        assert app.main.query_one(ChangesPanel).item == first


async def test_enter_enter_goes_from_the_finding_to_its_segment(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("enter")
        assert app.main.page == "latency"
        assert isinstance(app.main.focused, SegmentsPanel)
        await pilot.press("enter")
        assert app.view.where == Eq("version", "42")
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.view.where == Eq("version", "42"))
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.latency.n > 0)
        assert app.snapshot is not None
        assert all(row.versions in ((), ("42",)) for row in app.snapshot.models)
        await pilot.press("u")
        assert format_filter(app.view.where) == ""


async def test_enter_enter_does_the_same_for_an_error_type_and_enter_on_its_row_goes_to_its_segments(
    tmp_path: Path,
) -> None:
    write(tmp_path, "new-error", seed=1, minutes_after_onset=10, hours=5, now=NOW)
    async with Triage(options(tmp_path)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        assert app.snapshot is not None
        first = app.snapshot.findings[0]
        assert first.signal is Signal.ERROR
        await pilot.press("enter")
        assert app.main.page == "errors"
        assert isinstance(app.main.focused, SegmentsPanel)
        panel = app.main.query_one(ErrorsPanel)
        panel.focus()
        panel.put_cursor(first.subject)
        await pilot.press("enter")
        assert isinstance(app.main.focused, SegmentsPanel)
        assert app.main.finding == first
        await pilot.press("enter")
        assert app.view.where == conjunction(*(Eq(dim, value) for dim, value in first.where[0].where))


async def test_x_leaves_the_segment_out_and_escape_walks_back(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("enter", "x")
        assert app.view.where == Not(Eq("version", "42"))
        await pilot.press("escape")
        assert app.main.page == "overview"
        await pilot.press("escape")
        assert format_filter(app.view.where) == ""


async def test_time_keys_move_the_window(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("left_square_bracket")
        assert app.view.end == NOW - 450
        await pilot.press("right_square_bracket")
        assert app.view.end == NOW
        await pilot.press("plus")
        assert app.view.window_s == 3600
        await pilot.press("minus", "minus")
        assert app.view.window_s == 900
        await pilot.press("0")
        assert app.view.live
        await pilot.press("space")
        assert app.view.end is not None
        await pilot.press("space")
        assert app.view.live
        await pilot.press("c", "c")
        assert app.view.baseline.kind in ("1d", "1w")


async def test_a_view_that_was_seen_before_is_there_at_once(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await until(pilot, lambda: app.session is not None and app.session.kept(app.view) is not None)
        first = app.snapshot
        assert first is not None
        app.filter_by(Eq("region", "eu-w1"))
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.view.where == Eq("region", "eu-w1"))
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.latency.n > 0)
        app.action_undo_filter()
        again = app.snapshot
        assert again is not None
        assert again.view.where == first.view.where
        assert again.findings
        assert again.latency.n == first.latency.n


async def test_a_typed_filter_is_asked_and_a_wrong_one_says_what_is_wrong(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        prompt = app.main.query_one(Prompt)
        await pilot.press("slash", *"region")
        await pilot.press("enter")
        assert prompt.has_class("-open")
        assert "field=value" in str(prompt.query_one("#problem").render())
        await pilot.press("equals_sign", *"eu-w1", "enter")
        assert not prompt.has_class("-open")
        assert app.view.where == Eq("region", "eu-w1")


async def test_a_typed_moment_pins_the_window(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("at")
        app.main.query_one(Input).value = "2026-11-04T13:00Z"
        await pilot.press("enter")
        assert app.view.end == 1_793_797_200


@pytest.mark.parametrize(
    ("key", "page"),
    [("1", "overview"), ("2", "latency"), ("3", "confidence"), ("4", "errors"), ("5", "features"), ("6", "infra")],
)
async def test_numbers_open_the_screens(fleet: Path, key: str, page: str) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press(key)
        await pilot.pause()
        assert app.main.page == page
        visible = {widget.id for widget in app.main.query("Panel") if widget.region.area}
        assert (page if page != "overview" else "changes") in visible


async def test_help_names_every_key_and_closes(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 60)) as pilot:
        app = await located(pilot)
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = app.screen.text().plain
        assert all(key.what in text for key in KEYS)
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)


async def test_every_key_is_in_the_palette(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        titles = [command.title for command in app.get_system_commands(app.screen)]
        for key in KEYS:
            if key.id not in ("palette", "next_panel", "previous_panel", "drill"):
                assert any(title.startswith(key.what) for title in titles)
        assert any(title == "model rank" for title in titles)


async def test_export_writes_the_report_and_the_picture(fleet: Path, tmp_path: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("e")
        await until(pilot, lambda: len(app.written) == 3)
    texts = read(app.written)
    assert set(texts) == {".md", ".json", ".svg"}
    assert "version=42" in texts[".md"]
    assert '"schema": 1' in texts[".json"]


async def test_copy_keeps_the_report_in_a_file(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("y")
        await until(pilot, lambda: bool(app.written))
    assert "version=42" in read(app.written)[".txt"]


async def test_the_zone_key_changes_the_clock_and_nothing_is_asked(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        assert app.session is not None
        before = app.session.generation
        await pilot.press("z")
        assert not app.look.utc
        assert app.session.generation == before


class StuckStore:
    """A log store whose first question is never answered."""

    name = "stuck"
    kind = "files"

    def __init__(self) -> None:
        self.cancelled = 0

    async def describe(self) -> Schema:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        raise AssertionError("unreachable")

    async def watermark(self) -> Watermark:
        return Watermark(None, None)

    async def cancel(self) -> None:
        return None

    async def close(self) -> None:
        return None


async def test_keys_answer_while_a_source_hangs_and_a_new_question_drops_the_old(fleet: Path) -> None:
    from tui.feeds import LogFeed
    from tui.sources import open_session

    wanted = options(fleet)
    store = StuckStore()
    opened = open_session(wanted)
    session = Session([LogFeed(store, (0.0, 1.0))], opened.metrics, wanted.view)  # type: ignore[arg-type]
    async with Triage(wanted, session).run_test(size=(120, 40)) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.snapshot is not None and bool(app.snapshot.models))
        assert app.snapshot is not None
        states = {source.name: source.state for source in app.snapshot.sources}
        assert states["stuck"] is State.LOADING
        await pilot.press("plus")
        assert app.view.window_s == 3600
        await until(pilot, lambda: store.cancelled == 1)
    await opened.logs[0].store.close()


async def test_only_another_model_in_focus_asks_no_source_again(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        assert app.session is not None
        before = app.session.generation
        await pilot.press("g")
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.focus != "fraud")
        assert app.session.generation == before


@pytest.mark.parametrize(
    ("size", "name"),
    [((80, 24), "small"), ((120, 40), "medium"), ((200, 50), "large"), ((79, 24), "tiny"), ((300, 20), "tiny")],
)
def test_the_arrangement_follows_the_size(size: tuple[int, int], name: str) -> None:
    assert size_class(*size) == name


async def test_the_window_of_the_snapshot_is_the_one_asked_for(fleet: Path) -> None:
    async with Triage(options(fleet, window="15m")).run_test(size=(80, 24)) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.snapshot is not None and bool(app.snapshot.models))
        assert app.snapshot is not None
        assert app.snapshot.frame.live == Window(NOW // 60 * 60 + 60 - 900, NOW // 60 * 60 + 60)


def test_nothing_heavy_is_loaded_at_the_first_paint() -> None:
    script = """
import asyncio, sys, time
from tui.app import Triage
from tui.config import load
from tui.config_schema import LogSource, ScrapeSource
from tui.options import Flags, resolve

async def main():
    app = Triage(resolve(Flags(logs=("nowhere",)), load(None), time.time()))
    seen = []
    app._begin = lambda: seen.append(sorted({"pandas", "duckdb", "plotext", "numpy", "httpx"} & set(sys.modules)))
    async with app.run_test(size=(80, 24)) as pilot:
        while not seen:
            await pilot.pause(0.01)
    print(seen[0])

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


async def test_the_list_of_models_marks_the_model_whose_panels_are_shown(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        models = app.main.query_one(ModelsPanel)
        for _ in range(3):
            await pilot.press("g")
            await until(pilot, lambda: app.snapshot is not None and app.snapshot.focus == app.view.focus)
            await until(pilot, lambda: models.item is not None and models.item.model == app.view.focus)


async def test_an_answer_that_comes_while_the_program_ends_is_left_alone(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        session = app.session
    shown = app.snapshot
    assert session is not None
    assert shown is not None
    app.session = session
    assert not app.stands
    app.on_answered(Answered(replace(shown, notes=("late",)), session.generation))
    assert app.snapshot is shown
