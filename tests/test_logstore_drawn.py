"""The bins of numbers whose sample is streamed, against those that the engine makes of the same rows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.evidence import OTHER, UNSEEN, Bins, CategoryBins, NumericBins
from analysis.filters import ALL, Eq
from analysis.view import Window
from connectors.arrowstream import batches
from connectors.duckdb_dialect import DuckDbDialect
from connectors.duckdb_store import DuckDbStore
from connectors.sqlbins import BinsQuery
from connectors.sqldrawn import DrawnNumbers, DrawnQuery
from tests.logs import START, rows, write_parquet

HOUR = Window(START, START + 3_600)
ROWS = "rows_read"

ODD = st.none() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 1.7e308, -1.7e308, 5e-324])
EIGHTHS = st.integers(-(10**6), 10**6).map(lambda i: i / 8)

VALUES = st.lists(ODD | EIGHTHS | st.integers(-40, 40).map(float), min_size=0, max_size=60)


def _of_engine(con: Any, names: tuple[str, ...]) -> dict[str, Bins]:
    query = BinsQuery(names, (True,) * len(names), DuckDbDialect(), thorough=True)
    answer = con.execute(query.sql(ROWS, 1.0))
    columns = dict(zip((column[0] for column in answer.description), zip(*answer.fetchall(), strict=True), strict=True))
    return query.bins(*(columns.get(name, ()) for name in ("k", "part", "v", "x", "n")))[0]


def _of_stream(con: Any, names: tuple[str, ...]) -> dict[str, Bins]:
    query = DrawnQuery(names, 1.0, DuckDbDialect())
    drawn = DrawnNumbers(query)
    for columns in batches(con.sql(query.sql(ROWS))):
        drawn.add(columns)
    return drawn.bins()


def _apart(bins: NumericBins) -> np.ndarray[Any, Any]:
    """Edges without those that are another's but for its rounding, which the engine makes between equal values."""
    edges = np.array(bins.edges[1:-1])
    size = np.maximum(np.abs(edges), 1e-9)
    return np.compress(np.diff(edges, append=math.inf) > 1e-12 * size, edges)


def _assert_same(found: Bins, expected: Bins) -> None:
    if isinstance(expected, CategoryBins):
        assert found == expected
        return
    assert isinstance(found, NumericBins)
    assert found.reference == expected.reference
    np.testing.assert_allclose(_apart(found), _apart(expected), rtol=1e-12)


@settings(max_examples=30)
@given(few=VALUES, many=st.lists(EIGHTHS, min_size=40, max_size=60))
def test_streamed_values_have_the_bins_that_the_engine_makes(few: list[Any], many: list[float]) -> None:
    con = duckdb.connect()
    con.execute(
        f"CREATE TABLE {ROWS} AS SELECT i AS ts, few, many FROM (SELECT unnest(range(60)) AS i, "
        "unnest(?::DOUBLE[]) AS few, unnest(?::DOUBLE[]) AS many)",
        [few, many],
    )
    found, expected = _of_stream(con, ("few", "many")), _of_engine(con, ("few", "many"))
    assert list(found) == list(expected)
    for name, bins in expected.items():
        _assert_same(found[name], bins)


@pytest.mark.parametrize("where", [ALL, Eq("region", "eu-w1")])
async def test_a_store_with_many_rows_has_the_same_bins_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any
) -> None:
    frame = rows()
    whole, rare = np.arange(len(frame)) % 7, np.where(np.arange(len(frame)) % 3 == 0, -1.0, frame["latency_ms"])
    frame = frame.assign(f_whole=whole, f_rare=rare, f_nothing=pd.Series([None] * len(frame), dtype="float64"))
    write_parquet(tmp_path / "a.parquet", frame, row_group=2_048)
    store = DuckDbStore([str(tmp_path)])
    expected = await store.feature_bins((HOUR,), where, dims=True)
    monkeypatch.setattr("connectors.sqlfeatures.MIN_ROWS", 1)
    found = await store.feature_bins((HOUR,), where, dims=True)
    assert list(found.value) == list(expected.value)
    assert "nothing" not in found.value
    assert found.warnings == expected.warnings
    for name, bins in expected.value.items():
        _assert_same(found.value[name], bins)
    await store.close()


async def test_a_sample_of_many_rows_is_the_same_each_time_and_near_the_whole(tmp_path: Path) -> None:
    spread = np.random.default_rng(5).normal(size=250_000)
    stamps = START + np.arange(len(spread)) * 3_600 / len(spread)
    frame = pd.DataFrame({"ts": pd.to_datetime(stamps, unit="s"), "model": "fraud", "f_x": spread, "f_one": 4.0})
    write_parquet(tmp_path / "a.parquet", frame, row_group=50_000)
    store = DuckDbStore([str(tmp_path)])
    first, again = [await store.feature_bins((HOUR,)) for _ in range(2)]
    assert first.value == again.value
    assert first.value["one"] == CategoryBins(("4", OTHER, UNSEEN))
    kind = first.value["x"]
    assert isinstance(kind, NumericBins)
    shares = np.searchsorted(np.sort(spread), kind.edges[1:-1]) / len(spread)
    np.testing.assert_allclose(shares[3:-3], np.arange(1, 10) / 10, atol=0.015)
    await store.close()
