"""What explains a case, from two cubes."""

from __future__ import annotations

import numpy as np

from analysis.answer import Finding, Severity, Signal
from analysis.cases import Case
from analysis.evidence import Cube
from analysis.filters import Eq
from analysis.view import Window
from tui.segment_answer import explained

WINDOW = Window(1_800_000_000, 1_800_000_600)
BEFORE = (Window(1_799_992_800, 1_800_000_000),)
ROLLED_OUT = Eq("version", "42")
DIMS, VALUES = ("version", "region"), (("41", "42"), ("eu", "us", "ap"))


def cube(rows: dict[tuple[int, int], float]) -> Cube:
    """Rows by (version, region); those of version 42 are the outcome."""
    codes = np.array(list(rows), dtype=np.int64)
    n = np.array(list(rows.values()))
    hits = np.where(codes[:, 0] == 1, n, 0.0)[:, None]
    return Cube(DIMS, VALUES, codes, n, hits, (ROLLED_OUT,))


def case(signal: Signal) -> Case:
    return Case(Finding(signal, "fraud", Severity.WARNING, "changed", 1, 1, 1, 1, subject="42"), ROLLED_OUT, WINDOW)


LIVE = cube({(0, 0): 500, (1, 0): 500, (0, 1): 1_000, (0, 2): 1_000})
USUAL = cube({(0, 0): 12_000, (0, 1): 12_000, (0, 2): 12_000})


def test_a_new_version_is_itself_first_and_then_where_it_was_rolled_out() -> None:
    answer = explained(case(Signal.VERSION), LIVE, USUAL, 0, BEFORE, None)
    assert [segment.where for segment in answer.segments] == [(("version", "42"),), (("region", "eu"),)]
    assert [segment.alternative for segment in answer.segments] == [False, True]


def test_what_an_outcome_names_explains_no_other_finding() -> None:
    answer = explained(case(Signal.LATENCY), LIVE, USUAL, 0, BEFORE, None)
    assert [segment.where for segment in answer.segments] == [(("region", "eu"),)]
