"""A secret goes to its target and nowhere else: not to the screen, the disk, the process list, nor into a crash."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from incidents.events import rfc3339
from tests.pty_program import Program
from tests.receivers import Receiver, receiver
from tests.test_app import NOW, fleet

__all__ = ["fleet"]

ROOT = str(Path(__file__).resolve().parent.parent)
SECRET = "canary0123456789abcdef0123456789"
SCREEN = """
import os, sys
from pathlib import Path
from tui.app import Triage
from tui.cli import main

def broken(self):
    held = (Path(os.environ["MLTRIAGE_CONFIG"]).parent / "own" / "pager").read_text()
    raise RuntimeError("a defect")

Triage.action_zone = broken
main()
"""
"""The program, with a key that brings it down."""


@dataclass
class World:
    """A configuration whose every target has the same secret, and servers that repeat what they are sent."""

    folder: Path
    servers: dict[str, Receiver]
    commands: set[str] = field(default_factory=set)
    """What the process list showed."""

    @property
    def env(self) -> dict[str, str]:
        return {
            "PYTHONPATH": ROOT,
            "XDG_STATE_HOME": str(self.folder / "state"),
            "MLTRIAGE_INCIDENT_DIR": str(self.folder / "state" / "incidents"),
            "MLTRIAGE_CONFIG": str(self.folder / "config.yaml"),
            "MLTRIAGE_USER": "alice",
        }

    def look_at_processes(self) -> None:
        """Remember the command lines of every process, and what this user's own environments hold."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                self.commands.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
            except OSError:
                continue

    def run(self, *arguments: str) -> str:
        """A command: everything it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "tui", *arguments],
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    def kept(self) -> dict[str, str]:
        """Every file that was written, unpacked."""
        found = {}
        for path in (self.folder / "state").rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                whole = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
                found[str(path)] = whole.decode("utf-8", "replace")
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "state").mkdir()
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(receiver(kind))
            for name, kind in (
                ("am", "any"), ("pager", "pagerduty"), ("chat", "slack"), ("board", "grafana"), ("hook", "webhook"),
                ("metrics", "any"),
            )
        }  # fmt: skip
        own = tmp_path / "own"
        own.mkdir()
        for name in servers:
            secret = own / name
            secret.write_text(f"{servers[name].url}/services/{SECRET}" if name == "chat" else SECRET)
            secret.chmod(0o600)
        # What they answer to a question repeats the token, as some proxies do in their error pages.
        servers["am"].taken.append(
            {"labels": {"alertname": f"Echo{SECRET}", "model": "fraud"}, "startsAt": rfc3339(NOW - 300),
             "status": {"silencedBy": [""]}}
        )  # fmt: skip
        servers["board"].taken.append({"time": (NOW - 200) * 1_000, "text": f"deploy with {SECRET}", "tags": [SECRET]})
        servers["metrics"].script += ["401"] * 99
        (tmp_path / "config.yaml").write_text(
            f"""
prometheus:
- {{name: metrics, url: '{servers["metrics"].url}', bearer_token_file: own/metrics}}
targets:
- {{name: am, kind: alertmanager, url: '{servers["am"].url}', secret_command: [cat, '{own / "am"}']}}
- {{name: pager, kind: pagerduty, url: '{servers["pager"].url}', secret_file: own/pager}}
- {{name: chat, kind: slack, secret_file: own/chat}}
- {{name: board, kind: grafana, url: '{servers["board"].url}', secret_file: own/board}}
- {{name: hook, kind: webhook, url: '{servers["hook"].url}', secret_command: [cat, '{own / "hook"}']}}
"""
        )
        yield World(tmp_path, servers)


def refuse(world: World) -> None:
    """The next thing that each target is sent is refused, with what was sent in the words of the refusal."""
    for name in ("am", "chat", "board", "hook"):
        world.servers[name].script.append("404")


def leaks(world: World, printed: dict[str, str]) -> list[str]:
    """Where the secret stands although nobody should see it."""
    seen = {**printed, **world.kept(), **{command: command for command in world.commands}}
    assert all(printed.values())
    around = {place: text.find(SECRET) for place, text in seen.items()}
    return [f"{place}: {seen[place][max(0, at - 80) : at + 40]!r}" for place, at in around.items() if at >= 0]


def test_on_the_screen_in_its_files_and_in_a_crash(world: World, fleet: Path) -> None:
    sources = ["--logs", str(fleet / "logs"), "--at", str(NOW)]
    refuse(world)
    with Program([sys.executable, "-c", SCREEN, *sources], (200, 50), env=world.env) as program:
        program.wait_for_text("version=42", 60)
        program.type("F")
        program.wait_for_text("Enter saves", 30)
        program.type("\r")
        program.wait_for_text("saved INC-", 30)
        program.type("8")
        program.wait_for_text("chat: failed (HTTP 404", 60)
        program.wait_for_text("alert Echo***", 60)
        world.look_at_processes()
        program.type("W")
        program.wait_for_text("WRITE until", 30)
        program.type("Z")
        program.wait_for_text("1 of 1 firing alerts: Echo***", 30)
        program.type("\r")
        program.wait_for_text("y yes, do it", 30)
        world.servers["am"].script += ["404"]
        program.type("y")
        program.wait_for_text("silence at am: failed (HTTP 404", 60)
        program.type("P")
        program.wait_for_text("PAGE WHOEVER", 30)
        program.type("y")
        program.wait_for(lambda: world.servers["pager"].taken, 60)
        for keys, text in (("y", "copied"), ("Y", "copied"), ("e", "written:"), ("?", "What was flagged")):
            program.type(keys)
            program.wait_for_text(text, 30)
        program.type("\x1b")
        program.wait_for(lambda: not any("What was flagged" in row for row in program.emulator.rows()), 30)
        world.look_at_processes()
        program.type("z")
        program.wait_for_end(30)
        seen = program.raw.decode("utf-8", "replace")
    assert "mltriage has a defect and has ended: RuntimeError: a defect" in seen
    assert len([path for path in world.kept() if "/crashes/" in path]) == 1
    assert world.servers["pager"].taken[0]["routing_key"] == SECRET
    assert len([path for path in world.kept() if path.endswith(".svg")]) == 1
    assert any("tui" in command or "SCREEN" in command for command in world.commands)
    assert leaks(world, {"the terminal": seen}) == []


@pytest.mark.timeout(600)  # eighteen commands, each a process of its own
def test_in_everything_that_commands_print_and_keep(world: World, fleet: Path) -> None:
    sources = ["--logs", str(fleet / "logs"), "--prometheus", "metrics", "--at", str(NOW)]
    recording = world.folder / "state" / "fleet.rec"
    refuse(world)
    commands = (
        ("flag", *sources),
        ("flag", "--new", "--dry-run", *sources),
        ("incidents", "note", "last", "it was version 42"),
        ("incidents", "test"),
        ("incidents", "--wait", "3", "deliver"),
        ("incidents", "list"),
        ("incidents", "show", "last"),
        ("incidents", "show", "last", "--json"),
        ("incidents", "export", "last"),
        ("incidents", "handoff", "last"),
        ("incidents", "verify"),
        ("record", str(recording), "--frames", "1", *sources),
        ("replay", str(recording)),
        ("replay", "last"),
        ("report", *sources),
        ("report", "-o", "json", *sources),
        ("doctor", *sources),
        ("config", "show"),
    )
    printed = {" ".join(command): world.run(*command) for command in commands}
    assert "chat: failed (HTTP 404" in printed["flag " + " ".join(sources)]
    assert "not checked: it would page" in printed["doctor " + " ".join(sources)]
    assert leaks(world, printed) == []
