"""The answers of the embedded log store against plain numpy over the same rows."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.error_kinds import error_kinds
from analysis.evidence import OTHER, UNSEEN, CategoryBins, NumericBins
from analysis.filters import Eq, Null, Range
from analysis.view import Window
from connectors.base import MissingDataError
from connectors.duckdb_store import DuckDbStore
from connectors.sqlerrors import MAX_TEMPLATES
from connectors.sqlhistograms import CountedQuery
from connectors.sqlrows import LATENCY_EDGES_MS
from tests.logs import START, rows, unix, write_parquet

HOUR = Window(START, START + 3_600)
STEP = 300


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return rows()


@pytest.fixture(scope="module")
def folder(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    half = len(frame) // 2
    write_parquet(folder / "a.parquet", frame[:half], row_group=2_048)
    write_parquet(folder / "b.parquet", frame[half:], row_group=2_048)
    return folder


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[DuckDbStore]:
    store = DuckDbStore([str(folder)])
    yield store
    await store.close()


def _buckets(frame: pd.DataFrame, step: int = STEP) -> Any:
    return unix(frame) // step * step


async def test_requests_and_errors_are_counted_by_bucket_model_and_version(
    store: DuckDbStore, frame: pd.DataFrame
) -> None:
    traffic = (await store.series((HOUR,), STEP)).value
    assert traffic.errors is not None
    expected = frame.assign(t=_buckets(frame)).groupby(["t", "model", "version"])
    assert traffic.requests.n.sum() == len(frame)
    for (t, model, version), group in expected:
        at = traffic.requests.t.tolist().index(t), traffic.requests.keys.index((model, version))
        assert traffic.requests.n[at] == len(group)
        assert traffic.errors.n[at] == group["error_type"].notna().sum()


async def test_latency_percentiles_of_the_log_histogram_are_within_half_a_bin(
    store: DuckDbStore, frame: pd.DataFrame
) -> None:
    latency = (await store.series((HOUR,), STEP)).value.latency
    assert latency is not None
    counts = latency.n.sum(axis=(0, 1))
    assert latency.total.sum() == pytest.approx(frame["latency_ms"].sum())
    for share in (0.5, 0.9, 0.99):
        at = int(np.searchsorted(np.cumsum(counts), share * counts.sum()))
        estimate = math.sqrt(LATENCY_EDGES_MS[at] * LATENCY_EDGES_MS[at + 1])
        assert estimate == pytest.approx(np.quantile(frame["latency_ms"], share), rel=2 ** (1 / 8) - 1)


async def test_two_disjoint_spans_add_up_to_their_union(store: DuckDbStore, frame: pd.DataFrame) -> None:
    first, second = Window(START, START + 1_200), Window(START + 2_400, START + 3_600)
    parts = [(await store.series((span,), STEP)).value for span in (first, second)]
    both = (await store.series((second, first), STEP)).value
    for part in parts:
        at = np.isin(both.requests.t, part.requests.t)
        assert both.requests.keys == part.requests.keys
        assert np.array_equal(both.requests.n[at], part.requests.n)
        assert both.latency is not None
        assert part.latency is not None
        assert np.array_equal(both.latency.n[at], part.latency.n)
    assert both.requests.n.sum() == sum(part.requests.n.sum() for part in parts)
    assert not np.isin(both.requests.t, np.arange(START + 1_200, START + 2_400)).any()


async def test_slices_of_a_long_span_give_the_same_answer(
    store: DuckDbStore, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CountedQuery, "answers", lambda *_: False)
    bins = (await store.feature_bins((HOUR,))).value
    whole = (await store.features((HOUR,), STEP, bins)).value
    monkeypatch.setattr("connectors.duckdb_store.CELLS_PER_QUERY", 10_000)
    sliced = await store.features((HOUR,), STEP, bins)
    assert sliced.query.count("WITH binned") > 3
    for name, histogram in whole.items():
        assert np.array_equal(histogram.n, sliced.value[name].n)
        assert np.allclose(histogram.total, sliced.value[name].total)


async def test_the_engines_own_aggregates_count_as_portable_sql_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = rows()
    amount = frame["amount"].copy()
    amount[frame["model"] == "fraud"] = amount[frame["model"] == "fraud"].round(0)
    odd = frame["position"].copy()
    odd.iloc[:40] = math.nan
    odd.iloc[40:50] = math.inf
    shop = frame["merchant_cat"].where(frame["merchant_cat"] != "food", "")
    frame = frame.assign(f_round=amount, f_odd=odd.astype("float64"), f_shop=shop)
    write_parquet(tmp_path / "a.parquet", frame)
    store = DuckDbStore([str(tmp_path)])
    early = Window(START, START + 1_200)
    bins = (await store.feature_bins((early,))).value
    fast = await store.features((HOUR,), STEP, bins)
    assert "histogram(" in fast.query
    assert "histogram_exact(" in fast.query
    monkeypatch.setattr(CountedQuery, "answers", lambda *_: False)
    portable = (await store.features((HOUR,), STEP, bins)).value
    await store.close()
    assert set(fast.value) == set(portable) >= {"round", "odd", "shop", "prediction"}
    for name, expected in portable.items():
        found = fast.value[name]
        assert (found.keys, found.bins, found.t.tolist()) == (expected.keys, expected.bins, expected.t.tolist())
        np.testing.assert_array_equal(found.n, expected.n)
        np.testing.assert_array_equal(found.null, expected.null)
        np.testing.assert_array_equal(found.nonfinite, expected.nonfinite)
        np.testing.assert_allclose(found.total, expected.total)
    assert portable["odd"].nonfinite.sum() > 0


async def test_features_are_counted_per_model_with_nulls_apart(store: DuckDbStore, frame: pd.DataFrame) -> None:
    bins = (await store.feature_bins((HOUR,))).value
    found = (await store.features((HOUR,), STEP, bins)).value
    assert set(found) == {"amount", "hour", "merchant_cat", "position", "prediction", "query_lang"}
    amount = found["amount"]
    assert isinstance(amount.bins, NumericBins)
    at = amount.keys.index(("fraud",))
    values = frame["amount"].dropna().to_numpy(dtype=float)
    expected, _ = np.histogram(values, np.array(amount.bins.edges))
    assert amount.n[:, at].sum(axis=0).tolist() == expected.tolist()
    assert amount.total[:, at].sum() == pytest.approx(values.sum())
    assert amount.null[:, amount.keys.index(("rank",))].sum() == (frame["model"] == "rank").sum()
    category = found["merchant_cat"]
    assert isinstance(category.bins, CategoryBins)
    for label, n in frame["merchant_cat"].value_counts().items():
        assert category.n[:, :, category.bins.labels.index(str(label))].sum() == n


async def test_numeric_bins_are_the_quantiles_of_the_baseline(store: DuckDbStore, frame: pd.DataFrame) -> None:
    bins = (await store.feature_bins((HOUR,))).value
    amount, hour = bins["amount"], bins["hour"]
    assert isinstance(amount, NumericBins)
    assert amount.reference
    assert (amount.edges[0], amount.edges[-1]) == (-math.inf, math.inf)
    values = frame["amount"].dropna().to_numpy(dtype=float)
    shares = [0.001, 0.01, 0.05, *np.arange(1, 10) / 10, 0.95, 0.99, 0.999]
    assert amount.edges[1:-1] == pytest.approx(np.quantile(values, shares))
    assert isinstance(hour, CategoryBins)
    assert sorted(hour.labels[:-2]) == ["0", "1", "2", "3", "4", "5"]
    assert hour.labels[-2:] == (OTHER, UNSEEN)


async def test_what_the_model_answers_is_binned_as_its_inputs_are(store: DuckDbStore, frame: pd.DataFrame) -> None:
    bins = (await store.feature_bins((HOUR,))).value
    found = (await store.features((HOUR,), STEP, {"prediction": bins["prediction"]})).value["prediction"]
    assert isinstance(found.bins, CategoryBins)
    assert found.n[:, :, found.bins.labels.index("yes")].sum() == (frame["prediction"] == "yes").sum()


async def test_errors_have_counts_first_occurrence_and_one_message(store: DuckDbStore, frame: pd.DataFrame) -> None:
    errors = (await store.errors((HOUR,), STEP)).value
    assert errors is not None
    failed = frame[frame["error_type"].notna()]
    for (model, kind), group in failed.groupby(["model", "error_type"]):
        key = (str(model), str(kind), "upstream said no")
        assert errors.counts.n[:, errors.counts.keys.index(key)].sum() == len(group)
        assert errors.first_seen[key] == pytest.approx(group["ts"].min().timestamp(), abs=1e-5)
        assert errors.samples[key] == "upstream said no"
    assert errors.counts.n.sum() == len(failed)


async def test_messages_that_differ_in_their_parameters_are_counted_as_one(tmp_path: Path, frame: pd.DataFrame) -> None:
    failed = frame["error_type"].notna()
    messages = pd.Series([f"gave up after {i} ms" for i in range(len(frame))]).where(failed, None)
    frame = frame.assign(error_message=messages)
    write_parquet(tmp_path / "a.parquet", frame.drop(columns="error_type"))
    store = DuckDbStore([str(tmp_path)])
    try:
        errors, traffic = (await store.errors((HOUR,), STEP)).value, (await store.series((HOUR,), STEP)).value
        assert errors is not None
        assert set(errors.counts.keys) == {(model, "", "gave up after <*>") for model in ("fraud", "rank")}
        assert traffic.errors is not None
        assert errors.counts.n.sum() == traffic.errors.n.sum() == failed.sum()
        (kind,) = error_kinds(errors, "fraud")
        assert kind.name == "gave up after <*>"
        cube = (await store.segments((HOUR,), (kind.outcome,), ("region",), Eq("model", "fraud"))).value
        assert cube.hits.sum() == (failed & (frame["model"] == "fraud")).sum()
    finally:
        await store.close()


async def test_the_rarest_of_too_many_messages_count_together(tmp_path: Path, frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(5)
    words = ["".join(rng.choice(list("ghijklmnop"), 6)) for _ in range(len(frame))]
    write_parquet(tmp_path / "a.parquet", frame.assign(error_type="E", error_message=words))
    store = DuckDbStore([str(tmp_path)])
    try:
        errors = (await store.errors((HOUR,), STEP)).value
        assert errors is not None
        assert len(errors.counts.keys) == 2 * (MAX_TEMPLATES + 1)
        assert errors.counts.n.sum() == len(frame)
    finally:
        await store.close()


async def test_segments_count_rows_and_outcomes_per_leaf(store: DuckDbStore, frame: pd.DataFrame) -> None:
    slow = Range("latency_ms", low=100)
    cube = (await store.segments((HOUR,), (slow, Eq("error_type", "OOM")), ("region", "tier", "canary"))).value
    assert cube.n.sum() == len(frame)
    expected = frame.assign(region=frame["region"].fillna("(null)")).groupby(["region", "tier", "canary"])
    assert len(cube.n) == expected.ngroups
    for leaf, n, hits in zip(cube.codes, cube.n, cube.hits, strict=True):
        region, tier, canary = (cube.values[d][code] for d, code in enumerate(leaf))
        group = expected.get_group((region, tier, canary == "true"))
        assert n == len(group)
        assert hits.tolist() == [(group["latency_ms"] >= 100).sum(), (group["error_type"] == "OOM").sum()]


async def test_the_null_segment_can_be_drilled_into(store: DuckDbStore, frame: pd.DataFrame) -> None:
    for where in (Eq("region", "(null)"), Null("region")):
        traffic = (await store.series((HOUR,), STEP, where)).value
        assert traffic.requests.n.sum() == frame["region"].isna().sum() > 0


async def test_segment_values_beyond_the_top_fifty_are_one_other_value(tmp_path: Path) -> None:
    frame = rows(3_000).assign(host=[f"h{min(i, 3_000 - i) % 75}" for i in range(3_000)])
    write_parquet(tmp_path / "a.parquet", frame)
    store = DuckDbStore([str(tmp_path)])
    cube = (await store.segments((HOUR,), (), ("host",))).value
    await store.close()
    assert len(cube.values[0]) == 51
    assert cube.values[0][-1] == OTHER
    top = frame["host"].value_counts().sort_values(ascending=False)[:50].sum()
    assert cube.n[cube.codes[:, 0] == 50].sum() == len(frame) - top


async def test_too_many_combinations_lose_their_widest_dim_and_say_so(
    store: DuckDbStore, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.sqlsegments.MAX_LEAVES", 10)
    fetched = await store.segments((HOUR,), (), ("request_id", "tier", "device"))
    assert "request_id" not in fetched.value.dims
    assert any("request_id" in warning for warning in fetched.warnings)
    assert fetched.value.n.sum() == len(frame)


async def test_segments_of_no_dims_are_the_total(store: DuckDbStore, frame: pd.DataFrame) -> None:
    cube = (await store.segments((HOUR,), (Eq("tier", "free"),), ())).value
    assert cube.n.tolist() == [len(frame)]
    assert cube.hits.tolist() == [[(frame["tier"] == "free").sum()]]


async def test_extremes_are_those_of_the_finite_numbers_that_match(store: DuckDbStore, frame: pd.DataFrame) -> None:
    where = Range("confidence", low=0.9)
    own = frame["confidence"][frame["confidence"] >= 0.9]
    assert (await store.extremes((HOUR,), "confidence", where)).value == (own.min(), own.max())
    assert (await store.extremes((HOUR,), "confidence", Range("confidence", low=1.1))).value is None


async def test_top_values_are_the_most_frequent_first(store: DuckDbStore, frame: pd.DataFrame) -> None:
    found = (await store.top_values((HOUR,), "device", limit=2)).value
    expected = frame["device"].value_counts()[:2]
    assert dict(found) == {str(name): float(n) for name, n in expected.items()}
    with pytest.raises(MissingDataError, match="no field 'colour'"):
        await store.top_values((HOUR,), "colour")


async def test_records_are_the_newest_rows_that_match(store: DuckDbStore, frame: pd.DataFrame) -> None:
    found = (await store.records((HOUR,), Eq("model", "fraud"), limit=7)).value
    newest = frame[frame["model"] == "fraud"].sort_values("ts")["request_id"][::-1][:7]
    assert [row["request_id"] for row in found] == newest.tolist()
    assert found[0]["position"] is None
    assert isinstance(found[0]["latency_ms"], float)
    assert START <= float(str(found[0]["ts"])) < START + 3_600


async def test_a_span_without_rows_is_an_empty_answer(store: DuckDbStore) -> None:
    empty = HOUR.shifted(-86_400)
    bins = (await store.feature_bins((HOUR,))).value
    traffic = (await store.series((empty,), STEP)).value
    assert traffic.requests.n.shape == (0, 0)
    assert (await store.features((empty,), STEP, bins)).value["amount"].n.shape[0] == 0
    assert (await store.records((empty,))).value == ()
    assert (await store.segments((empty,), (), ("tier",))).value.n.size == 0
    assert (await store.feature_bins((empty,))).value == {}
    assert (await store.series((), STEP)).value.requests.n.size == 0
