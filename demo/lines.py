"""Rows as JSON lines, the form in which the live fleet logs them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from demo.blocks import NULL_CODE, Block, Simulation, version_names
from demo.draws import Floats
from demo.fleet import Category, Numeric, names
from demo.rows import rows
from demo.writer import MESSAGE_IDS

JSONL_S = 600
"""A file of JSON lines holds this many seconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def json_lines(sim: Simulation, start: float, end: float, known_at: float) -> list[str]:
    """The rows of [start, end) of all models in the order of time, each a line with its newline."""
    features = [feature.name for model in sim.fleet.models for feature in model.features]
    found: list[tuple[int, dict[str, Any]]] = []
    for model in sim.fleet.models:
        block = rows(sim, model, start, end)
        found.extend(zip(block.ts_us.tolist(), _records(sim, block, features, known_at), strict=True))
    found.sort(key=lambda item: item[0])
    return [json.dumps(record, separators=(",", ":")) + "\n" for _, record in found]


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Append whole lines to `path` in one write."""
    with path.open("ab", buffering=0) as stream:
        stream.write("".join(lines).encode())


def time_text(us: int) -> str:
    """Unix microseconds as ISO 8601 in UTC."""
    return (_EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _records(sim: Simulation, block: Block, features: Sequence[str], known_at: float) -> Iterator[dict[str, Any]]:
    model = block.model
    versions = version_names(model)
    dims = [(name, sim.fleet.dim(name), block.dims[name].tolist()) for name, _ in sim.fleet.dims]
    own = {feature.name: _values(feature, block.features[feature.name]) for feature in model.features}
    known = ((block.label_us <= round(known_at * 1e6)) & (block.error == 0)).tolist()
    ids = block.request_ids().tolist()
    version = block.dims["version"].tolist()
    latency = block.latency_ms.tolist()
    error = block.error.tolist()
    confidence = block.confidence.tolist()
    prediction = block.prediction.tolist()
    label = block.label.tolist()
    label_us = block.label_us.tolist()
    shadow = block.shadow.tolist()
    for i, us in enumerate(block.ts_us.tolist()):
        kind = model.errors[error[i] - 1] if error[i] else None
        record: dict[str, Any] = {
            "ts": time_text(us),
            "request_id": f"{ids[i]:X}",
            "model": model.name,
            "version": versions[version[i]],
        }
        for name, values, codes in dims:
            record[name] = values[codes[i]]
        record["latency_ms"] = latency[i]
        record["error_type"] = kind.name if kind else None
        record["error_message"] = kind.message.format(ids[i] % MESSAGE_IDS, round(latency[i])) if kind else None
        record["prediction"] = None if kind else model.classes[prediction[i]]
        record["confidence"] = None if kind else confidence[i]
        record["label"] = model.classes[label[i]] if known[i] else None
        record["label_ts"] = time_text(label_us[i]) if known[i] else None
        record["shadow"] = shadow[i]
        for name in features:
            record[name] = own[name][i] if name in own else None
        yield record


def _values(feature: Numeric | Category, column: Floats) -> list[Any]:
    """Python values of a feature, None where it is missing."""
    if isinstance(feature, Category):
        labels = names(feature.weights)
        return [None if code == NULL_CODE else labels[int(code)] for code in column.tolist()]
    missing = np.isnan(column)
    if feature.decimals:
        return [None if gone else value for value, gone in zip(column.tolist(), missing.tolist(), strict=True)]
    whole = np.where(missing, 0, column).astype(np.int64)
    return [None if gone else value for value, gone in zip(whole.tolist(), missing.tolist(), strict=True)]
