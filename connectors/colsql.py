"""SQL that makes values of columns: texts, error types, flags; and what a sample of a column holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.coltypes import family
from connectors.dialect import Dialect
from connectors.wellknown import NOT_ERRORS, SHADOW_WORDS

Leaves = Mapping[str, tuple[str, str]]
"""Column or struct path -> (SQL expression, type as in `coltypes`)."""


@dataclass(frozen=True, slots=True)
class ColumnStats:
    """One column in the sample."""

    filled: int
    distinct: int
    models: int
    """Models with at least one value."""
    largest: float | None
    """Largest magnitude, as a number or as the number that most of the strings hold."""


def text_sql(expression: str, kind: str, d: Dialect) -> str:
    """SQL: the value as text; a double without fraction is written without one."""
    if kind == "VARCHAR":
        return expression
    if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        whole = d.as_text(d.whole(expression))
        return f"CASE WHEN {expression} = floor({expression}) THEN {whole} ELSE {d.as_text(expression)} END"
    return d.as_text(expression)


def error_sql(expression: str, kind: str) -> str:
    """SQL: the error type, null where the text means that nothing failed."""
    if family(kind) == "bool":
        return f"CASE WHEN {expression} THEN 'error' END"
    fine = ", ".join(f"'{text}'" for text in NOT_ERRORS)
    return f"CASE WHEN lower(trim({expression})) NOT IN ({fine}) THEN {expression} END"


def shadow_sql(expression: str, kind: str, d: Dialect) -> str:
    """SQL: 'true' for a row that served nobody, 'false' for any other, null included."""
    words = ", ".join(f"'{word}'" for word in SHADOW_WORDS)
    text = f"lower(trim({text_sql(expression, kind, d)}))"
    return f"CASE WHEN {text} IN ({words}) THEN 'true' ELSE 'false' END"


def stats_sql(columns: Leaves, relation: str, model: str, d: Dialect) -> str:
    """SQL: one row with filled, distinct, models and largest of each leaf (f0, d0, m0, x0 ...), and the models."""
    parts = [f"count(DISTINCT {model}) AS models"]
    for i, (expression, kind) in enumerate(columns.values()):
        group = family(kind)
        if group == "other":
            continue
        number = d.widened(expression) if group == "number" else d.as_double(expression)
        largest = f"max(abs({number}))" if group == "number" else "NULL"
        if group == "text":
            largest = f"CASE WHEN 2 * count({number}) > count({expression}) THEN max(abs({number})) END"
        distinct = "0" if group == "time" else d.about_distinct(expression)
        parts.append(
            f"count({expression}) AS f{i}, {distinct} AS d{i}, "
            f"count(DISTINCT CASE WHEN {expression} IS NOT NULL THEN {model} END) AS m{i}, {largest} AS x{i}"
        )
    return f"SELECT {', '.join(parts)} FROM {relation}"


def read_stats(columns: Leaves, row: Mapping[str, object]) -> dict[str, ColumnStats]:
    """The answer to `stats_sql`, by leaf."""
    found = {}
    for i, name in enumerate(columns):
        if f"f{i}" in row:
            filled, distinct, models, largest = (row[f"{key}{i}"] for key in "fdmx")
            found[name] = ColumnStats(_int(filled), _int(distinct), _int(models), _finite(largest))
    return found


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < float("inf") else None
