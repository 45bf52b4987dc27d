"""The mix table and the words for one segment, on numbers and on the screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import MixShift, State
from analysis.evidence import Cube
from analysis.filters import ALL
from analysis.mix import Mix, Replaced
from analysis.segment_mix import mix_of
from analysis.spans import pieces, union
from analysis.view import Window
from analysis.why import why
from tests.panel_app import LOOK
from tests.sample import sample
from tests.test_app import app_of, fleet, options, until
from tui.app import Triage
from tui.screens.help import HelpScreen
from tui.screens.why import WhySheet
from widgets.lines import plain
from widgets.look import Scene
from widgets.means import MeansPanel
from widgets.mix import MixPanel
from widgets.segments import SegmentsPanel

__all__ = ["fleet"]

counts = st.lists(st.integers(1, 500), min_size=3, max_size=3)


def cube(n: list[int], rates: tuple[float, ...]) -> Cube:
    rows = np.array(n, dtype=np.float64)
    hits = rows[:, None] * np.array(rates)[:, None]
    return Cube(("region",), (("eu", "us", "ap"),), np.arange(3)[:, None], rows, hits, (ALL,))


@given(counts, counts)
def test_shares_add_up_and_parts_are_kitagawas(now: list[int], before: list[int]) -> None:
    rates = (0.01, 0.05, 0.2)
    mix = mix_of(cube(now, rates), cube(before, rates), 0)
    assert sum(row.share_now for row in mix.rows) == pytest.approx(1)
    assert sum(row.share_before for row in mix.rows) == pytest.approx(1)
    assert mix.rate_now is not None
    assert mix.rate_before is not None
    if abs(mix.rate_now - mix.rate_before) > 1e-9:
        # No rate moved, so the moved shares make all of the change.
        assert mix.part == pytest.approx(1)
        assert sum(row.part for row in mix.rows if row.part is not None) == pytest.approx(1)


def versions(n: tuple[int, int], rates: tuple[float, float]) -> Cube:
    """Rows of version 41 and 42, of one region."""
    rows = np.array(n, dtype=np.float64)
    hits = rows[:, None] * np.array(rates)[:, None]
    codes = np.array([[0, 0], [1, 0]])
    return Cube(("version", "region"), (("41", "42"), ("eu",)), codes, rows, hits, (ALL,))


def said(mix: Mix) -> str:
    return "\n".join(plain(line) for line in MixPanel(LOOK).said(mix))


@pytest.mark.parametrize("canary", [0, 10])
def test_a_version_that_took_over_is_called_that_and_not_moved_traffic(canary: int) -> None:
    mix = mix_of(versions((0, 1000), (0, 0.09)), versions((1000 - canary, canary), (0.002, 0.09)), 0)
    assert mix.replaced == Replaced("version", "41", "42")
    assert "version=42 took over from version=41" in said(mix)
    assert "few rows keep their version" in said(mix)
    assert "100%" not in said(mix)
    assert all(len(line) <= 80 for line in said(mix).splitlines())


def test_a_roll_out_in_stages_is_told_as_a_move_to_the_version() -> None:
    mix = mix_of(versions((500, 500), (0.002, 0.09)), versions((900, 100), (0.002, 0.09)), 0)
    assert mix.replaced is None
    assert said(mix).endswith("the move to version=42 makes 100% of it")


@pytest.mark.parametrize(
    ("dim", "words"), [("version", "rows moved to another version"), ("region", "traffic moved, rates did not")]
)
def test_where_tells_a_roll_out_from_moved_traffic(dim: str, words: str) -> None:
    shift = MixShift(((dim, "42"),), 0.0004, 0.14, 0.48, 1.09)
    moved = replace(sample().findings[0], where=(), mix=(shift,))
    lines = [plain(line) for line in SegmentsPanel(LOOK).empty(moved, Scene.of(sample()), 80)]
    assert words in lines[0]
    assert lines[1].endswith("makes 100% of the change")


def test_moved_rates_leave_nothing_to_the_mix() -> None:
    mix = mix_of(cube([100, 100, 100], (0.1, 0.1, 0.1)), cube([200, 200, 200], (0.01, 0.01, 0.01)), 0)
    assert mix.part == pytest.approx(0)


def test_a_finding_about_the_rows_has_shares_alone() -> None:
    mix = mix_of(cube([10, 20, 30], (0, 0, 0)), cube([20, 20, 20], (0, 0, 0)), None)
    assert (mix.rate_now, mix.rate_before, mix.part) == (None, None, None)
    assert all(row.part is None and row.rate_now is None for row in mix.rows)
    assert mix.rows[0].where[0][1] in ("eu", "ap")


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(1, 200)), max_size=6), st.integers(1, 5))
def test_pieces_hold_every_second_once(spans: list[tuple[int, int]], most: int) -> None:
    windows = [Window(start, start + length) for start, length in spans]
    parts = pieces(windows, most)
    assert len(parts) <= most
    assert union(window for part in parts for window in part) == union(windows)
    total = sum(window.length for window in union(windows))
    assert sum(window.length for part in parts for window in part) == total
    lengths = [sum(window.length for window in part) for part in parts]
    assert max(lengths, default=0) - min(lengths, default=0) <= 1


def test_the_words_for_a_segment_hold_its_numbers() -> None:
    finding = next(finding for finding in sample().findings if finding.where)
    text = " ".join(why(finding, 0))
    assert "stands first" in text
    assert "probability below 0.001" in text
    assert "that the filter leaves" not in text
    left = " ".join(why(finding, 0, filtered=True))
    assert "in all other rows that the filter leaves" in left
    assert "of all that the filter leaves in the window" in left
    for other in range(1, len(finding.where)):
        assert "stands first" not in why(finding, other)[0]


async def test_question_mark_on_a_segment_says_why_and_shows_the_query(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.snapshot is not None and bool(app.snapshot.findings[:1]))
        await until(pilot, lambda: app.snapshot is not None and bool(app.snapshot.findings[0].where))
        await pilot.press("enter")
        await until(pilot, lambda: app.main.query_one(SegmentsPanel).item is not None)
        depth = len(app.screen_stack)
        await pilot.press("question_mark")
        sheet = app.screen
        assert isinstance(sheet, WhySheet)
        assert "version=42" in sheet.copied()
        assert "SELECT" in sheet.copied()
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        assert len(app.screen_stack) == depth


async def test_m_shows_the_mix_and_t_the_means_of_the_finding_at_hand(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.snapshot is not None and bool(app.snapshot.findings[:1]))
        await pilot.press("enter")
        await pilot.press("m")
        panel = app.main.query_one(MixPanel)
        await until(pilot, lambda: panel.part is not None and panel.part.status.state is State.LIVE)
        mix = panel.part
        assert isinstance(mix, Mix)
        assert mix.rows[0].where[0][0] == "version"
        assert mix.part is not None
        assert mix.part < 0.05
        await pilot.press("enter")
        await until(pilot, lambda: "version" in str(app.view.where))
        await pilot.press("u", "escape", "t")
        await pilot.press("enter")
        means = app.main.query_one(MeansPanel)
        await until(pilot, lambda: means.part is not None and means.part.status.state is State.LIVE)
        assert means.part is not None
        assert means.part.value == "latency_ms"
        assert dict(means.part.segments[0].where) == {"version": "42"}


async def test_m_says_that_the_baseline_has_no_such_rows(fleet: Path) -> None:
    async with Triage(options(fleet, filter="version=42")).run_test(size=(120, 40)) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.latency.n > 0)
        await pilot.press("m")
        panel = app.main.query_one(MixPanel)
        await until(pilot, lambda: panel.part is not None and panel.part.status.state is State.EMPTY)
        assert panel.part is not None
        assert panel.part.status.message.startswith("the baseline holds no such rows")
