"""ClickHouse over HTTP: one POST per statement, whole columns back, read-only and within limits."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from uuid import uuid4

from connectors.base import MissingDataError, RejectedError, SourceError, UnreachableError
from connectors.clickhouse_native import read_native
from connectors.http import MAX_BYTES, MESSAGE_CHARS, Access, Answer, HttpSource, check_status, message_of
from connectors.sql import QueryError
from connectors.sqlrows import Columns

if TYPE_CHECKING:
    import httpx

MAX_ROWS = 2_000_000
KILL_S = 1.0
"""How long closing waits for the server to be told that nobody reads its answers any more."""
GRACE_S = 2.0
"""The server gives up before we do, so that it can say why."""

SETTINGS = {
    "default_format": "Native",
    "readonly": "2",  # settings may be sent, nothing can be written
    "wait_end_of_query": "1",  # an error after the first rows is still an error status
    "cancel_http_readonly_queries_on_client_close": "1",
    "enable_http_compression": "1",
    "max_result_rows": str(MAX_ROWS),
    "max_result_bytes": str(MAX_BYTES),
    "result_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "max_query_size": str(4 * 2**20),  # 40 features with their bins are more than the usual 256 KiB
    "distributed_product_mode": "global",  # a subquery over a distributed table sees the rows of every shard
    # What standard SQL says, and the questions rely on:
    "aggregate_functions_null_for_empty": "1",
    "cast_keep_nullable": "1",
    "enable_positional_arguments": "1",
    "join_use_nulls": "1",
    "prefer_column_name_to_alias": "1",
    "count_distinct_implementation": "uniqExact",
    "precise_float_parsing": "1",
}
"""Sent with every statement: what a profile of the server says otherwise does not change an answer."""

_CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")
_TAIL = re.compile(r"\s*\(version [^()]*(?:\([^()]*\))?[^()]*\)\s*$")

_WHEN_SLOW = "choose a shorter window or a filter, or raise the timeout"
_Error = tuple[type[SourceError], str, str]
_LOGIN: _Error = (
    RejectedError, "not logged in", "X-ClickHouse-User and X-ClickHouse-Key go into headers_file, or a token into "
    "bearer_token_file",
)  # fmt: skip
_FORBIDDEN: _Error = (RejectedError, "forbidden", "the user needs SELECT on the table")
_TOO_LARGE: _Error = (RejectedError, "too much for one question", "choose a shorter window or a filter")
_SETTINGS: _Error = (RejectedError, "settings refused", "the user's profile needs readonly=2 in place of readonly=1")
_BUSY: _Error = (UnreachableError, "the server is busy", "ask less often (refresh), or raise the user's quota")
_ERRORS: dict[int, _Error] = {
    60: (MissingDataError, "no such table", "check table in the configuration, and the user's rights"),
    81: (MissingDataError, "no such database", "check table in the configuration, and the user's rights"),
    115: (RejectedError, "the server is too old", "ClickHouse 24.3 or newer is needed"),
    158: _TOO_LARGE,
    159: (UnreachableError, "query too slow", _WHEN_SLOW),
    164: _SETTINGS,
    192: _LOGIN,
    193: _LOGIN,
    194: _LOGIN,
    201: _BUSY,
    202: _BUSY,
    241: (RejectedError, "not enough memory for this question", "choose a shorter window or a filter"),
    307: _TOO_LARGE,
    394: (UnreachableError, "the query was cancelled", ""),
    396: _TOO_LARGE,
    427: (RejectedError, "not an RE2 regular expression", "RE2 has no look-around and no back-references"),
    452: _SETTINGS,
    497: _FORBIDDEN,
    516: _LOGIN,
}
"""ClickHouse's error codes (src/Common/ErrorCodes.cpp) that call for something else than a look at the mapping."""


class ClickHouseTransport:
    """Statements of one user on one server. `transport` replaces the network in tests."""

    def __init__(
        self,
        url: str,
        access: Access | None = None,
        *,
        timeout_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = HttpSource(url, access, timeout_s=timeout_s + GRACE_S, transport=transport, when_slow=_WHEN_SLOW)
        self._settings = {**SETTINGS, "max_execution_time": f"{timeout_s:g}"}
        self._kills: set[asyncio.Task[None]] = set()

    async def run(self, sql: str) -> Columns:
        """Columns as numpy arrays, masked where null, or lists. Cancelling the task stops the statement.

        Raises:
            SourceError: as the server's error means; `QueryError` for one that the mapping may be the reason of.
        """
        query_id = f"mltriage-{uuid4().hex}"
        fields = {**self._settings, "query_id": query_id}
        try:
            answer = await self._http.send("POST", "/", fields, body=sql.encode())
        except asyncio.CancelledError:
            # A closed connection stops the statement; a proxy in between may keep it open.
            self._kill(query_id)
            raise
        _check(answer, self._http.place)
        return await asyncio.to_thread(read_native, answer.body)

    def _kill(self, query_id: str) -> None:
        task = asyncio.ensure_future(self._tell(f"KILL QUERY WHERE query_id = '{query_id}' ASYNC"))
        self._kills.add(task)
        task.add_done_callback(self._kills.discard)

    async def _tell(self, sql: str) -> None:
        try:
            async with asyncio.timeout(KILL_S):
                await self._http.send("POST", "/", {"readonly": "2"}, body=sql.encode())
        except (SourceError, TimeoutError):
            return  # the statement ends at max_execution_time

    async def cancel(self) -> None:
        """Stop every statement that is running."""
        await self._http.cancel()

    async def close(self) -> None:
        """Stop everything, tell the server, close the connections."""
        await self.cancel()
        if self._kills:
            await asyncio.wait(tuple(self._kills), timeout=KILL_S)
        await self._http.close()


def _check(answer: Answer, place: str) -> None:
    """Raise the error that an answer without data means."""
    text = answer.body[: 8 * MESSAGE_CHARS].decode("utf-8", "replace")
    if answer.status < 300 and not text.startswith("Code: "):
        return
    found = _CODE.search(text)
    if found is None:
        if answer.status in (401, 403):
            kind, title, hint = _LOGIN if answer.status == 401 else _FORBIDDEN
            raise kind(title, f"{place}: {message_of(answer.body)}", hint)
        check_status(answer, place, message_of(answer.body))
        return
    # The words without code, stack trace and version.
    words = _TAIL.sub("", text[found.end() :].partition("\n")[0].partition(" Stack trace:")[0])[:MESSAGE_CHARS]
    kind, title, hint = _ERRORS.get(
        int(found[1]), (QueryError, "the log could not be queried", "see the mapping with `mltriage doctor`")
    )
    raise kind(title, words, hint)
