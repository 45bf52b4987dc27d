"""What `--logs PATH` alone makes of the columns of a log."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from analysis.evidence import CategoryBins
from analysis.filters import Eq, Not, Null
from analysis.view import Window
from connectors.base import MissingDataError, RejectedError, Schema
from connectors.coltypes import leaves, merge_types, parse_type, render_type
from connectors.duckdb_store import DuckDbStore
from connectors.mapping import Mapping
from connectors.wellknown import latency_unit, normal
from tests.logs import START, rows, write_parquet

HOUR = Window(START, START + 3_600)


def _write(folder: Path, select: str, n: int = 120, name: str = "a.parquet") -> None:
    """`select` over i = 0 .. n-1, one row per half minute."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone='UTC'")
        con.execute(f"COPY (SELECT {select} FROM range({n}) AS t(i)) TO '{folder / name}' (FORMAT parquet)")


async def _schema(folder: Path, mapping: Mapping | None = None) -> Schema:
    store = DuckDbStore([str(folder)], mapping)
    try:
        return await store.describe()
    finally:
        await store.close()


async def _count(folder: Path, span: Window = HOUR, mapping: Mapping | None = None) -> float:
    store = DuckDbStore([str(folder)], mapping)
    try:
        return float((await store.series((span,), 60)).value.requests.n.sum())
    finally:
        await store.close()


async def test_a_fleet_log_of_several_models_is_understood_without_config(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows())
    schema = await _schema(tmp_path)
    assert set(schema.fields) == {
        "ts", "request_id", "model", "version", "latency_ms", "error_type", "error_message", "error_template",
        "prediction", "confidence", "label", "label_ts",
    }  # fmt: skip
    assert set(schema.dims) == {"region", "tier", "device", "canary"}
    assert {feature.name: feature.kind for feature in schema.features} == {
        "amount": "numeric",
        "hour": "numeric",
        "merchant_cat": "categorical",
        "position": "numeric",
        "query_lang": "categorical",
    }
    assert schema.missing == ("weight", "shadow")


async def test_a_dimension_name_that_one_model_of_several_fills_is_a_feature_of_that_model(tmp_path: Path) -> None:
    write_parquet(
        tmp_path / "a.parquet", rows(), "*, CASE WHEN model = 'fraud' THEN tier END AS plan, device AS platform"
    )
    schema = await _schema(tmp_path)
    assert "platform" in schema.dims
    assert "plan" not in schema.dims
    assert "plan" in {feature.name for feature in schema.features}


TS = {
    "TIMESTAMP": f"make_timestamp(({START} + 30 * i) * 1000000)",
    "TIMESTAMP_NS": f"make_timestamp_ns(({START} + 30 * i) * 1000000000)",
    "TIMESTAMP_MS": f"make_timestamp(({START} + 30 * i) * 1000000)::TIMESTAMP_MS",
    "TIMESTAMPTZ": f"to_timestamp({START} + 30 * i)",
    "ISO": f"strftime(make_timestamp(({START} + 30 * i) * 1000000), '%Y-%m-%dT%H:%M:%S.%fZ')",
    "ISO with offset": f"strftime(make_timestamp(({START} + 30 * i + 19800) * 1000000), '%Y-%m-%dT%H:%M:%S+05:30')",
    "naive ISO": f"strftime(make_timestamp(({START} + 30 * i) * 1000000), '%Y-%m-%d %H:%M:%S')",
    "seconds": f"({START} + 30 * i)::BIGINT",
    "fractional seconds": f"({START} + 30 * i + 0.5)::DOUBLE",
    "milliseconds": f"({START} + 30 * i)::BIGINT * 1000",
    "microseconds": f"({START} + 30 * i)::BIGINT * 1000000",
    "nanoseconds": f"({START} + 30 * i)::BIGINT * 1000000000",
    "seconds as text": f"({START} + 30 * i)::VARCHAR",
}


@pytest.mark.parametrize("kind", TS)
async def test_a_time_of_any_type_is_read_and_cut_at_the_same_second(tmp_path: Path, kind: str) -> None:
    _write(tmp_path, f"{TS[kind]} AS event_time")
    assert await _count(tmp_path) == 120
    assert await _count(tmp_path, Window(START + 60, START + 120)) == 2
    store = DuckDbStore([str(tmp_path)])
    watermark = await store.watermark()
    await store.close()
    assert watermark.newest == pytest.approx(START + 119 * 30, abs=0.6)
    assert watermark.oldest == pytest.approx(START, abs=0.6)


async def test_a_date_column_counts_as_midnight(tmp_path: Path) -> None:
    _write(tmp_path, "DATE '2026-11-22' + i::INT AS date", 3)
    assert await _count(tmp_path, Window(START, START + 86_400)) == 1
    assert await _count(tmp_path, Window(START + 86_400, START + 3 * 86_400)) == 2


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("latency_ms", 1), ("latency", 1), ("duration_s", 1_000), ("execution_time_ms", 1), ("durationNs", 1e-6),
        ("request_latency_seconds", 1_000), ("elapsed_us", 1e-3), ("response_time_millis", 1), ("latency_micros", 1e-3),
    ],
)  # fmt: skip
async def test_latency_is_found_by_name_with_the_unit_of_its_suffix(tmp_path: Path, name: str, factor: float) -> None:
    _write(tmp_path, f'{TS["TIMESTAMP"]} AS ts, 80.0::DOUBLE AS "{name}"')
    store = DuckDbStore([str(tmp_path)])
    latency = (await store.series((HOUR,), 60)).value.latency
    await store.close()
    assert latency is not None
    assert latency.total.sum() == pytest.approx(120 * 80 * factor)


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("CASE WHEN i < 3 THEN 'Timeout' WHEN i < 60 THEN 'ok' ELSE 'SUCCESS' END AS status", {"Timeout": 3}),
        ("CASE WHEN i < 4 THEN 503 WHEN i < 9 THEN 404 ELSE 200 END AS status_code", {"HTTP 503": 4, "HTTP 404": 5}),
        ("i < 7 AS error", {"error": 7}),
        (
            "CASE WHEN i < 2 THEN 'OOM' ELSE '' END AS exception, CASE WHEN i < 5 THEN 500 ELSE 200 END AS http_status",
            {"OOM": 2, "HTTP 500": 3},
        ),
    ],
)
async def test_errors_are_found_in_types_states_and_codes(
    tmp_path: Path, select: str, expected: dict[str, int]
) -> None:
    _write(tmp_path, f"{TS['TIMESTAMP']} AS ts, {select}")
    store = DuckDbStore([str(tmp_path)])
    errors = (await store.errors((HOUR,), 3_600)).value
    await store.close()
    assert errors is not None
    counted = dict(zip([kind for _, kind in errors.counts.keys], errors.counts.n.sum(axis=0), strict=True))
    assert counted == expected


async def test_what_is_not_logged_is_missing_and_not_zero(tmp_path: Path) -> None:
    _write(tmp_path, f"{TS['TIMESTAMP']} AS ts, i % 3 AS amount")
    store = DuckDbStore([str(tmp_path)])
    traffic = (await store.series((HOUR,), 60)).value
    assert traffic.errors is None
    assert traffic.latency is None
    assert traffic.requests.keys == (("model", "all"),)
    assert (await store.errors((HOUR,), 60)).value is None
    assert (await store.confidence((HOUR,), 60, (0, 0.5, 1))).value is None
    await store.close()


async def test_prefixed_columns_and_struct_fields_are_features(tmp_path: Path) -> None:
    _write(
        tmp_path,
        f"{TS['TIMESTAMP']} AS ts, {{'amount': i * 1.5, 'region': 'r' || i % 3}} AS features, i % 2 AS feature_flag, "
        "'x' || i % 40 AS f_code, {'model': 'm' || i % 2, 'region': 'eu'} AS meta",
    )
    schema = await _schema(tmp_path)
    assert {feature.name for feature in schema.features} == {"amount", "region", "flag", "code"}
    assert set(schema.dims) == {"meta.region"}
    assert schema.fields["model"] == '"meta"."model"'


async def test_the_time_of_calls_to_other_services_is_no_input(tmp_path: Path) -> None:
    ts, columns = TS["TIMESTAMP"], "i * 0.001 AS feature_store_seconds, 7 AS db_query_ms, {'pricing': 3.5} AS timings"
    _write(tmp_path, f"{ts} AS ts, {columns}, 9.0 AS latency_ms, i AS session_ms")
    schema = await _schema(tmp_path)
    assert schema.calls == {
        "feature_store_seconds": ("feature_store", 1_000.0),
        "db_query_ms": ("db", 1.0),
        "timings.pricing": ("pricing", 1.0),
    }
    assert {feature.name for feature in schema.features} - schema.calls.keys() == {"session_ms"}
    configured = await _schema(tmp_path, Mapping(dependencies={"sessions": "session_ms / 2"}))
    assert configured.calls == {"sessions": ("sessions", 1.0)}


async def test_few_values_of_a_waiting_time_add_up_too(tmp_path: Path) -> None:
    _write(tmp_path, f"{TS['TIMESTAMP']} AS ts, 1.5 AS amount, CASE WHEN i % 2 = 0 THEN 7 END AS db_ms")
    store = DuckDbStore([str(tmp_path)])
    try:
        bins = (await store.feature_bins((HOUR,))).value
        held = (await store.features((HOUR,), 3_600, bins)).value["db_ms"]
    finally:
        await store.close()
    assert held.n.sum() == 60
    assert held.total.sum() == 60 * 7


async def test_one_model_makes_few_values_a_dim_and_many_a_feature(tmp_path: Path) -> None:
    _write(
        tmp_path,
        f"{TS['TIMESTAMP']} AS ts, 'c' || i % 8 AS colour, 'c' || i % 9 AS shade, 'h' || i % 60 AS host, "
        "uuid()::VARCHAR AS session, i AS user_id, i % 2 = 0 AS cached",
    )
    schema = await _schema(tmp_path)
    assert set(schema.dims) == {"colour", "host", "cached"}
    assert [feature.name for feature in schema.features] == ["shade"]
    notes = " ".join(schema.notes)
    assert "session: left out" in notes
    assert "user_id: left out" in notes


async def test_no_time_column_names_the_columns_and_what_would_do(tmp_path: Path) -> None:
    _write(tmp_path, "i AS amount, 'x' AS colour")
    with pytest.raises(MissingDataError, match="no timestamp column") as caught:
        await _schema(tmp_path)
    assert "amount BIGINT, colour VARCHAR" in caught.value.message
    assert "event_time" in caught.value.hint


async def test_a_config_overrides_what_would_be_inferred(tmp_path: Path) -> None:
    _write(
        tmp_path,
        f"{TS['milliseconds']} AS t0, {TS['TIMESTAMP']} AS ts, 2.0 AS took_s, {{'r': 'eu', 'a': i % 4}} AS attrs, "
        "CASE WHEN i % 2 = 0 THEN 'predict' ELSE 'health' END AS span, 'm' AS model",
    )
    mapping = Mapping(
        fields={"ts": "t0", "latency_ms": "took_s * 2000", "model": "upper(model)"},
        dims={"where": "attrs.r"},
        features={"a": "attrs.a"},
        where="span = 'predict'",
    )
    store = DuckDbStore([str(tmp_path)], mapping)
    schema = await store.describe()
    assert set(schema.dims) == {"where"}
    assert [(feature.name, feature.kind) for feature in schema.features] == [("a", "numeric")]
    traffic = (await store.series((HOUR,), 60, Eq("where", "eu"))).value
    bins = (await store.feature_bins((HOUR,))).value["a"]
    await store.close()
    assert traffic.requests.keys == (("M", "all"),)
    assert traffic.requests.n.sum() == 60
    assert traffic.latency is not None
    assert traffic.latency.total.sum() == 60 * 4_000
    assert isinstance(bins, CategoryBins)
    assert set(bins.labels[:-2]) == {"0", "2"}


async def test_a_wrong_expression_is_named_with_the_field_it_was_meant_for(tmp_path: Path) -> None:
    _write(tmp_path, f"{TS['TIMESTAMP']} AS ts")
    with pytest.raises(RejectedError, match="latency_ms") as caught:
        await _schema(tmp_path, Mapping(fields={"latency_ms": "no_such_column * 2"}))
    assert "no_such_column" in caught.value.hint


async def test_number_dims_and_versions_have_no_trailing_fraction(tmp_path: Path) -> None:
    _write(tmp_path, f"{TS['TIMESTAMP']} AS ts, (i % 2 + 41)::DOUBLE AS version, i % 3 AS zone")
    store = DuckDbStore([str(tmp_path)])
    traffic = (await store.series((HOUR,), 60, Eq("version", 42))).value
    zones = (await store.top_values((HOUR,), "zone", Not(Null("zone")))).value
    await store.close()
    assert traffic.requests.keys == (("model", "42"),)
    assert sorted(zones) == [("0", 40), ("1", 40), ("2", 40)]


def test_struct_types_are_read_merged_and_printed() -> None:
    text = 'STRUCT(x INTEGER, "a, b" STRUCT(y DECIMAL(2,1), z VARCHAR[]))'
    tree = parse_type(text)
    assert tree == {"x": "INTEGER", "a, b": {"y": "DECIMAL(2,1)", "z": "VARCHAR[]"}}
    assert parse_type(render_type(tree)) == tree
    merged = merge_types(tree, parse_type("STRUCT(x DOUBLE, w BOOLEAN)"))
    assert isinstance(merged, dict)
    assert (merged["x"], merged["w"]) == ("DOUBLE", "BOOLEAN")
    assert leaves({"f": {"x": "INTEGER"}}) == {"f.x": ('"f"."x"', "INTEGER")}


def test_names_are_compared_without_case_and_punctuation() -> None:
    assert normal("eventMetadata.inferenceTime") == "event_metadata_inference_time"
    assert normal("@timestamp") == "timestamp"
    assert latency_unit("latency_in_words") is None
