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

PARTS_NOT_COMPUTED = {
    ("noise.closed_forms", "hellinger"): "nothing shows or decides by the Hellinger distance, so its noise has no use",
}
"""Parts of vectors whose other parts are tested."""


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


def test_a_part_that_is_not_computed_is_part_of_a_vector_that_is_tested() -> None:
    text = (TESTS / "data" / "stats_vectors.json").read_text(encoding="utf-8")
    expected = {one["id"]: one["expected"] for one in json.loads(text)["vectors"]}
    for vector_id, part in PARTS_NOT_COMPUTED:
        assert part in expected[vector_id]
        assert vector_id in _asked_for()
