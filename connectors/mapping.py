"""From the columns of a log to canonical fields, dims and features: inferred, and overridden by a config.

Rules of inference, in this order:

1. Canonical fields by well-known names (`wellknown`), whole name first, then the last part of a struct path.
2. `features.x`, `feature_x`, `f_x` are features. A column with a well-known dimension name and at most 500 values is
   a dim, unless only one model of several fills it: then it is an input of that model.
3. Booleans, and strings with at most 50 distinct values: filled for one model of several -> feature; filled for more
   than one model -> dim; only one model in the log -> dim with at most 8 distinct values, else feature.
4. Other numbers are features, except ids. Other strings are features unless most of their values are distinct.

Counts of distinct values and of models come from a sample of the newest rows.
"""

from __future__ import annotations

import collections.abc as abc
from dataclasses import dataclass, field

from connectors.base import FeatureSpec, MissingDataError, Schema
from connectors.colsql import ColumnStats, Leaves, error_sql, shadow_sql, text_sql
from connectors.coltypes import Family, family
from connectors.dialect import Dialect
from connectors.sqlerrors import masked_sql
from connectors.sqlfilter import Kind
from connectors.timecolumn import UNIT_NAMES, TimeColumn, ticks_of_name, ticks_per_second
from connectors.wellknown import (
    DIM_NAMES,
    ERROR_TYPE_NAMES,
    FIELD_NAMES,
    SAMPLING_NAMES,
    STATUS_NAMES,
    call_duration,
    feature_prefix,
    latency_unit,
    normal,
)

FIELDS = (
    "ts", "request_id", "model", "version", "latency_ms", "error_type", "error_message", "prediction", "confidence",
    "label", "label_ts", "weight", "shadow",
)  # fmt: skip
DIM_VALUES = 50
NAMED_DIM_VALUES = 500
SINGLE_MODEL_DIM_VALUES = 8
ID_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class Mapping:
    """What a config says about the columns: name -> SQL expression, trusted. What is empty is inferred."""

    fields: abc.Mapping[str, str] = field(default_factory=dict)
    dims: abc.Mapping[str, str] = field(default_factory=dict)
    features: abc.Mapping[str, str] = field(default_factory=dict)
    where: str | None = None
    dependencies: abc.Mapping[str, str] = field(default_factory=dict)
    """Dependency -> milliseconds that the request waited for it."""

    def expressions(self) -> tuple[str, ...]:
        """Every value expression, whose type the engine must tell."""
        return tuple(expression for _, expression in self.named())

    def named(self) -> tuple[tuple[str, str], ...]:
        """Every (name, value expression)."""
        parts = (self.fields, self.dims, self.features, self.dependencies)
        return tuple(item for part in parts for item in part.items())


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows become canonical columns: SQL per name, over the aligned columns of the files."""

    schema: Schema
    time: TimeColumn
    columns: abc.Mapping[str, str]
    """Canonical name, dim, feature or raw column -> SQL."""
    kinds: abc.Mapping[str, Kind]
    where: str | None


def find_fields(columns: Leaves) -> dict[str, str]:
    """Canonical field -> column, by name alone. `latency` and `error` parts are found by `infer`."""
    found = {name: column for name in FIELD_NAMES if (column := _named(columns, FIELD_NAMES[name], _suits(name)))}
    return {name: column for name, column in found.items() if column not in found.values() or _first(found, name)}


def _first(found: abc.Mapping[str, str], name: str) -> bool:
    return next(other for other, column in found.items() if column == found[name]) == name


def _suits(name: str) -> tuple[Family, ...]:
    if name in ("ts", "label_ts"):
        return ("time", "number", "text")
    if name in ("confidence", "weight"):
        return ("number",)
    return ("text", "number", "bool")


def _named(columns: Leaves, names: abc.Sequence[str], families: tuple[Family, ...]) -> str | None:
    usable = [column for column, (_, kind) in columns.items() if family(kind) in families]
    whole = {normal(column): column for column in reversed(usable)}
    last = {normal(column.rpartition(".")[2]): column for column in reversed(usable) if not feature_prefix(column)}
    return next((table[name] for table in (whole, last) for name in names if name in table), None)


def model_expression(columns: Leaves, override: Mapping) -> str:
    """SQL of the model, before anything else is known."""
    column = find_fields(columns).get("model")
    return override.fields.get("model") or (columns[column][0] if column else "'model'")


def infer(
    columns: Leaves,
    types: abc.Mapping[str, str],
    stats: abc.Mapping[str, ColumnStats],
    models: int,
    override: Mapping,
    override_types: abc.Mapping[str, str],
    dialect: Dialect,
) -> Layout:
    """The layout of a log.

    `columns` are leaves, `types` the columns as stored, `stats` by leaf, `models` the models of the sample,
    `override_types` the type of each expression of `override`.

    Raises:
        MissingDataError: no column can be the time of a row.
    """
    return _Inference(columns, types, stats, models, override, override_types, dialect).layout()


class _Inference:
    def __init__(
        self,
        columns: Leaves,
        types: abc.Mapping[str, str],
        stats: abc.Mapping[str, ColumnStats],
        models: int,
        override: Mapping,
        override_types: abc.Mapping[str, str],
        dialect: Dialect,
    ) -> None:
        self.leaves, self.types, self.stats, self.models = columns, types, stats, models
        self.override, self.override_types = override, override_types
        self.dialect = dialect
        self.notes: list[str] = []
        self.used: set[str] = set()
        self.fields: dict[str, str] = {}
        self.kinds: dict[str, Kind] = {}
        self.calls: dict[str, tuple[str, float]] = {}

    def layout(self) -> Layout:
        time = self._time()
        self._plain_fields()
        self._latency()
        self._errors()
        dims, features = self._dims_and_features()
        schema = Schema(
            columns=self.types,
            fields=self.fields,
            dims=dims,
            features=tuple(_spec(name, kind) for name, (_, kind) in features.items()),
            missing=tuple(name for name in FIELDS if name not in self.fields),
            notes=tuple(self.notes),
            calls=self.calls,
        )
        sql: dict[str, str] = {}
        kinds: dict[str, Kind] = {}
        for column, (expression, kind) in self.leaves.items():
            if family(kind) in ("text", "number", "bool"):
                sql[column], kinds[column] = self._value(expression, kind)
        for name, (expression, feature_kind) in features.items():
            sql[name] = expression
            kinds[name] = feature_kind
        sql |= dims | self.fields
        kinds |= dict.fromkeys(dims, "text")
        kinds |= self.kinds
        sql["ts"] = time.micros
        for name, default in (("model", "'model'"), ("version", "'all'")):
            if name not in self.fields:
                sql[name], kinds[name] = default, "text"
        return Layout(schema, time, sql, kinds, self.override.where)

    def _time(self) -> TimeColumn:
        expression = self.override.fields.get("ts")
        stat = None
        if expression is not None:
            kind = self.override_types[expression]
            column = next((name for name, (sql, _) in self.leaves.items() if expression in (sql, name)), None)
        else:
            column = find_fields(self.leaves).get("ts")
            if column is None:
                raise MissingDataError(
                    "no timestamp column found",
                    "columns: " + ", ".join(f"{name} {kind}" for name, (_, kind) in self.leaves.items()),
                    "name one of them ts, timestamp, time, event_time ... (TIMESTAMP, ISO 8601 text or epoch number), "
                    "or set fields.ts in the mapping",
                )
            expression, kind = self.leaves[column]
            self.notes.append(f"ts is {column} ({kind})")
        if column is not None:
            self.used.add(column)
            stat = self.stats.get(column)
        if family(kind) == "text" and stat is not None and stat.largest is not None:
            expression, kind = self.dialect.as_double(expression), "DOUBLE"
        ticks = 1
        if family(kind) == "number":
            largest = stat.largest if stat else None
            ticks = ticks_of_name(normal(column or "")) if largest is None else ticks_per_second(largest)
            self.notes.append(f"ts counts {UNIT_NAMES[ticks]} since 1970")
        elif "ZONE" not in kind:
            self.notes.append("ts without a zone is read as UTC")
        if family(kind) == "other":
            raise MissingDataError(f"ts is a {kind}", hint="accepted: TIMESTAMP, DATE, ISO 8601 text, epoch number")
        self.fields["ts"], self.kinds["ts"] = expression, "time"
        return TimeColumn(expression, kind, self.dialect, ticks)

    def _plain_fields(self) -> None:
        found = find_fields(self.leaves)
        for name in FIELDS[1:]:
            if name in ("latency_ms", "error_type"):
                continue
            if name in self.override.fields:
                expression = self.override.fields[name]
                kind = self.override_types[expression]
            elif name in found and found[name] not in self.used:
                expression, kind = self.leaves[found[name]]
                self.used.add(found[name])
                if normal(found[name]) != name:
                    self.notes.append(f"{name} is {found[name]}")
            else:
                continue
            self._field(name, expression, kind)
        sampling = _named(self.leaves, SAMPLING_NAMES, ("number",))
        if "weight" not in self.fields and sampling:
            self.used.add(sampling)
            x = self.dialect.widened(self.leaves[sampling][0])
            self.fields["weight"], self.kinds["weight"] = f"CASE WHEN {x} > 0 THEN 1 / {x} END", "number"
            self.notes.append(f"each row counts 1/{sampling} requests")

    def _field(self, name: str, expression: str, kind: str) -> None:
        if name == "label_ts":
            stat = next(
                (self.stats[c] for c, (sql, _) in self.leaves.items() if sql == expression and c in self.stats), None
            )
            ticks = ticks_per_second(stat.largest) if stat and stat.largest is not None else 1
            self.fields[name], self.kinds[name] = TimeColumn(expression, kind, self.dialect, ticks).micros, "time"
        elif name in ("confidence", "weight"):
            self.fields[name], self.kinds[name] = self._double(expression, kind), "number"
        elif name == "shadow":
            self.fields[name], self.kinds[name] = shadow_sql(expression, kind, self.dialect), "text"
        elif name in ("prediction", "label"):
            self.fields[name], self.kinds[name] = self._value(expression, kind)
        else:
            self.fields[name], self.kinds[name] = text_sql(expression, kind, self.dialect), "text"

    def _value(self, expression: str, kind: str) -> tuple[str, Kind]:
        if family(kind) == "number":
            return (expression if kind == "DOUBLE" else self.dialect.widened(expression)), "number"
        return text_sql(expression, kind, self.dialect), "text"

    def _double(self, expression: str, kind: str) -> str:
        return self.dialect.widened(expression) if family(kind) == "number" else self.dialect.as_double(expression)

    def _latency(self) -> None:
        name = "latency_ms"
        expression = self.override.fields.get(name)
        if expression is None:
            candidates = [
                (column, unit)
                for column, (_, kind) in self.leaves.items()
                if column not in self.used
                and family(kind) in ("number", "text")
                and not feature_prefix(column)
                and (unit := latency_unit(normal(column)) or latency_unit(normal(column.rpartition(".")[2])))
            ]
            if not candidates:
                return
            column, (factor, certain) = max(candidates, key=lambda item: item[1][1])
            self.used.add(column)
            expression = self._double(*self.leaves[column]) + (f" * {factor!r}" if factor != 1 else "")
            if not certain:
                self.notes.append(f"latency_ms is {column}: its name has no unit, read as milliseconds")
            elif column != name:
                self.notes.append(f"latency_ms is {column} x {factor:g}")
        else:
            expression = self._double(expression, self.override_types[expression])
        self.fields[name], self.kinds[name] = expression, "number"

    def _errors(self) -> None:
        if "error_message" in self.fields:
            message = error_sql(self.fields["error_message"], "VARCHAR")
            self.fields["error_template"], self.kinds["error_template"] = masked_sql(message, self.dialect), "text"
        name, expression = "error_type", self.override.fields.get("error_type")
        if expression is None:
            parts = []
            error = _named(self.leaves, ERROR_TYPE_NAMES, ("text", "bool"))
            if error:
                parts.append(error_sql(*self.leaves[error]))
            status = _named(self.leaves, STATUS_NAMES, ("number",))
            if status:
                x = self.dialect.whole(self.leaves[status][0])
                parts.append(f"CASE WHEN {x} >= 400 THEN 'HTTP ' || {self.dialect.as_text(x)} END")
            if not parts:
                if "error_template" in self.fields:
                    self.fields[name], self.kinds[name] = self.fields["error_template"], "text"
                    self.notes.append("error_type is error_message without its parameters: no type is logged")
                return
            sources = [column for column in (error, status) if column]
            self.used.update(sources)
            if sources != [name]:
                self.notes.append(
                    f"error_type is {' and '.join(sources)}; ok, success and codes below 400 are no errors"
                )
            expression = parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"
        else:
            expression = text_sql(expression, self.override_types[expression], self.dialect)
        self.fields[name], self.kinds[name] = expression, "text"

    def _dims_and_features(self) -> tuple[dict[str, str], dict[str, tuple[str, Kind]]]:
        dims: dict[str, str] = {}
        features: dict[str, tuple[str, Kind]] = {}
        calls = self._calls()
        for column, (expression, kind) in self.leaves.items():
            if column in self.used:
                continue
            role, reason = self._role(column, kind)
            name = feature_prefix(column) or column
            if role == "dim":
                dims[column] = text_sql(expression, kind, self.dialect)
            elif role == "feature":
                name = column if name in self.fields or name in features else name
                sql, value_kind = self._value(expression, kind)
                features[name] = (sql, value_kind)
            if reason:
                self.notes.append(f"{column}: {reason}")
        if self.override.dims:
            dims = {
                name: text_sql(sql, self.override_types[sql], self.dialect) for name, sql in self.override.dims.items()
            }
            features = {name: value for name, value in features.items() if name not in dims}
        if self.override.features:
            features = {}
            for name, sql in self.override.features.items():
                value_sql, value_kind = self._value(sql, self.override_types[sql])
                features[name] = (value_sql, value_kind)
            dims = {name: sql for name, sql in dims.items() if name not in features}
        return dims, features | calls

    def _calls(self) -> dict[str, tuple[str, Kind]]:
        """Times of calls to other services: as configured, else columns that are called so."""
        found: dict[str, tuple[str, Kind]] = {}
        for name, sql in self.override.dependencies.items():
            found[name], self.calls[name] = self._value(sql, self.override_types[sql]), (name, 1.0)
        if found:
            return found
        for column, (expression, kind) in self.leaves.items():
            call = None if column in self.used or family(kind) != "number" else call_duration(column)
            if call is None or column in {**self.override.features, **self.override.dims}:
                continue
            self.used.add(column)
            found[column], self.calls[column] = self._value(expression, kind), call
            self.notes.append(f"{column}: time of calls to {call[0]}, in units of {call[1]:g} ms")
        return found

    def _role(self, column: str, kind: str) -> tuple[str, str]:
        """(dim, feature or "", the reason where it is not plain from the name)."""
        group, stat, name = family(kind), self.stats.get(column), normal(column.rpartition(".")[2])
        distinct, filled, filled_models = (stat.distinct, stat.filled, stat.models) if stat else (0, 0, 0)
        if group in ("time", "other"):
            return "", f"left out, a {kind} is neither dim nor feature"
        if feature_prefix(column):
            return "feature", ""
        of_one_model = self.models > 1 and filled_models == 1
        if (
            name in DIM_NAMES
            and filled
            and not of_one_model
            and distinct <= (DIM_VALUES if group == "number" else NAMED_DIM_VALUES)
        ):
            return "dim", ""
        if group == "number":
            return ("", "left out, an id") if name == "id" or name.endswith("_id") else ("feature", "")
        if group == "text" and distinct > DIM_VALUES:
            if distinct > ID_RATIO * filled:
                return "", "left out, most of its values are distinct"
            return "feature", f"feature, {distinct} values are too many for a dim"
        if self.models > 1:
            if filled_models > 1:
                return "dim", f"dim, filled for {filled_models} models"
            return "feature", "feature, filled for one model of several" if filled else "feature, empty in the sample"
        if distinct <= SINGLE_MODEL_DIM_VALUES:
            return "dim", f"dim, {distinct} values"
        return "feature", f"feature, {distinct} values"


def _spec(name: str, kind: Kind) -> FeatureSpec:
    return FeatureSpec(name, "numeric" if kind == "number" else "categorical")
