"""Error budgets: burn per window, the rules that page, and what the next minutes bring; promtool says the same."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.answer import Severity
from analysis.burn import RULES, WINDOWS_S, budget, burn_rate, nearest_edge, spent, tally
from analysis.evidence import Counts, Histogram, NumericBins, Traffic
from analysis.objectives import Budget, Objective, words
from tests.vectors import vector

MINUTE = 60
DAY = 86_400
END = 1_800_000_000
THREE_NINES = Objective("fraud", "availability", 0.999)


def minutes(n: Sequence[float] | NDArray[np.float64], bad: Sequence[float] | NDArray[np.float64]) -> Counts:
    """Requests and bad ones per minute, the last one before `END`."""
    t = END - MINUTE * np.arange(len(n), 0, -1, dtype=np.int64)
    keys = (("fraud", "availability", "", "n"), ("fraud", "availability", "", "bad"))
    return Counts(t, MINUTE, keys, np.stack([np.asarray(n, float), np.asarray(bad, float)], axis=1))


def state(
    n: Sequence[float] | NDArray[np.float64], bad: Sequence[float] | NDArray[np.float64], end: int = END
) -> Budget:
    known = minutes(n, bad)
    found = budget(THREE_NINES, [known], end, float(known.t[0]))
    assert found is not None
    return found


def failing(ratio: float, since: int, length: int = 7 * 60, per_minute: float = 600.0) -> Budget:
    """A model without errors until `since` minutes ago."""
    n = np.full(length, per_minute)
    return state(n, np.where(np.arange(length) >= length - since, ratio * per_minute, 0.0))


def test_burn_and_spent_budget_of_the_workbook() -> None:
    given_, expected = vector("slo.burn_rate")
    for window in ("5m", "1h"):
        bad, n = given_[f"err_{window}"]
        assert burn_rate(bad, n, given_["slo"]) == pytest.approx(expected.get(f"burn_{window}"), abs=1e-9)
    (bad, n), (bad_5m, n_5m) = given_["err_1h"], given_["err_5m"]
    assert spent(burn_rate(bad, n, given_["slo"]), 3_600) == pytest.approx(
        expected["budget_used_1h_fraction"], abs=1e-9
    )
    found = state([n_5m * 11 / 55 if i < 55 else n_5m / 5 for i in range(60)], [0.0] * 55 + [bad_5m / 5] * 5)
    assert found.burn(300) == pytest.approx(expected["burn_5m"])
    hour = state([n / 60] * 60, [(bad - bad_5m) / 55] * 55 + [bad_5m / 5] * 5)
    assert (hour.severity is Severity.CRITICAL and hour.fires) is expected["page"]


def test_at_five_per_cent_the_page_is_announced_from_the_fifth_minute_on() -> None:
    # 14.4 x 0.1 % of an hour's requests at 5 % bad: 17.3 minutes after the onset (SRE workbook, time to fire).
    early = failing(0.05, 5)
    assert not early.fires
    assert early.pages_in_s == 13 * 60
    assert early.severity is Severity.CRITICAL
    assert "pages in ~13m if this holds" in words(early)
    assert failing(0.05, 17).pages_in_s == 60
    now = failing(0.05, 18)
    assert now.fires
    assert now.pages_in_s == 0
    assert "pages now" in words(now)


def test_a_slow_burn_files_a_ticket_and_pages_nobody() -> None:
    found = state(np.full(3 * 24 * 60, 60.0), np.full(3 * 24 * 60, 0.12))
    assert found.severity is Severity.WARNING
    assert found.fires
    assert found.pages_in_s is None
    assert found.burn(3 * DAY) == pytest.approx(2.0)
    assert found.left == pytest.approx(1 - 2.0 * 3 / 30)
    assert found.gone_in_s == pytest.approx((1 - 0.2) * 15 * DAY)


def test_few_requests_fire_nothing() -> None:
    quiet = state(np.full(7 * 60, 5.0), np.where(np.arange(7 * 60) > 360, 1.0, 0.0))
    assert quiet.burn(3_600) is None
    assert "too little traffic" in quiet.note
    assert quiet.severity is Severity.OK
    few_bad = failing(9 / 36_000, 60)
    assert few_bad.burn(3_600) is not None
    assert not few_bad.fires


def test_a_window_that_is_longer_than_the_history_says_so() -> None:
    found = failing(0.05, 30, length=120)
    assert found.burn(6 * 3_600) is None
    assert found.note == "needs 6h of data, has 2h"
    assert found.fires


def test_buckets_of_any_width_give_the_same_budget() -> None:
    rng = np.random.default_rng(3)
    n = rng.poisson(200, 3 * 24 * 60).astype(float)
    bad = rng.binomial(n.astype(int), 0.002).astype(float)
    whole = minutes(n, bad)
    old, recent = (whole.t < END - 6 * 3_600), (whole.t >= END - 6 * 3_600)
    coarse_n = whole.n[old].reshape(-1, 5, 2).sum(axis=1)
    coarse = Counts(whole.t[old][::5], 300, whole.keys, coarse_n)
    fine = Counts(whole.t[recent], 60, whole.keys, whole.n[recent])
    one = budget(THREE_NINES, [whole], END, float(whole.t[0]))
    two = budget(THREE_NINES, [coarse, fine], END, float(whole.t[0]))
    assert one == two


@settings(max_examples=40)
@given(st.floats(0.0, 0.2), st.integers(1, 120), st.floats(0.0005, 0.05))
def test_a_page_comes_when_it_was_announced(ratio: float, since: int, allowed: float) -> None:
    objective = Objective("fraud", "availability", 1 - allowed)
    length, per_minute = 12 * 60, 3_000.0
    n = np.full(length, per_minute)
    bad = np.where(np.arange(length) >= length - since, ratio * per_minute, 0.0)
    known = minutes(n, bad)
    found = budget(objective, [known], END, float(known.t[0]))
    assert found is not None
    if found.pages_in_s is None or found.pages_in_s == 0:
        return
    ahead = int(found.pages_in_s) // MINUTE
    held = minutes(np.append(n, np.full(ahead, per_minute)), np.append(bad, np.full(ahead, bad[-5:].mean())))
    later = budget(objective, [held], END, float(held.t[0]))
    assert later is not None
    assert later.fires


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 50)), min_size=10, max_size=100))
def test_burn_grows_with_every_bad_request(pairs: list[tuple[int, int]]) -> None:
    n = np.array([max(a, b) + 100 for a, b in pairs], float)
    bad = np.array([b for _, b in pairs], float)
    more = bad + 1
    for before, after in zip(state(n, bad).spends, state(n, more).spends, strict=True):
        if before.burn is not None:
            assert after.burn is not None
            assert after.burn > before.burn


def test_latency_is_counted_at_the_nearest_edge_and_errors_by_model() -> None:
    t = np.array([0, 60], dtype=np.int64)
    requests = Counts(t, 60, (("fraud", "41"), ("fraud", "42"), ("rank", "1")), np.array([[10.0, 5, 7], [20, 5, 7]]))
    errors = Counts(t[1:], 60, (("fraud", "42"),), np.array([[3.0]]))
    bins = NumericBins((0.0, 100.0, 200.0, 400.0, float("inf")))
    slow = np.zeros((2, 1, 4))
    slow[1, 0] = [5, 4, 3, 2]
    zero = np.zeros((2, 1))
    latency = Histogram(t, 60, (("fraud", "41"),), bins, slow, zero, zero, zero)
    fast = Objective("fraud", "latency", 0.99, 190.0)
    counts = tally(Traffic(requests, errors, latency), [THREE_NINES, fast, Objective("churn", "availability", 0.99)])
    found = {key: counts.n[:, i].tolist() for i, key in enumerate(counts.keys)}
    assert found == {
        ("fraud", "availability", "", "n"): [15, 25],
        ("fraud", "availability", "", "bad"): [0, 3],
        ("fraud", "latency 190", "200", "n"): [0, 14],
        ("fraud", "latency 190", "200", "bad"): [0, 5],
    }
    assert nearest_edge(bins, 300.0) == 400.0


RULE_WORDS = {3_600: "1h", 300: "5m", 6 * 3_600: "6h", 1_800: "30m", 3 * DAY: "3d"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool of the Debian package prometheus")
def test_promtool_evaluates_the_same_burns_and_the_same_alerts(tmp_path: Path) -> None:
    length = 3 * 24 * 60 + 180
    rng = np.random.default_rng(11)
    n = rng.integers(500, 700, length).astype(float)
    share = np.full(length, 0.0008)
    share[2_000:2_100] = 0.02
    share[4_330:4_380] = 0.05
    bad = rng.binomial(n.astype(int), share).astype(float)

    def counter(values: NDArray[np.float64]) -> str:
        return "0 " + " ".join(f"{value:.0f}" for value in np.cumsum(values))

    def burn(window: str) -> str:
        return f"(rate(bad_total[{window}]) / rate(requests_total[{window}])) / (1 - 0.999)"

    rules = []
    for i, rule in enumerate(RULES):
        long, short = (f"{burn(RULE_WORDS[window])} >= {rule.factor}" for window in (rule.long_s, rule.short_s))
        rules.append(f"- {{alert: R{i}, expr: '{long} and {short}'}}")
    (tmp_path / "rules.yml").write_text("groups:\n- name: slo\n  rules:\n  " + "\n  ".join(rules) + "\n")
    lines = [
        "rule_files: [rules.yml]", "evaluation_interval: 5m", "tests:", "- interval: 1m", "  input_series:",
        f"  - {{series: requests_total, values: '{counter(n)}'}}",
        f"  - {{series: bad_total, values: '{counter(bad)}'}}",
        "  alert_rule_test:",
    ]  # fmt: skip
    values = ["  promql_expr_test:"]
    fired: set[bool] = set()
    for minute in (4_320, 4_335, 4_345, 4_355, 4_380, 4_390, 4_440, 4_500):
        known = minutes(n[:minute], bad[:minute])
        found = budget(THREE_NINES, [known], END, float(known.t[0]))
        assert found is not None
        spends = {spend.window_s: spend for spend in found.spends}
        for window in WINDOWS_S:
            expected = round(1_000 * (spends[window].burn or 0.0))
            expr = f"round(1000 * {burn(RULE_WORDS[window])})"
            values.append(
                f"  - {{expr: '{expr}', eval_time: {minute}m, exp_samples: [{{labels: '{{}}', value: {expected}}}]}}"
            )
        for i, rule in enumerate(RULES):
            fires = all((spends[w].burn or 0.0) >= rule.factor for w in (rule.long_s, rule.short_s))
            fired.add(fires)
            alerts = "[{exp_labels: {}}]" if fires else "[]"
            lines.append(f"  - {{eval_time: {minute}m, alertname: R{i}, exp_alerts: {alerts}}}")
    (tmp_path / "test.yml").write_text("\n".join([*lines, *values]) + "\n")
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-2_000:]
    assert fired == {True, False}
