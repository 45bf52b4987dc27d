"""JSONL that is being written: partial lines, bad lines, rotation, changing types, bounded memory."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from analysis.view import Window
from connectors.base import MissingDataError
from connectors.duckdb_store import DuckDbStore
from connectors.tail import sniff
from tests.logs import START, json_lines, rows

HOUR = Window(START, START + 3_600)


def _line(at: float, **more: Any) -> bytes:
    return (json.dumps({"ts": START + at, "model": "m", **more}) + "\n").encode()


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _rename(path: Path, name: str) -> None:
    path.rename(path.with_name(name))


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return tmp_path / "live.jsonl"


@pytest.fixture
async def store(live: Path) -> AsyncIterator[DuckDbStore]:
    store = DuckDbStore([str(live.parent)])
    yield store
    await store.close()


async def _requests(store: DuckDbStore) -> float:
    return float((await store.series((HOUR,), 60)).value.requests.n.sum())


async def _notes(store: DuckDbStore) -> str:
    return " ".join((await store.describe()).notes)


async def test_a_partial_last_line_waits_for_its_end(store: DuckDbStore, live: Path) -> None:
    whole = _line(1) + _line(2) + _line(3)
    seen = []
    for size in range(20, len(whole) + 1):
        _write(live, whole[:size])
        try:
            seen.append(await _requests(store))
        except MissingDataError:
            seen.append(0)
    assert seen == [whole[:size].count(b"\n") for size in range(20, len(whole) + 1)]


async def test_appended_lines_are_counted_once(store: DuckDbStore, live: Path) -> None:
    total = 0
    for i in range(6):
        _append(live, json_lines(rows(40, seed=i)))
        total += 40
        assert await _requests(store) == total
        assert await _requests(store) == total


async def test_bad_lines_are_counted_and_harm_no_other_line(store: DuckDbStore, live: Path) -> None:
    bad = [
        b"not json\n",
        b"[1, 2]\n",
        b'"text"\n',
        b'{"ts": 1, "model": "\xff\xfe"}\n',
        b"\n",
        b'{"ts": 12, \n',
        b"{}\n",
    ]
    _write(live, b"".join(_line(i) + line for i, line in enumerate(bad)))
    assert await _requests(store) == len(bad)
    assert "6 JSONL lines are left out" in await _notes(store)


async def test_a_truncated_or_replaced_file_is_read_from_its_start(store: DuckDbStore, live: Path) -> None:
    _write(live, _line(1) + _line(2) + _line(3))
    assert await _requests(store) == 3
    _write(live, _line(4))
    assert await _requests(store) == 4
    _rename(live, "live-1.jsonl")
    _write(live, _line(5) + _line(6))
    assert await _requests(store) == 6
    _write(live, _line(70) + _line(80) + _line(90) + _line(91))
    assert await _requests(store) == 10


async def test_a_column_whose_values_stop_fitting_its_type_is_widened(store: DuckDbStore, live: Path) -> None:
    _write(live, b"".join(_line(i, latency_ms=i, f_a=i, f_b=True) for i in range(30)))
    assert await _requests(store) == 30
    _append(live, b"".join(_line(i, latency_ms=i + 0.5, f_a="big", f_b="maybe", f_c=1) for i in range(30)))
    latency = (await store.series((HOUR,), 60)).value.latency
    assert latency is not None
    assert latency.total.sum() == sum(range(30)) * 2 + 15
    columns = (await store.describe()).columns
    assert columns["latency_ms"] == "DOUBLE"
    assert columns["f_c"] == "BIGINT"
    assert await _requests(store) == 60


async def test_a_fraction_between_the_sniffed_lines_is_not_rounded_away(store: DuckDbStore, live: Path) -> None:
    values = [10.0 if i != 777 else 10.25 for i in range(1_000)]
    lines = [_line(i, latency_ms=int(v) if v == 10 else v) for i, v in enumerate(values)]
    _write(live, b"".join(lines))
    latency = (await store.series((HOUR,), 60)).value.latency
    assert latency is not None
    assert latency.total.sum() == sum(values)


async def test_a_rare_word_in_a_number_column_is_null_and_does_not_change_its_type(
    store: DuckDbStore, live: Path
) -> None:
    _write(live, b"".join(_line(i, latency_ms=1.5 if i != 500 else "n/a") for i in range(1_000)))
    latency = (await store.series((HOUR,), 60)).value.latency
    assert latency is not None
    assert (latency.n.sum(), latency.null.sum()) == (999, 1)


async def test_non_finite_numbers_as_python_writes_them_are_counted_apart(store: DuckDbStore, live: Path) -> None:
    _write(live, b"".join(_line(i, latency_ms=v) for i, v in enumerate((1.0, float("nan"), float("inf"), None))))
    latency = (await store.series((HOUR,), 60)).value.latency
    assert latency is not None
    assert (latency.n.sum(), latency.nonfinite.sum(), latency.null.sum()) == (1, 2, 1)


async def test_nested_features_of_a_line_are_features(store: DuckDbStore, live: Path) -> None:
    _write(
        live, b"".join(_line(i, features={"amount": i, "kind": f"k{i % 3}"}, meta={"region": "eu"}) for i in range(40))
    )
    schema = await store.describe()
    assert {feature.name for feature in schema.features} == {"amount", "kind"}
    assert set(schema.dims) == {"meta.region"}
    _append(live, b"".join(_line(i, features={"amount": i, "extra": 2.5}) for i in range(40)))
    bins = (await store.feature_bins((HOUR,))).value
    histogram = (await store.features((HOUR,), 60, bins)).value["extra"]
    assert (histogram.n.sum(), histogram.null.sum()) == (40, 40)


async def test_old_rows_are_dropped_first_and_the_drop_is_stated(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.tail.SEGMENT_ROWS", 100)
    store = DuckDbStore([str(live.parent)], hot_rows=250)
    for i in range(8):
        _append(live, b"".join(_line(60 * i + j / 2) for j in range(80)))
        await store.describe()
    traffic = (await store.series((HOUR,), 60)).value
    notes = await _notes(store)
    await store.close()
    assert 250 <= traffic.requests.n.sum() <= 350
    assert traffic.requests.t.tolist() == [START + 60 * i for i in (4, 5, 6, 7)]
    assert "are dropped" in notes


async def test_a_large_cold_file_is_read_from_its_end_and_the_rest_is_stated(live: Path) -> None:
    _write(live, b"".join(_line(i) for i in range(3_000)))
    store = DuckDbStore([str(live.parent)], backlog_bytes=33 * 1_000)
    traffic = (await store.series((HOUR,), 60)).value
    notes = await _notes(store)
    watermark = await store.watermark()
    await store.close()
    assert 900 < traffic.requests.n.sum() <= 1_000
    assert traffic.requests.t[-1] == START + 2_940
    assert watermark.newest == START + 2_999
    assert "older JSONL are not read" in notes


async def test_a_half_written_archive_is_left_out_until_it_is_whole(store: DuckDbStore, live: Path) -> None:
    _write(live, _line(1))
    packed = gzip.compress(json_lines(rows(200)))
    archive = live.with_name("old.jsonl.gz")
    _write(archive, packed[: len(packed) // 2])
    assert await _requests(store) == 1
    assert "old.jsonl.gz" in await _notes(store)
    _write(archive, packed)
    assert await _requests(store) == 201
    assert await _requests(store) == 201


async def test_a_value_with_quotes_newlines_and_control_characters_arrives_unchanged(
    store: DuckDbStore, live: Path
) -> None:
    nasty = 'it\'s "x"\n\t\\ \u0000 \u202e 💥'
    _write(live, _line(1, error_type="E", error_message=nasty))
    errors = (await store.errors((HOUR,), 60)).value
    assert errors is not None
    assert list(errors.samples.values()) == [nasty]


def test_types_are_sniffed_from_the_values() -> None:
    chunk = b"".join(
        json.dumps(row).encode() + b"\n"
        for row in (
            {
                "a": 1,
                "b": 1.5,
                "c": True,
                "d": "x",
                "t": "2026-11-22T00:00:00+05:30",
                "n": None,
                "s": {"y": 1},
                "l": [1],
            },
            {"a": 2, "b": 2, "c": False, "d": 5, "t": "2026-11-22 00:00:00Z", "n": None, "s": {"z": "q"}, "A": "case"},
        )
    )
    assert sniff(chunk) == {
        "a": "BIGINT",
        "b": "DOUBLE",
        "c": "BOOLEAN",
        "d": "VARCHAR",
        "t": "TIMESTAMP WITH TIME ZONE",
        "s": {"y": "BIGINT", "z": "VARCHAR"},
        "l": "VARCHAR",
    }
