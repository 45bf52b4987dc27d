"""Does the journal lose what it acknowledged? Writers are killed with SIGKILL at random; then everything is read.

    python -m bench.journal run --seconds 120 --writers 12

prints acknowledged and lost events, torn lines, the rate, and how long one append took.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from incidents.events import Actor, Kind, new_incident_id
from incidents.journal import Blob, Journal
from incidents.place import Place
from incidents.verify import check

LIVES_S = 2.0
"""Mean life of a writer."""


def write(folder: str, incident: str, seed: int) -> None:
    """Append events of 50 to 9,000 bytes, every tenth with a blob, until killed. Each acknowledgement is a line."""
    draw = random.Random(seed)
    journal = Journal(Place(Path(folder), Path(folder) / "no-memory"), Actor(f"writer {seed}", "bench"))
    while True:
        text = "x" * draw.randint(50, 9_000)
        blobs = {"screen": Blob(text.encode() * 3, "txt")} if draw.random() < 0.1 else None
        started = time.perf_counter()
        saved = journal.append(incident, Kind.NOTE, {"text": text}, blobs)
        # One write each, so that no acknowledgement waits in a buffer when the process dies.
        os.write(1, f"{saved.event.id} {time.perf_counter() - started:.6f}\n".encode())


def start(folder: Path, incident: str, seed: int, acknowledged: IO[bytes]) -> subprocess.Popen[bytes]:
    """A writer process whose acknowledgements are appended to a file."""
    command = [sys.executable, "-m", "bench.journal", "write", str(folder), incident, str(seed)]
    return subprocess.Popen(command, stdout=acknowledged, cwd=Path(__file__).resolve().parent.parent)


def acknowledgements(files: list[Path]) -> dict[str, float]:
    """Id -> seconds, of every whole line."""
    lines = [line for file in files for line in file.read_bytes().split(b"\n")[:-1]]
    return {line.split()[0].decode(): float(line.split()[1]) for line in lines}


def run(seconds: float, writers: int, seed: int, folder: Path) -> int:
    """Kill and replace writers for some time; 1 when anything acknowledged is lost."""
    draw, killed, next_seed = random.Random(seed), 0, 0
    incident, journal = new_incident_id(time.time()), folder / "journal"
    alive: list[subprocess.Popen[bytes]] = []
    ends = None
    while ends is None or time.monotonic() < ends:
        while len(alive) < writers:
            next_seed += 1
            with (folder / f"ack-{next_seed}").open("ab") as acknowledged:
                alive.append(start(journal, incident, next_seed, acknowledged))
        if ends is None:  # the time counts from when all write
            if all(file.stat().st_size for file in folder.glob("ack-*")):
                ends = time.monotonic() + seconds
            time.sleep(0.05)
            continue
        time.sleep(draw.expovariate(writers / LIVES_S))
        victim = alive.pop(draw.randrange(len(alive)))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        killed += 1
    for victim in alive:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        killed += 1
    acks = acknowledgements(sorted(folder.glob("ack-*")))
    reader = Journal(Place(journal, folder / "none"))
    found, whole = reader.history(incident), check(reader, incident)
    lost = acks.keys() - {event.id for event in found.events}
    tails = sum(file.read_bytes()[-1:] not in (b"", b"\n") for file in (journal / incident / "events").iterdir())
    took = sorted(acks.values())
    print(f"{killed} writers killed, {len(acks)} events acknowledged, {len(lost)} lost")
    print(f"{found.torn} torn lines counted of {tails}, {len(whole.problems)} problems, {whole.blobs} blobs whole")
    print(f"{len(acks) / seconds:.0f} events/s, append p50 {statistics.median(took) * 1e3:.1f} ms", end=", ")
    print(f"p99 {took[int(len(took) * 0.99)] * 1e3:.1f} ms")
    return 1 if lost or whole.problems or found.torn != tails else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("--seconds", type=float, default=120.0)
    runs.add_argument("--writers", type=int, default=12)
    runs.add_argument("--seed", type=int, default=1)
    writes = commands.add_parser("write")
    writes.add_argument("folder")
    writes.add_argument("incident")
    writes.add_argument("seed", type=int)
    given = parser.parse_args()
    if given.command == "write":
        write(given.folder, given.incident, given.seed)
    with tempfile.TemporaryDirectory(prefix="mltriage-journal-") as folder:
        return run(given.seconds, given.writers, given.seed, Path(folder))


if __name__ == "__main__":
    raise SystemExit(main())
