"""What is flagged in a demo is kept as a drill in a folder of its own, and never among real incidents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from incidents.place import choose, choose_demo
from tests.test_app import fleet, located, options, until
from tests.test_incident_screen import kept, store
from tui.app import Triage
from tui.cli import main
from tui.config_schema import Incidents
from tui.output import farewell
from widgets.header import HeaderPanel
from widgets.panel import text_of

__all__ = ["fleet", "store"]


async def test_a_demo_keeps_its_incidents_to_itself_and_still_counts_and_joins_them(
    fleet: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = replace(options(fleet), demo=True, incidents=Incidents(environment="demo"))
    async with Triage(chosen).run_test(size=(80, 24)) as pilot:
        app = await located(pilot)
        await pilot.press("F", "enter")
        header = app.main.query_one(HeaderPanel)
        await until(pilot, lambda: "INC 1" in text_of(header)[0])
        assert text_of(header)[0].startswith(" demo ")
        await pilot.press("F")
        assert app.screen.query("#join")
        await pilot.press("escape")
        last_words = farewell(app.snapshot, [], app.open_words())
    (incident,) = kept(chosen)
    assert incident.drill
    assert kept(replace(chosen, demo=False)) == []
    assert choose_demo().folder != choose(None).folder
    assert f"mltriage incidents --demo show {incident.id}" in last_words
    for command, status, words in (
        (["incidents", "--demo", "show", "last"], 0, f"{incident.id} SEV-2 investigating DRILL"),
        (["incidents", "--demo", "export", "last"], 0, f"`mltriage replay --demo {incident.id}` opens the screens"),
        (["incidents", "show", "last"], 1, "the demo has 1: --demo looks there"),
        (["incidents", "show", incident.id], 1, "the demo has 1: --demo looks there"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == status
        said = capsys.readouterr()
        assert words in said.out + said.err


def test_the_demo_itself_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from tui import demo_command
    from tui.options import Flags, Options

    started: list[Options] = []

    def run(chosen: Options, _: object) -> int:
        started.append(chosen)
        return 0

    monkeypatch.setattr("tui.app.run", run)
    demo_command.run(demo_command.FleetSpec("healthy"), Flags())
    (chosen,) = started
    assert chosen.demo
    assert chosen.incidents.environment == "demo"
    assert chosen.targets == ()
