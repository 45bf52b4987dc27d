"""What error budgets change in an answer: how urgent its findings are, the states of its models, and its first line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from analysis.answer import Finding, ModelRow, Severity, Signal, Snapshot
from analysis.causes import told
from analysis.objectives import HOUR_S, SHORT_S, Budget, words
from analysis.ranking import weighted


def with_budgets(snapshot: Snapshot, budgets: Sequence[Budget]) -> Snapshot:
    """The answer with budgets in it: where there is an objective, what it says decides how urgent a finding is.

    A page rule that fires or is due within the hour makes the model's errors (or latency) critical. While both the last
    hour and the last five minutes spend less than the budget allows, they are at most a warning. A budget that burns
    where no finding says so, as when it has long been so, becomes a finding itself.
    """
    if not budgets:
        return snapshot
    by_signal: dict[tuple[str, Signal], list[Budget]] = {}
    for budget in budgets:
        by_signal.setdefault((budget.objective.model, budget.signal), []).append(budget)
    findings = [_weighed(f, by_signal.get((f.model, f.signal), ())) for f in snapshot.findings]
    present = {(f.model, f.signal) for f in findings if f.severity.rank >= Severity.WARNING.rank or not f.subject}
    findings += [
        finding
        for key, own in by_signal.items()
        if key not in present and (finding := _finding(max(own, key=lambda b: b.severity.rank), snapshot)) is not None
    ]
    listed = told(findings, snapshot.frame.step)
    judged = (replace(row, state=_worst(row.model, listed, row.state)) for row in snapshot.models)
    spending = (_spending(row, budgets) for row in judged)
    rows = tuple(sorted(spending, key=lambda row: (-row.state.rank, not row.stale, row.model)))
    return replace(snapshot, findings=listed, models=rows, budgets=tuple(budgets))


def _weighed(finding: Finding, budgets: Sequence[Budget]) -> Finding:
    """A finding as urgent as the budget that it spends says."""
    if finding.severity.rank < Severity.WARNING.rank and finding.subject:
        return finding
    if any(budget.severity is Severity.CRITICAL for budget in budgets):
        return replace(finding, severity=Severity.CRITICAL)
    burns = [budget.burn(window) for budget in budgets for window in (SHORT_S, HOUR_S)]
    if burns and all(burn is not None and burn < 1 for burn in burns):
        return replace(finding, severity=min(finding.severity, Severity.WARNING, key=lambda s: s.rank))
    return finding


def _finding(budget: Budget, snapshot: Snapshot) -> Finding | None:
    """A budget that burns by a rule, as a finding of its own."""
    if budget.severity.rank < Severity.WARNING.rank:
        return None
    objective, spend = budget.objective, next(s for s in budget.spends if s.window_s == HOUR_S)
    rate = next((s.burn for s in reversed(budget.spends) if s.burn is not None), 1.0)
    bound = 1.0 + max(0.0, math.log(max(rate, 1.0)) / math.log(6))
    return Finding(
        signal=budget.signal,
        model=objective.model,
        severity=budget.severity,
        title=f"{words(budget)} ({objective.words})",
        effect=bound,
        score=weighted(budget.signal, bound),
        n=spend.n,
        n_baseline=sum(s.n for s in budget.spends[-1:]),
        now=spend.bad / spend.n if spend.n else None,
        baseline=1 - objective.target,
        unit="ratio",
        check="burn",
    )


def _worst(model: str, findings: Sequence[Finding], state: Severity) -> Severity:
    own = [finding.severity for finding in findings if finding.model == model]
    return max(own, key=lambda s: s.rank, default=Severity.OK) if own else state


def _spending(row: ModelRow, budgets: Sequence[Budget]) -> ModelRow:
    """A model with what its worst budget says; one without an objective as it is."""
    own = [budget for budget in budgets if budget.objective.model == row.model]
    if not own:
        return row
    worst = max(own, key=lambda b: (b.severity.rank, b.burn(HOUR_S) or 0.0))
    burns = [burn for budget in own if (burn := budget.burn(HOUR_S)) is not None]
    return replace(
        row,
        burn=max(burns, default=None),
        burn_5m=worst.burn(SHORT_S),
        budget_left=worst.left,
        pages_in_s=worst.pages_in_s,
    )
