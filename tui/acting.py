"""What reaches beyond the journal: paging, holding alerts back or letting them through. In write mode, asked again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual import work

from tui.responding import Responding
from tui.targets import host_of, pagers, silencer_name, silencers
from tui.write_mode import WriteMode

if TYPE_CHECKING:
    from textual.driver import Driver
    from textual.timer import Timer

    from incidents.record import Silence
    from tui.config_schema import IncidentTarget
    from tui.options import Options
    from tui.screens.silence import Firing
    from tui.session import Session
    from widgets.incidents import IncidentRow


class Acting(Responding):
    """The part of the application that asks other systems to act."""

    _ending: Timer | None = None

    def __init__(self, options: Options, session: Session | None, driver_class: type[Driver]) -> None:
        super().__init__(options, session, driver_class)
        self._mode = WriteMode()

    @property
    def writing(self) -> bool:
        """Whether other systems may be asked to act."""
        return self._mode.left_s(time.monotonic()) > 0

    def action_write_mode(self) -> None:
        """Into write mode, or out of it."""
        if self._mode.turn(time.monotonic()):
            self.notify("write mode: Z silences alerts, P pages; W leaves it, and so do five minutes without use")
        else:
            self.notify("read-only again: nothing but incidents is written")
        self._show_mode()

    def _used(self) -> None:
        self._mode.used(time.monotonic())
        self._show_mode()

    def _show_mode(self) -> None:
        """Bring the header up to the mode, now and when it will end."""
        left = self._mode.left_s(time.monotonic())
        if self._ending is not None:
            self._ending.stop()
        self._ending = self.set_timer(left, self._show_mode) if left else None
        self.main.show_write_mode(self.wall() + left if left else None)

    def action_page_somebody(self) -> None:
        """Page about the incident at hand."""
        targets = pagers(self.options)
        incident = self._may("page", targets, "pagerduty")
        if incident is not None:
            self._with_one("page through", targets, lambda target: self._page(incident.id, target))

    def action_silence(self) -> None:
        """Hold back the alerts of the incident at hand; where some are held back already, end or extend that."""
        targets = silencers(self.options)
        at_hand = self.incident_at_hand
        held = self.silences_of(at_hand.id) if at_hand is not None else []
        incident = self._may("silence", targets, "alertmanager", ended=bool(held))
        if incident is None:
            return
        if held:
            self._choose(incident, held)
        else:
            self._with_one("silence through", targets, lambda target: self._silence(incident.id, target))

    def _may(
        self, what: str, targets: Sequence[IncidentTarget], kind: str, *, ended: bool = False
    ) -> IncidentRow | None:
        """The incident at hand where somebody may be asked to act for it; else it is said why not.

        Args:
            ended: it may be closed already: what was done for it still stands.
        """
        incident = self.incident_at_hand
        if not targets:
            self.notify(f"nobody to {what}: the configuration has no targets of the kind {kind}", severity="warning")
        elif not self.writing:
            self.notify(f"read-only: W turns write mode on, then {what} again", severity="warning")
        elif incident is None or not (incident.open or ended):
            self.notify(f"no open incident to {what} for: F flags one", severity="warning")
        else:
            return incident
        return None

    def _with_one(
        self, question: str, targets: Sequence[IncidentTarget], go_on: Callable[[IncidentTarget], object]
    ) -> None:
        """With more than one target: which."""
        from tui.completion import starting
        from tui.screens.prompt import Prompt

        if len(targets) == 1:
            go_on(targets[0])
            return
        by_name = {target.name: target for target in targets}

        def take(text: str) -> str | None:
            if text.strip() not in by_name:
                return f"one of: {', '.join(by_name)}"
            go_on(by_name[text.strip()])
            return None

        async def complete(text: str) -> Sequence[str]:
            return starting(tuple(by_name), text)

        self.main.query_one(Prompt).ask(question, take, "", complete)

    @work(exclusive=True, group="act", exit_on_error=False)
    async def _page(self, incident: str, target: IncidentTarget) -> None:
        from incidents.events import Kind
        from tui.screens.confirm import ConfirmScreen

        known = self.known(incident)
        facts = [("incident", f"{incident} SEV-{known.severity}"), ("title", known.title)]
        if known.drill:
            facts.append(("drill", "the page says so, and goes out all the same"))
        self.hush()
        question = f"PAGE WHOEVER IS ON CALL AT {_named(target)}?"
        if await self.push_screen_wait(ConfirmScreen(question, facts)):
            self._used()
            self.add_event(incident, Kind.PAGED, {"through": target.name}, asked=target.name)

    @work(exclusive=True, group="act", exit_on_error=False)
    async def _choose(self, incident: IncidentRow, held: Sequence[tuple[Silence, str]]) -> None:
        from tui.screens.silences import SilencesScreen

        self.hush()
        choice = await self.push_screen_wait(SilencesScreen(incident.id, held, more=incident.open))
        if choice is None:
            return
        targets = silencers(self.options)
        if choice.silence is None:
            self._with_one("silence through", targets, lambda target: self._silence(incident.id, target))
            return
        target = next((target for target in targets if target.name == choice.silence.at), None)
        reference = self._reference(choice.silence)
        if target is None:
            self.notify(f"the configuration has no {choice.silence.at} any more", severity="warning")
        elif not reference:
            self.notify(f"{target.name} has not taken this silence yet: {choice.silence.told}", severity="warning")
        elif choice.deed == "end":
            self._end(incident.id, target, choice.silence, reference)
        else:
            self._silence(incident.id, target, choice.silence, reference)

    def _reference(self, silence: Silence) -> str:
        """How its Alertmanager calls a silence; empty where that is not known."""
        from incidents.silencing import standing_of

        standing = standing_of(silence, self.heard.get(silence.at))
        return standing.reference if standing is not None else silence.reference

    @work(exclusive=True, group="act", exit_on_error=False)
    async def _end(self, incident: str, target: IncidentTarget, silence: Silence, reference: str) -> None:
        from incidents.events import Kind
        from incidents.silencing import silence_words
        from tui.firing import held_back
        from tui.screens.confirm import ConfirmScreen

        facts = [
            ("silence", silence_words(silence, self.wall(), self.heard.get(silence.at))),
            ("set by", f"{silence.by}: {silence.comment}"),
            ("then", (await held_back(target, reference)).fires_again()),
        ]
        if await self.push_screen_wait(ConfirmScreen(f"END THE SILENCE AT {_named(target)}?", facts)):
            self._used()
            data = {"at": target.name, "matchers": silence.matchers, "silence": silence.event, "reference": reference}
            self.add_event(incident, Kind.UNSILENCED, data, asked=silencer_name(target))

    @work(exclusive=True, group="act", exit_on_error=False)
    async def _silence(
        self, incident: str, target: IncidentTarget, replaced: Silence | None = None, reference: str = ""
    ) -> None:
        """Set a silence; where one is `replaced`, it is its matchers and comment that are offered."""
        from analysis.words import duration
        from incidents.events import Kind
        from incidents.matchers import matchers_of, parse_matchers
        from incidents.targets.alertmanager import ALERT
        from tui.firing import firing, held_back
        from tui.screens.confirm import ConfirmScreen
        from tui.screens.silence import SilenceScreen

        known = self.known(incident)
        segment = known.readings[0].where if known.readings else ()

        async def look() -> Firing:
            return await (firing(target) if replaced is None else held_back(target, reference))

        # The incident itself goes on to be told: whoever silences the noise still wants to know how it ends.
        offered = matchers_of(known.model, segment, but=ALERT)
        matchers = offered if replaced is None else parse_matchers(replaced.matchers)
        comment = known.title if replaced is None else replaced.comment
        form = SilenceScreen(_named(target), matchers, comment, look, extends=replaced is not None)
        self.hush()
        asked = await self.push_screen_wait(form)
        if asked is None:
            return
        facts = [
            ("alerts", asked.matchers),
            ("for", f"{duration(asked.seconds)}{' from now' if replaced is not None else ''}"),
            ("comment", asked.comment),
            ("now", asked.held),
        ]
        verb = "SILENCE ALERTS" if replaced is None else "EXTEND THE SILENCE"
        if await self.push_screen_wait(ConfirmScreen(f"{verb} AT {_named(target)}?", facts)):
            self._used()
            until = self.wall() + asked.seconds
            data = {"at": target.name, "matchers": asked.matchers, "until": until, "comment": asked.comment}
            if replaced is not None:
                data |= {"replaces": replaced.event, "reference": reference}
            self.add_event(incident, Kind.SILENCED, data, asked=silencer_name(target))


def _named(target: IncidentTarget) -> str:
    """A target as a question names it."""
    return f"{target.name} ({host_of(target)})"
