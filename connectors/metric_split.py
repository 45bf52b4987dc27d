"""A split of metrics: the traffic of one model by the values of a label, the most frequent apart and the rest summed.

Each counter is asked twice: grouped by the label over the series of the named values, and ungrouped over all others. So
a label of thousands of values costs what one of eight does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.evidence import NULL_TEXT, OTHER, Fetched, MetricEvidence, Traffic
from analysis.filters import Filter, In, Not, conjunction
from connectors.base import By, MissingDataError
from connectors.metric_evidence import Answers, Row
from connectors.metric_segments import COUNTED, VERSION, Names, dims_of, narrowed
from connectors.presets import Matcher
from connectors.signals import Plan, Query


@dataclass(frozen=True, slots=True)
class Part:
    """One counter or histogram of a split."""

    asked: Query
    read_as: Query
    """The same with the split's label in place of the version."""
    label: str
    values: tuple[str, ...]
    """Values that keep their own name; none of the part that sums the rest."""

    def named(self, rows: Sequence[Row]) -> list[Row]:
        """The rows with the name of their part under the label."""
        return [Row({**row.labels, self.label: self._name(row.labels)}, row.v) for row in rows]

    def _name(self, labels: Mapping[str, str]) -> str:
        value = labels.get(self.label) or NULL_TEXT
        return value if value in self.values else OTHER


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """What is asked for a split, and how the answers are read."""

    plan: Plan
    parts: tuple[Part, ...]

    @property
    def asked(self) -> tuple[Query, ...]:
        """The questions, one per part."""
        return tuple(part.asked for part in self.parts)

    def told(self, answers: Answers) -> Answers:
        """The answers to `asked`, as questions by (model, value)."""
        return [(part.read_as, part.named(rows)) for part, (_, rows) in zip(self.parts, answers, strict=True)]


def split_plan(plan: Plan, names: Names, model: str, by: By, where: Filter) -> SplitPlan:
    """Requests, errors and latency of a model by the values of a dimension; what lacks its label is left out.

    Raises:
        MissingDataError: the requests do not carry the label, or the filter is not one of labels.
    """
    dims = dims_of(plan, names)
    if by.field not in dims:
        raise MissingDataError("the metrics have no label", by.field, f"they have {', '.join(sorted(dims))}")
    label, among = dims[by.field], In(by.field, by.values)
    apart = _counted(narrowed(plan, conjunction(where, among), names)) if by.values else ()
    rest = _counted(narrowed(plan, conjunction(where, Not(among)) if by.values else where, names))
    own = _of_model(rest, names, model)
    parts = []
    for queries, values in ((apart, by.values), (rest, ())):
        for query in queries:
            others = {name: labels for name, labels in query.labels.items() if name != VERSION}
            read_as = replace(query, labels={**others, VERSION: (label,)})
            asked = read_as if values else replace(query, labels=others)
            chosen = own.get(query.metrics, ())
            parts.append(Part(replace(asked, where=(*asked.where, *chosen)), read_as, label, values))
    return SplitPlan(replace(plan, queries=tuple(part.read_as for part in parts)), tuple(parts))


def counted(fetched: Fetched[MetricEvidence]) -> Fetched[Traffic]:
    """The traffic of an answer.

    Raises:
        MissingDataError: no requests were counted.
    """
    traffic = fetched.value.traffic
    if traffic is None:
        raise MissingDataError("no requests are counted by this label")
    return Fetched(traffic, fetched.query, fetched.elapsed_s, fetched.rows, fetched.warnings)


def _counted(plan: Plan) -> tuple[Query, ...]:
    """What counts requests, and can be told apart by a label: no quantiles that a server computed."""
    return tuple(query for query in plan.queries if query.signal in COUNTED and query.kind != "summary")


def _of_model(queries: Sequence[Query], names: Names, model: str) -> dict[tuple[str, ...], tuple[Matcher, ...]]:
    """Metrics of a query -> the matcher of the model; nothing where one counter does not know whose requests it counts.

    Such a counter belongs to the only model there is, which can be told while all of them are asked for.
    """
    found: dict[tuple[str, ...], tuple[Matcher, ...]] = {}
    for query in queries:
        known = [
            name
            for name in query.labels.get("model", ())
            if all(name in names.get(metric, ()) for metric in query.metrics)
        ]
        if len(known) != 1:
            return {}
        found[query.metrics] = (Matcher(known[0], "=", model),)
    return found
