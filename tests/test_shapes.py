"""Shapes of confidence in words, and entropy against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.shapes import confidence_shape, mean_entropy, normalised_entropy
from tests.evidence import CONFIDENCE_BINS, Floats, normal_shares
from tests.vectors import vector

EDGES = CONFIDENCE_BINS.edges
USUAL = normal_shares(EDGES, 0.7, 0.12)


def told(now: Floats, usual: Floats = USUAL, rows: int = 4_000) -> tuple[str, str] | None:
    rng = np.random.default_rng(4)
    windows = rng.multinomial(rows, usual, 8).astype(float)
    found = confidence_shape(rng.multinomial(rows, now / now.sum()), windows, cut=12)
    return None if found is None else (found.word, found.text)


def test_each_shape_has_its_word() -> None:
    collapse = 0.4 * USUAL
    collapse[10] += 0.6
    middle = normal_shares(EDGES, 0.5, 0.1)
    humps = 0.5 * middle
    humps[[1, -1]] += 0.25
    low, high = normal_shares(EDGES, 0.55, 0.12), normal_shares(EDGES, 0.9, 0.06)
    found = told(collapse)
    assert found is not None
    assert found[0] == "collapse"
    assert found[1].endswith("of rows at 0.53")
    for word, now, usual, text in (
        ("two humps", humps, middle, "moved to both ends"),
        ("down", low, USUAL, "moved down"),
        ("over-confident", 0.6 * USUAL + 0.4 * high, USUAL, "labels must say if rightly"),
    ):
        found = told(now, usual)
        assert found is not None
        assert found[0] == word
        assert found[1].endswith(text)


def test_what_is_noise_or_does_not_matter_has_no_shape() -> None:
    assert told(USUAL) is None
    assert told(normal_shares(EDGES, 0.701, 0.12), rows=400_000) is None
    assert told(normal_shares(EDGES, 0.66, 0.12), rows=60) is None


def test_windows_that_swing_as_far_themselves_hide_the_shape() -> None:
    rng = np.random.default_rng(4)
    means = (0.62, 0.78, 0.6, 0.8, 0.64, 0.76, 0.61, 0.79)
    windows = np.array([rng.multinomial(4_000, normal_shares(EDGES, mean, 0.12)) for mean in means], dtype=float)
    live = rng.multinomial(4_000, normal_shares(EDGES, 0.63, 0.12))
    assert confidence_shape(live, windows, cut=12) is None


def test_entropy_is_that_of_its_definition() -> None:
    i, expected = vector("confidence.entropy")
    assert normalised_entropy(i["p"]) == pytest.approx(expected["normalised"], abs=1e-12)
    assert float(normalised_entropy([1.0, 0.0])) == 0
    assert float(normalised_entropy([0.25] * 4)) == pytest.approx(1)


def test_the_mean_entropy_from_bins_is_that_of_the_rows() -> None:
    sure = np.random.default_rng(2).beta(8, 2, 50_000)
    counts = np.histogram(sure, EDGES)[0]
    exact = float(normalised_entropy(np.stack([sure, 1 - sure], axis=-1)).mean())
    assert mean_entropy(counts, EDGES) == pytest.approx(exact, abs=0.003)
    assert mean_entropy(np.zeros(20), EDGES) is None


@given(st.lists(st.integers(0, 500), min_size=20, max_size=20).filter(lambda n: sum(n) > 0))
def test_entropy_is_a_share_and_the_same_for_a_score_and_its_opposite(counts: list[int]) -> None:
    found, mirrored = mean_entropy(counts, EDGES), mean_entropy(counts[::-1], EDGES)
    assert found is not None
    assert 0 <= found <= 1
    assert mirrored == pytest.approx(found, abs=1e-9)
