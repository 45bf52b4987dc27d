"""Which values are behind the findings about features: asked of the stores for findings alone, and kept for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analysis.filters import Eq, Not, conjunction

if TYPE_CHECKING:
    from analysis.answer import Finding, FindingKey, Snapshot
    from analysis.cases import Case
    from analysis.naming import ValueNames
    from tui.feeds import LogFeed
    from tui.question import Question

NAMED = 8
"""Findings whose values are asked for; the list shows as many without scrolling."""

NAMES_EVERY_S = 30.0
"""How long the values of a finding are trusted while it stands."""


@dataclass(frozen=True, slots=True)
class Named:
    """The values behind one finding, and when they were asked for."""

    at: float
    case: Case
    names: ValueNames


class FeatureValues:
    """The names of values, by finding."""

    def __init__(self) -> None:
        self.known: Mapping[FindingKey, Named] = {}

    def told(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the values by name, in the list and in the features panel."""
        from analysis.naming import named_row

        known = self.known
        if not known:
            return snapshot
        findings = tuple(self.named(finding) for finding in snapshot.findings)
        focus = {key[2]: found.names for key, found in known.items() if key[1] == snapshot.focus}
        rows = tuple(
            named_row(row, focus[row.feature]) if row.feature in focus else row for row in snapshot.features.rows
        )
        return replace(snapshot, findings=findings, features=replace(snapshot.features, rows=rows))

    def named(self, finding: Finding) -> Finding:
        """One finding with its values by name, where they are known."""
        from analysis.naming import named_finding

        found = self.known.get(finding.key)
        return finding if found is None else named_finding(finding, found.names)

    async def look(self, feeds: Sequence[LogFeed], cases: Sequence[Case], question: Question, now: float) -> bool:
        """Ask for the values behind the first findings about features; True when the answer changes by it.

        Raises:
            SourceError: a store could not answer; what was known before is kept.
        """
        from analysis.naming import wants_names

        wanted = [case for case in cases if case.outcome is not None and wants_names(case.finding)][:NAMED]
        before = self.known
        kept = {case.finding.key: before[case.finding.key] for case in wanted if case.finding.key in before}
        for case in wanted:
            known = kept.get(case.finding.key)
            if known is not None and known.case.outcome == case.outcome and now - known.at <= NAMES_EVERY_S:
                continue
            names = await _asked(feeds, case, question)
            if names is not None:
                kept[case.finding.key] = Named(now, case, names)
        # A view that changed meanwhile has forgotten what was known, and must not hear the old answer.
        if self.known is not before:
            return False
        self.known = kept
        return {key: one.names for key, one in before.items()} != {key: one.names for key, one in kept.items()}


async def _asked(feeds: Sequence[LogFeed], case: Case, question: Question) -> ValueNames | None:
    """The most frequent values among the rows of a case, from the store that logs the feature for its model.

    Of the confidence the outermost ones: any value outside 0..1 is as wrong as another.
    """
    from analysis.naming import ASKED_VALUES, ValueNames
    from analysis.out_of_scale import SUBJECT
    from analysis.slices import key_index, model_histogram, window_sum

    name, model = case.finding.subject, case.finding.model
    for feed in feeds:
        known = feed.evidence
        histogram = None if known is None else known.confidence if name == SUBJECT else known.features.get(name)
        if histogram is None or case.outcome is None or feed.schema is None:
            continue
        if not key_index(histogram.keys, model=model).size:
            continue
        where = conjunction(question.where, case.outcome)
        if "model" in feed.schema.fields:
            where = conjunction(where, Eq("model", model))
        if question.version is not None:
            where = conjunction(where, Not(Eq("version", question.version)))
        if name == SUBJECT:
            extremes = (await feed.store.extremes((case.window,), name, where)).value
            return ValueNames((), 0.0, histogram.bins, extremes)
        top = (await feed.store.top_values((case.window,), name, where, ASKED_VALUES)).value
        own = model_histogram(histogram, model)
        rows = float(window_sum(own.t, own.n[:, 0].sum(axis=1) + own.null[:, 0], case.window))
        return ValueNames(top, rows, own.bins)
    return None
