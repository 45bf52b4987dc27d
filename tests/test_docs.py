"""Documentation and the example say what the code does: keys, flags, scripts, the lock."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from analysis.answer import Signal
from tui.cli import mltriage
from tui.config import schema_keys
from tui.screens.help import EXPLAINED, HelpScreen
from tui.screens.number import sentence
from tui.screens.numbers import NUMBERS

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("run", "test", ".ci/run")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(name: str) -> list[list[str]]:
    """The cells of every table row of a document."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text_of(name).splitlines() if line[:1] == "|"
    ]


def example_keys(value: Any, known: frozenset[str], prefix: str = "") -> Iterator[str]:
    """Dotted paths of the example, with free names as `*`."""
    if isinstance(value, list):
        for item in value:
            yield from example_keys(item, known, prefix)
    elif isinstance(value, dict):
        for name, inner in value.items():
            free = f"{prefix}.*" if prefix else "*"
            key = free if free in known else f"{prefix}.{name}".lstrip(".")
            yield key
            yield from example_keys(inner, known, key)


def test_the_example_holds_every_key_and_no_other() -> None:
    known = frozenset(schema_keys())
    assert set(example_keys(yaml.safe_load(text_of("config.example.yaml")), known)) == known - {"keys.*"}


def test_every_key_of_the_example_has_a_comment() -> None:
    top_level = re.compile(r"^(\w+):(.*)$")
    lines = text_of("config.example.yaml").splitlines()
    for i, line in enumerate(lines):
        if found := top_level.match(line):
            assert "#" in found[2] or lines[i - 1].startswith("#"), line


def test_the_documented_keys_are_those_of_the_schema() -> None:
    documented = [
        m[1] for row in rows("docs/configuration.md") if len(row) == 4 and (m := re.match(r"`([a-z_.*]+)`", row[0]))
    ]
    assert sorted(documented) == sorted(schema_keys())


def flags(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """(flag, command) of every flag but --help."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield max(parameter.opts, key=len), name
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from flags(inner, f"{name} {inner.name}".removeprefix("screen "))


def test_the_documented_flags_are_those_of_the_commands() -> None:
    documented = [
        (m[1], command.strip())
        for row in rows("docs/configuration.md")
        if (m := re.match(r"`(--[a-z-]+)", row[0]))
        for command in row[1].split(",")
    ]
    assert sorted(documented) == sorted(flags(mltriage, "screen"))


def documents() -> list[str]:
    return [name for name in ("README.md", "CONTRIBUTING.md") if (ROOT / name).exists()] + [
        f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")
    ]


@pytest.mark.parametrize("name", documents())
def test_every_command_line_in_a_document_uses_flags_that_exist(name: str) -> None:
    known = {flag for flag, _ in flags(mltriage, "screen")} | {"--help"}
    lines = re.findall(r"(?:\bmltriage|\./run)(?: [^`\n#|>]*)", text_of(name))
    assert {flag for line in lines for flag in re.findall(r"--[a-z-]+", line)} <= known


@pytest.mark.parametrize("name", documents())
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    here = (ROOT / name).parent
    targets = [t.split("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text_of(name)) if not re.match(r"\w+:|#", t)]
    assert [target for target in targets if not (here / target).exists()] == []


def test_the_report_document_lists_every_signal() -> None:
    listed = text_of("docs/report.md").split("`signal` is one of")[1]
    assert [signal for signal in Signal if f"`{signal}`" not in listed] == []


@pytest.mark.parametrize("script", [*SCRIPTS, ".ci/environment.sh"])
def test_scripts_are_valid_bash_and_stop_at_the_first_error(script: str) -> None:
    assert subprocess.run(["bash", "-n", ROOT / script], capture_output=True, check=False).stderr == b""
    if script in SCRIPTS:
        assert "\nset -euo pipefail\n" in text_of(script)
        assert (ROOT / script).stat().st_mode & 0o111


def test_the_lock_pins_every_dependency_exactly_and_names_no_place() -> None:
    pins = [line for line in text_of("requirements.lock").splitlines() if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", pin)] == []
    project = tomllib.loads(text_of("pyproject.toml"))
    wanted = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    named = {_canonical(re.split(r"[<>=]", requirement)[0]) for requirement in wanted}
    assert named - {_canonical(pin.split("==")[0]) for pin in pins} == set()


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower().strip()


def test_the_keys_of_the_documentation_are_those_of_the_program() -> None:
    from tui.keys import KEYS, LIST_KEYS

    documented = [row for row in rows("docs/keys.md") if row[0].startswith("`")]
    assert documented == [[f"`{key.label}`", f"`{key.id}`", key.what] for key in (*KEYS, *LIST_KEYS)]


def test_the_keys_of_the_panels_are_known_by_their_ids() -> None:
    from textual.binding import Binding

    from tui.keys import LIST_KEYS
    from widgets.changes import ChangesPanel
    from widgets.listing import ListPanel
    from widgets.panel import OPEN

    panels = (*ListPanel.BINDINGS, *ChangesPanel.BINDINGS, *OPEN)
    bound = {b.id: (b.key, b.action) for b in panels if isinstance(b, Binding)}
    assert bound == {key.id: (key.keys, key.action) for key in LIST_KEYS}


def test_no_key_belongs_to_tmux_screen_or_flow_control() -> None:
    from tui.keys import BY_ID

    taken = {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+q"}
    assert not taken & {name for key in BY_ID.values() for name in key.keys.split(",")}


def test_the_help_of_a_page_and_the_documentation_explain_numbers_in_the_same_words() -> None:
    text = text_of("docs/statistics.md")
    for page, numbers in NUMBERS.items():
        assert page in EXPLAINED
        section = text.split(f"**{page}**", 1)[1].split("\n\n", 2)[1]
        told = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines()[2:]]
        assert told == [[n.name, n.what, n.normal, n.act] for n in numbers], page
        for number in numbers:
            assert sentence(number) in HelpScreen(page).text().plain


def test_the_walk_shows_the_steps_that_the_program_takes() -> None:
    from bench.walk import STEPS

    headings = [line for line in text_of("docs/walk.md").splitlines() if line.startswith("## ")]
    assert headings == [f"## {i}. {words}" for i, (_, words, _) in enumerate(STEPS, 1)]
    assert "Written by `python -m bench.walk`" in text_of("docs/walk.md")


SPELLED = {"state", "signal", "when", "model", "where", "change", "course", "metric", "note", "feature", "direction"}
"""Columns of words and of pictures, and those whose header says it all."""

TABLES = {
    "overview": ("changes", "models", "segment_table"),
    "latency": ("latency",),
    "errors": ("errors",),
    "features": ("features",),
    "infra": ("infra",),
    "accuracy": ("accuracy",),
    "versions": ("versions", "shadow"),
    "split": ("split",),
    "mix": ("mix",),
}
"""Page -> the widgets whose columns it shows."""


WORDS_OF: dict[str, set[str]] = defaultdict(
    set,
    {
        "segment_table": {"segment"},
        "models": {"version"},
        "errors": {"error type"},
        "accuracy": {"score"},
        "versions": {"measure", "verdict", "of what"},
        "shadow": {"shadow", "of"},
        "mix": {"value"},
    },
)
"""Columns of one table that hold no number."""


@pytest.mark.parametrize("page", TABLES)
def test_every_column_of_numbers_is_explained_on_its_page(page: str) -> None:
    told = {part for number in NUMBERS[page] for part in number.name.split(", ")}
    for widget in TABLES[page]:
        columns = set(re.findall(r'Column\("([^"{]+)"', text_of(f"widgets/{widget}.py"))) - SPELLED - WORDS_OF[widget]
        assert columns <= told, f"{page}: {sorted(columns - told)} of {widget}"
