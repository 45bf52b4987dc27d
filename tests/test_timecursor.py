"""One moment on all charts, and the jumps from anomaly to anomaly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.episodes import episodes
from analysis.evidence import Counts, Traffic
from analysis.view import View
from tests.test_app import NOW, fleet, located, options, until
from tui.app import Triage
from tui.screens.main import MainScreen
from widgets.latency import LatencyPanel
from widgets.look import Look
from widgets.panel import text_of

__all__ = ["fleet"]


def cursor(app: Triage) -> float | None:
    return app.main.cursor


async def test_the_cursor_marks_the_same_bucket_on_every_chart_and_reads_it_out(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        assert app.snapshot is not None
        frame = app.snapshot.frame
        assert cursor(app) is None
        await pilot.press("left")
        assert cursor(app) == frame.live.end - frame.step
        await pilot.press("left", "left")
        assert cursor(app) == frame.live.end - 3 * frame.step
        latency = app.snapshot.latency
        assert latency.t is not None
        at = int(np.searchsorted(latency.t, frame.live.end - 3 * frame.step))
        title = text_of(app.main.query_one(LatencyPanel))[0]
        assert f"p99 {latency.now['p99'][at]:.0f}ms" in title
        assert "14:39Z" in title
        await pilot.press("right", "right", "right")
        assert cursor(app) is None
        assert "14:39Z" not in text_of(app.main.query_one(LatencyPanel))[0]


async def test_n_jumps_back_to_the_onset_and_beyond_it_says_that_there_is_nothing(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("N")
        await until(pilot, lambda: cursor(app) is not None)
        first = cursor(app)
        assert first is not None
        assert abs(first - (NOW - 600)) <= 180
        await pilot.press("N")
        for _ in range(4):
            await pilot.press("N")
            await pilot.pause()
        await until(pilot, lambda: any("no earlier anomaly" in note.message for note in app._notifications))


async def test_a_cursor_that_the_window_leaves_behind_is_gone(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("left")
        for _ in range(3):
            await pilot.press("left_square_bracket")
        await until(pilot, lambda: cursor(app) is None)


def failing(minutes: range, level: float = 50.0) -> Traffic:
    """Four and a half hours of a model that fails in some minutes."""
    frame = View(window_s=1800, end=NOW).frame(NOW)
    t = np.arange(frame.span.start, frame.span.end, 60, dtype=np.int64)
    rng = np.random.default_rng(3)
    n = rng.poisson(600, (len(t), 1)).astype(float)
    bad = rng.poisson(3, (len(t), 1)).astype(float)
    bad[minutes.start : minutes.stop] += level
    key = (("m", "1"),)
    return Traffic(Counts(t, 60, key, n), Counts(t, 60, key, bad), None)


def test_a_stretch_of_errors_is_found_where_it_begins() -> None:
    frame = View(window_s=1800, end=NOW).frame(NOW)
    found = episodes(failing(range(100, 112)), frame, "m")
    assert [episode.signal for episode in found] == ["error rate"]
    assert abs(found[0].start - (frame.span.start + 100 * 60)) <= 120
    assert abs(found[0].end - (frame.span.start + 112 * 60)) <= 180


@pytest.mark.parametrize("minutes", [range(0), range(100, 101)], ids=["nothing", "a single minute"])
def test_quiet_traffic_and_single_minutes_are_no_anomaly(minutes: range) -> None:
    frame = View(window_s=1800, end=NOW).frame(NOW)
    assert episodes(failing(minutes), frame, "m") == ()


def test_the_screen_has_no_scene_before_the_first_answer() -> None:
    screen = MainScreen(Look(), 80, 24)
    with pytest.raises(RuntimeError):
        _ = screen.scene
