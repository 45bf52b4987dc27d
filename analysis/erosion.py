"""Accuracy that falls for one value of a dimension while that of all rows has not moved by what is worth a look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.accuracy import LABELLED, UNIT, WRONG, Compared, known_at, looks, surest
from analysis.answer import Finding, Segment, Severity, Signal, Snapshot
from analysis.cases import Case
from analysis.evidence import NULL_TEXT, OTHER, Labels
from analysis.filters import Filter
from analysis.labels import Ripe, equal_age, of_all_values, of_each_value, ripe
from analysis.ranking import weighted
from analysis.since import Since
from analysis.view import Frame
from analysis.words import percent

FALL = 0.05
"""Fall of the share of right predictions that is sure (95 %): more than of all rows, because it concerns fewer."""

MAX_P = 1e-5
"""A hundred values may be looked at, again and again."""


@dataclass(frozen=True, slots=True)
class _Fallen:
    """A value that is surely right less often."""

    dim: str
    value: str
    compared: Compared
    onset: Since | None

    @property
    def weight(self) -> tuple[float, str, str]:
        """Right predictions that were surely lost; the names settle a tie."""
        return (self.compared.bound * self.compared.test.n, self.dim, self.value)


def eroded(
    model: str, by_dim: Mapping[str, Labels], frame: Frame, moment: float, *, pinned: bool = False
) -> Case | None:
    """The value that lost most right predictions; None where none surely lost enough.

    Every value is compared with its own references at equal label age, over the window and together with those before
    it, as all rows are. Of a conjunction each value falls by a part.

    Args:
        by_dim: dimension -> labels by (model, value), over the live window and its references.
        moment: unix seconds up to which labels are known.
        pinned: whether that is a moment of the past, of which later labels must not be counted.
    """
    values = [
        (dim, value, table)
        for dim, labels in by_dim.items()
        for value, own in of_each_value(labels, model).items()
        if value not in (OTHER, NULL_TEXT) and (table := ripe(own, model, moment, banded=False)) is not None
    ]
    fallen = [
        _Fallen(dim, value, *found)
        for dim, value, table in values
        if (found := surest(table, frame, looks(table, frame))) is not None and _fell(found[0])
    ]
    worst = max(fallen, key=lambda one: one.weight, default=None)
    if worst is None:
        return None
    labels = by_dim[worst.dim]
    whole = ripe(of_all_values(labels, model), model, moment, banded=False)
    among = known_at(moment) if pinned and labels.timed else LABELLED
    return None if whole is None else _case(worst, whole, model, among, len(values))


def told_already(findings: Iterable[Finding]) -> set[str]:
    """Models whose labels are a finding as a whole."""
    return {finding.model for finding in findings if finding.signal in (Signal.ACCURACY, Signal.CALIBRATION)}


def with_eroded(snapshot: Snapshot, cases: Sequence[Case]) -> Snapshot:
    """The snapshot with what only a segment shows, but of models of which it says so as a whole."""
    told = told_already(snapshot.findings)
    found = [case.finding for case in cases if case.finding.model not in told]
    if not found:
        return snapshot
    worst = {finding.model: finding.severity for finding in found}
    models = tuple(
        replace(row, state=max(row.state, worst.get(row.model, row.state), key=lambda severity: severity.rank))
        for row in snapshot.models
    )
    return replace(snapshot, findings=(*snapshot.findings, *found), models=models)


def _fell(compared: Compared) -> bool:
    test = compared.test
    return test.p < MAX_P and test.now < test.baseline and compared.bound * UNIT >= FALL


def _case(worst: _Fallen, whole: Ripe, model: str, among: Filter, tests: int) -> Case:
    test, look, onset = worst.compared.test, worst.compared.look, worst.onset
    total = equal_age(whole, look.window, look.references)
    n, right = float(total.n.sum()), float(total.correct.sum())
    others = n - test.n
    outside = (others - (right - test.now * test.n)) / others if others > 0 else 0.0
    segment = Segment(
        where=((worst.dim, worst.value),),
        share_of_change=1.0,
        rate_in=1 - test.now,
        rate_out=outside,
        rate_before=1 - test.baseline,
        lift=(1 - test.now) / max(outside, 0.5 / max(others, 1.0)),
        support=test.n / n if n else 0.0,
        n=test.n,
        p_adjusted=min(1.0, test.p * tests),
    )
    finding = Finding(
        signal=Signal.ACCURACY,
        model=model,
        severity=Severity.WARNING,
        title=f"accuracy {test.baseline * 100:.1f}% -> {test.now * 100:.1f}% in {percent(segment.support)} of rows",
        effect=(test.now - test.baseline) / UNIT,
        score=weighted(Signal.ACCURACY, 1.0),
        n=test.n,
        n_baseline=test.n_baseline,
        now=test.now,
        baseline=test.baseline,
        unit="ratio",
        onset=None if onset is None else float(onset.start),
        onset_between=None if onset is None else onset.between,
        subject=f"{worst.dim}={worst.value}",
        check="segment",
        where=(segment,),
    )
    return Case(finding, WRONG, look.window, among=among, references=look.references)
