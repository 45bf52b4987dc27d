"""Sources that are slow for real: a DuckDB query that works for seconds, and an HTTP server that never answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from analysis.filters import Filter, Match, Not, conjunction

HARD: Filter = conjunction(*(Not(Match("request_id", f"(a|b|c)*{i}(x|y|z)+q{i}")) for i in range(120)))
"""True of every row, at the cost of 120 regular expressions for each."""


@dataclass
class Silent:
    """A server that accepts questions and keeps them."""

    port: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client has gone."""


@asynccontextmanager
async def silent_server() -> AsyncIterator[Silent]:
    """Listens on a free port of this machine for as long as the block lasts."""
    state = Silent()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        state.asked.set()
        while await reader.read(4_096):
            pass
        state.left.set()
        writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
