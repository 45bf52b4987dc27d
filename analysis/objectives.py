"""What a model promises, and what is left of it: the vocabulary of error budgets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from analysis.answer import Severity, Signal
from analysis.words import duration, percent

HOUR_S = 3_600
SHORT_S = 300
_SHOWN_DAYS = 30
"""A budget that lasts as long as it is meant to needs no date."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What one model promises: a share of its requests answered without error, or within a time."""

    model: str
    kind: Literal["availability", "latency"]
    target: float
    """Share of good requests, below 1."""
    threshold_ms: float | None = None
    """With latency: what counts as in time."""

    @property
    def key(self) -> tuple[str, str]:
        """Identity: the model and what is promised."""
        return (self.model, self.kind if self.threshold_ms is None else f"{self.kind} {self.threshold_ms:g}")

    @property
    def words(self) -> str:
        """99.9% without error; 99% within 250ms."""
        good = f"{self.target * 100:g}%"
        return f"{good} without error" if self.threshold_ms is None else f"{good} within {self.threshold_ms:g}ms"


@dataclass(frozen=True, slots=True)
class Spend:
    """One window of an objective."""

    window_s: int
    n: float
    bad: float
    covered_s: float
    """Seconds of the window of which anything is known."""
    burn: float | None
    """None: too few requests or too little history."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The state of one objective."""

    objective: Objective
    spends: tuple[Spend, ...]
    """One per window of `WINDOWS_S`, the shortest first."""
    severity: Severity
    """critical: a page rule fires, or will within the hour if this holds; warning: a ticket rule fires."""
    fires: bool
    """Whether a rule fires now."""
    left: float | None
    """Share of thirty days' budget that is left after `known_s`; below 0 it is overspent."""
    known_s: float
    """Seconds of history that the budget counts; what was spent before them is not known."""
    gone_in_s: float | None
    """Until nothing is left, if the last hour goes on; None while nothing is being spent."""
    pages_in_s: float | None
    """Until a page rule fires, if the last five minutes go on; None where none would."""
    edge_ms: float | None = None
    """The bin edge nearest to the threshold, at which requests were counted."""
    note: str = ""
    """What limits the numbers: too little traffic or history."""

    @property
    def signal(self) -> Signal:
        """The signal of the findings that spend it."""
        return Signal.LATENCY if self.objective.kind == "latency" else Signal.ERROR

    def burn(self, window_s: int) -> float | None:
        """The burn of one window."""
        return next((spend.burn for spend in self.spends if spend.window_s == window_s), None)


def words(budget: Budget) -> str:
    """error-budget burn 22x/1h 31x/5m, budget 61% left, gone in 20h, pages in ~9m if this holds."""
    burns = [f"{times(budget.burn(window))}/{duration(window)}" for window in (HOUR_S, SHORT_S)]
    parts = [f"{'latency' if budget.signal is Signal.LATENCY else 'error'}-budget burn {' '.join(burns)}"]
    if budget.left is not None:
        parts.append(f"budget {percent(budget.left)}" if budget.left > 0 else "budget overspent")
    if budget.gone_in_s is not None and 0 < budget.gone_in_s < _SHOWN_DAYS * 86_400:
        parts.append(f"gone in {duration(budget.gone_in_s)}")
    if budget.pages_in_s is not None:
        soon = f"pages in ~{duration(budget.pages_in_s)} if this holds"
        parts.append(soon if budget.pages_in_s > 0 else "pages now")
    return ", ".join(parts)


def times(burn: float | None) -> str:
    """22x, 0.3x; -- where it is not known."""
    if burn is None or not math.isfinite(burn):
        return "--"
    return f"{burn:.0f}x" if burn >= 9.95 else f"{burn:.1f}x"
