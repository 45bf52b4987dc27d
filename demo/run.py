"""The two ways to use the fleet: write a scenario to a folder, or keep one alive beside the program."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from demo.blocks import Simulation
from demo.child import Child, scenario_named
from demo.fleet import FLEET
from demo.lines import JSONL_S, append_lines, json_lines
from demo.metrics import write_openmetrics
from demo.scenarios import SCENARIOS, Scenario, Truth, truth_of
from demo.vary import varied
from demo.writer import file_stem, write_span


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
    """A fleet that goes on: one child process appends rows, serves /metrics and writes the older hours."""

    def __init__(self, child: Child, truth: Truth, metrics_url: str) -> None:
        self.child = child
        self.folder = child.folder
        self.logs = self.folder / "logs"
        self.labels = self.folder / "labels"
        """What was not known when its row was written."""
        self.history = self.folder / "metrics.om"
        self.metrics_url = metrics_url
        self.truth = truth

    @classmethod
    def of(cls, child: Child) -> Self:
        """Write the newest part of the history while the child writes the rest; it goes on with the older hours.

        Returns when the last `RECENT_HOURS`, or what `Child.start` was told, are there. Raises RuntimeError when the
        child does not start.
        """
        order, folder = child.order, child.folder
        try:
            sim = Simulation(SCENARIOS[order.scenario], order.seed, order.onset, order.rate)
            (folder / "labels").mkdir(exist_ok=True)
            write_span(folder / "logs", sim, order.shared, order.now, known_at=order.now)
            truth = truth_of(sim.scenario, order.seed, order.onset)
            (folder / "truth.json").write_text(truth.to_json(), encoding="utf-8")
            return cls(child, truth, child.metrics_url())
        except BaseException:
            child.stop()
            raise

    def stop(self) -> None:
        """End the child and remove the folder. May be called twice."""
        self.child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
