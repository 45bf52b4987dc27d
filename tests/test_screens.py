"""How the screens look on the demo fleet; the documentation shows these pictures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from analysis.answer import Snapshot, State
from analysis.filters import Eq
from tests.test_app import app_of, fleet, options, until
from tui.app import Triage
from tui.session import Session
from widgets.means import MeansPanel
from widgets.mix import MixPanel
from widgets.records import RecordsPanel
from widgets.segments import SegmentsPanel
from widgets.selection import SelectionPanel
from widgets.split import SplitPanel
from widgets.versions import VersionsPanel

__all__ = ["fleet"]

Compare = Callable[..., bool]


def after(*keys: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Wait for the whole answer, press keys, and wait for the answer to them."""

    async def run(pilot: Pilot[None]) -> None:
        app = app_of(pilot)

        def complete() -> bool:
            snapshot = app.snapshot
            return (
                snapshot is not None
                and all(source.state is State.LIVE for source in snapshot.sources)
                and bool(snapshot.findings)
                and all(finding.where for finding in snapshot.findings)
            )

        await until(pilot, complete)
        await pilot.press(*keys)
        await pilot.pause()
        await until(pilot, complete)

    return run


@pytest.mark.parametrize("size", [(60, 18), (80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_overview(fleet: Path, snap_compare: Any, size: tuple[int, int]) -> None:
    assert snap_compare(Triage(options(fleet)), terminal_size=size, run_before=after())


@pytest.mark.parametrize("page", ["latency", "confidence", "errors", "features", "infra"])
def test_page(fleet: Path, snap_compare: Any, page: str) -> None:
    key = str(["overview", "latency", "confidence", "errors", "features", "infra"].index(page) + 1)
    assert snap_compare(Triage(options(fleet)), terminal_size=(120, 40), run_before=after(key))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_accuracy_page(fleet: Path, snap_compare: Any, size: tuple[int, int]) -> None:
    assert snap_compare(Triage(options(fleet)), terminal_size=size, run_before=after("9"))


def test_latency_page_at_80x24(fleet: Path, snap_compare: Any) -> None:
    assert snap_compare(Triage(options(fleet)), terminal_size=(80, 24), run_before=after("enter"))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_records(fleet: Path, snap_compare: Any, size: tuple[int, int]) -> None:
    async def run(pilot: Pilot[None]) -> None:
        await after("enter", "o")(pilot)
        panel = app_of(pilot).main.query_one(RecordsPanel)
        await until(pilot, lambda: panel.part is not None and bool(panel.part.rows))

    assert snap_compare(Triage(options(fleet)), terminal_size=size, run_before=run)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_split(fleet: Path, snap_compare: Any, size: tuple[int, int]) -> None:
    async def run(pilot: Pilot[None]) -> None:
        await after("enter", "s", "enter")(pilot)
        panel = app_of(pilot).main.query_one(SplitPanel)
        await until(pilot, lambda: panel.part is not None and bool(panel.part.rows))

    assert snap_compare(Triage(options(fleet)), terminal_size=size, run_before=run)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_split_of_the_accuracy(fleet: Path, snap_compare: Any, size: tuple[int, int]) -> None:
    async def run(pilot: Pilot[None]) -> None:
        await after("9", "s", "ctrl+u", *"region", "enter")(pilot)
        panel = app_of(pilot).main.query_one(SplitPanel)
        await until(pilot, lambda: panel.part is not None and bool(panel.part.rows))

    assert snap_compare(Triage(options(fleet)), terminal_size=size, run_before=run)


def test_overview_with_the_time_cursor(fleet: Path, snap_compare: Any) -> None:
    run = after("left", "left", "left", "left")
    assert snap_compare(Triage(options(fleet)), terminal_size=(120, 40), run_before=run)


def test_selection(fleet: Path, snap_compare: Any) -> None:
    async def run(pilot: Pilot[None]) -> None:
        await after("v", *"slow", "enter")(pilot)
        panel = app_of(pilot).main.query_one(SelectionPanel)
        await until(pilot, lambda: panel.part is not None and bool(panel.part.segments))

    assert snap_compare(Triage(options(fleet)), terminal_size=(120, 40), run_before=run)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_versions(fleet: Path, snap_compare: Any, size: tuple[int, int]) -> None:
    async def run(pilot: Pilot[None]) -> None:
        await after("V")(pilot)
        panel = app_of(pilot).main.query_one(VersionsPanel)
        await until(pilot, lambda: panel.part is not None and bool(panel.part.rows))

    assert snap_compare(Triage(options(fleet)), terminal_size=size, run_before=run)


SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("step", ["finding", "filtered", "why", "mix", "means"])
def test_drill(
    fleet: Path, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, step: str, size: tuple[int, int]
) -> None:
    # The query as sent holds the path of this run.
    monkeypatch.setattr(Session, "segment_query", lambda self, key: "SELECT ...\nFROM logs")

    async def run(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await after("enter")(pilot)
        await until(pilot, lambda: app.main.query_one(SegmentsPanel).item is not None)
        match step:
            case "filtered":
                await pilot.press("enter")
                await until(pilot, lambda: app.snapshot is not None and app.snapshot.view.where == Eq("version", "42"))
                await until(pilot, lambda: app.snapshot is not None and _live(app.snapshot))
            case "why":
                await pilot.press("question_mark")
            case "mix":
                await pilot.press("m")
                mix = app.main.query_one(MixPanel)
                await until(pilot, lambda: mix.part is not None and mix.part.status.state is State.LIVE)
            case "means":
                await pilot.press("t", "enter")
                means = app.main.query_one(MeansPanel)
                await until(pilot, lambda: means.part is not None and means.part.status.state is State.LIVE)
        await pilot.pause()

    assert snap_compare(Triage(options(fleet)), terminal_size=size, run_before=run)


def _live(snapshot: Snapshot) -> bool:
    return all(source.state is State.LIVE for source in snapshot.sources)


def test_help(fleet: Path, snap_compare: Any) -> None:
    assert snap_compare(Triage(options(fleet)), terminal_size=(120, 40), run_before=after("question_mark"))


def test_overview_in_ascii(fleet: Path, snap_compare: Any) -> None:
    chosen = options(fleet, ascii=True)
    assert snap_compare(Triage(chosen), terminal_size=(80, 24), run_before=after())
