"""Shadow versions: agreement, its change, and which of the two is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import PanelStatus, Severity, Signal, State
from analysis.canary import log_e
from analysis.evidence import Counts, Histogram, Pairs
from analysis.filters import Eq, Not, Null, Same, conjunction
from analysis.shadow import agreement_cases, mcnemar, shadow_panel, uneven_p
from analysis.triage import evaluate
from analysis.view import Baseline, View
from tests.evidence import (
    FRAME,
    LOG_BINS,
    NEWEST,
    NOW,
    ONSET,
    Model,
    Over,
    after,
    evidence,
    lognormal_shares,
    model_logs,
    steady,
    times,
)
from tests.vectors import vector

LIVE = PanelStatus(State.LIVE)


def pairs(
    agree: Over, *, per_bucket: int = 600, seed: int = 1, labelled: float = 0.0, live_only: float = 0.0,
    shadow_only: float = 0.0, shadow: str = "s1",
) -> Pairs:  # fmt: skip
    """Version v1 of `shop` shadowed by s1, whose latency is a fifth higher; errors are not logged."""
    rng, t = np.random.default_rng(seed), times()
    n = rng.poisson(per_bucket, len(t))
    known = rng.binomial(n, labelled)
    columns = {
        "answered": n,
        "pairs": n,
        "agree": rng.binomial(n, [agree(float(x)) for x in t]),
        "labelled": known,
        "only_live_right": rng.binomial(known, live_only),
        "only_shadow_right": rng.binomial(known, shadow_only),
    }
    keys = tuple(("shop", "v1", shadow, name) for name in columns)
    counts = Counts(t, FRAME.step, keys, np.stack(list(columns.values()), axis=1).astype(float))
    sides = [rng.multinomial(n, lognormal_shares(LOG_BINS.edges, median, 0.5)) for median in (80.0, 96.0)]
    empty = np.zeros((len(t), 2))
    latency = Histogram(
        t, FRAME.step, tuple(("shop", "v1", shadow, side) for side in ("live", "shadow")), LOG_BINS,
        np.stack(sides, axis=1).astype(float), empty, empty, empty,
    )  # fmt: skip
    return Pairs(counts, latency)


def test_mcnemar_equals_the_exact_binomial_test() -> None:
    given_, expected = vector("shadow.mcnemar")
    b, c = given_["live_right_shadow_wrong"], given_["live_wrong_shadow_right"]
    n = b + c + given_["both_right"] + given_["both_wrong"]
    found = mcnemar(b, c, n)
    assert found.p == pytest.approx(expected["p_exact"], rel=1e-9)
    assert found.difference == pytest.approx(-expected["accuracy_diff"], rel=1e-9)
    assert found.se == pytest.approx(expected["se_paired"], rel=1e-9)
    assert log_e(b, c, 0.5) == pytest.approx(expected["log_e_half"], rel=1e-9)
    assert (n - b - c) / n == expected["agreement"]


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_does_not_care_which_version_is_named_first(b: int, c: int) -> None:
    forth, back = mcnemar(b, c, 1_000), mcnemar(c, b, 1_000)
    assert forth.p == back.p
    assert 0 <= forth.p <= 1
    assert forth.difference == -back.difference
    assert log_e(b, c, 0.5) == pytest.approx(log_e(c, b, 0.5), abs=1e-9)
    assert (forth.p == 1) or b != c


def test_few_disagreements_suffice_where_nearly_all_go_one_way_and_no_even_course_is_called_uneven() -> None:
    assert uneven_p(1, 13) < 0.05
    assert uneven_p(13, 1) == pytest.approx(uneven_p(1, 13))
    assert uneven_p(3_000, 3_300) < 0.05
    assert uneven_p(7, 7) == 1
    won = np.cumsum(np.random.default_rng(8).random((400, 600)) < 0.5, axis=1)
    looks = range(20, 600, 20)
    called = sum(any(uneven_p(float(row[i]), i + 1 - float(row[i])) < 0.05 for i in looks) for row in won)
    assert called <= 20


def test_a_shadow_that_begins_to_differ_is_found_with_its_onset_and_its_rows() -> None:
    (case,) = agreement_cases(pairs(after(ONSET, 0.94, 0.97)), FRAME, NEWEST, "shop")
    finding = case.finding
    assert (finding.signal, finding.subject, finding.severity) == (Signal.AGREEMENT, "s1", Severity.WARNING)
    assert finding.title == "shadow s1 agrees in 97% -> 94% of requests"
    assert finding.onset == pytest.approx(ONSET, abs=120)
    assert case.outcome == Not(Same("prediction", "shadow_prediction"))
    assert case.among == conjunction(
        Eq("shadow_version", "s1"), Not(Null("prediction")), Not(Null("shadow_prediction"))
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_shadow_that_always_differed_a_little_is_no_finding(seed: int) -> None:
    assert agreement_cases(pairs(steady(0.9), seed=seed), FRAME, NEWEST, "shop") == []


def test_a_shadow_that_comes_closer_is_told_without_alarm() -> None:
    (case,) = agreement_cases(pairs(after(ONSET, 0.99, 0.9)), FRAME, NEWEST, "shop")
    assert case.finding.severity is Severity.INFO
    assert case.outcome == Same("prediction", "shadow_prediction")


def test_too_few_pairs_are_not_judged() -> None:
    assert agreement_cases(pairs(after(ONSET, 0.5, 0.97), per_bucket=3), FRAME, NEWEST, "shop") == []


def test_the_panel_shows_both_sides_and_what_is_not_logged_is_missing() -> None:
    (row,) = shadow_panel(pairs(steady(0.9), labelled=0.5, live_only=0.06, shadow_only=0.03), FRAME, "shop", LIVE).rows
    assert row.agreement == pytest.approx(0.9, abs=0.02)
    assert row.interval[0] < 0.9 < row.interval[1]
    assert row.latency_ms is not None
    live, shadow = row.latency_ms
    assert live["p50"] == pytest.approx(80, rel=0.1)
    assert shadow["p50"] == pytest.approx(96, rel=0.1)
    assert row.errors is None
    assert row.confidence is None
    assert row.moved is None
    assert row.accuracy_difference == pytest.approx(-0.03, abs=0.01)
    assert row.p is not None
    assert row.p_always is not None
    assert row.p < 1e-6 < 0.05
    assert row.accuracy_difference is not None
    assert row.accuracy_reach is not None
    assert row.accuracy_difference + row.accuracy_reach < 0


def test_neither_version_is_called_better_below_ten_labelled_disagreements() -> None:
    few = pairs(steady(0.99), labelled=0.01, live_only=0.02, shadow_only=0.0)
    (row,) = shadow_panel(few, FRAME, "shop", LIVE).rows
    assert 0 < row.only_live_right + row.only_shadow_right < 10
    assert row.p is None
    assert row.p_always is None
    assert row.accuracy_difference is not None


def test_an_answer_lists_the_disagreement_and_shows_the_shadow() -> None:
    logs = model_logs(Model())
    both = replace(logs, pairs=pairs(after(ONSET, 0.9, 0.97)))
    snapshot, _ = evaluate(evidence(both), View(), FRAME, NOW, threshold=0.6)
    assert [(f.signal, f.subject) for f in snapshot.findings] == [(Signal.AGREEMENT, "s1")]
    assert [(row.live, row.shadow) for row in snapshot.shadow.rows] == [("v1", "s1")]
    other = View(baseline=Baseline("version", version="v0"))
    compared, _ = evaluate(evidence(both), other, FRAME, NOW, threshold=0.6)
    assert all(finding.signal is not Signal.AGREEMENT for finding in compared.findings)


def test_a_model_without_shadow_says_so() -> None:
    snapshot, _ = evaluate(evidence(model_logs(Model())), View(), FRAME, NOW, threshold=0.6)
    assert snapshot.shadow.status.state is State.ABSENT
    assert snapshot.shadow.status.message == "shop-logs logs no shadow rows of this model"
