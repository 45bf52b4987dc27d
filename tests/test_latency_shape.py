"""Which requests became slower, and how sure the percentiles are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.evidence import NumericBins
from analysis.latency_shape import change_in_words, percentile_bounds, ratio_bounds
from connectors.sqlrows import LATENCY_EDGES_MS

Floats = NDArray[np.float64]
OURS = NumericBins(LATENCY_EDGES_MS)
PROMETHEUS = NumericBins((-math.inf, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, math.inf))
ALL = ("p50", "p95", "p99")


def binned(values: Floats, bins: NumericBins = OURS) -> Floats:
    return np.histogram(values, np.asarray(bins.edges))[0].astype(float)


def requests(seed: int) -> Floats:
    return np.random.default_rng(seed).lognormal(math.log(80), 0.5, 20_000)


@pytest.mark.parametrize(
    ("change", "changed", "words"),
    [
        (lambda x: x * 1.4, ALL, "all requests x1.4"),
        (lambda x: x / 2, ALL, "all requests x0.49"),
        (lambda x: x + 50, ALL, "all requests +50ms"),
        (lambda x: np.where(np.arange(len(x)) % 33 == 0, x + 1_000, x), ("p99",), "the tail; the median holds"),
        (
            lambda x: np.where(np.arange(len(x)) % 20 < 7, x * 3, x),
            ALL,
            "a part of the requests: look for its segment",
        ),
    ],
)
def test_the_change_is_told_in_words(change: object, changed: tuple[str, ...], words: str) -> None:
    live = change(requests(1))  # type: ignore[operator]
    said = change_in_words(binned(live), binned(requests(2)), OURS, changed, "log")
    assert said.startswith(words[:14])
    if words.startswith("all requests +"):
        assert 47 <= float(said.removeprefix("all requests +").removesuffix("ms")) <= 53
    else:
        assert said == words


def test_nothing_is_said_without_a_sure_change() -> None:
    assert change_in_words(binned(requests(1)), binned(requests(2)), OURS, (), "log") == ""
    assert change_in_words(np.zeros(len(OURS)), binned(requests(2)), OURS, ALL, "log") == ""


def test_coarse_bins_say_no_more_than_the_body() -> None:
    live, base = (binned(x, PROMETHEUS) for x in (requests(1) + 50, requests(2)))
    assert change_in_words(live, base, PROMETHEUS, ALL, "linear") == "the body; the bins are too coarse to say more"


def test_bounds_are_those_of_the_bins_and_open_above_the_last() -> None:
    bounds = percentile_bounds(binned(requests(3), PROMETHEUS), PROMETHEUS, {"p50": 0.5, "p95": 0.95})
    assert bounds == {"p50": (50, 100), "p95": (100, 250)}
    slow = percentile_bounds(binned(requests(3) * 1_000, PROMETHEUS), PROMETHEUS, {"p99": 0.99})
    assert slow == {"p99": (10_000, math.inf)}
    assert percentile_bounds(np.zeros(len(PROMETHEUS)), PROMETHEUS, {"p50": 0.5}) == {}


def test_the_ratio_has_bounds_that_hold_the_truth() -> None:
    live, base = binned(requests(4) * 1.5), binned(requests(5))
    now, before = percentile_bounds(live, OURS, {"p50": 0.5}), percentile_bounds(base, OURS, {"p50": 0.5})
    low, high = ratio_bounds({"p50": 120.0}, {"p50": 80.0}, now, before)["p50"]
    assert 1.3 < low <= 1.5 <= high < 1.75
    assert ratio_bounds({"p50": None}, {"p50": 80.0}, now, before) == {}
