"""The two ways to use the fleet: write a scenario to a folder, or keep one alive beside the program."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from demo.blocks import Simulation
from demo.fleet import FLEET
from demo.lines import JSONL_S, append_lines, json_lines
from demo.metrics import write_openmetrics
from demo.scenarios import SCENARIOS, Scenario, Truth, truth_of
from demo.vary import varied
from demo.writer import file_stem, write_span

RECENT_HOURS = 5.0
"""What a live fleet writes before anything else: enough for half an hour and its eight reference windows."""

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0


def scenario_named(name: str) -> Scenario:
    """The scenario of that name. Raises ValueError, which names those that exist."""
    if name not in SCENARIOS:
        raise ValueError(f"no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


def write(
    out: Path,
    scenario: str,
    *,
    seed: int = 1,
    minutes_after_onset: float | None = None,
    hours: float = 24.0,
    rate: float = 1.0,
    now: float | None = None,
    vary: bool = False,
) -> Truth:
    """Write `out/logs`, `out/metrics.om`, `out/truth.json` and `out/README.txt` as they are at `now` (unix seconds).

    `minutes_after_onset` None takes the scenario's own, `now` None the clock; `vary` writes the seed's variant of the
    scenario (`demo.vary`). Raises ValueError for an unknown scenario
    and FileExistsError when `out/logs` already holds something.
    """
    chosen, fleet = scenario_named(scenario), FLEET
    if vary:
        variant = varied(chosen, seed)
        chosen, fleet = variant.scenario, variant.fleet
    minutes = chosen.minutes_after_onset if minutes_after_onset is None else minutes_after_onset
    end = time.time() if now is None else now
    sim = Simulation(chosen, seed, end - 60 * minutes, rate, fleet)
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    if any(logs.iterdir()):
        raise FileExistsError(f"{logs} is not empty")
    start = end - 3_600 * hours
    border = max(start, end // JSONL_S * JSONL_S)
    write_span(logs, sim, start, border, known_at=end)
    append_lines(logs / f"{file_stem(border)}.jsonl", json_lines(sim, border, end, known_at=end))
    write_openmetrics(out / "metrics.om", sim, start, end)
    truth = truth_of(chosen, seed, sim.onset)
    (out / "truth.json").write_text(truth.to_json(), encoding="utf-8")
    (out / "README.txt").write_text(_readme(out, chosen, seed, hours, end), encoding="utf-8")
    return truth


def _readme(out: Path, scenario: Scenario, seed: int, hours: float, end: float) -> str:
    moment = datetime.fromtimestamp(end, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return (
        f"Scenario {scenario.name} (seed {seed}): {scenario.summary}. {hours:g} hours of inference logs and metrics "
        f"of a simulated fleet until {moment}; truth.json says what was injected. To look at it:\n\n"
        f"mltriage --logs {out / 'logs'} --scrape {out / 'metrics.om'} --at {moment}\n"
    )


class LiveFleet:
    """A fleet that goes on: one child process appends rows, serves /metrics and writes the older hours.

    The child ends, and removes `folder`, when `stop` is called or this process is gone.
    """

    def __init__(self, folder: Path, truth: Truth, child: subprocess.Popen[bytes], metrics_url: str) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.labels = folder / "labels"
        """What was not known when its row was written."""
        self.history = folder / "metrics.om"
        self.metrics_url = metrics_url
        self.truth = truth
        self.child = child

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
        """Write the last `recent_hours` and start the child, which adds the rest of `hours`.

        A negative `minutes_after_onset` puts the fault into the future. Raises ValueError for an unknown scenario and
        RuntimeError when the child does not start.
        """
        chosen = scenario_named(scenario)
        minutes = chosen.minutes_after_onset if minutes_after_onset is None else minutes_after_onset
        now = time.time()
        sim = Simulation(chosen, seed, now - 60 * minutes, rate)
        folder = Path(tempfile.mkdtemp(prefix="mltriage-demo-"))
        recent = now - 3_600 * min(hours, recent_hours)
        order = {
            "folder": str(folder),
            "scenario": chosen.name,
            "seed": seed,
            "onset": sim.onset,
            "rate": rate,
            "oldest": now - 3_600 * hours,
            "recent": recent,
            "now": now,
        }
        child = _spawn(order, folder)
        try:
            (folder / "labels").mkdir(exist_ok=True)
            write_span(folder / "logs", sim, recent, now, known_at=now)
            truth = truth_of(chosen, seed, sim.onset)
            (folder / "truth.json").write_text(truth.to_json(), encoding="utf-8")
            return cls(folder, truth, child, _metrics_url(child, folder))
        except BaseException:
            _end(child, folder)
            raise

    def stop(self) -> None:
        """End the child and remove the folder. May be called twice."""
        _end(self.child, self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _spawn(order: dict[str, object], folder: Path) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    with (folder / "child.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "demo.live", json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )


def _metrics_url(child: subprocess.Popen[bytes], folder: Path) -> str:
    """The first line that the child prints."""
    stdout = cast(IO[bytes], child.stdout)
    ready, _, _ = select.select([stdout], [], [], _START_TIMEOUT_S)
    line = stdout.readline() if ready else b""
    if not line:
        said = (folder / "child.log").read_text(encoding="utf-8", errors="replace")[-2_000:]
        raise RuntimeError(f"the live fleet did not start: {said or 'no answer'}")
    return line.decode().strip()


def _end(child: subprocess.Popen[bytes], folder: Path) -> None:
    """Closing its input tells the child to go."""
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
    try:
        child.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    shutil.rmtree(folder, ignore_errors=True)
