"""The moment of a change on the clock."""

from __future__ import annotations

import numpy as np

from analysis.since import since
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


def test_a_ramp_is_dated_near_its_foot() -> None:
    t = np.arange(FRAME.span.start, FRAME.span.end, FRAME.step)
    foot = FRAME.live.end - 20 * 60
    share = 0.02 + 0.3 * np.maximum(0, t - foot) / 1_200
    n = np.full(len(t), 2_000.0)
    failed = np.random.default_rng(5).binomial(2_000, share).astype(float)
    found = since(t, failed, n, FRAME)
    assert found is not None
    assert abs(found.start - foot) <= 180
