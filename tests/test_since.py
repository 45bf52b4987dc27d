"""The moment of a change on the clock."""

from __future__ import annotations

import numpy as np

from analysis.since import Course, since, sinces
from analysis.view import View

NOW = 1_800_000_000
FRAME = View().frame(NOW)


def test_a_few_more_errors_before_an_outage_are_not_its_beginning() -> None:
    t = np.arange(FRAME.span.start, FRAME.span.end, FRAME.step)
    calls = np.full(len(t), 800.0)
    failed = np.random.default_rng(5).poisson(0.4, len(t)).astype(float)
    before = [0, 2, 0, 2, 0, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0]
    failed[t >= FRAME.live.start] = [*before, 28, *[200] * (30 - len(before) - 1)]
    found = since(t, failed, calls, FRAME)
    assert found is not None
    assert found.start == FRAME.live.start + len(before) * FRAME.step
    assert found.low <= found.start <= found.high


def test_of_rare_rows_a_few_more_are_not_the_beginning_either() -> None:
    t = np.arange(FRAME.span.start, FRAME.span.end, FRAME.step)
    rows = np.full(len(t), 370.0)
    beyond = (np.random.default_rng(4).random(len(t)) < 0.3).astype(float)
    before = [1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 2, 1, 0, 0]
    beyond[t >= FRAME.live.start] = [*before, 21, 12, 25, 11, 16, 20, 10, 16, 20, 22, 19, 22, 16, 18]
    found = since(t, beyond, rows, FRAME)
    assert found is not None
    assert found.start == FRAME.live.start + len(before) * FRAME.step


def test_a_ramp_is_dated_near_its_foot() -> None:
    t = np.arange(FRAME.span.start, FRAME.span.end, FRAME.step)
    foot = FRAME.live.end - 20 * 60
    share = 0.02 + 0.3 * np.maximum(0, t - foot) / 1_200
    n = np.full(len(t), 2_000.0)
    failed = np.random.default_rng(5).binomial(2_000, share).astype(float)
    found = since(t, failed, n, FRAME)
    assert found is not None
    assert abs(found.start - foot) <= 180


def test_many_shares_are_dated_as_each_alone() -> None:
    t = np.arange(FRAME.span.start, FRAME.span.end, FRAME.step)
    rng = np.random.default_rng(3)
    n = np.full(len(t), 1_500.0)
    courses = [Course(t, np.zeros(len(t)), n), Course(t, rng.binomial(1_500, 0.05, len(t)).astype(float), n)]
    for minutes in (4, 9, 15):
        moved = np.where(t >= FRAME.live.end - minutes * 60, 0.4, 0.05)
        courses.append(Course(t, rng.binomial(1_500, moved).astype(float), n))
    first = Course(t, np.where(t >= FRAME.live.end - 480, 30.0, 0.0), n)  # never happened before
    courses.append(first)
    found = sinces(courses, FRAME)
    assert found == [since(one.t, one.hits, one.n, FRAME) for one in courses]
    assert found[:2] == [None, None]
    starts = [FRAME.live.end - one.start for one in found[2:] if one is not None]
    assert starts == [240, 540, 900, 480]
