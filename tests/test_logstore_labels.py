"""The label question of the embedded log store against plain numpy over the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.evidence import Labels
from analysis.filters import Eq
from analysis.labels import DELAYS_S, SCORES
from analysis.view import Window
from connectors.duckdb_store import DuckDbStore
from tests.logs import START, json_lines, rows, unix, write_parquet

HOUR = Window(START, START + 3_600)
STEP = 300


def with_times(seed: int = 1) -> pd.DataFrame:
    """The usual rows, their labels between a second before (a skewed clock) and two hours after the prediction."""
    frame = rows(seed=seed)
    delay = np.random.default_rng(seed).uniform(-1, 7_200, len(frame))
    came = frame["ts"] + pd.to_timedelta((delay * 1e6).astype("int64"), unit="us")
    return frame.assign(label_ts=came.where(frame["label"].notna()).astype("datetime64[us]"))


async def asked(folder: Path, known_at: float | None = None, **more: object) -> tuple[Labels, tuple[str, ...]]:
    store = DuckDbStore([str(folder)])
    try:
        fetched = await store.labels((HOUR,), STEP, SCORES.edges, DELAYS_S, known_at, *more.values())  # type: ignore[arg-type]
        assert fetched.value is not None
        return fetched.value, fetched.warnings
    finally:
        await store.close()


def expected(frame: pd.DataFrame, known_at: float | None) -> pd.DataFrame:
    delay = (frame["label_ts"] - frame["ts"]).dt.total_seconds().clip(lower=0)
    known = frame["label"].notna()
    if known_at is not None:
        known &= frame["label_ts"] <= pd.Timestamp(known_at, unit="s")
    bins = np.digitize(delay.fillna(0), DELAYS_S) - 1
    return pd.DataFrame(
        {
            "t": unix(frame) // STEP * STEP,
            "model": frame["model"],
            "score": np.digitize(frame["confidence"], SCORES.edges) - 1,
            "delay": np.where(known, bins, -1),
            "n": 1,
            "correct": (known & (frame["prediction"] == frame["label"])).astype(int),
            "total": frame["confidence"],
        }
    )


@pytest.mark.parametrize("known_at", [None, START + 2_000.0], ids=["now", "a past moment"])
async def test_labels_are_counted_by_bucket_model_score_and_delay(tmp_path: Path, known_at: float | None) -> None:
    frame = with_times()
    write_parquet(tmp_path / "a.parquet", frame[:2_000])
    (tmp_path / "b.jsonl").write_bytes(json_lines(frame[2_000:]))
    labels, warnings = await asked(tmp_path, known_at)
    found = pd.DataFrame(
        {
            "t": labels.t,
            "model": [labels.keys[key][0] for key in labels.key],
            "score": labels.score,
            "delay": labels.delay,
            "n": labels.n,
            "correct": labels.correct,
            "total": labels.total,
        }
    )
    keys = ["t", "model", "score", "delay"]
    want = expected(frame, known_at).groupby(keys).sum()
    pd.testing.assert_frame_equal(found.groupby(keys).sum(), want, check_dtype=False, check_index_type=False)
    assert warnings == ()
    known = frame[frame["label"].notna()]
    if known_at is not None:
        known = known[known["label_ts"] <= pd.Timestamp(known_at, unit="s")]
    newest = known.groupby("model")["label_ts"].max()
    assert labels.newest == {
        str(model): pytest.approx(pd.Timestamp(at).timestamp(), abs=1e-5) for model, at in newest.items()
    }


async def test_a_filter_selects_the_rows(tmp_path: Path) -> None:
    frame = with_times()
    write_parquet(tmp_path / "a.parquet", frame)
    labels, _ = await asked(tmp_path, None, where=Eq("region", "eu-w1"))
    assert labels.n.sum() == (frame["region"] == "eu-w1").sum()


async def test_without_label_times_each_label_came_with_its_row_and_a_warning_says_so(tmp_path: Path) -> None:
    frame = rows()
    write_parquet(tmp_path / "a.parquet", frame, select="* EXCLUDE (label_ts)")
    labels, warnings = await asked(tmp_path)
    assert not labels.timed
    assert labels.newest == {}
    assert sorted(set(labels.delay.tolist())) == [-1, 0]
    assert labels.n[labels.delay == 0].sum() == frame["label"].notna().sum()
    assert any("label times are not logged" in text for text in warnings)


async def test_rows_without_a_prediction_are_none_that_a_label_could_judge(tmp_path: Path) -> None:
    frame = with_times()
    frame.loc[:99, "prediction"] = None
    write_parquet(tmp_path / "a.parquet", frame)
    labels, _ = await asked(tmp_path)
    assert labels.n.sum() == len(frame) - 100


async def test_classes_are_compared_as_numbers_where_one_side_is_text(tmp_path: Path) -> None:
    frame = with_times()
    frame["prediction"] = np.where(frame["prediction"] == "yes", "1", "0")
    frame["label"] = frame["label"].map({"yes": 1, "no": 0}).astype("Int64")
    write_parquet(tmp_path / "a.parquet", frame)
    labels, _ = await asked(tmp_path)
    known = frame[frame["label"].notna()]
    assert labels.correct.sum() == (known["prediction"].astype(int) == known["label"]).sum()


async def test_rows_without_a_score_count_apart(tmp_path: Path) -> None:
    frame = with_times()
    frame["confidence"] = frame["confidence"].mask(frame.index < 50)
    write_parquet(tmp_path / "a.parquet", frame)
    labels, _ = await asked(tmp_path)
    assert labels.n[labels.score == -1].sum() == 50


async def test_a_log_without_labels_has_no_answer(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows(), select="* EXCLUDE (label, label_ts)")
    store = DuckDbStore([str(tmp_path)])
    assert (await store.labels((HOUR,), STEP, SCORES.edges, DELAYS_S)).value is None
    await store.close()
