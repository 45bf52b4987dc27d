"""The sampled segment questions of the embedded store: what is drawn, what it stands for, and counts in full."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.filters import ALL, Eq, Not, Null, Range, conjunction
from analysis.segment_sample import coded, cubes, filter_of, renamed, verified
from analysis.segments import search
from analysis.view import Window
from connectors import sqlsample
from connectors.dialect import MICROS
from connectors.duckdb_store import DuckDbStore
from connectors.logfiles import RowGroup, rows_about
from tests.logs import START, rows, write_parquet

HOUR = Window(START, START + 3_600)
EARLIER = Window(START, START + 2_400)
LATER = Window(START + 2_400, START + 3_600)
FAILED = Not(Null("error_type"))
DIMS = ("region", "tier", "device", "version")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """An hour of 20,000 rows; in its last 20 minutes ios in eu-w1 fails."""
    frame = rows(20_000)
    late = frame["ts"] >= pd.to_datetime(LATER.start, unit="s")
    broken = late & (frame["region"] == "eu-w1") & (frame["device"] == "ios")
    frame.loc[broken & (np.arange(len(frame)) % 2 == 0), "error_type"] = "Timeout"
    return frame


@pytest.fixture
async def store(frame: pd.DataFrame, tmp_path: Path) -> AsyncIterator[DuckDbStore]:
    write_parquet(tmp_path / "a.parquet", frame, row_group=2_048)
    store = DuckDbStore([str(tmp_path)])
    await store.describe()
    yield store
    await store.close()


async def test_a_small_log_is_its_own_sample(store: DuckDbStore, frame: pd.DataFrame) -> None:
    sample = (await store.segment_rows((HOUR,), (FAILED,), DIMS)).value
    assert len(sample.n) == len(frame)
    assert sample.hits.sum() == frame["error_type"].notna().sum()
    assert not sample.drawn.any()
    assert sample.hit_weight == 1


async def test_a_sample_stands_for_every_row_and_holds_every_hit(
    store: DuckDbStore, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlsample, "SAMPLE_ROWS", 2_000)
    sample = (await store.segment_rows((HOUR,), (FAILED, Range("latency_ms", low=100)), DIMS)).value
    slow = frame["latency_ms"] >= 100
    failed = frame["error_type"].notna()
    assert len(sample.n) < 2_500 + (slow | failed).sum()
    assert sample.n.sum() == pytest.approx(len(frame))
    assert sample.hits.sum(axis=0) == pytest.approx([failed.sum(), slow.sum()])
    clean = sample.hits.sum(axis=1) == 0
    assert sample.drawn[clean].min() > 0
    assert not sample.drawn[~clean].any()


async def test_hits_beyond_the_limit_are_thinned_and_weigh_more(
    store: DuckDbStore, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlsample, "SAMPLE_HITS", 500)
    sample = (await store.segment_rows((HOUR,), (FAILED,), DIMS)).value
    failed = frame["error_type"].notna().sum()
    assert sample.hit_weight == pytest.approx(failed / 500, rel=0.01)
    assert sample.hits.sum() == pytest.approx(failed, rel=0.2)
    assert sample.n.sum() == pytest.approx(len(frame))


async def test_a_log_of_any_size_is_read_in_blocks(
    store: DuckDbStore, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlsample, "SAMPLE_ROWS", 1_000)
    monkeypatch.setattr(sqlsample, "SCANNED_ROWS", 4_000)
    sample = (await store.segment_rows((HOUR,), (FAILED,), DIMS)).value
    assert len(sample.n) < 3_000
    assert sample.hit_weight == pytest.approx(len(frame) / 4_000, rel=0.2)
    assert sample.n.sum() == pytest.approx(len(frame), rel=0.2)
    assert sample.hits.sum() == pytest.approx(frame["error_type"].notna().sum(), rel=0.25)


async def test_a_window_without_rows_is_an_empty_sample(store: DuckDbStore) -> None:
    sample = (await store.segment_rows((Window(START - 7_200, START - 3_600),), (FAILED,), DIMS)).value
    assert len(sample.n) == 0
    assert sample.codes.shape == (0, len(DIMS))


async def test_codes_are_named_by_the_value_that_they_stand_for(store: DuckDbStore) -> None:
    sample = (await store.segment_rows((HOUR,), (FAILED,), DIMS)).value
    one, _ = cubes(sample, sample, (FAILED,))
    wheres = tuple((("region", int(code)),) for code in one.values[0])
    names = (await store.code_names((HOUR,), (*wheres, (("tier", 1),)))).value
    assert {text for ((_, text),) in names.values()} == {"eu-w1", "us-e1", "ap-s1", "(null)"}


async def test_segments_are_counted_in_full_in_one_answer(store: DuckDbStore, frame: pd.DataFrame) -> None:
    segments = (Eq("region", "eu-w1"), conjunction(Eq("device", "ios"), Eq("tier", "free")), Eq("region", "(null)"))
    counts = (await store.count_segments((HOUR,), segments, (FAILED, ALL))).value
    failed = frame["error_type"].notna()
    masks = (frame["region"] == "eu-w1", (frame["device"] == "ios") & (frame["tier"] == "free"), frame["region"].isna())
    assert counts.tolist() == [[mask.sum(), (mask & failed).sum(), mask.sum()] for mask in masks]


async def test_a_segment_found_in_a_sample_is_verified_row_by_row(
    store: DuckDbStore, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlsample, "SAMPLE_ROWS", 3_000)
    now = (await store.segment_rows((LATER,), (FAILED,), DIMS)).value
    before = (await store.segment_rows((EARLIER,), (FAILED,), DIMS)).value
    live, baseline = cubes(now, before, (FAILED,))
    found = search(live, baseline, 0)
    assert found[0].sampled
    told, _ = renamed(found, (), (await store.code_names((LATER,), coded(found))).value)
    assert dict(told[0].where) == {"region": "eu-w1", "device": "ios"}
    where = (filter_of(told[0]),)
    counts = [(await store.count_segments((w,), where, (FAILED,))).value[0] for w in (LATER, EARLIER)]
    exact = verified(told[0], counts[0], counts[1], (float(live.n.sum()), float(live.hits.sum())))
    assert exact is not None
    assert not exact.sampled
    late = frame["ts"] >= pd.to_datetime(LATER.start, unit="s")
    inside = late & (frame["region"] == "eu-w1") & (frame["device"] == "ios")
    assert exact.n == inside.sum()
    assert exact.rate_in == pytest.approx(frame.loc[inside, "error_type"].notna().mean())
    assert exact.share_of_change == pytest.approx(1, abs=0.15)
    # The same finalist against a window in which nothing happened does not stand.
    assert verified(told[0], counts[1], counts[1], (float(live.n.sum()), float(live.hits.sum()))) is None


@pytest.mark.parametrize("share", [0.001, 0.02, 0.3])
def test_blocks_lie_in_their_spans_and_cover_about_the_share(share: float) -> None:
    spans = (Window(0, 3_600), Window(10_000, 40_000))
    pieces = sqlsample.blocks(spans, share)
    assert all(any(s.start <= p.start < p.end <= s.end for s in spans) for p in pieces)
    assert all(a.end <= b.start for a, b in itertools.pairwise(pieces))
    wanted = share * sum(s.length for s in spans)
    assert sum(p.length for p in pieces) == pytest.approx(wanted, abs=len(pieces))


async def test_the_rows_of_files_are_known_from_their_statistics_and_those_of_a_filter_are_scouted(
    store: DuckDbStore, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlsample, "SCANNED_ROWS", 4_000)
    known = await store.segment_rows((EARLIER,), (FAILED,), DIMS)
    assert "count(*)" not in known.query
    inside = (frame["ts"] < pd.to_datetime(EARLIER.end, unit="s")).sum()
    assert known.value.n.sum() == pytest.approx(inside, rel=0.01)
    pro = await store.segment_rows((EARLIER,), (FAILED,), DIMS, Eq("tier", "pro"))
    assert pro.query.count("count(*)") == 1
    assert pro.value.n.sum() == pytest.approx(inside / 2, rel=0.25)


def test_rows_of_a_row_group_that_reaches_out_of_a_span_are_shared_out() -> None:
    groups = [RowGroup(0, 10 * MICROS - 1, 100), RowGroup(10 * MICROS, 10 * MICROS, 7)]
    assert rows_about(groups, (Window(0, 5),)) == pytest.approx(50)
    assert rows_about(groups, (Window(2, 3), Window(8, 20))) == pytest.approx(37)
    assert rows_about(groups, (Window(20, 30),)) == 0
