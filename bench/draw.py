"""CPU time of drawing: `python -m bench.draw`.

For each panel: milliseconds of CPU to take a new part and render every line, at a quarter of 120x40 and at 200x45, as a
ratio to the budget of 16 ms; then the same line chart by the own painter and by plotext.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from analysis.answer import Snapshot
from tests.panel_app import LOOK, PANELS, PanelApp, give
from tests.sample import sample
from widgets.axis import Axis
from widgets.chart import Polyline, draw
from widgets.panel import Panel

BUDGET_MS = 16.0
_ROUNDS = 25


def cpu_ms(action: Callable[[], object], rounds: int = _ROUNDS) -> tuple[float, float]:
    """(smallest, median) milliseconds of CPU of one call, after one call that does not count."""
    action()
    taken = []
    for _ in range(rounds):
        before = time.process_time()
        action()
        taken.append((time.process_time() - before) * 1000)
    return min(taken), statistics.median(taken)


def different_answers() -> Iterator[Snapshot]:
    """Snapshots of one moment whose numbers differ, so that no cache answers."""
    seed = 0
    while True:
        seed += 1
        made = sample(seed=seed)
        shares = made.confidence.now
        assert shares is not None
        yield replace(
            made,
            models=tuple(replace(model, request_rate=float(seed)) for model in made.models),
            findings=tuple(
                replace(finding, n=float(seed), where=finding.where[: seed % 3]) for finding in made.findings
            ),
            confidence=replace(made.confidence, now=np.roll(shares, seed)),
            features=replace(made.features, rows=tuple(replace(row, n=float(seed)) for row in made.features.rows)),
        )


async def panel_ms(kind: type[Panel[Any]], size: tuple[int, int]) -> tuple[float, float]:
    """CPU of `show` with new data and of rendering every line."""
    app = PanelApp(kind(LOOK))
    async with app.run_test(size=size):
        panel = app.panels[0]
        answers = different_answers()
        ready = [next(answers) for _ in range(_ROUNDS + 1)]

        def redraw() -> None:
            give(panel, ready.pop())
            for y in range(size[1]):
                panel.render_line(y)

        return cpu_ms(redraw)


def with_plotext(lines: list[Polyline], size: tuple[int, int], limits: tuple[float, float]) -> object:
    """The same line chart by plotext."""
    import plotext

    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plotsize(*size)
    plotext.theme("clear")
    for line in lines:
        plotext.plot(line.t.tolist(), line.v.tolist(), marker="braille")
    plotext.ylim(*limits)
    return plotext.build()


def main() -> None:
    """Print the tables."""
    print(f"{'panel':<18}{'size':>9}{'min ms':>9}{'median':>9}{'of 16 ms':>10}")
    for kind in PANELS:
        for size in ((59, 13), (200, 45)):
            least, median = asyncio.run(panel_ms(kind, size))
            print(f"{kind.__name__:<18}{size[0]:>5}x{size[1]:<3}{least:>9.2f}{median:>9.2f}{median / BUDGET_MS:>9.0%}")
    rng = np.random.default_rng(1)
    print(f"\n{'line chart':<18}{'size':>9}{'own ms':>9}{'plotext':>9}{'ratio':>10}")
    for size, count, points in (((60, 14), 4, 120), ((120, 30), 4, 120), ((120, 30), 4, 300)):
        t = np.arange(points, dtype=np.int64) * 60
        lines = [Polyline(t, 100 * (i + 1) + rng.normal(0, 8, points), "now", step=60) for i in range(count)]
        limits, span = Axis().limits(0, 440), (0.0, points * 60.0)
        _, own = cpu_ms(lambda: draw(lines, size, limits=limits, span=span))  # noqa: B023
        _, theirs = cpu_ms(lambda: with_plotext(lines, size, limits), rounds=10)  # noqa: B023
        ratio = f"x{theirs / own:.0f}"
        print(f"{count}x{points:<16}{size[0]:>5}x{size[1]:<3}{own:>9.2f}{theirs:>9.2f}{ratio:>10}")


if __name__ == "__main__":
    main()
