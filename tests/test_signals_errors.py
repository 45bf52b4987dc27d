"""What is said of errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.answer import PanelStatus, Severity, State
from analysis.cases import Case
from analysis.errors import error_cases, errors_panel
from analysis.evidence import Counts, ErrorCounts, LogEvidence, Traffic
from analysis.filters import Eq, Not, Null
from tests.evidence import FRAME, NEWEST, ONSET, RECENT, Model, after, model_logs, steady, without_references


def cases_of(logs: LogEvidence, model: str = "shop") -> list[Case]:
    assert logs.traffic is not None
    return error_cases(logs.errors, logs.traffic, FRAME, NEWEST, model)


def usual(**more: object) -> Model:
    return Model(errors={"timeout": steady(0.002), "oom": steady(0.0005), **more})  # type: ignore[dict-item]


@pytest.mark.parametrize("onset", [ONSET, RECENT])
def test_a_rising_type_is_found_with_its_shares_and_onset(onset: int) -> None:
    (case,) = cases_of(model_logs(Model(errors={"timeout": after(onset, 0.08, 0.002), "oom": steady(0.0005)})))
    finding = case.finding
    assert finding.subject == "timeout"
    assert finding.severity is Severity.CRITICAL
    assert finding.now == pytest.approx(0.08, rel=0.1)
    assert finding.baseline == pytest.approx(0.002, rel=0.2)
    assert finding.onset is not None
    assert abs(finding.onset - onset) <= 60
    assert finding.effect >= finding.score / 1.5
    assert finding.title.startswith("timeout 0.2")
    assert case.outcome == Eq("error_type", "timeout")
    assert case.window.start == finding.onset


def test_a_type_never_seen_before_is_new_since_its_first_row() -> None:
    (case,) = cases_of(model_logs(usual(ValueError=after(ONSET, 0.004, 0.0))))
    assert case.finding.title.endswith("NEW")
    assert case.finding.severity is Severity.WARNING
    assert case.finding.baseline == 0
    assert case.finding.onset is not None
    assert 0 <= case.finding.onset - ONSET <= 60


def test_a_type_seen_outside_the_references_is_not_new() -> None:
    logs = model_logs(usual(ValueError=after(ONSET, 0.004, 0.0)))
    assert logs.errors is not None
    known = replace(logs.errors, first_seen={**logs.errors.first_seen, ("shop", "ValueError"): FRAME.live.start - 60.0})
    (case,) = cases_of(replace(logs, errors=known))
    assert not case.finding.title.endswith("NEW")


def test_a_fading_type_is_in_the_panel_and_in_no_finding() -> None:
    logs = model_logs(usual(disk=after(FRAME.live.start, 0.0, 0.01), auth=after(FRAME.live.start, 0.001, 0.01)))
    assert cases_of(logs) == []
    assert logs.traffic is not None
    panel = errors_panel(logs.errors, logs.traffic, FRAME, "shop", PanelStatus(State.LIVE))
    states = {row.error_type: row.state for row in panel.rows}
    assert states == {"disk": "gone", "auth": "fading", "timeout": "steady", "oom": "steady"}


@pytest.mark.parametrize("onset", [ONSET, RECENT])
def test_errors_without_types_are_found_as_their_total(onset: int) -> None:
    (case,) = cases_of(model_logs(replace(usual(), errors={"any": after(onset, 0.08, 0.002)}, typed=False)))
    assert case.finding.subject == ""
    assert case.finding.title.startswith("errors 0.2")
    assert case.finding.now == pytest.approx(0.08, rel=0.1)
    assert case.finding.onset is not None
    assert abs(case.finding.onset - onset) <= 60
    assert case.outcome == Not(Null("error_type"))


def test_a_model_whose_types_are_not_known_falls_back_to_its_total() -> None:
    logs = model_logs(Model(errors={"any": after(ONSET, 0.08, 0.002)}))
    other = ErrorCounts(Counts(np.array([ONSET]), 60, (("other", "x"),), np.ones((1, 1))), {})
    (case,) = cases_of(replace(logs, errors=other))
    assert case.finding.subject == ""


def test_a_source_that_logs_no_errors_says_nothing() -> None:
    logs = model_logs(Model())
    assert logs.traffic is not None
    assert error_cases(None, Traffic(logs.traffic.requests, None, None), FRAME, NEWEST, "shop") == []


@pytest.mark.parametrize(("rate", "clumping"), [(2, 0.3), (20, 0.3), (500, 0.1)])
@pytest.mark.parametrize("typed", [True, False])
def test_healthy_errors_are_left_in_peace(rate: float, clumping: float, typed: bool) -> None:
    daily = Model(rate=lambda t: rate * (1 + 0.4 * math.sin(2 * math.pi * t / 86_400)), clumping=clumping, typed=typed)
    found = [case for seed in range(5) for case in cases_of(model_logs(daily, seed))]
    assert [case.finding.title for case in found if case.finding.severity.rank >= Severity.WARNING.rank] == []


def test_two_errors_of_a_new_type_are_too_few() -> None:
    logs = model_logs(usual())
    assert logs.errors is not None
    t = logs.errors.counts.t
    two = Counts(t, 60, (("shop", "odd"),), np.where(t == ONSET, 2.0, 0.0)[:, None])
    assert cases_of(replace(logs, errors=ErrorCounts(two, {("shop", "odd"): float(ONSET)}))) == []


def test_without_a_baseline_nothing_is_claimed() -> None:
    assert cases_of(without_references(model_logs(usual(odd=after(ONSET, 0.1, 0.0))))) == []


def test_a_model_without_requests_in_the_window_claims_nothing() -> None:
    assert cases_of(model_logs(replace(usual(), rate=after(FRAME.live.start, 0, 20)))) == []


def test_more_errors_than_requests_are_no_more_than_all() -> None:
    """Two Prometheus counters are extrapolated apart."""
    logs = model_logs(Model(errors={"timeout": after(ONSET, 0.999, 0.002)}))
    assert logs.errors is not None
    doubled = replace(logs.errors, counts=replace(logs.errors.counts, n=logs.errors.counts.n * 1.07))
    (case,) = cases_of(replace(logs, errors=doubled))
    assert case.finding.now == 1.0


def test_error_buckets_that_lie_apart_from_those_of_requests_are_lined_up() -> None:
    logs = model_logs(Model(errors={"timeout": after(ONSET, 0.08, 0.002)}))
    assert logs.errors is not None
    counts = logs.errors.counts
    held = counts.n[:, 0] > 0
    sparse = replace(logs, errors=replace(logs.errors, counts=replace(counts, t=counts.t[held], n=counts.n[held])))
    assert cases_of(sparse)[0].finding == cases_of(logs)[0].finding


def test_the_panel_lists_what_is_getting_worse_first() -> None:
    logs = model_logs(usual(odd=after(ONSET, 0.01, 0.0)))
    assert logs.traffic is not None
    panel = errors_panel(logs.errors, logs.traffic, FRAME, "shop", PanelStatus(State.LIVE))
    row = panel.rows[0]
    assert (row.error_type, row.state) == ("odd", "NEW")
    assert row.counts.sum() == row.count
    assert row.per_1k == pytest.approx(1_000 * row.count / panel.n)
    assert panel.ratio == pytest.approx(0.0025 + 0.01 * 17 / 30, rel=0.15)
    assert panel.ratio_baseline == pytest.approx(0.0025, rel=0.1)
