"""Nothing here depends on the machine: fixed zone, no animation, no private configuration; baselines on top."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

# Textual and Rich read these when they are imported.
os.environ.update({"TZ": "UTC", "TEXTUAL_ANIMATIONS": "none", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"})
for _name in ("NO_COLOR", "FORCE_COLOR", "TEXTUAL_THEME", "TEXTUAL_COLOR_SYSTEM", "COLUMNS", "LINES", "TMUX", "STY"):
    os.environ.pop(_name, None)
time.tzset()

import pytest  # noqa: E402
import pytest_textual_snapshot  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# The same commit gives the same answer, on a busy machine as well. New examples: `--hypothesis-profile=explore`.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeat", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile("repeat")

SNAPSHOTS = Path(__file__).resolve().parent.parent / "snapshots"


class TopLevelSvg(pytest_textual_snapshot.SVGImageExtension):  # type: ignore[misc]
    """SVG baselines in `snapshots/<test file>/`, where the documentation shows them."""

    @classmethod
    def dirname(cls, *, test_location: Any) -> str:
        """The folder of a test file's baselines; it keeps the file's name, by which syrupy finds unused ones."""
        return str(SNAPSHOTS / test_location.basename)


@pytest.fixture(autouse=True)
def _baselines_at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest_textual_snapshot, "SVGImageExtension", TopLevelSvg)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configuration, data and state of every test are its own."""
    home = tmp_path_factory.mktemp("home")
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    # Incidents that a full disk has left in memory are brought to the disk by whoever starts next.
    (home / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    monkeypatch.delenv("MLTRIAGE_INCIDENT_DIR", raising=False)
