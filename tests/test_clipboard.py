"""Copying to the clipboard: what is sent where, and the file that is always written."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from textual.app import App

from tui.clipboard import MAX_OSC52_BYTES, as_text, copy

tmux_needed = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def files_in(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.iterdir()]


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("TMUX", raising=False)
    return tmp_path / "state" / "mltriage"


async def test_outside_tmux_the_text_goes_to_the_terminal_and_to_a_file(state_folder: Path) -> None:
    async with App[None]().run_test() as pilot:
        copied = await copy("p99 712 ms\n", pilot.app)
        assert pilot.app.clipboard == "p99 712 ms\n"
    assert copied.how == "terminal"
    assert copied.path == state_folder / "copied.txt"
    assert copied.path.read_text() == "p99 712 ms\n"
    assert stat.S_IMODE(copied.path.stat().st_mode) == 0o600
    assert str(copied.path) in copied.words


async def test_a_second_copy_replaces_the_first_and_leaves_no_other_file(state_folder: Path) -> None:
    async with App[None]().run_test() as pilot:
        await copy("one", pilot.app)
        await copy("two", pilot.app)
    assert files_in(state_folder) == ["two"]


def test_control_characters_are_shown_and_not_sent() -> None:
    assert as_text("a\tb\r\nc\x1b]52;c;eA==\x07\x9b31m\u202etxt\ud800") == (
        "a\tb\nc\\x1b]52;c;eA==\\x07\\x9b31m\\u202etxt\\ud800"
    )


async def test_a_text_too_large_for_the_terminal_is_only_written_to_the_file() -> None:
    text = "x" * MAX_OSC52_BYTES
    async with App[None]().run_test() as pilot:
        copied = await copy(text, pilot.app)
        assert pilot.app.clipboard == ""
    assert copied.how == "file"
    assert copied.path is not None
    assert copied.path.read_text() == text


async def test_an_unwritable_folder_does_not_keep_the_text_from_the_clipboard(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    async with App[None]().run_test() as pilot:
        copied = await copy("text", pilot.app)
        assert pilot.app.clipboard == "text"
    assert copied.path is None
    assert "no file" in copied.words


@tmux_needed
async def test_inside_tmux_the_text_becomes_the_newest_tmux_buffer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "tmux.sock"
    tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
    run(*tmux, "new-session", "-d", "-x", "80", "-y", "24", "sleep 60")
    try:
        monkeypatch.setenv("TMUX", f"{socket},{os.getpid()},0")
        async with App[None]().run_test() as pilot:
            copied = await copy("från tmux\n", pilot.app)
        shown = run(*tmux, "show-buffer")
        assert (copied.how, shown) == ("tmux", "från tmux\n")
    finally:
        run(*tmux, "kill-server")


async def test_a_tmux_that_does_not_answer_does_not_block_and_the_terminal_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "tmux"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("TMUX", "/nowhere,1,0")
    monkeypatch.setattr("tui.clipboard.TMUX_TIMEOUT_S", 0.1)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    async with App[None]().run_test() as pilot:
        heart = asyncio.create_task(beat())
        copied = await copy("text", pilot.app)
        heart.cancel()
        assert pilot.app.clipboard == "text"
    assert copied.how == "terminal"
    assert beats > 10
