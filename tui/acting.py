"""What reaches beyond the journal: paging somebody, holding alerts back. Only in write mode, and asked once more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work

from tui.responding import Responding
from tui.targets import host_of, pagers, silencer_name, silencers
from tui.write_mode import WriteMode

if TYPE_CHECKING:
    from textual.driver import Driver
    from textual.timer import Timer

    from incidents.events import Kind
    from tui.config_schema import IncidentTarget
    from tui.options import Options
    from tui.screens.silence import Firing
    from tui.session import Session


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
        from incidents.events import Kind

        self._act("page", pagers(self.options), "targets of the kind pagerduty", Kind.PAGED)

    def action_silence(self) -> None:
        """Hold back the alerts of the incident at hand."""
        from incidents.events import Kind

        self._act("silence", silencers(self.options), "targets of the kind alertmanager", Kind.SILENCED)

    def _act(self, what: str, targets: Sequence[IncidentTarget], missing: str, kind: Kind) -> None:
        incident = self.incident_at_hand
        if not targets:
            self.notify(f"nobody to {what}: the configuration has no {missing}", severity="warning")
        elif not self.writing:
            self.notify(f"read-only: W turns write mode on, then {what} again", severity="warning")
        elif incident is None or not incident.open:
            self.notify(f"no open incident to {what} for: F flags one", severity="warning")
        else:
            self._ask_target(what, targets, incident.id, kind)

    def _ask_target(self, what: str, targets: Sequence[IncidentTarget], incident: str, kind: Kind) -> None:
        """With more than one target: which."""
        from incidents.events import Kind
        from tui.completion import starting
        from tui.screens.prompt import Prompt

        go_on = self._page if kind is Kind.PAGED else self._silence
        if len(targets) == 1:
            go_on(incident, targets[0])
            return
        by_name = {target.name: target for target in targets}

        def take(text: str) -> str | None:
            if text.strip() not in by_name:
                return f"one of: {', '.join(by_name)}"
            go_on(incident, by_name[text.strip()])
            return None

        async def complete(text: str) -> Sequence[str]:
            return starting(tuple(by_name), text)

        self.main.query_one(Prompt).ask(f"{what} through", take, "", complete)

    @work(exclusive=True, group="act", exit_on_error=False)
    async def _page(self, incident: str, target: IncidentTarget) -> None:
        from incidents.events import Kind
        from tui.screens.confirm import ConfirmScreen

        known = self.known(incident)
        facts = [("incident", f"{incident} SEV-{known.severity}"), ("title", known.title)]
        if known.drill:
            facts.append(("drill", "the page says so, and goes out all the same"))
        question = f"PAGE WHOEVER IS ON CALL AT {target.name} ({host_of(target)})?"
        if await self.push_screen_wait(ConfirmScreen(question, facts)):
            self._used()
            self.add_event(incident, Kind.PAGED, {"through": target.name}, also=(target.name,))

    @work(exclusive=True, group="act", exit_on_error=False)
    async def _silence(self, incident: str, target: IncidentTarget) -> None:
        from analysis.words import duration
        from incidents.events import Kind
        from incidents.matchers import matchers_of
        from tui.screens.confirm import ConfirmScreen
        from tui.screens.silence import SilenceScreen

        known = self.known(incident)
        segment = known.readings[0].where if known.readings else ()

        async def look() -> Firing:
            from tui.firing import firing

            return await firing(target)

        name = f"{target.name} ({host_of(target)})"
        form = SilenceScreen(name, matchers_of(known.model, segment), known.title, look)
        asked = await self.push_screen_wait(form)
        if asked is None:
            return
        facts = [
            ("alerts", asked.matchers),
            ("for", duration(asked.seconds)),
            ("comment", asked.comment),
            ("now", asked.held),
        ]
        if await self.push_screen_wait(ConfirmScreen(f"SILENCE ALERTS AT {name}?", facts)):
            self._used()
            until = self.wall() + asked.seconds
            data = {"at": target.name, "matchers": asked.matchers, "until": until, "comment": asked.comment}
            self.add_event(incident, Kind.SILENCED, data, also=(silencer_name(target),))
