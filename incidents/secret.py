"""Secrets of targets: read when they are needed, from a file that nobody else can read or from a command."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

COMMAND_TIMEOUT_S = 20.0
SHORTEST = 4
"""A secret shorter than this is not masked in texts: it would blank out words."""


TELLING = 8
"""A part of a secret URL that is as long as this is no common word."""


class SecretError(Exception):
    """A secret cannot be had. The message names the file or the command and never what was read."""


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret comes from; neither means that the target needs none."""

    file: str | None = None
    command: tuple[str, ...] | None = None
    """Program and arguments that print it; no shell."""

    def read(self) -> str:
        """The secret as of now. May block for up to 20 s.

        Raises:
            SecretError: the file is missing or others can read it, or the command fails.
        """
        if self.file is not None:
            return _of_file(Path(self.file))
        if self.command is not None:
            return _of_command(self.command)
        return ""


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret replaced; of a secret URL also its path and its parts: a server may echo them."""
    hidden = {part for secret in secrets for part in _parts(secret)}
    for part in sorted(hidden, key=len, reverse=True):
        if len(part) >= SHORTEST:
            text = text.replace(part, "***")
    return text


def _parts(secret: str) -> Iterator[str]:
    yield secret
    if "://" in secret:
        path = secret.partition("://")[2].partition("/")[2]
        yield f"/{path}"
        yield from (part for part in re.split(r"[/?&=]", path) if len(part) >= TELLING)


def _of_file(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            about = os.fstat(opened.fileno())
            if stat.S_IMODE(about.st_mode) & 0o077:
                raise SecretError(f"{path} can be read by others: chmod 600 {path}")
            secret = opened.read().decode("utf-8").strip()
    except OSError as error:
        raise SecretError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretError(f"{path} is not text") from None
    if not secret:
        raise SecretError(f"{path} is empty")
    return secret


def _of_command(command: tuple[str, ...]) -> str:
    name = f"secret_command {command[0]!r}"
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise SecretError(f"{name} took longer than {COMMAND_TIMEOUT_S:.0f} s") from None
    except (OSError, UnicodeDecodeError):
        raise SecretError(f"{name} cannot be run") from None
    if done.returncode != 0 or not done.stdout.strip():
        raise SecretError(f"{name} printed no secret (exit status {done.returncode})")
    return done.stdout.strip()
