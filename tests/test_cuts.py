"""Numeric features as dimensions: where they are cut, how a stretch is written, and that it is found and filtered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.cuts import cut_points, parse_stretch, stretch, stretches
from analysis.evidence import NumericBins
from analysis.filters import ALL, Eq, Not, Null, parse_filter
from analysis.view import View, Window
from connectors import sqlsample
from connectors.duckdb_store import DuckDbStore
from tests.logs import START, rows, write_parquet
from tests.test_explaining import END, case
from tui import explaining
from tui.feeds import LogFeed
from tui.session import Session

FAILED = Not(Null("error_type"))
HOUR = Window(START, END)
CUTS = {"amount": (5.0, 20.0, 80.0)}
edges = st.lists(st.floats(-1e6, 1e6).map(lambda x: float(f"{x:.4g}")), min_size=1, max_size=6, unique=True).map(sorted)


@given(edges)
def test_a_stretch_reads_back_as_it_was_written(points: list[float]) -> None:
    texts = stretches(tuple(points))
    assert [parse_stretch(text) for text in texts] == list(zip([None, *points], [*points, None], strict=True))


@pytest.mark.parametrize("text", ["", "..", "12", "1..2..3", "a..b", "nan..1", "..inf", "eu-w1"])
def test_other_texts_are_no_stretch(text: str) -> None:
    assert parse_stretch(text) is None


@given(st.lists(st.integers(0, 1_000), min_size=12, max_size=12))
def test_cuts_are_few_ascending_edges_of_the_bins(counts: list[int]) -> None:
    bins = NumericBins((-np.inf, *(float(i) for i in range(11)), np.inf), reference=True)
    cuts = cut_points(bins, np.array(counts, dtype=np.float64))
    assert list(cuts) == sorted(set(cuts))
    assert len(cuts) <= 5
    assert set(cuts) <= set(bins.edges)
    assert bool(cuts) == (sum(counts) > 0)


def test_cuts_lie_at_the_quantiles() -> None:
    bins = NumericBins((-np.inf, *(float(i) for i in range(1, 100)), np.inf))
    assert cut_points(bins, np.ones(100)) == (10.0, 25.0, 50.0, 75.0, 90.0)


@pytest.fixture
def frame() -> pd.DataFrame:
    frame = rows(24_000)
    frame.loc[::50, "amount"] = np.inf
    late = frame["ts"] >= pd.to_datetime(END - 900, unit="s")
    broken = late & (frame["amount"] >= 60) & np.isfinite(frame["amount"]) & (frame["tier"] == "free")
    frame.loc[broken & (np.arange(len(frame)) % 3 > 0), "error_type"] = "Timeout"
    return frame


@pytest.fixture
async def store(frame: pd.DataFrame, tmp_path: Path) -> AsyncIterator[DuckDbStore]:
    write_parquet(tmp_path / "a.parquet", frame, row_group=2_048)
    opened = DuckDbStore([str(tmp_path)])
    yield opened
    await opened.close()


async def test_rows_of_a_stretch_are_those_that_its_filter_selects(store: DuckDbStore, frame: pd.DataFrame) -> None:
    cube = (await store.segments((HOUR,), (FAILED,), ("amount",), ALL, CUTS)).value
    counted = {cube.values[0][code]: n for code, n in zip(cube.codes[:, 0], cube.n, strict=True)}
    assert set(counted) == {*stretches(CUTS["amount"]), "(null)"}
    for value, n in counted.items():
        if value != "(null)":
            assert (await store.segments((HOUR,), (), (), Eq("amount", value))).value.n.sum() == n
    middle = frame["amount"].between(5, 20, inclusive="left").sum()
    assert counted[stretch(5, 20)] == middle
    assert (await store.segments((HOUR,), (), (), parse_filter("amount=5..20"))).value.n.sum() == middle
    assert (await store.segments((HOUR,), (), (), Eq("amount", "(null)"))).value.n.sum() == counted["(null)"]
    assert counted["(null)"] == frame["amount"].isna().sum()


@pytest.mark.parametrize("sampled", [False, True])
async def test_a_requested_feature_carries_the_change_and_can_be_filtered_by(
    store: DuckDbStore, sampled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sampled:
        monkeypatch.setattr(explaining, "CELLS", 0)
        monkeypatch.setattr(sqlsample, "SAMPLE_ROWS", 4_000)
    view = View(window_s=900, end=END, models=("fraud",))
    session = Session([LogFeed(store, (0.0, 0.5, 1.0))], (), view, clock=lambda: float(END))
    await session.poll_all()
    one = case(session)
    await session.explain([one])
    assert "amount" in session.features()
    generation = session.generation
    session.search_by(("amount",))
    assert session.generation > generation
    await session.poll_all()
    await session.explain([one])
    best = session._explainer.found[one.finding.key].answer.segments[0]
    found = dict(best.where)
    assert found["tier"] == "free"
    ends = parse_stretch(found["amount"])
    assert ends is not None
    assert ends[0] is not None
    assert ends[0] > 20
    assert not best.sampled
    window = session.frame().live
    counted = await store.segments((window,), (), (), parse_filter(f"model=fraud amount={found['amount']} tier=free"))
    assert counted.value.n.sum() == best.n
