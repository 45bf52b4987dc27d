"""Going back to a view that was seen before: its picture stands at once, and no source is asked what it has told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from analysis.answer import Snapshot, State
from analysis.view import View, Window
from connectors.duckdb_store import DuckDbStore
from connectors.scrape import ScrapeStore
from tests.test_app import app_of, fleet, located, options, until
from tui.app import Triage
from tui.ring import LATE_BUCKETS
from widgets.segments import SegmentsPanel
from widgets.split import SplitPanel

__all__ = ["fleet"]

PANELS = ("findings", "models", "latency", "confidence", "errors", "features", "infra", "accuracy", "shadow")
BACK_AT_THE_END = "+".join("@2026-11-04T14:41:13Z") + "+enter"
HOUSEKEEPING = {"describe", "watermark", "discover", "condition", "cancel", "close"}
"""What is asked at each look, to learn whether there is anything new."""


@pytest.fixture(autouse=True)
def _nothing_comes_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a test takes longer than what is asked anew now and then is left alone for."""
    monkeypatch.setattr("tui.feeds.RELABEL_S", 86_400.0)
    monkeypatch.setattr("tui.explaining.EXPLAIN_EVERY_S", 86_400.0)


class Asked:
    """The questions that reached the stores, with what they were about."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.questions: list[tuple[str, tuple[Window, ...]]] = []
        for store in (DuckDbStore, ScrapeStore):
            for name in dir(store):
                method = getattr(store, name)
                if not name.startswith("_") and name not in HOUSEKEEPING and callable(method):
                    monkeypatch.setattr(store, name, self._counted(name, method))

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(store: object, *args: Any, **named: Any) -> Any:
            spans = args[0] if args and isinstance(args[0], tuple | list) else ()
            self.questions.append((name, tuple(spans)))
            return method(store, *args, **named)

        return counted

    def of_more_than_the_newest_buckets(self, snapshot: Snapshot) -> list[tuple[str, tuple[Window, ...]]]:
        """Questions that reach further back than what may still change."""
        late = snapshot.frame.live.end - LATE_BUCKETS * snapshot.frame.step
        return [(name, spans) for name, spans in self.questions if not spans or any(w.start < late for w in spans)]


def whole(app: Triage) -> bool:
    """Whether every source has answered the view, and the segments are there."""
    snapshot = app.snapshot
    if snapshot is None or app.session is None or not _same(snapshot.view, app.view):
        return False
    searching = app.session._searching
    return all(source.state is not State.LOADING for source in snapshot.sources) and (
        searching is None or searching.done()
    )


def _same(a: View, b: View) -> bool:
    return replace(a, focus=None) == replace(b, focus=None)


async def settled(pilot: Pilot[None]) -> Snapshot:
    """The answer to the view as it is now, once nothing more comes."""
    app = app_of(pilot)
    await until(pilot, lambda: whole(app))
    revision = None
    while app.snapshot is None or app.snapshot.revision != revision:
        revision = app.snapshot.revision if app.snapshot is not None else None
        for _ in range(20):
            await pilot.pause(0.02)
        await until(pilot, lambda: whole(app))
    return app.snapshot


async def press(pilot: Pilot[None], keys: Sequence[str]) -> None:
    """Press keys one after the other, each once the answer to the one before has settled."""
    for key in keys:
        await pilot.press(*key.split("+"))
        await settled(pilot)


def told(snapshot: Snapshot, panel: str) -> str:
    """What a panel says, but for the text and the time of its last query."""
    part = getattr(snapshot, panel)
    if hasattr(part, "status"):
        part = replace(part, status=replace(part.status, query="", elapsed_s=0.0))
    return repr(part)


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ("enter enter", "u"),
        ("enter x", "backspace"),
        ("enter enter left_square_bracket", "right_square_bracket u"),
        ("plus", "minus"),
        ("minus", "plus"),
        ("c", "c c c"),
        ("left_square_bracket left_square_bracket", "right_square_bracket right_square_bracket"),
        ("0", BACK_AT_THE_END),
        ("g", "g g"),
    ],
)
async def test_a_view_seen_before_is_the_same_at_once_and_no_source_is_asked_again(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, there: str, back: str
) -> None:
    asked = Asked(monkeypatch)
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        before = await settled(pilot)
        *first, last = [*there.split(), *back.split()]
        await press(pilot, first)
        shown: list[Snapshot] = []
        real = app.arrived
        asking = app.ask
        at_once: list[Snapshot | None] = []

        def arrived(snapshot: Snapshot) -> None:
            shown.append(snapshot)
            real(snapshot)

        def ask(view: View) -> None:
            asking(view)
            at_once.append(app.snapshot)

        monkeypatch.setattr(app, "arrived", arrived)
        monkeypatch.setattr(app, "ask", ask)
        asked.questions.clear()
        await press(pilot, [last])
        assert _same(app.view, before.view)
        if last != "g":
            assert at_once[0] is not None
            assert _same(at_once[0].view, before.view), "the picture stands before the key has been worked off"
        assert shown
        for snapshot in shown:
            if snapshot.focus == before.focus:
                for panel in PANELS:
                    assert told(snapshot, panel) == told(before, panel), panel
        assert asked.of_more_than_the_newest_buckets(before) == []


async def test_a_page_of_a_held_view_is_asked_for_once(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await settled(pilot)
        await pilot.press("s", "enter")
        panel = app.main.query_one(SplitPanel)
        await until(pilot, lambda: panel.part is not None and panel.part.status.state is State.LIVE)
        first = panel.part
        await pilot.press("escape", "enter", "enter")
        await settled(pilot)
        await pilot.press("u")
        before = await settled(pilot)
        asked.questions.clear()
        await pilot.press("s", "enter")
        await until(pilot, lambda: app.main.page == "split" and panel.part is first)
        assert asked.of_more_than_the_newest_buckets(before) == []
        assert app.main.query_one(SegmentsPanel).item is not None
        await pilot.press("r")
        await until(pilot, lambda: bool(asked.of_more_than_the_newest_buckets(before)))
