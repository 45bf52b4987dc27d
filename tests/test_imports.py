"""What a start may import: heavy libraries wait until they are needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = (
    "numpy",
    "pandas",
    "duckdb",
    "plotext",
    "prometheus_api_client",
    "prometheus_client",
    "requests",
    "httpx",
    "textual",
)


def loaded_after(code: str) -> set[str]:
    """The modules of a fresh interpreter after `code`."""
    report = "import sys; print('\\n' + ' '.join(sys.modules), file=sys.stderr)"
    program = f"try:\n    {code}\nexcept SystemExit:\n    pass\n{report}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["report", "--help"], ["demo", "--help"], ["--version"], ["config", "show"], []]
)
def test_nothing_heavy_is_imported_by(arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("MLTRIAGE_CONFIG", raising=False)
    loaded = loaded_after(f"from tui.__main__ import main; main({arguments!r})")
    assert "tui.cli" in loaded
    assert loaded.intersection(HEAVY) == set()


def test_this_test_would_see_a_heavy_import() -> None:
    assert "numpy" in loaded_after("import numpy")
