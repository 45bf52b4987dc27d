"""What a request to a source carries as proof: kept fresh, never logged, never shown."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from connectors.base import RejectedError
from tui.config_schema import LogSource, PrometheusSource

ProtectedSource = PrometheusSource | LogSource

COMMAND_TIMEOUT_S = 20.0
COMMAND_REUSE_S = 60.0
"""A source asks many queries per refresh; a token printed within this time serves them all."""


class Credentials:
    """The headers that one source wants to see."""

    def __init__(self, source: ProtectedSource, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._printed: tuple[float, str] | None = None

    def headers(self) -> dict[str, str]:
        """The headers of one request, from `headers_file` and the bearer token's file or command.

        Files are read each time, so that a rotated token is picked up; a command runs at most once a minute, and blocks
        for up to 20 s: call this in a thread.

        Raises:
            RejectedError: a file cannot be read, a header line is not `Name: value`, or the command gave no token. The
                error never holds what was read.
        """
        source = self._source
        headers = _header_lines(source, source.headers_file) if source.headers_file else {}
        if source.bearer_token_file:
            headers["Authorization"] = f"Bearer {_read(source, source.bearer_token_file).strip()}"
        elif source.bearer_token_command:
            if self._printed is None or self._clock() - self._printed[0] >= COMMAND_REUSE_S:
                self._printed = (self._clock(), _run(source, source.bearer_token_command))
            headers["Authorization"] = f"Bearer {self._printed[1]}"
        return headers


def _header_lines(source: ProtectedSource, file: str) -> dict[str, str]:
    headers = {}
    for number, line in enumerate(_read(source, file).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise RejectedError(f"{source.name}: line {number} of {file} is not 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers


def _read(source: ProtectedSource, file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise RejectedError(
            f"{source.name}: {file} cannot be read", why or "", "see the source's *_file keys"
        ) from None


def _run(source: ProtectedSource, command: tuple[str, ...]) -> str:
    title = f"{source.name}: bearer_token_command {command[0]!r}"
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise RejectedError(f"{title} took longer than {COMMAND_TIMEOUT_S:.0f} s") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RejectedError(f"{title} cannot be run", getattr(error, "strerror", "") or "") from None
    if done.returncode != 0 or not done.stdout.strip():
        raise RejectedError(f"{title} gave no token (exit status {done.returncode})")
    return done.stdout.strip()
