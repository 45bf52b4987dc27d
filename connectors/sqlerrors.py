"""Errors by type and message: the statement, and its answer as evidence. Raw messages stay in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.evidence import OTHER, ErrorCounts, Key
from analysis.messages import MASKS, MESSAGE_CHARS
from connectors.dialect import MICROS, Dialect
from connectors.sqlrows import Grid, strings

SAMPLE_CHARS = 500
"""Characters of the one raw message that is shown of each type."""

MAX_TEMPLATES = 300
"""Masked messages of one error type that an answer tells apart; the rarer ones count together as `OTHER`."""

COLUMNS = ("t", "model", "error_type", "template", "n", "first", "sample")


def masked_sql(message: str, d: Dialect) -> str:
    """SQL: an error message without its parameters, as `analysis.messages.masked` has it."""
    text = message
    for pattern, replacement in MASKS:
        text = d.replaced(text, pattern, replacement)
    return d.beginning(d.trimmed(text), MESSAGE_CHARS)


@dataclass(frozen=True, slots=True)
class ErrorQuery:
    """Errors per bucket of `step` seconds by (model, type), and by message where messages are logged."""

    step: int
    count: str
    """SQL aggregate that counts rows."""
    messages: bool
    typed: bool
    """False: the type is nothing but the message without its parameters."""
    dialect: Dialect

    @property
    def names(self) -> set[str]:
        """Canonical columns that are read."""
        return {"model", "error_type", *(("error_message", "error_template") if self.messages else ())}

    def sql(self, relation: str) -> str:
        """One row per bucket, model, type and template, with its first time in microseconds and a raw message."""
        d = self.dialect
        ts = d.ident("ts")
        error_type = "error_type" if self.typed else "''"
        template = "coalesce(error_template, '')" if self.messages else "''"
        message = d.beginning(d.ident("error_message"), SAMPLE_CHARS)
        sample = d.arg_min(message, ts) if self.messages else d.as_text("NULL")
        counted = (
            f"SELECT {d.bucket(ts, self.step)} AS t, model, {error_type} AS error_type, "
            f"{template} AS template, {self.count} AS n, min({ts}) AS first, {sample} AS sample "
            f"FROM {relation} AS logs WHERE error_type IS NOT NULL GROUP BY 1, 2, 3, 4"
        )
        if not self.messages:
            return counted
        totals = (
            "SELECT model, error_type, template, "
            "row_number() OVER (PARTITION BY model, error_type ORDER BY sum(n) DESC, template) AS place "
            "FROM counted GROUP BY 1, 2, 3"
        )
        return (
            f"WITH counted AS {d.materialized} ({counted}), placed AS ({totals}) "
            f"SELECT t, model, error_type, CASE WHEN place <= {MAX_TEMPLATES} THEN template ELSE {d.text(OTHER)} END "
            f"AS template, sum(n) AS n, min(first) AS first, {d.arg_min('sample', 'first')} AS sample "
            "FROM counted JOIN placed USING (model, error_type, template) GROUP BY 1, 2, 3, 4"
        )

    def counts(self, columns: Mapping[str, list[Any]]) -> ErrorCounts:
        """The evidence of the answered `COLUMNS`."""
        names = [strings(columns[name]) for name in ("model", "error_type", *(["template"] * self.messages))]
        first: dict[Key, float] = {}
        samples: dict[Key, str] = {}
        rows = zip(zip(*names, strict=True), columns["first"], columns["sample"], strict=True)
        for key, at, text in sorted(rows, key=lambda row: int(row[1])):
            first.setdefault(key, at / MICROS)
            if text:
                samples.setdefault(key, text)
        return ErrorCounts(Grid(columns["t"], names, self.step).counts(columns["n"]), first, samples)
