"""How long it takes to flag: from F to the card, and from Enter to "saved" on the terminal.

    python -m bench.flagging [--rounds 12] [--read 0.5] [--size 120x40]

The program runs in a pseudo-terminal on five hours of a simulated fleet; its incidents go to a folder on the disk of
`$TMPDIR`. `--read` is how many seconds somebody looks at the card before Enter. CPU is that of the whole process, in
steps of 10 ms, from Enter to "saved". The load of the machine is printed because it decides the rest.
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
CARD, SAVED = "Enter saves", "saved INC-"
LIMIT_MS = 100.0


def shows(program: Program, text: str) -> bool:
    """Whether a text is on the screen."""
    return any(text in row for row in program.emulator.rows())


def flag(program: Program, read_s: float) -> tuple[float, float, float]:
    """One incident: milliseconds from F to the card, from Enter to "saved", and of CPU meanwhile."""
    program.wait_for(lambda: not shows(program, SAVED), PATIENCE_S)
    began = time.monotonic()
    program.type("F")
    program.wait_for(lambda: shows(program, CARD), PATIENCE_S)
    card = time.monotonic() - began
    if shows(program, "j declares a new one"):
        program.type("j")
        program.wait_for(lambda: shows(program, "FLAG AN INCIDENT"), PATIENCE_S)
    time.sleep(read_s)
    began, cpu = time.monotonic(), program.cpu_s()
    program.type("\r")
    program.wait_for(lambda: shows(program, SAVED), PATIENCE_S)
    return card * 1e3, (time.monotonic() - began) * 1e3, (program.cpu_s() - cpu) * 1e3


def main() -> int:
    """Flag again and again; 1 when the median is over the limit."""
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
        with Program([sys.executable, "-m", "tui", *sources, "--at", str(now)], (columns, rows), env=env) as program:
            program.wait_for(lambda: shows(program, "version=42"), PATIENCE_S)
            taken = [flag(program, given.read) for _ in range(given.rounds)]
    print(f"load {os.getloadavg()[0]:.1f}, {given.rounds} incidents, read for {given.read:g} s")
    for what, values in zip(("F to card", "Enter to saved", "CPU of it"), zip(*taken, strict=True), strict=True):
        ordered = sorted(values)
        print(
            f"{what:15} first {values[0]:6.1f} ms, median {statistics.median(values):6.1f}, "
            f"p90 {ordered[int(len(ordered) * 0.9)]:6.1f}, worst {ordered[-1]:6.1f}"
        )
    return int(statistics.median(saved for _, saved, _ in taken) > LIMIT_MS)


if __name__ == "__main__":
    raise SystemExit(main())
