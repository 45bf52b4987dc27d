"""A dimension of a segment question as SQL text; a numeric one is cut into stretches."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from analysis.cuts import stretches
from connectors.dialect import Dialect
from connectors.sqlfilter import Kind

Cuts = Mapping[str, tuple[float, ...]]
"""Numeric dimension -> ascending values where it is cut."""

NO_CUTS: Cuts = MappingProxyType({})


def dim_text(dim: str, kinds: Mapping[str, Kind], dialect: Dialect, cuts: Cuts) -> str:
    """The value of a dimension as text, null where it has none; a cut one as `12..120`."""
    name = dialect.ident(dim)
    points = cuts.get(dim)
    if points is None:
        return name if kinds[dim] == "text" else dialect.as_text(name)
    first, *rest = (dialect.text(text) for text in stretches(points))
    steps = " ".join(
        f"WHEN {name} < {dialect.number(point)} THEN {text}"
        for point, text in zip(points, [first, *rest], strict=False)
    )
    # As in a filter: NaN lies in no stretch, infinities in the open ones.
    return f"CASE WHEN {name} IS NULL OR {dialect.nan(name)} THEN NULL {steps} ELSE {rest[-1]} END"
