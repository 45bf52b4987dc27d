"""One attempt to tell one target: sent, and its answer understood."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from analysis.printable import printable
from incidents.secret import masked
from incidents.targets.base import Message, Request, Target

if TYPE_CHECKING:
    import httpx

CONNECT_S = 5.0
ANSWER_S = 10.0
REASON_CHARS = 300
OVER = "it was over there already"
ANSWER_BYTES = 64 * 1024
LONG_ANSWER_BYTES = 8 * 1024 * 1024
"""Of a list that has no pages, such as all alerts."""


class State(StrEnum):
    """How an attempt ended."""

    OK = "ok"
    RETRY = "retry"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt."""

    state: State
    reason: str = ""
    """In words, without secrets."""
    after_s: float | None = None
    """What the target asked to wait."""
    reference: str = ""
    maybe_arrived: bool = False
    """Of a RETRY: whether the target may have taken it all the same."""
    status: int | None = None
    """Of HTTP; None without an answer."""


def open_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client that follows no redirect: a secret goes to no other place than the configured one."""
    import httpx  # 90 ms

    # Its log names whole URLs, and that of a webhook is a secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
    return httpx.AsyncClient(timeout=timeout, transport=transport, follow_redirects=False)


async def attempt(
    client: httpx.AsyncClient, target: Target, message: Message, secret: str, now: Callable[[], float], *, again: bool
) -> Outcome:
    """Tell a target once.

    Args:
        again: an earlier attempt may have arrived. A target that can be asked is asked first; one that can neither be
            asked nor told twice is left alone, and the outcome is UNKNOWN.
    """
    if again and not target.repeatable:
        probe = target.probe(message, secret)
        if probe is None:
            return Outcome(State.UNKNOWN, "it may have arrived before, and is not sent twice")
        asked, content = await exchange(client, probe, secret, LONG_ANSWER_BYTES)
        if asked.state is not State.OK:
            reason = f"cannot tell whether it arrived: {asked.reason}"
            return Outcome(State.RETRY, reason, asked.after_s, maybe_arrived=True)
        if target.told(message, content):
            return Outcome(State.OK, OVER if target.ends(message) else "had arrived before")
    try:
        request = target.request(message, secret, now())
    except ValueError as error:
        return Outcome(State.FAILED, f"cannot be sent: {printable(masked(str(error), [secret]), REASON_CHARS)}")
    outcome, content = await exchange(client, request, secret)
    if outcome.state is State.OK:
        return Outcome(State.OK, reference=printable(masked(target.reference(content), [secret]), 100))
    if outcome.status is not None and target.ends(message) and await _gone(client, target, message, secret):
        return Outcome(State.OK, OVER)
    if outcome.state is State.UNKNOWN and (target.repeatable or target.probe(message, secret) is not None):
        return Outcome(State.RETRY, outcome.reason, maybe_arrived=True)
    return outcome


async def _gone(client: httpx.AsyncClient, target: Target, message: Message, secret: str) -> bool:
    """Whether a target that refused to end something says that it is not there."""
    probe = target.probe(message, secret)
    if probe is None:
        return False
    asked, content = await exchange(client, probe, secret, LONG_ANSWER_BYTES)
    return asked.state is State.OK and target.told(message, content)


async def exchange(
    client: httpx.AsyncClient, request: Request, secret: str, limit: int = ANSWER_BYTES
) -> tuple[Outcome, bytes]:
    """One request and its answer, of which at most `limit` bytes are read. Nothing is raised."""
    import httpx

    try:
        async with client.stream(
            request.method, request.url, headers=dict(request.headers), content=request.body or None
        ) as response:
            content = b""
            async for part in response.aiter_bytes():
                content += part
                if len(content) > limit:
                    break
            return _understood(response, content, secret), content
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        return Outcome(State.RETRY, _words("no connection", error, secret)), b""
    except httpx.TimeoutException:
        return Outcome(State.UNKNOWN, f"sent, and no answer within {ANSWER_S:.0f} s"), b""
    except httpx.TransportError as error:
        return Outcome(State.UNKNOWN, _words("sent, and the connection broke", error, secret)), b""
    except (httpx.InvalidURL, httpx.HTTPError, ValueError, UnicodeError) as error:
        # The text of such an error holds the URL, which may be the secret.
        return Outcome(State.FAILED, f"cannot be sent: {type(error).__name__}"), b""


def _understood(response: httpx.Response, content: bytes, secret: str) -> Outcome:
    status = response.status_code
    if 200 <= status < 300:
        return Outcome(State.OK, status=status)
    said = printable(masked(content.decode("utf-8", "replace").strip(), [secret]), REASON_CHARS)
    reason = f"HTTP {status}{f': {said}' if said else ''}"
    if status == 429 or status >= 500:
        return Outcome(State.RETRY, reason, _retry_after(response.headers.get("Retry-After", "")), status=status)
    return Outcome(State.FAILED, reason, status=status)


def _retry_after(value: str) -> float | None:
    """Seconds to wait, from a number or a date; None where neither stands there."""
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _words(what: str, error: Exception, secret: str) -> str:
    text = printable(masked(str(error), [secret]), REASON_CHARS)
    return f"{what}: {text}" if text else what
