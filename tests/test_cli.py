"""The command line: what each command starts, with which options, and with which exit status."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from analysis.filters import Eq
from tui.cli import main
from tui.options import Options

ROOT = Path(__file__).resolve().parent.parent
Run = Callable[..., int]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of this machine."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("MLTRIAGE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run() -> Run:
    def status(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return status


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[object, ...]]:
    """Stands in for the screen, the report and the doctor: notes what each was started with, and answers 2."""
    seen: dict[str, tuple[object, ...]] = {}
    for name in ("app", "report", "doctor"):
        module = ModuleType(f"tui.{name}")

        def start(*given: object, name: str = name) -> int:
            seen[name] = given
            return 2

        module.run = start  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"tui.{name}", module)
    return seen


def options_of(given: tuple[object, ...]) -> Options:
    assert isinstance(given[0], Options)
    return given[0]


def test_without_a_command_the_screen_starts(run: Run, started: dict[str, tuple[object, ...]]) -> None:
    assert run("--logs", "a", "--logs", "b", "--model", "fraud", "--filter", "tier=free", "--ascii") == 2
    options = options_of(started["app"])
    assert [source.path for source in options.logs] == ["a", "b"]
    assert (options.view.models, options.view.where, options.ascii) == (("fraud",), Eq("tier", "free"), True)


def test_the_exit_status_of_the_report_is_the_answer(run: Run, started: dict[str, tuple[object, ...]]) -> None:
    assert run("report", "--logs", "a", "--format", "json", "--at", "-2h") == 2
    assert started["report"][1] == "json"
    assert not options_of(started["report"]).view.live


def test_flags_may_stand_before_the_command_and_those_after_it_win(
    run: Run, started: dict[str, tuple[object, ...]]
) -> None:
    run("--logs", "a", "--window", "1h", "--baseline", "1w", "report", "--window", "15m")
    view = options_of(started["report"]).view
    assert (view.window_s, view.baseline.kind) == (900, "1w")


def test_the_doctor_needs_no_source(run: Run, started: dict[str, tuple[object, ...]]) -> None:
    assert run("doctor") == 2
    assert not options_of(started["doctor"]).has_sources


@pytest.mark.parametrize("arguments", [(), ("report",)])
def test_without_a_source_it_says_how_to_start(
    arguments: tuple[str, ...], run: Run, started: dict[str, tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 64
    shown = capsys.readouterr()
    assert shown.out == ""
    for words in ("mltriage demo", "--logs", "--prometheus", "config init"):
        assert words in shown.err
    assert started == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("report", "--bogus"), "--bogus"),
        (("report", "--format", "xml", "--logs", "a"), "xml"),
        (("report", "--logs", "a", "--window", "soon"), "--window"),
        (("report", "--logs", "a", "--filter", "region"), "cannot read"),
        (("report", "--config", "gone.yaml"), "gone.yaml"),
        (("--theme", "pink"), "pink"),
        (("nonsense",), "nonsense"),
    ],
)
def test_a_command_line_that_cannot_be_used_is_never_taken_for_an_answer(
    arguments: tuple[str, ...], words: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 64
    shown = capsys.readouterr()
    assert shown.out == ""
    assert words in shown.err


def test_a_configuration_error_is_one_line_with_file_and_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text("window: 30m\nwindw: 1h\n")
    assert run("report", "--config", "c.yaml") == 64
    assert "Error: c.yaml:2: windw: unknown key; did you mean 'window'?" in capsys.readouterr().err


def test_a_defect_of_the_program_is_never_taken_for_an_answer(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    started: dict[str, tuple[object, ...]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object) -> int:
        raise RuntimeError("a defect")

    monkeypatch.setattr(sys.modules["tui.report"], "run", broken)
    assert run("report", "--logs", "a") == 70
    assert "a defect" in capsys.readouterr().err


def test_config_show_prints_values_with_their_origin(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mltriage.yaml").write_text("window: 1h\n")
    assert run("config", "show", "--theme", "light") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "window = 1h  (mltriage.yaml:1)" in lines
    assert "theme = light  (--theme)" in lines


def test_config_init_writes_the_example_once(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("config", "init") == 0
    written = tmp_path / "xdg/mltriage/config.yaml"
    assert written.read_text() == (ROOT / "config.example.yaml").read_text()
    written.write_text("window: 1h\n")
    assert run("config", "init") == 64
    assert written.read_text() == "window: 1h\n"
    assert run("config", "init", "here.yaml") == 0
    assert (tmp_path / "here.yaml").exists()
    assert capsys.readouterr().out == ""


def test_a_reader_that_goes_away_is_not_a_warning(tmp_path: Path) -> None:
    read = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m tui config show | true; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert read.returncode in (0, 141)
    assert read.stderr == ""


def test_the_package_runs_as_a_module_and_prints_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tui", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "mltriage, version 0.1.0\n"


def test_the_demo_lists_its_scenarios(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "--list") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert "slow-tail" in names
    assert "healthy" in names


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("demo", "--scenario", "slow-tial"), "did you mean 'slow-tail'"),
        (("--logs", "a", "demo"), "no source"),
        (("demo", "--window", "soon"), "--window"),
        (("demo", "--rate", "0"), "--rate"),
    ],
)
def test_a_demo_that_cannot_run_says_why(
    arguments: tuple[str, ...], words: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 64
    assert words in capsys.readouterr().err


def test_the_demo_writes_a_scenario_once(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("demo", "--write", "d", "--hours", "0.5", "--rate", "0.1")
    assert run(*arguments) == 0
    assert list((tmp_path / "d/logs").iterdir())
    assert "latency of fraud" in capsys.readouterr().err
    assert run(*arguments) == 64
    assert "not empty" in capsys.readouterr().err


def test_the_demo_runs_the_screen_on_a_live_fleet_and_cleans_up(
    run: Run,
    started: dict[str, tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def screen(_: Options, prepare: Callable[[], Options]) -> int:
        options = prepare()
        assert any(Path(str(options.logs[0].path)).iterdir())
        assert options.scrape[0].url is not None
        with urllib.request.urlopen(options.scrape[0].url, timeout=20) as page:
            assert b'model="fraud"' in page.read()
        started["app"] = (options,)
        return 0

    monkeypatch.setattr(sys.modules["tui.app"], "run", screen)
    assert run("demo", "--hours", "0.5", "--rate", "0.1", "--window", "15m", "--ascii") == 0
    options = options_of(started["app"])
    assert (options.view.window_s, options.ascii) == (900, True)
    assert not Path(str(options.logs[0].path)).exists()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "onset 8 min ago: latency of fraud in version=42" in shown.err


def test_numpy_starts_no_threads_for_what_nothing_here_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
