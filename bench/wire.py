"""What a terminal program costs on the wire: bytes, first paint, key to paint on a slow link, idle CPU, leaving.

    python -m bench.wire [--size 80x24] [--key KEY --paints REGEX] [--seconds 10] [--ready TEXT] [COMMAND ...]

Runs COMMAND (default: `python -m tui demo`) in a pseudo-terminal. "Ready" is when TEXT is on the screen, else when
nothing has come for a second or five seconds have passed. The slow link carries 64 kbit/s with 150 ms from end to end
and back. A program that does not leave the stalled link within a minute counts as `inf`.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import time
from pathlib import Path

from tests.pty_program import Program

ROOT = str(Path(__file__).parent.parent)
ENV = {"PYTHONPATH": ROOT}
SLOW_BYTES_PER_S = 8000.0
SLOW_DELAY_S = 0.075
EMPTY = [sys.executable, "-m", "tests.pty_sample", "--empty", "--plain"]
KEYS = 10


def ready(program: Program, text: str | None) -> float:
    """Wait until the program is ready; return the seconds since its start."""
    if text is not None:
        program.wait_for_text(text, 60.0)
        return time.monotonic() - program.started
    program.wait_for(lambda: program.painted_at is not None, 60.0)
    quiet_since, count, end = time.monotonic(), len(program.raw), time.monotonic() + 5.0
    while time.monotonic() < end and time.monotonic() - quiet_since < 1.0:
        time.sleep(0.02)
        if len(program.raw) != count:
            quiet_since, count = time.monotonic(), len(program.raw)
    return quiet_since - program.started


def first_paint_s(command: list[str], size: tuple[int, int], starts: int = 5) -> float:
    """Median seconds from the start to the first visible text on the alternate screen."""
    times = []
    for _ in range(starts):
        with Program(command, size, env=ENV) as program:
            program.wait_for(lambda program=program: program.painted_at is not None, 60.0)  # type: ignore[misc]
            times.append((program.painted_at or 0.0) - program.started)
    return statistics.median(times)


def key_to_paint_s(program: Program, key: str, paints: str) -> tuple[float, float]:
    """Median and largest seconds from a key until what matches `paints` on the screen is something else."""

    def matches() -> list[str]:
        return [match[0] for match in re.finditer(paints, "\n".join(program.emulator.rows()))]

    times = []
    for number in range(KEYS):
        time.sleep(0.7 + 0.13 * (number % 5))
        before = matches()
        program.type(key)
        times.append(program.wait_for(lambda before=before: matches() != before, 60.0))  # type: ignore[misc]
    return statistics.median(times), max(times)


def measure(
    command: list[str], size: tuple[int, int], key: str, paints: str, seconds: float, text: str | None
) -> dict[str, float]:
    """Run everything once; seconds, bytes and per cent by name."""
    result: dict[str, float] = {}
    with Program(command, size, env=ENV) as program:
        result["ready s"] = ready(program, text)
        result["bytes at start"] = len(program.raw)
        result["CPU s at start"] = program.cpu_s()
        time.sleep(1.0)
        bytes_before, cpu_before = len(program.raw), program.cpu_s()
        time.sleep(seconds)
        result["bytes per s"] = (len(program.raw) - bytes_before) / seconds
        result["CPU %"] = (program.cpu_s() - cpu_before) / seconds * 100
        result["key to paint s"], result["key to paint, worst s"] = key_to_paint_s(program, key, paints)
        program.type("q")
        result["leave s"] = program.wait_for_end()
    result["first paint s"] = first_paint_s(command, size)
    result["first paint, empty Textual app s"] = first_paint_s(EMPTY, size)
    result["first paint ratio"] = result["first paint s"] / result["first paint, empty Textual app s"]
    with Program(command, size, env=ENV, bytes_per_s=SLOW_BYTES_PER_S, delay_s=SLOW_DELAY_S) as program:
        result["slow link: ready s"] = ready(program, text)
        result["slow link: its own round trip s"] = 2 * SLOW_DELAY_S
        result["slow link: key to paint s"], result["slow link: key to paint, worst s"] = key_to_paint_s(
            program, key, paints
        )
    with Program(command, size, env=ENV) as program:
        ready(program, text)
        program.pause()
        time.sleep(5.0)
        program.type("q")
        try:
            result["stalled link: leave s"] = program.wait_for_end(60.0)
        except TimeoutError:
            result["stalled link: leave s"] = float("inf")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", default="80x24")
    parser.add_argument("--key", default="?", help="a key that changes the picture each time it is pressed")
    parser.add_argument("--paints", default="(?s).+", help="regular expression for what the key changes on the screen")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to watch the program idle")
    parser.add_argument("--ready", help="text on the screen that says the program is ready")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    width, _, height = options.size.partition("x")
    command = options.command or [sys.executable, "-m", "tui", "demo"]
    size = int(width), int(height)
    result = measure(command, size, options.key, options.paints, options.seconds, options.ready)
    for name, value in result.items():
        print(f"{name:34} {value:12,.3f}" if value < 100 else f"{name:34} {value:12,.0f}")
    print(f"{'load (1 min)':34} {os.getloadavg()[0]:12,.1f}")


if __name__ == "__main__":
    main()
