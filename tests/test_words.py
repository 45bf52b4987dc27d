"""Numbers in words: every unit, every size, and never an exception."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.words import binary_bytes, duration, measured, milliseconds, percent, quantity, quiet, ratio

anything = st.floats(allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("0.40ms", milliseconds(0.4)), ("9.9ms", milliseconds(9.94)), ("41ms", milliseconds(41.2)),
        ("999ms", milliseconds(999.4)), ("1.2s", milliseconds(1_240)), ("60s", milliseconds(60_000)),
        ("2m05s", milliseconds(125_000)), ("--", milliseconds(None)), ("--", milliseconds(math.nan)),
        ("0%", percent(0)), ("0.02%", percent(0.0002)), ("<.001%", percent(1e-9)), ("4.8%", percent(0.048)),
        ("0.93%", percent(0.0093)), ("31%", percent(0.31)), ("100%", percent(1)), ("--", percent(None)),
        ("x3.9", ratio(712, 182)), ("x0.50", ratio(1, 2)), ("x0.01", ratio(1, 100)), ("x12", ratio(12, 1)),
        ("x1.0M", ratio(1e6, 1)), ("", ratio(1, 0)), ("", ratio(math.inf, 1)), ("", ratio(1, math.nan)),
        ("612", quantity(612)), ("2.1k", quantity(2_100)), ("3.4M", quantity(3.4e6)), ("7.0G", quantity(7e9)),
        ("1.0k", quantity(999.6)), ("2.2", quantity(2.25)),
        ("0.25", quantity(0.25)), ("1.5T", quantity(1.5e12)), ("0.004", quantity(0.004)), ("0", quantity(0)),
        ("-12", quantity(-12)), ("--", quantity(None)),
        ("512B", binary_bytes(512)), ("3.2Gi", binary_bytes(3.2 * 2**30)), ("1.0Mi", binary_bytes(2**20 - 1)),
        ("2.0kTi", binary_bytes(2_000 * 2**40)), ("--", binary_bytes(None)),
        ("45s", duration(45)), ("1m", duration(59.6)), ("12m", duration(12 * 60)), ("3h05m", duration(11_100)),
        ("2d4h", duration(52 * 3_600)), ("3h", duration(3 * 3_600)), ("0s", duration(-5)), ("--", duration(math.inf)),
        ("1.2s", measured(1_240, "ms")), ("1.2s", measured(1.24, "s")), ("4.8%", measured(0.048, "ratio")),
        ("512B", measured(512, "B")), ("12 req/s", measured(12, "req/s")), ("3", measured(3, "count")),
    ],
)  # fmt: skip
def test_a_number_reads_as_an_engineer_would_say_it(said: str, value: str) -> None:
    assert value == said


@given(anything)
def test_no_number_raises_and_each_has_its_unit(value: float) -> None:
    known = math.isfinite(value)
    assert re.fullmatch(r"--|-?[\d.e+-]+(ms|s)|-?\d+m\d\ds", milliseconds(value))
    assert re.fullmatch(r"--|<?-?[\d.e+-]+%", percent(value))
    assert re.fullmatch(r"--|-?[\d.e+-]+[kMGT]?", quantity(value))
    assert re.fullmatch(r"--|-?[\d.e+-]+([kMGT]?[KMGT]i|B)", binary_bytes(value))
    assert re.fullmatch(r"--|\d+s|\d+m|\d+h(\d\dm)?|\d+d(\d+h)?", duration(value))
    assert (milliseconds(value) != "--") == (quantity(value) != "--") == (duration(value) != "--") == known


@given(anything, anything)
def test_a_ratio_is_a_multiple_or_nothing(now: float, baseline: float) -> None:
    assert re.fullmatch(r"|x[\d.e+-]+[kMGT]?", ratio(now, baseline))


@given(anything, st.sampled_from(["ms", "s", "ratio", "B", "req/s", "cores", "", "count", "score", "req"]))
def test_a_measured_value_is_never_empty(value: float, unit: str) -> None:
    assert measured(value, unit)


@given(st.floats(0.001, 1e12))
def test_a_quantity_says_the_number_to_two_digits(value: float) -> None:
    number, suffix = re.fullmatch(r"([\d.e+-]+)([kMGT]?)", quantity(value)).groups()  # type: ignore[union-attr]
    assert float(number) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[suffix] == pytest.approx(value, rel=0.051)


def test_quiet_is_said_only_of_what_has_a_past() -> None:
    assert quiet(3, 3, "before") == "nothing changed: 3 models within their usual range (before)"
    assert quiet(1, 3, "version 41").endswith(
        "1 model within its usual range (version 41), 2 models without a baseline"
    )
    assert quiet(0, 1, "version 40") == "cannot tell: no rows to compare 1 model with (version 40)"
