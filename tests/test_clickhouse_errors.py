"""What goes wrong between us and ClickHouse: said in its words, stopped in time, without a secret."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest

from analysis.filters import Match
from analysis.view import Window
from connectors.base import MalformedError, MissingDataError, RejectedError, SourceError, UnreachableError
from connectors.clickhouse_native import read_native
from connectors.clickhouse_store import LOOK_EVERY_S, ClickHouseStore
from connectors.clickhouse_transport import ClickHouseTransport
from connectors.clickhouse_types import plain_type, read_as
from connectors.http import Access
from connectors.mapping import Mapping
from connectors.sql import QueryError
from tests.clickhouse_server import PASSWORD, USER, ClickHouse
from tests.logs import START

HOUR = Window(START, START + 3_600)
LOG = (
    "SELECT toDateTime(1795305600, 'UTC') + number AS ts, 'fraud' AS model, toString(number % 3) AS version, "
    "if(number % 10 = 0, 'Timeout', '') AS error_type, toFloat64(number) AS latency_ms FROM numbers(3600)"
)


@pytest.fixture(scope="module")
def server() -> Iterator[ClickHouse]:
    server = ClickHouse()
    server.run(f"CREATE TABLE log ENGINE = MergeTree ORDER BY ts AS {LOG}")
    yield server
    server.stop()


@asynccontextmanager
async def opened(
    server: ClickHouse,
    table: str = "log",
    mapping: Mapping | None = None,
    password: str = PASSWORD,
    timeout_s: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[ClickHouseStore]:
    access = Access(headers={"X-ClickHouse-User": USER, "X-ClickHouse-Key": password})
    store = ClickHouseStore(server.url, table, mapping, access=access, timeout_s=timeout_s, clock=clock)
    try:
        yield store
    finally:
        await store.close()


async def test_a_wrong_password_is_said_in_the_servers_words_and_never_shown(server: ClickHouse) -> None:
    async with opened(server, password="wr0ng-s3cret") as store:
        with pytest.raises(RejectedError, match="Authentication failed") as caught:
            await store.describe()
    error = caught.value
    assert error.title == "not logged in"
    assert "headers_file" in error.hint
    assert "s3cret" not in f"{error} {error.hint} {error.__cause__}"
    assert "version 26" not in error.message


async def test_a_missing_table_and_a_missing_database_are_named(server: ClickHouse) -> None:
    for table, title, words in (("lgo", "no such table", "lgo"), ("prod.log", "no such database", "prod")):
        async with opened(server, table) as store:
            with pytest.raises(MissingDataError, match=words) as caught:
                await store.describe()
            assert caught.value.title == title


async def test_an_expression_that_is_not_valid_is_named_with_its_field(server: ClickHouse) -> None:
    mapping = Mapping(fields={"latency_ms": "latency_ms / 1"}, dims={"shard": "shrad"})
    async with opened(server, mapping=mapping) as store:
        with pytest.raises(RejectedError, match=r"mapping of 'shard'.*shrad") as caught:
            await store.describe()
    assert caught.value.hint == "expression: shrad"


async def test_expressions_of_the_configuration_are_read_with_their_types(server: ClickHouse) -> None:
    mapping = Mapping(
        fields={"latency_ms": "latency_ms / 1000", "error_type": "if(error_type = '', '', 'E-' || error_type)"},
        dims={"parity": "toUInt8(latency_ms) % 2"},
        where="version != '2'",
    )
    async with opened(server, mapping=mapping) as store:
        schema = await store.describe()
        assert set(schema.dims) == {"parity"}
        traffic = (await store.series((HOUR,), 3_600)).value
        assert traffic.requests.n.sum() == 2_400
        assert traffic.errors is not None
        assert traffic.errors.n.sum() == 240
        assert traffic.latency is not None
        assert traffic.latency.total.sum() == pytest.approx(sum(i for i in range(3_600) if i % 3 != 2) / 1_000)
        assert dict((await store.top_values((HOUR,), "parity")).value) == {"0": 1_200, "1": 1_200}


async def test_spans_of_an_opentelemetry_exporter_are_read_through_their_maps(server: ClickHouse) -> None:
    server.run(
        "CREATE TABLE otel_traces (Timestamp DateTime64(9), ServiceName LowCardinality(String), Duration UInt64, "
        "Kind Enum8('server' = 1, 'client' = 2), SpanAttributes Map(LowCardinality(String), String)) "
        "ENGINE = MergeTree ORDER BY (ServiceName, Timestamp)",
        "INSERT INTO otel_traces SELECT toDateTime64(1795305600 + number, 9, 'UTC'), 'ranker', number * 1000000, "
        "if(number % 3 = 0, 'client', 'server'), if(number % 4 = 0, map('error.type', 'Timeout', 'region', 'eu'), "
        "map('region', 'us')) FROM numbers(1200)",
    )
    mapping = Mapping(
        fields={"model": "ServiceName", "latency_ms": "Duration / 1e6", "error_type": "SpanAttributes['error.type']"},
        dims={"region": "SpanAttributes['region']", "kind": "Kind"},
        where="Kind = 'server'",
    )
    async with opened(server, "otel_traces", mapping) as store:
        traffic = (await store.series((HOUR,), 3_600)).value
        assert traffic.requests.keys == (("ranker", "all"),)
        assert traffic.requests.n.sum() == 800
        assert traffic.errors is not None
        assert traffic.errors.n.sum() == 200
        assert traffic.latency is not None
        assert traffic.latency.total.sum() == sum(i for i in range(1_200) if i % 3)
        assert dict((await store.top_values((HOUR,), "region")).value) == {"us": 600, "eu": 200}
        assert (await store.watermark()).newest == START + 1_199


async def test_a_column_that_is_dropped_while_we_look_is_missed_and_the_rest_is_answered(server: ClickHouse) -> None:
    server.run(f"CREATE TABLE moving ENGINE = MergeTree ORDER BY ts AS {LOG}")
    now = 0.0
    async with opened(server, "moving", clock=lambda: now) as store:
        assert (await store.series((HOUR,), 3_600)).value.latency is not None
        server.run("ALTER TABLE moving DROP COLUMN latency_ms")
        with pytest.raises(QueryError, match="latency_ms"):
            await store.series((HOUR,), 3_600)
        assert (await store.series((HOUR,), 3_600)).value.latency is None
        server.run("ALTER TABLE moving ADD COLUMN region String")
        assert "region" not in (await store.describe()).columns
        now = LOOK_EVERY_S
        assert "region" in (await store.describe()).columns


async def test_the_watermark_moves_with_the_rows(server: ClickHouse) -> None:
    server.run(f"CREATE TABLE growing ENGINE = MergeTree ORDER BY ts AS {LOG} LIMIT 0")
    async with opened(server, "growing") as store:
        assert (await store.watermark()).newest is None
        for n in (10, 20):
            server.run(f"INSERT INTO growing {LOG} LIMIT {n}")
            watermark = await store.watermark()
            assert (watermark.oldest, watermark.newest) == (START, START + n - 1)


async def test_a_slow_query_is_let_go_within_200_ms_and_the_server_is_told(server: ClickHouse) -> None:
    async with opened(server) as store:
        before = len(server.killed())
        task = asyncio.ensure_future(store._transport.run("SELECT sleepEachRow(0.001) AS s FROM numbers(1500)"))
        await asyncio.sleep(0.2)
        started = time.monotonic()
        await store.cancel()
        assert time.monotonic() - started < 0.2
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await asyncio.to_thread(server.wait_for_kill, before)).startswith("mltriage-")


async def test_a_query_beyond_its_time_is_ended_by_the_server(server: ClickHouse) -> None:
    async with opened(server, timeout_s=0.3) as store:
        with pytest.raises(UnreachableError, match="imeout exceeded") as caught:
            await store._transport.run("SELECT sleepEachRow(0.01) AS s FROM numbers(200) SETTINGS max_block_size = 10")
    assert caught.value.title == "query too slow"


async def test_a_pattern_that_is_not_re2_is_said_to_be_none(server: ClickHouse) -> None:
    async with opened(server) as store:
        with pytest.raises(RejectedError, match="RE2"):
            await store.series((HOUR,), 60, Match("model", "(?=a)"))


async def test_a_server_that_dies_is_unreachable_and_says_where(server: ClickHouse) -> None:
    dying = ClickHouse()
    dying.run(f"CREATE TABLE log ENGINE = MergeTree ORDER BY ts AS {LOG}")
    async with opened(dying) as store:
        await store.describe()
        dying.stop()
        with pytest.raises(UnreachableError, match=str(dying.port)) as caught:
            await store.series((HOUR,), 60)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "error", "title"),
    [
        (500, "Code: 241. DB::Exception: Memory limit exceeded", RejectedError, "not enough memory"),
        (500, "Code: 164. DB::Exception: Cannot modify 'x' setting", RejectedError, "settings refused"),
        (500, "Code: 497. DB::Exception: triage: Not enough privileges", RejectedError, "forbidden"),
        (500, "Code: 202. DB::Exception: Too many simultaneous queries", UnreachableError, "busy"),
        (500, "Code: 999. DB::Exception: Something (version 24.3.1.1 (official build))", QueryError, "could not"),
        (200, "Code: 159. DB::Exception: Timeout exceeded: elapsed 1 s", UnreachableError, "too slow"),
        (401, "<html>login</html>", RejectedError, "not logged in"),
        (404, "no route", RejectedError, "not found"),
        (200, "<html>a proxy's own page</html>", MalformedError, "broken answer"),
    ],
)
async def test_every_refusal_says_what_happened(status: int, body: str, error: type[SourceError], title: str) -> None:
    answer = httpx.MockTransport(lambda _: httpx.Response(status, text=body))
    transport = ClickHouseTransport("http://ch:8123", timeout_s=5, transport=answer)
    with pytest.raises(error, match=title) as caught:
        await transport.run("SELECT 1")
    await transport.close()
    assert "version" not in str(caught.value)
    assert "DB::Exception" not in str(caught.value)


async def test_statements_are_sent_read_only_and_within_limits() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=b"\x01\x01\x01n\x05UInt8\x07")

    transport = ClickHouseTransport("http://ch:8123/proxy", timeout_s=12, transport=httpx.MockTransport(answer))
    columns = await transport.run("SELECT 7 AS n")
    await transport.close()
    assert columns["n"].tolist() == [7]
    (request,) = asked
    assert (request.method, request.url.path, request.content) == ("POST", "/proxy/", b"SELECT 7 AS n")
    sent = request.url.params
    assert (sent["readonly"], sent["max_execution_time"]) == ("2", "12")
    assert sent["cancel_http_readonly_queries_on_client_close"] == "1"
    assert sent["query_id"].startswith("mltriage-")


def test_an_answer_that_ends_early_is_not_taken_for_a_short_one() -> None:
    whole = b"\x02\x02\x01n\x06UInt16\x01\x00\x02\x00\x01s\x06String\x01a\x02bc"
    columns = read_native(whole)
    assert columns["n"].tolist() == [1, 2]
    assert columns["s"] == ["a", "bc"]
    for end in range(1, len(whole)):
        with pytest.raises(MalformedError):
            read_native(whole[:end])
    assert np.array_equal(read_native(whole + whole)["n"], [1, 2, 1, 2])
    assert list(read_native(b"")["anything"]) == []


@pytest.mark.parametrize(
    ("stored", "kind", "nullable"),
    [
        ("LowCardinality(Nullable(String))", "VARCHAR", True),
        ("DateTime64(3, 'Europe/Berlin')", "TIMESTAMP WITH TIME ZONE", False),
        ("Nullable(Decimal(18, 4))", "DECIMAL", True),
        ("Enum8('a' = 1, 'b' = 2)", "ENUM", False),
        ("UInt64", "UBIGINT", False),
        ("Map(String, String)", "Map(String, String)", False),
    ],
)
def test_types_are_told_by_what_they_can_be_used_as(stored: str, kind: str, nullable: bool) -> None:
    assert plain_type(stored) == (kind, nullable)


def test_an_empty_text_that_cannot_be_null_is_no_value() -> None:
    assert read_as('"v"', "String") == ("nullIf(\"v\", '')", "VARCHAR")
    assert read_as('"v"', "Nullable(String)") == ('"v"', "VARCHAR")
