"""Histograms over rows that are streamed out of the engine, against those that it counts itself."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from analysis.evidence import OTHER, UNSEEN, CategoryBins, Histogram, NumericBins
from analysis.filters import Eq
from analysis.view import Window
from connectors.arrowstream import StreamError, batches
from connectors.base import RejectedError, UnreachableError
from connectors.duckdb_dialect import DuckDbDialect
from connectors.duckdb_store import DuckDbStore
from connectors.sqlcolumns import ColumnsCount, ColumnsQuery
from connectors.sqlhistograms import CountedQuery
from tests.logs import START, rows, write_parquet

HOUR = Window(START, START + 3_600)
STEP = 300


@pytest.fixture
def streaming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.sqlfeatures.MIN_ROWS", 1)


def _odd_rows() -> pd.DataFrame:
    frame = rows()
    position = frame["position"].astype("float64")
    position.iloc[:40], position.iloc[40:50], position.iloc[50:55] = math.nan, math.inf, -1e300
    model = frame["model"].astype(object)
    model.iloc[100:130] = None
    shop = frame["merchant_cat"].where(frame["merchant_cat"] != "food", "")
    return frame.assign(
        model=model, f_odd=position, f_shop=shop, f_whole=np.arange(len(frame)) % 7, f_late=np.sort(frame["latency_ms"])
    ).sample(frac=1, random_state=3)


def _assert_same(found: Histogram, expected: Histogram) -> None:
    assert (found.keys, found.bins, found.t.tolist()) == (expected.keys, expected.bins, expected.t.tolist())
    np.testing.assert_array_equal(found.n, expected.n)
    np.testing.assert_array_equal(found.null, expected.null)
    np.testing.assert_array_equal(found.nonfinite, expected.nonfinite)
    np.testing.assert_allclose(found.total, expected.total, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("where", [None, Eq("region", "eu-w1")])
async def test_streamed_rows_count_as_portable_sql_counts_them(
    tmp_path: Path, streaming: None, monkeypatch: pytest.MonkeyPatch, where: Any
) -> None:
    write_parquet(tmp_path / "a.parquet", _odd_rows(), row_group=2_048)
    store = DuckDbStore([str(tmp_path)])
    filters = () if where is None else (where,)
    bins = (await store.feature_bins((Window(START, START + 1_200),))).value
    streamed = await store.features((HOUR,), STEP, bins, *filters)
    assert "AS x0" in streamed.query
    assert "histogram" not in streamed.query
    monkeypatch.setattr("connectors.sqlfeatures.MIN_ROWS", math.inf)
    monkeypatch.setattr(CountedQuery, "answers", lambda *_: False)
    portable = (await store.features((HOUR,), STEP, bins, *filters)).value
    await store.close()
    assert set(streamed.value) == set(portable) >= {"odd", "shop", "whole", "late", "prediction"}
    for name, expected in portable.items():
        _assert_same(streamed.value[name], expected)
    assert portable["odd"].nonfinite.sum() > 0
    assert ("(null)",) in portable["odd"].keys or where is not None


async def test_few_rows_are_left_to_the_engine(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows())
    store = DuckDbStore([str(tmp_path)])
    bins = (await store.feature_bins((HOUR,))).value
    found = await store.features((HOUR,), STEP, bins)
    await store.close()
    assert "histogram(" in found.query
    assert "AS x0" not in found.query


async def test_a_model_that_comes_between_two_statements_is_counted_by_the_engine(
    tmp_path: Path, streaming: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = rows()
    frame.loc[frame.index % 7 == 0, "model"] = "young"
    write_parquet(tmp_path / "a.parquet", frame)
    store = DuckDbStore([str(tmp_path)])
    bins = (await store.feature_bins((HOUR,))).value
    monkeypatch.setattr("connectors.sqlfeatures._models", lambda _: "SELECT unnest(['fraud', 'rank']) AS model")
    found = (await store.features((HOUR,), STEP, bins)).value
    await store.close()
    assert found["amount"].keys == (("fraud",), ("rank",), ("young",))


async def test_rows_of_a_second_model_that_came_since_are_left_to_the_next_look(
    tmp_path: Path, streaming: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = rows()
    write_parquet(tmp_path / "a.parquet", frame)
    store = DuckDbStore([str(tmp_path)])
    bins = (await store.feature_bins((HOUR,))).value
    monkeypatch.setattr("connectors.sqlfeatures._models", lambda _: "SELECT 'fraud' AS model")
    found = (await store.features((HOUR,), STEP, bins)).value["amount"]
    await store.close()
    assert found.keys == (("fraud",),)
    own = frame[frame["model"] == "fraud"]["amount"]
    assert found.n.sum() == own.notna().sum()
    assert found.null.sum() == own.isna().sum()


async def test_cancelling_stops_a_stream_and_the_store_stays_usable(
    tmp_path: Path, streaming: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(tmp_path / "a.parquet", rows())
    store = DuckDbStore([str(tmp_path)])
    bins = (await store.feature_bins((HOUR,))).value
    endless = "(SELECT ts, model, amount FROM {0} AS a, range(100000000) AS b)"
    slow = ColumnsQuery.sql
    monkeypatch.setattr(ColumnsQuery, "sql", lambda query, relation: slow(query, endless.format(relation)))
    task = asyncio.ensure_future(store.features((HOUR,), STEP, {"amount": bins["amount"]}))
    await asyncio.sleep(0.3)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    assert (await store.features((HOUR,), STEP, bins)).value["amount"].n.sum() > 0
    numbers = "SELECT a.i FROM range(100000000) AS a(i), range(1000) AS b"
    stopped = asyncio.ensure_future(store._duckdb.stream(numbers, lambda columns: None))
    await asyncio.sleep(0.1)
    await store.cancel()
    with pytest.raises(UnreachableError, match="cancelled"):
        await stopped
    await store.close()


def test_a_stream_gives_every_number_and_where_it_is_null() -> None:
    con = duckdb.connect()
    sql = """SELECT i, CASE WHEN i % 3 > 0 THEN i / 2 END AS half, (i % 200)::UTINYINT AS small, -i::INTEGER AS less
             FROM range(300000) AS t(i)"""
    found: dict[str, list[Any]] = {}
    sizes = []
    for columns in batches(con.sql(sql)):
        sizes.append(len(columns["i"]))
        for name, values in columns.items():
            found.setdefault(name, []).append(np.ma.filled(values.astype(float), math.nan))
    whole = {name: np.concatenate(parts) for name, parts in found.items()}
    i = np.arange(300_000.0)
    assert len(sizes) > 1
    order = np.argsort(whole["i"])
    np.testing.assert_array_equal(whole["i"][order], i)
    np.testing.assert_array_equal(whole["half"][order], np.where(i % 3 > 0, i / 2, np.nan))
    np.testing.assert_array_equal(whole["small"][order], i % 200)
    np.testing.assert_array_equal(whole["less"][order], -i)
    assert list(batches(con.sql("SELECT 1 AS x WHERE false"))) == []


def test_an_engine_that_fails_in_the_middle_of_a_stream_says_why() -> None:
    failing = (
        "SELECT CASE WHEN i < 400000 THEN i ELSE error('page 7 is broken')::BIGINT END AS x FROM range(500000) t(i)"
    )
    with pytest.raises((StreamError, duckdb.Error), match="page 7 is broken"):
        for _ in batches(duckdb.connect().sql(failing)):
            pass
    with pytest.raises(TypeError, match=r"word \(u\)"):
        list(batches(duckdb.connect().sql("SELECT 'a' AS word")))


async def test_a_failure_in_the_middle_of_a_stream_is_told_as_that_of_any_question(tmp_path: Path) -> None:
    store = DuckDbStore([str(write_parquet(tmp_path / "a.parquet", rows(10)))])
    # The engine's threads run ahead of the reader by some millions of rows, on a busy machine by more.
    late = "CASE WHEN i < 20000000 THEN 'a' ELSE '(' END"
    broken = f"SELECT regexp_matches('a', {late})::INTEGER AS x FROM range(20000100) AS t(i)"
    seen: list[int] = []
    with pytest.raises(RejectedError, match="not an RE2 regular expression"):
        await store._duckdb.stream(broken, lambda columns: seen.append(len(columns["x"])))
    assert seen
    await store.close()


def test_rows_of_buckets_in_any_order_are_summed_up_per_bucket() -> None:
    rng = np.random.default_rng(4)
    kind, shop = NumericBins((-math.inf, 0.0, 1.0, math.inf)), CategoryBins(("a", "b", OTHER, UNSEEN))
    query = ColumnsQuery({"x": kind, "shop": shop}, ("m",), Window(0, 600), 60, DuckDbDialect())
    t, x = rng.integers(0, 10, 5_000) * 60, rng.normal(size=5_000)
    place = np.ma.masked_equal(rng.integers(0, 4, 5_000).astype(np.uint8), 0)
    for order in (np.arange(5_000), np.argsort(t, kind="stable")):
        count = ColumnsCount(query)
        for part in np.array_split(order, 7):
            count.add({"t": t[part], "m": np.ones(len(part), dtype=np.uint8), "x0": x[part], "x1": place[part]})
        found = count.histograms()
        for i, start in enumerate(range(0, 600, 60)):
            own = x[t == start]
            assert found["x"].n[i, 0].tolist() == [(own < 0).sum(), ((own >= 0) & (own < 1)).sum(), (own >= 1).sum()]
            assert found["x"].total[i, 0] == pytest.approx(own.sum())
            assert found["shop"].null[i, 0] == (place[t == start] == 3).sum()
            assert found["shop"].n[i, 0, :2].tolist() == [(place[t == start] == k).sum() for k in (1, 2)]
