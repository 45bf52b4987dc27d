"""How long it takes to flag: from F to the card, and from Enter to "saved" on the terminal.

    python -m bench.flagging [--rounds 12] [--read 0.5] [--size 120x40]

The program runs in a pseudo-terminal, whose far end reads at once and draws nothing, on five hours of a simulated
fleet; its incidents go to a folder on the disk of `$TMPDIR`. The first is flagged as soon as the first segment stands
on the screen. `--read` is how many seconds somebody looks at the card before Enter. CPU is that of the whole process,
in steps of 10 ms, from Enter to "saved". The load of the machine is printed because it decides the rest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from demo.run import write
from tests.pty_program import Program

ROOT = str(Path(__file__).parent.parent)
PATIENCE_S = 60.0
CARD, ALIKE, SAVED = "Enter saves", "j declares a new one", "saved INC-"
TOLD_S = 6.0
"""The word "saved" leaves the screen before the next incident is flagged."""

LIMIT_MS = 100.0


def said(program: Program, since: int, text: str) -> bool:
    """Whether the program has written a text after so many bytes."""
    return text in program.words_since(since)


def until_said(program: Program, since: int, text: str) -> float:
    """Wait for a text; milliseconds that it took."""
    return program.wait_for(lambda: said(program, since, text), PATIENCE_S) * 1e3


def flag(program: Program, read_s: float) -> tuple[float, float, float]:
    """One incident: milliseconds from F to the card, from Enter to "saved", and of CPU meanwhile."""
    since = len(program.raw)
    program.type("F")
    card_ms = until_said(program, since, CARD)
    time.sleep(read_s / 2)
    if said(program, since, ALIKE):
        program.type("j")
    time.sleep(read_s / 2)
    since, cpu = len(program.raw), program.cpu_s()
    program.type("\r")
    saved_ms = until_said(program, since, SAVED)
    spent_ms = (program.cpu_s() - cpu) * 1e3
    time.sleep(TOLD_S)
    return card_ms, saved_ms, spent_ms


def main() -> int:
    """Flag again and again; 1 when the first or the median is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--read", type=float, default=0.5, metavar="SECONDS")
    parser.add_argument("--size", default="120x40", metavar="COLUMNSxROWS")
    given = parser.parse_args()
    columns, rows = map(int, given.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="mltriage-flagging-") as name:
        folder = Path(name)
        now = int(time.time())
        write(folder / "fleet", "bad-canary", seed=1, minutes_after_onset=10, hours=5, now=now)
        sources = ["--logs", str(folder / "fleet" / "logs"), "--scrape", str(folder / "fleet" / "metrics.om")]
        env = {"PYTHONPATH": ROOT, "MLTRIAGE_INCIDENT_DIR": str(folder / "incidents"), "XDG_STATE_HOME": name}
        command = [sys.executable, "-m", "tui", *sources, "--at", str(now)]
        with Program(command, (columns, rows), env=env, emulate=False) as program:
            until_said(program, 0, "version=42")
            taken = [flag(program, given.read) for _ in range(given.rounds)]
    print(f"load {os.getloadavg()[0]:.1f}, {given.rounds} incidents, read for {given.read:g} s")
    for what, values in zip(("F to card", "Enter to saved", "CPU of it"), zip(*taken, strict=True), strict=True):
        ordered = sorted(values)
        print(
            f"{what:15} first {values[0]:6.1f} ms, median {statistics.median(values):6.1f}, "
            f"p90 {ordered[int(len(ordered) * 0.9)]:6.1f}, worst {ordered[-1]:6.1f}"
        )
    saved = [ms for _, ms, _ in taken]
    return int(max(saved[0], statistics.median(saved)) > LIMIT_MS)


if __name__ == "__main__":
    raise SystemExit(main())
