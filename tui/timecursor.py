"""The time cursor: one moment that all charts mark and read out, and the jumps from anomaly to anomaly."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import work

from tui.prompts import Prompts

if TYPE_CHECKING:
    from analysis.answer import Snapshot

BEHIND = 3
"""A jump leaves this part of the window behind the anomaly, so that its course is seen."""


class TimeCursor(Prompts):
    """The part of the application that moves through the time of the charts."""

    def action_cursor(self, steps: int) -> None:
        """Move the cursor by buckets; beyond the last one it vanishes."""
        if self.snapshot is None:
            return
        frame = self.snapshot.frame
        at = self.main.cursor
        if at is None:
            moment = float(frame.live.end - frame.step) if steps < 0 else None
        else:
            moment = max(float(frame.live.start), at + steps * frame.step)
            moment = moment if moment < frame.live.end else None
        chosen = self.main.selection
        if moment is None or chosen is None:
            self.main.put_cursor(moment)
        else:
            self.main.put_cursor(moment, (chosen[0], moment))

    def arrived(self, snapshot: Snapshot) -> None:
        """See `Navigation`; a cursor that the window has left behind is gone."""
        cursor, frame = self.main.cursor, snapshot.frame
        if cursor is not None and not frame.live.start <= cursor < frame.live.end:
            self.main.cursor = self.main.selection = None
        super().arrived(snapshot)

    @work(exclusive=True, group="anomaly", exit_on_error=False)
    async def action_anomaly(self, direction: int) -> None:
        """Put the cursor on the next or the previous anomaly of the model in focus, and the window around it."""
        session, snapshot = self.session, self.snapshot
        if session is None or snapshot is None:
            return
        found = await asyncio.to_thread(session.episodes, snapshot.focus)
        frame, view = snapshot.frame, self.view
        here = self.main.cursor
        if here is None:
            here = float(frame.live.end if direction < 0 else frame.live.start)
        ahead = [episode for episode in found if direction * (episode.start - here) > 0]
        if not ahead:
            word = "later" if direction > 0 else "earlier"
            self.notify(f"no {word} anomaly of {snapshot.focus} in what is loaded: + loads more", severity="warning")
            return
        episode = ahead[0] if direction > 0 else ahead[-1]
        if not frame.live.start <= episode.start < frame.live.end:
            end = int(episode.start) + view.window_s // BEHIND
            self.ask(replace(view, end=None if end >= session.clock() else end))
        self.main.put_cursor(episode.start)
        self.notify(f"{episode.signal} of {snapshot.focus} left its usual level", timeout=3)
