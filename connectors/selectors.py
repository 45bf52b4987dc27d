"""A filter as PromQL label matchers, for a query or for an engineer to paste; what PromQL cannot say is named.

Matchers side by side must all hold, and there is no "or" between them. `not (region=eu-w1 tier=free)` is therefore
several selectors, of which a series has to meet one: `{region!="eu-w1"}` or `{tier!="free"}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from analysis.evidence import NULL_TEXT
from analysis.filters import And, Eq, Filter, In, Match, Not, Null, Or, format_filter
from connectors.presets import Alternatives, Matcher
from connectors.sqlfilter import text_of

MAX_ALTERNATIVES = 32
"""Selectors of one filter; each is read from the server for every metric."""


@dataclass(frozen=True, slots=True)
class Selector:
    """`{region="eu-w1"}`, with `or` between alternatives, and the parts of the filter that have no form in it."""

    text: str
    left_out: tuple[str, ...]


def selector(where: Filter, labels: Mapping[str, str] | None = None) -> Selector:
    """The filter as PromQL selectors without a metric name.

    Args:
        labels: field -> label that holds it, where they differ.
    """
    found, left_out = alternatives(where, labels)
    return Selector(" or ".join("{" + ",".join(map(str, matchers)) + "}" for matchers in found), left_out)


def alternatives(where: Filter, labels: Mapping[str, str] | None = None) -> tuple[Alternatives, tuple[str, ...]]:
    """Selectors of which a series has to meet one, and the parts of the filter that have no form in them.

    Args:
        labels: as in `selector`.
    """
    found: Alternatives = ((),)
    left_out: list[str] = []
    for part in where.parts if isinstance(where, And) else (where,):
        said = _selectors(part, labels or {}, negated=False)
        both = _all_of((found, said)) if said else ()
        if both and len(both) <= MAX_ALTERNATIVES:
            found = both
        else:
            left_out.append(format_filter(part))
    return found, tuple(left_out)


def _selectors(part: Filter, labels: Mapping[str, str], *, negated: bool) -> Alternatives:
    """The disjunctive normal form of a part or of its opposite; empty where it has none or too many terms."""
    match part:
        case Not(inner):
            return _selectors(inner, labels, negated=not negated)
        case And(parts) | Or(parts):
            each = [_selectors(inner, labels, negated=negated) for inner in parts]
            if not all(each):
                return ()
            if isinstance(part, And) is not negated:
                return _all_of(each)
            return tuple(dict.fromkeys(term for terms in each for term in terms))
    matcher = _matcher(part, labels, negated=negated)
    return ((matcher,),) if matcher is not None else ()


def _all_of(parts: Iterable[Alternatives]) -> Alternatives:
    """Every choice of one selector from each part; those that another choice makes superfluous are left out."""
    chosen: Alternatives = ((),)
    for part in parts:
        joined = dict.fromkeys(tuple(dict.fromkeys((*a, *b))) for a, b in product(chosen, part))
        chosen = tuple(one for one in joined if not any(set(other) < set(one) for other in joined))
        if len(chosen) > MAX_ALTERNATIVES:
            return ()
    return chosen


def _matcher(part: Filter, labels: Mapping[str, str], *, negated: bool) -> Matcher | None:
    equal, like = ("!=", "!~") if negated else ("=", "=~")
    match part:
        case Eq(field, value):
            text = text_of(value)
            return Matcher(_label(field, labels), equal, "" if text == NULL_TEXT else text)
        case Null(field):
            return Matcher(_label(field, labels), equal, "")
        case In(field, values):
            texts = [text_of(value) for value in values]
            listed = "|".join("" if text == NULL_TEXT else re.escape(text) for text in texts)
            return Matcher(_label(field, labels), like, listed)
        case Match(field, pattern):
            # A filter's pattern matches anywhere in the value, PromQL's the whole of it.
            return Matcher(_label(field, labels), like, f".*(?:{pattern}).*")
    return None


def _label(field: str, labels: Mapping[str, str]) -> str:
    return labels.get(field, re.sub(r"[^A-Za-z0-9_]", "_", field))
