"""A flood of moved inputs is one finding."""

from __future__ import annotations

from analysis.answer import Severity, Signal
from analysis.triage import evaluate
from analysis.view import View
from tests.evidence import FRAME, NOW, ONSET, Model, evidence, model_logs, shares_after, steady
from tests.test_signals_features import AGE, aged


def moved(count: int, of: int) -> Model:
    """A model with `of` features, the first `count` of which shift at the onset."""
    usual, other = aged(50), aged(56)
    features = {f"f{i:02}": (AGE, shares_after(ONSET, other if i < count else usual, usual)) for i in range(of)}
    return Model(rate=steady(40), features=features)


def warnings(count: int, of: int) -> list[str]:
    snapshot, _ = evaluate(evidence(model_logs(moved(count, of))), View(), FRAME, float(NOW), threshold=0.6)
    found = [f for f in snapshot.findings if f.signal is Signal.FEATURE]
    assert len(found) >= count
    return [f.title for f in found if f.severity is Severity.WARNING]


def test_more_than_a_seventh_of_the_features_at_once_is_one_warning() -> None:
    assert warnings(9, 30) == ["9 of 30 features moved together: another mix of requests?"]


def test_a_few_features_are_told_one_by_one() -> None:
    assert len(warnings(4, 30)) == 4
