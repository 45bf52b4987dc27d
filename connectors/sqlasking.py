"""What the parts of `SqlStore` ask with: the mapping, the dialect, and one statement over the rows of some spans."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from analysis.filters import Filter
from analysis.view import Window
from connectors.base import Schema
from connectors.dialect import Dialect

if TYPE_CHECKING:
    from connectors.sql import Mapped


class Asking(ABC):
    """The store as its questions see it."""

    _dialect: Dialect

    @abstractmethod
    async def _mapped(self) -> Mapped:
        """The mapping as of now. Raises SourceError when there is nothing to read."""

    @abstractmethod
    async def _ask(
        self,
        spans: Sequence[Window],
        where: Filter,
        names: Collection[str],
        build: Callable[[str], str],
        width: int = 1,
    ) -> Any:
        """Run `build(relation)`, in slices unless `width` is 0 (answers that do not add up)."""

    def _weight(self, schema: Schema) -> str:
        """SQL of what a row counts."""
        return f"coalesce({self._dialect.ident('weight')}, 1)" if "weight" in schema.fields else "1"
