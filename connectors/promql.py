"""PromQL from queries: one expression per signal, grouped by model, never one per model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connectors.presets import Alternatives, Matcher
from connectors.signals import Query

RATE_SCRAPES = 4
"""A rate needs this many scrapes in its window to survive missed ones (Grafana's $__rate_interval)."""


@dataclass(frozen=True, slots=True)
class Step:
    """Bucket width and the interval between samples, both in seconds."""

    seconds: int
    scrape_s: float = 15.0

    @property
    def window(self) -> int:
        """Range of `increase` and `rate`: the bucket itself, or four scrapes when a bucket holds fewer."""
        return max(self.seconds, round(RATE_SCRAPES * self.scrape_s))

    @property
    def factor(self) -> float:
        """What an increase over `window` is multiplied by to become an increase per bucket."""
        return self.seconds / self.window


def render(query: Query, step: Step, extra: Sequence[Matcher] = ()) -> str:
    """The expression whose value at the end of a bucket is the query's value of that bucket.

    Args:
        extra: matchers that every selector carries.
    """
    group = ",".join(_name(label) for label in query.group)
    where, over_where, any_of = (*query.where, *extra), (*query.over_where, *extra), query.any_of

    def increase(selector: str) -> str:
        return f"increase({selector}[{step.window}s])"

    if query.expr:
        return _fill(query.expr, group, ",".join(map(str, extra)), step)
    by = f"by ({group})"
    match query.kind:
        case "counter":
            return f"sum {by} ({_sum(query.terms, where, any_of, increase)}){_times(step.factor)}"
        case "histogram":
            name = query.terms[0][1] + ("" if query.native else "_bucket")
            by = by if query.native else f"by ({','.join(filter(None, ('le', group)))})"
            return f"sum {by} ({union(name, where, any_of, increase)}){_times(step.factor)}"
        case "rate":
            return f"sum {by} ({_sum(query.terms, where, any_of, lambda s: f'rate({s}[{step.window}s])')})"
        case "mean":
            top = _sum(query.terms, where, any_of, increase)
            bottom = _sum(query.over, over_where, any_of, increase)
            return f"sum {by} ({top}) / sum {by} ({bottom})"
        case "summary":
            by = f"by ({','.join(filter(None, ('quantile', group)))})"
            return f"max {by} ({union(query.terms[0][1], where, any_of, str)})"
        case "changes":
            # One scrape more than the bucket: a change between two buckets lies between their samples.
            window = round(step.seconds + step.scrape_s)
            return f"sum {by} ({_sum(query.terms, where, any_of, lambda s: f'changes({s}[{window}s])')})"
    value = f"{query.agg} {by} ({_sum(query.terms, where, any_of, str)})"
    return f"{value} / {query.agg} {by} ({_sum(query.over, over_where, any_of, str)})" if query.over else value


def _sum(
    terms: Sequence[tuple[int, str]], where: Sequence[Matcher], any_of: Alternatives, wrap: Callable[[str], str]
) -> str:
    """Several metrics as one vector. The label keeps series apart that differ in nothing but the metric's name."""
    parts = [("" if sign > 0 else "-1 * ") + union(name, where, any_of, wrap) for sign, name in terms]
    if len(parts) == 1:
        return parts[0]
    return " or ".join(f'label_replace({part}, "term", "{i}", "", "")' for i, part in enumerate(parts))


def union(metric: str, where: Sequence[Matcher], any_of: Alternatives, wrap: Callable[[str], str]) -> str:
    """The series of a metric that meet one of the alternatives, each once: `or` leaves out what is there already."""
    vectors = [wrap(select(metric, (*where, *selector))) for selector in any_of]
    return vectors[0] if len(vectors) == 1 else f"({' or '.join(vectors)})"


def select(metric: str, where: Sequence[Matcher]) -> str:
    """A selector of one metric, which may have a name that needs quotes."""
    matchers = [str(matcher) for matcher in where]
    if re.fullmatch(r"[A-Za-z_:][A-Za-z0-9_:]*", metric):
        return metric + (f"{{{','.join(matchers)}}}" if matchers else "")
    return f"{{{','.join([str(Matcher('__name__', '=', metric)), *matchers])}}}"


def _name(label: str) -> str:
    return label if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", label) else f'"{label}"'


def _times(factor: float) -> str:
    return "" if factor == 1 else f" * {factor:.12g}"


def _fill(expr: str, group: str, selector: str, step: Step) -> str:
    """Plain replacement: PromQL is full of braces. A trailing comma before a brace or bracket is legal PromQL."""
    values = {"{by}": group, "{selector}": selector, "{window}": f"{step.window}s", "{step}": f"{step.seconds}s"}
    for placeholder, value in values.items():
        expr = expr.replace(placeholder, value)
    return expr
