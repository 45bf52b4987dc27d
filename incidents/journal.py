"""The journal of incidents: append-only files, one per writer, that no crash and no second writer can damage.

`<folder>/<incident>/events/<host>-<uid>-<pid>-<ULID>.jsonl` belongs to one writer and is never rewritten, so nobody
needs a lock. `<folder>/<incident>/blobs/<sha256>.*` holds what is too long for a line, and is there before the event
that names it. When `append` returns, the event is on the disk.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incidents import files
from incidents.events import (
    LINE_LIMIT,
    Actor,
    Event,
    Kind,
    is_incident_id,
    new_event_id,
    new_incident_id,
    parse_rfc3339,
    rfc3339,
    this_actor,
    to_line,
)
from incidents.place import Place
from incidents.reading import BLOB_KEY, History, Reader

RESERVE_BYTES = 1024 * 1024
"""Kept free for the last events on a full disk: an incident with the evidence of three models takes 0.3 MB of it."""

FOLLOWED_SKEW_S = 300.0
"""An event this far ahead of the clock says that a clock is wrong; it is not followed."""


class NotSavedError(Exception):
    """An event could not be written anywhere; the message says why."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Evidence that goes beside an event."""

    content: bytes
    ending: str
    """json, txt or svg."""

    @property
    def name(self) -> str:
        """The name of its file: the content's hash, so that the same evidence is stored once."""
        return f"{hashlib.sha256(self.content).hexdigest()}.{self.ending}"


@dataclass(frozen=True, slots=True)
class Saved:
    """An event that was written."""

    event: Event
    problem: str = ""
    """Why it is in memory only and NOT DURABLE; empty when it is on the disk."""

    @property
    def durable(self) -> bool:
        """Whether it survives a restart of the machine."""
        return not self.problem


class Journal:
    """Reads the incidents of all writers and writes those of this process. May be used from several threads."""

    def __init__(
        self, place: Place, actor: Actor | None = None, clock: Callable[[], float] = time.time, *, host: str = ""
    ) -> None:
        self.place = place
        self.actor = actor or this_actor()
        self._clock = clock
        self.host = "".join(c if c.isalnum() else "_" for c in host or socket.gethostname())
        self._reader = Reader((place.folder, place.fallback))
        self._descriptors: dict[Path, int] = {}
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make the folder and the reserve ahead of the first event, which then waits for neither.

        Nothing is said where that fails: the event itself will.
        """
        with self._lock, contextlib.suppress(OSError):
            files.make_folder(self.place.folder, self.place.mode)
            self._reserve()

    def new_incident(self) -> str:
        """An id that no incident here has."""
        while True:
            found = new_incident_id(self._clock())
            if not any((folder / found).exists() for folder in (self.place.folder, self.place.fallback)):
                return found

    def incidents(self) -> tuple[str, ...]:
        """The ids of all incidents, oldest day first."""
        return self._reader.incidents()

    def history(self, incident: str) -> History:
        """All that is known of one incident."""
        with self._lock:
            found = self._reader.history(incident)
            if found.events:
                self._seen[incident] = max(self._seen.get(incident, 0.0), found.events[-1].t)
            return found

    def stamp(self, incident: str) -> tuple[tuple[str, int], ...]:
        """See `Reader.stamp`."""
        return self._reader.stamp(incident)

    def blob(self, incident: str, name: str) -> bytes:
        """See `Reader.blob`."""
        return self._reader.blob(incident, name)

    def append(
        self, incident: str, kind: Kind, data: Mapping[str, Any] | None = None, blobs: Mapping[str, Blob] | None = None
    ) -> Saved:
        """Write one event, and before it the blobs that it names under `data["blobs"]`.

        Returns once it is on the disk, or, loudly, in memory alone.

        Raises:
            NotSavedError: neither disk nor memory took it.
            ValueError: no id of an incident, or `data` is no JSON.
        """
        if not is_incident_id(incident):
            raise ValueError(f"{incident!r} is not the id of an incident")
        with self._lock:
            problems = [self._put(incident, *(blobs or {}).values())] if blobs else []
            named = {name: blob.name for name, blob in (blobs or {}).items()}
            event = self._event(incident, kind, {**(data or {}), **({"blobs": named} if named else {})})
            line = to_line(event)
            if len(line) > LINE_LIMIT:
                body = Blob(json.dumps(event.data, allow_nan=False).encode("ascii"), "json")
                problems.append(self._put(incident, body))
                line = to_line(self._event(incident, kind, {BLOB_KEY: body.name}, event))
            problems.append(self._somewhere(lambda folder: self._append(folder, incident, line)))
            self._seen[incident] = event.t
            return Saved(event, next(filter(None, problems), ""))

    def rescue(self) -> int:
        """Bring events that are in memory only to the disk; returns how many incidents were brought.

        Raises:
            OSError: the disk still does not take them. What is in memory stays there.
        """
        fallback, brought = self.place.fallback, 0
        kept = fallback.iterdir() if fallback.is_dir() else ()
        # Also evidence alone: its event was short enough for what the disk had left.
        for incident in sorted(entry.name for entry in kept if is_incident_id(entry.name)):
            with self._lock:
                for path in (fallback / incident / "blobs").glob("[!.]*"):
                    self._write_blobs(self.place.folder, incident, {path.name: path.read_bytes()})
                for path in (fallback / incident / "events").glob("*.jsonl"):
                    for line in path.read_bytes().splitlines(keepends=True):
                        if line.endswith(b"\n"):
                            self._append(self.place.folder, incident, line)
                    self._close(path)
                shutil.rmtree(fallback / incident)
                brought += 1
        return brought

    def purge(self, incident: str) -> None:
        """Delete an incident with all its evidence: the only thing that deletes.

        Raises:
            OSError: it cannot be deleted.
        """
        if not is_incident_id(incident):
            raise ValueError(f"{incident!r} is not the id of an incident")
        with self._lock:
            for folder in (self.place.folder, self.place.fallback):
                for path in [p for p in self._descriptors if p.is_relative_to(folder / incident)]:
                    self._close(path)
                if (folder / incident).exists():
                    shutil.rmtree(folder / incident)

    def close(self) -> None:
        """Close the files of this writer."""
        with self._lock:
            for path in tuple(self._descriptors):
                self._close(path)

    def _event(self, incident: str, kind: Kind, data: Mapping[str, Any], like: Event | None = None) -> Event:
        if like is not None:
            return Event(like.id, incident, like.t, self.actor, kind, data, like.clock)
        now = parse_rfc3339(rfc3339(self._clock()))
        after = self._seen.get(incident, 0.0) + 1e-6
        t = parse_rfc3339(rfc3339(after)) if now < after <= now + FOLLOWED_SKEW_S else now
        return Event(new_event_id(now), incident, t, self.actor, kind, data, None if t == now else now)

    def _put(self, incident: str, *blobs: Blob) -> str:
        contents = {blob.name: blob.content for blob in blobs}
        return self._somewhere(lambda folder: self._write_blobs(folder, incident, contents))

    def _somewhere(self, write: Callable[[Path], None]) -> str:
        """Write to the folder, or to memory. Returns why it is not on the disk; empty when it is."""
        try:
            try:
                write(self.place.folder)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, None) or not self._release():
                    raise
                write(self.place.folder)
            self._reserve()
        except OSError as error:
            why = f"{self.place.folder} cannot be written: {error.strerror or error}"
            try:
                write(self.place.fallback)
            except OSError as worse:
                raise NotSavedError(
                    f"{why}; {self.place.fallback} neither: {worse.strerror or worse}. Free some space, or name "
                    "another folder in $MLTRIAGE_INCIDENT_DIR"
                ) from None
            return f"{why}; kept in memory at {self.place.fallback}"
        return ""

    def _append(self, folder: Path, incident: str, line: bytes) -> None:
        events = folder / incident / "events"
        path = next((p for p in self._descriptors if p.parent == events), None)
        if path is None:
            mode = self._mode(folder)
            files.make_folder(events, mode)
            start = new_event_id(self._clock())
            path = events / f"{self.host}-{os.getuid()}-{os.getpid()}-{start}.jsonl"
            self._descriptors[path] = files.create(path, mode & 0o666)
        try:
            files.append(self._descriptors[path], line)
        except OSError:
            # After a failed write nobody knows where the file ends: the next event gets a new one.
            self._close(path)
            raise

    def _write_blobs(self, folder: Path, incident: str, contents: Mapping[str, bytes]) -> None:
        mode, place = self._mode(folder), folder / incident / "blobs"
        files.make_folder(place, mode)
        missing = {name: content for name, content in contents.items() if not (place / name).exists()}
        if missing:
            files.put_all(place, missing, mode & 0o666)

    def _mode(self, folder: Path) -> int:
        return self.place.mode if folder == self.place.folder else 0o700

    def _close(self, path: Path) -> None:
        descriptor = self._descriptors.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    @property
    def _reserve_file(self) -> Path:
        return self.place.folder / f".reserve-{os.getuid()}"

    def _reserve(self) -> None:
        """Hold some space for bad times. A disk that is nearly full has none to give."""
        if not self._reserve_file.exists():
            with contextlib.suppress(OSError):
                files.put(self._reserve_file, bytes(RESERVE_BYTES), 0o600)

    def _release(self) -> bool:
        """Give the reserve back to the disk; False when there was none."""
        try:
            self._reserve_file.unlink()
        except OSError:
            return False
        return True
