"""A defect ends the program with where it broke and what to do, with no variable and no escape sequence."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tui import crash

ROOT = str(Path(__file__).resolve().parent.parent)
HELD = "canary" + "0123456789"


def broken() -> None:
    """Fails while it holds a secret."""
    held = HELD
    raise RuntimeError(f"\x1b[2J a defect of {len(held)}\nsecond line")


def caught() -> RuntimeError:
    with pytest.raises(RuntimeError) as found:
        broken()
    return found.value


def test_a_crash_says_where_and_what_to_do_and_shows_no_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    text = crash.told(caught())
    assert "in broken" in text
    assert "RuntimeError" in text
    assert "mltriage incidents list" in text
    assert HELD not in text
    assert "\x1b" not in text
    (kept,) = (tmp_path / "mltriage" / "crashes").iterdir()
    assert str(kept) in text
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "in broken" in kept.read_text()


def test_a_crash_that_cannot_be_kept_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/none")
    assert "no copy" in crash.told(caught())


def test_a_defect_of_a_command_ends_with_70_and_the_same_words(tmp_path: Path) -> None:
    source = "import tui.incident_commands as c\nc.list_all = lambda *_, **__: 1 / 0\nfrom tui.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", source, "incidents", "list"],
        env={"PYTHONPATH": ROOT, "PATH": "/usr/bin:/bin", "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == crash.EX_SOFTWARE
    assert "mltriage has a defect and has ended: ZeroDivisionError: division by zero" in done.stderr
