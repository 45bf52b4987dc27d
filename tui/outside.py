"""What other systems saw happen: alerts that fire and annotations, read now and then, as marks on every chart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from analysis.answer import Mark, Snapshot
from analysis.view import Window
from tui.asking import Answer, AsRequest, Secrets, UnansweredError, ask

if TYPE_CHECKING:
    import httpx

    from incidents.silencing import Heard
    from incidents.targets.base import Request
    from tui.config_schema import IncidentTarget

EVERY_S = 30.0

MOST = 200
"""Marks of one window that are kept, the newest."""


class Alerts(Protocol):
    """A metric store that knows when alerts began to fire."""

    name: str

    async def alerts(self, window: Window) -> tuple[Mark, ...]:
        """The moments in a window. Raises SourceError."""


class Outside:
    """The marks of all systems that are configured to tell."""

    def __init__(
        self,
        stores: Sequence[Alerts] = (),
        targets: Sequence[IncidentTarget] = (),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`targets` of the kinds alertmanager and grafana; `transport` replaces the network in tests."""
        self._stores = tuple(stores)
        self._targets = tuple(targets)
        self._transport = transport
        self._secrets = Secrets()
        self._known: dict[str, tuple[Mark, ...]] = {}
        self.silences: dict[str, Heard] = {}
        """Of each Alertmanager: the silences of this program, as it has them."""
        self._problems: Mapping[str, str] = {}

    def __bool__(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._stores or self._targets)

    async def read(self, window: Window) -> bool:
        """Ask all of them; whether anything is new. What one does not answer is kept as it was, with a note."""
        before = (dict(self._known), self._problems)
        asked = [self._ask_store(store, window) for store in self._stores]
        asked += [self._ask_target(target, window) for target in self._targets]
        names = [*(store.name for store in self._stores), *(target.name for target in self._targets)]
        problems = dict(zip(names, await asyncio.gather(*asked), strict=True))
        self._problems = {name: problem for name, problem in problems.items() if problem}
        return before != (self._known, self._problems)

    def told(self, snapshot: Snapshot) -> Snapshot:
        """The answer with what happened outside in its live window."""
        live = snapshot.frame.live
        found = {mark for marks in self._known.values() for mark in marks if live.start <= mark.t < live.end}
        if not found and not self._problems:
            return snapshot
        newest = sorted(found, key=lambda mark: (mark.t, mark.text))[-MOST:]
        marks = tuple(sorted((*snapshot.marks, *newest), key=lambda mark: mark.t))
        notes = tuple(f"{name}: no alerts or annotations: {why}" for name, why in self._problems.items())
        return replace(snapshot, marks=marks, notes=(*snapshot.notes, *notes))

    async def _ask_store(self, store: Alerts, window: Window) -> str:
        from tui.feeds import as_source_error

        try:
            self._known[store.name] = await store.alerts(window)
        except Exception as error:  # noqa: BLE001 - the picture does not depend on it; the note says what is missing
            return str(as_source_error(error))
        return ""

    async def _ask_target(self, target: IncidentTarget, window: Window) -> str:
        from incidents.targets import heard

        def annotations(url: str, secret: str) -> Request:
            return heard.annotations_request(url, secret, window)

        try:
            if target.kind == "grafana":
                self._known[target.name] = await self._ask(target, annotations, heard.read_annotations)
            else:
                self._known[target.name] = await self._ask(target, heard.alerts_request, heard.read_alerts)
                await self.read_silences(target)
        except UnansweredError as error:
            return str(error)
        return ""

    async def read_silences(self, target: IncidentTarget) -> None:
        """Ask an Alertmanager which silences of this program it has.

        Raises:
            UnansweredError: it does not say.
        """
        from incidents.silencing import Heard
        from incidents.targets.silences import read_standing, standing_request

        at = time.time()  # what is set while the answer is on its way may be missing in it
        self.silences[target.name] = Heard(at, await self._ask(target, standing_request, read_standing))

    async def _ask(self, target: IncidentTarget, request: AsRequest, read: Callable[[bytes], Answer]) -> Answer:
        return await ask(target, request, read, secrets=self._secrets, transport=self._transport)
