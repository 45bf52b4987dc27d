"""How programs end in a real pseudo-terminal, with the driver and the life cycle of mltriage."""

from __future__ import annotations

import signal
import sys
import termios
from pathlib import Path

import pytest

from tests.pty_program import Program
from tui import lifecycle

ROOT = Path(__file__).parent.parent
ENV = {"PYTHONPATH": str(ROOT), "TEXTUAL_ANIMATIONS": "none"}
LEFT_ALONE = {"7", "25"}
"""Private modes that are on in a fresh terminal: autowrap and the cursor."""

pytestmark = pytest.mark.terminal


def sample(*options: str) -> list[str]:
    return [sys.executable, "-m", "tests.pty_sample", *options]


def assert_restored(program: Program) -> None:
    assert program.emulator.modes_on == LEFT_ALONE
    assert termios.tcgetattr(program.master)[:4] == program.modes_before[:4]


def shows_all(program: Program) -> bool:
    """Six charts, drawn for the size they have, and a foot under them."""
    rows = program.emulator.rows()
    drawn = sum(row.count("0ms") for row in rows) >= 6 and sum(row.count("CRIT") for row in rows) == 6
    return drawn and "pressed 0" in rows[-2] and "palette" in rows[-1] and all(row.strip() for row in rows)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace"
    path.touch()
    return path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_ends_the_program_with_the_terminal_restored(number: int, code: int, trace: Path) -> None:
    with Program(sample("--trace", str(trace)), env=ENV) as program:
        program.wait_for_text("CRIT")
        assert "1049" in program.emulator.modes_on
        program.signal(number)
        program.wait_for_end(5.0)
        program.wait_for(lambda: program.emulator.modes_on == LEFT_ALONE, 2.0)
        assert_restored(program)
    assert program.status == code
    assert trace.read_text().split()[0] == "unmounted"


@pytest.mark.parametrize("ignored", [False, True])
def test_a_lost_terminal_ends_the_program_even_if_hangup_is_ignored(ignored: bool, trace: Path) -> None:
    with Program(sample("--trace", str(trace)), env=ENV, ignore_hangup=ignored) as program:
        program.wait_for_text("CRIT")
        before = program.cpu_s()
        program.hang_up()
        program.wait_for(trace.read_text)
        assert program.cpu_s() - before < 3.0
        program.wait_for_end(5.0)
    assert program.status == 129
    assert "unmounted" in trace.read_text()


def test_an_app_that_does_not_stop_is_ended_after_its_last_save(trace: Path) -> None:
    with Program(sample("--stubborn", "--trace", str(trace)), env=ENV) as program:
        program.wait_for_text("CRIT")
        program.signal(signal.SIGTERM)
        program.wait_for_end(lifecycle.GONE_WITHIN_S + 1.0)
        program.wait_for(lambda: program.emulator.modes_on == LEFT_ALONE, 2.0)
        assert_restored(program)
    assert program.status == 143
    assert trace.read_text().split() == ["unmounted", "saved"]


@pytest.mark.parametrize("answer", [True, False])
def test_q_leaves_on_a_stalled_link_and_restores_the_terminal(answer: bool, trace: Path) -> None:
    with Program(sample("--hz", "30", "--trace", str(trace)), (200, 50), env=ENV, answer=answer) as program:
        program.wait_for_text("CRIT")
        program.pause()
        before = program.cpu_s()
        program.wait_for(lambda: program.cpu_s() - before > 0.5)
        program.type("q")
        program.wait_for_end(5.0)
        program.resume()
        program.wait_for(lambda: program.emulator.modes_on == LEFT_ALONE, 2.0)
        assert_restored(program)
    assert program.status == 0
    dropped = int(trace.read_text().split()[-1])
    assert dropped > 5


def test_a_stopped_program_gives_the_terminal_back_and_paints_it_whole_when_continued() -> None:
    with Program(sample("--still"), env=ENV) as program:
        program.wait_for(lambda: shows_all(program))
        before = program.emulator.rows()
        program.signal(signal.SIGTSTP)
        program.wait_for(lambda: program.state() == "T" and program.emulator.modes_on == LEFT_ALONE)
        assert_restored(program)
        program.emulator.erase_in_display(2)
        program.signal(signal.SIGCONT)
        program.wait_for(lambda: program.emulator.rows() == before)
        program.type("t")
        program.wait_for_text("pressed 1")
        program.type("q")
        program.wait_for_end(5.0)
        assert_restored(program)


def test_a_storm_of_resizes_ends_in_a_whole_picture() -> None:
    with Program(sample("--still"), env=ENV) as program:
        program.wait_for_text("CRIT")
        for step in range(40):
            program.resize(40 + step * 7 % 90, 12 + step * 5 % 30)
        program.resize(100, 30)
        program.wait_for(lambda: shows_all(program))
        with Program(sample("--still", "--plain"), (100, 30), env=ENV) as plain:
            plain.wait_for(lambda: plain.emulator.picture() == program.emulator.picture())


@pytest.mark.parametrize(("term", "words"), [("dumb", "TERM=dumb"), ("", "not set")])
def test_a_terminal_that_cannot_place_text_is_named(term: str, words: str) -> None:
    with Program(sample(), env={**ENV, "TERM": term}) as program:
        program.wait_for_end()
        program.wait_for(lambda: words in program.raw.decode())
        assert program.status == 3
        assert b"\x1b" not in program.raw


def test_a_file_as_standard_output_is_named(tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m tests.pty_sample > {tmp_path / 'out'}"
    with Program(["/bin/sh", "-c", command], env=ENV) as program:
        program.wait_for_end()
        program.wait_for(lambda: "standard output is not a terminal" in program.raw.decode())


def test_a_key_is_answered_on_a_stalled_and_resumed_link() -> None:
    with Program(sample("--hz", "20"), env=ENV) as program:
        program.wait_for_text("pressed 0")
        program.pause()
        program.type("ttt")
        before = program.cpu_s()
        program.wait_for(lambda: program.cpu_s() - before > 0.3)
        read = len(program.raw)
        program.resume()
        program.wait_for_text("pressed 3")
        # What was queued is at most the kernel's buffer and a frame, not every picture of the meantime.
        assert len(program.raw) - read < 100_000


def test_a_link_that_buffers_megabytes_is_not_filled_with_pictures() -> None:
    slow = {"bytes_per_s": 8000.0, "delay_s": 0.075, "link_bytes": 4 << 20}
    with Program(sample("--hz", "20"), env=ENV, **slow) as program:  # type: ignore[arg-type]
        program.wait_for_text("CRIT", 30.0)
        before = len(program.raw)
        program.wait_for(lambda: len(program.raw) > before + 20_000, 30.0)
        program.type("t")
        program.wait_for_text("pressed 1")
        assert program.most_in_flight < 20_000


def test_the_mouse_can_be_left_to_the_terminal_from_the_start_and_later() -> None:
    with Program(sample("--still"), env=ENV) as program:
        program.wait_for_text("pressed 0")
        program.wait_for(lambda: {"1000", "1003", "1006"} <= program.emulator.modes_on)
        program.type("m")
        program.wait_for(lambda: not {"1000", "1003", "1006"} & program.emulator.modes_on)
        program.type("m")
        program.wait_for(lambda: {"1000", "1003", "1006"} <= program.emulator.modes_on)
    with Program(sample("--still", "--no-mouse"), env=ENV) as program:
        program.wait_for_text("pressed 0")
        assert b"\x1b[?1000h" not in program.raw
