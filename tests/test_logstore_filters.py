"""Filters as SQL: every value is data, and null logic is the one that `analysis.filters` promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.filters import ALL, And, Eq, Filter, In, Match, Not, Null, Or, Range, Same, parse_filter
from analysis.view import Window
from connectors.base import MissingDataError, RejectedError
from connectors.duckdb_dialect import DuckDbDialect
from connectors.duckdb_store import DuckDbStore
from connectors.sqlfilter import Kind, where_sql
from tests.logs import START, rows, write_parquet

HOUR = Window(START, START + 3_600)
KINDS: dict[str, Kind] = {"s": "text", "x": "number", "ts": "time"}

HOSTILE = [
    "'",
    "''",
    "\\",
    "\\'",
    '"',
    "a\x00b",
    "日本\u0301",
    "'; DROP TABLE t; --",
    "%_",
    "\n",
    "💥",
    "x" * 1_000_000,
]


def _selected(where: Filter, values: list[tuple[str | None, float | None]]) -> list[int]:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t (i INT, s VARCHAR, x DOUBLE, ts BIGINT)")
        for i, (s, x) in enumerate(values):
            con.execute("INSERT INTO t VALUES (?, ?, ?, ?)", [i, s, x, i * 1_000_000])
        sql = f"SELECT i FROM t WHERE {where_sql(where, KINDS, DuckDbDialect())} ORDER BY i"
        return [row[0] for row in con.execute(sql).fetchall()]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_value_selects_exactly_the_rows_that_hold_it(value: str) -> None:
    values: list[tuple[str | None, float | None]] = [(value, 1), ("other", 1), (None, 1), (value + "x", 1)]
    assert _selected(Eq("s", value), values) == [0]
    assert _selected(Not(Eq("s", value)), values) == [1, 2, 3]
    assert _selected(In("s", (value, "other")), values) == [0, 1]


@given(st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_equality_of_text_is_equality_of_text(stored: str, asked: str) -> None:
    assert _selected(Eq("s", asked), [(stored, None)]) == ([0] if stored == asked else [])


def test_a_lone_surrogate_matches_nothing_and_breaks_nothing() -> None:
    assert _selected(Eq("s", "\ud800"), [("a", 1), (None, 1)]) == []
    assert _selected(Not(Match("s", "\ud800")), [("a", 1)]) == [0]


def test_not_keeps_the_rows_where_the_part_is_unknown() -> None:
    values: list[tuple[str | None, float | None]] = [("eu", 1), ("us", None), (None, 2)]
    assert _selected(Not(Eq("s", "eu")), values) == [1, 2]
    assert _selected(Not(Range("x", low=2)), values) == [0, 1]
    assert _selected(Not(Not(Eq("s", "eu"))), values) == [0]
    assert _selected(Not(And((Eq("s", "us"), Eq("x", 1)))), values) == [0, 1, 2]
    assert _selected(Eq("s", "(null)"), values) == _selected(Null("s"), values) == [2]
    assert _selected(Not(Eq("s", "(null)")), values) == [0, 1]
    assert _selected(In("s", ("us", "(null)")), values) == [1, 2]


def test_ranges_are_half_open_and_no_range_holds_nan() -> None:
    values: list[tuple[str | None, float | None]] = [("5", 5), ("7", 7), ("x", float("nan")), (None, None), ("9", 9)]
    assert _selected(Range("x", 5, 9), values) == [0, 1]
    assert _selected(Range("x", low=6), values) == [1, 4]
    assert _selected(Range("s", low=6), values) == [1, 4]
    assert _selected(Range("ts", 1, 3), values) == [1, 2]
    assert _selected(Range("x", low=float("nan")), values) == []


def test_numbers_compare_as_numbers_and_text_as_text() -> None:
    values: list[tuple[str | None, float | None]] = [("5", 5.0), ("5.0", 5.0), ("true", 1.0)]
    assert _selected(Eq("x", "5"), values) == [0, 1]
    assert _selected(Eq("x", "five"), values) == []
    assert _selected(Eq("s", 5.0), values) == [0]
    assert _selected(Eq("s", True), values) == [2]


def test_empty_conjunction_selects_all_and_empty_disjunction_nothing() -> None:
    values: list[tuple[str | None, float | None]] = [("a", 1), (None, None)]
    assert _selected(ALL, values) == [0, 1]
    assert _selected(Or(), values) == []
    assert _selected(In("s", ()), values) == []
    assert _selected(Or((Eq("s", "a"), Null("x"))), values) == [0, 1]


def test_a_pattern_matches_anywhere_and_may_hold_quotes() -> None:
    values: list[tuple[str | None, float | None]] = [("it's", 1), ("ios", 2), (None, 3)]
    assert _selected(Match("s", "t's"), values) == [0]
    assert _selected(Match("s", "^i"), values) == [0, 1]
    assert _selected(Match("x", "^2"), values) == [1]


def test_an_unknown_field_is_named_together_with_the_known_ones() -> None:
    with pytest.raises(MissingDataError, match="'colour'") as caught:
        where_sql(Eq("colour", "red"), KINDS, DuckDbDialect())
    assert "s, ts, x" in caught.value.hint


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DuckDbStore]:
    write_parquet(tmp_path / "a.parquet", rows())
    store = DuckDbStore([str(tmp_path)])
    yield store
    await store.close()


async def test_a_typed_filter_selects_the_same_rows_in_the_store(store: DuckDbStore) -> None:
    frame = rows()
    expected: dict[str, pd.Series[bool]] = {
        "region=eu-w1 tier!=free": (frame["region"] == "eu-w1") & (frame["tier"] != "free"),
        "region!=eu-w1": frame["region"] != "eu-w1",
        "latency_ms>=100 version=41": (frame["latency_ms"] >= 100) & (frame["version"] == "41"),
        "canary=true": frame["canary"],
        "error_type!=null device~^i": frame["error_type"].notna() & (frame["device"] == "ios"),
        "hour=3": (frame["hour"] == 3).fillna(False),
        "request_id=r-1-7": frame["request_id"] == "r-1-7",
    }
    for text, rows_wanted in expected.items():
        traffic = (await store.series((HOUR,), 300, parse_filter(text))).value
        assert traffic.requests.n.sum() == rows_wanted.sum() > 0, text


async def test_a_pattern_that_re2_cannot_read_is_rejected_in_words(store: DuckDbStore) -> None:
    with pytest.raises(RejectedError, match="RE2"):
        await store.series((HOUR,), 300, Match("device", "(?=i)"))
    assert (await store.series((HOUR,), 300)).value.requests.n.sum() == 4_000


def test_two_fields_are_the_same_as_text_as_numbers_and_across_both() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t (i INT, a VARCHAR, b VARCHAR, x DOUBLE)")
        con.execute(
            "INSERT INTO t VALUES (0,'1','1',1),(1,'1','2',2),(2,NULL,'1',1),(3,'no','no',NULL),(4,'no','no',3)"
        )
        kinds: dict[str, Kind] = {"a": "text", "b": "text", "x": "number"}

        def selected(where: Filter) -> list[int]:
            rows = con.execute(f"SELECT i FROM t WHERE {where_sql(where, kinds, DuckDbDialect())} ORDER BY i")
            return [row[0] for row in rows.fetchall()]

        assert selected(Same("a", "b")) == [0, 3, 4]
        assert selected(Same("a", "x")) == [0]
        assert selected(Not(Same("a", "b"))) == [1, 2]
        assert selected(And((Not(Null("a")), Not(Same("a", "b"))))) == [1]
