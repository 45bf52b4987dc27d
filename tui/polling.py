"""The polling loops: one per source, never overlapping, and never waited for by a key."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable

from analysis.answer import State
from tui.feeds import LogFeed, MetricFeed
from tui.session import Session

LONGEST_BACKOFF_S = 30.0


class Poller:
    """Keeps every feed of a session up to its view."""

    def __init__(self, session: Session, refresh_s: float, news: Callable[[], None]) -> None:
        self._session = session
        self._refresh_s = refresh_s
        self._news = news
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Begin to poll."""
        for number, feed in enumerate(self._session.feeds):
            self._tasks[f"{number}"] = asyncio.create_task(self._loop(feed), name=f"poll {feed.status.name}")

    async def restart(self) -> None:
        """Drop what is being asked, at the source too, and ask the view as it is now."""
        await self.stop()
        self.start()

    def poke(self) -> None:
        """Ask every source again now instead of at the end of its pause."""
        self._wake.set()
        self._wake = asyncio.Event()

    async def stop(self) -> None:
        """Cancel everything that is under way."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _loop(self, feed: LogFeed | MetricFeed) -> None:
        failures = 0
        while True:
            wake = self._wake
            await self._session.poll(feed, self._news)
            failures = failures + 1 if feed.status.state is State.FAILED else 0
            pause = self._refresh_s
            if failures:
                # Full jitter, so that sources behind one gateway are not asked again in step.
                pause = min(LONGEST_BACKOFF_S, self._refresh_s * 2**failures) * random.uniform(0.5, 1.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), pause)
