"""A recording: kept snapshots one after the other in one bounded file, which can be read while it is written.

The file is a chain of gzip members, one per frame, each with its size and its time in an extra field (RFC 1952,
2.3.1.1) as BGZF does it. So `zcat FILE` prints one JSON line per frame, a reader hops from header to header without
unpacking, and a writer that was killed leaves at most one torn member at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from incidents import files
from incidents.codec import CodecError, Kept, decode

_FIXED = struct.Struct("<4sIBBH")
"""Magic, method and flags (an extra field follows); time; extra flags; system; length of the extra field."""
_EXTRA = struct.Struct("<2sHId")
"""Name of the subfield, its length, size of the member in bytes, unix seconds of the frame."""
_CHECK = struct.Struct("<II")
_MAGIC = b"\x1f\x8b\x08\x04"
_NAME = b"MT"
HEADER_BYTES = _FIXED.size + _EXTRA.size
LEVEL = 6


class RecordingError(Exception):
    """The file is no recording, or cannot be recorded to; the message says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where one frame lies."""

    t: float
    """Unix seconds."""
    offset: int
    size: int
    """Bytes of its member."""


def pack(content: bytes, t: float) -> bytes:
    """A frame as one gzip member."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(content + b"\n") + packer.flush()
    size = HEADER_BYTES + len(body) + _CHECK.size
    head = _FIXED.pack(_MAGIC, int(t) & 0xFFFFFFFF, 0, 255, _EXTRA.size)
    extra = _EXTRA.pack(_NAME, _EXTRA.size - 4, size, t)
    return head + extra + body + _CHECK.pack(zlib.crc32(content + b"\n"), (len(content) + 1) & 0xFFFFFFFF)


def frames_of(descriptor: int, offset: int = 0) -> Iterator[Frame]:
    """The whole frames of an open file from an offset on; a torn one at the end is left out.

    Raises:
        RecordingError: what stands there is no frame.
    """
    end = os.fstat(descriptor).st_size
    while offset + HEADER_BYTES <= end:
        head = os.pread(descriptor, HEADER_BYTES, offset)
        name, _, size, t = _EXTRA.unpack(head[_FIXED.size :])
        if head[:4] != _MAGIC or name != _NAME or size < HEADER_BYTES + _CHECK.size:
            raise RecordingError(f"byte {offset} is not the beginning of a frame")
        if offset + size > end:
            return
        yield Frame(t, offset, size)
        offset += size


class Recording:
    """Reads a recording, also one that grows or is cut while it is read."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            RecordingError: the file cannot be read, or is no recording.
        """
        self.path = path
        self._descriptor = self._open()
        self._frames: list[Frame] = []
        self.refresh()

    @property
    def times(self) -> tuple[float, ...]:
        """Unix seconds of each frame, oldest first."""
        return tuple(frame.t for frame in self._frames)

    def refresh(self) -> None:
        """Look for frames that were added, or for the file that has taken the place of this one.

        Raises:
            RecordingError: no recording any more.
        """
        with contextlib.suppress(OSError):  # a file that was moved away is read on
            if self.path.stat().st_ino != os.fstat(self._descriptor).st_ino:
                os.close(self._descriptor)
                self._descriptor = self._open()
                self._frames = []
        last = self._frames[-1] if self._frames else Frame(0.0, 0, 0)
        try:
            self._frames += frames_of(self._descriptor, last.offset + last.size)
        except RecordingError as error:
            raise RecordingError(f"{self.path}: {error}") from None

    def load(self, index: int) -> Kept:
        """One frame.

        Raises:
            RecordingError: it is damaged.
        """
        frame = self._frames[index]
        member = os.pread(self._descriptor, frame.size, frame.offset)
        try:
            # The header of a gzip member with its extra field, and its checksum, are checked here.
            return decode(zlib.decompress(member, zlib.MAX_WBITS | 16))
        except (zlib.error, CodecError) as error:
            raise RecordingError(f"{self.path}: frame {index + 1} cannot be read: {error}") from None

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise RecordingError(f"{self.path} cannot be read: {error.strerror}") from None


class Recorder:
    """Writes a recording of at most `limit` bytes: when it is full, the older half goes."""

    def __init__(self, path: Path, limit: int) -> None:
        """
        Raises:
            RecordingError: the file is something else, cannot be written, or is being written by somebody else.
        """
        self.path = path
        self._limit = limit
        self._descriptor = self._open(path)
        try:
            frames = list(frames_of(self._descriptor))
        except RecordingError as error:
            self.close()
            raise RecordingError(f"{path} is no recording, and is left as it is: {error}") from None
        # What a killed writer left of its last frame.
        os.ftruncate(self._descriptor, frames[-1].offset + frames[-1].size if frames else 0)

    def append(self, content: bytes, t: float) -> int:
        """Write a frame; it is on the disk when this returns. Returns the size of its member in bytes.

        Raises:
            OSError: the disk is full; the recording is as it was.
        """
        member = pack(content, t)
        if os.fstat(self._descriptor).st_size + len(member) > self._limit:
            self._halve(len(member))
        files.append(self._descriptor, member)
        return len(member)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _halve(self, coming: int) -> None:
        """Put a file with the newest frames in the place of this one; a reader keeps the old one until it looks."""
        room = self._limit // 2 - coming
        newest: list[Frame] = []
        for frame in reversed(list(frames_of(self._descriptor))):
            room -= frame.size
            if room < 0:
                break
            newest.insert(0, frame)
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        content = b"".join(os.pread(self._descriptor, frame.size, frame.offset) for frame in newest)
        files.put(part, content, 0o600)
        descriptor = self._open(part)
        part.rename(self.path)
        files.sync_folder(self.path.parent)
        os.close(self._descriptor)
        self._descriptor = descriptor

    def _open(self, path: Path) -> int:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RecordingError(f"{path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise RecordingError(f"{path} is being recorded to by another process") from None
        return descriptor
