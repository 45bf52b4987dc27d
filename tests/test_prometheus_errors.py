"""What the Prometheus store makes of everything that can answer in its place. The network is replaced."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from analysis.view import Window
from connectors.base import MalformedError, MissingDataError, RejectedError, SourceError, UnreachableError
from connectors.http import MAX_BYTES, HttpSource
from connectors.prom_api import Result
from connectors.prom_grid import MAX_LABEL_CHARS, MAX_SERIES, place
from connectors.prometheus import PrometheusStore, parse_duration

NAMES = ["model_requests_total", "model_errors_total", "model_request_duration_seconds_bucket", "model_memory_bytes"]
SPAN = Window(1_700_000_040, 1_700_000_160)
Handler = Callable[[httpx.Request], httpx.Response]


def answer(data: object, **more: object) -> httpx.Response:
    return httpx.Response(200, json={"status": "success", "data": data, **more})


def matrix(*series: dict[str, Any], **more: object) -> httpx.Response:
    return answer({"resultType": "matrix", "result": list(series)}, **more)


def form(request: httpx.Request) -> dict[str, str]:
    source = request.url.params if request.method == "GET" else httpx.QueryParams(request.content.decode())
    return dict(source)


def store(handler: Handler, **more: Any) -> PrometheusStore:
    """A store whose range queries go to `handler`; discovery is answered."""

    def route(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/values"):
            return answer(NAMES)
        if path.endswith("/labels"):
            return answer([])
        if path.endswith(("/query", "/targets")):
            return answer({"resultType": "vector", "result": []})
        return handler(request)

    return PrometheusStore("http://prom:9090", transport=httpx.MockTransport(route), **more)


async def failure(handler: Handler, **more: Any) -> SourceError:
    with pytest.raises(SourceError) as error:
        await store(handler, **more).metrics([SPAN], 60)
    return error.value


def problem(status: int, kind: str, words: str) -> httpx.Response:
    return httpx.Response(status, json={"status": "error", "errorType": kind, "error": words})


@pytest.mark.parametrize(
    ("response", "kind", "words", "tries"),
    [
        (problem(400, "bad_data", "parse error"), RejectedError, "query refused: http://prom:9090: parse error", 1),
        (httpx.Response(401, text="no org id"), RejectedError, "not logged in: http://prom:9090: no org id", 1),
        (problem(422, "execution", "too many samples"), RejectedError, "too many samples", 1),
        (problem(422, "422", "too many samples"), RejectedError, "too many samples", 1),
        (httpx.Response(403, text="denied"), RejectedError, "forbidden", 2),
        (httpx.Response(404, text="404 page not found"), RejectedError, "not found", 4),
        (httpx.Response(405, text="no"), RejectedError, "method refused", 4),
        (problem(503, "timeout", "query timed out"), UnreachableError, "query too slow", 1),
        (problem(503, "unavailable", "starting"), UnreachableError, "HTTP 503", 3),
        (httpx.Response(502, text="bad gateway"), UnreachableError, "HTTP 502: bad gateway", 3),
        (httpx.Response(504, text="gateway timeout"), UnreachableError, "HTTP 504", 3),
        (httpx.Response(500, text="oops"), UnreachableError, "HTTP 500", 1),
        (httpx.Response(429, text="slow down"), UnreachableError, "too many requests: slow down", 3),
        (
            httpx.Response(200, html="<html>Log in</html>"),
            MalformedError,
            "not a Prometheus API: http://prom:9090: HTML instead of JSON",
            1,
        ),
        (
            httpx.Response(302, headers={"location": "https://login.example/auth?state=s3cret"}),
            RejectedError,
            "redirected: http://prom:9090 points to https://login.example/auth",
            1,
        ),
        (httpx.Response(200, content=b""), MalformedError, "the answer is empty", 1),
        (httpx.Response(200, content=b'{"status": "succ'), MalformedError, "not a Prometheus API", 1),
        (httpx.Response(200, json={"status": "success", "data": {"result": 5}}), MalformedError, "not a Prometheus", 1),
        (problem(200, "internal", "half an error"), MalformedError, "half an error", 1),
    ],
    ids=lambda value: str(value.status_code) if isinstance(value, httpx.Response) else None,
)
async def test_an_unusual_answer_is_a_typed_error(
    response: httpx.Response, kind: type[SourceError], words: str, tries: int
) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if "requests_total" in form(request)["query"]:
            asked.append(request.method)
        return response if "requests_total" in form(request)["query"] else matrix()

    # Discovery must not teach the store which way works, or the fallbacks are not tried.
    source = HttpSource("http://prom:9090", transport=httpx.MockTransport(handler))
    from connectors.prom_api import PromApi

    with pytest.raises(kind) as error:
        await PromApi(source).query("query_range", {"query": "model_requests_total"})
    assert words in str(error.value)
    assert len(asked) == tries
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("cause", "title"),
    [
        (ConnectionRefusedError(111, "refused"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "host not found"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "TLS failed"),
    ],
)
async def test_a_failed_connection_says_why(cause: Exception, title: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("failed", request=request) from cause

    error = await failure(handler)
    assert isinstance(error, UnreachableError)
    assert error.title == title
    assert "prom:9090" in error.message


async def test_a_read_timeout_is_not_tried_again() -> None:
    tries = []

    def handler(request: httpx.Request) -> httpx.Response:
        tries.append(form(request)["query"])
        raise httpx.ReadTimeout("slow", request=request)

    error = await failure(handler)
    assert error.title == "no answer in time"
    assert len(tries) == len(set(tries))


async def test_a_connection_that_recovers_is_not_an_error() -> None:
    tries = []

    def handler(request: httpx.Request) -> httpx.Response:
        tries.append(1)
        if len(tries) == 1:
            raise httpx.ConnectError("refused", request=request)
        return matrix()

    fetched = await store(handler).metrics([SPAN], 60)
    assert fetched.warnings == ()


async def test_retry_after_is_honoured_or_told() -> None:
    tries = []

    def handler(_: httpx.Request) -> httpx.Response:
        tries.append(1)
        return httpx.Response(429, headers={"retry-after": "0"}) if len(tries) == 1 else matrix()

    await store(handler).metrics([SPAN], 60)
    error = await failure(lambda _: httpx.Response(429, headers={"retry-after": "120"}))
    assert error.hint == "it asks to wait 120 s"


async def test_post_falls_back_to_get_and_to_the_prefix_and_remembers() -> None:
    asked: list[tuple[str, str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path))
        if request.method == "POST" or not request.url.path.startswith("/prometheus/"):
            return httpx.Response(405 if request.method == "POST" else 404)
        return matrix()

    api = PrometheusStore("http://prom:9090", transport=httpx.MockTransport(handler))._api
    await api.query("query_range", {"query": "up"})
    await api.query("query_range", {"query": "up"})
    path = "/api/v1/query_range"
    assert asked == [
        *(("POST", path), ("GET", path), ("POST", "/prometheus" + path), ("GET", "/prometheus" + path)),
        ("GET", "/prometheus" + path),
    ]


async def test_the_servers_words_are_cut_and_keep_their_control_characters() -> None:
    error = await failure(lambda _: httpx.Response(400, text="\x1b[2J" + "x" * 5000))
    assert "\x1b[2J" in error.message
    assert len(error.message) < 400


async def test_secrets_are_sent_and_never_told(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("tok3n\n")
    seen: list[httpx.Headers] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        token.write_text("n3w")
        return httpx.Response(401, text=f"no: {dict(request.headers)}")

    keys = {"X-Scope-OrgID": "t3am", "X-Api-Key": "k3yk3y"}
    error = await failure(handler, bearer_token_file=token, headers=keys)
    assert seen[0]["authorization"] == "Bearer tok3n"
    assert "Bearer n3w" in {headers["authorization"] for headers in seen}
    assert seen[0]["x-scope-orgid"] == "t3am"
    assert "'authorization': '***'" in str(error)
    assert not any(secret in f"{error} {error.hint}" for secret in ("tok3n", "n3w", "k3yk3y"))
    with pytest.raises(RejectedError) as bad:
        PrometheusStore("ftp://user:pa55@host/")
    assert "pa55" not in str(bad.value)


async def test_warnings_infos_and_partial_answers_are_kept() -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        return matrix(warnings=["store a is down"], infos=["metric might not be a counter"], isPartial=True)

    warnings = " ".join((await store(handler).metrics([SPAN], 60)).warnings)
    assert "requests: store a is down" in warnings
    assert "might not be a counter" in warnings
    assert "partial" in warnings


async def test_a_gauge_that_fails_is_a_warning_and_a_counter_that_fails_is_an_error() -> None:
    def failing(metric: str) -> Handler:
        return lambda r: problem(422, "execution", "no") if metric in form(r)["query"] else matrix()

    fetched = await store(failing("memory_bytes")).metrics([SPAN], 60)
    assert fetched.warnings == ("memory: query failed: http://prom:9090: no",)
    assert (await failure(failing("errors_total"))).title == "query failed"


async def test_a_huge_answer_is_given_up() -> None:
    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            while True:
                yield b" " * 2**20

    error = await failure(lambda _: httpx.Response(200, stream=Endless()))
    assert error.title == "answer too large"
    assert MAX_BYTES < 10**8


async def test_no_metrics_at_all_is_missing_data() -> None:
    empty = PrometheusStore("http://prom:9090", transport=httpx.MockTransport(lambda _: answer([])))
    with pytest.raises(MissingDataError):
        await empty.discover()


async def test_sparse_samples_are_placed_by_time_and_special_values_are_read() -> None:
    late = SPAN.start + 120

    def handler(request: httpx.Request) -> httpx.Response:
        if "memory" in form(request)["query"]:
            values = [[SPAN.start + 60, "NaN"], [late, "+Inf"]]
            return matrix({"metric": {"model": "a"}, "values": values})
        if "requests_total" in form(request)["query"]:
            return matrix({"metric": {"model": "a"}, "values": [[late + 0.4, "1e+02"]]})
        return matrix()

    evidence = (await store(handler).metrics([SPAN], 60)).value
    assert evidence.traffic is not None
    assert evidence.traffic.requests.t.tolist() == [SPAN.start + 60]
    assert evidence.traffic.requests.n.tolist() == [[100.0]]
    assert evidence.gauges[0].v[1] == float("inf")
    assert evidence.traffic.errors is not None
    assert evidence.traffic.errors.n.tolist() == [[0.0]]


async def test_native_histograms_are_read_as_buckets() -> None:
    sample = {"count": "10", "sum": "2.5", "buckets": [[0, "0.1", "0.2", "4"], [0, "0.2", "0.4", "6"]]}

    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/values"):
            return answer(["model_requests_total", "model_request_duration_seconds"])
        if path.endswith("query_range") and "duration" in form(request)["query"]:
            assert "_bucket" not in form(request)["query"]
            return matrix({"metric": {"model": "a"}, "histograms": [[SPAN.start + 60, sample]]})
        return matrix()

    native = PrometheusStore("http://prom:9090", transport=httpx.MockTransport(handler))
    traffic = (await native.metrics([SPAN], 60)).value.traffic
    assert traffic is not None
    assert traffic.latency is not None
    assert traffic.latency.n.sum() == 10
    assert traffic.latency.n[0, 0, -2] == 6


def test_labels_are_cut_and_series_are_capped() -> None:
    import numpy as np

    t = np.array([0], dtype=np.int64)
    long = Result(metric={"model": "x" * 10_000}, values=[(60.0, "1")])
    rows, dropped = place([long], t, 60)
    assert len(rows[0].labels["model"]) == MAX_LABEL_CHARS
    many = [Result(metric={"model": str(i)}, values=[(60.0, "1")]) for i in range(MAX_SERIES + 5)]
    rows, dropped = place(many, t, 60)
    assert (len(rows), dropped) == (MAX_SERIES, 5)


@pytest.mark.parametrize(("text", "seconds"), [("15s", 15.0), ("1m30s", 90.0), ("500ms", 0.5), ("", None), ("x", None)])
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds


async def silent_server(work: Callable[[str, asyncio.Event], Coroutine[Any, Any, None]]) -> bool:
    """Run `work` against a server that never answers; whether the server saw the connection close."""
    asked, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        while await reader.read(1024):
            pass
        closed.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await work(f"http://127.0.0.1:{port}", asked)
        await asyncio.wait_for(closed.wait(), 10)
    return closed.is_set()


async def test_cancelling_closes_the_connection() -> None:
    async def work(url: str, asked: asyncio.Event) -> None:
        silent = PrometheusStore(url)
        task = asyncio.create_task(silent.metrics([SPAN], 60))
        await asyncio.wait_for(asked.wait(), 10)
        await silent.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await silent.close()

    assert await silent_server(work)


async def test_the_own_deadline_closes_the_connection() -> None:
    async def work(url: str, asked: asyncio.Event) -> None:
        silent = PrometheusStore(url, timeout_s=0.2)
        with pytest.raises(UnreachableError) as error:
            await silent.metrics([SPAN], 60)
        assert error.value.title == "no answer in time"
        await silent.close()

    assert await silent_server(work)
