"""The filter: a small tree over canonical fields, dims and features.

The same tree selects rows (a drill-down), states an outcome (rows that are "bad") and crosses the border to the
stores, which bind or escape every value. `parse_filter` reads what an engineer types after `/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Eq:
    """field = value. Compared as text for string fields, as a number for numeric ones."""

    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """field is one of values."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """low <= field < high; either end may be open (None)."""

    field: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Null:
    """field is null (not logged)."""

    field: str


@dataclass(frozen=True, slots=True)
class Match:
    """field matches an RE2 regular expression anywhere."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Same:
    """field and other hold the same value; unknown where one of them is null."""

    field: str
    other: str


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold; the empty `And()` is the filter that selects everything."""

    parts: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds; the empty `Or()` selects nothing."""

    parts: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold. Rows where the part is unknown (null) are kept: not-eu includes "not logged"."""

    part: Filter


Filter = Eq | In | Range | Null | Match | Same | And | Or | Not

ALL: Filter = And()


class FilterError(ValueError):
    """The typed filter cannot be read; the message names the part and what would be valid."""


_FIELD = re.compile(r"[A-Za-z_][\w.\-]*")
_HEAD = r"\s*(?P<field>[A-Za-z_][\w.\-]*)\s*(?P<op>!=|<=|>=|=|!~|~|<|>)\s*"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_TERM = re.compile(rf'{_HEAD}(?P<value>{_QUOTED}|[^\s"]\S*)')
_INNER_TERM = re.compile(rf'{_HEAD}(?P<value>{_QUOTED}|[^\s"()][^\s()]*)')
"""A term in parentheses: there a value with parentheses must stand in quotes."""
_WORD = re.compile(r"\s*(or|not)(?=[\s(])(?!\s*[=!<>~])")


def parse_filter(text: str) -> Filter:
    """Read `region=eu-w1 tier!=free amount>=100 device~^ios merchant=null version=41,42`.

    Terms side by side must all hold; `or` stands between alternatives, `not (...)` negates, parentheses group.
    Operators: `=`, `!=`, `~` (regex), `!~`, `<`, `<=`, `>`, `>=`. A comma-separated value means "one of". `null` means
    "not logged", `12..120` of a number "from 12 to below 120" (one end may be missing), `$label` the field of that
    name. Values with blanks or commas, or that begin with `$`, stand in double quotes.

    Raises:
        FilterError: a part is not `field operator value`, or a parenthesis is missing.
    """
    text = text.strip()
    where, at = _alternatives(text, 0, 0) if text else (ALL, 0)
    if at < len(text):
        raise FilterError(f"cannot read {text[at:].strip()!r}: there is no parenthesis to close")
    return where


def _alternatives(text: str, at: int, depth: int) -> tuple[Filter, int]:
    """Conjunctions with `or` between them, from `at` to the end or to an unopened parenthesis."""
    first, at = _conjunction(text, at, depth)
    parts = [first]
    while (word := _WORD.match(text, at)) and word[1] == "or":
        part, at = _conjunction(text, word.end(), depth)
        parts.append(part)
    return (parts[0] if len(parts) == 1 else Or(tuple(parts))), at


def _conjunction(text: str, at: int, depth: int) -> tuple[Filter, int]:
    parts: list[Filter] = []
    while at < len(text):
        at += len(text[at:]) - len(text[at:].lstrip())
        word = _WORD.match(text, at)
        if text[at : at + 1] == ")" or (word and word[1] == "or"):
            break
        if word or text[at : at + 1] == "(":
            part, at = _group(text, word.end() if word else at, depth)
            parts.append(Not(part) if word else part)
            continue
        found = (_INNER_TERM if depth else _TERM).match(text, at)
        if not found:
            raise FilterError(f"cannot read {text[at:].strip()!r}: write field=value, !=, ~regex, <, <=, > or >=")
        parts.append(_term(found["field"], found["op"], found["value"]))
        at = found.end()
        if at < len(text) and not text[at].isspace() and not (depth and text[at] == ")"):
            raise FilterError(f"a blank is missing before {text[at:]!r}")
    if not parts:
        raise FilterError(f"something is missing before {text[at:]!r}" if at < len(text) else "a filter ends too early")
    return (parts[0] if len(parts) == 1 else And(tuple(parts))), at


def _group(text: str, at: int, depth: int) -> tuple[Filter, int]:
    """What stands in parentheses."""
    at += len(text[at:]) - len(text[at:].lstrip())
    if text[at : at + 1] != "(":
        raise FilterError(f"write not (...): an opening parenthesis is missing before {text[at:]!r}")
    part, at = _alternatives(text, at + 1, depth + 1)
    if text[at : at + 1] != ")":
        raise FilterError("a closing parenthesis is missing")
    return part, at + 1


def _term(field: str, op: str, raw: str) -> Filter:
    quoted = raw.startswith('"')
    value = re.sub(r"\\(.)", r"\1", raw[1:-1]) if quoted else raw
    if op in ("<", "<=", ">", ">="):
        try:
            number = float(value)
        except ValueError:
            raise FilterError(f"{field}{op}{raw}: {raw!r} is not a number") from None
        if op == ">=":
            return Range(field, low=number)
        if op == "<":
            return Range(field, high=number)
        if op == ">":
            return And((Range(field, low=number), Not(Eq(field, number))))
        return Or((Range(field, high=number), Eq(field, number)))
    if op in ("~", "!~"):
        try:
            re.compile(value)
        except re.error as error:
            raise FilterError(f"{field}{op}{raw}: not a regular expression ({error})") from None
        match = Match(field, value)
        return match if op == "~" else Not(match)
    if quoted:
        is_value: Filter = Eq(field, value)
    elif value == "null":
        is_value = Null(field)
    elif "," in value:
        is_value = In(field, tuple(value.split(",")))
    elif value.startswith("$"):
        if not _FIELD.fullmatch(value, 1):
            raise FilterError(f"{field}{op}{raw}: {value[1:]!r} is not a field")
        is_value = Same(field, value[1:])
    else:
        is_value = Eq(field, value)
    return is_value if op == "=" else Not(is_value)


def format_filter(where: Filter) -> str:
    """The filter as an engineer would type it; `parse_filter(format_filter(f))` selects the same rows."""
    match where:
        case And(parts):
            return " ".join(map(_grouped, parts))
        case Eq(field, value):
            return f"{field}={quoted(value)}"
        case In(field, values):
            return f"{field}={','.join(str(value) for value in values)}"
        case Null(field):
            return f"{field}=null"
        case Match(field, pattern):
            return f"{field}~{quoted(pattern)}"
        case Same(field, other):
            return f"{field}=${other}"
        case Range(field, low, high):
            return " ".join(
                ([f"{field}>={low:g}"] if low is not None else []) + ([f"{field}<{high:g}"] if high is not None else [])
            )
        case Not(Eq(field, value)):
            return f"{field}!={quoted(value)}"
        case Not(In(field, values)):
            return f"{field}!={','.join(str(value) for value in values)}"
        case Not(Null(field)):
            return f"{field}!=null"
        case Not(Match(field, pattern)):
            return f"{field}!~{quoted(pattern)}"
        case Not(Same(field, other)):
            return f"{field}!=${other}"
        case Or((Range(field, None, high), Eq(same, value))) if field == same and high == value:
            return f"{field}<={high:g}"
        case Or(parts):
            return " or ".join(map(_grouped, parts))
        case Not(part):
            return f"not ({format_filter(part)})"


def _grouped(part: Filter) -> str:
    """A part beside others; one that is written with `or` needs parentheses there."""
    text = format_filter(part)
    return f"({text})" if isinstance(part, Or) and " or " in text else text


def quoted(value: Scalar) -> str:
    """A value as it is typed: in quotes where blanks, commas, parentheses or null would be read as something else."""
    text = str(value)
    plain = text and text != "null" and text[0] != "$" and not re.search(r'[\s",\\()]', text)
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def conjunction(*parts: Filter) -> Filter:
    """All of `parts` as one flat filter; empty parts vanish."""
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, And) else (part,))
    unique = tuple(dict.fromkeys(flat))
    return unique[0] if len(unique) == 1 else And(unique)


def fields_of(where: Filter) -> frozenset[str]:
    """Every field that the filter names."""
    match where:
        case And(parts) | Or(parts):
            return frozenset().union(*(fields_of(part) for part in parts))
        case Not(part):
            return fields_of(part)
        case Same(field, other):
            return frozenset((field, other))
        case Eq(field) | In(field) | Range(field) | Null(field) | Match(field):
            return frozenset((field,))
