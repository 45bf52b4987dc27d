"""The histogram question of an engine in this process: values are streamed and counted here.

An engine's aggregate looks every value up in a list of edges and every group up in a table. Comparing a block of values
with one edge after the other guesses nothing and stays in the cache: 40 features of 2 M rows cost half (`bench.drift`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.evidence import NULL_TEXT, Bins, CategoryBins, Histogram
from analysis.view import Window
from connectors.dialect import Dialect
from connectors.sqlfilter import Kind
from connectors.sqlrows import Columns, Grid, labels_of, rest_bin

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from analysis.evidence import Floats, Ints

MIN_ROWS = 200_000
"""From here on; fewer rows cost less by the engine's aggregate than by one more statement, for the models."""

MAX_BINS = 64
MAX_MODELS = 200
MAX_CELLS = 100_000
"""Buckets and models that a field may have: each has a count per bin."""

_LONG_RUN = 16
"""Rows per run of one cell from which sums over runs are the cheaper ones."""

_NULL, _NONFINITE, _BINS = 0, 1, 2
"""Columns of a count; those of the bins come last."""


@dataclass(frozen=True, slots=True)
class ColumnsQuery:
    """Numbers in numeric bins and texts in categories; rows without a weight.

    Attributes:
        models: of the rows, all of them, as of `models_in_order`.
        span: that holds the rows.
    """

    bins: Mapping[str, Bins]
    models: tuple[str, ...]
    span: Window
    step: int
    dialect: Dialect

    @staticmethod
    def answers(kind: Bins, of: Kind, dialect: Dialect) -> bool:
        """Whether a field can be counted so."""
        if len(kind) > MAX_BINS or dialect.place("x", ("a",)) is None:
            return False
        if isinstance(kind, CategoryBins):
            return of == "text"
        return of == "number" and len(kind) > 1

    def sql(self, relation: str) -> str:
        """SQL: one row per row, with its bucket t, the place m of its model and of each category, and the numbers.

        Of one model the place is not sent: rows of another one, which came after the models were asked for, are left
        out, and the next look at the newest buckets has them.
        """
        d = self.dialect
        values = []
        for i, (name, kind) in enumerate(self.bins.items()):
            x = d.ident(name)
            value = d.place(x, labels_of(kind)) if isinstance(kind, CategoryBins) else d.as_double(x)
            values.append(f"{value} AS x{i}")
        model, bucket = d.ident("model"), d.bucket(d.ident("ts"), self.step)
        if len(self.models) == 1:
            (name,) = self.models
            own = f"{model} IS NULL" if name == NULL_TEXT else f"{model} = {d.text(name)}"
            return f"SELECT {bucket} AS t, {', '.join(values)} FROM {relation} AS logs WHERE {own}"
        place = d.place(model, [name for name in self.models if name != NULL_TEXT])
        return f"SELECT {bucket} AS t, {place} AS m, {', '.join(values)} FROM {relation} AS logs"


def cells(span: Window, step: int, models: Sequence[str]) -> int:
    """Buckets of the span times models."""
    return (span.end // step - span.start // step + 1) * len(models)


def models_in_order(models: Iterable[str]) -> tuple[str, ...]:
    """As `ColumnsQuery` needs them: rows without a model come last."""
    return tuple(sorted(models, key=lambda name: (name == NULL_TEXT, name)))


class ColumnsCount:
    """The rows of a `ColumnsQuery`, batch by batch."""

    def __init__(self, query: ColumnsQuery) -> None:
        import numpy as np

        self._query = query
        self._first = query.span.start // query.step * query.step
        size = cells(query.span, query.step, query.models)
        self._fields = [_Field(kind, size) for kind in query.bins.values()]
        self._rows = np.zeros(size, dtype=np.int64)
        self.complete = True
        """Whether every row was of one of the models; a new one may come between two statements."""

    def add(self, columns: Columns) -> None:
        """The next rows, in any order."""
        import numpy as np

        t, models = np.asarray(columns["t"]), len(self._query.models)
        if not len(t):
            return
        cell = (t - self._first) // self._query.step
        if models > 1:
            model = columns["m"]
            if np.ma.is_masked(model) or int(model.max()) > models:
                self.complete = False
                return
            cell = cell * models + (np.ma.getdata(model).astype(np.int64) - 1)
        rows = _Rows(cell)
        self._rows[rows.held] += rows.counts(0, 1)[:, 0]
        for i, field in enumerate(self._fields):
            field.add(columns[f"x{i}"], rows)

    def histograms(self) -> dict[str, Histogram]:
        """The answer by field."""
        import numpy as np

        query, models = self._query, self._query.models
        held = np.flatnonzero(self._rows)
        t = self._first + held // len(models) * query.step
        grid = Grid(t, ([models[i] for i in (held % len(models)).tolist()],), query.step)
        rows = self._rows[held].astype(np.float64)
        found: dict[str, Histogram] = {}
        for name, field in zip(query.bins, self._fields, strict=True):
            counts, sums = field.counts[held], field.sums[held]
            found[name] = grid.cells(field.kind, counts[:, _BINS:], rows, sums, counts[:, _NONFINITE])
        return found


class _Rows:
    """The cells of a batch of rows, which its fields share."""

    def __init__(self, cell: Ints) -> None:
        import numpy as np

        low, high = int(cell.min()), int(cell.max()) + 1
        self.held = slice(low, high)
        """The cells that the batch may have rows of."""
        self._size, self._cell = high - low, cell - low
        self._firsts: dict[int, Ints] = {}
        runs = np.flatnonzero(np.diff(self._cell, prepend=-1))
        self._runs = runs if len(runs) * _LONG_RUN <= len(cell) else None
        """First rows of equal cells, where these are long."""

    def counts(self, place: NDArray[np.uint8] | int, width: int) -> NDArray[np.int64]:
        """[held, width] rows per cell and place; [N] places below `width`, or one of all rows."""
        import numpy as np

        if width not in self._firsts:
            self._firsts[width] = self._cell * width
        found = np.bincount(self._firsts[width] + place, minlength=self._size * width)
        return found.astype(np.int64, copy=False).reshape(-1, width)

    def sums(self, values: Floats) -> Floats:
        """[held] sums of [N] values per cell."""
        import numpy as np

        if self._runs is None:
            return np.bincount(self._cell, values, self._size).astype(np.float64, copy=False)
        sums = np.add.reduceat(values, self._runs)
        return np.bincount(self._cell[self._runs], sums, self._size).astype(np.float64, copy=False)


class _Field:
    """One field: its counts per cell and its sums."""

    def __init__(self, kind: Bins, size: int) -> None:
        import numpy as np

        self.kind = kind
        self.counts: Floats = np.zeros((size, len(kind) + _BINS))
        self.sums: Floats = np.zeros(size)
        if isinstance(kind, CategoryBins):
            labels = labels_of(kind)
            # The place of a value counts from one; null comes after the last, and a value without a place is the rest.
            places = [rest_bin(kind), *(kind.labels.index(label) for label in labels)]
            self._places = np.array([*(_BINS + bin_ for bin_ in places), _NULL], dtype=np.uint8)
        else:
            self._edges = np.array(kind.edges[1:-1])

    def add(self, column: Any, rows: _Rows) -> None:
        """[N] values of a batch of rows."""
        if isinstance(self.kind, CategoryBins):
            self._count(self._categories(column), rows)
            return
        place, values = self._bins(column)
        self._count(place, rows)
        self.sums[rows.held] += rows.sums(values)

    def _count(self, place: NDArray[np.uint8], rows: _Rows) -> None:
        self.counts[rows.held] += rows.counts(place, self.counts.shape[1])

    def _categories(self, column: Any) -> NDArray[np.uint8]:
        import numpy as np

        place: NDArray[np.uint8] = self._places[np.ma.filled(column, 0)]
        return place

    def _bins(self, column: Any) -> tuple[NDArray[np.uint8], Floats]:
        """[N] columns of the counts of [N] numbers, and these with zero for what has no bin.

        A value on an edge lies above it.
        """
        import numpy as np

        values: Floats = np.ma.getdata(column)
        place = np.full(len(values), _BINS, dtype=np.uint8)
        for edge in self._edges:
            place += values >= edge
        binned = np.isfinite(values)
        if not binned.all():
            place[~binned] = _NONFINITE
        null = np.ma.getmask(column)
        if null is not np.ma.nomask:
            place[null] = _NULL
            binned &= ~null
        return place, values if binned.all() else np.where(binned, values, 0.0)
