"""Reading a journal: the files of all writers as one history, whatever state a crash left them in."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from incidents.events import Event, EventError, from_line, is_incident_id

BLOB_KEY = "$blob"
"""Data that was too long for a line: the name of the blob that holds it."""


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of one incident."""

    incident: str
    events: tuple[Event, ...] = ()
    """By time and id, each once."""
    torn: int = 0
    """Files that end within a line: their writer was killed, or is writing just now. No such line was acknowledged."""
    problems: tuple[str, ...] = ()
    """Lines, files and blobs that cannot be read, in words."""


@dataclass(frozen=True, slots=True)
class _File:
    """What one writer's file held when it had this size; lines are only ever added."""

    size: int
    events: tuple[Event, ...]
    torn: bool
    problems: tuple[str, ...]


class Reader:
    """Reads the incidents below some folders; files that have not grown are not read again."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._known: dict[Path, _File] = {}

    def incidents(self) -> tuple[str, ...]:
        """The ids of all incidents, oldest day first."""
        found = {
            entry.name
            for folder in self._folders
            if folder.is_dir()
            for entry in folder.iterdir()
            if is_incident_id(entry.name) and (entry / "events").is_dir()
        }
        return tuple(sorted(found))

    def history(self, incident: str) -> History:
        """The events of one incident from the files of all writers; empty when there is no such incident."""
        files = [self._file(path) for path in self._paths(incident)]
        events = {event.id: event for file in files for event in file.events}
        problems = [problem for file in files for problem in file.problems]
        whole = []
        for event in sorted(events.values(), key=lambda e: e.order):
            try:
                whole.append(self._whole(event))
            except (OSError, ValueError) as error:
                problems.append(f"data of event {event.id} cannot be read: {error}")
                whole.append(event)
        return History(incident, tuple(whole), sum(file.torn for file in files), tuple(problems))

    def stamp(self, incident: str) -> tuple[tuple[str, int], ...]:
        """The files of an incident and their sizes in bytes: the same as long as no line was added."""
        found = []
        for path in self._paths(incident):
            with contextlib.suppress(OSError):  # gone between the two calls; `history` says what cannot be read
                found.append((str(path), path.stat().st_size))
        return tuple(found)

    def blob(self, incident: str, name: str) -> bytes:
        """The content of a blob.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        if not is_incident_id(incident) or Path(name).name != name:
            raise FileNotFoundError(f"no blob {name!r} of {incident!r}")
        paths = [folder / incident / "blobs" / name for folder in self._folders]
        return next((path for path in paths if path.exists()), paths[0]).read_bytes()

    def _paths(self, incident: str) -> list[Path]:
        if not is_incident_id(incident):
            return []
        return sorted(path for folder in self._folders for path in (folder / incident / "events").glob("*.jsonl"))

    def _file(self, path: Path) -> _File:
        known = self._known.get(path)
        try:
            if known is not None and known.size == path.stat().st_size:
                return known
            content = path.read_bytes()
        except OSError as error:
            return _File(-1, (), False, (f"{path.name} cannot be read: {error.strerror}",))
        *lines, tail = content.split(b"\n")
        events, problems = [], []
        for number, line in enumerate(lines, 1):
            try:
                events.append(from_line(line))
            except EventError as error:
                problems.append(f"{path.name}: line {number} is no event ({error})")
        read = self._known[path] = _File(len(content), tuple(events), bool(tail), tuple(problems))
        return read

    def _whole(self, event: Event) -> Event:
        name = event.data.get(BLOB_KEY)
        if name is None:
            return event
        return replace(event, data=json.loads(self.blob(event.incident, str(name))))
