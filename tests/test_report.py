"""The report: its JSON is the documented contract, its exit status the answer, and foreign text is only text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analysis.answer import Finding, Severity, Signal, Snapshot, SourceStatus, State
from analysis.budgets import with_budgets
from analysis.causes import told
from analysis.filters import Eq
from analysis.view import Baseline, View
from connectors.base import UnreachableError
from demo.run import write
from tests.sample import sample
from tests.stores import NOW, Logs, steady
from tests.test_burn import failing
from tui import cli, report, report_json, report_text
from tui.feeds import LogFeed
from tui.session import Session
from tui.sources import open_session

ROOT = Path(__file__).resolve().parent.parent
BOMB = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\ud800"
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five hours of the demo until ten minutes after a fault in one segment."""
    folder = tmp_path_factory.mktemp("fleet")
    write(folder, "new-error", seed=3, minutes_after_onset=10, hours=5, now=NOW, rate=0.3)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status and standard output of a command line."""

    def status(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(list(arguments))
        assert isinstance(caught.value.code, int)
        return caught.value.code, capsys.readouterr().out

    return status


@pytest.fixture
def answer(fleet: Path, run: Run) -> tuple[int, dict[str, Any]]:
    code, out = run("report", "--format", "json", "--at", at(NOW), *sources(fleet))
    return code, json.loads(out)


def at(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sources(fleet: Path) -> tuple[str, ...]:
    return ("--logs", str(fleet / "logs"), "--scrape", str(fleet / "metrics.om"))


def documented() -> set[str]:
    """Keys of the table in docs/report.md."""
    table = (ROOT / "docs" / "report.md").read_text().partition("## JSON")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def walked(value: Any, path: str = "") -> Iterator[str]:
    """Every key of an answer, as the documentation writes it; what a reader chooses the keys of is not entered."""
    if isinstance(value, dict) and not path.endswith(".segment"):
        for key, inner in value.items():
            yield f"{path}.{key}".lstrip(".")
            yield from walked(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from walked(inner, f"{path}[]")


async def snapshot(*stores: Logs) -> Snapshot:
    """The answer of a session at `NOW`."""
    session = Session(
        [LogFeed(store, (0.0, 1.0), lambda: NOW) for store in stores], [], View(window_s=600), clock=lambda: NOW
    )
    await session.poll_all()
    return session.answer()[0]


def test_a_story_is_told_with_its_leader_first_and_all_of_it() -> None:
    plain = sample()
    answer = replace(plain, findings=told(plain.findings, plain.frame.step))
    findings = report_json.as_dict(answer)["findings"]
    assert [finding["rank"] for finding in findings] == list(range(1, len(plain.findings) + 1))
    version = next(finding for finding in findings if finding["signal"] == "version")
    assert version["folded_into"] == 1
    assert findings[0]["folded_into"] is None
    assert version["rank"] in [cause["rank"] for cause in findings[0]["caused_by"]]
    lines = report_text.as_text(answer).splitlines()
    assert lines[4].startswith("    info ")
    assert lines[4].endswith("  cause?")
    assert "| └ info |" in report_text.as_markdown(answer)


def test_every_key_is_documented_and_every_documented_key_exists(answer: tuple[int, dict[str, Any]]) -> None:
    found = set(walked(answer[1]))
    plain = sample()
    stories = replace(plain, findings=told(plain.findings, plain.frame.step))
    found |= set(walked(report_json.as_dict(with_budgets(stories, [failing(0.05, 30)]))))
    optional = {f"findings[].{key}" for key in {*report_json.SUBJECT_KEYS.values(), "check"}}
    assert found - documented() == set()
    assert documented() - found <= optional
    assert optional <= documented()


def test_the_fault_of_the_demo_is_found_and_is_the_exit_status(answer: tuple[int, dict[str, Any]]) -> None:
    code, document = answer
    assert (code, document["status"]) == (1, "warning")
    first = document["findings"][0]
    assert (first["signal"], first["model"]) == ("error", "fraud")
    assert dict(first["where"][0]["segment"]) == {"region": "eu-w1"}
    assert {source["state"] for source in document["sources"]} == {"live"}


def test_ages_count_from_the_moment_that_is_looked_at(answer: tuple[int, dict[str, Any]]) -> None:
    document = answer[1]
    assert all(0 <= source["age_s"] < 60 for source in document["sources"])
    assert 300 <= document["findings"][0]["onset_s_ago"] <= 900


def test_the_past_is_answered_as_it_was_when_it_was_the_present(
    fleet: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = NOW - 120
    _, past = run("report", "--format", "json", "--at", at(moment), "--logs", str(fleet / "logs"))
    write(tmp_path, "new-error", seed=3, minutes_after_onset=8, hours=5 - 1 / 30, now=moment, rate=0.3)
    monkeypatch.setattr("tui.sources.open_session", partial(open_session, clock=lambda: moment))
    _, live = run("report", "--format", "json", "--logs", str(tmp_path / "logs"))

    def told(text: str) -> list[tuple[object, ...]]:
        return [
            (
                f["signal"],
                f["model"],
                f.get("error_type"),
                f["severity"],
                f["onset"],
                [w["segment"] for w in f["where"]],
            )
            for f in json.loads(text)["findings"]
        ]

    assert told(past) == told(live)
    keys = ("request_rate", "error_ratio", "confidence_mean")
    for then, now in zip(json.loads(past)["models"], json.loads(live)["models"], strict=True):
        assert [then[k] for k in keys] == pytest.approx([now[k] for k in keys], rel=1e-3)


def test_a_healthy_fleet_is_ok(tmp_path: Path, run: Run) -> None:
    write(tmp_path, "healthy", seed=2, minutes_after_onset=10, hours=5, now=NOW, rate=0.3)
    code, out = run("report", "--at", at(NOW), *sources(tmp_path))
    assert code == 0
    assert out.startswith("OK ")
    assert "nothing changed: " in out or "info" in out


@pytest.mark.parametrize(
    ("severities", "code"),
    [((), 0), (("info",), 0), (("warning", "info"), 1), (("critical", "warning"), 2)],
)
async def test_the_worst_finding_is_the_exit_status(severities: tuple[str, ...], code: int) -> None:
    found = await snapshot(Logs(steady()))
    findings = tuple(Finding(Signal.LATENCY, "fraud", Severity(s), "slow", 1, 1, 1, 1) for s in severities)
    assert report.EXIT[replace(found, findings=findings).status] == code


async def test_without_data_and_with_a_failed_only_source_nothing_can_be_told() -> None:
    down = Logs(name="down")
    down.fails["describe"] = UnreachableError("refused")
    for stores in ((Logs(),), (down,), (Logs(), down), ()):
        found = await snapshot(*stores)
        assert report.EXIT[found.status] == 3
        assert report_json.as_dict(found)["status"] == "unknown"
        assert report_text.as_text(found).startswith("UNKNOWN")
        assert "# mltriage: unknown" in report_text.as_markdown(found)


async def test_a_failed_source_beside_a_healthy_one_is_a_warning() -> None:
    down = Logs(name="down")
    down.fails["describe"] = UnreachableError("refused")
    found = await snapshot(Logs(steady()), down)
    assert report.EXIT[found.status] == 1


async def test_numbers_and_times_that_do_not_exist_are_null() -> None:
    found = await snapshot(Logs(steady()))
    odd = Finding(
        Signal.LATENCY, "m", Severity.INFO, "", float("nan"), float("inf"), 0, 0, now=float("-inf"), onset=1e300
    )
    source = SourceStatus("s", "files", State.LIVE, newest_sample=1e18)
    document = json.loads(report_json.as_json(replace(found, findings=(odd,), sources=(source,))))
    assert {document["findings"][0][key] for key in ("effect", "score", "now", "onset")} == {None}
    assert document["sources"][0]["newest_sample"] is None


async def bombed() -> Snapshot:
    """A snapshot in which every text from outside is hostile."""
    rows = [replace(row, model=BOMB, error=BOMB) for row in steady()]
    found = await snapshot(Logs(rows, name=BOMB))
    where = replace(found.view, where=Eq("region", BOMB), models=(BOMB,), baseline=Baseline("version", version=BOMB))
    source = SourceStatus(BOMB, "files", State.FAILED, NOW, BOMB, BOMB, NOW)
    finding = Finding(Signal.ERROR, BOMB, Severity.WARNING, BOMB, 1, 1, 1, 1, subject=BOMB)
    return replace(found, view=where, sources=(source,), findings=(finding,), notes=(BOMB,))


@pytest.mark.parametrize("form", [report_json.as_json, report_text.as_text, report_text.as_markdown])
async def test_text_from_outside_cannot_act_on_a_terminal(
    form: Callable[[Snapshot], str], capsys: pytest.CaptureFixture[str]
) -> None:
    report.write(form(await bombed()))
    shown = capsys.readouterr().out
    assert "owned" in shown
    assert not {c for c in shown if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\ud800")}


async def test_json_gives_foreign_text_back_as_it_was() -> None:
    assert json.loads(report_json.as_json(await bombed()))["sources"][0]["name"] == BOMB


async def test_text_from_outside_is_no_markdown() -> None:
    found = await snapshot(Logs(steady()))
    nasty = r"![x](http://evil/p.png) <b> a\|b `c` [l](u)"
    shown = report_text.as_markdown(replace(found, notes=(nasty,)))
    line = next(line for line in shown.splitlines() if "evil" in line)
    assert r"!\[x\](http://evil/p.png) &lt;b> a\\\|b 'c' \[l\](u)" in line


async def test_text_and_markdown_say_under_which_filter_they_hold() -> None:
    found = await snapshot(Logs(steady()))
    found = replace(found, view=replace(found.view, where=Eq("region", "eu"), models=("fraud",)))
    for text in (report_text.as_text(found), report_text.as_markdown(found)):
        assert "region=eu, models fraud" in text


def test_an_encoding_without_the_character_gets_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    report.write("␛ é")
    sys.stdout.flush()
    assert raw.getvalue() == b"\\u241b \xe9"
