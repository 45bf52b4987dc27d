"""How severe a new incident is at first sight: how fast it uses up what the model promises, and whom it hits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.answer import Finding, Severity, Signal
from analysis.objectives import HOUR_S, SHORT_S, Budget, times
from analysis.words import duration, percent

WORST, PAGES, SOON, CALM = 1, 2, 3, 4
"""1: most users; 2: somebody must get up; 3: look today; 4: it explains something else."""

HIGH_ERROR_RATIO = 0.25
"""When a quarter of all requests fails, users see little else."""

_BY_URGENCY = {Severity.CRITICAL: PAGES, Severity.WARNING: SOON, Severity.INFO: CALM, Severity.OK: 5}
_HIT = {Signal.LATENCY: "slow", Signal.ERROR: "failed", Signal.CONFIDENCE: "unsure"}
"""What the rows are that a segment counts."""


def severity_of(finding: Finding | None, budgets: Sequence[Budget] = ()) -> tuple[int, str]:
    """A first guess of 1 (worst) to 5, and why: the burn of the error budget where there is one, and the effect.

    Args:
        finding: what it is about; None where nothing was found.
        budgets: of every model. The rules that page are those of `analysis.burn`.
    """
    if finding is None:
        return SOON, "nothing is known about its effect"
    effect = ", ".join(effects(finding))
    if finding.signal is Signal.ERROR and finding.unit == "ratio" and (finding.now or 0.0) >= HIGH_ERROR_RATIO:
        return WORST, f"{percent(finding.now)} of the requests fail{f'; {effect}' if effect else ''}"
    level = _BY_URGENCY[finding.severity]
    spent = _worst(finding, budgets)
    if spent is None:
        return level, f"{finding.severity}: {finding.title}{f'; {effect}' if effect else ''}"
    why = burn_words(spent)
    if spent.severity is Severity.CRITICAL:
        level = min(level, PAGES)
    elif spent.severity is Severity.WARNING:
        level = min(level, SOON)
    else:
        why = f"{finding.severity}, although {why}"
    return level, f"{why}{f'; {effect}' if effect else ''}"


def burn_words(budget: Budget) -> str:
    """`burn 22x over 1h, 31x over 5m: pages`."""
    known = [(budget.burn(window), window) for window in (HOUR_S, SHORT_S)]
    burns = ", ".join(f"{times(burn)} over {duration(window)}" for burn, window in known if burn is not None)
    burn = f"burn {burns}" if burns else "burn not known yet"
    if budget.pages_in_s:
        return f"{burn}: pages in ~{duration(budget.pages_in_s)} if this holds"
    if budget.severity is Severity.CRITICAL:
        return f"{burn}: pages"
    return f"{burn}: {'a ticket' if budget.fires else 'pages nobody'}"


def effects(finding: Finding) -> Iterator[str]:
    """Whom it hits: `62% of eu-w1 slow, 0.9% before`."""
    segment = next(iter(finding.where), None)
    if segment is None:
        return
    name = " ".join(f"{dim}={value}" for dim, value in segment.where)
    hit = _HIT.get(finding.signal)
    if hit is None or not 0 <= segment.rate_in <= 1:
        yield f"{percent(segment.share_of_change)} of it in {name}"
    else:
        yield f"{percent(segment.rate_in)} of {name} {hit}, {percent(segment.rate_before)} before"


def _worst(finding: Finding, budgets: Sequence[Budget]) -> Budget | None:
    """The budget that the finding spends; of a finding that spends none, one of its model that burns."""
    own = [budget for budget in budgets if budget.objective.model == finding.model]
    spent = [budget for budget in own if budget.signal is finding.signal]
    burning = spent or [budget for budget in own if budget.severity.rank >= Severity.WARNING.rank]
    return max(burning, key=lambda b: (b.severity.rank, b.burn(HOUR_S) or 0.0), default=None)
