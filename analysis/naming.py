"""Names for values that a histogram cannot name: bins say "unseen", a store knows which values those are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.answer import FeatureRow, Finding, Signal
from analysis.direction import CONSTANT_SHARE, number
from analysis.evidence import OTHER, UNSEEN, Bins, CategoryBins
from analysis.formats import format_fault
from analysis.out_of_scale import extremes_words
from analysis.words import percent

ASKED_VALUES = 10
"""Most frequent values that are asked for: two are shown, ten tell whether they differ from known ones in writing."""

SHOWN_VALUES = 2

FORMAT_SHARE = 0.5
"""Share of the unknown values from which a change of writing is what happened."""

STANDS_OUT = 5.0
"""A number that is this many times as frequent as the next most frequent one is a value of its own."""
LEAST_SHARE = 0.01

BEYOND = ("out_of_range", "clipping")
"""Checks of numbers that an open bin holds: only a store knows whether they are all one and the same."""

NAMED_CHECKS = frozenset({"", "unseen_category", "out_of_range", "clipping"})


@dataclass(frozen=True, slots=True)
class ValueNames:
    """The most frequent values of the rows behind a finding."""

    top: tuple[tuple[str, float], ...]
    """(value, rows), the most frequent first; at most `ASKED_VALUES`."""
    rows: float
    """All rows of the window that was asked about."""
    bins: Bins
    extremes: tuple[float, float] | None = None
    """The smallest and the largest of the values, where these are asked for in place of the most frequent."""


def wants_names(finding: Finding) -> bool:
    """Whether the values behind a finding say more than its bins."""
    return finding.signal in (Signal.FEATURE, Signal.QUALITY) and finding.check in NAMED_CHECKS


def named_finding(finding: Finding, names: ValueNames) -> Finding:
    """The finding with its values by name; a mere change of writing becomes the check `format`."""
    if names.extremes is not None:
        return replace(finding, title=f"{finding.title}, {extremes_words(*names.extremes)}")
    if not isinstance(names.bins, CategoryBins):
        value = _outstanding(names)
        if value is not None and finding.check in BEYOND and names.top[0][1] >= CONSTANT_SHARE * names.rows:
            return replace(finding, check="constant", title=f"{finding.subject} constant at {value}")
        plain = value is None or f"at {value} " in f"{finding.title} "
        if finding.check == "clipping" and not plain:
            return replace(finding, title=f"{finding.subject} clipped at {value}")
        return finding if plain else replace(finding, title=f"{finding.title} (many are {value})")
    fault = _format(names)
    if finding.check == "unseen_category":
        if fault is not None:
            title = f"{finding.subject} format: {fault}, {percent(finding.now)} of values"
            return replace(finding, check="format", title=title)
        before = f"{percent(finding.baseline)} -> " if finding.baseline else ""
        return replace(finding, title=f"{finding.subject} new: {_listed(names)} {before}{percent(finding.now)}")
    return replace(finding, title=_with_names(finding.title, names, fault))


def named_row(row: FeatureRow, names: ValueNames) -> FeatureRow:
    """The row of the feature with its values by name."""
    if not isinstance(names.bins, CategoryBins):
        return row
    fault = _format(names)
    if fault is not None and row.unseen > 0:
        return replace(row, state="format" if row.state == "unseen_category" else row.state, direction=fault)
    return replace(row, direction=_with_names(row.direction, names, fault))


def _with_names(text: str, names: ValueNames, fault: str | None) -> str:
    """A sentence about unseen or other values, with the values themselves."""
    told = fault or _listed(names)
    return text.replace("unseen values", told).replace("other values", f"other values ({told})")


def _listed(names: ValueNames) -> str:
    """tiktok_v2, sms and 3 more."""
    values = [value for value, _ in names.top]
    if not values:
        return "unseen values"
    more = len(values) - SHOWN_VALUES
    rest = f" and {more} more" if more > 0 and len(values) < ASKED_VALUES else " and others" if more > 0 else ""
    return ", ".join(values[:SHOWN_VALUES]) + rest


def _format(names: ValueNames) -> str | None:
    """'FOOD' for 'food' (upper case), when most of the values are known ones in another writing."""
    known = [label for label in _labels(names.bins) if label not in (OTHER, UNSEEN)]
    total = sum(n for _, n in names.top)
    found = [(n, value, fault) for value, n in names.top if (fault := format_fault(value, known)) is not None]
    if not found or sum(n for n, _, _ in found) < FORMAT_SHARE * total:
        return None
    _, value, (kind, name) = max(found, key=lambda item: item[0])
    return f"'{value}' for '{name}' ({kind})"


def _labels(bins: Bins) -> Sequence[str]:
    return bins.labels if isinstance(bins, CategoryBins) else ()


def _outstanding(names: ValueNames) -> str | None:
    """The one number that many of the rows have; None where no number stands out."""
    counts = [n for _, n in names.top]
    if not counts or counts[0] < LEAST_SHARE * names.rows or (len(counts) > 1 and counts[0] < STANDS_OUT * counts[1]):
        return None
    return number(float(names.top[0][0]))
