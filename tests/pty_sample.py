"""A small Textual application with six live text charts, for tests and measurements in a real terminal.

Options: --plain (Textual's own driver), --still (nothing moves), --hz N, --empty (no widgets), --stubborn (on_unmount
never returns), --no-mouse, --trace FILE (writes what happened there).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Grid
from textual.timer import Timer
from textual.widgets import Footer, Header, Static

from tui import lifecycle
from tui.driver import CellDiffDriver


class Chart(Static):
    DEFAULT_CSS = "Chart { border: round $primary; height: 1fr; }"

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.tick = 0
        self.border_title = f"p99 ms {number}"

    def on_resize(self) -> None:
        self.draw(self.tick)

    def draw(self, tick: int) -> None:
        self.tick = tick
        width, height = max(self.size.width - 6, 1), max(self.size.height - 1, 1)
        levels = [(math.sin((x + tick) / (5 + self.number)) + 1) / 2 * height for x in range(width)]
        rows = []
        for row in range(height):
            floor = height - row - 1
            line = "".join(" ▁▂▃▄▅▆▇█"[min(8, max(0, round((level - floor) * 8)))] for level in levels)
            rows.append(f"[$text-muted]{floor * 10:4d}ms[/][$accent]{line}[/]")
        self.update("\n".join([f"[b]{levels[-1]:.2f}[/] [red]CRIT[/]", *rows]))


class Sample(App[None]):
    CSS = "Grid { grid-size: 3 2; }"
    BINDINGS: ClassVar[list[BindingType]] = [("q", "quit", "Quit"), ("t", "tell", "Tell"), ("m", "mouse", "Mouse")]

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(driver_class=None if options.plain else CellDiffDriver)
        self.options = options
        self.ticks = 0
        self.timer: Timer | None = None

    def compose(self) -> ComposeResult:
        if self.options.empty:
            yield Static("ready")
            return
        yield Header()
        with Grid():
            for number in range(6):
                yield Chart(number)
        yield Static("pressed 0", id="pressed")
        yield Footer()

    def on_mount(self) -> None:
        if not self.options.plain:
            lifecycle.install(self, save=lambda: self.trace("saved"))
        if not self.options.empty:
            self.call_after_refresh(self.tick)
            if not self.options.still:
                self.timer = self.set_interval(1 / self.options.hz, self.tick)

    def tick(self) -> None:
        self.ticks += 1
        self.draw_all()

    def draw_all(self) -> None:
        with self.batch_update():
            for chart in self.query(Chart):
                chart.draw(self.ticks)

    def action_tell(self) -> None:
        label = self.query_one("#pressed", Static)
        label.update(f"pressed {int(str(label.content).split()[1]) + 1}")

    def action_mouse(self) -> None:
        assert isinstance(self._driver, CellDiffDriver)
        self._driver.set_mouse(not self._driver.mouse)

    async def on_unmount(self) -> None:
        self.trace("unmounted")
        if self.options.stubborn:
            await asyncio.Event().wait()

    def trace(self, event: str) -> None:
        if self.options.trace:
            with Path(self.options.trace).open("a") as file:
                file.write(event + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    for flag in ("plain", "still", "empty", "stubborn", "no-mouse"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--hz", type=float, default=1.0)
    parser.add_argument("--trace")
    options = parser.parse_args()
    if (problem := lifecycle.terminal_problem()) is not None:
        sys.stderr.write(problem + "\n")
        sys.exit(3)
    app = Sample(options)
    app.run(mouse=not options.no_mouse)
    if isinstance(app._driver, CellDiffDriver) and options.trace:
        app.trace(f"dropped {app._driver.frames_dropped}")
    sys.exit(app.return_code)


if __name__ == "__main__":
    main()
