"""The question in time: windows, references and buckets."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.view import DAY_S, STEPS_S, WINDOWS_S, Baseline, View, Window, bucket_step

NOW = 1_793_799_617.5


def test_a_live_window_ends_on_the_bucket_being_filled() -> None:
    frame = View(window_s=1800).frame(NOW)
    assert frame.live.end - 60 < NOW <= frame.live.end
    assert frame.live.length == 1800


def test_a_pinned_window_does_not_move_with_the_clock() -> None:
    view = View(window_s=1800, end=1_793_790_000)
    assert view.frame(NOW) == view.frame(NOW + 3600)


def test_previous_references_adjoin_the_window_and_each_other() -> None:
    frame = View(window_s=900).frame(NOW)
    ends = [frame.live, *frame.references]
    assert len(frame.references) == 8
    assert all(later.start == earlier.end for later, earlier in itertools.pairwise(ends))


@pytest.mark.parametrize(("kind", "period", "count"), [("1d", DAY_S, 7), ("1w", 7 * DAY_S, 4)])
def test_seasonal_references_are_the_same_time_on_earlier_days(kind: str, period: int, count: int) -> None:
    frame = View(window_s=1800, baseline=Baseline(kind)).frame(NOW)  # type: ignore[arg-type]
    assert [frame.live.start - window.start for window in frame.references] == [period * (i + 1) for i in range(count)]


@pytest.mark.parametrize(
    ("kind", "days", "ago"),
    [("1d", 1, [1, 2, 3, 4, 5, 6, 7]), ("1d", 3, [3, 6]), ("1d", 7, [7]), ("1w", 7, [7, 14, 21, 28]), ("1w", 30, [35])],
)
def test_a_window_longer_than_a_day_is_not_compared_with_itself(kind: str, days: int, ago: list[int]) -> None:
    frame = View(window_s=days * DAY_S, baseline=Baseline(kind)).frame(NOW)  # type: ignore[arg-type]
    assert [(frame.live.start - window.start) / DAY_S for window in frame.references] == ago
    ends = [frame.live, *frame.references]
    assert all(later.start >= earlier.end for later, earlier in itertools.pairwise(ends))


def test_a_fixed_range_is_cut_into_windows_of_the_live_length() -> None:
    span = Window(1_793_700_000, 1_793_700_000 + 3 * 1800 + 100)
    frame = View(window_s=1800, baseline=Baseline("range", span=span)).frame(NOW)
    assert len(frame.references) == 3
    assert all(window.length == 1800 for window in frame.references)


def test_a_fixed_range_is_named_with_its_days() -> None:
    noon = 1_793_707_200
    assert Baseline("range", Window(noon, noon + 7_200)).label == "11-03 12:00Z-14:00Z"
    assert Baseline("range", Window(noon, noon + 2 * DAY_S)).label == "11-03 12:00Z-11-05 12:00Z"


@given(st.integers(60, 30 * DAY_S))
def test_buckets_are_whole_minutes_and_few(window_s: int) -> None:
    step = bucket_step(window_s)
    assert step in STEPS_S
    assert window_s / step <= 120 or step == STEPS_S[-1]


@given(st.sampled_from(WINDOWS_S), st.integers(-12, 12))
def test_zooming_stays_within_the_known_lengths(window_s: int, steps: int) -> None:
    assert View(window_s=window_s).zoomed(steps).window_s in WINDOWS_S


def test_moving_back_pins_the_window_and_moving_past_now_is_live_again() -> None:
    back = View(window_s=1800).moved(-2, NOW)
    assert back.end == int(NOW) - 900
    assert back.moved(2, NOW).end == int(NOW)
    assert back.moved(3, NOW).live


def test_every_window_starts_and_ends_on_a_bucket() -> None:
    for window_s in WINDOWS_S:
        frame = View(window_s=window_s).frame(NOW)
        for window in (frame.live, *frame.references):
            assert window.start % frame.step == 0
            assert window.end % frame.step == 0
