"""A `Filter` as SQL text: every value becomes a literal, every name must be known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from analysis.cuts import parse_stretch
from analysis.evidence import NULL_TEXT
from analysis.filters import And, Eq, Filter, In, Match, Not, Null, Or, Range, Same, Scalar, fields_of
from connectors.base import MissingDataError
from connectors.dialect import MICROS, Dialect

Kind = Literal["time", "number", "text"]


def where_sql(where: Filter, kinds: Mapping[str, Kind], dialect: Dialect) -> str:
    """A boolean expression over the canonical columns.

    A number field compares with numbers and stretches such as `12..120`, `ts` with unix seconds, everything else as
    text. `Not` keeps the rows where its part is null.

    Raises:
        MissingDataError: the filter names a field that the store does not have.
    """
    unknown = sorted(fields_of(where) - kinds.keys())
    if unknown:
        raise MissingDataError(f"the log has no field {unknown[0]!r}", hint="fields: " + ", ".join(sorted(kinds)[:60]))
    return _render(where, kinds, dialect)


def _render(where: Filter, kinds: Mapping[str, Kind], d: Dialect) -> str:
    match where:
        case And(parts):
            return "(" + " AND ".join(_render(part, kinds, d) for part in parts) + ")" if parts else "TRUE"
        case Or(parts):
            return "(" + " OR ".join(_render(part, kinds, d) for part in parts) + ")" if parts else "FALSE"
        case Not(part):
            return f"(NOT coalesce({_render(part, kinds, d)}, FALSE))"
        case Null(field):
            return f"({d.ident(field)} IS NULL)"
        case Eq(field, value):
            return _one_of(field, (value,), kinds[field], d)
        case In(field, values):
            return _one_of(field, values, kinds[field], d)
        case Range(field, low, high):
            return _between(field, low, high, kinds[field], d)
        case Match(field, pattern):
            if not _encodable(pattern):
                return "FALSE"
            name = d.ident(field)
            return f"({d.matches(name if kinds[field] == 'text' else d.as_text(name), pattern)})"
        case Same(field, other):
            return equal_sql(field, other, kinds, d)


def equal_sql(a: str, b: str, kinds: Mapping[str, Kind], d: Dialect) -> str:
    """Whether two fields hold the same value; null when one is null or, beside a number, is no number."""
    x, y = d.ident(a), d.ident(b)
    if {kinds[a], kinds[b]} == {"text", "number"}:
        x, y = (d.as_double(name) if kinds[field] == "text" else name for field, name in ((a, x), (b, y)))
    elif "time" in (kinds[a], kinds[b]) and kinds[a] != kinds[b]:
        return "FALSE"
    return f"({x} = {y})"


def _one_of(field: str, values: tuple[Scalar, ...], kind: Kind, d: Dialect) -> str:
    name = d.ident(field)
    if kind == "text":
        texts = [text for text in (text_of(value) for value in values) if _encodable(text)]
        tests = [f"{name} IN ({', '.join(d.text(text) for text in texts)})"] if texts else []
        # Engines differ in what null IN (...) is; OR IS NULL is true for the nulls in all of them.
        if NULL_TEXT in texts:
            tests = [f"{tests[0]} OR {name} IS NULL"]
        return f"({tests[0]})" if tests else "FALSE"
    numbers = [number for number in (_number(value) for value in values) if number is not None]
    if kind == "time":
        return f"({name} IN ({', '.join(str(round(n * MICROS)) for n in numbers)}))" if numbers else "FALSE"
    tests = [f"{name} IN ({', '.join(d.number(n) for n in numbers)})"] if numbers else []
    for text in (value for value in values if isinstance(value, str)):
        ends = parse_stretch(text)
        tests += [_between(field, *ends, kind, d)] if ends is not None else []
        tests += [f"{name} IS NULL"] if text == NULL_TEXT else []
    return f"({' OR '.join(tests)})" if tests else "FALSE"


def _between(field: str, low: float | None, high: float | None, kind: Kind, d: Dialect) -> str:
    name = d.ident(field)
    if any(bound is not None and math.isnan(bound) for bound in (low, high)):
        return "FALSE"
    if low == math.inf or high == -math.inf:
        return "FALSE"
    bounds = [(">=", low), ("<", high)]
    limits = [(op, bound) for op, bound in bounds if bound is not None and math.isfinite(bound)]
    if kind == "time":
        tests = [f"{name} {op} {math.ceil(bound * MICROS)}" for op, bound in limits]
        return "(" + " AND ".join([*tests, f"{name} IS NOT NULL"]) + ")"
    x = d.as_double(name) if kind == "text" else name
    # Engines order NaN above every number; here it belongs to no range.
    tests = [f"{x} {op} {d.number(bound)}" for op, bound in limits]
    return "(" + " AND ".join([*tests, f"NOT {d.nan(x)}"]) + ")"


def text_of(value: Scalar) -> str:
    """A value as the text that string fields and category labels hold: 5 for 5.0, true for True."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _number(value: Scalar) -> float | None:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _encodable(text: str) -> bool:
    """A lone surrogate is in no UTF-8 log, and no engine takes it."""
    return not any("\ud800" <= char <= "\udfff" for char in text)
