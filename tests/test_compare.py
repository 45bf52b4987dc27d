"""Two versions on one traffic: what the mix explains is nobody's fault, and nothing is claimed too early."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import Severity, Signal
from analysis.canary import LogRatio, log_rate_ratio
from analysis.compare import Mixed, Moments, mean_row, mixed, over_time, ratio_verdict, share_row
from analysis.comparison import Verdict
from analysis.evidence import Cube, Histogram, Traffic
from analysis.filters import Eq
from analysis.rollout import own_changes, pairing, staged_cases, with_own_changes
from analysis.traffic import version_events
from analysis.triage import evaluate
from analysis.view import View
from tests.evidence import CONFIDENCE_BINS, FRAME, NOW, Model, after, evidence, model_logs, normal_shares, steady

FAILED = (Eq("error_type", "Timeout"),)


def cube(rows: dict[str, tuple[float, float]]) -> Cube:
    """Region -> (rows, failures)."""
    codes = np.arange(len(rows), dtype=np.int64)[:, None]
    n, hits = (np.array([pair[i] for pair in rows.values()]) for i in (0, 1))
    return Cube(("region",), (tuple(rows),), codes, n, hits[:, None], FAILED)


def test_a_canary_that_gets_the_harder_region_is_not_blamed_for_it() -> None:
    live = cube({"hard": (1_000, 100), "easy": (9_000, 90)})
    canary = cube({"hard": (1_800, 180), "easy": (200, 2)})
    found = mixed(canary, live, 0)
    assert found.mix == pytest.approx(0.0910 / 0.019, rel=0.15)
    row = share_row("errors", found.shares, "ratio", found, 600.0)
    assert row.difference == pytest.approx(1.0, abs=0.15)
    assert row.verdict is not Verdict.WORSE
    naive = share_row("errors", found.shares, "ratio", Mixed(found.k_a, found.n_a, found.k_b, found.n_b, 1.0), 600.0)
    assert naive.verdict is Verdict.WORSE


def test_a_canary_that_grew_while_everything_failed_more_is_not_blamed_for_it() -> None:
    base, share, n = np.array([0.01, 0.02, 0.04]), np.array([0.01, 0.05, 0.2]), 400_000.0
    n_a, n_b = n * (1 - share), n * share
    k_a, k_b = n_a * base, n_b * base
    pooled = Mixed(float(k_a.sum()), float(n_a.sum()), float(k_b.sum()), float(n_b.sum()), 1.0)
    assert share_row("errors", pooled.shares, "ratio", pooled, 600.0).verdict is Verdict.WORSE
    fair = over_time(pooled, k_a, n_a, n_b)
    row = share_row("errors", fair.shares, "ratio", fair, 600.0)
    assert row.difference == pytest.approx(1.0, abs=0.01)
    assert row.verdict is Verdict.SAME


def test_few_failures_say_little_about_where_they_happen() -> None:
    live = cube({"hard": (500, 1), "easy": (500, 0)})
    assert 0.6 < mixed(cube({"hard": (0, 0), "easy": (300, 1)}), live, 0).mix <= 1.0


def test_no_failures_at_all_are_no_division_by_zero() -> None:
    found = mixed(cube({"a": (500, 0)}), cube({"a": (500, 0)}), 0)
    row = share_row("errors", found.shares, "ratio", found, 600.0)
    assert row.difference == pytest.approx(1.0)
    assert row.verdict is Verdict.OPEN


def test_a_version_without_rows_has_no_verdict() -> None:
    row = share_row("errors", (0.1, None), "ratio", Mixed(10, 100, 0, 0, 1.0), 600.0)
    assert (row.verdict, row.difference) == (Verdict.NONE, None)


def test_the_same_rate_is_called_the_same_only_when_the_whole_interval_is_within_ten_per_cent() -> None:
    few, many = (log_rate_ratio(k, k * 10, k, k * 10) for k in (100, 5_000))
    assert ratio_verdict(many, 600.0) == (Verdict.SAME, "no difference within 10%")
    verdict, words = ratio_verdict(few, 600.0)
    assert verdict is Verdict.OPEN
    assert words.startswith("not enough yet, about ")
    low, high = many.interval()
    assert 1 / 1.1 <= low <= high <= 1.1


@given(st.floats(-1, 1), st.floats(1e-5, 0.5))
def test_what_is_said_to_be_enough_is_enough(value: float, variance: float) -> None:
    """After the announced time at the same traffic the verdict is no longer open."""
    ratio, seconds = LogRatio(value, variance), 600.0
    verdict, words = ratio_verdict(ratio, seconds)
    if verdict is not Verdict.OPEN or "traffic" in words:
        return
    text = words.removeprefix("not enough yet, about ").removesuffix(" more")
    hours, _, minutes = text.rpartition("h")
    # The words are rounded down to the minute.
    more = (int(hours or 0) * 60 + int(minutes.removesuffix("m") or 0) + 1) * 60
    assert ratio_verdict(ratio.with_more(1 + more / seconds), seconds)[0] is not Verdict.OPEN


def test_means_are_compared_by_their_confidence_sequences() -> None:
    def row(b: float, n: float) -> Verdict:
        return mean_row("confidence", "score", (Moments(n, 0.8, 0.1), Moments(n, b, 0.1)), 600.0, 0.03).verdict

    assert row(0.7, 1_000) is Verdict.WORSE
    assert row(0.9, 1_000) is Verdict.BETTER
    assert row(0.801, 1_000) is Verdict.SAME
    assert row(0.78, 50) is Verdict.OPEN
    assert mean_row("x", "score", (Moments(0, None, math.inf), Moments(5, 0.1, 0.1)), 60.0, 0.03).words == ""


def test_the_newest_version_is_compared_with_the_most_used_from_its_first_bucket_on() -> None:
    start = FRAME.live.start + 10 * 60
    model = Model(versions={"v1": steady(0.9), "v2": after(start, 0.1, 0.0)})
    traffic = model_logs(model).traffic
    assert traffic is not None
    found = pairing(traffic.requests, "shop", FRAME)
    assert found is not None
    assert (found.a, found.b, found.span.start) == ("v1", "v2", start)
    turned = pairing(traffic.requests, "shop", FRAME, "v2", "v1")
    assert turned is not None
    assert (turned.a, turned.b) == ("v2", "v1")
    assert pairing(traffic.requests, "shop", FRAME, "gone", "v2") == found


def test_one_version_alone_is_compared_with_none() -> None:
    traffic = model_logs(Model()).traffic
    assert traffic is not None
    assert pairing(traffic.requests, "shop", FRAME) is None


def staged(factor: float, began: int) -> Traffic:
    """A roll-out in three stages from `began` on, whose version fails `factor` times as often as the other."""
    stages = [(began, 0.02), (began + 1_200, 0.08), (began + 2_400, 0.3)]

    def share(t: float) -> float:
        return max((part for since, part in stages if t >= since), default=0.0)

    model = Model(rate=steady(60.0), versions={"v1": lambda t: 1 - share(t), "v2": share})
    traffic = model_logs(model).traffic
    assert traffic is not None
    assert traffic.errors is not None
    rng, requests = np.random.default_rng(3), traffic.requests
    for version, rate in (("v1", 0.01), ("v2", 0.01 * factor)):
        at = requests.keys.index(("shop", version))
        traffic.errors.n[:, at] = rng.binomial(requests.n[:, at].astype(int), rate)
    return traffic


def test_a_roll_out_that_began_before_the_window_is_told_where_it_is_surely_worse() -> None:
    began = FRAME.live.start - 1_800
    (case,) = staged_cases(staged(4.0, began), FRAME, "shop")
    finding = case.finding
    assert (finding.signal, finding.subject, finding.severity) == (Signal.VERSION, "v2", Severity.WARNING)
    assert finding.title.startswith("version v1 -> v2: errors x")
    assert finding.title.endswith(" of requests")
    assert finding.onset == began
    assert case.outcome == Eq("version", "v2")
    assert staged_cases(staged(1.0, began), FRAME, "shop") == []


def test_a_version_without_a_known_beginning_or_within_the_window_is_no_staged_roll_out() -> None:
    assert staged_cases(staged(4.0, FRAME.references[-1].start - 3_600), FRAME, "shop") == []
    assert staged_cases(staged(4.0, FRAME.live.start + 120), FRAME, "shop") == []
    seasonal = replace(FRAME, references=tuple(w.shifted(-86_400) for w in FRAME.references))
    assert staged_cases(staged(4.0, FRAME.live.start - 1_800), seasonal, "shop") == []


def confidence_by_version(traffic: Traffic, fall: float, drift: float = 0.0) -> Histogram:
    """Confidence of every request of the roll-out, that of v2 lower by `fall`; both drift together."""
    rng, requests = np.random.default_rng(8), traffic.requests
    n = np.zeros((*requests.n.shape, 20))
    for i, t in enumerate(requests.t):
        for k, (_, version) in enumerate(requests.keys):
            mean = 0.91 + drift * math.sin(t / 1_500) - (fall if version == "v2" else 0.0)
            n[i, k] = rng.multinomial(int(requests.n[i, k]), normal_shares(CONFIDENCE_BINS.edges, mean, 0.08))
    nothing = np.zeros(requests.n.shape)
    middles = (np.arange(20) + 0.5) / 20
    return Histogram(requests.t, requests.step, requests.keys, CONFIDENCE_BINS, n, nothing, nothing, n @ middles)


@pytest.mark.parametrize("drift", [0.0, 0.04])
def test_a_roll_out_that_is_only_less_sure_is_told_with_both_means(drift: float) -> None:
    traffic = staged(1.0, FRAME.live.start - 1_800)
    (case,) = staged_cases(traffic, FRAME, "shop", confidence_by_version(traffic, 0.07, drift))
    title = case.finding.title
    assert re.fullmatch(r"version v1 -> v2: confidence 0\.\d\d -> 0\.8\d, \d+% of requests", title), title
    before, now = (float(value) for value in re.findall(r"0\.\d\d", title))
    assert before - now == pytest.approx(0.07, abs=0.015)
    assert case.finding.severity is Severity.WARNING
    assert staged_cases(traffic, FRAME, "shop", confidence_by_version(traffic, 0.0, drift)) == []
    # Surely lower, and too little to tell; surer is not worse.
    assert staged_cases(traffic, FRAME, "shop", confidence_by_version(traffic, 0.015, drift)) == []
    assert staged_cases(traffic, FRAME, "shop", confidence_by_version(traffic, -0.05, drift)) == []


def test_the_snapshot_names_the_version_as_the_cause_of_the_falling_confidence() -> None:
    began = FRAME.live.start - 1_800
    traffic = staged(1.0, began)
    logs = model_logs(Model(rate=steady(60.0)))
    logs = replace(logs, traffic=traffic, confidence=confidence_by_version(traffic, 0.12))
    snapshot, _ = evaluate(evidence(logs), View(), FRAME, NOW, threshold=0.6)
    leader = snapshot.findings[0]
    version = next(f for f in snapshot.findings if f.signal is Signal.VERSION)
    assert version.title.startswith("version v1 -> v2: confidence 0.9")
    assert leader.signal in (Signal.VERSION, Signal.CONFIDENCE)
    others = [f for f in snapshot.findings if f.severity.rank >= Severity.WARNING.rank and f.key != version.key]
    assert all(version.key in [cause.key for cause in f.causes] for f in others)


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_a_new_version_is_called_worse_only_where_it_is(factor: float) -> None:
    start = FRAME.live.start + 10 * 60
    model = Model(rate=steady(60.0), versions={"v1": steady(0.8), "v2": after(start, 0.2, 0.0)})
    traffic = model_logs(model).traffic
    assert traffic is not None
    assert traffic.errors is not None
    rng, requests = np.random.default_rng(2), traffic.requests
    at = requests.keys.index(("shop", "v2"))
    traffic.errors.n[:, 1 - at] = rng.binomial(requests.n[:, 1 - at].astype(int), 0.01)
    traffic.errors.n[:, at] = rng.binomial(requests.n[:, at].astype(int), 0.01 * factor)
    ((case, _),) = version_events(requests, FRAME, "shop")
    told = with_own_changes(case, traffic, FRAME, "shop").finding
    pair = pairing(requests, "shop", FRAME)
    assert pair is not None
    if factor == 1.0:
        assert own_changes(traffic, "shop", pair) == ()
        assert told == case.finding
    else:
        assert case.finding.title.startswith("version v1 -> v2, ")
        assert told.title.startswith("version v1 -> v2: errors x")
        assert told.severity.rank > case.finding.severity.rank
