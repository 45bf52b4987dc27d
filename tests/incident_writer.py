"""A process that writes to a journal until it is killed, and says on stdout what was acknowledged: one id a line.

Arguments: folder, incident, seed.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from incidents.events import Actor, Kind
from incidents.journal import Blob, Journal
from incidents.place import Place


def main(folder: str, incident: str, seed: str) -> None:
    """Write events of 50 to 9,000 bytes, every tenth with a blob."""
    draw = random.Random(int(seed))
    journal = Journal(Place(Path(folder), Path(folder) / "no-memory"), Actor(f"writer {seed}", "test"))
    while True:
        text = "x" * draw.randint(50, 9_000)
        blobs = {"screen": Blob(text.encode() * 3, "txt")} if draw.random() < 0.1 else None
        saved = journal.append(incident, Kind.NOTE, {"text": text}, blobs)
        # One write each, so that no acknowledgement waits in a buffer when the process dies.
        os.write(1, f"{saved.event.id}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
