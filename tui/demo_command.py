"""`mltriage demo`: the simulated fleet behind the same screen and connectors as a real one."""

from __future__ import annotations

import difflib
import gc
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui.config import Loaded
from tui.config_schema import Config, Incidents, LogSource, ScrapeSource, Slo
from tui.options import Flags, Options, resolve

if TYPE_CHECKING:
    from demo.run import LiveFleet
    from demo.scenarios import Scenario, Truth


SLOS = (
    Slo(model="fraud", availability=0.997, latency=0.99, latency_ms=250),
    Slo(model="rank", availability=0.997, latency=0.99, latency_ms=100),
)
"""What the fleet promises: in health it spends two thirds of its budget."""


class DemoError(Exception):
    """The demo cannot be run as asked."""


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """What to simulate."""

    scenario: str
    minutes_after_onset: float | None = None
    """None: when the scenario is worth looking at."""
    seed: int = 1
    rate: float = 1.0
    """Traffic, times the usual."""
    hours: float = 24.0
    """History before now."""


def scenarios() -> str:
    """One line per scenario: its name and what is wrong."""
    from demo.scenarios import SCENARIOS

    width = max(map(len, SCENARIOS))
    return "\n".join(f"{name:{width}}  {scenario.summary}" for name, scenario in SCENARIOS.items())


def write(spec: FleetSpec, out: Path) -> int:
    """Write the logs, the metrics and the truth of a scenario to `out`.

    Raises:
        DemoError: an unknown scenario, or a folder that cannot be written or holds something.
    """
    scenario = _scenario(spec.scenario)
    from demo.run import write as write_files

    try:
        truth = write_files(
            out,
            spec.scenario,
            seed=spec.seed,
            minutes_after_onset=spec.minutes_after_onset,
            hours=spec.hours,
            rate=spec.rate,
        )
    except OSError as error:
        raise DemoError(f"--write {out}: {error.strerror or error}") from None
    _say(_summary(scenario, truth))
    _say(f"Written to {out}; {out / 'README.txt'} says how to look at it.")
    return 0


def run(spec: FleetSpec, flags: Flags) -> int:
    """Start a live fleet, run the screen on it, stop it. Returns the screen's exit status.

    Args:
        spec: what to simulate.
        flags: the view and the look; sources and `at` are not read.

    Raises:
        DemoError: an unknown scenario.
        FlagError: a flag's value cannot be read.
    """
    scenario = _scenario(spec.scenario)
    config = Config(slos=SLOS, incidents=Incidents(environment="demo"))
    options = replace(resolve(flags, Loaded(config), time.time()), demo=True)
    from demo.child import Child

    # Before the screen is imported: both cores work from the first moment on.
    child = Child.start(
        spec.scenario,
        seed=spec.seed,
        minutes_after_onset=spec.minutes_after_onset,
        hours=spec.hours,
        rate=spec.rate,
    )
    fleets: list[LiveFleet] = []

    def start() -> Options:
        from demo.run import LiveFleet

        fleet = LiveFleet.of(child)
        fleets.append(fleet)
        return replace(
            options,
            logs=(LogSource(name="inference", path=str(fleet.logs), label_files=str(fleet.labels)),),
            scrape=(
                ScrapeSource(name="fleet", url=fleet.metrics_url, interval=5.0),
                ScrapeSource(name="fleet", file=str(fleet.history)),
            ),
        )

    gc.disable()  # as for the screen without a demo: `tui.app` turns it on again after the first paint
    try:
        from tui.app import run as run_screen

        status = run_screen(options, start)
    finally:
        child.stop()
    for fleet in fleets:
        _say(_summary(scenario, fleet.truth))
    _say("The fleet has stopped and its data are gone; mltriage demo --write DIR keeps them.")
    return status


def _scenario(name: str) -> Scenario:
    from demo.scenarios import SCENARIOS

    if name not in SCENARIOS:
        near = difflib.get_close_matches(name, SCENARIOS, n=1)
        raise DemoError(f"no scenario {name!r}{f'; did you mean {near[0]!r}?' if near else ''}; --list names them all")
    return SCENARIOS[name]


def _summary(scenario: Scenario, truth: Truth) -> str:
    """What was injected, for whoever wants to know whether the screen was right."""
    if not truth.faults:
        return f"Scenario {scenario.name}: {scenario.summary}."
    minutes = (time.time() - truth.onset) / 60
    began = f"{minutes:.0f} min ago" if minutes >= 0 else f"in {-minutes:.0f} min"
    main = truth.faults[0].expected
    where = " ".join(f"{dim}={value}" for dim, value in main.segment)
    signal = f"{main.signal} {main.subject}".strip()
    return f"Scenario {scenario.name}, onset {began}: {signal} of {main.model}{f' in {where}' if where else ''}."


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
