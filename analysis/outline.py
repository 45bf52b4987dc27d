"""The list of findings as lines: what leads, what explains it, and what is folded away below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.answer import Finding, FindingKey, Signal

FELT = frozenset(
    {
        Signal.LATENCY,
        Signal.ERROR,
        Signal.CONFIDENCE,
        Signal.ACCURACY,
        Signal.CALIBRATION,
        Signal.AGREEMENT,
        Signal.BUSINESS,
    }
)
"""What users of a model get to feel; it stands above its causes."""


@dataclass(frozen=True, slots=True)
class OutlineRow:
    """A finding as a line of the list."""

    finding: Finding
    leads: bool
    hidden: int = 0
    """Findings of its story that are folded away below it."""
    also: tuple[str, ...] = ()
    """Other models of its story."""
    tag: str = ""
    """cause? or effect, for the line that explains a leader."""


def outline(findings: Sequence[Finding], unfolded: Iterable[FindingKey] | None = ()) -> tuple[OutlineRow, ...]:
    """The lines of the list: every leader, what explains it, and the folded rest of the stories in `unfolded`.

    Args:
        findings: as `told` orders them.
        unfolded: leaders whose stories are open; None opens all.
    """
    members: dict[FindingKey, list[Finding]] = {f.key: [] for f in findings if f.folded_into is None}
    for finding in findings:
        if finding.folded_into in members:
            members[finding.folded_into].append(finding)
    opened = set(members) if unfolded is None else set(unfolded)
    rows: list[OutlineRow] = []
    for lead in findings:
        if lead.key not in members:
            continue
        story = members[lead.key]
        explains = beside(lead, story)
        below = [f for f in story if f is not explains]
        shown = ([explains] if explains is not None else []) + (below if lead.key in opened else [])
        also = tuple(dict.fromkeys(f.model for f in story if f.model and f.model != lead.model))
        rows.append(OutlineRow(lead, True, 0 if lead.key in opened else len(below), also))
        rows += [OutlineRow(f, False, tag=_tag(lead, f)) for f in shown]
    return tuple(rows)


def _tag(lead: Finding, finding: Finding) -> str:
    if any(cause.key == finding.key for cause in lead.causes):
        return "cause?"
    return "effect" if any(cause.key == lead.key for cause in finding.causes) else ""


def beside(lead: Finding, story: Sequence[Finding]) -> Finding | None:
    """What stands next to a leader: its likeliest cause in its story; where it has none, what it did to users.

    Args:
        story: the other findings of its story, in their order.
    """
    members = {f.key: f for f in story}
    cause = next((cause.key for cause in lead.causes if cause.key in members), None)
    if cause is not None:
        return members[cause]
    return next((f for f in story if f.signal in FELT and any(c.key == lead.key for c in f.causes)), None)
