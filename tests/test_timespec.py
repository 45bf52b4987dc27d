"""Durations, moments and baselines as typed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.view import Baseline, Window
from tui.timespec import (
    TimeSpecError,
    format_baseline,
    format_duration,
    format_time,
    parse_baseline,
    parse_duration,
    parse_time,
    parse_window,
)

NOW = int(datetime(2026, 11, 22, 3, 12, 44, tzinfo=UTC).timestamp())
moments = st.integers(0, 32_503_679_999)


@given(st.integers(1, 10**9))
def test_every_duration_reads_back_as_it_was_written(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(moments)
def test_every_moment_reads_back_as_it_was_written(moment: int) -> None:
    assert parse_time(format_time(moment), NOW) == moment


@given(
    st.sampled_from(["previous", "1d", "1w"]).map(Baseline)  # type: ignore[arg-type]
    | st.text(min_size=1).filter(str.strip).map(lambda v: Baseline("version", version=v.strip()))
    | st.builds(lambda t, n: Baseline("range", span=Window(t, t + n)), moments, st.integers(60, 10**6))
)
def test_every_baseline_reads_back_as_it_was_written(baseline: Baseline) -> None:
    assert parse_baseline(format_baseline(baseline), NOW) == baseline


@given(st.text())
def test_any_text_is_either_read_or_refused_in_words(text: str) -> None:
    for parse in (parse_duration, parse_window, lambda t: parse_time(t, NOW), lambda t: parse_baseline(t, NOW)):
        with suppress(TimeSpecError):
            assert parse(text) is not None


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(10**9, 2 * 10**9))
def test_a_time_of_day_is_the_latest_such_moment_that_is_not_in_the_future(h: int, m: int, s: int, now: int) -> None:
    moment = parse_time(f"{h:02}:{m:02}:{s:02}", now)
    assert now - 86_400 < moment <= now
    assert datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S") == f"{h:02}:{m:02}:{s:02}"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("1d", 86_400), (" 1H30M ", 5_400), ("1w", 604_800)],
)
def test_durations_are_numbers_with_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "1.5h", "-2h", "30 m", "30min", "0s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(TimeSpecError):
        parse_duration(text)


@pytest.mark.parametrize("text", ["59s", "31d"])
def test_a_window_has_limits(text: str) -> None:
    with pytest.raises(TimeSpecError, match="1m to 30d"):
        parse_window(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-22T03:12:44Z"),
        ("-2h", "2026-11-22T01:12:44Z"),
        ("03:01", "2026-11-22T03:01:00Z"),
        ("03:13", "2026-11-21T03:13:00Z"),
        ("2026-11-20", "2026-11-20T00:00:00Z"),
        ("2026-11-22T03:12Z", "2026-11-22T03:12:00Z"),
        ("2026-11-22 04:12+01:00", "2026-11-22T03:12:00Z"),
        ("1795000000", "2026-11-18T11:06:40Z"),
    ],
)
def test_moments_are_read_in_utc(text: str, expected: str) -> None:
    assert format_time(parse_time(text, NOW)) == expected


@pytest.fixture
def paris() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Paris")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("paris")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("04:12", "2026-11-22T03:12:00Z"),
        ("04:13", "2026-11-21T03:13:00Z"),
        ("03:01Z", "2026-11-22T03:01:00Z"),
        ("2026-11-22T04:00", "2026-11-22T03:00:00Z"),
        ("2026-07-01 12:00", "2026-07-01T10:00:00Z"),
    ],
)
def test_moments_without_a_zone_are_local_when_the_clock_is(text: str, expected: str) -> None:
    assert format_time(parse_time(text, NOW, "local")) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yesterday", "03:01"),
        ("-2", "after a minus"),
        ("25:00", "hours go to 23"),
        ("1795000000000", "milliseconds"),
        ("0000-13-01", "is not a time"),
    ],
)
def test_what_is_no_moment_is_refused_with_what_would_be(text: str, words: str) -> None:
    with pytest.raises(TimeSpecError, match=words):
        parse_time(text, NOW)


@pytest.mark.parametrize("text", ["2d", "version:", "03:00..02:00", "..", "-1h..", "03:00..03:00"])
def test_what_is_no_baseline_is_refused(text: str) -> None:
    with pytest.raises(TimeSpecError):
        parse_baseline(text, NOW)


def test_a_baseline_range_may_be_relative() -> None:
    assert parse_baseline("-2h..-1h", NOW).span == Window(NOW - 7_200, NOW - 3_600)
