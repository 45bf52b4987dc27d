"""Evidence is additive: cutting and merging never lose or invent a count."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.evidence import Counts, Histogram, NumericBins
from analysis.slices import (
    cut_counts,
    grid,
    key_index,
    merge_counts,
    merge_histograms,
    model_counts,
    tiles,
    window_sum,
    window_sums,
)
from analysis.spans import intersect, subtract, union
from analysis.view import Window

seconds = st.integers(0, 400)
windows = st.builds(lambda a, b: Window(min(a, b), max(a, b)), seconds, seconds)


def covered(spans: tuple[Window, ...]) -> set[int]:
    return {second for span in spans for second in range(span.start, span.end)}


@given(st.lists(windows, max_size=6), st.lists(windows, max_size=6))
def test_span_arithmetic_is_set_arithmetic(a: list[Window], b: list[Window]) -> None:
    ours, theirs = covered(tuple(a)), covered(tuple(b))
    assert covered(union(a)) == ours
    assert covered(subtract(a, b)) == ours - theirs
    assert covered(intersect(a, b)) == ours & theirs
    for spans in (union(a), subtract(a, b), intersect(a, b)):
        assert all(x.end < y.start for x, y in itertools.pairwise(spans))


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    t = np.array(sorted(draw(st.sets(st.integers(0, 20), max_size=8))), dtype=np.int64) * 60
    keys = tuple(sorted(draw(st.sets(st.sampled_from([("a", "1"), ("a", "2"), ("b", "1")]), min_size=1))))
    n = draw(st.lists(st.integers(0, 50), min_size=len(t) * len(keys), max_size=len(t) * len(keys)))
    return Counts(t, 60, keys, np.array(n, dtype=float).reshape(len(t), len(keys)))


@given(counts(), counts())
def test_a_merge_is_the_sum_for_every_window_and_key(a: Counts, b: Counts) -> None:
    merged = merge_counts(a, b)
    for window in (Window(0, 600), Window(300, 1300)):
        for model in ("a", "b"):
            parts = sum(float(window_sum(c.t, model_counts(c, model), window)) for c in (a, b))
            assert float(window_sum(merged.t, model_counts(merged, model), window)) == parts


@given(counts(), windows)
def test_a_cut_and_its_rest_add_up(a: Counts, window: Window) -> None:
    inner = cut_counts(a, lambda t: (t >= window.start) & (t < window.end))
    outer = cut_counts(a, lambda t: ~((t >= window.start) & (t < window.end)))
    again = merge_counts(inner, outer)
    assert again.n.sum() == a.n.sum()
    assert inner.n.sum() == window_sum(a.t, a.n, window).sum()


@given(counts(), st.lists(windows, min_size=1, max_size=4))
def test_sums_of_many_windows_equal_the_sums_one_by_one(a: Counts, spans: list[Window]) -> None:
    together = window_sums(a.t, a.n, spans)
    assert np.array_equal(together, np.array([window_sum(a.t, a.n, span) for span in spans]))


def test_a_bucket_without_rows_is_zero_on_the_grid() -> None:
    t = np.array([60, 180], dtype=np.int64)
    assert grid(t, np.array([5.0, 7.0]), Window(0, 300), 60).tolist() == [0, 5, 0, 7, 0]


def test_tiles_are_counted_from_the_end_and_leave_out_the_remainder() -> None:
    assert tiles([Window(0, 700)], 300) == (Window(400, 700), Window(100, 400))


def test_histograms_with_different_bins_do_not_add() -> None:
    def histogram(edges: tuple[float, ...]) -> Histogram:
        zero = np.zeros((1, 1))
        return Histogram(np.array([0]), 60, (("a",),), NumericBins(edges), np.zeros((1, 1, 2)), zero, zero, zero)

    with pytest.raises(ValueError, match="different bins"):
        merge_histograms(histogram((0, 1, 2)), histogram((0, 1, 3)))


def test_keys_are_found_by_model_and_second_part() -> None:
    keys = (("a", "1"), ("a", "2"), ("b", "1"))
    assert key_index(keys, model="a").tolist() == [0, 1]
    assert key_index(keys, model="a", second="2").tolist() == [1]
