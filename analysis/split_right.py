"""Accuracy of one model by the values of a dimension, each against its own references at equal label age."""

from __future__ import annotations

from dataclasses import replace

from analysis.accuracy import Look
from analysis.evidence import Labels
from analysis.labels import Ripe, equal_age, of_all_values, of_each_value, ripe
from analysis.proportions import share_test, wilson
from analysis.reliability import right_over_time
from analysis.split import Right, SplitRow
from analysis.trust import MIN_SHOWN, judge_labels
from analysis.view import Frame


def right_rows(labels: Labels, frame: Frame, model: str, moment: float) -> tuple[int, tuple[SplitRow, ...]]:
    """Seconds that are told about, as the accuracy page chooses them for all values together, and a row per value.

    The value with the most predictions comes first.

    Args:
        labels: by (model, value), over the live window and its references.
        moment: unix seconds up to which labels are known.
    """
    values = of_each_value(labels, model)
    if not values:
        return 0, ()
    said = judge_labels(of_all_values(labels, model), frame, (model,), moment, pinned=True).get(model)
    if said is None:
        return 0, ()
    found = [
        _row(table, frame, value, said.look)
        for value, own in values.items()
        if (table := ripe(own, model, moment, banded=False)) is not None
    ]
    total, before = (sum(pair[i] for _, pair in found) for i in (0, 1))
    rows = [
        replace(row, share=now / total if total else 0.0, share_baseline=then / before if before else 0.0)
        for row, (now, then) in found
        if now or then
    ]
    return said.look.window.length, tuple(sorted(rows, key=lambda row: (-row.n, row.value)))


def _row(own: Ripe, frame: Frame, value: str, look: Look) -> tuple[SplitRow, tuple[float, float]]:
    """The row without its shares, and the predictions that they are of, now and before."""
    cohorts = equal_age(own, look.window, look.references)
    n, right = float(cohorts.n.sum()), float(cohorts.correct.sum())
    n_windows, right_windows = cohorts.n_windows.sum(axis=1), cohorts.correct_windows.sum(axis=1)
    n_before, right_before = float(n_windows.sum()), float(right_windows.sum())
    told = Right(
        n=n,
        share=right / n if n >= MIN_SHOWN else None,
        interval=wilson(right, n),
        n_baseline=n_before,
        baseline=right_before / n_before if n_before >= MIN_SHOWN else None,
        coverage=cohorts.coverage if cohorts.rows else None,
        p=share_test(right, n, right_windows, n_windows).p if n and n_before else 1.0,
    )
    row = SplitRow(
        value=value,
        n=cohorts.rows,
        share=0.0,
        share_baseline=0.0,
        rate=cohorts.rows / look.window.length,
        p50=None,
        p99=None,
        p99_baseline=None,
        errors=None,
        errors_baseline=None,
        now=right_over_time(own, frame),
        right=told,
    )
    return row, (cohorts.rows, float(cohorts.rows_windows.sum()))
