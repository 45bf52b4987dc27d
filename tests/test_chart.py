"""Formats, axes, the painter and the charts."""

from __future__ import annotations

import math
import sys
import time
from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widgets import chart, text
from widgets.axis import Axis, nice, time_ticks, value_labels, value_ticks
from widgets.chart import ChartMark, Picture, Polyline, draw, histogram, legend
from widgets.lines import Column, cells, fitted, layout, plain
from widgets.painter import CELL, paint

START = 1_789_959_600
"""2026-09-21 03:00:00 UTC."""
NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([1e15, -1e15, 1e300, -1e300, 0.0, math.nan])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (text.ms(41), "41ms"),
        (text.ms(0.42), "0.42ms"),
        (text.ms(1_234), "1.2s"),
        (text.ms(200_000), "3m20s"),
        (text.ms(None), "--"),
        (text.count(2_104), "2.1k"),
        (text.count(999_960), "1.0M"),
        (text.count(612), "612"),
        (text.count(math.nan), "--"),
        (text.percent(0.048), "4.8%"),
        (text.percent(0.0002), "0.02%"),
        (text.percent(0.0), "0%"),
        (text.percent(0.834), "83%"),
        (text.ratio(712, 182), "x3.9"),
        (text.ratio(5, 0), "--"),
        (text.ratio(5, None), "--"),
        (text.ratio(0.4, 1), "x0.40"),
        (text.quantity(3.6 * 2**30, "B"), "3.6Gi"),
        (text.quantity(512, "bytes"), "512B"),
        (text.duration(44), "44s"),
        (text.duration(200), "3m"),
        (text.duration(1_800), "30m"),
        (text.duration(7_500), "2h05m"),
        (text.duration(-60), "0s"),
        (text.age(431), "7m"),
        (text.age(-3), "0s"),
        (text.ago(START - 480, START), "t-08m"),
        (text.ago(START - 7_500, START), "t-2h05"),
        (text.ago(None, START), "--"),
        (text.share(0.714), ".71"),
        (text.share(1.0), "1.0"),
        (text.clock(START + 164, UTC, seconds=True), "03:02:44Z"),
        (text.clock(START, ZoneInfo("Europe/Berlin")), "05:00 CEST"),
        (text.clock(1e300, UTC), "--"),
        (text.quantity(3.6 * 2**30, "bytes"), "3.6Gi"),
        (text.quantity(0.61, "ratio"), "61%"),
        (text.quantity(58, "req/s"), "58 req/s"),
        (text.quantity(0.25, "s"), "250ms"),
    ],
)
def test_numbers_carry_their_unit(written: str, expected: str) -> None:
    assert written == expected


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("a\nb\r\tc", "a␊b␍␉c"),
        ("\x9b2J", "\\x9b2J"),
        ("abc\u202ecba", "abc\\u202ecba"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\ud800", "\\ud800"),
        ("line\u2028end", "line\\u2028end"),
        ("e\u0301\u0301\u0301\u0301", "e\u0301\u0301\\u0301\\u0301"),
        ("\u0301x", "\\u0301x"),
        ("\U000e0041", "\\U000e0041"),
        ("naïve 商店", "naïve 商店"),
    ],
)
def test_foreign_characters_are_seen_and_do_nothing(raw: str, shown: str) -> None:
    assert text.printable(raw) == shown


@given(st.text(), st.integers(0, 40))
def test_printable_text_is_short_and_has_no_control_characters(raw: str, limit: int) -> None:
    shown = text.printable(raw, limit)
    assert len(shown) <= limit + 1
    assert all(char.isprintable() for char in shown)
    assert text.printable(raw, limit, ascii=True).isascii()


@given(st.text(), st.integers(0, 30))
def test_fitted_text_has_exactly_the_width(raw: str, width: int) -> None:
    safe = text.printable(raw)
    assert cells(((text.fit(safe, width), ""),)) == width
    assert cells(fitted([(safe, ""), (safe, "dim")], width)) == width


def test_wide_characters_are_never_halved() -> None:
    assert text.fit("商店商店", 4) == "商… "


def test_a_sparkline_shows_the_course_a_gap_and_not_the_noise() -> None:
    assert text.sparkline([1, 1, 1, 4, 4], 5) == "▂▂▂██"
    assert text.sparkline([1, math.nan, 4], 3) == "▂·█"
    assert text.sparkline([0, 0, 0], 3) == "▁▁▁"
    assert text.sparkline([100, 102, 99, 101], 4) == "▂▂▂▂"
    assert text.sparkline([0, 0, 9, 0], 2) == "▁█"
    assert text.sparkline([0, 9], 4) == "▁▁██"
    assert text.sparkline([], 3) == "···"


def test_text_breaks_at_blanks_and_within_words_that_are_longer_than_a_row() -> None:
    assert text.wrap("u takes the filter back", 12, 5) == ["u takes the", "filter back"]
    assert text.wrap("a" * 25, 10, 5) == ["a" * 10, "a" * 10, "a" * 5]
    assert text.wrap("one two three four", 9, 2) == ["one two", text.cut("three four", 9)]


@given(st.lists(NUMBERS, max_size=50), st.integers(0, 80), st.booleans())
def test_a_sparkline_of_anything_has_the_width(values: list[float], width: int, only_ascii: bool) -> None:
    drawn = text.sparkline(values, width, ascii=only_ascii)
    assert len(drawn) == width
    assert drawn.isascii() or not only_ascii


def test_a_value_axis_stays_until_data_leave_it_or_shrink() -> None:
    axis = Axis()
    assert axis.limits(0, 712) == (0, 800)
    assert axis.limits(0, 350) == (0, 800)
    assert axis.limits(0, 800) == (0, 800)
    assert axis.limits(0, 810) == (0, 1000)
    assert axis.limits(math.nan, math.nan) == (0, 1000)
    assert axis.limits(0, 180) == (0, 200)


def test_a_value_axis_forgets_what_it_showed_of_something_else() -> None:
    axis = Axis()
    assert axis.about("one").limits(0, 712) == (0, 800)
    assert axis.about("one").limits(0, 350) == (0, 800)
    assert axis.about("other").limits(0, 350) == (0, 400)
    assert axis.about("other").limits(math.nan, math.nan) == (0, 400)


@given(NUMBERS, NUMBERS, st.booleans(), st.booleans())
def test_limits_are_finite_and_hold_the_data(a: float, b: float, zero: bool, binary: bool) -> None:
    low, high = Axis(zero=zero, binary=binary).limits(min(a, b), max(a, b))
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < high
    if all(math.isfinite(x) and abs(x) < 1e14 for x in (a, b)):
        slack = (high - low) * 1e-9
        assert low <= min(a, b) + slack
        assert max(a, b) <= high + slack


@given(st.floats(1e-12, 1e15))
def test_nice_numbers_are_not_below_and_at_most_double(value: float) -> None:
    assert value * (1 - 1e-9) <= nice(value) <= value * 2


def test_ticks_are_round_and_in_one_unit() -> None:
    assert value_labels(value_ticks(0, 800, 5), "ms") == ["0", "200ms", "400ms", "600ms", "800ms"]
    assert value_labels(value_ticks(0, 1_000, 5), "ms") == ["0", "0.25s", "0.5s", "0.75s", "1s"]
    assert value_labels(value_ticks(0, 0.2, 3), "share") == ["0", "10%", "20%"]
    assert value_labels(value_ticks(0, 4 * 2**30, 5, "bytes"), "bytes") == ["0", "1Gi", "2Gi", "3Gi", "4Gi"]


def test_time_labels_stand_on_round_moments_and_name_the_zone() -> None:
    utc = time_ticks(START + 120, START + 1_920, 60, UTC)
    assert utc == [(6, "03:05Z"), (16, "03:10"), (26, "03:15"), (36, "03:20"), (46, "03:25")]
    berlin = time_ticks(START, START + 1_800, 60, ZoneInfo("Europe/Berlin"))
    assert berlin[0] == (0, "05:00 CEST")
    kolkata = time_ticks(START, START + 6 * 3_600, 60, ZoneInfo("Asia/Kolkata"))
    assert all(label.split()[0].endswith(":00") for _, label in kolkata)


def test_time_labels_move_with_the_data() -> None:
    now = time_ticks(START, START + 1_800, 60, UTC)
    later = time_ticks(START + 60, START + 1_860, 60, UTC)
    assert {label.strip("Z") for _, label in later} & {label.strip("Z") for _, label in now}
    moved = {label: column for column, label in later}
    assert all(moved[label] == column - 2 for column, label in now if label in moved)


def steps(values: list[float]) -> Polyline:
    return Polyline(np.arange(len(values)) * 60 + START, np.array(values, dtype=float), "now", "p99", step=60)


def painted(line: Polyline, width: int, height: int, marker: str = "braille") -> list[str]:
    return paint([line], width, height, (0.0, 10.0), (START, START + 60 * len(line.t)), marker)[0]


def test_a_step_is_drawn_where_it_is() -> None:
    rows = painted(steps([0.0] * 10 + [10.0] * 10), 20, 4)
    assert rows[0][:9].strip() == ""
    assert rows[3][11:].strip() == ""
    assert set(rows[3][:9]) == {"⣀"}
    assert set(rows[0][11:19]) == {"⠉"}


@pytest.mark.parametrize("marker", sorted(CELL))
def test_a_gap_stays_a_gap(marker: str) -> None:
    values = [5.0] * 8 + [math.nan] * 4 + [5.0] * 8
    rows = painted(steps(values), 20, 3, marker)
    assert all(row[8:12].strip() == "" for row in rows)
    assert len("".join(rows).replace(" ", "")) == 16


def test_missing_buckets_are_a_gap_too() -> None:
    keep = np.array([*range(8), *range(12, 20)])
    line = Polyline(keep * 60 + START, np.full(16, 5.0), "now", step=60)
    rows, _ = paint([line], 20, 3, (0.0, 10.0), (START, START + 1_200), "braille")
    assert all(row[9:12].strip() == "" for row in rows)


def test_a_lone_point_between_gaps_is_seen() -> None:
    rows = painted(steps([math.nan, 5.0, math.nan]), 9, 3)
    assert len("".join(rows).replace(" ", "")) == 1


def test_values_beyond_the_limits_are_drawn_on_the_edge() -> None:
    rows = painted(steps([1e300, 1e300, -1e300, -1e300]), 8, 3)
    assert rows[0].strip()
    assert rows[2].strip()


def test_the_later_line_is_on_top_and_the_baseline_is_dotted() -> None:
    base = Polyline(steps([5.0] * 20).t, np.full(20, 5.0), "base", dotted=True, step=60)
    rows, owner = paint([base, steps([5.0] * 10 + [0.0] * 10)], 20, 4, (0.0, 10.0), (START, START + 1_200), "braille")
    row = next(y for y, line in enumerate(rows) if line[:8].strip())
    assert set(owner[row, :9].tolist()) == {1}
    assert sorted(set(owner[row, 12:].tolist())) == [-1, 0]


def test_many_points_keep_their_peaks() -> None:
    values = np.ones(50_000)
    values[25_000] = 9.9
    line = Polyline(np.arange(50_000) + START, values, "now")
    rows, _ = paint([line], 40, 5, (0.0, 10.0), (START, START + 50_000), "braille")
    assert rows[0].strip()


def drawn(width: int = 60, height: int = 10, **options: object) -> list[str]:
    settings_ = {"limits": (0.0, 10.0), "span": (START, START + 1_800), "unit": "ms", **options}
    return [plain(line) for line in draw([steps([2.0] * 15 + [8.0] * 15)], (width, height), **settings_)]  # type: ignore[arg-type]


def test_marks_stand_at_their_moment_with_a_word() -> None:
    rows = drawn(marks=[ChartMark(START + 600, "version", "42"), ChartMark(START + 1_200, "onset", "onset")])
    axis = next(row for row in rows if row.lstrip().startswith("└"))
    left = axis.index("└") + 1
    columns = 60 - left
    assert axis.index("▲ 42") == left + columns // 3
    assert abs(axis.index("┊ onset") - (left + columns * 2 // 3)) <= 1
    assert any(row[left + columns // 3] == "┊" for row in rows[:-2])


def test_a_mark_outside_the_window_is_not_drawn() -> None:
    assert drawn(marks=[ChartMark(START - 5, "version", "42"), ChartMark(math.nan, "onset")]) == drawn()


def test_a_version_label_with_escapes_is_harmless() -> None:
    assert "\x1b" not in "".join(drawn(marks=[ChartMark(START + 600, "version", "\x1b[2J")]))


def test_the_axis_names_units_and_the_zone() -> None:
    rows = drawn()
    assert rows[0].startswith(" 10ms┤")
    assert "03:00Z" in rows[-1]


MARKS = st.lists(
    st.builds(ChartMark, NUMBERS | st.floats(START, START + 1_800), st.sampled_from(["onset", "version"]), st.text()),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(NUMBERS, max_size=60),
    st.integers(0, 160),
    st.integers(0, 50),
    st.tuples(NUMBERS, NUMBERS),
    st.tuples(NUMBERS | st.just(float(START)), NUMBERS | st.just(START + 1_800.0)),
    MARKS,
    st.sampled_from(sorted(CELL)),
)
def test_a_chart_of_anything_fills_its_size_in_bounded_time(
    values: list[float],
    width: int,
    height: int,
    limits: tuple[float, float],
    span: tuple[float, float],
    marks: list[ChartMark],
    marker: str,
) -> None:
    line = Polyline(np.arange(len(values)) * 60 + START, np.array(values, dtype=float), "now", dotted=True)
    before = time.process_time()
    lines = draw([line], (width, height), limits=limits, span=span, marks=marks, marker=marker, rules=[(0.5, "limit")])
    assert time.process_time() - before < 2
    assert len(lines) == (height if width else 0)
    assert all(cells(row) == width for row in lines)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=24),
    st.integers(0, 160),
    st.integers(0, 50),
    st.sampled_from(sorted(CELL)),
    st.text(max_size=30),
)
def test_a_histogram_of_anything_fills_its_size_in_bounded_time(
    shares: list[tuple[float, float]], width: int, height: int, marker: str, label: str
) -> None:
    now, before = (np.array([pair[i] for pair in shares], dtype=float) for i in (0, 1))
    started = time.process_time()
    lines = histogram(now, before, (width, height), edges=[label] * (len(shares) + 1), marker=marker)
    assert time.process_time() - started < 2
    assert len(lines) == (height if width else 0)
    assert all(cells(row) == width for row in lines)
    shown = "".join(plain(row) for row in lines)
    assert "cannot draw" not in shown
    assert "\x1b" not in shown


def test_a_histogram_has_bars_where_the_mass_is_and_an_outline_of_the_baseline() -> None:
    now, before = np.array([0.0, 0.0, 0.6, 0.4]), np.array([0.5, 0.5, 0.0, 0.0])
    lines = histogram(now, before, (60, 12), edges=["0", "1", "2", "3", "4"])
    where: dict[str, list[int]] = {"now": [], "base": []}
    for line in lines:
        at = 0
        for part, role in line:
            if role in where and part.strip():
                where[role].append(at)
            at += len(part)
    assert min(where["now"]) >= 30
    assert max(where["base"]) <= 32


def test_a_failing_plotext_costs_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise MemoryError("no \x1b room")

    monkeypatch.setattr(chart, "_plotext_histogram", broken)
    lines = histogram(np.array([0.5, 0.5]), None, (40, 6), edges=["0", "1", "2"])
    assert plain(lines[0]).rstrip() == "cannot draw: MemoryError: no ␛ room"


def test_line_charts_do_not_import_plotext(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotext", None)
    assert drawn()
    assert "cannot draw" in plain(histogram(np.array([1.0]), None, (40, 6), edges=["0", "1"])[0])


def test_a_picture_is_drawn_again_only_for_new_data_or_another_size() -> None:
    picture, data, made = Picture(), (np.zeros(3),), []

    def make() -> list[tuple[tuple[str, str], ...]]:
        made.append(1)
        return [(("x", ""),)]

    picture.get((80, 24), data, make)
    picture.get((80, 24), data, make)
    assert len(made) == 1
    picture.get((81, 24), data, make)
    picture.get((81, 24), (np.zeros(3),), make)
    assert len(made) == 3


def test_the_legend_names_each_line_with_a_piece_of_it() -> None:
    lines = [steps([1.0]), Polyline(np.zeros(1), np.zeros(1), "base", "1d ago", dotted=True)]
    assert plain(tuple(legend(lines))) == " p99 ━ 1d ago ┄"


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=12),
    st.integers(1, 200),
)
def test_columns_never_take_more_than_the_width(shapes: list[tuple[int, int, int]], width: int) -> None:
    columns = [Column("c", size, rank=rank, grow=grow) for size, rank, grow in shapes]
    sizes = layout(columns, width)
    kept = [size for size in sizes if size]
    hopeless = sum(c.width for c in columns if c.rank == 0) + sum(1 for c in columns if c.rank == 0) - 1 > width
    assert hopeless or sum(kept) + len(kept) - 1 <= width
