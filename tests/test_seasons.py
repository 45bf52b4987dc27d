"""Days as a baseline: days without rows and days unlike the others are left out, and the answer says which."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.answer import Severity, Signal
from analysis.evidence import LogEvidence
from analysis.seasons import LeftOut, days_in_words, usable
from analysis.triage import evaluate
from analysis.view import DAY_S, Baseline, Frame, View
from tests.evidence import NOW, Model, Over, after, as_metrics, evidence, model_logs

DAYS = View(baseline=Baseline("1d"))
WEEKS = View(baseline=Baseline("1w"))
FRAME = DAYS.frame(NOW)


def day(t: float) -> int:
    """How many days ago a bucket of the frame was."""
    return round((FRAME.live.start - t) / DAY_S + 0.01)


def on_day(wanted: int, then: float, usual: float) -> Over:
    """One value on a day, another on all the others."""
    return lambda t: then if day(t) == wanted else usual


def kept(logs: LogEvidence, frame: Frame = FRAME) -> tuple[list[int], list[tuple[int, str]]]:
    """Days that are used, and those that are not with the reason."""
    assert logs.traffic is not None
    found, left_out = usable(frame, [logs.traffic])
    return [day(w.start) for w in found.references], [(day(one.window.start), one.why) for one in left_out]


def test_days_that_are_alike_are_all_used() -> None:
    assert kept(model_logs(Model(wobble=0.05, clumping=0.2), frame=FRAME)) == ([1, 2, 3, 4, 5, 6, 7], [])


def test_a_slow_yesterday_and_a_missing_day_are_left_out_and_named() -> None:
    bad = Model(median_ms=on_day(1, 320, 80), rate=on_day(7, 0, 20), wobble=0.05)
    used, left_out = kept(model_logs(bad, frame=FRAME))
    assert used == [2, 3, 4, 5, 6]
    assert left_out[0][0] == 1
    assert left_out[0][1].startswith("shop p95 x")
    assert left_out[1] == (7, "no rows")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Model(errors={"timeout": on_day(3, 0.2, 0.002)}), "shop errors 20%"),
        (Model(rate=on_day(3, 2, 20)), "req/s"),
        (Model(rate=on_day(3, 200, 20)), "req/s"),
    ],
)
def test_a_day_of_failures_or_of_quite_another_traffic_is_left_out(model: Model, words: str) -> None:
    used, ((which, why),) = kept(model_logs(model, frame=FRAME))
    assert used == [1, 2, 4, 5, 6, 7]
    assert which == 3
    assert words in why


def test_a_sunday_with_half_of_the_traffic_is_a_day_like_others() -> None:
    assert kept(model_logs(Model(rate=on_day(3, 9, 20)), frame=FRAME))[1] == []


def test_at_most_a_third_of_the_days_stand_apart() -> None:
    """Three slow days of seven are how the days are: two of them may not be left out as if they were errors."""
    slow = Model(median_ms=lambda t: 320.0 if day(t) in (1, 2, 3) else 80.0)
    assert len(kept(model_logs(slow, frame=FRAME))[0]) >= 5


def test_of_three_days_none_can_be_said_to_stand_apart() -> None:
    few = replace(FRAME, references=FRAME.references[:3])
    assert kept(model_logs(Model(median_ms=on_day(1, 320, 80)), frame=FRAME), few)[1] == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.1, 10), min_size=7, max_size=7))
def test_whatever_the_days_are_like_two_thirds_of_them_stay(factors: list[float]) -> None:
    odd = Model(rate=lambda t: 0.5 * factors[max(0, day(t) - 1)], latency_bins=None, confidence=None)
    used, left_out = kept(model_logs(odd, frame=FRAME))
    assert len(used) + len(left_out) == 7
    assert len(used) >= 5 or any(why == "no rows" for _, why in left_out)


@pytest.mark.parametrize("as_prometheus", [False, True])
def test_a_bad_yesterday_neither_hides_todays_incident_nor_makes_a_healthy_day_one(*, as_prometheus: bool) -> None:
    for today, urgent in ((160.0, True), (80.0, False)):

        def median(t: float, today: float = today) -> float:
            return today if t >= FRAME.live.start else on_day(1, 320, 80)(t)

        logs = model_logs(Model(median_ms=median, wobble=0.05, rate=on_day(7, 0, 20)), frame=FRAME)
        known = evidence(None, as_metrics(logs)) if as_prometheus else evidence(logs)
        snapshot, cases = evaluate(known, DAYS, FRAME, float(NOW), threshold=0.6)
        assert {case.references for case in cases} <= {snapshot.frame.references}, "segments have other days"
        slow = [f for f in snapshot.findings if f.signal is Signal.LATENCY]
        assert any(f.severity.rank >= Severity.WARNING.rank for f in slow) is urgent
        assert any(note.startswith("baseline: same time 2d 3d 4d 5d 6d ago; not 1d: shop ") for note in snapshot.notes)
        assert any(note.endswith("; not 7d: no rows") for note in snapshot.notes)


def test_the_days_are_named_where_all_are_used() -> None:
    snapshot, _ = evaluate(evidence(model_logs(Model(), frame=FRAME)), DAYS, FRAME, float(NOW), threshold=0.6)
    assert snapshot.notes == ("baseline: same time 1d 2d 3d 4d 5d 6d 7d ago",)
    assert days_in_words(FRAME, ()) == snapshot.notes[0]


def test_times_around_the_same_one_of_few_days_are_said_with_their_days() -> None:
    frame = DAYS.frame(NOW, oldest=FRAME.live.start - 2.5 * DAY_S)
    assert days_in_words(frame, ()) == "baseline: same time 1d 2d ago and around it"
    weeks = WEEKS.frame(NOW)
    assert days_in_words(weeks, ()) == "baseline: same time 7d 14d 21d 28d ago"
    gone = tuple(LeftOut(window, "no rows") for window in weeks.references[1:])
    kept = replace(weeks, references=weeks.references[:1])
    assert days_in_words(kept, gone) == "baseline: same time 7d ago; not 14d 21d 28d: no rows"


def test_without_history_of_other_days_the_windows_before_are_the_baseline() -> None:
    hours = FRAME.live.start - 5 * 3_600.0
    for view in (DAYS, WEEKS):
        frame = view.frame(NOW, oldest=hours)
        assert frame.references == View().frame(NOW).references
    frame = DAYS.frame(NOW, oldest=hours)
    slow = model_logs(Model(median_ms=after(frame.live.start, 240, 80)), frame=frame)
    snapshot, _ = evaluate(evidence(slow), DAYS, frame, float(NOW), threshold=0.6)
    assert snapshot.notes == ("no history of other days: compared with the windows before",)
    assert snapshot.findings[0].signal is Signal.LATENCY


def test_few_days_lend_their_neighbouring_times_because_one_day_has_no_spread() -> None:
    half = FRAME.live.length
    ago = {1.5: [1], 2.5: [1, 2]}
    for history, days in ago.items():
        frame = DAYS.frame(NOW, oldest=FRAME.live.start - history * DAY_S)
        starts = {FRAME.live.start - d * DAY_S + side * half for d in days for side in (-1, 0, 1)}
        assert {w.start for w in frame.references} == starts
    assert len(DAYS.frame(NOW, oldest=FRAME.live.start - 3.5 * DAY_S).references) == 3
    long = replace(DAYS, window_s=12 * 3_600)
    assert len(long.frame(NOW, oldest=NOW - 1.9 * DAY_S).references) == 1
