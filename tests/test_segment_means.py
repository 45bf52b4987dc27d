"""Where a mean moved: planted shifts are found, quiet and merely re-mixed traffic is not, and the sums are exact."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.evidence import Sums
from analysis.segment_means import Moments, moments, search_means
from analysis.view import View, Window
from connectors.base import MissingDataError
from connectors.duckdb_store import DuckDbStore
from tests.logs import rows, write_parquet
from tests.test_explaining import END
from tui.feeds import LogFeed
from tui.means import fetch, values_of
from tui.session import Session

DIMS = ("version", "region", "tier", "device", "shop")
VALUES = (("41", "42"), ("eu", "us", "ap"), ("free", "pro"), ("ios", "android", "web"), ("s1", "s2", "s3", "s4"))
HOUR = Window(END - 3_600, END)


def drawn(
    seed: int, n: int, *, shift: float = 0.0, where: tuple[tuple[str, str], ...] = (), shares: tuple[float, ...] = ()
) -> Sums:
    """Sums of log-normal values; `shift` is added in a segment, `shares` weigh the regions."""
    rng = np.random.default_rng(seed)
    weights = np.array(shares or (1 / 3, 1 / 3, 1 / 3))
    columns = [rng.integers(0, len(names), n) for names in VALUES]
    columns[1] = rng.choice(3, n, p=weights)
    codes = np.stack(columns, axis=1)
    # The us region is always slower, so a shift of the mix moves the total mean.
    values = rng.lognormal(4, 0.6, n) * np.where(codes[:, 1] == 1, 2.0, 1.0)
    chosen = np.full(n, bool(where))
    for dim, value in where:
        d = DIMS.index(dim)
        chosen &= codes[:, d] == VALUES[d].index(value)
    values[chosen] += shift
    leaves, at = np.unique(codes, axis=0, return_inverse=True)
    at = at.reshape(-1)
    return Sums(
        DIMS,
        VALUES,
        leaves.astype(np.int64),
        np.bincount(at).astype(np.float64),
        np.bincount(at, values).astype(np.float64),
        np.bincount(at, values**2).astype(np.float64),
    )


@pytest.mark.parametrize("shift", [80.0, -40.0])
@pytest.mark.parametrize("where", [(("version", "42"),), (("version", "42"), ("region", "eu"))])
def test_a_planted_shift_is_named_with_its_means(shift: float, where: tuple[tuple[str, str], ...]) -> None:
    live, base = drawn(1, 6_000, shift=shift, where=where), drawn(2, 24_000)
    (best, *rest) = search_means(live, base)
    assert set(best.where) == set(where)
    assert rest == []
    inside, then = moments(live, best.where), moments(base, best.where)
    assert (best.n, best.rate_in, best.rate_before) == (inside.n, inside.mean, then.mean)
    assert best.rate_in - best.rate_before == pytest.approx(shift, rel=0.25)
    assert best.share_of_change == pytest.approx(1, abs=0.25)
    assert best.rate_without == pytest.approx(moments(base).mean, rel=0.05)
    assert best.lift == pytest.approx(best.rate_in / best.rate_out)


def test_rows_that_moved_to_a_slow_region_are_no_segment() -> None:
    live, base = drawn(3, 12_000, shares=(0.1, 0.8, 0.1)), drawn(4, 24_000)
    assert moments(live).mean > 1.2 * moments(base).mean
    assert search_means(live, base) == ()


def test_quiet_traffic_shows_nothing() -> None:
    shown = [seed for seed in range(60) if search_means(drawn(100 + seed, 2_000), drawn(1_000 + seed, 8_000))]
    assert shown == []


def test_segments_that_move_apart_are_told_with_their_directions() -> None:
    up, base = drawn(5, 16_000, shift=120.0, where=(("version", "42"), ("region", "eu"))), drawn(6, 48_000)
    # Version 41 gets faster in the us.
    faster = np.where((up.codes[:, 0] == 0) & (up.codes[:, 1] == 1), -70.0, 0.0)
    squares = up.squares + 2 * faster * up.total + faster**2 * up.n
    found = search_means(Sums(up.dims, up.values, up.codes, up.n, up.total + faster * up.n, squares), base)
    signs = {frozenset(dict(segment.where).values()): segment.share_of_change > 0 for segment in found}
    assert signs == {frozenset({"42", "eu"}): True, frozenset({"41", "us"}): False}


def test_a_constant_value_or_no_rows_have_no_answer() -> None:
    live = drawn(7, 1_000)
    empty = Sums(live.dims, live.values, live.codes[:0], live.n[:0], live.total[:0], live.squares[:0])
    same = Sums(live.dims, live.values, live.codes, live.n, live.n * 5, live.n * 25)
    assert search_means(live, empty) == search_means(empty, live) == search_means(same, same) == ()


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_moments_are_those_of_the_values(values: list[float]) -> None:
    found = Moments.of(float(len(values)), sum(values), sum(value * value for value in values))
    assert found.mean == pytest.approx(np.mean(values), abs=1e-6)
    assert found.sd == pytest.approx(np.std(values), abs=1e-2)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DuckDbStore]:
    frame = rows(24_000)
    late = (frame["ts"].astype("int64") // 10**6) >= END - 900
    frame.loc[late & (frame["version"] == "42") & (frame["tier"] == "pro"), "latency_ms"] += 90
    frame.loc[::70, "confidence"] = np.nan
    write_parquet(tmp_path / "a.parquet", frame, row_group=2_048)
    opened = DuckDbStore([str(tmp_path)])
    yield opened
    await opened.close()


async def test_sums_in_the_store_are_those_of_the_rows(store: DuckDbStore) -> None:
    frame = rows(24_000)
    frame.loc[::70, "confidence"] = np.nan
    sums = (await store.segment_sums((HOUR,), "confidence", ("tier",))).value
    for code, n, total, squares in zip(sums.codes[:, 0], sums.n, sums.total, sums.squares, strict=True):
        own = frame.loc[frame["tier"] == sums.values[0][code], "confidence"].dropna()
        assert n == len(own)
        assert total == pytest.approx(own.sum())
        assert squares == pytest.approx((own**2).sum())


async def test_a_value_that_is_no_number_has_no_mean(store: DuckDbStore) -> None:
    with pytest.raises(MissingDataError, match="tier is not a number"):
        await store.segment_sums((HOUR,), "tier", ())
    with pytest.raises(MissingDataError, match="no field"):
        await store.segment_sums((HOUR,), "height", ())


async def test_a_session_finds_where_latency_moved(store: DuckDbStore) -> None:
    view = View(window_s=900, end=END, models=("fraud",))
    session = Session([LogFeed(store, (0.0, 0.5, 1.0))], (), view, clock=lambda: float(END))
    await session.poll_all()
    assert {"latency_ms", "confidence", "amount"} <= set(values_of(session))
    found = await fetch(session, "fraud", "latency_ms")
    assert dict(found.segments[0].where) == {"version": "42", "tier": "pro"}
    assert found.unit == "ms"
    assert found.now is not None
    assert found.before is not None
    assert found.now > found.before
    assert "segment_sums" not in found.status.message
