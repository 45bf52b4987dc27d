"""Segment questions to metrics: which labels carry the errors, the slow requests or the traffic of a model.

Series are rows that were counted already, so a cube is their growth over the asked time by label set. A bucket of a
histogram tells how many requests were slower than its edge; no threshold between two edges can be asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.evidence import Cube, Key
from analysis.filters import ALL, And, Eq, Filter, In, Not, Null, Or, Range, fields_of
from analysis.view import Window
from connectors.base import MissingDataError
from connectors.metric_evidence import key_of
from connectors.presets import Matcher
from connectors.promql import union
from connectors.selectors import alternatives
from connectors.signals import LATENCY_SUM, TRAFFIC, Plan, Query
from connectors.sqlcube import fold

COUNTED = (*TRAFFIC, LATENCY_SUM)
"""Signals that are counts of requests: a filter applies to all of them or none."""
VERSION = "version"
_APART = frozenset({"__name__", "le", "term"})
"""Labels that tell parts of one count apart."""

Names = Mapping[str, frozenset[str]]
"""Metric -> the label names of its series."""


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much one series grew."""

    labels: Mapping[str, str]
    value: float


Grown = Callable[[Query, float], Awaitable[Sequence[Growth]]]
"""(counter or histogram, edge in the query's own unit) -> growth of each series, by its own labels.

Of a histogram at least the buckets `+Inf` and the one nearest to the edge.
"""


def dims_of(plan: Plan, names: Names) -> dict[str, str]:
    """Dimension -> label name, of the labels that the requests carry; `version` stands for a label of its class."""
    requests = [query for query in plan.queries if query.signal == "requests" and query.metrics]
    requests = requests or [query for query in plan.queries if query.signal == "latency" and query.metrics]
    found: dict[str, str] = {}
    for query in requests:
        known = frozenset[str]().union(*(names.get(metric, frozenset()) for metric in query.metrics))
        version = next((label for label in query.labels.get(VERSION, ()) if label in known), None)
        if version is not None:
            found.setdefault(VERSION, version)
        told = {version, *query.labels.get("model", ()), *_APART}
        found |= {label: label for label in sorted(known - told) if label not in found}
    return found


def model_label(plan: Plan, names: Names) -> str:
    """The label of the requests that names their model; `model` where none is known to."""
    counted = [query for query in plan.queries if query.signal in ("requests", "latency") and query.metrics]
    known = (
        label
        for query in counted
        for label in query.labels.get("model", ())
        if all(label in names.get(metric, ()) for metric in query.metrics)
    )
    return next(known, "model")


def narrowed(plan: Plan, where: Filter, names: Names) -> Plan:
    """The plan over the series that meet a filter; signals whose series lack one of its labels are left out.

    Raises:
        MissingDataError: the filter is not one of labels, or the requests lack one of them.
    """
    if where == ALL:
        return plan
    dims = dims_of(plan, names)
    chosen, left_out = alternatives(where, dims)
    if left_out:
        raise MissingDataError("metrics cannot be filtered by", " ".join(left_out), "only by their labels")
    labels = frozenset(matcher.label for selector in chosen for matcher in selector)
    unknown = labels - set(dims.values())
    if unknown:
        raise MissingDataError("the metrics have no label", ", ".join(sorted(unknown)))
    # A gauge without the label cannot say of which part it is.
    present = tuple(Matcher(label, "!=", "") for label in sorted(labels))
    queries = []
    for query in plan.queries:
        if query.expr:
            continue
        if query.signal not in COUNTED:
            over = (*query.over_where, *present) if query.over else ()
            queries.append(replace(query, where=(*query.where, *present), over_where=over, any_of=chosen))
        elif all(labels <= names.get(metric, frozenset()) for metric in query.metrics):
            queries.append(replace(query, any_of=chosen))
    return replace(plan, queries=tuple(queries))


def count_promql(plan: Plan, names: Names, model: str, where: Filter, window: Window, extra: Sequence[Matcher]) -> str:
    """PromQL that counts the requests of a model which meet a filter, over a window, whenever it is asked.

    Args:
        extra: matchers that every selector carries.

    Raises:
        MissingDataError: the filter is not one of labels, or requests are not counted.
    """
    for query in narrowed(plan, where, names).queries:
        if query.signal == "requests" and query.terms and not query.expr:
            metric = query.metrics[0]
            label = next((name for name in query.labels.get("model", ()) if name in names.get(metric, ())), None)
            own = (Matcher(label, "=", model),) if label is not None else ()
            wrap = f"increase({{}}[{window.length}s] @ {window.end})".format
            return f"sum({union(metric, (*query.where, *extra, *own), query.any_of, wrap)})"
    raise MissingDataError("no request counter", "", "requests are not counted by these metrics")


async def label_cube(plan: Plan, model: str, outcome: Filter | None, grown: Grown) -> Cube:
    """Requests of a model, and those with the outcome, per label set; `outcome` None counts requests alone.

    Raises:
        MissingDataError: no counter or histogram tells the outcome.
    """
    if outcome is None:
        return _cube([one.row for one in await _requests(plan, grown) if one.model == model], [], ())
    if isinstance(outcome, Range) and outcome.field == "latency_ms":
        return await _slow(plan, model, outcome, grown)
    if fields_of(outcome) == {"error_type"}:
        return await _failed(plan, model, outcome, grown)
    fields = ", ".join(sorted(fields_of(outcome)))
    raise MissingDataError("not in the metrics", fields, "a log source can tell segments of it")


def nearest_edge(texts: Iterable[str], edge: float) -> str | None:
    """The `le` label whose finite edge lies nearest to `edge` on a log scale; None when there is none."""
    known = {text: value for text in texts if (value := _number(text)) is not None and value > 0}
    return min(known, key=lambda text: abs(math.log(known[text] / edge)), default=None) if edge > 0 else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class _Of:
    """Growth of one series of one model."""

    model: str
    row: Growth


async def _rows(query: Query, requests: Iterable[Key], grown: Grown, edge: float = 1.0) -> list[_Of]:
    """Growth of the series of a query, each with its model and its labels by dimension."""
    known = tuple(requests)
    return [
        _Of(key_of(query, row.labels, known)[0], Growth(_named(query, row.labels), row.value))
        for row in await grown(query, edge)
    ]


async def _requests(plan: Plan, grown: Grown) -> list[_Of]:
    """Requests of every model by label sets: counted as such, else as observations of latency."""
    counted = [query for query in plan.queries if query.signal == "requests" and query.terms]
    if counted:
        return [one for query in counted for one in await _rows(query, (), grown)]
    return [
        one
        for query in plan.queries
        if query.signal == "latency" and query.kind == "histogram" and query.terms
        for one in await _rows(query, (), grown)
        if _infinite(one.row)
    ]


def _named(query: Query, labels: Mapping[str, str]) -> dict[str, str]:
    """Labels of a series by dimension: without those of the model, and the version under its own name."""
    version = next((label for label in query.labels.get(VERSION, ()) if labels.get(label)), None)
    left = {*query.labels.get("model", ()), version, "__name__", "term"}
    named = {name: value for name, value in labels.items() if name not in left}
    return {**named, VERSION: labels[version]} if version is not None else named


async def _slow(plan: Plan, model: str, outcome: Range, grown: Grown) -> Cube:
    edge_ms = outcome.low if outcome.low is not None else outcome.high
    queries = [query for query in plan.queries if query.signal == "latency" and query.kind == "histogram"]
    queries = [query for query in queries if query.terms]
    if not queries or edge_ms is None:
        raise MissingDataError("no latency histogram", "", "segments of latency need buckets")
    everything: list[Growth] = []
    hits: list[Growth] = []
    for query in queries:
        edge = edge_ms / query.scale
        rows = [one.row for one in await _rows(query, (), grown, edge) if one.model == model]
        text = nearest_edge((row.labels.get("le", "") for row in rows), edge)
        below = [row for row in rows if text is not None and row.labels.get("le") == text]
        total = [row for row in rows if _infinite(row)]
        everything += total
        # Slower than the edge are all but those below it.
        slower = [*total, *(Growth(row.labels, -row.value) for row in below)]
        hits += slower if outcome.low is not None else below
    return _cube(everything, hits, (outcome,))


def _infinite(row: Growth) -> bool:
    return row.labels.get("le", "").lstrip("+").lower() == "inf"


async def _failed(plan: Plan, model: str, outcome: Filter, grown: Grown) -> Cube:
    queries = [query for query in plan.queries if query.signal == "errors" and query.terms]
    if not queries:
        raise MissingDataError("no error counter", "", "segments of errors need one")
    requests = await _requests(plan, grown)
    models = {(one.model, "") for one in requests}
    kinds = frozenset(label for query in queries for label in query.labels.get("error", ()))
    hits: list[Growth] = []
    for query in queries:
        keep, fault = re.compile(query.keep), re.compile(query.fault)
        for one in await _rows(query, models, grown):
            kind = query.fold(one.row.labels).get("error", "error")
            if one.model == model and keep.fullmatch(kind) and _is(outcome, kind, fault):
                hits.append(Growth(_without(one.row.labels, kinds), one.row.value))
    own = [Growth(_without(one.row.labels, kinds), one.row.value) for one in requests if one.model == model]
    return _cube(own, hits, (outcome,))


def _without(labels: Mapping[str, str], left: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name not in left}


def _is(outcome: Filter, kind: str, fault: re.Pattern[str]) -> bool:
    """Whether an error of a kind has the outcome; "any error" means those that are the server's fault.

    Raises:
        MissingDataError: the outcome asks for more than a kind.
    """
    match outcome:
        case Not(Null()):
            return fault.fullmatch(kind) is not None
        case Eq(_, value):
            return kind == str(value)
        case In(_, values):
            return kind in map(str, values)
        case Or(parts):
            return any(_is(part, kind, fault) for part in parts)
        case And(parts):
            return all(_is(part, kind, fault) for part in parts)
    raise MissingDataError("not in the metrics", str(outcome))


def _cube(rows: Sequence[Growth], hits: Sequence[Growth], outcomes: tuple[Filter, ...]) -> Cube:
    """Growth by label set as a cube over the labels that rows and hits share."""
    dims = {name for row in rows for name in row.labels} - _APART
    if hits:
        dims &= {name for row in hits for name in row.labels}
    names = tuple(sorted(dims))
    n: dict[tuple[str, ...], list[float]] = {}
    for column, part in enumerate((rows, hits)):
        for row in part:
            n.setdefault(tuple(row.labels.get(name, "") for name in names), [0.0, 0.0])[column] += row.value
    # Counters are read a moment apart and extrapolated: what is left of their difference is noise.
    counted = [(key, max(total, hit, 0.0), max(hit, 0.0)) for key, (total, hit) in n.items()]
    columns = [[key[i] or None for key, *_ in counted] for i in range(len(names))]
    hit_columns = [[hit for *_, hit in counted]] if outcomes else []
    return fold(names, columns, [total for _, total, _ in counted], hit_columns, outcomes)
