"""HTTP for sources: one client per source, typed errors, few retries, a deadline and a cap on bytes."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.base import MalformedError, RejectedError, SourceError, UnreachableError
from connectors.discretion import bare_url, without_proof

if TYPE_CHECKING:
    import httpx

CONNECT_S = 3.0
CONNECTIONS = 8
MAX_BYTES = 64 * 2**20
MESSAGE_CHARS = 300
NEAR_S = 0.005
"""Below this connect time gzip costs more than it saves: 206 ms against 21 ms for 1.2 MB on loopback."""
ATTEMPTS = 3
Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]
"""Headers, or what gives them for each request; it may block, and may raise a SourceError."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to get in. Secrets come from files or the environment, and appear in no message."""

    headers: Headers | None = None
    auth: tuple[str, str] | None = None
    bearer_token_file: Path | None = None
    ca: Path | None = None
    cert: tuple[Path, Path] | None = None
    """Client certificate and its key."""

    def own_headers(self) -> dict[str, str]:
        """The headers as of now. May block; raises what a callable raises."""
        return dict(self.headers() if callable(self.headers) else self.headers or {})

    def bearer(self) -> dict[str, str]:
        """The authorization header of the token file, which is read anew because tokens rotate.

        Raises:
            RejectedError: the file cannot be read.
        """
        if self.bearer_token_file is None:
            return {}
        try:
            token = self.bearer_token_file.read_text("utf-8").strip()
        except OSError as error:
            raise RejectedError("token file not readable", f"{self.bearer_token_file}: {error.strerror}") from error
        return {"Authorization": f"Bearer {token}"}

    def verify(self) -> ssl.SSLContext:
        """A TLS context with the given authority and client certificate.

        Raises:
            RejectedError: a file is missing or no certificate.
        """
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.cert:
                context.load_cert_chain(*map(str, self.cert))
        except (OSError, ssl.SSLError) as error:
            raise RejectedError("TLS files not usable", str(error.strerror or error), "check ca and cert") from error
        return context


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    content_type: str
    location: str
    retry_after_s: float | None
    body: bytes


class Transient(UnreachableError):  # noqa: N818 - an UnreachableError that another try may cure within the same request
    """Connect failures, 429, 502, 503 and 504."""

    def __init__(self, title: str, message: str = "", hint: str = "", after_s: float | None = None) -> None:
        super().__init__(title, message, hint)
        self.after_s = after_s


class HttpSource:
    """One source behind HTTP. `transport` replaces the network in tests."""

    def __init__(
        self,
        url: str,
        access: Access | None = None,
        *,
        timeout_s: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
        max_bytes: int = MAX_BYTES,
        when_slow: str = "widen the step, narrow the selector, or raise the timeout",
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RejectedError("not an address", bare_url(url), "write http://host:port or https://host/path")
        self.url = url.rstrip("/")
        self.place = bare_url(self.url)
        self.timeout_s = timeout_s
        self._access = access or Access()
        self._transport = transport
        self._max_bytes = max_bytes
        self._when_slow = when_slow
        self._client: httpx.AsyncClient | None = None
        self._flight: set[asyncio.Task[Any]] = set()
        self._connect_s: float | None = None
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._proving = asyncio.Lock()

    async def send(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One answer, whatever its status, unless the status is one that another try may cure.

        `fields` are the form of a POST; with a `body`, as for a GET, they are part of the address.

        Retries connect failures, 429, 502, 503 (not a query timeout) and 504, all within `timeout_s`.

        Raises:
            UnreachableError: refused, DNS, TLS, timeout, or still failing after the last try.
            RejectedError: TLS or token files cannot be used.
            SourceError: as a callable `Access.headers` raised it.
            MalformedError: the answer is larger than `max_bytes`, or not HTTP.
        """
        from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

        jitter = wait_random_exponential(multiplier=0.1, max=1.0)

        def wait(state: Any) -> float:
            error = state.outcome.exception()
            asked = error.after_s if isinstance(error, Transient) else None
            return jitter(state) if asked is None else asked

        def hopeless(error: BaseException) -> bool:
            asked = error.after_s if isinstance(error, Transient) else None
            return asked is None or asked < self.timeout_s / 2

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Transient) & _retry_if(hopeless),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait,
            reraise=True,
        )
        async with self._tracked(), self._slots:
            sent = {**await self._own_headers(), **(headers or {})}
            try:
                async with asyncio.timeout(self.timeout_s):
                    return await retrying(self._once, method, path, fields or {}, sent, body)
            except TimeoutError:
                raise self._slow() from None

    async def _own_headers(self) -> dict[str, str]:
        """Asked for in turn, so that requests at one time share what the first of them obtained."""
        if not callable(self._access.headers):
            return self._access.own_headers()
        async with self._proving:
            return await asyncio.to_thread(self._access.own_headers)

    async def _once(
        self, method: str, path: str, fields: Mapping[str, str], headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        answer = await self._exchange(method, path, fields, headers, body)
        if answer.status == 401 and self._access.bearer_token_file is not None:
            answer = await self._exchange(method, path, fields, headers, body)
        detail = message_of(answer.body)
        if answer.status == 429:
            asked = answer.retry_after_s
            hint = f"it asks to wait {asked:.0f} s" if asked is not None else "ask less often, or widen the step"
            raise Transient("too many requests", detail, hint, asked)
        if answer.status in (502, 504) or (answer.status == 503 and not query_timed_out(answer.body)):
            raise Transient(
                f"HTTP {answer.status}", detail or self.place, "the server or a proxy before it is starting"
            )
        return answer

    async def _exchange(
        self, method: str, path: str, fields: Mapping[str, str], headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        import httpx

        client = self._open()
        encoding = "identity" if self._connect_s is None or self._connect_s < NEAR_S else "gzip"
        request = client.build_request(
            method,
            self.url + path,
            params=dict(fields) if (method == "GET" or body is not None) and fields else None,
            data=dict(fields) if method == "POST" and body is None else None,
            content=body,
            headers={"Accept-Encoding": encoding, **headers, **self._access.bearer()},
            extensions={"trace": self._trace()},
        )
        try:
            response = await client.send(request, stream=True)
            try:
                return await self._read(response)
            finally:
                await response.aclose()
        except httpx.ConnectTimeout as error:
            raise Transient("no connection", f"{self.place}: no answer within {CONNECT_S:.0f} s") from error
        except httpx.ConnectError as error:
            raise _connect_error(error, self.place) from error
        except httpx.TimeoutException as error:
            raise self._slow() from error
        except httpx.DecodingError as error:
            raise MalformedError("broken compression", f"{self.place}: {error}") from error
        except httpx.RemoteProtocolError as error:
            raise MalformedError("not HTTP", f"{self.place}: {str(error)[:MESSAGE_CHARS]}") from error
        except httpx.HTTPError as error:
            raise UnreachableError("connection lost", f"{self.place}: {type(error).__name__}") from error

    async def _read(self, response: httpx.Response) -> Answer:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._max_bytes:
                size = f"{self._max_bytes / 2**20:.3g} MiB"
                raise MalformedError("answer too large", f"{self.place} sent more than {size}", "narrow the selector")
        return Answer(
            status=response.status_code,
            content_type=response.headers.get("content-type", "").partition(";")[0].strip().lower(),
            location=bare_url(response.headers.get("location", "")),
            retry_after_s=_seconds(response.headers.get("retry-after")),
            body=without_proof(bytes(body), response.request.headers),
        )

    def _open(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            secure = self.url.startswith("https")
            self._client = httpx.AsyncClient(
                auth=self._access.auth,
                verify=self._access.verify() if secure and self._transport is None else False,
                timeout=httpx.Timeout(self.timeout_s, connect=CONNECT_S),
                limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
                transport=self._transport,
                follow_redirects=False,
            )
        return self._client

    def _trace(self) -> Any:
        """Measures the time to connect, from which the need for compression follows."""
        started = 0.0

        async def trace(event: str, _info: Mapping[str, object]) -> None:
            nonlocal started
            now = asyncio.get_running_loop().time()
            if event == "connection.connect_tcp.started":
                started = now
            elif event == "connection.connect_tcp.complete":
                self._connect_s = min(now - started, self._connect_s or 1e9)

        return trace

    def _slow(self) -> UnreachableError:
        words = f"{self.place}: nothing within {self.timeout_s:g} s"
        return UnreachableError("no answer in time", words, self._when_slow)

    @asynccontextmanager
    async def _tracked(self) -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None
        outermost = task not in self._flight
        self._flight.add(task)
        try:
            yield
        finally:
            if outermost:
                self._flight.discard(task)

    async def cancel(self) -> None:
        """Cancel every request in flight, which closes its connection and so stops the query in the server."""
        mine = asyncio.current_task()
        tasks = [task for task in self._flight if task is not mine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Cancel and release all connections."""
        await self.cancel()
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _retry_if(predicate: Any) -> Any:
    from tenacity import retry_if_exception

    return retry_if_exception(predicate)


def message_of(body: bytes) -> str:
    """The server's own words, at most 300 characters; control characters are the screen's business."""
    return body[: 4 * MESSAGE_CHARS].decode("utf-8", "replace").strip()[:MESSAGE_CHARS]


def query_timed_out(body: bytes) -> bool:
    """Whether a 503 means that the query was too slow: then another try only adds load."""
    head = body[:2000].lower()
    return b'"timeout"' in head or b"query timed out" in head


def check_status(answer: Answer, place: str, words: str) -> None:
    """Raise the error that an unsuccessful status means.

    Args:
        words: the source's own words.

    Raises:
        RejectedError: 3xx, 400, 401, 403, 404, 405, 422 and other 4xx.
        UnreachableError: 5xx.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        hint = "log in through the proxy's token, or use the address it points to"
        raise RejectedError("redirected", f"{place} points to {answer.location or 'nowhere'}", hint)
    hints = {
        400: ("query refused", ""),
        401: ("not logged in", "set a bearer token file, a user, or the tenant header X-Scope-OrgID"),
        403: ("forbidden", "the credentials lack the right to query"),
        404: ("not found", "the address may lack its path prefix, such as /prometheus"),
        405: ("method refused", "a proxy allows neither POST nor GET here"),
        422: ("query failed", "a shorter window or a narrower selector may help"),
        503: ("query too slow", "a longer step or a shorter window may help"),
    }
    title, hint = hints.get(status, (f"HTTP {status}", ""))
    kind: type[SourceError] = UnreachableError if status >= 500 else RejectedError
    raise kind(title, f"{place}: {words}" if words else place, hint)


def _connect_error(error: httpx.ConnectError, place: str) -> SourceError:
    import socket

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "handshake failed"
            return UnreachableError("TLS failed", f"{place}: {reason}", "check ca, cert and the host name")
        if isinstance(cause, socket.gaierror):
            return Transient("host not found", f"{place}: {cause.strerror}", "check the host name and the resolver")
        if isinstance(cause, ConnectionRefusedError):
            return Transient("connection refused", place, "nothing listens there: check port and tunnel")
        cause = cause.__cause__ or cause.__context__
    text = str(error)
    if re.search(r"certificate|SSL|TLS", text):
        return UnreachableError("TLS failed", f"{place}: {text[:MESSAGE_CHARS]}", "check ca, cert and the host name")
    return Transient("no connection", f"{place}: {text[:MESSAGE_CHARS] or 'refused'}")


def _seconds(value: str | None) -> float | None:
    """Retry-After in seconds or as an HTTP date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
