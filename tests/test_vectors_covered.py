"""Every independently computed value is asked for by a test, or says why the program has nothing to compare."""

from __future__ import annotations

import json
import re
from pathlib import Path

TESTS = Path(__file__).parent

NOT_COMPUTED = {
    "onset.tcpd_metrics": "scores of a benchmark; nothing in the program scores onsets",
    "shift.tolerance_ncx2": "no noncentral chi-squared: a shift is judged against the spread of its references",
    "tests.cramers_v_bias_corrected": "no Cramer's V: a shift is measured by the Jensen-Shannon distance",
}


def _ids() -> set[str]:
    text = (TESTS / "data" / "stats_vectors.json").read_text(encoding="utf-8")
    return {vector["id"] for vector in json.loads(text)["vectors"]}


def _asked_for() -> set[str]:
    """Ids that stand in a test as they are, or begin as an f-string given to `vector` begins."""
    text = "\n".join(path.read_text("utf-8") for path in TESTS.glob("test_*.py") if path.name != Path(__file__).name)
    quoted = set(re.findall(r'"([^"\n]+)"', text))
    begun = tuple(re.findall(r'vector\(f"([^"{]+)\{', text))
    return {name for name in _ids() if name in quoted or name.startswith(begun or ("\0",))}


def test_every_vector_is_tested_or_says_why_not() -> None:
    assert _ids() - _asked_for() == set(NOT_COMPUTED)
