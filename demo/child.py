"""The child process of a live fleet as its parent sees it. Light: it is started before anything large is imported."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self, cast

from demo.scenarios import SCENARIOS, Scenario

RECENT_HOURS = 5.0
"""What a live fleet writes before anything else: enough for half an hour and its eight reference windows."""
OWN_SHARE = 0.5
"""Part of that, the newest, which the parent writes while the child writes the rest."""

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0


def scenario_named(name: str) -> Scenario:
    """The scenario of that name. Raises ValueError, which names those that exist."""
    if name not in SCENARIOS:
        raise ValueError(f"no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


@dataclass(frozen=True, slots=True)
class Order:
    """What the child is told. Times are unix seconds."""

    folder: str
    scenario: str
    seed: int
    onset: float
    rate: float
    oldest: float
    """Where the history begins in the end."""
    recent: float
    """Where it begins when the fleet is ready."""
    shared: float
    """The parent writes from here on."""
    now: float

    def to_json(self) -> str:
        """For the command line of the child."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` made."""
        return cls(**json.loads(text))


class Child:
    """The process that writes, appends and serves. It ends, and removes its folder, with `stop` or with its parent."""

    def __init__(self, order: Order, process: subprocess.Popen[bytes]) -> None:
        self.order = order
        self.process = process
        self.folder = Path(order.folder)

    @classmethod
    def start(
        cls,
        scenario: str,
        *,
        seed: int = 1,
        minutes_after_onset: float | None = None,
        hours: float = 24.0,
        rate: float = 1.0,
        recent_hours: float = RECENT_HOURS,
    ) -> Self:
        """Start it; nothing has been written when this returns.

        A negative `minutes_after_onset` puts the fault into the future, None takes the scenario's own. Raises
        ValueError for an unknown scenario.
        """
        chosen = scenario_named(scenario)
        minutes = chosen.minutes_after_onset if minutes_after_onset is None else minutes_after_onset
        now, first = time.time(), 3_600 * min(hours, recent_hours)
        order = Order(
            folder=tempfile.mkdtemp(prefix="mltriage-demo-"),
            scenario=chosen.name,
            seed=seed,
            onset=now - 60 * minutes,
            rate=rate,
            oldest=now - 3_600 * hours,
            recent=now - first,
            shared=now - first * OWN_SHARE,
            now=now,
        )
        return cls(order, _spawn(order))

    def metrics_url(self) -> str:
        """The first line that it prints, when its part of the history is there.

        Raises RuntimeError when none comes.
        """
        stdout = cast(IO[bytes], self.process.stdout)
        ready, _, _ = select.select([stdout], [], [], _START_TIMEOUT_S)
        line = stdout.readline() if ready else b""
        if not line:
            said = (self.folder / "child.log").read_text(encoding="utf-8", errors="replace")[-2_000:]
            raise RuntimeError(f"the live fleet did not start: {said or 'no answer'}")
        return line.decode().strip()

    def stop(self) -> None:
        """End it and remove the folder. May be called twice."""
        # Closing its input tells the child to go.
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        try:
            self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _spawn(order: Order) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    with (Path(order.folder) / "child.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "demo.live", order.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
