"""Asking a target something: its secret is read, one request is sent, and the answer is read without that secret."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    import httpx

    from incidents.targets.base import Request
    from tui.config_schema import IncidentTarget

KEPT_S = 600.0
"""A secret that a command prints is used for this long: some ask a person."""

Answer = TypeVar("Answer")

AsRequest: TypeAlias = "Callable[[str, str], Request]"
"""Makes a request from the URL of a target and its secret."""


class UnansweredError(Exception):
    """A target has not answered, or not what was asked; the message says why, without its secret."""

    def __init__(self, message: str, status: int | None = None) -> None:
        """`status` is that of HTTP, where there was an answer at all."""
        super().__init__(message)
        self.status = status


class Secrets:
    """The secrets of targets, each read anew after some minutes."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, str]] = {}

    async def of(self, target: IncidentTarget) -> str:
        """The secret of a target; empty where it needs none.

        Raises:
            SecretError: it cannot be had.
        """
        from incidents.secret import SecretSource

        at, secret = self._known.get(target.name, (float("-inf"), ""))
        if time.monotonic() - at > KEPT_S:
            secret = await asyncio.to_thread(SecretSource(target.secret_file, target.secret_command).read)
            self._known[target.name] = (time.monotonic(), secret)
        return secret


async def ask(
    target: IncidentTarget,
    request: AsRequest,
    read: Callable[[bytes], Answer],
    *,
    secrets: Secrets | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Answer:
    """What a target answers.

    Args:
        read: understands the answer; raises ValueError where it cannot.
        secrets: kept from earlier questions.
        transport: replaces the network in tests.

    Raises:
        UnansweredError: no secret, no connection, a refusal, or an answer that cannot be read.
    """
    from incidents.secret import SecretError, masked
    from incidents.sending import LONG_ANSWER_BYTES, State, exchange, open_client

    try:
        secret = await (secrets or Secrets()).of(target)
    except SecretError as error:
        raise UnansweredError(str(error)) from None
    async with open_client(transport) as client:
        outcome, content = await exchange(client, request(target.url or "", secret), secret, LONG_ANSWER_BYTES)
    if outcome.state is not State.OK:
        raise UnansweredError(outcome.reason, outcome.status)
    # A server that repeats what it was sent must not bring the secret to the screen.
    harmless = masked(content.decode("utf-8", "replace"), [secret]).encode()
    try:
        return read(harmless)
    except ValueError as error:
        raise UnansweredError(f"the answer cannot be read: {error}", outcome.status) from None
