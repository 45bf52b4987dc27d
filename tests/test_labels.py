"""Labels that come late: cohorts of equal age, how labels arrive, and the changes that are found through them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.accuracy import LABELLED, known_at, looks
from analysis.answer import Severity, Signal
from analysis.arrival import arrival
from analysis.cases import Case
from analysis.evidence import Labels
from analysis.filters import Null, Or, Range
from analysis.label_onset import label_course
from analysis.labels import Ripe, cut_labels, equal_age, merge_labels, ripe, shift_labels
from analysis.trust import LabelJudgement, judge_labels
from analysis.view import View
from tests.evidence import FRAME, NOW, ONSET, Ints, Over, after
from tests.labelled import delays_of, labelled, scores_of

MOMENT = float(FRAME.live.end)
HEALTHY = labelled()


def found(labels: Labels, *, moment: float = MOMENT, pinned: bool = False) -> Case | None:
    return judged(labels, moment=moment, pinned=pinned).case


def judged(labels: Labels, *, moment: float = MOMENT, pinned: bool = False) -> LabelJudgement:
    return judge_labels(labels, FRAME, ("shop",), moment, pinned=pinned)["shop"]


def own(labels: Labels, moment: float = MOMENT) -> Ripe:
    found = ripe(labels, "shop", moment)
    assert found is not None
    return found


def totals(labels: Labels) -> list[float]:
    return [float(part.sum()) for part in (labels.n, labels.correct, labels.total, labels.n[labels.delay >= 0])]


cuts = st.integers(FRAME.span.start - 120, FRAME.span.end + 120)


@settings(max_examples=20, deadline=None)
@given(cuts)
def test_two_parts_of_the_labels_add_up_to_the_whole(at: int) -> None:
    def before(t: Ints) -> NDArray[np.bool_]:
        return t < at

    joined = merge_labels(cut_labels(HEALTHY, before), cut_labels(HEALTHY, lambda t: ~before(t)))
    assert totals(joined) == pytest.approx(totals(HEALTHY))
    assert np.array_equal(own(joined).n, own(HEALTHY).n)


def test_labels_of_two_models_keep_their_names_when_they_are_merged() -> None:
    other = labelled(model="apple", per_minute=20, seed=2)
    joined = merge_labels(HEALTHY, other)
    assert joined.keys == (("apple",), ("shop",))
    assert np.array_equal(own(joined).correct, own(HEALTHY).correct)
    assert joined.newest == {**HEALTHY.newest, **other.newest}


def test_a_label_counts_only_when_every_row_of_its_minute_is_old_enough_for_it() -> None:
    table = own(labelled(per_minute=50))
    age = MOMENT - (table.t + FRAME.step)
    for i in range(len(table.t)):
        filled = np.flatnonzero(table.n[i].sum(axis=0))
        assert all(table.delays[d + 1] <= age[i] for d in filled)


def test_young_rows_are_compared_with_old_ones_as_those_looked_at_the_same_age() -> None:
    late = labelled(late_when_wrong=6.0)
    cohorts = equal_age(own(late), FRAME.live, FRAME.references)
    naive = 1 - float(cohorts.correct.sum() / cohorts.n.sum())
    mature = own(late).n.sum(axis=(1, 2)) > 0
    assert mature.any()
    assert naive < 0.15
    before = 1 - float(cohorts.correct_windows.sum() / cohorts.n_windows.sum())
    assert naive == pytest.approx(before, abs=0.015)
    assert cohorts.coverage == pytest.approx(cohorts.coverage_baseline, abs=0.02)
    assert found(late) is None


def test_the_level_counts_the_errors_that_are_still_to_come() -> None:
    late = labelled(late_when_wrong=4.0, delays=delays_of(120.0))
    live = equal_age(own(late), FRAME.live, FRAME.references)
    seen = arrival(own(late), FRAME.live, FRAME.references)
    assert seen.level is not None
    truth = 0.8
    assert float(live.correct.sum() / live.n.sum()) > truth + 0.03
    assert seen.level == pytest.approx(truth, abs=0.02)


def test_the_delay_of_labels_is_told_by_half_and_by_most_of_them() -> None:
    seen = arrival(own(labelled(delays=delays_of(300.0))), FRAME.live, FRAME.references)
    assert seen.median_s is not None
    assert seen.most_s is not None
    assert 250 <= seen.median_s <= 480
    assert 700 <= seen.most_s <= 1_400


def test_hourly_deliveries_of_labels_are_no_missing_labels() -> None:
    delivered = labelled(moment=MOMENT - 900)
    assert own(delivered).as_of <= MOMENT - 900
    cohorts = equal_age(own(delivered), FRAME.live, FRAME.references)
    assert cohorts.coverage == pytest.approx(cohorts.coverage_baseline, abs=0.02)


def test_a_model_that_is_right_less_often_is_found_with_its_onset() -> None:
    case = found(labelled(right=after(ONSET, -0.15, 0.0), delays=delays_of(120.0)))
    assert case is not None
    finding = case.finding
    assert (finding.signal, finding.severity, finding.check) == (Signal.ACCURACY, Severity.CRITICAL, "concept")
    assert finding.now is not None
    assert finding.baseline is not None
    assert finding.now - finding.baseline == pytest.approx(-0.15, abs=0.03)
    assert finding.title == (f"accuracy {finding.baseline * 100:.1f}% -> {finding.now * 100:.1f}% at the same scores")
    assert finding.onset is not None
    assert abs(finding.onset - ONSET) <= 180
    assert case.window.start <= ONSET + 180
    assert max(w.end for w in case.before(FRAME.references)) <= finding.onset


@pytest.mark.parametrize("median_delay_s", [300.0, 2_400.0])
@pytest.mark.parametrize("minutes", [15, 33, 45, 80, 95, 117])
def test_a_fault_older_than_the_window_is_found_against_what_lies_before_it(
    minutes: int, median_delay_s: float
) -> None:
    began = FRAME.live.start - minutes * 60
    case = found(labelled(right=after(began, -0.12, 0.0), delays=delays_of(median_delay_s)))
    assert case is not None
    assert case.finding.severity is not Severity.INFO
    assert case.finding.onset is not None
    assert abs(case.finding.onset - began) <= 180
    assert case.window.start < FRAME.live.start


def test_harder_inputs_are_named_as_such() -> None:
    mean = after(ONSET, 0.68, 0.85)
    case = found(labelled(scores=lambda rng, t: _around(rng, t, mean), delays=delays_of(60.0)))
    assert case is not None
    assert (case.finding.signal, case.finding.check) == (Signal.ACCURACY, "inputs")
    assert case.finding.title.endswith("as the scores say")


def _around(rng: np.random.Generator, t: Ints, mean: Over) -> NDArray[np.float64]:
    level = np.array([mean(float(x)) for x in t])
    return np.clip(level + rng.normal(0, 0.06, len(t)), 0.5, 0.999)


def test_a_model_that_says_more_than_it_keeps_is_a_matter_of_calibration() -> None:
    def sure(rng: np.random.Generator, t: Ints) -> NDArray[np.float64]:
        return np.clip(scores_of(0.75)(rng, t) + np.where(t >= ONSET, 0.12, 0.0), 0.5, 0.999)

    case = found(labelled(scores=sure, right=after(ONSET, -0.12, 0.0), delays=delays_of(60.0)))
    assert case is not None
    assert (case.finding.signal, case.finding.check) == (Signal.CALIBRATION, "over_confident")
    assert case.finding.onset is not None
    assert abs(case.finding.onset - ONSET) <= 120
    assert case.finding.now is not None
    assert case.finding.now > 0.05
    assert case.outcome is None


def test_the_probability_of_one_class_is_no_confidence_to_be_judged() -> None:
    def of_class(rng: np.random.Generator, t: Ints) -> NDArray[np.float64]:
        sure = scores_of(0.75)(rng, t) + np.where(t >= ONSET, 0.12, 0.0)
        return np.clip(np.where(rng.random(len(t)) < 0.7, 1 - sure, sure), 0.001, 0.999)

    # All predictions are right three times in four, whatever the score of the class is.
    case = found(labelled(scores=of_class, right=lambda t: 0.0, delays=delays_of(60.0)))
    assert case is None or case.finding.signal is not Signal.CALIBRATION


@pytest.mark.parametrize("seed", range(6))
def test_a_healthy_model_has_no_finding(seed: int) -> None:
    assert found(labelled(seed=seed, per_minute=200)) is None


def test_a_better_model_is_told_without_alarm() -> None:
    case = found(labelled(right=after(ONSET, 0.1, 0.0), delays=delays_of(60.0)))
    assert case is not None
    assert case.finding.severity is Severity.INFO
    assert case.outcome is None


def test_too_few_labels_are_no_evidence() -> None:
    few = labelled(per_minute=3, right=after(ONSET, -0.3, 0.0))
    assert found(few) is None
    told = judged(labelled(per_minute=1, delays=delays_of(1_200.0)))
    assert told.accuracy is None
    assert told.coverage is not None


def test_a_model_without_predictions_is_not_judged() -> None:
    assert judge_labels(HEALTHY, FRAME, ("other",), MOMENT, pinned=False) == {}
    assert judge_labels(None, FRAME, ("shop",), MOMENT, pinned=False) == {}


def test_labels_that_were_judged_are_judged_again_only_when_others_are_read() -> None:
    one = labelled(per_minute=50)
    first = judge_labels(one, FRAME, ("shop",), MOMENT, pinned=False)
    assert judge_labels(one, FRAME, ("shop",), MOMENT + 5, pinned=False) is first
    again = judge_labels(labelled(per_minute=50), FRAME, ("shop",), MOMENT + 5, pinned=False)
    assert again is not first


def test_labels_that_arrive_in_another_way_are_not_compared() -> None:
    def slower(rng: np.random.Generator, t: Ints) -> NDArray[np.float64]:
        return delays_of(60.0)(rng, t) * np.where(t >= FRAME.live.start - 5_400, 12.0, 1.0)

    late = labelled(delays=slower, late_when_wrong=3.0)
    assert not any(look.like for look in looks(own(late), FRAME) if look.window.length <= 1_800)
    assert found(late) is None


def test_predictions_that_never_equal_their_labels_are_not_judged() -> None:
    assert found(labelled(right=after(ONSET, -1.0, -1.0))) is None


def test_only_labels_known_at_a_past_moment_are_searched_for_segments() -> None:
    fault = labelled(right=after(ONSET, -0.2, 0.0), delays=delays_of(60.0))
    live, past = found(fault), found(fault, pinned=True)
    assert live is not None
    assert past is not None
    assert live.among == LABELLED
    assert past.among == known_at(MOMENT)
    assert Or((Null("label_ts"), Range("label_ts", high=MOMENT))) in known_at(MOMENT).parts


def test_another_versions_rows_keep_their_own_age_where_they_stand_for_an_earlier_window() -> None:
    length = FRAME.live.length
    here = cut_labels(HEALTHY, lambda t: t >= FRAME.live.start)
    both = merge_labels(here, shift_labels(here, -length))
    cohorts = equal_age(own(both), FRAME.live, FRAME.references)
    assert own(both).moved
    assert cohorts.coverage == pytest.approx(cohorts.coverage_baseline)
    assert all(look.window.length <= length for look in looks(own(both), FRAME))


def test_the_course_of_errors_has_one_level_though_young_minutes_hold_quick_labels_only() -> None:
    late = own(labelled(late_when_wrong=6.0, per_minute=2_000))
    hits, n = label_course(late, late.n, late.n - late.correct, FRAME.references)
    inside = late.t >= FRAME.live.start
    known = inside & (n > 0)
    before = (late.t < FRAME.live.start) & (n > 0)
    assert known.sum() > 20
    assert hits[known].sum() / n[known].sum() == pytest.approx(hits[before].sum() / n[before].sum(), abs=0.005)
    assert hits[known].std() < 1.6 * hits[before].std()
    assert not math.isnan(hits.sum())


def test_a_view_of_another_length_is_judged_too() -> None:
    frame = View(window_s=3 * 3_600).frame(NOW)
    fault = labelled(frame=frame, per_minute=60, right=after(frame.live.start + 3_600, -0.1, 0.0))
    case = judge_labels(fault, frame, ("shop",), float(frame.live.end), pinned=False)["shop"].case
    assert case is not None
    assert case.finding.signal is Signal.ACCURACY


def test_a_log_without_label_times_takes_labels_as_come_with_their_rows() -> None:
    plain = replace(HEALTHY, delay=np.where(HEALTHY.delay >= 0, 0, -1), newest={}, timed=False)
    table = own(plain)
    assert table.n.sum() == (HEALTHY.delay >= 0).sum()
    assert arrival(table, FRAME.live, FRAME.references).median_s is None
