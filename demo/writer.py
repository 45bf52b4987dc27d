"""Rows to files: one zstd Parquet file per hour, one model after the other, each complete before it has its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from demo.blocks import Block, Simulation, version_names
from demo.fleet import Category, Model, Numeric, names
from demo.rows import rows
from demo.scenarios import Scenario

HOUR_S = 3_600
MESSAGE_IDS = 10**8
"""Numbers in error messages are below this."""

Progress = Callable[[float], None]
"""Is told how far back the history reaches now, in unix seconds."""


def hours_back(start: float, end: float) -> list[tuple[float, float]]:
    """[start, end) cut at full hours, newest piece first."""
    cuts = [start, *(h * HOUR_S for h in range(math.floor(start / HOUR_S) + 1, math.ceil(end / HOUR_S))), end]
    return [(low, high) for low, high in pairwise(cuts) if high > low][::-1]


def file_stem(start: float) -> str:
    """The name of the file whose rows begin at `start` (unix seconds)."""
    return datetime.fromtimestamp(start, UTC).strftime("%Y%m%dT%H%M%S")


def write_history(
    out: Path,
    scenario: Scenario,
    *,
    seed: int,
    now: float,
    onset_minutes_ago: float,
    hours: float = 24.0,
    rate: float = 1.0,
    newest_first: bool = True,
    on_progress: Progress | None = None,
) -> Simulation:
    """Write the `hours` before `now` (unix seconds) to hourly Parquet files in `out`, and return what was simulated."""
    sim = Simulation(scenario, seed, now - 60 * onset_minutes_ago, rate)
    write_span(out, sim, now - HOUR_S * hours, now, known_at=now, newest_first=newest_first, on_progress=on_progress)
    return sim


def write_span(
    out: Path,
    sim: Simulation,
    start: float,
    end: float,
    *,
    known_at: float,
    newest_first: bool = True,
    on_progress: Progress | None = None,
) -> None:
    """Write [start, end), unix seconds, with the labels known at `known_at`; a file appears whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    pieces = hours_back(start, end)
    writer = ParquetWriter(sim)
    for low, high in pieces if newest_first else reversed(pieces):
        writer.write(out / f"{file_stem(low)}.parquet", low, high, known_at)
        if on_progress is not None:
            on_progress(low)


class ParquetWriter:
    """Writes spans of one simulation; holds one in-memory DuckDB connection."""

    def __init__(self, sim: Simulation) -> None:
        import duckdb  # 0.1 s

        self._sim = sim
        self._db: Any = duckdb.connect(config={"threads": 1})

    def write(self, path: Path, start: float, end: float, known_at: float) -> None:
        """Write the rows of [start, end) to `path`, by way of a temporary name that no `*.parquet` matches."""
        models = self._sim.fleet.models
        for model in models:
            self._db.register(model.name, numpy_columns(rows(self._sim, model, start, end)))
        union = " UNION ALL BY NAME ".join(_select(self._sim, model, known_at) for model in models)
        temporary = path.with_suffix(".tmp")
        self._db.execute(f"COPY (SELECT * FROM ({union})) TO '{_quoted(temporary)}' (FORMAT parquet, COMPRESSION zstd)")
        for model in models:
            self._db.unregister(model.name)
        temporary.replace(path)


def numpy_columns(block: Block) -> dict[str, Any]:
    """The block as DuckDB scans it: codes count from 1, so that an index outside the list of names means NULL."""
    columns: dict[str, Any] = {
        "ts": block.ts_us.view("datetime64[us]"),
        "id": block.request_ids(),
        "latency_ms": block.latency_ms,
        "error": block.error,
        "confidence": block.confidence,
        "prediction": block.prediction + np.uint8(1),
        "label": block.label + np.uint8(1),
        "label_us": block.label_us,
        "shadow": block.shadow,
    }
    columns.update((name, codes + np.uint8(1)) for name, codes in block.dims.items())
    for feature in block.model.features:
        values = block.features[feature.name]
        columns[feature.name] = values if isinstance(feature, Numeric) else (values + 1).astype(np.uint16)
    return columns


def _quoted(value: object) -> str:
    return str(value).replace("'", "''")


def _named(values: tuple[str, ...], index: str) -> str:
    return "[" + ", ".join(f"'{_quoted(value)}'" for value in values) + f"][{index}]"


def _select(sim: Simulation, model: Model, known_at: float) -> str:
    """The flat row of the log from the columns of one model."""
    return (
        "SELECT "
        + ", ".join(f"{expression} AS {name}" for name, expression in _expressions(sim, model, known_at))
        + f" FROM {model.name}"
    )


def _expressions(sim: Simulation, model: Model, known_at: float) -> Iterator[tuple[str, str]]:
    yield "ts", "ts"
    yield "request_id", "hex(id)"
    yield "model", f"'{_quoted(model.name)}'"
    yield "version", _named(version_names(model), "version")
    for name, _ in sim.fleet.dims:
        yield name, _named(sim.fleet.dim(name), name)
    yield "latency_ms", "latency_ms"
    yield "error_type", _named(tuple(kind.name for kind in model.errors), "error")
    messages = " ".join(
        f"WHEN {i} THEN format('{_quoted(kind.message)}', id % {MESSAGE_IDS}, CAST(latency_ms AS BIGINT))"
        for i, kind in enumerate(model.errors, 1)
    )
    yield "error_message", f"CASE error {messages} END"
    yield "prediction", f"CASE WHEN error = 0 THEN {_named(model.classes, 'prediction')} END"
    yield "confidence", "CASE WHEN error = 0 THEN confidence END"
    known = f"error = 0 AND label_us <= {round(known_at * 1e6)}"
    yield "label", f"CASE WHEN {known} THEN {_named(model.classes, 'label')} END"
    yield "label_ts", f"CASE WHEN {known} THEN make_timestamp(label_us) END"
    yield "shadow", "shadow"
    for feature in model.features:
        if isinstance(feature, Category):
            yield feature.name, _named(names(feature.weights), feature.name)
        else:
            value = feature.name if feature.decimals else f"CAST({feature.name} AS BIGINT)"
            yield feature.name, f"CASE WHEN NOT isnan({feature.name}) THEN {value} END"
