"""Where incidents are kept: which folder, who else can read it, and what is left when it cannot be written."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "MLTRIAGE_INCIDENT_DIR"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of incidents."""

    folder: Path
    fallback: Path
    """A folder in memory, for when the disk is full or read-only. It does not survive a restart of the machine."""
    demo: bool = False
    """Whether it holds what was flagged in demos: exercises all of them."""

    @property
    def shared(self) -> bool:
        """Whether others can add to it."""
        return bool(self.mode & stat.S_IWGRP)

    @property
    def mode(self) -> int:
        """The rights of the folder: everything in it gets them too. 0700 where there is no folder yet."""
        try:
            return stat.S_IMODE(self.folder.stat().st_mode)
        except OSError:
            return 0o700


def choose(configured: str | None = None, environment: Mapping[str, str] = os.environ) -> Place:
    """`$MLTRIAGE_INCIDENT_DIR`, else the configured folder, else `$XDG_STATE_HOME/mltriage/incidents`."""
    named = environment.get(VARIABLE) or configured
    if named:
        folder = Path(named).expanduser().absolute()
    else:
        from platformdirs.unix import Unix

        folder = Unix("mltriage").user_state_path / "incidents"
    # Of each folder its own: what is in memory is brought back to where it belongs.
    return Place(folder, memory_folder(environment) / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16])


def choose_demo(environment: Mapping[str, str] = os.environ) -> Place:
    """`$XDG_STATE_HOME/mltriage/demo/incidents`, whatever else is named: a demo never writes among real incidents."""
    from platformdirs.unix import Unix

    folder, memory = Unix("mltriage").user_state_path / "demo" / "incidents", memory_folder(environment)
    return Place(folder, memory.parent / "demo", demo=True)


def memory_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """A folder of this user on a tmpfs: `$XDG_RUNTIME_DIR`, else /dev/shm."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "mltriage" / "incidents"
    return Path("/dev/shm") / f"mltriage-{os.getuid()}" / "incidents"
