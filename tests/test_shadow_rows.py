"""Rows of a shadow version: no part of the traffic, but paired with the rows that they shadow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.evidence import Pairs
from analysis.filters import Eq, Not, Null, Same, conjunction
from analysis.view import Window
from connectors.base import MissingDataError
from connectors.duckdb_store import DuckDbStore
from connectors.mapping import Mapping
from tests.logs import START, rows, unix, write_parquet

HOUR = Window(START, START + 3_600)
STEP = 300


def shadowed(n: int = 2_000) -> pd.DataFrame:
    """Every row of `fraud` answered a second time by version s1, 3 s later: apart in eu-w1, a tenth slower."""
    rng = np.random.default_rng(5)
    live = rows(n).assign(shadow=False)
    again = live[live["model"] == "fraud"].assign(shadow=True, version="s1")
    again["latency_ms"] = again["latency_ms"] * 1.1
    again["ts"] = again["ts"] + pd.Timedelta(seconds=3)
    apart = (again["region"] == "eu-w1") & (rng.random(len(again)) < 0.4)
    again["prediction"] = again["prediction"].where(~apart, again["prediction"].map({"yes": "no", "no": "yes"}))
    again["confidence"] = again["confidence"] / 2
    return pd.concat([live, again]).sort_values("ts", kind="stable", ignore_index=True)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return shadowed()


@pytest.fixture
async def store(frame: pd.DataFrame, tmp_path: Path) -> AsyncIterator[DuckDbStore]:
    write_parquet(tmp_path / "a.parquet", frame)
    store = DuckDbStore([str(tmp_path)])
    yield store
    await store.close()


def joined(frame: pd.DataFrame) -> pd.DataFrame:
    """The pairs, by pandas."""
    return frame[~frame["shadow"]].merge(frame[frame["shadow"]], on=["model", "request_id"], suffixes=("", "_s"))


def measured(pairs: Pairs, measure: str) -> float:
    at = [i for i, key in enumerate(pairs.counts.keys) if key[3] == measure]
    return float(pairs.counts.n[:, at].sum())


async def test_shadow_rows_are_in_no_answer_about_the_traffic(store: DuckDbStore, frame: pd.DataFrame) -> None:
    live = frame[~frame["shadow"]]
    schema = await store.describe()
    assert "shadow" in schema.fields
    assert "shadow" not in schema.dims
    traffic = (await store.series((HOUR,), STEP)).value
    assert traffic.requests.n.sum() == len(live)
    assert {key[1] for key in traffic.requests.keys} == {"41", "42"}
    errors = (await store.errors((HOUR,), STEP)).value
    assert errors is not None
    assert errors.counts.n.sum() == live["error_type"].notna().sum()
    confidence = (await store.confidence((HOUR,), STEP, (0.0, 0.5, 1.0))).value
    assert confidence is not None
    assert confidence.n.sum() == len(live)
    cube = (await store.segments((HOUR,), (Eq("error_type", "OOM"),), ("region",))).value
    assert cube.n.sum() == len(live)
    records = (await store.records((HOUR,), limit=5_000)).value
    assert len(records) == len(live)
    assert dict((await store.top_values((HOUR,), "version")).value).keys() == {"41", "42"}


async def test_a_filter_that_names_shadow_shows_the_shadow_rows(store: DuckDbStore, frame: pd.DataFrame) -> None:
    traffic = (await store.series((Window(START, START + 3_660),), STEP, Eq("shadow", "true"))).value
    assert traffic.requests.n.sum() == frame["shadow"].sum() > 0
    assert {key[1] for key in traffic.requests.keys} == {"s1"}


async def test_pairs_are_counted_in_the_bucket_of_the_served_row(store: DuckDbStore, frame: pd.DataFrame) -> None:
    fetched = await store.agreement((Window(START, START + 1_800),), STEP)
    pairs, both = fetched.value, joined(frame)
    assert pairs is not None
    both = both[unix(both) < START + 1_800]
    agree = both["prediction"] == both["prediction_s"]
    assert measured(pairs, "answered") == measured(pairs, "pairs") == len(both)
    assert measured(pairs, "agree") == agree.sum()
    right, other = both["prediction"] == both["label"], both["prediction_s"] == both["label"]
    assert measured(pairs, "labelled") == both["label"].notna().sum()
    assert measured(pairs, "only_live_right") == (right & ~other & both["label"].notna()).sum()
    assert measured(pairs, "only_shadow_right") == (other & ~right).sum()
    assert measured(pairs, "moved") == pytest.approx((both["confidence"] - both["confidence_s"]).abs().sum())
    assert measured(pairs, "live_failed") == both["error_type"].notna().sum()
    by_bucket = both.assign(t=unix(both) // STEP * STEP).groupby("t").size()
    at = [i for i, key in enumerate(pairs.counts.keys) if key[3] == "pairs"]
    assert dict(zip(pairs.counts.t.tolist(), pairs.counts.n[:, at].sum(axis=1), strict=True)) == by_bucket.to_dict()
    assert {key[:3] for key in pairs.counts.keys} == {("fraud", "41", "s1"), ("fraud", "42", "s1")}


async def test_both_latencies_of_the_pairs_are_told_apart(store: DuckDbStore, frame: pd.DataFrame) -> None:
    pairs = (await store.agreement((HOUR,), STEP)).value
    assert pairs is not None
    assert pairs.latency is not None
    total = {
        side: float(pairs.latency.total[:, [i for i, k in enumerate(pairs.latency.keys) if k[3] == side]].sum())
        for side in ("live", "shadow")
    }
    assert total["live"] == pytest.approx(joined(frame)["latency_ms"].sum())
    assert total["shadow"] == pytest.approx(1.1 * total["live"])


async def test_the_segments_of_the_disagreement_are_those_of_the_served_rows(
    store: DuckDbStore, frame: pd.DataFrame
) -> None:
    apart = Not(Same("prediction", "shadow_prediction"))
    among = conjunction(Eq("shadow_version", "s1"), Not(Null("shadow_prediction")), Eq("model", "fraud"))
    cube = (await store.segments((HOUR,), (apart,), ("region",), among)).value
    hits = {cube.values[0][code]: hit for (code,), hit in zip(cube.codes.tolist(), cube.hits[:, 0], strict=True)}
    both = joined(frame)
    assert cube.n.sum() == len(both)
    assert {region for region, hit in hits.items() if hit} == {"eu-w1"}
    assert hits["eu-w1"] == (both["prediction"] != both["prediction_s"]).sum()
    found = (await store.records((HOUR,), conjunction(apart, among), 10)).value
    assert all(row["prediction"] != row["shadow_prediction"] and row["region"] == "eu-w1" for row in found)


async def test_an_id_that_several_rows_carry_makes_no_pair(frame: pd.DataFrame, tmp_path: Path) -> None:
    constant = frame.assign(request_id="unknown")
    write_parquet(tmp_path / "a.parquet", constant)
    store = DuckDbStore([str(tmp_path)])
    pairs = (await store.agreement((HOUR,), STEP)).value
    await store.close()
    assert pairs is not None
    assert pairs.counts.n.sum() == 0


async def test_a_log_without_shadow_rows_has_no_pairs(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows(100))
    store = DuckDbStore([str(tmp_path)])
    assert (await store.agreement((HOUR,), STEP)).value is None
    with pytest.raises(MissingDataError, match="shadow_prediction"):
        await store.segments((HOUR,), (Not(Same("prediction", "shadow_prediction")),), ("region",))
    await store.close()


async def test_an_expression_of_the_configuration_says_which_rows_are_shadow(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", shadowed(400), "* EXCLUDE shadow")
    store = DuckDbStore([str(tmp_path)], Mapping(fields={"shadow": "version = 's1'"}))
    pairs = (await store.agreement((HOUR,), STEP)).value
    served = (await store.series((HOUR,), STEP)).value
    await store.close()
    assert pairs is not None
    assert measured(pairs, "pairs") == len(joined(shadowed(400)))
    assert served.requests.n.sum() == 400


async def test_a_column_of_the_log_with_the_name_of_a_pair_stays_what_it_is(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows(200), "*, false AS shadow, prediction AS shadow_prediction")
    store = DuckDbStore([str(tmp_path)])
    traffic = (await store.series((HOUR,), STEP, Eq("shadow_prediction", "yes"))).value
    await store.close()
    assert traffic.requests.n.sum() == (rows(200)["prediction"] == "yes").sum()
