"""How the screens look on the demo fleet; the documentation shows these pictures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.test_app import fleet, located, options
from tui.app import Triage

__all__ = ["fleet"]

Compare = Callable[..., bool]


def after(*keys: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Wait for the located answer, then press keys."""

    async def run(pilot: Pilot[None]) -> None:
        app = await located(pilot)
        await pilot.press(*keys)
        await pilot.pause()
        if keys:
            await located(pilot)
        assert app.snapshot is not None

    return run


@pytest.mark.parametrize("size", [(60, 18), (80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_overview(fleet: Path, snap_compare: Any, size: tuple[int, int]) -> None:
    assert snap_compare(Triage(options(fleet)), terminal_size=size, run_before=after())


@pytest.mark.parametrize("page", ["latency", "confidence", "errors", "features", "infra"])
def test_page(fleet: Path, snap_compare: Any, page: str) -> None:
    key = str(["overview", "latency", "confidence", "errors", "features", "infra"].index(page) + 1)
    assert snap_compare(Triage(options(fleet)), terminal_size=(120, 40), run_before=after(key))


def test_latency_page_at_80x24(fleet: Path, snap_compare: Any) -> None:
    assert snap_compare(Triage(options(fleet)), terminal_size=(80, 24), run_before=after("enter"))


def test_help(fleet: Path, snap_compare: Any) -> None:
    assert snap_compare(Triage(options(fleet)), terminal_size=(120, 40), run_before=after("question_mark"))


def test_overview_in_ascii(fleet: Path, snap_compare: Any) -> None:
    chosen = options(fleet, ascii=True)  # type: ignore[arg-type]
    assert snap_compare(Triage(chosen), terminal_size=(80, 24), run_before=after())
