"""Incidents on the screen: the card, the page of incidents, and what is added to the one at hand."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual import work

from tui import typed
from tui.comparing import Comparing
from tui.completion import starting
from tui.screens.prompt import Prompt
from tui.targets import pagers
from widgets.incidents import IncidentRow, IncidentsPanel
from widgets.listing import ListPanel

if TYPE_CHECKING:
    from textual.driver import Driver

    from analysis.answer import Finding, Snapshot
    from incidents.events import Kind
    from incidents.flagging import Draft
    from incidents.journal import Journal, Saved
    from incidents.record import Incident, Silence
    from incidents.silencing import Heard
    from incidents.watching import Watched
    from tui.options import Options
    from tui.screens.card import Filled
    from tui.session import Session
    from tui.typed import Typed

LOOK_EVERY_S = 1.0
"""Another engineer's change is on the screen after this."""

SAID = {"silenced": "silence", "unsilenced": "end of a silence", "paged": "page", "criterion": "exit criterion"}
"""What is said to be saved, where the kind of its event is no word for that."""

PATIENCE_S = 0.03
"""How long Enter waits for the panels of the other models."""

TOLD_S = 0.2
"""The word "saved" is painted before the page and the charts are, which takes longer than saving."""

OF_THE_CARD = ("incidents.alike", "incidents.flagging", "incidents.severity", "tui.flagging", "tui.keeping",
               "tui.screens.card")  # fmt: skip
"""Modules that are loaded before F is pressed."""

LOUD_S = 60.0
"""How long it stays on the screen that something is not on the disk."""


class Responding(Comparing):
    """The part of the application that flags and follows incidents."""

    _opening: asyncio.Future[Journal] | None = None
    _known: tuple[Watched, ...] = ()
    _last = ""
    """The incident that this engineer has flagged last."""

    def __init__(self, options: Options, session: Session | None, driver_class: type[Driver]) -> None:
        super().__init__(options, session, driver_class)
        self.noticed = asyncio.Event()
        """Set when the store is to be looked at now."""
        self.undisturbed = asyncio.Event()
        """Not set while a card is open: behind it stands what it keeps, and no answer holds up its keys."""
        self.undisturbed.set()

    def wall(self) -> float:
        """Unix seconds, from which incidents grow older although the charts are held."""
        return time.time()

    async def journal(self) -> Journal:
        """The journal of this run, opened in a thread: another user's full disk must not hold up a key."""
        from tui.incident_store import open_journal

        if self._opening is None:
            self._opening = asyncio.ensure_future(asyncio.to_thread(open_journal, self.options))
        return await asyncio.shield(self._opening)

    @property
    def heard(self) -> Mapping[str, Heard]:
        """What each Alertmanager said of the silences of this program."""
        return self.session.outside.silences if self.session is not None else {}

    async def close_journal(self) -> None:
        """Nothing is written any more."""
        if self._opening is not None:
            (await self._opening).close()

    @work(exclusive=True, group="incidents", exit_on_error=False)
    async def watch_incidents(self) -> None:
        """Show what all engineers have done on this store."""
        from incidents.watching import Watch
        from tui.incident_rows import marks_of, part_of, unreadable

        journal = await self.journal()
        await asyncio.to_thread(load_card)
        watch = Watch(journal)
        while True:
            self.noticed.clear()
            try:
                self._known = await asyncio.to_thread(watch.look)
                seen = self.snapshot.marks if self.snapshot is not None else ()
                part = part_of(self._known, journal.place, self.wall(), seen, self.heard)
            except OSError as error:
                part = unreadable(journal.place, error, self.wall())
            if self.main.stands:
                self.main.show_incidents(part, marks_of(self._known, drills=journal.place.demo))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.noticed.wait(), LOOK_EVERY_S)

    def action_flag(self) -> None:
        """Open the card of a new incident about the finding at hand, or about the state of the sources."""
        from incidents.alike import lookalike
        from incidents.flagging import title_of
        from incidents.fold import reading_of
        from incidents.severity import severity_of
        from tui.screens.card import CardScreen, Prefilled

        snapshot, finding = self.snapshot, self.main.finding
        if snapshot is None:
            self.notify("nothing to flag yet: the first answer is on its way", severity="warning")
            return
        screen, paging = self.main.as_text(), pagers(self.options)
        severity, reason = severity_of(finding, snapshot.budgets)
        readings = [reading_of(finding)] if finding is not None else []
        known = (watched.incident for watched in self._known)
        alike = lookalike(known, readings, self.wall(), drills=self.options.demo)
        offer = Prefilled(
            title_of(snapshot, finding),
            severity,
            reason,
            evidence=("snapshot", "screen"),
            targets=tuple(target.name for target in self.options.targets if target not in paging),
            pagers=tuple(target.name for target in paging),
            drill=self.options.demo,
            alike=(alike.id, alike.title) if alike is not None else None,
        )

        shown = asyncio.Event()

        async def prepare() -> Draft:
            await shown.wait()  # beside the painting it would take the processor from it
            await asyncio.to_thread((await self.journal()).prepare)
            return await asyncio.to_thread(self._draft, snapshot, finding, screen)

        draft = asyncio.ensure_future(prepare())

        def closed(_: None) -> None:
            draft.cancel()
            self.set_timer(TOLD_S, self.undisturbed.set)

        async def save(filled: Filled) -> str | None:
            return await self._save(filled, snapshot, finding, screen, draft)

        def text(filled: Filled) -> str:
            names = ("title", "severity", "impact", "note", "commander", "link", "criterion")
            facts = {name: getattr(filled, name) for name in names}
            known = "".join(f"{name}: {value}\n" for name, value in facts.items() if value)
            return f"INCIDENT, not saved by mltriage\n{known}model: {snapshot.focus}\nwhy: {reason}\n\n{screen}"

        self.undisturbed.clear()
        self.push_screen(CardScreen(offer, save, text, shown.set), closed)

    def _draft(self, snapshot: Snapshot, finding: Finding | None, screen: str) -> Draft:
        """What the card would keep, with the panels of every model: made while the card is read."""
        from incidents.flagging import draft
        from tui.keeping import others

        whole = others(self.session, snapshot) if self.session is not None else ()
        return draft(snapshot, finding, others=whole, screen=screen)

    async def _save(
        self, filled: Filled, snapshot: Snapshot, finding: Finding | None, screen: str, ready: asyncio.Future[Draft]
    ) -> str | None:
        """Bring the card to the disk. Nobody's network is waited for: the outbox delivers afterwards."""
        from incidents.journal import NotSavedError
        from tui import flagging

        journal = await self.journal()
        await asyncio.wait((ready,), timeout=PATIENCE_S)

        def write() -> Saved:
            from incidents.flagging import draft

            # Who presses Enter at once gets the panels of the model at hand alone, and "saved" in time.
            wanted = ready.result() if ready.done() else draft(snapshot, finding, screen=screen)
            kept = {name: blob for name, blob in wanted.blobs.items() if name in filled.evidence}
            new = filled.join is None
            wish = flagging.Wish(
                title=filled.title if new else None,
                severity=filled.severity,
                impact=filled.impact,
                note=filled.note,
                drill=filled.drill,
                commander=filled.commander,
                criteria=(filled.criterion,) if filled.criterion else (),
                link=filled.link,
            )
            telling = flagging.Telling(filled.targets)
            return flagging.save(journal, self.options, replace(wanted, blobs=kept), wish, telling, filled.join)

        try:
            saved = await asyncio.to_thread(write)
        except NotSavedError as error:
            return f"NOT SAVED: {error}. Enter tries again, ctrl+y copies it as text"
        self._last = saved.event.incident
        self._tell(journal, saved, f"{'joined' if filled.join else 'saved'} {saved.event.incident}")
        return None

    def _tell(self, journal: Journal, saved: Saved, what: str) -> None:
        """Say where it is, and look at the store."""
        if saved.durable:
            shared = "shared" if journal.place.shared else "private"
            self.notify(f"{what} on this disk ({shared})")
        else:
            more = "y on the incidents page (8) copies it as text"
            self.notify(f"{what}, NOT DURABLE: {saved.problem}; {more}", severity="error", timeout=LOUD_S)
        self.set_timer(TOLD_S, self.noticed.set)

    def open_words(self) -> Sequence[str]:
        """The open incidents for the last lines on the normal screen, and how to look at them there."""
        from tui.output import FAREWELL_INCIDENTS

        demo = self.options.demo
        found = [one.incident for one in self._known if one.incident.open and (demo or not one.incident.drill)]
        lines = [f"open: {one.id} SEV-{one.severity} {one.status}: {one.title}" for one in found[:FAREWELL_INCIDENTS]]
        return [*lines, f"  mltriage incidents {'--demo ' if demo else ''}show {found[0].id}"] if found else []

    @property
    def incident_at_hand(self) -> IncidentRow | None:
        """The one under the cursor on its page; elsewhere the one flagged last, else the newest open one."""
        panel = self.main.query_one(IncidentsPanel)
        if self.main.page == "incidents":
            return panel.item
        rows: Sequence[IncidentRow] = panel.part.rows if panel.part is not None else ()
        mine = (row for row in rows if row.id == self._last and row.open)
        return next(mine, next((row for row in rows if row.open), None))

    def known(self, incident: str) -> Incident:
        """The record of an incident, as it was when the store was last looked at."""
        return next(one.incident for one in self._known if one.incident.id == incident)

    def action_note(self) -> None:
        """Type a line for the timeline."""
        from incidents.events import Kind

        self._ask("note", Kind.NOTE, lambda text, _: typed.read_text(text, "an empty note says nothing"))

    def action_severity(self) -> None:
        """Type another severity."""
        from incidents.events import Kind
        from incidents.record import SEVERITIES

        words = tuple(map(str, SEVERITIES))
        self._ask("severity", Kind.SEVERITY, lambda text, _: typed.read_severity(text, words), lambda _: words)

    def action_status(self) -> None:
        """Type another status."""
        from incidents.events import Kind
        from incidents.record import Status

        words = tuple(map(str, Status))
        self._ask("status", Kind.STATUS, lambda text, _: typed.read_status(text, words), lambda _: words)

    def action_role(self) -> None:
        """Type who has which role; without a name it is whoever types."""
        from incidents.events import Kind, this_actor

        me = this_actor().user
        self._ask("role", Kind.ROLE, lambda text, _: typed.read_role(text, me), lambda _: typed.ROLES)

    def action_link(self) -> None:
        """Type the address of something that belongs to it."""
        from incidents.events import Kind

        self._ask("link", Kind.LINK, lambda text, _: typed.read_text(text, "an empty link leads nowhere"))

    def action_criterion(self) -> None:
        """Type what has to hold before it is over, or how a criterion stands."""
        from incidents.events import Kind

        self._ask(
            "exit criterion",
            Kind.CRITERION,
            lambda text, known: typed.read_criterion(text, known.criteria),
            lambda known: typed.criterion_offers(known.criteria),
        )

    def _ask(
        self,
        what: str,
        kind: Kind,
        read: Callable[[str, Incident], Typed],
        words: Callable[[Incident], Sequence[str]] = lambda _: (),
    ) -> None:
        row = self.incident_at_hand
        if row is None:
            self.notify("no open incident: F flags one", severity="warning")
            return

        def take(text: str) -> str | None:
            data = read(text.strip(), self.known(row.id))
            if isinstance(data, str):
                return data
            self.add_event(row.id, kind, data)
            return None

        async def complete(text: str) -> Sequence[str]:
            return starting(words(self.known(row.id)), text)

        self.hush()
        self.main.query_one(Prompt).ask(f"{what} for {row.id}", take, "", complete)

    def hush(self) -> None:
        """Take away what was said in passing: it would lie over what is asked next. What warns stays its time."""
        if all(note.severity == "information" for note in self._notifications):
            self.clear_notifications()

    @work(group="journal", exit_on_error=False)
    async def add_event(self, incident: str, kind: Kind, data: Mapping[str, Any], *, asked: str = "") -> None:
        """Bring one event to the disk, queued for the targets that know of the incident and the one asked to act."""
        from incidents.closing import CLOSING, still_silent, still_unmet
        from incidents.flagging import seen
        from incidents.journal import NotSavedError
        from tui.flagging import Telling, add
        from tui.incident_store import record

        journal = await self.journal()
        if self.snapshot is not None:
            known = self.known(incident)
            data = {**data, "seen": seen(self.snapshot, known.model, known.onset or known.declared or 0.0)}
        try:
            saved = await asyncio.to_thread(add, journal, self.options, incident, kind, data, Telling(asked=asked))
        except NotSavedError as error:
            from tui.clipboard import copy

            said = " ".join(str(value) for name, value in data.items() if name != "seen")
            copied = await copy(f"{incident} {kind}: {said}\n", self)
            self.notify(f"NOT SAVED: {kind} {said}: {error}; {copied.words}", severity="error", timeout=LOUD_S)
            return
        self._tell(journal, saved, f"saved {SAID.get(kind, kind)} of {incident}")
        if kind in CLOSING:
            known = await asyncio.to_thread(record, journal, incident)
            silent, missing = still_silent(known, self.wall(), self.heard), still_unmet(known)
            if silent:
                self.notify(f"{silent}. W and Z end that", severity="warning", timeout=LOUD_S)
            if missing:
                self.notify(f"{missing}. X says what is met", severity="warning")

    def silences_of(self, incident: str) -> list[tuple[Silence, str]]:
        """The silences of an incident that hold alerts back as far as is known, with their words."""
        from incidents.silencing import holding

        return holding(self.known(incident).silences, self.wall(), self.heard)

    def on_list_panel_selected(self, event: ListPanel.Selected) -> None:
        """Enter on an incident shows it whole."""
        if isinstance(event.panel, IncidentsPanel) and isinstance(event.item, IncidentRow):
            self._show_incident(event.item.id)

    @work(exclusive=True, group="incident", exit_on_error=False)
    async def _show_incident(self, incident: str) -> None:
        from tui.screens.sheet import IncidentSheet

        self.push_screen(IncidentSheet(await self.incident_text(incident)))

    async def incident_text(self, incident: str) -> str:
        """An incident as `mltriage incidents show` prints it."""
        from tui.incident_text import as_text

        return await asyncio.to_thread(as_text, await self.journal(), incident)


def load_card() -> None:
    """Load what F and Enter need, so that neither waits for it: 30 ms."""
    for name in OF_THE_CARD:
        importlib.import_module(name)
