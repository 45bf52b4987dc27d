"""ClickHouse's column types in the vocabulary of `coltypes`."""

from __future__ import annotations

import re

_WRAPPED = re.compile(r"(Nullable|LowCardinality)\((.*)\)", re.DOTALL)

_KINDS = {
    "String": "VARCHAR", "FixedString": "ENUM", "Enum": "ENUM", "Enum8": "ENUM", "Enum16": "ENUM", "UUID": "UUID",
    "IPv4": "ENUM", "IPv6": "ENUM", "Bool": "BOOLEAN", "Float32": "FLOAT", "BFloat16": "FLOAT", "Float64": "DOUBLE",
    "Int8": "INTEGER", "Int16": "INTEGER", "Int32": "INTEGER", "Int64": "BIGINT", "Int128": "HUGEINT",
    "Int256": "HUGEINT", "UInt8": "INTEGER", "UInt16": "INTEGER", "UInt32": "INTEGER", "UInt64": "UBIGINT",
    "UInt128": "HUGEINT", "UInt256": "HUGEINT", "Date": "DATE", "Date32": "DATE",
    # A moment, whatever the zone that it is shown in.
    "DateTime": "TIMESTAMP WITH TIME ZONE", "DateTime64": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip


def plain_type(text: str) -> tuple[str, bool]:
    """(type as `coltypes` spells it, whether it may be null); what it has no name for stays as it is."""
    nullable = False
    while wrapped := _WRAPPED.fullmatch(text):
        nullable |= wrapped[1] == "Nullable"
        text = wrapped[2]
    base = text.partition("(")[0]
    if base.startswith("Decimal"):
        return "DECIMAL", nullable
    return _KINDS.get(base, text), nullable


def read_as(expression: str, stored: str) -> tuple[str, str]:
    """(SQL, type) of a column or expression: an empty text that cannot be null is no value, as ClickHouse writes it."""
    kind, nullable = plain_type(stored)
    if kind in ("ENUM", "UUID"):
        return f"toString({expression})", "VARCHAR"
    if kind == "VARCHAR" and not nullable:
        return f"nullIf({expression}, '')", "VARCHAR"
    return expression, kind
