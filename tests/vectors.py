"""Independently computed values (scipy, statsmodels, ruptures, Prometheus) that the statistics must reproduce."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _all() -> dict[str, dict[str, Any]]:
    text = (Path(__file__).parent / "data" / "stats_vectors.json").read_text(encoding="utf-8")
    return {vector["id"]: vector for vector in json.loads(text)["vectors"]}


def vector(name: str) -> tuple[dict[str, Any], Any]:
    """The inputs and the expected values of one vector."""
    found = _all()[name]
    return found["inputs"], found["expected"]
