"""What is said of traffic: its rate, new versions, and silence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.answer import Severity
from analysis.cases import Case
from analysis.evidence import Counts
from analysis.filters import Eq
from analysis.traffic import frame_adjoins, models_of, rate_case, silence_case, version_events
from analysis.view import Baseline, Frame, View
from tests.evidence import (
    EARLIER,
    FRAME,
    NEWEST,
    NOW,
    ONSET,
    RECENT,
    Model,
    after,
    fleet_logs,
    listed,
    model_logs,
    steady,
    without_references,
)

DAYS = replace(View(), baseline=Baseline("1d")).frame(NOW)


def requests_of(model: Model, seed: int = 1, frame: Frame = FRAME, newest: float | None = None) -> Counts:
    traffic = model_logs(replace(model, latency_bins=None, confidence=None), seed, frame, newest).traffic
    assert traffic is not None
    return traffic.requests


def rate_of(model: Model, seed: int = 1, frame: Frame = FRAME) -> Case | None:
    return rate_case(requests_of(model, seed, frame), frame, NEWEST, model.name)


@pytest.mark.parametrize("onset", [ONSET, RECENT])
@pytest.mark.parametrize(("then", "sign"), [(60, 1), (6, -1)])
def test_a_changed_rate_is_found_with_its_onset(onset: int, then: float, sign: int) -> None:
    case = rate_of(Model(rate=after(onset, then, 20), clumping=0.1))
    assert case is not None
    finding = case.finding
    assert finding.severity.rank >= Severity.WARNING.rank
    assert finding.effect * sign > 0
    assert finding.baseline == pytest.approx(20, rel=0.1)
    assert finding.unit == "req/s"
    assert case.window.end == FRAME.live.end
    if onset == ONSET:
        assert finding.onset is not None
        assert abs(finding.onset - onset) <= 60


def test_a_threefold_spike_is_critical() -> None:
    case = rate_of(Model(rate=after(FRAME.live.start, 60, 20)))
    assert case is not None
    assert case.finding.severity is Severity.CRITICAL
    assert case.finding.now == pytest.approx(60, rel=0.05)
    assert "x3.0" in case.finding.title


def test_half_as_much_again_is_told_without_urgency_and_half_of_it_lost_warns() -> None:
    more, less = rate_of(Model(rate=after(ONSET, 32, 20))), rate_of(Model(rate=after(ONSET, 10, 20)))
    assert more is not None
    assert less is not None
    assert more.finding.severity is Severity.INFO
    assert listed(more) is not None
    assert less.finding.severity.rank >= Severity.WARNING.rank


def dips(*ago: int) -> Model:
    """A model that lost four in five of its requests in some minutes of the last half hour."""
    lost = {FRAME.live.end - 60 * minutes for minutes in ago}
    return Model(rate=lambda t: 4.0 if t in lost else 20.0)


@pytest.mark.parametrize(("ago", "urgent"), [((1, 2, 3, 4), True), ((4, 5, 6, 7), False), ((20, 21, 22, 23), False)])
def test_a_dip_warns_while_it_goes_on_and_not_when_it_is_over(ago: tuple[int, ...], urgent: bool) -> None:
    case = rate_of(dips(*ago))
    assert (case is not None and case.finding.severity.rank >= Severity.WARNING.rank) is urgent


def test_dips_that_come_again_and_again_warn_between_them_too() -> None:
    case = rate_of(dips(*(minutes for minutes in range(3, 31) if minutes % 5 not in (1, 2))))
    assert case is not None
    assert case.finding.severity.rank >= Severity.WARNING.rank


def test_a_quarter_fewer_requests_are_told_without_urgency() -> None:
    case = rate_of(Model(rate=after(ONSET, 15, 20)))
    assert case is None or case.finding.severity is Severity.INFO


@pytest.mark.parametrize(("earlier", "urgent"), [(120, False), (30, True)])
def test_a_burst_as_high_as_one_before_it_is_the_usual_traffic(earlier: float, urgent: bool) -> None:
    before = FRAME.live.start - 9_000

    def bursts(t: float) -> float:
        return 100 if t >= RECENT else earlier if before <= t < before + 600 else 20

    case = rate_of(Model(rate=bursts))
    assert case is not None
    assert (case.finding.severity.rank >= Severity.WARNING.rank) is urgent


@pytest.mark.parametrize("phase", range(8))
@pytest.mark.parametrize("rate", [2, 500])
def test_the_daily_swing_is_no_change(rate: float, phase: int) -> None:
    daily = Model(rate=lambda t: rate * (1 + 0.6 * math.sin(2 * math.pi * (t / 86_400 + phase / 8))), clumping=0.1)
    case = rate_of(daily, phase)
    assert case is None or case.finding.severity is Severity.INFO


def test_a_morning_that_doubles_every_hour_is_no_change_and_a_jump_on_top_of_it_is() -> None:
    def morning(t: float) -> float:
        return 20 * 2 ** ((t - NOW) / 3_600)

    assert listed(rate_of(Model(rate=morning, clumping=0.1))) is None
    case = rate_of(Model(rate=lambda t: morning(t) * (3 if t >= FRAME.live.start else 1), clumping=0.1))
    assert case is not None
    assert case.finding.severity is Severity.CRITICAL
    assert case.finding.baseline == pytest.approx(morning(FRAME.live.start + 900), rel=0.15)


def test_the_minutes_that_a_source_has_yet_to_deliver_are_not_a_fall() -> None:
    late = NEWEST - 240
    requests = requests_of(Model(), newest=late)
    assert rate_case(requests, FRAME, late, "shop") is None
    rising = rate_case(requests_of(Model(rate=after(ONSET, 60, 20)), newest=late), FRAME, late, "shop")
    assert rising is not None
    assert rising.finding.onset is not None
    assert abs(rising.finding.onset - ONSET) <= 60


def test_without_a_baseline_or_requests_no_rate_is_compared() -> None:
    traffic = without_references(model_logs(Model())).traffic
    assert traffic is not None
    assert rate_case(traffic.requests, FRAME, NEWEST, "shop") is None
    assert rate_of(Model(rate=after(FRAME.live.start, 0, 20))) is None
    assert rate_of(Model(rate=steady(0))) is None


def test_the_same_hour_of_other_days_is_compared_without_a_trend() -> None:
    assert not frame_adjoins(DAYS)
    assert listed(rate_of(Model(clumping=0.1), frame=DAYS)) is None
    case = rate_of(Model(rate=after(DAYS.live.start, 60, 20), clumping=0.1), frame=DAYS)
    assert case is not None
    assert case.finding.severity is Severity.CRITICAL


def test_a_new_version_is_an_event_with_a_mark_at_its_first_bucket() -> None:
    model = Model(versions={"v1": after(ONSET, 0.9, 1.0), "v2": after(ONSET, 0.1, 0.0)})
    ((case, mark),) = version_events(requests_of(model), FRAME, "shop")
    assert case.finding.severity is Severity.INFO
    assert case.finding.subject == "v2"
    assert case.finding.onset == mark.t == ONSET
    assert case.finding.title.startswith("version v1 -> v2, ")
    assert case.outcome == Eq("version", "v2")
    assert (mark.kind, mark.text, mark.model) == ("version", "v1->v2", "shop")


def test_known_tiny_and_unnamed_versions_are_no_event() -> None:
    known = Model(versions={"v1": steady(0.9), "v2": steady(0.1)})
    tiny = Model(versions={"v1": steady(1.0), "v2": after(ONSET, 0.001, 0.0)})
    unnamed = Model(versions={"v1": after(ONSET, 0.5, 1.0), "": after(ONSET, 0.5, 0.0)})
    first = Model(rate=after(ONSET, 20, 0))
    assert [list(version_events(requests_of(m), FRAME, "shop")) for m in (known, tiny, unnamed, first)] == [[]] * 4


@pytest.mark.parametrize("quiet_since", [ONSET, FRAME.live.start - 3_600])
def test_a_model_whose_requests_stop_is_silent_since_its_last_bucket(quiet_since: int) -> None:
    case = silence_case(requests_of(Model(rate=after(quiet_since, 0, 20))), FRAME, NEWEST, "shop")
    assert case is not None
    finding = case.finding
    assert finding.onset == quiet_since
    assert finding.severity is Severity.CRITICAL
    assert finding.now == 0
    assert FRAME.live.start <= case.window.start < case.window.end == FRAME.live.end


def test_silence_reaches_no_further_than_what_was_looked_at() -> None:
    case = silence_case(requests_of(Model(rate=after(DAYS.live.start, 0, 20)), frame=DAYS), DAYS, NEWEST, "shop")
    assert case is not None
    assert case.finding.onset == DAYS.live.start
    assert "silent for 29m" in case.finding.title


def test_a_source_that_is_late_makes_no_model_silent() -> None:
    stopped = ONSET - 1.0
    assert silence_case(requests_of(Model(), newest=stopped), FRAME, stopped, "shop") is None


def test_a_pause_that_rare_requests_explain_is_no_silence() -> None:
    rare = requests_of(Model(rate=after(ONSET, 0, 0.01)))
    assert silence_case(rare, FRAME, NEWEST, "shop") is None
    assert silence_case(requests_of(Model(rate=after(ONSET, 20, 0))), FRAME, NEWEST, "shop") is None


def test_fractions_of_requests_are_fine() -> None:
    requests = requests_of(Model(rate=after(ONSET, 60, 20)))
    scaled = replace(requests, n=requests.n * 1.0137)
    case = rate_case(scaled, FRAME, NEWEST, "shop")
    assert case is not None
    plain = rate_case(requests, FRAME, NEWEST, "shop")
    assert plain is not None
    assert case.finding.n == pytest.approx(1.0137 * plain.finding.n)


def test_the_models_of_a_source_are_named_once() -> None:
    logs = fleet_logs([Model("b", latency_bins=None), Model("a", latency_bins=None)])
    assert logs.traffic is not None
    assert models_of(logs.traffic.requests) == ("a", "b")
    assert models_of(Counts(np.zeros(0, dtype=np.int64), 60, (), np.zeros((0, 0)))) == ()


def test_the_frame_of_these_tests_reaches_back_far_enough() -> None:
    assert FRAME.span.start > EARLIER
