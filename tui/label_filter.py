"""A filter as metrics can apply it: labels narrow what is asked, the model what is answered, the rest is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.filters import ALL, Filter, fields_of


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """The parts of a filter that apply; where not all of it does, nothing applies."""

    labels: Filter = ALL
    """What the store is asked."""
    models: Filter = ALL
    """About the model alone, see `analysis.of_models`."""
    refusal: str = ""
    """Why it does not apply and what would, in words that follow the source's name; empty where it does."""


def label_filter(where: Filter, dims: Mapping[str, str]) -> LabelFilter:
    """How metrics with these dimensions (name -> label) apply a filter."""
    from analysis.of_models import MODEL, apart
    from connectors.selectors import alternatives

    models, labels = apart(where)
    unknown = sorted(fields_of(labels) - dims.keys() - {MODEL})
    if unknown:
        listed = f"its labels are {', '.join(sorted((MODEL, *dims)))}" if dims else "it lists no labels but the model"
        return LabelFilter(refusal=f"cannot be filtered by {', '.join(unknown)}: {listed}")
    if MODEL in fields_of(labels):
        return LabelFilter(refusal="can tell a model only beside other terms: write model=A version=2, without or")
    left_out = alternatives(labels, dims)[1]
    if left_out:
        return LabelFilter(refusal=f"cannot tell by labels: {' '.join(left_out)}")
    return LabelFilter(labels, models)
