"""What the rows of a finding are compared with."""

from __future__ import annotations

from dataclasses import replace

from analysis.answer import Finding, Severity, Signal
from analysis.cases import Case
from analysis.view import Window

START = 1_800_000_000
REFERENCES = (Window(START - 7_200, START - 3_600), Window(START - 3_600, START))


def case(window: Window, references: tuple[Window, ...] = ()) -> Case:
    finding = Finding(Signal.ERROR, "fraud", Severity.CRITICAL, "errors rose", 5, 5, 1, 1)
    return Case(finding, None, window, references=references)


def test_what_lies_just_before_an_onset_is_no_baseline() -> None:
    since = Window(START + 600, START + 3_600)
    assert case(since).before(REFERENCES) == REFERENCES, "the gap is already there"
    whole = Window(START, START + 3_600)
    assert case(whole).before(REFERENCES) == (REFERENCES[0], Window(START - 3_600, START - 360))


def test_a_fault_that_is_older_than_its_window_is_in_no_baseline() -> None:
    known = case(Window(START, START + 3_600))
    older = replace(known, finding=replace(known.finding, onset=START - 1_800.0))
    assert older.before(REFERENCES) == (REFERENCES[0], Window(START - 3_600, START - 2_160))


def test_a_case_with_a_baseline_of_its_own_is_compared_with_that() -> None:
    own = (Window(START - 900, START),)
    assert case(Window(START, START + 600), own).before(REFERENCES) == (Window(START - 900, START - 60),)


def test_a_short_baseline_is_better_than_none() -> None:
    own = (Window(START - 60, START),)
    assert case(Window(START, START + 3_600), own).before(REFERENCES) == own


def test_later_windows_are_left_as_they_are() -> None:
    later = (Window(START + 3_600, START + 7_200),)
    assert case(Window(START, START + 3_600), later).before(REFERENCES) == later
