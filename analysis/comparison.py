"""One version of a model against another over the same time: what the comparison page shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from analysis.answer import PanelStatus


class Verdict(StrEnum):
    """What the interval of a row allows to say."""

    WORSE = "worse"
    BETTER = "better"
    DIFFERENT = "differs"
    SAME = "no difference"
    OPEN = "not enough evidence"
    NONE = ""


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One measure of both versions."""

    measure: str
    unit: str
    """ms, ratio (a share), score, or rate (per second)."""
    a: float | None
    b: float | None
    """Values as logged; None where it is not logged or too few."""
    n_a: float
    n_b: float
    difference: float | None = None
    """B against A on the traffic mix of B: a ratio of rates, or for `unit` score and accuracy B - A."""
    interval: tuple[float, float] | None = None
    """Of the difference; holds however often one looks."""
    relative: bool = True
    """Whether the difference is a ratio."""
    verdict: Verdict = Verdict.NONE
    words: str = ""
    """The verdict in words, with what is needed where the evidence is not enough."""
    note: str = ""
    """What the difference is of, where that is not plain from the measure."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Version `a` (the usual one) and `b` (the newer) of one model."""

    status: PanelStatus
    model: str = ""
    a: str = ""
    b: str = ""
    versions: tuple[str, ...] = ()
    """All versions that can be chosen."""
    since: float | None = None
    """Unix seconds from which both are compared."""
    until: float | None = None
    rows: tuple[ComparisonRow, ...] = ()
    dims: tuple[str, ...] = ()
    """What the mix is adjusted for."""
