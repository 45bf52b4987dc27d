"""What is said of features."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from analysis.answer import Severity, Signal
from analysis.cases import Case
from analysis.direction import number
from analysis.distances import js_distance
from analysis.evidence import CategoryBins, NumericBins, just_above
from analysis.feature_cases import moved_bins, rows_in
from analysis.features import FeatureChange, feature_changes
from analysis.filters import And, Eq, In, Not, Null, Or, Range
from analysis.shift import JS_FLOOR
from tests.evidence import (
    FRAME,
    NEWEST,
    ONSET,
    RECENT,
    Floats,
    Model,
    SharesOver,
    after,
    listed,
    model_logs,
    normal_shares,
    reference_bins,
    shares_after,
    steady,
    without_references,
)
from tests.evidence import lognormal_shares as lognormal

AGE = reference_bins(lambda rng, n: rng.normal(50, 10, n))
PRICE = reference_bins(lambda rng, n: rng.lognormal(3, 0.6, n))
COUNTRY = CategoryBins(("de", "fr", "it", "(other)", "(unseen)"))
USUAL_COUNTRIES = np.array([0.5, 0.3, 0.15, 0.05, 0.0])


def aged(mean: float, sd: float = 10) -> Floats:
    return normal_shares(AGE.edges, mean, sd)


def priced(factor: float) -> Floats:
    return lognormal(PRICE.edges, math.exp(3) * factor, 0.6)


def steadily(shares: Floats) -> SharesOver:
    return lambda _: shares


HEALTHY: Mapping[str, tuple[NumericBins | CategoryBins, SharesOver]] = {
    "age": (AGE, steadily(aged(50))),
    "price": (PRICE, steadily(priced(1))),
    "country": (COUNTRY, steadily(USUAL_COUNTRIES)),
}


def changes_of(model: Model, seed: int = 1) -> tuple[FeatureChange, ...]:
    return feature_changes(model_logs(model, seed).features, FRAME, NEWEST, [model.name])[model.name]


def only_case(changes: tuple[FeatureChange, ...], feature: str) -> Case:
    cases = [change for change in changes if change.case is not None]
    assert [change.row.feature for change in cases] == [feature]
    assert changes[0] is cases[0]
    assert cases[0].case is not None
    return cases[0].case


@pytest.mark.parametrize("onset", [ONSET, RECENT])
@pytest.mark.parametrize(("mean", "word"), [(62, "above"), (38, "below")])
def test_a_drift_is_found_in_its_direction_with_its_onset(onset: int, mean: float, word: str) -> None:
    changes = changes_of(Model(features={**HEALTHY, "age": (AGE, shares_after(onset, aged(mean), aged(50)))}))
    case = only_case(changes, "age")
    finding = case.finding
    assert finding.signal is Signal.FEATURE
    assert finding.severity is Severity.WARNING
    assert finding.subject == "age"
    assert finding.onset is not None
    assert abs(finding.onset - onset) <= 60
    assert f"mass moved {word}" in finding.title
    assert finding.now == pytest.approx(float(js_distance(aged(mean), aged(50))), abs=0.03)
    assert changes[0].row.state == "DRIFT"
    assert isinstance(case.outcome, Range)
    assert (case.outcome.low or -math.inf) < mean + (mean - 50) < (case.outcome.high or math.inf)


REGION = replace(COUNTRY, dimension=True)


def test_a_dimension_is_watched_for_new_values_and_for_nulls_but_not_for_another_mix() -> None:
    mixed, new = np.array([0.2, 0.3, 0.45, 0.05, 0.0]), np.array([0.45, 0.27, 0.14, 0.04, 0.1])
    quiet = changes_of(Model(features={**HEALTHY, "region": (REGION, shares_after(ONSET, mixed, USUAL_COUNTRIES))}))
    assert {change.row.feature for change in quiet} == {"age", "price", "country"}
    grown = changes_of(Model(features={**HEALTHY, "region": (REGION, shares_after(ONSET, new, USUAL_COUNTRIES))}))
    finding = only_case(grown, "region").finding
    assert (finding.signal, finding.check, finding.severity) == (Signal.QUALITY, "unseen_category", Severity.INFO)
    assert finding.onset is not None
    assert abs(finding.onset - ONSET) <= 60
    nulls = {"region": after(ONSET, 0.2, 0.0)}
    lost = changes_of(Model(features={**HEALTHY, "region": (REGION, steadily(USUAL_COUNTRIES))}, nulls=nulls))
    missing = only_case(lost, "region").finding
    assert (missing.check, missing.severity) == ("null_rate", Severity.WARNING)


def test_a_dimension_does_not_count_among_the_tests_of_the_features() -> None:
    moved = {**HEALTHY, "age": (AGE, shares_after(ONSET, aged(62), aged(50)))}
    dims = {f"dim{i}": (REGION, steadily(USUAL_COUNTRIES)) for i in range(9)}
    alone, among = (changes_of(Model(features=features))[0].row for features in (moved, {**moved, **dims}))
    assert (alone.feature, among.feature) == ("age", "age")
    assert among.q == pytest.approx(alone.q, rel=0.5)


def test_a_category_that_grows_is_found_by_its_name() -> None:
    then = np.array([0.2, 0.3, 0.45, 0.05, 0.0])
    changes = changes_of(Model(features={**HEALTHY, "country": (COUNTRY, shares_after(ONSET, then, USUAL_COUNTRIES))}))
    case = only_case(changes, "country")
    assert case.outcome == In("country", ("it",))
    assert "'it'" in case.finding.title or "'de'" in case.finding.title


def test_values_far_outside_are_told_as_such_while_the_others_stay() -> None:
    then = 0.95 * aged(50)
    then[0] += 0.05
    case = only_case(changes_of(Model(features={**HEALTHY, "age": (AGE, shares_after(ONSET, then, aged(50)))})), "age")
    low = AGE.edges[1]
    assert case.finding.title.startswith("age out of range 0.2")
    assert case.finding.title.endswith(f": below {number(low)}")
    assert case.finding.severity is Severity.WARNING
    assert case.outcome == Range("age", high=low)
    moved = 0.95 * aged(62)
    moved[0] += 0.05
    features = {**HEALTHY, "age": (AGE, shares_after(ONSET, moved, aged(50)))}
    assert only_case(changes_of(Model(features=features)), "age").finding.signal is Signal.FEATURE


def test_values_that_are_no_number_are_told_as_such() -> None:
    logs = model_logs(Model(features=HEALTHY, nulls={"age": after(ONSET, 0.3, 0.01)})).features
    broken = {**logs, "age": replace(logs["age"], null=logs["age"].nonfinite, nonfinite=logs["age"].null)}
    case = only_case(feature_changes(broken, FRAME, NEWEST, ["shop"])["shop"], "age")
    assert case.finding.title.startswith("age not a number ")
    assert case.finding.now == pytest.approx(0.3, abs=0.02)
    assert case.outcome == Not(Range("age", -sys.float_info.max, sys.float_info.max))


@pytest.mark.parametrize("onset", [ONSET, RECENT])
def test_a_burst_of_nulls_is_found_with_its_share_since_its_onset(onset: int) -> None:
    changes = changes_of(Model(features=HEALTHY, nulls={"age": after(onset, 0.4, 0.01)}))
    case = only_case(changes, "age")
    finding = case.finding
    assert (finding.signal, finding.check) == (Signal.QUALITY, "null_rate")
    assert finding.now == pytest.approx(0.4, abs=0.02)
    assert finding.baseline == pytest.approx(0.01, abs=0.003)
    assert finding.onset is not None
    assert abs(finding.onset - onset) <= 60
    assert case.outcome == Null("age")
    assert finding.title.startswith("age null ")


def test_a_feature_of_nothing_but_nulls_is_found() -> None:
    changes = changes_of(Model(features=HEALTHY, nulls={"age": after(FRAME.live.start, 1.0, 0.01)}))
    case = only_case(changes, "age")
    assert case.finding.now == 1.0
    assert changes[0].row.now.sum() == 0


def test_fewer_nulls_than_usual_are_no_warning() -> None:
    changes = changes_of(Model(features=HEALTHY, nulls={"age": after(FRAME.live.start, 0.01, 0.3)}))
    case = only_case(changes, "age")
    assert case.finding.severity is Severity.INFO
    assert case.finding.effect < 0


def test_values_that_were_nulls_before_are_told_by_the_drift_they_cause() -> None:
    filled = 0.7 * aged(50)
    filled[2] += 0.3
    nulls = {"age": after(FRAME.live.start, 0.0, 0.3)}
    features = {**HEALTHY, "age": (AGE, shares_after(FRAME.live.start, filled, aged(50)))}
    case = only_case(changes_of(Model(features=features, nulls=nulls)), "age")
    assert case.finding.signal is Signal.FEATURE
    assert case.finding.severity is Severity.WARNING


def test_a_category_that_the_baseline_never_had_is_found() -> None:
    then = np.array([0.46, 0.3, 0.15, 0.05, 0.04])
    changes = changes_of(Model(features={**HEALTHY, "country": (COUNTRY, shares_after(ONSET, then, USUAL_COUNTRIES))}))
    case = only_case(changes, "country")
    assert case.finding.check == "unseen_category"
    assert changes[0].row.unseen == pytest.approx(0.04, abs=0.02)
    assert case.outcome == And((Not(In("country", ("de", "fr", "it"))), Not(Null("country"))))


def test_what_is_told_since_an_onset_is_measured_since_then() -> None:
    def shares(t: float) -> Floats:
        new = 0.0 if t < ONSET else 0.05 if t < RECENT else 0.08
        return np.array([0.5 - new, 0.3, 0.15, 0.05, new])

    case = only_case(changes_of(Model(features={**HEALTHY, "country": (COUNTRY, shares)})), "country")
    since = FRAME.live.end - ONSET
    late = FRAME.live.end - RECENT
    assert case.finding.onset == pytest.approx(ONSET, abs=60)
    assert case.finding.now == pytest.approx((0.05 * (since - late) + 0.08 * late) / since, abs=0.004)


def test_a_sensor_that_is_stuck_is_a_constant() -> None:
    stuck = np.zeros(len(AGE))
    stuck[4] = 1.0
    case = only_case(changes_of(Model(features={**HEALTHY, "age": (AGE, shares_after(ONSET, stuck, aged(50)))})), "age")
    assert case.finding.check == "constant"
    assert "constant" in case.finding.title


def test_values_beyond_the_range_of_the_baseline_are_counted() -> None:
    then = 0.992 * aged(50)
    then[-1] += 0.008
    (change,) = changes_of(Model(features={"age": (AGE, shares_after(FRAME.live.start, then, aged(50)))}))
    assert change.row.state == "out_of_range"
    assert change.case is not None
    assert change.case.finding.now == pytest.approx(0.01, abs=0.002)
    assert change.case.finding.baseline == pytest.approx(0.002, abs=0.0005)


@pytest.mark.parametrize("factor", [100, 1_000])
def test_a_change_of_unit_is_named_by_its_factor(factor: float) -> None:
    """Wide fixed bins, so that the multiplied values stay inside them."""
    edges = tuple(float(edge) for edge in np.geomspace(1, 1e6, 61))
    bins = NumericBins((-math.inf, *edges, math.inf), reference=False)
    before, then = lognormal(bins.edges, 20, 0.6), lognormal(bins.edges, 20 * factor, 0.6)
    case = only_case(
        changes_of(Model(features={**HEALTHY, "price": (bins, shares_after(ONSET, then, before))})), "price"
    )
    assert f"values x{factor}" in case.finding.title


@pytest.mark.parametrize(("rate", "clumping"), [(2, 0.3), (20, 0.3), (500, 0.1)])
def test_healthy_features_are_left_in_peace(rate: float, clumping: float) -> None:
    daily = Model(
        rate=lambda t: rate * (1 + 0.4 * math.sin(2 * math.pi * t / 86_400)), clumping=clumping, features=HEALTHY
    )
    for seed in range(4):
        changes = changes_of(daily, seed)
        assert [listed(change.case) for change in changes] == [None] * 3
        assert all(change.row.state in ("ok", "tiny") for change in changes)


def test_a_real_drift_that_does_not_matter_is_tiny_and_no_finding() -> None:
    features = {"age": (AGE, shares_after(FRAME.live.start, aged(50.6), aged(50)))}
    (change,) = changes_of(Model(rate=steady(500), features=features))
    assert change.row.q < 0.001
    assert change.row.state == "tiny"
    assert change.case is None


def test_a_shift_that_the_reference_windows_show_too_is_no_drift() -> None:
    """The input swings from one half hour to the next; this one is at the edge of what they all do."""
    swing = (-6.0, 5.0, -4.0, 6.0, 3.0, -5.0, 6.0, -3.0, 6.0)
    first = FRAME.span.start
    features = {"age": (AGE, lambda t: aged(50 + swing[int(t - first) // 1_800 % 9]))}
    (change,) = changes_of(Model(features=features))
    assert change.row.shift > JS_FLOOR
    assert change.case is None


def test_too_few_rows_say_so_and_claim_nothing() -> None:
    drifting = {"age": (AGE, shares_after(FRAME.live.start, aged(90), aged(50)))}
    (change,) = changes_of(Model(rate=after(FRAME.live.start, 0.05, 20), features=drifting))
    assert change.case is None
    assert change.row.state == "too few"


def test_without_a_baseline_no_feature_is_judged() -> None:
    logs = without_references(model_logs(Model(features=HEALTHY)))
    assert feature_changes(logs.features, FRAME, NEWEST, ["shop"]) == {"shop": ()}
    assert feature_changes({}, FRAME, NEWEST, ["shop"]) == {"shop": ()}


def test_a_model_that_vanishes_or_is_not_there_has_no_changes() -> None:
    changes = changes_of(Model(rate=after(FRAME.live.start, 0, 20), features=HEALTHY))
    assert [change.row.state for change in changes] == ["too few"] * 3
    assert feature_changes(model_logs(Model(features=HEALTHY)).features, FRAME, NEWEST, ["other"]) == {"other": ()}


def test_a_cause_never_outranks_every_symptom() -> None:
    features = {"age": (AGE, shares_after(FRAME.live.start, aged(100, 1), aged(50)))}
    case = only_case(changes_of(Model(features=features, nulls={"age": steady(0.0)})), "age")
    assert case.finding.score <= 4


def test_the_bins_that_gained_are_one_filter() -> None:
    live, base = np.array([10.0, 40, 40, 10]), np.array([40.0, 10, 10, 40])
    assert list(moved_bins(live, base)) == [1, 2]
    logs = model_logs(Model(features=HEALTHY))
    age, country = logs.features["age"], logs.features["country"]
    assert isinstance(age.bins, NumericBins)
    edges = age.bins.edges
    assert rows_in("age", age, [3, 4]) == Range("age", low=edges[3], high=edges[5])
    assert rows_in("age", age, [0]) == Range("age", high=edges[1])
    assert rows_in("age", age, [0, len(age.bins) - 1]) == Or((Range("age", high=edges[1]), Range("age", low=edges[-2])))
    assert rows_in("country", country, [0, 2]) == In("country", ("de", "it"))


PREDICTION_BINS = CategoryBins(("fine", "fraud", "(other)", "(unseen)"))


def test_answers_that_move_are_a_drift_of_the_prediction() -> None:
    moved = shares_after(ONSET, np.array([0.8, 0.2, 0, 0]), np.array([0.95, 0.05, 0, 0]))
    case = only_case(changes_of(Model(features={**HEALTHY, "prediction": (PREDICTION_BINS, moved)})), "prediction")
    assert (case.finding.signal, case.finding.subject) == (Signal.FEATURE, "prediction")
    assert case.outcome == In("prediction", ("fraud",))


def test_failed_requests_without_an_answer_are_no_nulls_of_the_prediction() -> None:
    usual = steadily(np.array([0.95, 0.05, 0, 0]))
    model = Model(features={"prediction": (PREDICTION_BINS, usual)}, nulls={"prediction": after(ONSET, 0.3, 0.001)})
    (change,) = changes_of(model)
    assert change.case is None
    assert change.row.null == 0


def test_a_usual_change_of_unit_is_a_fault_of_quality() -> None:
    bins = NumericBins((-math.inf, *(float(edge) for edge in np.geomspace(1, 1e6, 61)), math.inf))
    moved = shares_after(ONSET, lognormal(bins.edges, 20_000, 0.6), lognormal(bins.edges, 20, 0.6))
    case = only_case(changes_of(Model(features={**HEALTHY, "price": (bins, moved)})), "price")
    assert (case.finding.signal, case.finding.check) == (Signal.QUALITY, "unit_change")
    assert case.finding.title == "price values x1000"


def test_values_cut_off_at_a_limit_are_a_fault_of_quality() -> None:
    usual = aged(50)
    cut = usual.copy()
    cut[-3] += cut[-2:].sum()
    cut[-2:] = 0
    case = only_case(changes_of(Model(features={**HEALTHY, "age": (AGE, shares_after(ONSET, cut, usual))})), "age")
    assert (case.finding.signal, case.finding.check) == (Signal.QUALITY, "clipping")
    assert "clipped between" in case.finding.title


def test_a_row_has_the_readings_of_other_tools_and_its_volume() -> None:
    (first, *_) = changes_of(Model(features={**HEALTHY, "age": (AGE, shares_after(ONSET, aged(62), aged(50)))}))
    row = first.row
    assert row.readings is not None
    assert row.readings.psi > 0.25
    assert row.readings.ks is not None
    assert row.readings.wasserstein == pytest.approx(1.2, abs=0.3)
    assert row.per_minute == pytest.approx(20 * 60 * 0.99, rel=0.05)
    assert row.per_minute_baseline == pytest.approx(20 * 60 * 0.99, rel=0.05)


def test_a_value_of_its_own_is_one_filter() -> None:
    bins = NumericBins((-math.inf, 0.0, just_above(0.0), 5.0, math.inf), reference=True)
    usual = steadily(np.array([0.1, 0.3, 0.4, 0.2]))
    h = model_logs(Model(features={"x": (bins, usual)})).features["x"]
    assert rows_in("x", h, [1]) == Eq("x", 0.0)
    assert rows_in("x", h, [1, 2]) == Or((Eq("x", 0.0), Range("x", low=just_above(0.0), high=5.0)))
