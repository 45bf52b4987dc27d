"""The same rows in DuckDB and in ClickHouse give the same answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.evidence import Cube, Labels, Sums
from analysis.filters import ALL, And, Eq, Filter, In, Match, Not, Null, Or, Range, Same, conjunction
from analysis.segment_sample import cubes
from analysis.view import Window
from connectors import sqlsample
from connectors.base import By
from connectors.clickhouse_store import ClickHouseStore
from connectors.duckdb_store import DuckDbStore
from connectors.http import Access
from connectors.mapping import Mapping
from tests.clickhouse_server import PASSWORD, USER, ClickHouse
from tests.logs import START, write_parquet
from tests.test_shadow_rows import shadowed
from tui.config_schema import LogSource
from tui.sources import open_logs

HOUR = Window(START, START + 3_600)
STEP = 300
FAILED = Not(Null("error_type"))
DIMS = ("region", "tier", "device", "version")
HOSTILE = (
    "it's",
    'say "no"',
    "back\\slash",
    "\\",
    "'; DROP TABLE log; --",
    "tab\tline\nend",
    "{x:String}",
    "ü☃",
    "%_*",
)
ACCESS = Access(headers={"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD})


@pytest.fixture(scope="module")
def server() -> Iterator[ClickHouse]:
    server = ClickHouse()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Rows with a shadow version, labels that come late, ids logged twice, odd numbers and hostile texts."""
    frame = shadowed(3_000)
    rng = np.random.default_rng(7)
    labelled = frame["label"].notna()
    frame["label_ts"] = (frame["ts"] + pd.to_timedelta(rng.integers(1, 5_000, len(frame)), unit="s")).where(labelled)
    frame["ms"] = [f"{ms:.0f} ms" for ms in frame["latency_ms"]]
    frame["f_odd"] = pd.array(rng.normal(0, 5, len(frame)), dtype="Float64")
    frame.loc[:20, "f_odd"] = float("nan")
    frame.loc[20:24, "f_odd"] = float("inf")
    frame["f_note"] = rng.choice(HOSTILE, len(frame))
    frame["error_message"] = [
        f"shard {i % 5} said no after {i} ms\nat once" if text else None
        for i, text in enumerate(frame["error_message"])
    ]
    frame.loc[rng.random(len(frame)) < 0.02, "request_id"] = "r-again"
    return frame


@pytest.fixture(scope="module")
def folder(server: ClickHouse, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    file = write_parquet(folder / "a.parquet", frame)
    narrow = "CAST(region AS LowCardinality(Nullable(String))) AS region, CAST(tier AS LowCardinality(String)) AS tier"
    server.run(
        "CREATE DATABASE ml",
        "CREATE TABLE ml.log ENGINE = MergeTree ORDER BY ts SETTINGS index_granularity = 256 AS "
        f"SELECT * REPLACE (assumeNotNull(ts) AS ts, {narrow}) FROM file('{file}', Parquet)",
    )
    return folder


@pytest.fixture
async def stores(server: ClickHouse, folder: Path) -> AsyncIterator[tuple[ClickHouseStore, DuckDbStore]]:
    pair = ClickHouseStore(server.url, "ml.log", access=ACCESS), DuckDbStore([str(folder)])
    yield pair
    for store in pair:
        await store.close()


def same(found: Any, expected: Any, at: str = "") -> None:
    """Both hold the same values; sums of doubles may differ in their last digits."""
    assert type(found) is type(expected), at
    if is_dataclass(expected):
        for one in fields(expected):
            same(getattr(found, one.name), getattr(expected, one.name), f"{at}.{one.name}")
    elif isinstance(expected, np.ndarray):
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=at)
    elif isinstance(expected, dict):
        assert set(found) == set(expected), at
        for key, value in expected.items():
            same(found[key], value, f"{at}[{key}]")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), at
        for i, value in enumerate(expected):
            same(found[i], value, f"{at}[{i}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12, nan_ok=True), at
    else:
        assert found == expected, at


Pair = tuple[ClickHouseStore, DuckDbStore]


async def test_columns_are_understood_alike(stores: Pair) -> None:
    found, expected = [await store.describe() for store in stores]
    assert set(found.fields) == set(expected.fields)
    assert set(found.dims) == set(expected.dims)
    assert found.features == expected.features
    assert found.missing == expected.missing
    assert found.columns["region"] == "LowCardinality(Nullable(String))"


async def test_a_source_of_the_configuration_is_read_with_the_headers_of_its_file(
    server: ClickHouse, folder: Path, tmp_path: Path
) -> None:
    headers = tmp_path / "headers"
    headers.write_text(f"X-ClickHouse-User: {USER}\nX-ClickHouse-Key: {PASSWORD}\n", encoding="utf-8")
    store = open_logs(LogSource(name="warehouse", url=server.url, table="ml.log", headers_file=str(headers)))
    schema = await store.describe()
    await store.close()
    assert (store.name, store.kind) == ("warehouse", "clickhouse")
    assert schema.notes[0].startswith("ClickHouse ")


async def test_the_newest_and_the_oldest_row_are_known(stores: Pair) -> None:
    same(await stores[0].watermark(), await stores[1].watermark())
    same(await stores[0].watermark(), await stores[1].watermark())


@pytest.mark.parametrize("by", [None, By("region", ("eu-w1", "(null)"))], ids=["version", "region"])
async def test_requests_errors_and_latency_are_counted_alike(stores: Pair, by: By | None) -> None:
    spans = (Window(START + 10, START + 1_201), Window(START + 2_400, START + 3_000))
    found, expected = [(await store.series(spans, STEP, ALL, by)).value for store in stores]
    assert expected.requests.n.sum() > 1_000
    same(found, expected)


async def test_features_are_binned_and_counted_alike(stores: Pair) -> None:
    bins = [(await store.feature_bins((Window(START, START + 1_800),))).value for store in stores]
    same(bins[0], bins[1])
    assert {"amount", "hour", "odd", "note", "prediction", "merchant_cat"} <= bins[1].keys()
    found, expected = [(await store.features((HOUR,), STEP, bins[1])).value for store in stores]
    assert expected["odd"].nonfinite.sum() > 0
    assert expected["amount"].null.sum() > 0
    same(found, expected)


async def test_weighted_rows_are_counted_alike_a_few_fields_at_a_time(server: ClickHouse, folder: Path) -> None:
    mapping = Mapping(fields={"weight": "1.5"})
    pair = ClickHouseStore(server.url, "ml.log", mapping, access=ACCESS), DuckDbStore([str(folder)], mapping)
    bins = (await pair[1].feature_bins((HOUR,))).value
    found, expected = [await store.features((HOUR,), STEP, bins) for store in pair]
    same(found.value, expected.value)
    assert found.query.count("WITH binned") > expected.query.count("WITH binned")
    traffic = [(await store.series((HOUR,), STEP)).value for store in pair]
    same(traffic[0], traffic[1])
    for store in pair:
        await store.close()


async def test_confidence_errors_labels_and_repeats_are_counted_alike(stores: Pair) -> None:
    asks: tuple[Callable[[Any], Any], ...] = (
        lambda store: store.confidence((HOUR,), STEP, (0.0, 0.25, 0.5, 0.75, 1.0)),
        lambda store: store.errors((HOUR,), STEP),
        lambda store: store.labels((HOUR,), STEP, (0.0, 0.5, 1.0), (60.0, 600.0), START + 3_000),
        lambda store: store.labels((HOUR,), STEP, (0.0, 0.5, 1.0), (60.0, 600.0)),
        lambda store: store.labels((HOUR,), STEP, (0.0, 0.5, 1.0), (60.0, 600.0), None, ALL, By("tier", ("pro",))),
        lambda store: store.repeats((HOUR,), STEP),
    )
    for ask in asks:
        found, expected = [(await ask(store)).value for store in stores]
        assert expected is not None
        if isinstance(found, Labels) and isinstance(expected, Labels):
            found, expected = _sorted(found), _sorted(expected)
        same(found, expected)
    errors = (await stores[0].errors((HOUR,), STEP)).value
    assert errors is not None
    assert {key[2] for key in errors.counts.keys} == {"shard <*> said no after <*> at once"}


def _sorted(labels: Labels) -> Labels:
    """The rows in an order of their own: an engine gives them in any."""
    order = np.lexsort((labels.delay, labels.score, labels.key, labels.t))
    columns = ("t", "served", "key", "score", "delay", "n", "correct", "total")
    return replace(labels, **{name: getattr(labels, name)[order] for name in columns})


async def test_shadow_versions_are_paired_alike(stores: Pair) -> None:
    found, expected = [(await store.agreement((HOUR,), STEP)).value for store in stores]
    assert expected is not None
    assert expected.counts.n.sum() > 0
    same(found, expected)
    apart = Not(Same("prediction", "shadow_prediction"))
    cubes_found = [
        (await store.segments((HOUR,), (apart,), ("region",), Eq("model", "fraud"))).value for store in stores
    ]
    assert _leaves(cubes_found[0]) == _leaves(cubes_found[1])


@pytest.mark.parametrize("max_leaves", [200_000, 300], ids=["whole", "narrowed"])
async def test_segments_are_counted_alike(stores: Pair, max_leaves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.sqlsegments.MAX_LEAVES", max_leaves)
    slow = Range("latency_ms", low=100)
    found, expected = [(await s.segments((HOUR,), (slow, FAILED), (*DIMS, "ms"))).value for s in stores]
    assert expected.n.sum() > 2_000
    assert _leaves(found) == _leaves(expected)
    assert found.dims == expected.dims
    cuts = {"amount": (10.0, 30.0), "odd": (0.0,)}
    found, expected = [(await s.segments((HOUR,), (FAILED,), ("amount", "odd"), cuts=cuts)).value for s in stores]
    assert _leaves(found) == _leaves(expected)


async def test_sums_of_segments_are_alike(stores: Pair) -> None:
    for value in ("latency_ms", "odd"):
        found, expected = [(await store.segment_sums((HOUR,), value, ("region", "tier"))).value for store in stores]
        same(_summed(found), _summed(expected))


def _summed(sums: Sums) -> dict[tuple[str, ...], list[float]]:
    columns = (sums.n.tolist(), sums.total.tolist(), sums.squares.tolist())
    return {
        tuple(sums.values[d][code] for d, code in enumerate(codes)): list(numbers)
        for codes, *numbers in zip(sums.codes.tolist(), *columns, strict=True)
    }


def _leaves(cube: Cube) -> dict[tuple[str, ...], list[float]]:
    return {
        tuple(cube.values[d][code] for d, code in enumerate(codes)): [n, *hits]
        for codes, n, hits in zip(cube.codes.tolist(), cube.n.tolist(), cube.hits.tolist(), strict=True)
    }


async def test_a_sampled_search_finds_and_counts_the_same_segment(
    stores: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlsample, "SAMPLE_ROWS", 1_000)
    outcome = Eq("region", "us-e1")
    for store in stores:
        now = (await store.segment_rows((Window(START + 1_800, START + 3_600),), (outcome,), DIMS)).value
        assert now.hits.sum() > 100
        assert now.n.sum() == pytest.approx(1_500, rel=0.1)
        one, _ = cubes(now, now, (outcome,))
        wheres = tuple((("region", int(code)),) for code in one.values[0])
        names = (await store.code_names((HOUR,), wheres)).value
        assert {text for ((_, text),) in names.values()} == {"eu-w1", "us-e1", "ap-s1", "(null)"}
    segments = (Eq("region", "eu-w1"), conjunction(Eq("device", "ios"), Eq("tier", "free")), Eq("region", "(null)"))
    found, expected = [(await store.count_segments((HOUR,), segments, (FAILED, ALL))).value for store in stores]
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("where", [ALL, Range("confidence", low=0.9), Range("confidence", low=2.0)])
async def test_extremes_are_the_same(stores: Pair, where: Filter) -> None:
    found, expected = [(await store.extremes((HOUR,), "confidence", where)).value for store in stores]
    assert found == expected
    assert (expected is None) == (where == Range("confidence", low=2.0))


@pytest.mark.parametrize("field", ["region", "hour", "note", "merchant_cat"])
async def test_frequent_values_are_the_same(stores: Pair, field: str) -> None:
    found, expected = [(await store.top_values((HOUR,), field, ALL, 5)).value for store in stores]
    assert expected
    same(found, expected)


FILTERS: tuple[Filter, ...] = (
    Eq("region", "(null)"), Not(Eq("region", "(null)")), Not(Eq("region", "eu-w1")), In("region", ("eu-w1", "(null)")),
    Not(In("region", ("eu-w1", "ap-s1"))), Null("amount"), Not(Null("amount")), Range("amount", low=10, high=40.5),
    Not(Range("amount", low=10)), Range("odd", low=0), Not(Range("odd", high=0)), Range("hour", low=2), Eq("hour", "3"),
    Eq("canary", "true"), Match("region", "^(eu|us)-"), Match("note", "tab.line.end"),
    Same("prediction", "label"), Not(Same("prediction", "label")), Or(()), And(()), Range("ts", low=START + 600.5),
    Or((Eq("tier", "pro"), Null("error_type"))), Eq("shadow", "true"), *(Eq("note", text) for text in HOSTILE),
)  # fmt: skip
NOTHING: tuple[Filter, ...] = (Or(()), Match("note", "tab.line.end"))
"""A dot does not match a line break."""


async def test_filters_select_the_same_rows(stores: Pair) -> None:
    for where in FILTERS:
        found, expected = [(await store.top_values((HOUR,), "request_id", where, 10_000)).value for store in stores]
        assert found == expected, where
        assert expected or where in NOTHING, where


async def test_the_newest_records_hold_the_same_values(stores: Pair) -> None:
    for where in (ALL, Eq("note", "back\\slash"), Eq("shadow_version", "s1"), Range("ts", high=START)):
        found, expected = [(await store.records((HOUR,), where, 40)).value for store in stores]
        same(found, expected)


async def test_a_condition_is_what_the_engine_would_take(stores: Pair) -> None:
    assert await stores[0].condition(Eq("region", "it's \\")) == r"""("region" IN ('it\'s \\'))"""
