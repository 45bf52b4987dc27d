"""Values by name: what is new, what is only written in another way, and which number many rows have."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import FeatureRow, Finding, Severity, Signal
from analysis.evidence import OTHER, UNSEEN, Bins, CategoryBins, NumericBins
from analysis.formats import format_fault
from analysis.naming import ValueNames, named_finding, named_row, wants_names
from tests.sample import sample

SHOPS = CategoryBins(("food", "gift_cards", "Müller", "12", OTHER, UNSEEN))
NEW = Finding(
    Signal.QUALITY,
    "fraud",
    Severity.WARNING,
    "shop unseen 0% -> 6.0%",
    3.0,
    2.0,
    9_000,
    70_000,
    now=0.06,
    baseline=0.0,
    unit="ratio",
    subject="shop",
    check="unseen_category",
)


def names(*top: tuple[str, float], bins: Bins = SHOPS, rows: float = 10_000) -> ValueNames:
    return ValueNames(top, rows, bins)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("FOOD", ("upper case", "food")),
        ("Food", ("mixed case", "food")),
        ("müller", ("lower case", "Müller")),
        (" food ", ("padding", "food")),
        ('"food"', ("quotes", "food")),
        ("Gift Cards", ("separators", "gift_cards")),
        ("gift-cards", ("separators", "gift_cards")),
        ("12.0", ("number format", "12")),
        ("MÃ¼ller", ("encoding", "Müller")),
        ("MÃƒÂ¼ller", ("encoding", "Müller")),
    ],
)
def test_a_known_value_in_another_writing_is_recognised(value: str, fault: tuple[str, str]) -> None:
    assert format_fault(value, SHOPS.labels) == fault


@pytest.mark.parametrize("value", ["tiktok_v2", "", "   ", "13", "foods"])
def test_a_new_value_is_no_fault_of_writing(value: str) -> None:
    assert format_fault(value, SHOPS.labels) is None


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=5))
def test_whatever_is_written_a_fault_names_another_known_value(value: str, known: list[str]) -> None:
    found = format_fault(value, known)
    assert found is None or (found[1] in known and found[1] != value)


@pytest.mark.parametrize("check", ["out_of_range", "clipping"])
def test_one_number_in_nearly_all_rows_is_a_constant_wherever_it_lies(check: str) -> None:
    beyond = replace(NEW, subject="age", title="age clipped at 5", check=check)
    bins = NumericBins((-math.inf, 18.0, 40.0, 90.0, math.inf), reference=True)
    found = named_finding(beyond, names(("6", 9_900), ("7", 20), bins=bins))
    assert (found.check, found.title) == ("constant", "age constant at 6")
    assert named_finding(beyond, names(("6", 5_000), ("7", 20), bins=bins)).check == check


def test_a_new_category_is_told_by_name() -> None:
    one = named_finding(NEW, names(("tiktok_v2", 540.0)))
    assert (one.title, one.check, one.key) == ("shop new: tiktok_v2 6.0%", "unseen_category", NEW.key)
    many = named_finding(NEW, names(*((f"v{i}", 100.0 - i) for i in range(6))))
    assert many.title == "shop new: v0, v1 and 4 more 6.0%"
    full = named_finding(NEW, names(*((f"v{i}", 100.0 - i) for i in range(10))))
    assert full.title == "shop new: v0, v1 and others 6.0%"
    before = named_finding(replace(NEW, baseline=0.01), names(("tiktok_v2", 540.0)))
    assert before.title == "shop new: tiktok_v2 1.0% -> 6.0%"


def test_a_change_of_writing_is_a_check_of_its_own() -> None:
    found = named_finding(NEW, names(("FOOD", 400.0), ("GIFT_CARDS", 100.0), ("novel", 40.0)))
    assert (found.check, found.key) == ("format", NEW.key)
    assert found.title == "shop format: 'FOOD' for 'food' (upper case), 6.0% of values"
    mostly_new = named_finding(NEW, names(("novel", 400.0), ("FOOD", 100.0)))
    assert mostly_new.check == "unseen_category"


def test_values_beyond_the_known_list_are_named_in_a_drift() -> None:
    drift = replace(NEW, signal=Signal.FEATURE, check="", title="shop drift 0.30: more other values 5% -> 30%")
    found = named_finding(drift, names(("casino", 2_000.0)))
    assert found.title == "shop drift 0.30: more other values (casino) 5% -> 30%"


def test_a_number_that_many_rows_have_is_told() -> None:
    bins = NumericBins((-math.inf, 0.0, 1.0, math.inf))
    drift = replace(NEW, signal=Signal.FEATURE, check="", title="age drift 0.30: mass moved above 300: 9% -> 40%")
    stuck = names(("365.0", 2_900.0), ("401.5", 3.0), bins=bins)
    assert named_finding(drift, stuck).title.endswith("40% (many are 365)")
    assert named_finding(drift, names(("365.0", 40.0), ("401.5", 39.0), bins=bins)) == drift
    assert named_finding(drift, names(("365.0", 40.0), bins=bins)) == drift
    said = replace(drift, title="age more at 365: 9% -> 40%")
    assert named_finding(replace(said, title="age more at 365 now"), stuck).title == "age more at 365 now"


def test_only_findings_about_values_are_asked_about() -> None:
    assert wants_names(NEW)
    assert not wants_names(replace(NEW, check="null_rate"))
    assert not wants_names(replace(NEW, signal=Signal.ERROR, check=""))


def test_the_row_of_the_feature_says_the_same() -> None:
    category: FeatureRow = sample().features.rows[0]
    row = replace(category, state="unseen_category", direction="new: unseen values 6%")
    assert named_row(row, names(("tiktok_v2", 540.0))).direction == "new: tiktok_v2 6%"
    written = named_row(row, names(("FOOD", 540.0)))
    assert (written.state, written.direction) == ("format", "'FOOD' for 'food' (upper case)")
    assert named_row(row, names(("3", 5.0), bins=NumericBins((0.0, 1.0)))) == row


def test_values_cut_off_are_told_with_their_limit() -> None:
    bins = NumericBins((-math.inf, 0.0, 51.0, 68.7, math.inf))
    clipped = replace(NEW, title="shop clipped between 51 and 68.7", check="clipping")
    assert named_finding(clipped, names(("60", 4_000.0), ("55", 20.0), bins=bins)).title == "shop clipped at 60"
    assert named_finding(clipped, names(("60", 40.0), ("55", 20.0), bins=bins)) == clipped
