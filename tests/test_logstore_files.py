"""Files come and go, are half written, change shape; the store reads what is whole and says what is not."""

from __future__ import annotations

import asyncio
import gc
import gzip
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from analysis.filters import Eq
from analysis.view import Window
from connectors.base import MissingDataError, SourceError, UnreachableError
from connectors.duckdb_store import DuckDbStore
from connectors.logfiles import list_files
from tests.logs import START, json_lines, rows, write_parquet

HOUR = Window(START, START + 3_600)


async def _requests(store: DuckDbStore, span: Window = HOUR) -> float:
    return float((await store.series((span,), 60)).value.requests.n.sum())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DuckDbStore]:
    write_parquet(tmp_path / "a.parquet", rows(500))
    store = DuckDbStore([str(tmp_path)])
    yield store
    await store.close()


async def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    store = DuckDbStore([str(tmp_path / "nowhere")])
    with pytest.raises(MissingDataError, match="nowhere does not exist"):
        await store.describe()
    await store.close()


async def test_an_empty_directory_says_what_would_be_accepted_and_works_once_filled(tmp_path: Path) -> None:
    store = DuckDbStore([str(tmp_path)])
    with pytest.raises(MissingDataError) as caught:
        await store.series((HOUR,), 60)
    assert ".parquet" in caught.value.hint
    write_parquet(tmp_path / "a.parquet", rows(50))
    assert await _requests(store) == 50
    await store.close()


async def test_a_directory_of_garbage_says_why_each_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"this is not parquet at all")
    store = DuckDbStore([str(tmp_path)])
    with pytest.raises(MissingDataError, match=r"a\.parquet: not Parquet"):
        await store.describe()
    await store.close()


async def test_directories_globs_and_single_files_are_read(tmp_path: Path) -> None:
    deep = tmp_path / "day" / "hour"
    deep.mkdir(parents=True)
    write_parquet(deep / "a.parquet", rows(10))
    write_parquet(deep / "b.parquet", rows(20))
    (deep / "_tmp.parquet").write_bytes(b"PAR1")
    for paths, expected in (
        ([tmp_path], 30),
        ([tmp_path / "*" / "*" / "b*.parquet"], 20),
        ([tmp_path / "**" / "*.parquet"], 30),
        ([deep / "a.parquet", deep / "b.parquet"], 30),
        ([deep / "a.parquet", tmp_path], 30),
    ):
        store = DuckDbStore([str(path) for path in paths])
        assert await _requests(store) == expected, paths
        await store.close()


async def test_a_new_file_is_seen_at_the_next_question(store: DuckDbStore, tmp_path: Path) -> None:
    assert await _requests(store) == 500
    write_parquet(tmp_path / "b.parquet", rows(70, seed=2))
    assert await _requests(store) == 570


async def test_a_half_written_parquet_file_is_left_out_until_it_is_whole(store: DuckDbStore, tmp_path: Path) -> None:
    whole = write_parquet(tmp_path / "_b.parquet", rows(70, seed=2)).read_bytes()
    target = tmp_path / "b.parquet"
    for size in (0, 3, 11, len(whole) // 2, len(whole) - 1):
        target.write_bytes(whole[:size])
        assert await _requests(store) == 500, size
    assert any("b.parquet: no footer" in note for note in (await store.describe()).notes)
    target.write_bytes(whole)
    assert await _requests(store) == 570
    assert not any("b.parquet" in note for note in (await store.describe()).notes)


async def test_a_file_with_a_good_frame_and_a_broken_footer_is_left_out(store: DuckDbStore, tmp_path: Path) -> None:
    (tmp_path / "b.parquet").write_bytes(b"PAR1" + b"\xff" * 400 + (300).to_bytes(4, "little") + b"PAR1")
    fetched = await store.series((HOUR,), 60)
    assert fetched.value.requests.n.sum() == 500
    assert any("b.parquet" in warning for warning in fetched.warnings)


async def test_a_file_with_broken_pages_is_left_out_and_named(store: DuckDbStore, tmp_path: Path) -> None:
    good = bytearray(write_parquet(tmp_path / "_b.parquet", rows(3_000, seed=2)).read_bytes())
    footer = int.from_bytes(good[-8:-4], "little")
    good[4 : len(good) - footer - 8] = b"\xa5" * (len(good) - footer - 12)
    (tmp_path / "b.parquet").write_bytes(good)
    fetched = await store.series((HOUR,), 60)
    assert fetched.value.requests.n.sum() == 500
    assert any("b.parquet" in warning for warning in fetched.warnings)


async def test_a_file_that_vanishes_between_listing_and_reading_is_done_without(
    store: DuckDbStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(tmp_path / "b.parquet", rows(70, seed=2))
    run = store._transport.run
    calls = []

    async def run_after_deletion(sql: str) -> object:
        calls.append(sql)
        (tmp_path / "b.parquet").unlink(missing_ok=True)
        return await run(sql)

    monkeypatch.setattr(store._transport, "run", run_after_deletion)
    assert await _requests(store) == 500
    assert len(calls) == 2


async def test_files_outside_the_span_are_not_opened(store: DuckDbStore, tmp_path: Path) -> None:
    write_parquet(tmp_path / "later.parquet", rows(70, start=START + 86_400))
    await store.describe()
    fetched = await store.series((HOUR,), 60)
    assert "later.parquet" not in fetched.query
    assert fetched.rows == 500


async def test_the_watermark_comes_from_statistics_and_may_lie_in_the_future(
    store: DuckDbStore, tmp_path: Path
) -> None:
    future = int(time.time()) + 5 * 366 * 86_400
    write_parquet(tmp_path / "skewed.parquet", rows(70, start=future))
    watermark = await store.watermark()
    assert watermark.newest is not None
    assert watermark.oldest is not None
    assert future < watermark.newest <= future + 3_600
    assert START <= watermark.oldest < START + 60
    assert await _requests(store, Window(future, future + 3_600)) == 70


async def test_a_column_that_appears_mid_stream_becomes_a_feature_and_is_null_before(
    store: DuckDbStore, tmp_path: Path
) -> None:
    assert "f_new" not in (await store.describe()).columns
    write_parquet(tmp_path / "b.parquet", rows(300, seed=2), "* EXCLUDE (tier), 7.5 AS f_new")
    schema = await store.describe()
    assert "new" in {feature.name for feature in schema.features}
    bins = (await store.feature_bins((HOUR,))).value
    histogram = (await store.features((HOUR,), 60, bins)).value["new"]
    assert (histogram.n.sum(), histogram.null.sum()) == (300, 500)
    cube = (await store.segments((HOUR,), (), ("tier",))).value
    assert cube.n[[cube.values[0][code] == "(null)" for code in cube.codes[:, 0]]].sum() == 300


async def test_files_that_disagree_on_a_type_are_read_together(store: DuckDbStore, tmp_path: Path) -> None:
    write_parquet(
        tmp_path / "b.parquet",
        rows(60, seed=2),
        "* REPLACE (latency_ms::VARCHAR AS latency_ms, 41 AS version, epoch_ms(ts) AS ts)",
    )
    write_parquet(tmp_path / "c.parquet", rows(40, seed=3), "* REPLACE (latency_ms::INT AS latency_ms, 'odd' AS hour)")
    traffic = (await store.series((HOUR,), 60)).value
    assert traffic.requests.n.sum() == 600
    assert traffic.latency is not None
    assert traffic.latency.n.sum() == 600
    bins = (await store.feature_bins((HOUR,))).value
    assert (await store.features((HOUR,), 60, bins)).value["hour"].n.sum() > 0


async def test_parquet_and_jsonl_are_one_log(store: DuckDbStore, tmp_path: Path) -> None:
    (tmp_path / "live.jsonl").write_bytes(json_lines(rows(90, seed=5)))
    (tmp_path / "old.jsonl.gz").write_bytes(gzip.compress(json_lines(rows(30, seed=6))))
    assert await _requests(store) == 620
    errors = (await store.errors((HOUR,), 60)).value
    assert errors is not None
    expected = sum(int(rows(n, seed=s)["error_type"].notna().sum()) for n, s in ((500, 1), (90, 5), (30, 6)))
    assert errors.counts.n.sum() == expected
    dims = (await store.describe()).dims
    assert set(dims) == {"region", "tier", "device", "canary"}


async def test_the_engine_reads_nothing_outside_the_log_and_keeps_its_settings(
    store: DuckDbStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = write_parquet(tmp_path_factory.mktemp("outside") / "secret.parquet", rows(5))
    for sql in (f"SELECT * FROM read_parquet('{outside}')", "SET threads=1", "INSTALL httpfs", "LOAD httpfs"):
        with pytest.raises(SourceError):
            await store._duckdb.run(sql)


SLOW = "SELECT sum(a.range * b.range % 7) AS x FROM range(10000000) AS a, range(1000000) AS b"


async def _started(store: DuckDbStore, calls: int) -> None:
    while len(store._duckdb._running) < calls:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_cancelling_the_task_interrupts_a_slow_query_and_the_store_stays_usable(store: DuckDbStore) -> None:
    await store.describe()
    for _ in range(3):
        task = asyncio.create_task(store._duckdb.run(SLOW))
        await _started(store, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not store._duckdb._running
    assert await _requests(store) == 500


async def test_cancel_interrupts_everything_that_runs(store: DuckDbStore) -> None:
    await store.describe()
    tasks = [asyncio.create_task(store._duckdb.run(SLOW)) for _ in range(3)]
    await _started(store, 3)
    await store.cancel()
    for task in tasks:
        with pytest.raises(UnreachableError, match="cancelled"):
            await task
    assert await _requests(store) == 500


async def test_questions_asked_at_once_give_the_answers_they_give_alone(store: DuckDbStore, tmp_path: Path) -> None:
    (tmp_path / "live.jsonl").write_bytes(json_lines(rows(90, seed=5)))
    tiers = ("free", "pro")
    answers = await asyncio.gather(*(store.series((HOUR,), 60, Eq("tier", tiers[i % 2])) for i in range(8)))
    frame = pd.concat([rows(500), rows(90, seed=5)])
    for i, answer in enumerate(answers):
        assert answer.value.requests.n.sum() == (frame["tier"] == tiers[i % 2]).sum()


async def test_closing_leaves_no_private_files(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows(10))
    store = DuckDbStore([str(tmp_path)])
    await store.describe()
    scratch = store._scratch
    assert scratch.is_dir()
    await store.close()
    assert not scratch.exists()


async def test_a_store_that_is_dropped_without_closing_leaves_no_private_files(tmp_path: Path) -> None:
    store = DuckDbStore([str(tmp_path)])
    scratch = store._scratch
    del store
    gc.collect()
    assert not scratch.exists()


def test_hidden_and_foreign_files_are_not_listed(tmp_path: Path) -> None:
    for name in ("a.parquet", ".b.parquet", "_c.parquet", "notes.txt", "d.jsonl", "e.parquet.tmp"):
        (tmp_path / name).write_text("{}")
    (tmp_path / ".hidden").mkdir()
    shutil.copy(tmp_path / "a.parquet", tmp_path / ".hidden" / "f.parquet")
    assert {Path(file.path).name for file in list_files([str(tmp_path)])} == {"a.parquet", "d.jsonl"}


async def test_a_partitioned_directory_is_not_given_columns_from_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "model=1" / "hour=2"
    folder.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT to_timestamp({START}) AS ts, 5 AS amount) TO '{folder / 'a.parquet'}'")
    store = DuckDbStore([str(tmp_path)])
    assert set((await store.describe()).columns) == {"ts", "amount"}
    await store.close()
