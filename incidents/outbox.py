"""The outbox: what each target still has to be told, kept in the journal itself, so that no crash forgets it.

The line that holds an event names the targets that are to be told, and what became of it is written beside it. Who
holds the lock of this user on this host delivers; everybody else watches the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from incidents.events import Event, Kind
from incidents.fold import fold
from incidents.journal import Journal, NotSavedError
from incidents.record import DELIVERY, Incident
from incidents.secret import SecretError, SecretSource, masked
from incidents.sending import Outcome, State, attempt, open_client
from incidents.targets.alertmanager import Alertmanager
from incidents.targets.base import Message, Request, Target

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
JITTER_S = 1.0
LONGEST_ASKED_S = 3_600.0
"""A target that asks to wait for longer is asked again after this."""

RETRIES_WRITTEN = 10
"""Of a target that is down for a day, these first tries are lines of the timeline, and then every tenth."""

_KIND = {
    State.OK: Kind.NOTIFY_OK,
    State.RETRY: Kind.NOTIFY_RETRY,
    State.FAILED: Kind.NOTIFY_FAILED,
    State.UNKNOWN: Kind.NOTIFY_UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Channel:
    """A target and its secret."""

    target: Target
    secret: SecretSource


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one target, and what became of it."""

    incident: str
    event: str
    """Id of the event that is told."""
    kind: str
    target: str
    user: str
    """Who did it; the outbox of another user is not touched."""
    since: float
    """Unix seconds of the event, from which the patience counts."""
    state: str = "queued"
    """queued, sending, ok, retry, failed or unknown."""
    tries: int = 0
    reason: str = ""

    @property
    def pending(self) -> bool:
        """Whether it still has to be told."""
        return self.state in ("queued", "sending", "retry")


def deliveries(events: Iterable[Event]) -> tuple[Delivery, ...]:
    """The deliveries of an incident in the order of their events."""
    found: dict[tuple[str, str], Delivery] = {}
    for event in events:
        if not event.kind.startswith(DELIVERY):
            names = event.data.get("notify")
            for name in map(str, names if isinstance(names, list) else ()):
                key = (event.id, name)
                found[key] = Delivery(event.incident, event.id, event.kind, name, event.actor.user, event.t)
            continue
        key = (str(event.data.get("event", "")), str(event.data.get("target", "")))
        if key in found:
            tries = event.data.get("n")
            found[key] = replace(
                found[key],
                state=event.kind.removeprefix(DELIVERY),
                tries=tries if isinstance(tries, int) else found[key].tries,
                reason=str(event.data.get("reason", "")),
            )
    return tuple(found.values())


def message_of(events: Sequence[Event], event_id: str) -> Message:
    """What is told of an event: the incident as it stood after it, and as it was declared.

    Raises:
        KeyError: no such event.
    """
    at = next((i for i, event in enumerate(events) if event.id == event_id), None)
    if at is None:
        raise KeyError(event_id)
    event, upto = events[at], fold(events[at].incident, events[: at + 1])
    first = next((i for i, e in enumerate(events) if e.kind == Kind.DECLARED), at)
    return Message(event, upto, fold(event.incident, events[: first + 1]), _words_of(upto, event_id))


def _words_of(incident: Incident, event_id: str) -> str:
    """The line of the timeline that an event is."""
    return next((line.text for line in incident.timeline if line.event == event_id), "")


def names_for(channels: Iterable[Channel], kind: str, among: Iterable[str] | None = None) -> tuple[str, ...]:
    """The targets that are to be told of an event of this kind; `among` narrows them down."""
    allowed = None if among is None else set(among)
    return tuple(
        channel.target.name
        for channel in channels
        if channel.target.wants(kind) and (allowed is None or channel.target.name in allowed)
    )


class Outbox:
    """Delivers what this user's events have queued."""

    def __init__(
        self,
        journal: Journal,
        channels: Iterable[Channel],
        *,
        news: Callable[[Delivery], None] = lambda _: None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`news` is called at each change of a delivery; `transport` replaces the network in tests."""
        self._journal = journal
        self._channels = {channel.target.name: channel for channel in channels}
        self._news = news
        self._transport = transport
        self._clock = clock

    def pending(self) -> tuple[Delivery, ...]:
        """What this user's events still have to tell, oldest first."""
        user = self._journal.actor.user
        found = [
            delivery
            for incident in self._journal.incidents()
            for delivery in deliveries(self._journal.history(incident).events)
            if delivery.pending and delivery.user == user
        ]
        return tuple(sorted(found, key=lambda d: d.since))

    async def deliver(self, budget_s: float) -> tuple[Delivery, ...]:
        """Tell all that is pending, for at most `budget_s`; what is left then stays in the outbox.

        Returns what is left. Where another process of this user delivers already, its work is awaited instead.
        """
        deadline = self._clock() + budget_s
        while True:
            with self._turn() as mine:
                if mine:
                    await self._deliver(deadline)
                    return self.pending()
            left = self.pending()
            if not left or self._clock() >= deadline:
                return left
            await asyncio.sleep(0.2)

    async def assert_open(self) -> int:
        """Tell every Alertmanager again of what is open: it forgets alerts when it restarts.

        Returns how many alerts it took. A failure is that of the next delivery, which says so.
        """
        due = []
        for incident in self._journal.incidents():
            events = self._journal.history(incident).events
            known = fold(incident, events)
            for name, state in known.told.items():
                channel = self._channels.get(name)
                if channel and known.open and state == State.OK and isinstance(channel.target, Alertmanager):
                    due.append((channel, message_of(events, events[-1].id)))
        if not due:
            return 0
        async with open_client(self._transport) as client:
            outcomes = [await self._once(client, channel, message, again=True) for channel, message in due]
        return sum(outcome.state is State.OK for outcome in outcomes)

    def payloads(self, events: Sequence[Event], names: Iterable[str]) -> Iterator[tuple[str, Request]]:
        """The exact requests that would tell of the last event, their secrets masked; nothing is sent."""
        message = message_of(events, events[-1].id)
        for name in names:
            channel = self._channels[name]
            secret = _or_placeholder(channel.secret)
            request = channel.target.request(message, secret, self._clock())
            headers = {key: masked(value, [secret]) for key, value in request.headers.items()}
            body = masked(request.body.decode("ascii"), [secret]).encode("ascii")
            yield name, Request(request.method, masked(request.url, [secret]), headers, body)

    async def try_out(self, events: Sequence[Event], names: Iterable[str]) -> dict[str, Outcome]:
        """Tell of the last event once, without the journal: a test of the way."""
        message = message_of(events, events[-1].id)
        async with open_client(self._transport) as client:
            return {name: await self._once(client, self._channels[name], message, again=False) for name in names}

    async def _deliver(self, deadline: float) -> None:
        by_target: dict[str, list[Delivery]] = {}
        for delivery in self.pending():
            by_target.setdefault(delivery.target, []).append(delivery)
        async with open_client(self._transport) as client:
            await asyncio.gather(*(self._in_order(client, name, queue, deadline) for name, queue in by_target.items()))

    async def _in_order(self, client: httpx.AsyncClient, name: str, queue: list[Delivery], deadline: float) -> None:
        """The deliveries of one target, one after the other, as its events happened."""
        channel = self._channels.get(name)
        for i, delivery in enumerate(queue):
            if channel is None:
                self._note(delivery, Outcome(State.FAILED, "the configuration has no such target any more"), 0)
                continue
            if i:
                await asyncio.sleep(channel.target.spacing_s)
            if self._clock() >= deadline:
                return
            outcome = await self._persistently(client, channel, delivery, deadline)
            if outcome.state is State.RETRY:
                return  # what happened later must not arrive earlier

    async def _persistently(
        self, client: httpx.AsyncClient, channel: Channel, delivery: Delivery, deadline: float
    ) -> Outcome:
        from tenacity import AsyncRetrying, retry_if_result, wait_exponential, wait_random

        message = message_of(self._journal.history(delivery.incident).events, delivery.event)
        gives_up = delivery.since + channel.target.patience_s(delivery.kind)
        growing = wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S) + wait_random(0, JITTER_S)
        tries = delivery.tries
        # A process that died after it had sent leaves "sending"; of a retry only a target that can be asked knows more.
        asked = delivery.state == "retry" and channel.target.probe(message, "") is not None
        maybe_arrived = delivery.state == "sending" or asked

        def outcome_of(state: RetryCallState) -> Outcome:
            assert state.outcome is not None
            return state.outcome.result()  # type: ignore[no-any-return]

        def wait(state: RetryCallState) -> float:
            return max(growing(state), min(outcome_of(state).after_s or 0.0, LONGEST_ASKED_S))

        def last(state: RetryCallState) -> Outcome:
            outcome = outcome_of(state)
            if self._clock() + wait(state) < gives_up:
                return outcome
            final = Outcome(State.FAILED, f"given up after {tries} tries: {outcome.reason}")
            self._note(delivery, final, tries)
            return final

        async def once() -> Outcome:
            nonlocal tries, maybe_arrived
            if not channel.target.repeatable:
                self._write(delivery, Kind.NOTIFY_SENDING, {"n": tries})
            tries += 1
            outcome = await self._once(client, channel, message, again=maybe_arrived)
            maybe_arrived = outcome.maybe_arrived
            self._note(delivery, outcome, tries)
            return outcome

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda outcome: outcome.state is State.RETRY),
            wait=wait,
            stop=lambda state: self._clock() + wait(state) >= min(deadline, gives_up),
            retry_error_callback=last,
        )
        return await retrying(once)

    async def _once(self, client: httpx.AsyncClient, channel: Channel, message: Message, *, again: bool) -> Outcome:
        try:
            secret = await asyncio.to_thread(channel.secret.read)
        except SecretError as error:
            return Outcome(State.RETRY, str(error))
        return await attempt(client, channel.target, message, secret, self._clock, again=again)

    def _note(self, delivery: Delivery, outcome: Outcome, tries: int) -> None:
        data = {"n": tries, "reason": outcome.reason, "ref": outcome.reference}
        known: dict[str, object] = {name: value for name, value in data.items() if value != ""}
        many = outcome.state is State.RETRY and tries > RETRIES_WRITTEN and tries % RETRIES_WRITTEN
        self._write(delivery, _KIND[outcome.state], known, journal=not many)

    def _write(self, delivery: Delivery, kind: Kind, data: dict[str, object], *, journal: bool = True) -> None:
        known = {"target": delivery.target, "event": delivery.event, **data}
        # A disk that takes nothing more must not stop the pager.
        with contextlib.suppress(NotSavedError):
            if journal:
                self._journal.append(delivery.incident, kind, known)
        tries = data.get("n")
        state = kind.removeprefix(DELIVERY)
        self._news(
            replace(
                delivery,
                state=state,
                tries=tries if isinstance(tries, int) else delivery.tries,
                reason=str(data.get("reason", "")),
            )
        )

    @contextlib.contextmanager
    def _turn(self) -> Iterator[bool]:
        """Whether this process delivers: one at a time for each user and host, so that nobody is told twice."""
        path = self._journal.place.folder / f".outbox-{self._journal.host}-{os.getuid()}"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:
            yield True  # a folder that cannot be written has no other process that delivers from it
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)


def _or_placeholder(source: SecretSource) -> str:
    """The secret, or a word in its place: what would be sent can be looked at without it."""
    try:
        return source.read()
    except SecretError:
        return "***"
