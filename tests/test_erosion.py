"""Accuracy that falls for one value of a dimension only: found there, and nowhere where nothing fell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.accuracy import LABELLED, WRONG, known_at
from analysis.answer import Severity, Signal
from analysis.erosion import eroded
from analysis.evidence import Labels
from analysis.labels import merge_labels
from tests.evidence import FRAME, after, steady
from tests.labelled import delays_of, labelled

MOMENT = float(FRAME.live.end)
BEGAN = FRAME.live.start - 20 * 60


def of(value: str, drop: float = 0.0, *, per_minute: int = 60, seed: int = 1) -> Labels:
    right = after(BEGAN, -drop, 0.0) if drop else steady(0.0)
    found = labelled(right=right, delays=delays_of(900.0), per_minute=per_minute, seed=seed)
    return replace(found, keys=(("shop", value),))


def split(drop: float, rare: int = 40) -> dict[str, Labels]:
    """Region `eu` falls, which is few of the rows, and no tier as much."""
    by_region = merge_labels(of("eu", drop, per_minute=rare, seed=3), of("us", per_minute=600, seed=4))
    by_tier = merge_labels(of("free", drop * 0.06, per_minute=320, seed=5), of("pro", per_minute=320, seed=6))
    return {"tier": by_tier, "region": by_region}


def test_a_value_that_fell_is_told_with_its_part_of_the_rows_and_its_onset() -> None:
    case = eroded("shop", split(0.3), FRAME, MOMENT)
    assert case is not None
    finding = case.finding
    assert (finding.signal, finding.check, finding.severity) == (Signal.ACCURACY, "segment", Severity.WARNING)
    assert finding.subject == "region=eu"
    (segment,) = finding.where
    assert segment.where == (("region", "eu"),)
    assert segment.support == pytest.approx(40 / 640, abs=0.02)
    assert segment.rate_in - segment.rate_before == pytest.approx(0.3, abs=0.08)
    assert segment.rate_out == pytest.approx(0.2, abs=0.03)
    assert finding.title.endswith("% of rows")
    assert finding.onset is not None
    assert abs(finding.onset - BEGAN) <= 300
    assert (case.outcome, case.among) == (WRONG, LABELLED)
    pinned = eroded("shop", split(0.3), FRAME, MOMENT, pinned=True)
    assert pinned is not None
    assert pinned.among == known_at(MOMENT)


@pytest.mark.parametrize("drop", [0.0, 0.03])
def test_what_may_be_chance_or_is_little_is_not_told(drop: float) -> None:
    assert eroded("shop", split(drop), FRAME, MOMENT) is None


def test_the_rest_of_the_values_and_missing_ones_are_no_place_to_look_at() -> None:
    labels = merge_labels(
        replace(of("x", 0.3), keys=(("shop", "(other)"),)), replace(of("x", 0.3), keys=(("shop", "(null)"),))
    )
    assert eroded("shop", {"region": labels}, FRAME, MOMENT) is None
    assert eroded("other", split(0.3), FRAME, MOMENT) is None
    assert eroded("shop", {}, FRAME, MOMENT) is None
