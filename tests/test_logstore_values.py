"""Every value of a log is counted once, whatever it is: bins, weights, odd and rare values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.evidence import OTHER, UNSEEN, CategoryBins, Histogram, NumericBins, is_dimension
from analysis.filters import Null
from connectors.duckdb_store import DuckDbStore
from connectors.sqlcube import fold
from connectors.sqlrows import LATENCY_EDGES_MS, category_bins
from tests.logs import START, rows, write_parquet
from tests.test_logstore_questions import HOUR, STEP


async def test_confidence_is_binned_and_a_value_on_the_last_edge_is_kept(tmp_path: Path) -> None:
    frame = rows(4).assign(confidence=pd.array([0.0, 0.25, 1.0, None], dtype="Float64"))
    write_parquet(tmp_path / "a.parquet", frame)
    store = DuckDbStore([str(tmp_path)])
    histogram = (await store.confidence((HOUR,), 3_600, (0.0, 0.25, 0.5, 1.0))).value
    await store.close()
    assert histogram is not None
    assert histogram.n.sum(axis=(0, 1)).tolist() == [1, 1, 1]
    assert histogram.null.sum() == 1


async def test_confidence_is_told_apart_by_version(tmp_path: Path) -> None:
    frame = rows(2_000)
    write_parquet(tmp_path / "a.parquet", frame)
    write_parquet(tmp_path / "b.parquet", frame.assign(request_id="w"), "*, 2.0 AS weight")
    for path, weight in ((tmp_path / "a.parquet", 1.0), (tmp_path / "b.parquet", 2.0)):
        store = DuckDbStore([str(path)])
        found = (await store.confidence((HOUR,), STEP, (0.0, 0.5, 1.0))).value
        await store.close()
        assert found is not None
        expected = frame.groupby(["model", "version"])["confidence"].agg(["count", "sum"]) * weight
        assert found.keys == tuple(expected.index)
        np.testing.assert_allclose(found.n.sum(axis=(0, 2)), expected["count"])
        np.testing.assert_allclose(found.total.sum(axis=0), expected["sum"])


async def test_values_that_many_rows_have_get_a_bin_of_their_own_among_absurd_ones(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    value = rng.normal(0, 5, 4_000)
    value[rng.random(4_000) < 0.2] = 0.0
    value[rng.random(4_000) < 0.1] = -1.0
    value[:6] = [1e308, -1e308, 1.7e308, -1.7e308, math.inf, math.nan]
    frame = rows(4_000).assign(
        f_x=pd.array(value, dtype="Float64"), f_id=pd.array(2**53 + rng.integers(0, 2**40, 4_000), dtype="Int64")
    )
    write_parquet(tmp_path / "a.parquet", frame, "ts, model, f_x, f_id")
    store = DuckDbStore([str(tmp_path)])
    bins = (await store.feature_bins((HOUR,))).value
    found = (await store.features((HOUR,), STEP, bins)).value
    await store.close()
    x, big = found["x"], found["id"]
    assert isinstance(x.bins, NumericBins)
    points = {x.bins.point(i): i for i in range(len(x.bins)) if x.bins.point(i) is not None}
    assert set(points) == {0.0, -1.0}
    for special, i in points.items():
        assert x.n[:, :, i].sum() == (value == special).sum()
    assert x.n.sum() + x.nonfinite.sum() + x.null.sum() == 4_000
    assert x.nonfinite.sum() + x.null.sum() == 2
    assert all(math.isfinite(edge) for edge in x.bins.edges[1:-1])
    assert big.n.sum() == 4_000
    assert np.count_nonzero(big.n.sum(axis=(0, 1))) > 10


async def test_a_list_of_few_numbers_is_complete_although_frequent_ones_are_counted_in_a_part_of_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.sqlfeatures.SAMPLE_ROWS", 3_000)
    steps = np.repeat(np.arange(15.0), [3_860, *[10] * 14])
    frame = rows(4_000).assign(f_step=pd.array(np.random.default_rng(1).permutation(steps), dtype="Float64"))
    write_parquet(tmp_path / "a.parquet", frame, "ts, model, f_step, amount AS f_amount")
    store = DuckDbStore([str(tmp_path)])
    bins = (await store.feature_bins((HOUR,))).value
    await store.close()
    assert isinstance(bins["step"], CategoryBins)
    assert set(bins["step"].labels) == {*map(str, range(15)), OTHER, UNSEEN}
    assert isinstance(bins["amount"], NumericBins)


async def test_a_category_that_the_baseline_never_had_is_unseen(tmp_path: Path) -> None:
    frame = rows(400)
    later = rows(50, start=START + 3_600, seed=2)
    later["merchant_cat"] = later["merchant_cat"].where(later["merchant_cat"].isna(), "casino")
    write_parquet(tmp_path / "a.parquet", frame)
    write_parquet(tmp_path / "b.parquet", later)
    store = DuckDbStore([str(tmp_path)])
    bins = (await store.feature_bins((HOUR,))).value
    found = (await store.features((HOUR.shifted(3_600),), STEP, bins)).value["merchant_cat"]
    await store.close()
    assert found.n[:, :, -1].sum() == (later["model"] == "fraud").sum() > 0
    assert found.n[:, :, :-1].sum() == 0


async def test_feature_bins_skip_empty_features_and_ids(tmp_path: Path) -> None:
    frame = rows(500)
    write_parquet(
        tmp_path / "a.parquet",
        frame,
        "ts, model, NULL::DOUBLE AS f_empty, request_id AS f_session, amount AS f_amount",
    )
    store = DuckDbStore([str(tmp_path)])
    fetched = await store.feature_bins((HOUR,))
    await store.close()
    assert set(fetched.value) == {"amount"}
    assert any("session" in warning for warning in fetched.warnings)


async def test_the_values_of_dimensions_are_binned_on_request_and_marked(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows(500), "*, amount AS f_amount")
    store = DuckDbStore([str(tmp_path)])
    schema = await store.describe()
    features = (await store.feature_bins((HOUR,))).value
    both = (await store.feature_bins((HOUR,), dims=True)).value
    counted = (await store.features((HOUR,), STEP, both)).value
    await store.close()
    added = {name: kind for name, kind in both.items() if name not in features}
    assert {name: kind for name, kind in both.items() if name in features} == features
    assert added
    assert set(added) <= set(schema.dims)
    assert all(is_dimension(kind) for kind in added.values())
    assert not any(is_dimension(kind) for kind in features.values())
    assert all(counted[name].n[:, :, :-1].sum() + counted[name].null.sum() == 500 for name in added)


async def test_a_weight_column_scales_every_count(tmp_path: Path) -> None:
    frame = rows(200)
    write_parquet(tmp_path / "a.parquet", frame, "*, 0.25 AS sampling_fraction")
    store = DuckDbStore([str(tmp_path)])
    traffic = (await store.series((HOUR,), STEP)).value
    cube = (await store.segments((HOUR,), (), ("tier",))).value
    await store.close()
    assert traffic.requests.n.sum() == cube.n.sum() == 800
    assert traffic.latency is not None
    assert traffic.latency.total.sum() == pytest.approx(4 * frame["latency_ms"].sum())


NASTY = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, -1.0, 1e300, -1e300, 5e-324, 0.1, 1.6, 1.79e308, math.nan, math.inf, -math.inf]),
)


@given(st.lists(NASTY, min_size=1, max_size=40))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_value_is_counted_exactly_once_whatever_it_is(
    tmp_path_factory: pytest.TempPathFactory, values: list[float | None]
) -> None:
    folder = tmp_path_factory.mktemp("nasty")
    with duckdb.connect() as con:
        # A registered frame would turn NaN into null.
        select = "SELECT to_timestamp($start) AS ts, unnest($values::DOUBLE[]) AS latency_ms, latency_ms AS f_x"
        con.execute(f"CREATE TABLE t AS {select}", {"start": START, "values": values})
        con.execute(f"COPY t TO '{folder / 'a.parquet'}' (FORMAT parquet)")
    store = DuckDbStore([str(folder)])
    latency = (await store.series((HOUR,), STEP)).value.latency
    edges = (-math.inf, -1.0, 0.0, 0.1, 1.6, 1e300, math.inf)
    feature = (await store.features((HOUR,), STEP, {"x": NumericBins(edges)})).value["x"]
    await store.close()
    finite = [v for v in values if v is not None and math.isfinite(v)]
    assert latency is not None
    for histogram in (latency, feature):
        assert histogram.null.sum() == values.count(None)
        assert histogram.nonfinite.sum() == len(values) - values.count(None) - len(finite)
        assert histogram.n.sum() == len(finite)
    inner = np.array(edges[1:-1])
    expected = np.bincount(np.searchsorted(inner, finite, side="right"), minlength=6)
    assert feature.n.sum(axis=(0, 1)).tolist() == expected.tolist()
    _assert_near(latency, finite)


def _assert_near(latency: Histogram, finite: list[float]) -> None:
    """Each value lies in its bin, give or take one part in 1e8 at the edges."""
    counts = latency.n.sum(axis=(0, 1))
    low = np.repeat(LATENCY_EDGES_MS[:-1], counts.astype(int))
    high = np.repeat(LATENCY_EDGES_MS[1:], counts.astype(int))
    for value, lower, upper in zip(sorted(finite), low, high, strict=True):
        assert value >= lower - abs(lower) * 1e-8
        assert value <= upper + abs(upper) * 1e-8


@given(st.lists(st.tuples(st.integers(0, 70), st.integers(0, 3), st.integers(1, 9)), max_size=120))
def test_folding_a_cube_keeps_every_row(cells: list[tuple[int, int, int]]) -> None:
    columns: list[list[Any]] = [[f"a{a}" for a, _, _ in cells], [None if b == 3 else f"b{b}" for _, b, _ in cells]]
    n = [n for _, _, n in cells]
    cube = fold(("a", "b"), columns, n, [n], (Null("a"),))
    assert cube.n.sum() == cube.hits.sum() == sum(n)
    assert len({tuple(code) for code in cube.codes.tolist()}) == len(cube.n)
    assert all(len(values) <= 51 for values in cube.values)


def test_category_labels_of_whole_numbers_have_no_fraction() -> None:
    assert category_bins([1.0, 2.5, True, "x", OTHER]).labels == ("1", "2.5", "true", "x", OTHER, UNSEEN)
