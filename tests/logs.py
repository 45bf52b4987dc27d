"""Small inference logs for tests: a frame of rows, and the files that hold it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

START = 1_795_305_600
"""2026-11-22 00:00:00 UTC"""


def rows(n: int = 4_000, seconds: int = 3_600, seed: int = 1, start: int = START) -> pd.DataFrame:
    """Two models, two versions, three dims, the features of both models (null for the other one), rare errors."""
    rng = np.random.default_rng(seed)
    model = rng.choice(["fraud", "rank"], n, p=[0.7, 0.3])
    failed = rng.random(n) < 0.05
    fraud = model == "fraud"
    frame = pd.DataFrame(
        {
            "ts": pd.to_datetime(np.sort(start * 10**6 + rng.integers(0, seconds * 10**6, n)), unit="us").astype(
                "datetime64[us]"
            ),
            "request_id": [f"r-{seed}-{i}" for i in range(n)],
            "model": model,
            "version": rng.choice(["41", "42"], n),
            "region": _only(rng.random(n) > 0.02, rng.choice(["eu-w1", "us-e1", "ap-s1"], n)),
            "tier": rng.choice(["free", "pro"], n),
            "device": rng.choice(["ios", "android", "web"], n),
            "latency_ms": rng.lognormal(4, 0.6, n),
            "error_type": _only(failed, rng.choice(["Timeout", "OOM"], n)),
            "error_message": _only(failed, np.full(n, "upstream said no")),
            "prediction": rng.choice(["yes", "no"], n),
            "confidence": rng.beta(8, 2, n),
            "label": _only(rng.random(n) < 0.3, rng.choice(["yes", "no"], n)),
            "label_ts": pd.Series(pd.NaT, index=range(n), dtype="datetime64[us]"),
            "canary": rng.random(n) < 0.1,
            "amount": np.where(fraud, rng.lognormal(3, 1, n), np.nan),
            "hour": np.where(fraud, rng.integers(0, 6, n).astype(float), np.nan),
            "merchant_cat": _only(fraud, rng.choice(["food", "travel", "games", "rent"], n)),
            "position": np.where(fraud, np.nan, rng.normal(0, 1, n)),
            "query_lang": _only(~fraud, rng.choice(["en", "de"], n)),
        }
    )
    for name in ("amount", "hour", "position"):
        frame[name] = frame[name].astype("Float64").mask(frame[name].isna())
    return frame


def _only(kept: Any, values: Any) -> list[str | None]:
    return [str(value) if keep else None for keep, value in zip(kept, values, strict=True)]


def write_parquet(path: Path, frame: pd.DataFrame, select: str = "*", row_group: int = 122_880) -> Path:
    """The frame as a Parquet file, through a temporary name as a good writer does; `select` changes columns."""
    partial = path.with_name(f"_{path.name}")
    with duckdb.connect() as con:
        con.register("frame", frame)
        con.execute(f"COPY (SELECT {select} FROM frame) TO '{partial}' (FORMAT parquet, ROW_GROUP_SIZE {row_group})")
    return partial.rename(path)


def json_lines(frame: pd.DataFrame) -> bytes:
    """The frame as JSONL with ISO timestamps; nulls are left out of the objects."""
    lines = []
    for record in frame.to_dict("records"):
        kept: dict[str, Any] = {str(k): _plain(v) for k, v in record.items() if not pd.isna(v)}
        lines.append(json.dumps(kept))
    return ("\n".join(lines) + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat() + "Z"
    return value.item() if isinstance(value, np.generic) else value


def unix(frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Whole unix seconds of the rows."""
    return np.asarray(frame["ts"].astype("int64") // 10**6, dtype=np.int64)
