"""A filter as PromQL label matchers, for an engineer to paste; what PromQL cannot say is named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.filters import And, Eq, Filter, In, Match, Not, Null, format_filter
from connectors.presets import Matcher
from connectors.sqlfilter import NULL_TEXT, text_of


@dataclass(frozen=True, slots=True)
class Selector:
    """`{region="eu-w1"}` and the parts of the filter that have no form in it."""

    text: str
    left_out: tuple[str, ...]


def selector(where: Filter, labels: Mapping[str, str] | None = None) -> Selector:
    """The filter as a PromQL selector without a metric name.

    Args:
        labels: field -> label that holds it, where they differ.
    """
    found, left_out = matchers(where, labels)
    return Selector("{" + ",".join(map(str, found)) + "}", left_out)


def matchers(where: Filter, labels: Mapping[str, str] | None = None) -> tuple[tuple[Matcher, ...], tuple[str, ...]]:
    """The filter as label matchers, and the parts of it that have no form in them; `labels` as in `selector`."""
    found: list[Matcher] = []
    left_out: list[str] = []
    for part in where.parts if isinstance(where, And) else (where,):
        matcher = _matcher(part, labels or {})
        if matcher is None:
            left_out.append(format_filter(part))
        else:
            found.append(matcher)
    return tuple(found), tuple(left_out)


def _matcher(part: Filter, labels: Mapping[str, str]) -> Matcher | None:
    negated = isinstance(part, Not)
    inner = part.part if isinstance(part, Not) else part
    equal, like = ("!=", "!~") if negated else ("=", "=~")
    match inner:
        case Eq(field, value):
            text = text_of(value)
            return Matcher(_label(field, labels), equal, "" if text == NULL_TEXT else text)
        case Null(field):
            return Matcher(_label(field, labels), equal, "")
        case In(field, values):
            return Matcher(_label(field, labels), like, "|".join(re.escape(text_of(value)) for value in values))
        case Match(field, pattern):
            # A filter's pattern matches anywhere in the value, PromQL's the whole of it.
            return Matcher(_label(field, labels), like, f".*(?:{pattern}).*")
    return None


def _label(field: str, labels: Mapping[str, str]) -> str:
    return labels.get(field, re.sub(r"[^A-Za-z0-9_]", "_", field))
