"""The label question: predictions per bucket, score band and label delay, in one GROUP BY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.evidence import Labels, NumericBins
from analysis.probabilities import HIGH, LOW
from connectors.dialect import MICROS, Dialect
from connectors.sqlfilter import Kind, equal_sql
from connectors.sqlrows import floats, ints, numeric_bin_sql, strings

FIELDS = frozenset({"prediction", "label"})
"""What a log must have for the question to make sense."""


@dataclass(frozen=True, slots=True)
class LabelQuery:
    """Bins, what is logged, and the engine."""

    step: int
    scores: tuple[float, ...]
    delays: tuple[float, ...]
    known_at: float | None
    """Unix seconds: a label that came later is not known yet. None: every label in the log is."""
    kinds: Mapping[str, Kind]
    logged: frozenset[str]
    weight: str
    dialect: Dialect
    second: str = ""
    """SQL of what rows are told apart by beside the model; empty for nothing."""

    @property
    def names(self) -> frozenset[str]:
        """The canonical columns that are read."""
        return frozenset({"model", *FIELDS, *({"confidence", "label_ts"} & self.logged)})

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the answer."""
        return ("t", "model", *(("second",) if self.second else ()), "score", "bin", "n", "correct", "total", "newest")

    def sql(self, relation: str) -> str:
        """SQL: one row per (bucket, model, second, score band, delay bin) of rows with a prediction."""
        d = self.dialect
        ts, label, label_ts = d.ident("ts"), d.ident("label"), d.ident("label_ts")
        score = d.widened(d.ident("confidence") if "confidence" in self.logged else "NULL")
        # A value that is no probability is no known score.
        score = f"CASE WHEN {score} BETWEEN {d.number(LOW)} AND {d.number(HIGH)} THEN {score} END"
        known, delay, came = f"{label} IS NOT NULL", "0", "NULL"
        if "label_ts" in self.logged:
            # A label without a time came with its row; one before its row is a skewed clock.
            delay = d.widened(f"greatest(coalesce({label_ts}, {ts}) - {ts}, 0)") + f" / {d.number(MICROS)}"
            came = label_ts
            if self.known_at is not None:
                known += f" AND coalesce({label_ts}, {ts}) <= {int(self.known_at * MICROS)}"
        told, second, groups = (f"{self.second} AS second, ", "second, ", 5) if self.second else ("", "", 4)
        rows = (
            f"SELECT {d.bucket(ts, self.step)} AS t, model, {told}{score} AS x, "
            f"CASE WHEN {known} THEN 1 ELSE 0 END AS known, {delay} AS delay, {came} AS came, {self.weight} AS w, "
            f"CASE WHEN {equal_sql('prediction', 'label', self.kinds, d)} THEN 1 ELSE 0 END AS hit "
            f"FROM {relation} AS logs WHERE {d.ident('prediction')} IS NOT NULL"
        )
        delays = numeric_bin_sql("delay", self.delays, d)
        return (
            f"SELECT t, model, {second}{numeric_bin_sql('x', self.scores, d)} AS score, "
            f"CASE WHEN known = 1 THEN {delays} ELSE -1 END AS bin, sum(w) AS n, sum(w * hit * known) AS correct, "
            f"sum(CASE WHEN {d.finite('x')} THEN w * x ELSE 0 END) AS total, "
            f"max(CASE WHEN known = 1 THEN came END) AS newest FROM ({rows}) AS keyed "
            f"GROUP BY {', '.join(map(str, range(1, groups + 1)))}"
        )

    def labels(self, column: Mapping[str, Sequence[Any]]) -> Labels:
        """The fetched columns as evidence."""
        models = strings(column["model"])
        parts = (models, strings(column["second"])) if self.second else (models,)
        own = list(zip(*parts, strict=True))
        keys = tuple(sorted(set(own)))
        place = {key: i for i, key in enumerate(keys)}
        newest: dict[str, float] = {}
        for model, came in zip(models, column["newest"], strict=True):
            if came is not None:
                newest[model] = max(came / MICROS, newest.get(model, came / MICROS))
        t = ints(column["t"])
        return Labels(
            step=self.step,
            keys=keys,
            scores=NumericBins(self.scores),
            delays=self.delays,
            t=t,
            served=t,
            key=ints([place[key] for key in own]),
            score=ints(column["score"]).clip(-1),
            delay=ints(column["bin"]),
            n=floats(column["n"]),
            correct=floats(column["correct"]),
            total=floats(column["total"]),
            newest=newest,
            timed="label_ts" in self.logged,
        )
