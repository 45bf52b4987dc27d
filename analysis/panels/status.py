"""What a panel and a source say about their own data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The state of a panel or a source; each is a visible word."""

    LOADING = "loading"
    LIVE = "live"
    STALE = "stale"
    EMPTY = "empty"
    FAILED = "failed"
    ABSENT = "not logged"


@dataclass(frozen=True, slots=True)
class PanelStatus:
    """What a panel says about its own data."""

    state: State
    message: str = ""
    source: str = ""
    newest_sample: float | None = None
    query: str = ""
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source of evidence, as `doctor`, the header and the report show it."""

    name: str
    kind: str
    state: State
    newest_sample: float | None = None
    """Unix seconds of the newest sample, not of the fetch."""
    error: str | None = None
    """What happened; with `hint`, what to do."""
    hint: str | None = None
    failing_since: float | None = None
