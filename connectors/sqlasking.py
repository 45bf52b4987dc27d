"""What the parts of `SqlStore` ask with: the mapping, the dialect, and one statement over the rows of some spans."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from analysis.filters import Filter
from analysis.view import Window
from connectors.base import Schema
from connectors.dialect import Dialect
from connectors.sqlrows import Columns

if TYPE_CHECKING:
    from connectors.sql import Mapped


class Fold(Protocol):
    """What makes a small answer of many rows."""

    def add(self, columns: Columns) -> None:
        """The next rows; they are gone afterwards."""


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
        fold: Callable[[], Fold] | None = None,
    ) -> Any:
        """Run `build(relation)`, in slices unless `width` is 0 (answers that do not add up).

        With a `fold` each slice is given to a new one instead of being kept.
        """

    async def _rows_of_files(self, spans: Sequence[Window]) -> float:
        """About how many rows of the (disjoint) spans are in files of this process, by their statistics."""
        return 0.0

    async def _aligned(self, blocks: Sequence[Window], spans: Sequence[Window]) -> tuple[Window, ...]:
        """Blocks of the spans, moved by as little as makes them cheap to read."""
        return tuple(blocks)

    async def _only_files(self) -> bool:
        """Whether that is all of them: none in memory, none far away, none that the mapping leaves out."""
        return False

    def _weight(self, schema: Schema) -> str:
        """SQL of what a row counts."""
        return f"coalesce({self._dialect.ident('weight')}, 1)" if "weight" in schema.fields else "1"
