"""Confidence that is no probability is told as what it is, before anything that follows from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.answer import PanelStatus, Severity, Signal, State
from analysis.cases import Case
from analysis.confidence import confidence_panel
from analysis.evidence import Histogram, LogEvidence, NumericBins
from analysis.filters import Or, Range
from analysis.naming import ValueNames, named_finding
from analysis.out_of_scale import out_of_scale_case
from analysis.probabilities import ASKED, EDGES, HIGH, LOW, clamped, within
from analysis.triage import evaluate
from analysis.view import View
from tests.evidence import FRAME, NEWEST, NOW, ONSET, Model, evidence, model_logs, steady
from tests.logs import START, rows, unix, write_parquet
from tests.panel_app import LOOK, PanelApp, give
from tests.sample import sample
from tui import cli
from tui.screens.main import page_of
from widgets.confidence import ConfidencePanel
from widgets.panel import text_of

MIDDLES = (np.arange(20) + 0.5) / 20


def confidence_of(*, seed: int = 1, rate: float = 20.0) -> Histogram:
    """The confidence of a quiet model in the bins that a store is asked for."""
    own = model_logs(Model(rate=steady(rate)), seed).confidence
    assert own is not None
    n = np.concatenate([np.zeros_like(own.n[..., :1]), own.n, np.zeros_like(own.n[..., :1])], axis=2)
    return Histogram(own.t, own.step, own.keys, NumericBins(ASKED), n, own.null, own.nonfinite, own.total.copy())


def spoilt(share: float, value: float, *, since: float = ONSET, until: float = np.inf, seed: int = 1) -> Histogram:
    """Some rows have `value` in place of what they had."""
    h, rng = confidence_of(seed=seed), np.random.default_rng(seed)
    n, total = h.n.copy(), h.total.copy()
    for i in np.flatnonzero((h.t >= since) & (h.t < until)):
        moved = rng.binomial(n[i, 0, 1:-1].astype(int), share)
        n[i, 0, 1:-1] -= moved
        n[i, 0, 0 if value < 0 else -1] += moved.sum()
        total[i, 0] += moved.sum() * value - moved @ MIDDLES
    return replace(h, n=n, total=total)


def rescaled(share: float, factor: float, *, before: bool = False) -> Histogram:
    """Some rows since the onset (or before it) are written on another scale."""
    h, rng = confidence_of(), np.random.default_rng(2)
    n, total = h.n.copy(), h.total.copy()
    for i in np.flatnonzero((h.t >= ONSET) != before):
        moved = rng.binomial(n[i, 0, 1:-1].astype(int), share)
        n[i, 0, 1:-1] -= moved
        n[i, 0, -1] += moved.sum()
        total[i, 0] += (factor - 1) * (moved @ MIDDLES)
    return replace(h, n=n, total=total)


def case_of(h: Histogram) -> Case | None:
    return out_of_scale_case(h, FRAME, NEWEST, "shop")


def logs_of(h: Histogram) -> LogEvidence:
    return replace(model_logs(Model()), confidence=h)


@pytest.mark.parametrize(
    ("value", "rows", "extremes", "words"),
    [
        (1.6, Range("confidence", low=HIGH), (1.05, 1.7), "up to 1.7"),
        (-0.2, Range("confidence", high=LOW), (-0.2, -0.01), "down to -0.2"),
    ],
)
def test_values_outside_are_told_with_share_onset_and_rows(
    value: float, rows: Range, extremes: tuple[float, float], words: str
) -> None:
    case = case_of(spoilt(0.12, value))
    assert case is not None
    finding = case.finding
    assert (finding.signal, finding.check, finding.subject) == (Signal.QUALITY, "out_of_range", "confidence")
    assert finding.severity is Severity.WARNING
    assert finding.title.startswith("confidence out of 0..1: 1")
    assert finding.title.endswith("% of rows")
    assert finding.now == pytest.approx(0.12, abs=0.02)
    assert finding.baseline == 0.0
    assert finding.onset is not None
    assert abs(finding.onset - ONSET) <= 60
    assert case.outcome == rows
    named = named_finding(finding, ValueNames((), 0.0, NumericBins(ASKED), extremes))
    assert named.title == f"{finding.title}, {words}"


def test_values_on_both_sides_are_one_finding() -> None:
    one, other = spoilt(0.05, 1.4), spoilt(0.05, -0.4)
    both = replace(one, n=one.n + other.n, total=one.total + other.total)
    case = case_of(both)
    assert case is not None
    assert case.outcome == Or((Range("confidence", high=LOW), Range("confidence", low=HIGH)))
    named = named_finding(case.finding, ValueNames((), 0.0, both.bins, (-0.4, 1.4)))
    assert named.title.endswith(", from -0.4 to 1.4")


@pytest.mark.parametrize(("factor", "words"), [(100.0, "x100"), (255.0, "x255"), (1_000.0, "x1000")])
def test_another_scale_is_told_by_its_factor(factor: float, words: str) -> None:
    case = case_of(rescaled(1.0, factor))
    assert case is not None
    assert (case.finding.title, case.finding.check) == (f"confidence values {words}", "unit_change")
    part = case_of(rescaled(0.2, factor))
    assert part is not None
    assert part.finding.title.startswith(f"confidence values {words} in ")


def test_a_log_in_per_cent_that_turns_to_shares_is_told_and_nothing_is_said_of_its_mean() -> None:
    h = rescaled(1.0, 100.0, before=True)
    case = case_of(h)
    assert case is not None
    assert case.finding.title == "confidence values x0.01"
    snapshot, _ = evaluate(evidence(logs_of(h)), View(), FRAME, NOW, threshold=0.6)
    assert [finding.signal for finding in snapshot.findings] == [Signal.QUALITY]


@pytest.mark.parametrize("spoil", [spoilt(0.12, 1.6), spoilt(0.3, -5.0), rescaled(1.0, 100.0), rescaled(0.3, 100.0)])
def test_the_defect_is_all_that_is_told_and_the_mean_stays_that_of_the_others(spoil: Histogram) -> None:
    snapshot, _ = evaluate(evidence(logs_of(spoil)), View(), FRAME, NOW, threshold=0.6)
    (finding,) = snapshot.findings
    assert (finding.signal, finding.severity, finding.phase) == (Signal.QUALITY, Severity.WARNING, "confirmed")
    mean = snapshot.models[0].confidence_mean
    assert mean is not None
    assert mean == pytest.approx(0.84, abs=0.01)
    assert snapshot.confidence.outside > 0.05
    assert snapshot.confidence.outside_baseline == 0.0


def test_a_panel_without_any_probability_left_shows_the_baseline_and_where_the_rows_are() -> None:
    h = rescaled(1.0, 100.0)
    frame = replace(FRAME, live=replace(FRAME.live, start=int(ONSET)))
    panel = confidence_panel(h, frame, "shop", 0.6, PanelStatus(State.LIVE))
    assert panel.outside == 1.0
    assert panel.mean is None
    assert panel.now is not None
    assert not panel.now.any()
    assert panel.baseline is not None


def test_a_log_of_scores_is_judged_as_it_is() -> None:
    h = spoilt(0.5, 3.0, since=-np.inf)
    assert case_of(h) is None
    snapshot, _ = evaluate(evidence(logs_of(h)), View(), FRAME, NOW, threshold=0.6)
    assert snapshot.findings == ()
    assert snapshot.models[0].confidence_mean == pytest.approx(0.5 * 3.0 + 0.5 * 0.84, abs=0.05)
    assert snapshot.confidence.outside == 0.0
    # More of them is a mean that moved, and no defect.
    more = spoilt(0.9, 3.0)
    both = replace(h, n=np.where((h.t >= ONSET)[:, None, None], more.n, h.n))
    assert case_of(both) is None


@pytest.mark.parametrize("seed", range(10))
def test_a_healthy_log_and_one_with_its_usual_few_are_silent(seed: int) -> None:
    assert case_of(confidence_of(seed=seed)) is None
    assert case_of(spoilt(0.004, 1.2, since=-np.inf, seed=seed)) is None


def test_few_rows_and_a_past_incident_say_nothing() -> None:
    assert case_of(confidence_of(rate=0.05)) is None
    assert case_of(spoilt(0.12, 1.6, since=FRAME.live.start - 7_200, until=FRAME.live.start)) is None


def test_the_sum_of_the_probabilities_is_known_to_the_width_of_a_bin() -> None:
    h = spoilt(0.12, 1.6)
    exact = within(confidence_of())
    assert exact.total.tolist() == confidence_of().total.tolist()
    found = within(h)
    assert found.bins == NumericBins(EDGES)
    assert float(found.n.sum()) == float(h.n.sum() - h.n[..., -1].sum())
    np.testing.assert_allclose(found.total[:, 0], found.n[:, 0] @ MIDDLES, rtol=1e-6)
    kept = clamped(h)
    assert float(kept.n.sum()) == float(h.n.sum())
    assert kept.total is h.total
    assert within(found) is found
    assert clamped(found) is found


@pytest.mark.parametrize(
    ("spoil", "title", "region"),
    [
        (lambda v, hit: np.where(hit, v + 0.8, v), "confidence out of 0..1: .*% of rows, up to 1.[78].*", None),
        (lambda v, hit: np.where(hit, v * 100, v), "confidence values x100 in .*% of rows", "eu-w1"),
    ],
)
def test_a_report_over_files_names_the_defect_and_where_it_is(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Any, Any], Any],
    title: str,
    region: str | None,
) -> None:
    frame = rows(40_000, seconds=5 * 3_600)
    end = START + 5 * 3_600
    late = unix(frame) >= end - 12 * 60
    hit = late & (frame["region"] == region if region else np.arange(len(frame)) % 7 == 0)
    frame["confidence"] = spoil(frame["confidence"], hit & (frame["confidence"] > 0.3))
    write_parquet(tmp_path / "a.parquet", frame.drop(columns=["label", "label_ts"]))
    moment = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with pytest.raises(SystemExit):
        cli.main(["report", "--format", "json", "--at", moment, "--logs", str(tmp_path), "--model", "fraud"])
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["signal"], finding["feature"], finding["severity"]) == ("quality", "confidence", "warning")
    assert re.fullmatch(title, finding["title"]), finding["title"]
    assert [place["segment"] for place in finding["where"]] == ([{"region": region}] if region else [])


async def test_the_panel_shows_how_many_are_out_of_range_at_any_size() -> None:
    part = confidence_panel(spoilt(0.12, 1.6), FRAME, "shop", 0.6, PanelStatus(State.LIVE))
    for size in ((80, 24), (58, 12), (120, 40)):
        panel = ConfidencePanel(LOOK)
        app = PanelApp(panel)
        async with app.run_test(size=size):
            give(panel, replace(sample(), confidence=part))
            assert any("out of 0..1" in line and "0% -> " in line for line in text_of(panel)), size


def test_the_finding_opens_the_page_of_confidence() -> None:
    case = case_of(spoilt(0.12, 1.6))
    assert case is not None
    assert page_of(case.finding) == "confidence"
    assert page_of(replace(case.finding, subject="amount")) == "features"


def test_an_absurd_value_moves_one_row() -> None:
    h = spoilt(0.0, 2.0)
    h.n[-1, 0, -1] += 1
    h.total[-1, 0] = np.inf
    snapshot, _ = evaluate(evidence(logs_of(h)), View(), FRAME, NOW, threshold=0.6)
    assert snapshot.findings == ()
    assert snapshot.models[0].confidence_mean == pytest.approx(0.84, abs=0.01)
