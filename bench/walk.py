"""The walk from an alert to its segment, as text: each key and what the screen says then. Writes docs/walk.md.

    python -m bench.walk [--size 100x32] > docs/walk.md

The fleet, its fault and its clock are fixed, so that the same code writes the same walk.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.answer import State
from demo.run import write
from tui.app import Triage
from tui.config import load
from tui.config_schema import LogSource, ScrapeSource
from tui.options import Flags, resolve
from widgets.listing import ListPanel
from widgets.records import RecordsPanel
from widgets.selection import SelectionPanel
from widgets.split import SplitPanel

NOW = 1_793_803_273
"""2026-11-04T14:41:13Z"""

SCENARIO = "slow-tail"
PATIENCE_S = 120.0

HEAD = """# A walk: from "p99 is up" to the segment

What an engineer sees who is called because p99 of the fraud model is up. The demo fleet, the scenario `slow-tail`; each
step is one key. Written by `python -m bench.walk`.
"""

STEPS = (
    ((), "the first screen: the list names the change, the model, since when, and the segment that carries it", None),
    (("enter",), "`Enter` on the finding: its panel, large, with the segments below", None),
    (("enter",), "`Enter` on the segment: it is the filter now, and everything answers for it", None),
    (("u",), "`u` takes the filter back; the view from before is there at once", None),
    (("s", "enter"), "`s` and `Enter`: the values of the first dimension of the segment side by side", SplitPanel),
    (("escape", "v", *"slow", "enter"), "`v` and `slow`: what the slow requests have in common, without a baseline",
     SelectionPanel),
    (("escape", "o"), "`o`: the rows themselves, newest first", RecordsPanel),
)  # fmt: skip


def picture(app: Triage) -> str:
    """The screen as text."""
    console = Console(width=app.size.width, height=app.size.height, file=io.StringIO(), record=True, color_system=None)
    console.print(app.screen._compositor.render_update(full=True))
    return "\n".join(line.rstrip() for line in console.export_text().splitlines()).rstrip()


def filled(app: Triage, panel: type[ListPanel[Any, Any]]) -> bool:
    """Whether what a page fetches is there."""
    return app.main.query_one(panel).item is not None


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, as long as it takes on a busy machine."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("the answer never came")
        await asyncio.sleep(0.05)


async def walk(folder: Path, size: tuple[int, int]) -> None:
    """Press the keys of every step and print the screens."""
    options = replace(
        resolve(Flags(at=str(NOW)), load(None), time.time()),
        logs=(LogSource(name="inference", path=str(folder / "logs")),),
        scrape=(ScrapeSource(name="fleet", file=str(folder / "metrics.om")),),
    )
    app = Triage(options)

    def complete() -> bool:
        snapshot = app.snapshot
        return (
            snapshot is not None
            and snapshot.view.where == app.view.where
            and all(source.state is State.LIVE for source in snapshot.sources)
            and bool(snapshot.findings)
        )

    print(HEAD)
    async with app.run_test(size=size) as pilot:
        await until(lambda: complete() and app.snapshot is not None and bool(app.snapshot.findings[0].where))
        for number, (keys, words, panel) in enumerate(STEPS, 1):
            await pilot.press(*keys)
            await until(complete if panel is None else partial(filled, app, panel))
            await pilot.pause(0.5)
            print(f"## {number}. {words}\n\n```\n{picture(app)}\n```\n")


def main() -> None:
    """Write the fleet, walk, clean up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="100x32", help="columns x rows")
    columns, rows = map(int, parser.parse_args().size.split("x"))
    folder = Path(tempfile.mkdtemp(prefix="mltriage-walk-"))
    try:
        write(folder, SCENARIO, seed=1, minutes_after_onset=10, hours=5, now=NOW)
        asyncio.run(walk(folder, (columns, rows)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
