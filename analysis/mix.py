"""How traffic moved: the share of each value before and now, and what of a rate's change that makes."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.answer import PanelStatus


@dataclass(frozen=True, slots=True)
class MixRow:
    """One value of one dimension."""

    where: tuple[tuple[str, str], ...]
    share_before: float
    share_now: float
    n: float
    """Rows of the window."""
    rate_before: float | None = None
    """Rate of its rows in the baseline; None where it had none, or where the finding is about the rows themselves."""
    rate_now: float | None = None
    part: float | None = None
    """Share of the change of the rate of all rows that the moved share makes; below 0 where it works against it."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Values of a dimension that took over from others: at most a few rows have the same value before and now."""

    dim: str
    before: str
    """The largest value of those that left."""
    now: str
    """The largest value of those that came."""


@dataclass(frozen=True, slots=True)
class Mix:
    """The answer to "did the traffic move, or the rates"."""

    status: PanelStatus
    model: str = ""
    title: str = ""
    rate_before: float | None = None
    rate_now: float | None = None
    """Rates of all rows of the model; None where the finding is about the rows themselves."""
    part: float | None = None
    """Share of the rate's change that the dimension whose shares explain most makes."""
    dim: str = ""
    """That dimension."""
    n: float = 0.0
    n_baseline: float = 0.0
    replaced: Replaced | None = None
    """Where one was replaced: what the moved rows make of the change then cannot be told from what the values make."""
    rows: tuple[MixRow, ...] = ()
    """Those of the dimension that moved most come first."""
