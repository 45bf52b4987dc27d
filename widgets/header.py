"""The top of the screen: which window against what, when, how old, from where, and what the reader must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from textual.geometry import Size

from analysis.answer import Severity, Snapshot, SourceStatus, State
from analysis.filters import format_filter
from analysis.objectives import words
from analysis.view import STEPS_S, View
from widgets.lines import Line, Run, cells, fitted, wrapped
from widgets.look import Scene
from widgets.panel import Panel
from widgets.text import age, clock, cut, cut_words, duration

NAME_CELLS = 20
FAILURE_LINES = 3
"""Most lines for what happened to the sources and what to do: the longest advice is 70 characters."""
ROOMY = 24
"""Rows of a terminal from which on an alert and a failure have lines of their own."""

_SOURCE_ROLES = {
    State.LIVE: "dim",
    State.LOADING: "dim",
    State.STALE: "stale",
    State.EMPTY: "stale",
    State.FAILED: "critical",
    State.ABSENT: "dim",
}


@dataclass(frozen=True, slots=True)
class Alert:
    """A line that must be read, such as a burn rate."""

    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class HeaderPart:
    """What the header shows of a snapshot and of the program around it."""

    view: View
    sources: tuple[SourceStatus, ...] = ()
    notes: tuple[str, ...] = ()
    newest_sample: float | None = None
    environment: str = ""
    """Name of the configuration, such as prod-eu."""
    incidents: int = 0
    """Open ones."""
    alerts: tuple[Alert, ...] = ()
    write_until: float | None = None
    """Unix seconds of the end of write mode; None: read-only."""
    plays: bool | None = None
    """Of a recording: whether it plays, or waits at its end for more; None where the sources are asked."""

    @property
    def old(self) -> bool:
        """Whether there are samples and no source brings new ones."""
        flowing = any(source.state in (State.LIVE, State.LOADING) for source in self.sources)
        return self.newest_sample is not None and bool(self.sources) and not flowing

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        *,
        environment: str = "",
        incidents: int = 0,
        alerts: tuple[Alert, ...] = (),
        write_until: float | None = None,
        plays: bool | None = None,
    ) -> HeaderPart:
        """The header of a snapshot."""
        alerts = (*alerts, *_burning(snapshot))
        samples = [source.newest_sample for source in snapshot.sources if source.newest_sample is not None]
        newest = max(samples, default=None)
        sources, notes = snapshot.sources, snapshot.notes
        return cls(snapshot.view, sources, notes, newest, environment, incidents, alerts, write_until, plays)


def _burning(snapshot: Snapshot) -> tuple[Alert, ...]:
    """The error budgets that page or will soon, or file a ticket, with when it began where a finding says so."""
    found = []
    for budget in snapshot.budgets:
        if budget.severity.rank >= Severity.WARNING.rank:
            model, signal = budget.objective.model, budget.signal
            onsets = [
                f.onset for f in snapshot.findings if (f.model, f.signal) == (model, signal) and f.onset is not None
            ]
            since = f", since {clock(min(onsets), UTC)}" if onsets else ""
            found.append(Alert(budget.severity, f"{model} {words(budget)}{since}"))
    return tuple(found)


class HeaderPanel(Panel[HeaderPart]):
    """One line, a second one where there is an alert or a note, and as many as it takes to say what failed."""

    CLOCKED = True
    DEFAULT_CSS = """
    HeaderPanel { height: auto; max-height: 5; }
    """

    def arrived(self, part: HeaderPart) -> None:
        if self.is_mounted and self.size.height != self._height(part, self.size.width, self.app.size.height):
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._height(self.part, width, viewport.height)

    def _height(self, part: HeaderPart | None, width: int, rows: int) -> int:
        if part is None or self.scene is None:
            return 1
        messages = self._messages(part, self.scene.now, width, 1 + FAILURE_LINES)
        return 1 + (len(messages) if rows >= ROOMY else min(1, len(messages)))

    def body(self, part: HeaderPart, scene: Scene, width: int, height: int) -> list[Line]:
        return [self._first(part, scene, width), *self._messages(part, scene.now, width, height - 1)]

    def _messages(self, part: HeaderPart, now: float, width: int, most: int) -> list[Line]:
        """Alerts, failed sources and notes: one line, and at most `most` where it takes more to say what failed."""
        alerts, failures = (
            self._alerts(part),
            [self._failure(s, now, width) for s in part.sources if s.state is State.FAILED],
        )
        notes: list[Line] = [((f" {self.foreign(note, 160)}", "dim"),) for note in part.notes]
        urgent = [*alerts, *failures]
        if not failures or most == 1 or cells(_joined(urgent)) <= width:
            lines = [_packed([*urgent, *notes], width)]
        else:
            lines = [_packed(alerts, width), *_stacked(failures, width)]
        return [self._whole_words(line, width) for line in lines if line][:most]

    def _whole_words(self, line: Line, width: int) -> Line:
        """The line, and where it is too long no half words at its end."""
        for i, (text, role) in enumerate(line):
            left = width - cells(tuple(line[:i]))
            if cells(((text, role),)) > left:
                return (*line[:i], (cut_words(text, left, ascii=self.look.ascii), role))
        return tuple(line)

    def _draw(self) -> None:
        state = (self.size, self._ground())
        if self._drawn == state and self._body_fresh and self._title_fresh:
            return
        width, height = self.size
        if self.part is None or self.scene is None:
            self._lines = [fitted([("mltriage", "title"), (" | loading", "dim")], width)]
        else:
            made = self.body(self.part, self.scene, width, height)
            self._lines = [fitted(line, width, ascii=self.look.ascii) for line in made]
        self._drawn, self._body_fresh, self._title_fresh = state, True, True

    def _first(self, part: HeaderPart, scene: Scene, width: int) -> Line:
        """The parts that fit, the most important first, of equals the first."""
        live = part.view.live
        window = f"{duration(part.view.window_s)} vs {part.view.baseline.label}"
        end = part.newest_sample if live else scene.now
        times = clock(end, UTC, seconds=True)
        elsewhere = clock(end, self.look.zone, named=False) != clock(end, UTC, named=False)
        also = f" ({clock(end, self.look.zone)})" if elsewhere and width >= 70 else ""
        passed = None if part.newest_sample is None else scene.now - part.newest_sample
        old = live and part.old
        word, role = ("PAUSED", "warning") if not live else ("OLD", "critical") if old else ("LIVE", "accent")
        if part.plays:
            word, role = "REPLAY", "accent"
        filter_text = format_filter(part.view.where)
        parts: list[tuple[int, list[Run]]] = [
            (0 if part.environment else 3, [(self.foreign(part.environment, 30) or "mltriage", "title")]),
            (0, [(word, role), (f" {window}", "bold")]),
            (0 if old else 1, [(f"as of {times}" if old else times, role if old else "bold"), (also, "dim")]),
            (0 if old else 2, [("data ", "dim"), (age(passed), role if old else "bold")]),
        ]
        if scene.step > STEPS_S[0]:
            # Minutes are what everybody expects: a coarser bucket hides a short peak.
            parts.insert(2, (1, [(f"buckets of {duration(scene.step)}", "dim")]))
        if filter_text:
            parts.insert(2, (1, [("/ ", "dim"), (self.foreign(filter_text, 60), "warning")]))
        if part.write_until is None:
            parts.append((4, [("read-only", "dim")]))
        else:
            parts.append((0, [(f"WRITE until {clock(part.write_until, self.look.clock_zone)}", "critical")]))
        if part.incidents:
            parts.append((1, [(f"INC {part.incidents} open" if width >= 100 else f"INC {part.incidents}", "warning")]))
        for source in part.sources:
            rank = {State.LIVE: 4, State.LOADING: 3}.get(source.state, 2)
            parts.append((rank, self._source(source, scene.now)))
        bar = "|" if self.look.ascii else "│"

        def line_of(kept: set[int]) -> Line:
            shown = [runs for index, (_, runs) in enumerate(parts) if index in kept]
            return tuple(run for i, runs in enumerate(shown) for run in ((f" {bar} " if i else " ", "rule"), *runs))

        kept = {index for index, (rank, _) in enumerate(parts) if rank == 0}
        for index in sorted(range(len(parts)), key=lambda index: (parts[index][0], index)):
            if cells(line_of({*kept, index})) <= width:
                kept.add(index)
        return line_of(kept)

    def _source(self, source: SourceStatus, now: float) -> list[Run]:
        word = {State.LIVE: "ok", State.FAILED: "FAILED", State.STALE: "STALE"}.get(source.state, source.state.value)
        role = _SOURCE_ROLES[source.state]
        name = self.foreign(source.name)
        if len(name) > NAME_CELLS and "/" in name:
            # The end of a path tells sources apart, its beginning does not.
            name = ("..." if self.look.ascii else "…") + name[1 - NAME_CELLS :]
        out: list[Run] = [(f"{cut(name, NAME_CELLS + 2, ascii=self.look.ascii)} ", "dim"), (word, role)]
        if source.state is State.STALE and source.newest_sample is not None:
            out.append((f" {age(now - source.newest_sample)}", role))
        return out

    def _alerts(self, part: HeaderPart) -> list[Line]:
        signs = {Severity.CRITICAL: "!! ", Severity.WARNING: "! "}
        ranked = sorted(part.alerts, key=lambda a: -a.severity.rank)
        return [((f" {signs.get(a.severity, '')}{self.foreign(a.text)}", str(a.severity.value)),) for a in ranked]

    def _failure(self, source: SourceStatus, now: float, width: int) -> Line:
        """What happened, since when, what to do; where there is no room the source's own words give way to the last."""
        since = ""
        if source.failing_since is not None:
            # A pinned moment may lie before the failure.
            passed = now - source.failing_since
            since = f" for {age(passed)}" if passed >= 0 else f" since {clock(source.failing_since, UTC)}"
        head = f" {self.foreign(source.name, 20)} FAILED{since}: "
        title, _, message = self.foreign(source.error or "no answer", 120).partition(": ")
        hint: Run = (f": {self.foreign(source.hint, 120)}" if source.hint else "", "dim")
        whole: Run = (head + ": ".join(filter(None, (title, message))), "critical")
        return (whole, hint) if not source.hint or cells((whole, hint)) <= width else ((head + title, "critical"), hint)


def _joined(messages: Sequence[Line]) -> Line:
    """Messages side by side."""
    return tuple(run for i, message in enumerate(messages) for run in ((("  | ", "rule"),) if i else ()) + message)


def _packed(messages: Sequence[Line], width: int) -> Line:
    """The first message, and the ones behind it that fit beside it."""
    fitting = (n for n in range(len(messages), 1, -1) if cells(_joined(messages[:n])) <= width)
    return _joined(messages[: next(fitting, 1)])


def _stacked(failures: Sequence[Line], width: int) -> list[Line]:
    """The failures below each other in `FAILURE_LINES`: those behind the first ones have a line at least."""
    rows: list[Line] = []
    shown = failures[:FAILURE_LINES]
    for i, failure in enumerate(shown, start=1):
        rows += wrapped(failure, width, FAILURE_LINES - len(rows) - (len(shown) - i))
    return rows
