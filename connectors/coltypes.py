"""Column types as DuckDB prints them: reading, merging over files, flattening structs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

Tree = str | dict[str, "Tree"]
"""A plain type, or the fields of a struct."""

Family = Literal["number", "text", "bool", "time", "other"]

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_NUMBERS = (*_INTEGERS, "UBIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE")
_STRUCT = "STRUCT("


def parse_type(text: str) -> Tree:
    """`STRUCT(x INTEGER, "a b" VARCHAR)` as a tree; everything else stays as it is printed."""
    if not text.startswith(_STRUCT) or not text.endswith(")"):
        return text
    fields: dict[str, Tree] = {}
    for part in _split(text[len(_STRUCT) : -1]):
        if part.startswith('"'):
            end = part.index('" ', 1)
            fields[part[1:end].replace('""', '"')] = parse_type(part[end + 2 :])
        else:
            name, _, kind = part.partition(" ")
            fields[name] = parse_type(kind)
    return fields


def _split(text: str) -> Iterator[str]:
    depth, quoted, start = 0, False, 0
    for at, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "," and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    yield text[start:].strip()


def render_type(tree: Tree) -> str:
    """The inverse of `parse_type`."""
    if isinstance(tree, str):
        return tree
    inner = ", ".join(f"{quote(name)} {render_type(kind)}" for name, kind in tree.items())
    return f"{_STRUCT}{inner})"


def quote(name: str) -> str:
    """A name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def family(kind: str) -> Family:
    """What a plain type can be used as."""
    base = kind.partition("(")[0]
    if kind.endswith("]"):
        return "other"
    if base in _NUMBERS or base == "DECIMAL":
        return "number"
    if base in ("VARCHAR", "ENUM", "UUID"):
        return "text"
    if base == "BOOLEAN":
        return "bool"
    return "time" if base.startswith("TIMESTAMP") or base == "DATE" else "other"


def merge_types(first: Tree, second: Tree) -> Tree:
    """One type for a column that two files write differently; `first` wins where nothing holds both.

    Integers widen to BIGINT, numbers to DOUBLE, structs field by field. A number and a string stay what `first` says:
    values of the other kind are read with TRY_CAST.
    """
    if first == second:
        return first
    if isinstance(first, dict) and isinstance(second, dict):
        merged = dict(first)
        for name, kind in second.items():
            merged[name] = merge_types(merged[name], kind) if name in merged else kind
        return merged
    if isinstance(first, dict) or isinstance(second, dict):
        return first
    families = (family(first), family(second))
    if families == ("number", "number"):
        return "BIGINT" if first in _INTEGERS and second in _INTEGERS else "DOUBLE"
    if families == ("time", "time"):
        return "TIMESTAMP WITH TIME ZONE"
    return first


def leaves(columns: Mapping[str, Tree]) -> dict[str, tuple[str, str]]:
    """Dotted name -> (SQL expression, type) of every plain column and struct field."""
    found: dict[str, tuple[str, str]] = {}

    def walk(name: str, expression: str, kind: Tree) -> None:
        if isinstance(kind, str):
            found[name] = (expression, kind)
            return
        for child, inner in kind.items():
            walk(f"{name}.{child}", f"{expression}.{quote(child)}", inner)

    for name, kind in columns.items():
        walk(name, quote(name), kind)
    return found
