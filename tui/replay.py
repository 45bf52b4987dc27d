"""`mltriage replay`: the screens over answers that were kept, offline, with the same keys for time."""

from __future__ import annotations

import bisect
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from analysis.answer import Snapshot, State
from analysis.view import Frame, View
from analysis.words import duration
from tui.feeds import Clock, Feed, LogFeed, MetricFeed
from tui.options import Options
from tui.session import Session

if TYPE_CHECKING:
    from analysis.cases import Case
    from analysis.episodes import Episode
    from incidents.codec import Kept
    from incidents.journal import Journal
    from incidents.record import Incident

STEP_S = 60.0
"""What `[` and `]` move by, where frames are closer together than that."""

LOOKS_EVERY_S = 1.0


class ReplayError(Exception):
    """There is nothing to replay; the message says why."""


class Frames(Protocol):
    """Answers that were kept, oldest first."""

    @property
    def times(self) -> Sequence[float]:
        """Unix seconds of each."""

    def refresh(self) -> None:
        """Look for more."""

    def load(self, index: int) -> Kept:
        """One of them."""

    def close(self) -> None:
        """Nothing is read any more."""


class EvidenceFrames:
    """The answers that were kept with an incident."""

    def __init__(self, journal: Journal, incident: Incident) -> None:
        self._journal = journal
        self._incident = incident.id
        self._kept = [(e.t, e.blobs["snapshot"]) for e in incident.evidence if "snapshot" in e.blobs]

    @property
    def times(self) -> tuple[float, ...]:
        """When each was kept."""
        return tuple(t for t, _ in self._kept)

    def refresh(self) -> None:
        """Evidence of a later time belongs to a later replay."""

    def load(self, index: int) -> Kept:
        """One answer."""
        from incidents.codec import decode

        return decode(self._journal.blob(self._incident, self._kept[index][1]))

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


class ReplaySession(Session):
    """A session whose answers were given before.

    A view that follows the clock plays: at the newest frame it waits for more, from an earlier one it goes on at the
    pace at which it was recorded. Window, baseline and filter are those of the recording.
    """

    def __init__(self, frames: Frames, name: str, wall: Clock = time.time) -> None:
        self._frames = frames
        self._name = name
        self._wall = wall
        self._began: tuple[float, float] | None = None
        """(moment of the recording, wall clock) from which it plays; None at the newest frame."""
        self._shown: int | None = None
        self._loaded: tuple[int, Kept] | None = None
        self._player = Feed(name, "replay", wall)
        self._player.status = replace(self._player.status, state=State.LIVE)
        super().__init__((), (), View(), clock=self._playhead)
        self.view = replace(self._recorded(self._at(frames.times[-1])).view, end=None)

    @property
    def feeds(self) -> tuple[LogFeed | MetricFeed, ...]:
        """The recording stands for a source, so that it is looked at regularly."""
        return (cast(MetricFeed, self._player),)

    @property
    def plays(self) -> bool:
        """Whether the view follows the recording."""
        return self.view.end is None

    def ask(self, view: View) -> None:
        """Another moment, or another model in focus; everything else is as it was recorded."""
        times = self._frames.times
        end = view.end if view.end is None else int(min(max(view.end, times[0]), times[-1] + 1))
        if end is not None:
            self._began = None
        if end != self.view.end:
            self.generation += 1
        self.view = replace(self.view, end=end, focus=view.focus)

    def refusal(self, view: View) -> str:
        """What was not kept, and where it is to be had."""
        kept, here = self._kept_frame(self._index()).models, self.view
        if view.focus is not None and view.focus != here.focus and view.focus not in kept:
            return f"{view.focus} was not kept in {self._name}: {', '.join(kept)}"
        if replace(view, end=here.end, focus=here.focus) != here:
            window, baseline = duration(here.window_s), here.baseline.label
            return (
                f"a replay shows what was kept: {window} vs {baseline}. Other windows, baselines and filters need the "
                "sources: mltriage --at TIME"
            )
        times = self._frames.times
        if len(times) == 1 and view.end not in (None, here.end):
            return f"one moment was kept in {self._name}: {datetime.fromtimestamp(times[0], UTC):%Y-%m-%d %H:%M:%SZ}"
        return ""

    def focused(self, snapshot: Snapshot, model: str) -> Snapshot | None:
        """See `Session`."""
        index = self._index()
        return self._kept_frame(index).snapshot(model) if model in self._kept_frame(index).models else None

    def resumed(self) -> View:
        """Go on from the moment at which it was held."""
        if self.view.end is not None:
            self._began = (float(self.view.end), self._wall())
        return replace(self.view, end=None)

    def newest(self) -> View:
        """At the end of the recording, waiting for more."""
        self._began = None
        return replace(self.view, end=None)

    def moved(self, steps: int) -> View:
        """The frames that lie that many steps of a minute earlier or later, or the next one where they are sparse."""
        times, here = self._frames.times, self._index()
        for _ in range(abs(steps)):
            if steps > 0:
                later = bisect.bisect_left(times, times[here] + STEP_S)
                here = min(max(here + 1, later), len(times) - 1)
            else:
                earlier = bisect.bisect_right(times, times[here] - STEP_S) - 1
                here = max(0, min(here - 1, max(0, earlier)))
        # Half a second is lost by whole seconds; the frame itself must not be.
        return replace(self.view, end=-int(-times[here] // 1))

    def frame(self) -> Frame:
        """The windows of the frame on the screen."""
        return self._recorded(self._index()).frame

    async def poll(self, feed: LogFeed | MetricFeed, news: Callable[[], None] = lambda: None) -> None:
        """Look whether the recording has grown, or has played on to the next frame."""
        self._frames.refresh()
        if self._shown != self._index():
            news()

    def answer(self) -> tuple[Snapshot, tuple[Case, ...]]:
        """The frame of the moment, with the model in focus."""
        self._revision += 1
        index = self._shown = self._index()
        found, times = self._recorded(index), self._frames.times
        note = f"replay of {self._name}: frame {index + 1} of {len(times)}"
        view = replace(found.view, end=int(found.moment), focus=self.view.focus)
        return replace(found, view=view, revision=self._revision, notes=(note, *found.notes)), ()

    def episodes(self, model: str) -> tuple[Episode, ...]:
        """None: they need the evidence, of which a recording keeps the answers alone."""
        return ()

    async def close(self) -> None:
        """Close the recording."""
        self._frames.close()

    def _playhead(self) -> float:
        last = self._frames.times[-1]
        if self._began is None:
            return last
        moment, at = self._began
        return min(last, moment + self._wall() - at)

    def _index(self) -> int:
        return self._at(self._playhead() if self.view.end is None else self.view.end)

    def _at(self, moment: float) -> int:
        """The last frame that is not after a moment; the first where all are."""
        return max(0, bisect.bisect_right(self._frames.times, moment) - 1)

    def _recorded(self, index: int) -> Snapshot:
        return self._kept_frame(index).snapshot(self.view.focus)

    def _kept_frame(self, index: int) -> Kept:
        if self._loaded is None or self._loaded[0] != index:
            self._loaded = (index, self._frames.load(index))
        return self._loaded[1]


def open_frames(options: Options, what: str) -> tuple[Frames, str]:
    """The frames of a recording or of an incident, and how they are called.

    Args:
        what: a file, the folder of an incident wherever it was copied to, or what an incident of this store is called.

    Raises:
        ReplayError: neither, or an incident without kept answers.
    """
    from incidents.recording import Recording, RecordingError
    from tui.incident_store import UnknownIncidentError, find, open_journal, record

    if Path(what).is_file():
        try:
            recording = Recording(Path(what))
        except RecordingError as error:
            raise ReplayError(str(error)) from None
        if not recording.times:
            raise ReplayError(f"{what} holds no whole frame yet")
        return recording, Path(what).name
    path = Path(what).absolute()
    journal = _copied(path) if path.is_dir() else open_journal(options)
    try:
        incident = record(journal, find(journal, path.name if path.is_dir() else what))
    except UnknownIncidentError as error:
        raise ReplayError(f"{what} is no recording, and as an incident: {error}") from None
    frames = EvidenceFrames(journal, incident)
    if not frames.times:
        raise ReplayError(f"{incident.id} has no answer to replay")
    return frames, incident.id


def _copied(folder: Path) -> Journal:
    """The journal around the folder of an incident; it is only read."""
    from incidents.journal import Journal
    from incidents.place import Place

    return Journal(Place(folder.parent, folder.parent))


def run(options: Options, what: str) -> int:
    """Open the screens on what was kept; without a usable terminal print its newest answer. Returns the exit status."""
    import sys

    from incidents.codec import CodecError
    from incidents.recording import RecordingError
    from tui import lifecycle

    try:
        frames, name = open_frames(options, what)
        session = ReplaySession(frames, name)
    except (ReplayError, RecordingError, CodecError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if (problem := lifecycle.terminal_problem()) is not None:
        from tui.report import write
        from tui.report_text import as_text

        sys.stderr.write(f"mltriage: {problem}; printing the newest answer instead of the screen\n")
        write(as_text(session.answer()[0]) + "\n")
        frames.close()
        return 0
    from tui.app import run as run_screen

    return run_screen(replace(options, refresh_s=LOOKS_EVERY_S, view=session.view), session=session)
