"""Accuracy by the values of a dimension: each against its own past, at equal label age."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.evidence import Labels
from analysis.labels import merge_labels
from analysis.split_right import right_rows
from tests.evidence import FRAME, after
from tests.labelled import delays_of, labelled

MOMENT = float(FRAME.live.end)
BEGAN = FRAME.live.start - 20 * 60


def of(value: str, drop: float = 0.0, *, late: float = 1.0, per_minute: int = 300, seed: int = 1) -> Labels:
    """Labels of one value, which is right less often from `BEGAN` on."""
    right = after(BEGAN, -drop, 0.0)
    found = labelled(right=right, delays=delays_of(900.0), late_when_wrong=late, per_minute=per_minute, seed=seed)
    return replace(found, keys=(("shop", value),))


def test_the_value_that_fell_is_told_from_those_that_did_not_over_the_span_that_shows_it() -> None:
    labels = merge_labels(of("us", seed=2, per_minute=600), merge_labels(of("eu", 0.2), of("ap", seed=3)))
    span_s, rows = right_rows(labels, FRAME, "shop", MOMENT)
    assert span_s > FRAME.live.length, "labels are late"
    assert rows[0].value == "us", "the one with the most predictions comes first"
    assert {row.value for row in rows if row.right is not None and row.right.fell} == {"eu"}
    assert sum(row.share for row in rows) == pytest.approx(1.0)
    for row in rows:
        assert row.right is not None
        assert row.right.share is not None
        assert row.right.baseline is not None
        low, high = row.right.interval
        assert low < row.right.share < high
        if row.value == "eu":
            assert row.right.share - row.right.baseline == pytest.approx(-0.2, abs=0.06)
        else:
            assert row.right.p > 0.001


def test_errors_whose_labels_come_later_are_no_improvement_of_the_young_rows() -> None:
    labels = merge_labels(of("eu", late=5.0), of("us", late=5.0, seed=4))
    _, rows = right_rows(labels, FRAME, "shop", MOMENT)
    for row in rows:
        assert row.right is not None
        assert row.right.share == pytest.approx(row.right.baseline, abs=0.02)


def test_other_models_and_none_at_all_are_no_rows() -> None:
    labels = of("eu")
    assert right_rows(labels, FRAME, "other", MOMENT) == (0, ())
    assert right_rows(replace(labels, keys=()), FRAME, "shop", MOMENT) == (0, ())
