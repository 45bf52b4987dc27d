"""The HTTP API of Prometheus and of what speaks like it (Thanos, Mimir, VictoriaMetrics)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from connectors.base import MalformedError
from connectors.http import MESSAGE_CHARS, Answer, HttpSource, check_status, message_of

INLINE_BYTES = 64 * 2**10
"""Larger answers are decoded in a thread, so that the screen keeps moving."""

PREFIXES = ("", "/prometheus")


class NativeHistogram(msgspec.Struct, frozen=True):
    """One native histogram sample: buckets are (boundary rule, left, right, count)."""

    count: str
    sum: str
    buckets: list[tuple[int, str, str, str]] = []


class Result(msgspec.Struct, frozen=True):
    """One series: samples of an instant answer (`value`) or of a range (`values`), or native histograms of either."""

    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []
    histogram: tuple[float, NativeHistogram] | None = None
    histograms: list[tuple[float, NativeHistogram]] = []


class Data(msgspec.Struct, frozen=True):
    """The data of a query's answer."""

    resultType: str = ""  # noqa: N815 - the protocol's spelling
    result: list[Result] = []


class Envelope(msgspec.Struct, frozen=True):
    """What every endpoint wraps its answer in."""

    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    errorType: str | int = ""  # noqa: N815
    error: str = ""
    warnings: list[str] | None = None
    infos: list[str] | None = None
    isPartial: bool = False  # noqa: N815


@dataclass(frozen=True, slots=True)
class Reply:
    """Decoded data and everything that the server remarked about it."""

    data: Any
    remarks: tuple[str, ...]
    size: int


class PromApi:
    """Form POST with a fallback to GET, under the prefix where the API answers."""

    def __init__(self, source: HttpSource) -> None:
        self._source = source
        self._way: tuple[str, str] | None = None
        """Prefix and method that have worked."""

    async def query(self, path: str, fields: Mapping[str, str]) -> Reply:
        """An instant or range query; `data` is a list of `Result`.

        Raises:
            SourceError: the source did not answer, refused, or answered something else.
        """
        timeout = {"timeout": f"{self._source.timeout_s:g}s"}
        return await self._ask(path, {**fields, **timeout}, Data, post=True)

    async def get(self, path: str, fields: Mapping[str, str] | None = None) -> Reply:
        """An endpoint that has only GET; `data` is decoded JSON."""
        return await self._ask(path, fields or {}, Any, post=False)

    async def _ask(self, path: str, fields: Mapping[str, str], kind: Any, *, post: bool) -> Reply:
        answer = await self._find_way(path, fields, post)
        if len(answer.body) > INLINE_BYTES:
            return await asyncio.to_thread(decode, answer, self._source.place, kind)
        return decode(answer, self._source.place, kind)

    async def _find_way(self, path: str, fields: Mapping[str, str], post: bool) -> Answer:
        """Proxies refuse POST with 403, 404 or 405, and a missing prefix is a 404: both are probed until one works."""
        ways = [(prefix, method) for prefix in PREFIXES for method in (("POST", "GET") if post else ("GET",))]
        if self._way is not None:
            prefix, method = self._way
            ways = [(prefix, method if post else "GET")]
        first: Answer | None = None
        for prefix, method in ways:
            answer = await self._source.send(method, f"{prefix}/api/v1/{path}", fields)
            if answer.status not in (403, 404, 405):
                if post and answer.status < 300:
                    self._way = (prefix, method)
                return answer
            first = first or answer
            if answer.status == 403 and method == "GET":
                break
        assert first is not None
        return first


def decode(answer: Answer, place: str, kind: Any) -> Reply:
    """The data of an answer.

    Raises:
        RejectedError, UnreachableError: the status says so; with the server's own words.
        MalformedError: HTML, an empty body, or JSON that is no Prometheus answer.
    """
    body = answer.body
    looks_html = answer.content_type == "text/html" or body[:200].lstrip()[:1] == b"<"
    envelope: Envelope | None = None
    broken = "the answer is empty" if not body.strip() else "HTML instead of JSON" if looks_html else ""
    if not broken:
        try:
            envelope = msgspec.json.decode(body, type=Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            broken = str(error)
    words = envelope.error[:MESSAGE_CHARS] if envelope and envelope.error else message_of(body)
    check_status(answer, place, "" if looks_html else words)
    if envelope is None:
        hint = "a login page or another service answers there" if looks_html else "check address and proxy"
        raise MalformedError("not a Prometheus API", f"{place}: {broken[:MESSAGE_CHARS]}", hint)
    if envelope.status != "success":
        raise MalformedError("query failed", f"{place}: {words}")
    remarks = [*(envelope.warnings or ()), *(envelope.infos or ())]
    if envelope.isPartial:
        remarks.append("the answer is partial: not every storage node answered")
    try:
        data = msgspec.json.decode(envelope.data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError("not a Prometheus answer", f"{place}: {str(error)[:MESSAGE_CHARS]}") from error
    if isinstance(data, Data):
        data = data.result
    return Reply(data, tuple(remark[:MESSAGE_CHARS] for remark in remarks), len(body))
