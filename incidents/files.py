"""Writing that is on the disk when it returns."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

_sync_data = getattr(os, "fdatasync", os.fsync)
"""macOS has no fdatasync."""


class ShortWriteError(OSError):
    """Less was written than was asked for; the file is as it was before."""


def append(descriptor: int, line: bytes) -> None:
    """Append a line with one write and wait until it is on the disk; on failure the file is as it was.

    Raises:
        OSError: the disk is full or broken.
    """
    before = os.fstat(descriptor).st_size
    try:
        written = os.write(descriptor, line)
        if written != len(line):
            raise ShortWriteError(f"wrote {written} of {len(line)} bytes")
        _sync_data(descriptor)
    except OSError:
        # What a reader would take for a torn line must not stay before the next one.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, before)
        raise


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int) -> None:
    """Make a folder and those above it with `mode`, whatever the umask; names are on the disk when it returns.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(mode)
    sync_folder(folder.parent)


def create(path: Path, mode: int) -> int:
    """A new file to append to, as a descriptor; its name is on the disk when it returns.

    Raises:
        OSError: it cannot be made, or is there already.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        sync_folder(path.parent)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def put(path: Path, content: bytes, mode: int) -> None:
    """Write a whole file: under another name first, so that `path` never holds half of it.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    _put(path, content, mode)
    sync_folder(path.parent)


def put_all(folder: Path, contents: Mapping[str, bytes], mode: int) -> None:
    """Write whole files into one folder, whose names are waited for once. See `put`."""
    for name, content in contents.items():
        _put(folder / name, content, mode)
    sync_folder(folder)


def _put(path: Path, content: bytes, mode: int) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
