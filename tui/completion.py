"""Completions for what is typed at the prompt: field names and values of a filter, baselines, dimensions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from analysis.filters import quoted

if TYPE_CHECKING:
    from analysis.view import Window
    from tui.session import Session

OPERATORS = ("!~", "!=", ">=", "<=", "=", "~", ">", "<")
VALUES = 20
"""Values of a field that are offered, the most frequent ones."""


class Completer:
    """Knows the fields of the logs and the labels of the metrics, and asks for the values of the one being typed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._values: dict[str, tuple[str, ...]] = {}

    def fields(self) -> tuple[str, ...]:
        """Every name that a filter may use: dims first, then canonical fields, then features."""
        found: dict[str, None] = {}
        for part in ("dims", "fields", "features"):
            for feed in self._session.logs:
                if feed.schema is not None:
                    names = getattr(feed.schema, part)
                    found |= dict.fromkeys(names if isinstance(names, Mapping) else (f.name for f in names))
        for source in self._session.metrics:
            if source.catalog is not None:
                found |= dict.fromkeys((*source.catalog.dims, "model"))
        return tuple(found)

    async def filter(self, text: str) -> Sequence[str]:
        """Lines that a filter typed so far could become."""
        head, _, term = text.rpartition(" ")
        lead = f"{head} " if head else ""
        field, operator, value = split_term(term)
        if not operator:
            return tuple(f"{lead}{name}=" for name in starting(self.fields(), term) if term or not lead)
        done, _, typed = value.rpartition(",")
        kept = f"{done}," if done else ""
        values = starting(await self._values_of(field), typed.lstrip('"'))
        return tuple(f"{lead}{field}{operator}{kept}{quoted(found)}" for found in values)

    async def dims(self, text: str) -> Sequence[str]:
        """Names of dimensions that begin with the text."""
        from tui.split import dims_of

        return starting(dims_of(self._session), text)

    async def baseline(self, text: str) -> Sequence[str]:
        """Baselines that begin with the text; versions are those of the logs."""
        versions = await self._values_of("version") if "version".startswith(text) or text.startswith("version:") else ()
        return starting(("previous", "1d", "1w", *(f"version:{version}" for version in versions)), text)

    async def _values_of(self, field: str) -> tuple[str, ...]:
        from connectors.base import SourceError

        if field not in self._values:
            found: dict[str, None] = {}
            window = self._session.frame().live
            for feed in self._session.logs:
                try:
                    top = await feed.store.top_values((window,), field, limit=VALUES)
                except SourceError:
                    continue  # the field is not in this source; whatever else is wrong, its panels say
                found |= dict.fromkeys("null" if value == "(null)" else value for value, _ in top.value)
            found = found or dict.fromkeys(await self._labels_of(field, window))
            if field == "model":
                found |= dict.fromkeys(self._models())
            self._values[field] = tuple(found)
        return self._values[field]

    def _models(self) -> Iterable[str]:
        """Models that the metrics know, whatever tells them apart."""
        return (m for feed in self._session.metrics if feed.catalog is not None for m in feed.catalog.models)

    async def _labels_of(self, field: str, window: Window) -> tuple[str, ...]:
        """Values of a label of the metrics, those with most requests first, whatever the model."""
        from analysis.traffic import models_of
        from connectors.base import SourceError
        from tui.split import cube_values

        rows: Counter[str] = Counter()
        for feed in self._session.metrics:
            traffic = feed.evidence.traffic if feed.evidence is not None else None
            if traffic is None or feed.catalog is None or field not in feed.catalog.dims:
                continue
            for model in models_of(traffic.requests):
                try:
                    cube = (await feed.store.segments((window,), model, None)).value
                except SourceError:
                    continue
                rows.update(cube_values(cube, field))
        return tuple("null" if value == "(null)" else value for value, _ in rows.most_common(VALUES))


def split_term(term: str) -> tuple[str, str, str]:
    """(field, operator, value) of a term that may be unfinished."""
    at = min((term.find(op) for op in OPERATORS if op in term), default=-1)
    if at < 0:
        return term, "", ""
    operator = next(op for op in OPERATORS if term.startswith(op, at))
    return term[:at], operator, term[at + len(operator) :]


def starting(names: Iterable[str], typed: str) -> tuple[str, ...]:
    """The names that begin with what is typed, whatever the case, then those that hold it elsewhere."""
    low = typed.lower()
    known = tuple(names)
    first = [name for name in known if name.lower().startswith(low)]
    return (*first, *(name for name in known if low and low in name.lower() and name not in first))
