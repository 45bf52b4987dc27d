"""The label question of the embedded log store against plain numpy over the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.evidence import OTHER, Labels
from analysis.filters import ALL, And, Eq, Not, Null, Same
from analysis.labels import DELAYS_S, SCORES
from analysis.view import Window
from connectors.base import By
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


async def test_labels_told_apart_by_a_dimension_add_up_to_all_of_them(tmp_path: Path) -> None:
    frame = with_times()
    write_parquet(tmp_path / "a.parquet", frame)
    whole, _ = await asked(tmp_path)
    apart, _ = await asked(tmp_path, where=ALL, by=By("tier", ("pro",)))
    assert {key[1] for key in apart.keys} == {"pro", OTHER}
    for model in {key[0] for key in whole.keys}:
        for value in ("pro", OTHER):
            rows = apart.key == apart.keys.index((model, value))
            wanted = frame[(frame["model"] == model) & ((frame["tier"] == "pro") == (value == "pro"))]
            assert apart.n[rows].sum() == len(wanted)
            assert apart.correct[rows].sum() == (wanted["prediction"] == wanted["label"]).sum()
    assert apart.newest == whole.newest
    assert apart.total.sum() == pytest.approx(whole.total.sum())


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


async def test_a_confidence_that_is_no_probability_is_no_known_score(tmp_path: Path) -> None:
    frame = with_times()
    frame["confidence"] = frame["confidence"].mask(frame.index < 50, 87.0).mask(frame.index >= len(frame) - 20, -0.2)
    write_parquet(tmp_path / "a.parquet", frame)
    labels, _ = await asked(tmp_path)
    assert labels.n[labels.score == -1].sum() == 70
    assert labels.total.sum() == pytest.approx(frame["confidence"][frame["confidence"].between(0, 1)].sum())


async def test_a_log_without_labels_has_no_answer(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows(), select="* EXCLUDE (label, label_ts)")
    store = DuckDbStore([str(tmp_path)])
    assert (await store.labels((HOUR,), STEP, SCORES.edges, DELAYS_S)).value is None
    await store.close()


def delivered(frame: pd.DataFrame) -> bytes:
    """What a label job writes of rows: one JSON object per label."""
    known = frame[frame["label"].notna()]
    return json_lines(known[["request_id", "label", "label_ts"]].astype({"label": "str"}))


async def from_file(folder: Path, labels: Path) -> tuple[Labels, tuple[str, ...]]:
    store = DuckDbStore([str(folder)], labels=[str(labels)])
    try:
        fetched = await store.labels((HOUR,), STEP, SCORES.edges, DELAYS_S)
        assert fetched.value is not None
        return fetched.value, fetched.warnings
    finally:
        await store.close()


def told(labels: Labels) -> list[tuple[object, ...]]:
    order = np.lexsort((labels.delay, labels.score, labels.key, labels.t))
    parts = (labels.t, labels.key, labels.score, labels.delay, labels.n, labels.correct)
    return [tuple(part[i] for part in parts) for i in order]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
async def test_labels_that_another_job_delivers_are_joined_by_request(tmp_path: Path, kind: str) -> None:
    frame, log, labels = with_times(), tmp_path / "log", tmp_path / "labels"
    log.mkdir()
    labels.mkdir()
    write_parquet(log / "a.parquet", frame)
    inside, _ = await asked(log)
    write_parquet(log / "a.parquet", frame, select="* EXCLUDE (label, label_ts)")
    if kind == "jsonl":
        (labels / "a.jsonl").write_bytes(delivered(frame))
    else:
        write_parquet(labels / "a.parquet", frame, select="request_id, label, label_ts")
    joined, warnings = await from_file(log, labels)
    assert told(joined) == told(inside)
    assert joined.newest == pytest.approx(inside.newest)
    assert warnings == ()


async def test_a_label_that_is_appended_later_is_seen_and_a_correction_counts(tmp_path: Path) -> None:
    frame, file = with_times(), tmp_path / "labels.jsonl"
    frame["label"] = frame["prediction"]
    write_parquet(tmp_path / "log.parquet", frame, select="* EXCLUDE (label, label_ts)")
    first = frame.assign(label_ts=frame["ts"])
    file.write_bytes(delivered(first[:100]))
    store = DuckDbStore([str(tmp_path / "log.parquet")], labels=[str(file)])
    try:

        async def counts() -> tuple[float, float]:
            value = (await store.labels((HOUR,), STEP, SCORES.edges, DELAYS_S)).value
            assert value is not None
            return float(value.n[value.delay >= 0].sum()), float(value.correct.sum())

        assert await counts() == (100, 100)
        with file.open("ab") as more:
            more.write(delivered(first[100:150]))
            more.write(delivered(first[:10].assign(label="other", label_ts=first["ts"][:10] + pd.Timedelta("1min"))))
        assert await counts() == (150, 140)
    finally:
        await store.close()


async def test_labels_of_the_rows_stay_where_none_was_delivered(tmp_path: Path) -> None:
    frame, log = with_times(), tmp_path / "log"
    log.mkdir()
    write_parquet(log / "a.parquet", frame)
    inside, _ = await asked(log)
    half = frame[frame.index % 2 == 0]
    (tmp_path / "labels.jsonl").write_bytes(delivered(half))
    joined, _ = await from_file(log, tmp_path / "labels.jsonl")
    assert told(joined) == told(inside)


async def test_label_files_that_are_not_there_yet_are_a_note_and_the_log_is_read(tmp_path: Path) -> None:
    frame, log = with_times(), tmp_path / "log"
    log.mkdir()
    write_parquet(log / "a.parquet", frame, select="* EXCLUDE (label, label_ts)")
    labels, warnings = await from_file(log, tmp_path / "labels")
    assert labels.n.sum() == len(frame)
    assert (labels.delay == -1).all()
    assert any("labels: no such log" in text for text in warnings)


async def test_a_log_without_request_ids_says_that_labels_cannot_be_joined(tmp_path: Path) -> None:
    frame, log = with_times(), tmp_path / "log"
    log.mkdir()
    write_parquet(log / "a.parquet", frame, select="* EXCLUDE (request_id, label, label_ts)")
    (tmp_path / "labels.jsonl").write_bytes(delivered(frame))
    store = DuckDbStore([str(log)], labels=[str(tmp_path / "labels.jsonl")])
    try:
        assert (await store.labels((HOUR,), STEP, SCORES.edges, DELAYS_S)).value is None
        assert any("no request_id to join" in note for note in (await store.describe()).notes)
    finally:
        await store.close()


async def test_numeric_labels_are_joined_as_numbers(tmp_path: Path) -> None:
    frame, log = with_times(), tmp_path / "log"
    log.mkdir()
    frame["prediction"] = np.where(frame["prediction"] == "yes", 1, 0)
    frame["label"] = frame["label"].map({"yes": 1, "no": 0}).astype("Int64")
    write_parquet(log / "a.parquet", frame, select="* EXCLUDE (label, label_ts)")
    write_parquet(tmp_path / "labels.parquet", frame, select="request_id, label, epoch_ms(label_ts) AS label_ts")
    labels, _ = await from_file(log, tmp_path / "labels.parquet")
    known = frame[frame["label"].notna()]
    assert labels.correct.sum() == (known["prediction"] == known["label"]).sum()
    assert labels.newest.keys() == {"fraud", "rank"}


async def test_joined_labels_can_be_filtered_by_and_are_in_the_records(tmp_path: Path) -> None:
    frame, log = with_times(), tmp_path / "log"
    log.mkdir()
    write_parquet(log / "a.parquet", frame, select="* EXCLUDE (label, label_ts)")
    (tmp_path / "labels.jsonl").write_bytes(delivered(frame))
    store = DuckDbStore([str(log)], labels=[str(tmp_path / "labels.jsonl")])
    try:
        wrong = And((Not(Null("label")), Not(Same("prediction", "label"))))
        found = (await store.records((HOUR,), wrong, 20)).value
        assert len(found) == 20
        assert all(row["label"] not in (None, row["prediction"]) for row in found)
        cube = (await store.segments((HOUR,), (wrong,), ("region",))).value
        known = frame[frame["label"].notna()]
        assert cube.hits.sum() == (known["prediction"] != known["label"]).sum()
    finally:
        await store.close()
