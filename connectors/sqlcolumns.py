"""The histogram question of an engine in this process: values are streamed and counted here.

An engine's aggregate looks every value up in a list of edges and every group up in a table. Comparing a block of values
with one edge after the other guesses nothing and stays in the cache: 40 features of 2 M rows cost half (`bench.drift`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.evidence import Bins, CategoryBins, Histogram
from analysis.view import Window
from connectors.dialect import Dialect
from connectors.sqlfilter import NULL_TEXT, Kind
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

_NULL, _NONFINITE = 0, 1
"""Columns of a count, before those of the bins."""


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
        """SQL: one row per row, with its bucket t, the place m of its model and of each category, and the numbers."""
        d = self.dialect
        values = []
        for i, (name, kind) in enumerate(self.bins.items()):
            x = d.ident(name)
            value = d.place(x, labels_of(kind)) if isinstance(kind, CategoryBins) else d.as_double(x)
            values.append(f"{value} AS x{i}")
        model = d.place(d.ident("model"), [name for name in self.models if name != NULL_TEXT])
        bucket = d.bucket(d.ident("ts"), self.step)
        return f"SELECT {bucket} AS t, {model} AS m, {', '.join(values)} FROM {relation} AS logs"


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

        t, model, models = np.asarray(columns["t"]), columns["m"], len(self._query.models)
        if not len(t):
            return
        if np.ma.is_masked(model) or int(model.max()) > models:
            self.complete = False
            return
        cell = (t - self._first) // self._query.step
        if models > 1:
            cell = cell * models + (np.ma.getdata(model).astype(np.int64) - 1)
        low, high = int(cell.min()), int(cell.max()) + 1
        cell = cell - low
        self._rows[low:high] += np.bincount(cell, minlength=high - low)
        runs = np.flatnonzero(np.diff(cell, prepend=-1))
        for i, field in enumerate(self._fields):
            field.add(columns[f"x{i}"], cell, low, high, runs if len(runs) * _LONG_RUN <= len(cell) else None)

    def histograms(self) -> dict[str, Histogram]:
        """The answer by field."""
        import numpy as np

        query, models = self._query, self._query.models
        held = np.flatnonzero(self._rows)
        t = self._first + held // len(models) * query.step
        grid = Grid(t, ([models[i] for i in (held % len(models)).tolist()],), query.step)
        rows = self._rows[held].astype(np.float64)
        return {
            name: grid.cells(field.kind, field.counts[held, 2:], rows, field.sums[held], field.counts[held, _NONFINITE])
            for name, field in zip(query.bins, self._fields, strict=True)
        }


class _Field:
    """One field: its counts per cell and its sums."""

    def __init__(self, kind: Bins, cells: int) -> None:
        import numpy as np

        self.kind = kind
        self.counts: Floats = np.zeros((cells, len(kind) + 2))
        self.sums: Floats = np.zeros(cells)
        if isinstance(kind, CategoryBins):
            labels = labels_of(kind)
            # The place of a value counts from one; null comes after the last, and a value without a place is the rest.
            places = [rest_bin(kind), *(kind.labels.index(label) for label in labels)]
            self._places = np.array([*(2 + bin_ for bin_ in places), _NULL], dtype=np.uint8)
        else:
            self._edges = np.array(kind.edges[1:-1])

    def add(self, column: Any, cell: Ints, low: int, high: int, runs: NDArray[np.intp] | None) -> None:
        """A batch: [N] values of rows of [N] cells from `low` to `high`; `runs` are the first rows of equal cells."""
        import numpy as np

        place = self._categories(column) if isinstance(self.kind, CategoryBins) else self._bins(column)
        width = self.counts.shape[1]
        counts = np.bincount(cell * width + place, minlength=(high - low) * width)
        self.counts[low:high] += counts.reshape(-1, width)
        if isinstance(self.kind, CategoryBins):
            return
        values = np.ma.getdata(column)
        odd = place < 2
        if odd.any():
            values = np.where(odd, 0.0, values)
        if runs is None:
            self.sums[low:high] += np.bincount(cell, weights=values, minlength=high - low)
        else:
            sums = np.add.reduceat(values, runs)
            self.sums[low:high] += np.bincount(cell[runs], weights=sums, minlength=high - low)

    def _categories(self, column: Any) -> NDArray[np.uint8]:
        import numpy as np

        place: NDArray[np.uint8] = self._places[np.ma.filled(column, 0)]
        return place

    def _bins(self, column: Any) -> NDArray[np.uint8]:
        """[N] columns of the counts of [N] numbers; a value on an edge lies above it."""
        import numpy as np

        values = np.ma.getdata(column)
        place = np.full(len(values), 2, dtype=np.uint8)
        for edge in self._edges:
            place += values >= edge
        finite = np.isfinite(values)
        if not finite.all():
            place[~finite] = _NONFINITE
        null = np.ma.getmask(column)
        if null is not np.ma.nomask:
            place[null] = _NULL
        return place
