"""A finding says since when it stands, and between which minutes it may have begun."""

from __future__ import annotations

from analysis.triage import evaluate
from analysis.view import View
from tests.evidence import FRAME, NOW, ONSET, Model, after, evidence, model_logs, steady
from widgets.text import since as moment


def test_a_finding_carries_the_interval_of_its_onset() -> None:
    logs = model_logs(Model(median_ms=after(ONSET, 240, 80), errors={"timeout": after(ONSET, 0.08, 0.002)}))
    snapshot, _ = evaluate(evidence(logs), View(), FRAME, NOW, threshold=0.6)
    for finding in snapshot.findings:
        assert finding.onset is not None
        assert finding.onset_between is not None
        low, high = finding.onset_between
        assert low <= finding.onset <= high
        assert low - 60 <= ONSET <= high + 60
        assert high - low <= 600


def test_an_event_has_one_moment_and_no_interval() -> None:
    logs = model_logs(Model(errors={"timeout": steady(0.002), "oom": after(ONSET, 0.01, 0.0)}))
    snapshot, _ = evaluate(evidence(logs), View(), FRAME, NOW, threshold=0.6)
    (finding,) = snapshot.findings
    assert finding.onset is not None
    assert finding.onset_between is None


def test_a_moment_is_written_with_its_interval_and_its_date_where_it_is_far() -> None:
    at = 1_795_701_780.0
    assert moment(at, (at - 60, at + 120)) == "14:03Z (14:02-14:05)"
    assert moment(at, (at, at)) == moment(at, None)
    assert moment(at, None, near=at + 3 * 86_400) == f"11-26 {moment(at, None)}"
    assert moment(None, None) == "--"
