"""The polling loops: one per source, never overlapping, and never waited for by a key."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable

from analysis.answer import State
from tui.feeds import LogFeed, MetricFeed
from tui.session import Session

LONGEST_BACKOFF_S = 30.0


def pause_s(refresh_s: float, failures: int, draw: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds until the next poll after failures in a row: longer after each, never shorter than the refresh interval.

    Jitter keeps sources behind one gateway from being asked again in step.
    """
    longest = max(refresh_s, min(LONGEST_BACKOFF_S, refresh_s * 2.0 ** min(failures, 10)))
    return max(refresh_s, longest * draw(0.5, 1.0))


def until_beat_s(refresh_s: float, passed_s: float) -> float:
    """Seconds until the next beat that all sources share, but at least a quarter of the refresh interval.

    Sources that are asked together answer together, and one picture serves them all.

    Args:
        passed_s: seconds since the first beat.
    """
    left = refresh_s - passed_s % refresh_s
    return left if left >= refresh_s / 4 else left + refresh_s


class Poller:
    """Keeps every feed of a session up to its view."""

    def __init__(self, session: Session, refresh_s: float, news: Callable[[], None]) -> None:
        self._session = session
        self._refresh_s = refresh_s
        self._news = news
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._first_beat = time.monotonic()

    def start(self) -> None:
        """Begin to poll."""
        self._tasks = [
            asyncio.create_task(self._loop(feed), name=f"poll {feed.status.name}") for feed in self._session.feeds
        ]

    async def restart(self) -> None:
        """Drop what is being asked, at the source too, and ask the view as it is now."""
        await self.stop()
        self.start()

    def poke(self) -> None:
        """Ask every source again now instead of at the end of its pause."""
        self._wake.set()
        self._wake = asyncio.Event()

    async def stop(self) -> None:
        """Cancel everything that is under way and wait until it has ended.

        When this is cancelled itself, the next call goes on waiting: two polls of one source never overlap.
        """
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []

    async def _loop(self, feed: LogFeed | MetricFeed) -> None:
        failures = 0
        while True:
            wake = self._wake
            await self._session.poll(feed, self._news)
            failures = failures + 1 if feed.status.state is State.FAILED else 0
            passed = time.monotonic() - self._first_beat
            pause = pause_s(self._refresh_s, failures) if failures else until_beat_s(self._refresh_s, passed)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), pause)
