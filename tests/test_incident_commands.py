"""`mltriage flag` and `mltriage incidents`, from the command line to the files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.run import write
from incidents.flagging import declare, draft
from incidents.journal import Journal
from incidents.place import choose
from tests.receivers import Receiver, receiver, until
from tests.sample import sample
from tests.stores import NOW
from tests.test_app import until as until_shown
from tests.test_report import at, sources
from tui import cli
from tui.app import Triage
from tui.config import load
from tui.options import Flags, resolve

ROOT = Path(__file__).resolve().parent.parent
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours of the demo until ten minutes after a fault in one segment."""
    folder = tmp_path_factory.mktemp("fleet")
    write(folder, "new-error", seed=3, minutes_after_onset=10, hours=3, now=NOW, rate=0.3)
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status, standard output and standard error of a command line with a journal of its own."""
    monkeypatch.setenv("MLTRIAGE_INCIDENT_DIR", str(tmp_path / "journal"))
    monkeypatch.setenv("MLTRIAGE_USER", "alice")
    monkeypatch.chdir(tmp_path)

    def status(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(list(arguments))
        assert isinstance(caught.value.code, int)
        return caught.value.code, *capsys.readouterr()

    return status


@pytest.fixture
def incident(run: Run, fleet: Path) -> str:
    """The id of an incident about the first finding of the demo."""
    code, out, err = run("flag", "--at", at(NOW), *sources(fleet))
    assert code == 0, err
    return out.strip()


def test_flag_saves_what_the_report_answers_and_prints_its_id(run: Run, incident: str) -> None:
    assert re.fullmatch(r"INC-\d{6}-\w{4}", incident)
    _, out, _ = run("incidents", "show", "last", "--json")
    whole = json.loads(out)
    assert whole["model"] == "fraud"
    assert whole["declared_by"]["user"] == "alice"
    assert whole["readings"][0]["signal"] == "error"
    assert set(whole["evidence"][0]["blobs"]) == {"snapshot", "screen"}
    assert whole["queries"]


def test_flagging_the_same_again_joins_and_new_declares_another(run: Run, incident: str, fleet: Path) -> None:
    code, out, err = run("flag", "--at", at(NOW), *sources(fleet))
    assert (code, out.strip()) == (0, incident)
    assert "joined" in err
    _, other, _ = run("flag", "--new", "--at", at(NOW), *sources(fleet))
    assert other.strip() != incident
    _, out, _ = run("incidents", "list")
    assert len(out.splitlines()) == 2


def test_an_incident_lives_from_the_first_note_to_the_export(run: Run, incident: str) -> None:
    short = incident[-4:]
    for arguments in (
        ("note", short, "the feature store answers slowly"),
        ("severity", short, "1", "--reason", "checkout is down"),
        ("role", short, "commander", "bob"),
        ("link", short, "https://grafana.example.com/d/1"),
        ("criterion", short, "no Timeout for an hour"),
        ("criterion", short, "1", "--met"),
        ("criterion", short, "p99 below 200 ms"),
        ("status", short, "monitoring", "--reason", "rolled back"),
        ("resolve", short, "--reason", "old version serves again"),
    ):
        code, _, err = run("incidents", *arguments)
        assert code == 0, err
        assert f"saved {incident}" in err
    assert "nobody said that it holds: 2 [ ] p99 below 200 ms" in err
    assert run("incidents", "criterion", short, "3", "--met")[0] == 1
    _, text, _ = run("incidents", "export", incident)
    for words in ("SEV-1 (checkout is down)", "feature store answers slowly", "- bob, commander", "| resolved |"):
        assert words in text
    _, lines, _ = run("incidents", "handoff", incident)
    assert len(lines.splitlines()) == 12
    assert run("incidents", "list")[1] == ""
    assert incident in run("incidents", "list", "--all")[1]
    assert json.loads(run("incidents", "list", "--all", "--json")[1])[0]["status"] == "resolved"
    assert run("incidents", "verify")[0] == 0


def test_a_line_can_be_retracted_and_an_incident_merged(run: Run, incident: str, fleet: Path) -> None:
    _, other, _ = run("flag", "--new", "--at", at(NOW), *sources(fleet))
    run("incidents", "note", incident, "wrong guess")
    event = json.loads(run("incidents", "show", incident, "--json")[1])["timeline"][-1]["event"]
    assert run("incidents", "retract", incident, event)[0] == 0
    assert "(retracted) wrong guess" in run("incidents", "show", incident)[1]
    assert run("incidents", "merge", other.strip(), incident)[0] == 0
    assert other.strip() not in run("incidents", "list")[1]
    assert run("incidents", "merge", incident, incident)[0] == 1


def test_nothing_is_flagged_where_nothing_changed_unless_a_title_is_given(
    run: Run, tmp_path: Path, fleet: Path
) -> None:
    quiet = ("--at", at(NOW - 3_600), *sources(fleet))
    code, out, err = run("flag", *quiet)
    assert (code, out) == (1, "")
    assert "--title" in err
    assert not (tmp_path / "journal").exists()
    code, out, _ = run("flag", *quiet, "--title", "users complain", "--note", "call from support")
    assert code == 0
    assert "users complain" in run("incidents", "show", out.strip())[1]
    assert run("flag", *quiet, "--finding", "3")[0] == 1


def test_a_source_that_fails_can_be_flagged(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("flag", "--logs", str(tmp_path / "missing"))
    assert code == 0
    assert "missing" in run("incidents", "show", out.strip())[1]


@pytest.mark.parametrize("arguments", [("show", "INC-000000-AAAA"), ("note", "zzzz", "x"), ("show", "last")])
def test_an_unknown_incident_is_told_with_the_folder(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = run("incidents", *arguments)
    assert (code, out) == (1, "")
    assert str(tmp_path / "journal") in err


def test_purge_asks_and_deletes(run: Run, incident: str) -> None:
    assert run("incidents", "purge", incident, "--yes")[0] == 0
    assert run("incidents", "show", incident)[0] == 1


def test_damage_is_the_exit_status_of_verify(run: Run, incident: str, tmp_path: Path) -> None:
    next((tmp_path / "journal" / incident / "blobs").glob("*.txt")).write_text("forged")
    code, out, _ = run("incidents", "verify")
    assert code == 1
    assert "its hash is" in out


def test_what_cannot_be_saved_anywhere_says_so_with_its_own_status(
    run: Run, incident: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from incidents import files

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "append", full)
    code, _, err = run("incidents", "note", incident, "x")
    assert code == 3
    assert "NOT SAVED" in err
    assert "No space left" in err


def test_an_incident_in_memory_alone_is_loud_and_has_its_own_status(
    run: Run, incident: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from incidents import files

    memory = tmp_path / "run"
    memory.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    write_line = files.append

    def full(descriptor: int, line: bytes) -> None:
        if str(memory) not in Path(f"/proc/self/fd/{descriptor}").resolve().as_posix():
            raise OSError(28, "No space left on device")
        write_line(descriptor, line)

    monkeypatch.setattr(files, "append", full)
    code, _, err = run("incidents", "note", incident, "still here")
    assert code == 2
    assert "NOT DURABLE" in err
    assert "still here" in err  # the record as text, to be copied
    monkeypatch.undo()
    monkeypatch.setenv("MLTRIAGE_INCIDENT_DIR", str(tmp_path / "journal"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    assert "still here" in run("incidents", "show", incident)[1]
    assert list((memory / "mltriage" / "incidents").glob("*/INC-*")) == []


CANARY = "canary0123456789abcdef0123456789"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Receiver]]:
    """A configuration with a pager and a chat, and what each of them was sent."""
    with receiver("pagerduty") as pager, receiver("slack") as chat:
        for name, secret in (("pager", CANARY), ("chat", f"{chat.url}/services/{CANARY}")):
            (tmp_path / name).write_text(secret)
            (tmp_path / name).chmod(0o600)
        config = tmp_path / "config.yaml"
        config.write_text(
            f"targets:\n- {{name: pager, kind: pagerduty, url: '{pager.url}', secret_file: pager}}\n"
            "- {name: chat, kind: slack, secret_file: chat}\nincidents: {environment: test}\n"
        )
        monkeypatch.setenv("MLTRIAGE_CONFIG", str(config))
        yield {"pager": pager, "chat": chat}


def test_targets_are_told_after_the_incident_is_saved_and_nothing_prints_a_secret(
    run: Run, told: dict[str, Receiver], fleet: Path, tmp_path: Path
) -> None:
    code, out, err = run("flag", "--at", at(NOW), *sources(fleet))
    assert code == 0, err
    assert err.index("saved") < err.index("pager: ok")
    assert [event["dedup_key"] for event in told["pager"].taken] == [out.strip()]
    assert run("incidents", "note", "last", "it was version 42")[0] == 0
    assert len(told["chat"].taken) == 2
    assert "it was version 42" in told["chat"].taken[1]["text"]
    assert run("incidents", "--no-notify", "severity", "last", "1")[0] == 0
    assert run("incidents", "resolve", "last")[0] == 0
    assert [event["event_action"] for event in told["pager"].taken] == ["trigger", "resolve"]
    assert "; told: pager ok, chat ok" in run("incidents", "handoff", "last")[1]
    printed = [
        err,
        *(text for form in ("show", "export", "handoff") for text in run("incidents", form, "last")[1:]),
        *run("incidents", "show", "last", "--json")[1:],
        *run("config", "show")[1:],
        *run("flag", "--new", "--dry-run", "--at", at(NOW), *sources(fleet))[1:],
        *run("doctor")[1:],
    ]
    assert [text for text in printed if CANARY in text] == []


def test_what_could_not_be_told_is_the_exit_status_and_can_be_delivered_later(
    run: Run, told: dict[str, Receiver], fleet: Path
) -> None:
    told["chat"].script += ["404"]
    told["pager"].script += ["500"] * 9
    code, _, err = run("flag", "--wait", "3", "--at", at(NOW), *sources(fleet))
    assert code == 4
    assert "chat: failed (HTTP 404" in err
    assert "it stays in the outbox" in err
    told["pager"].script.clear()
    code, _, err = run("incidents", "deliver")
    assert code == 0
    assert "pager: ok" in err
    assert len(told["pager"].taken) == 1


def test_a_dry_run_saves_and_sends_nothing(run: Run, told: dict[str, Receiver], fleet: Path, tmp_path: Path) -> None:
    code, out, _ = run("flag", "--dry-run", "--to", "pager", "--at", at(NOW), *sources(fleet))
    assert code == 0
    assert '"routing_key": "***"' in out
    assert "# chat" not in out
    assert told["pager"].got == []
    assert not list((tmp_path / "journal").glob("INC-*"))


def test_a_test_tells_the_targets_of_a_drill_and_keeps_nothing(
    run: Run, told: dict[str, Receiver], tmp_path: Path
) -> None:
    code, out, _ = run("incidents", "test")
    assert code == 0
    assert out.count(": ok") == 4
    assert "[DRILL]" in told["chat"].taken[0]["text"]
    assert told["pager"].taken[0]["payload"]["custom_details"]["is_drill"] == "true"
    assert not (tmp_path / "journal").exists()
    assert run("incidents", "test", "nobody")[0] == 1


async def test_the_screen_delivers_what_an_earlier_run_has_left(
    told: dict[str, Receiver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLTRIAGE_INCIDENT_DIR", str(tmp_path / "journal"))
    journal = Journal(choose())
    snapshot = sample()
    incident = declare(journal, draft(snapshot, snapshot.findings[0]), notify=["pager"]).event.incident
    journal.close()
    app = Triage(resolve(Flags(), load(), NOW))
    async with app.run_test() as pilot:
        await until_shown(pilot, lambda: bool(told["pager"].taken))
    assert [event["dedup_key"] for event in told["pager"].taken] == [incident]


def test_the_process_list_shows_no_secret(tmp_path: Path, told: dict[str, Receiver]) -> None:
    told["pager"].script += ["hang"]
    command = [sys.executable, "-m", "tui", "incidents", "test", "pager"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until(lambda: told["pager"].got)
        listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        assert "incidents test pager" in listed
        assert CANARY not in listed
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        assert CANARY.encode() not in environment
    finally:
        process.kill()
        process.communicate()


def test_the_first_help_of_incidents_imports_nothing_heavy() -> None:
    code = "import sys; from tui.cli import main\ntry: main(['incidents', '--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'numpy', 'httpx', 'textual', 'ulid'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
