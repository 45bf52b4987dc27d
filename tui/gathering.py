"""One question about a split to several sources: what they tell together, and which of them failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from analysis.answer import PanelStatus, State

if TYPE_CHECKING:
    from analysis.evidence import Fetched
    from tui.feeds import LogFeed, MetricFeed

T = TypeVar("T")
F = TypeVar("F", bound="LogFeed | MetricFeed")


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """The merged answers; None where no source has any."""

    value: T | None
    problems: tuple[str, ...]
    """Of the sources that failed, each with its name."""
    queries: tuple[str, ...]
    newest: float | None
    """Unix seconds of the newest sample of those that answered."""
    names: tuple[str, ...]
    """Of all that were asked."""

    def status(self, *, filled: bool) -> PanelStatus:
        """What a panel says of its data; `filled`: whether there is anything to show."""
        state = State.LIVE if filled else State.FAILED if self.problems else State.EMPTY
        return PanelStatus(
            state, "; ".join(self.problems), ", ".join(self.names), self.newest, ";\n".join(self.queries)
        )


async def gathered(
    feeds: Sequence[F], ask: Callable[[F], Awaitable[Fetched[T] | Fetched[T | None]]], merge: Callable[[T, T], T]
) -> Gathered[T]:
    """Ask one source after the other; one that fails is named and does not hold up the rest."""
    from tui.feeds import as_source_error

    merged: T | None = None
    problems: list[str] = []
    queries: list[str] = []
    newest: float | None = None
    for feed in feeds:
        try:
            fetched = await ask(feed)
        except Exception as error:  # noqa: BLE001 - a store's defect is this source's failure, not the end of the rest
            problems.append(f"{feed.status.name}: {as_source_error(error)}")
            continue
        if fetched.value is not None:
            merged = fetched.value if merged is None else merge(merged, fetched.value)
            queries.append(fetched.query)
            newest = max(newest or 0.0, feed.status.newest_sample or 0.0) or None
    names = tuple(feed.status.name for feed in feeds)
    return Gathered(merged, tuple(problems), tuple(queries), newest, names)
