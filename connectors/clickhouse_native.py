"""ClickHouse's Native format: blocks of whole columns, so that numbers arrive as arrays without being parsed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connectors.base import MalformedError
from connectors.sqlrows import Columns, plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NUMPY = {
    "UInt8": "<u1", "UInt16": "<u2", "UInt32": "<u4", "UInt64": "<u8", "Int8": "<i1", "Int16": "<i2", "Int32": "<i4",
    "Int64": "<i8", "Float32": "<f4", "Float64": "<f8", "Bool": "<u1",
}  # fmt: skip
_CODES = ("<u1", "<u2", "<u4", "<u8")
"""Width of the places in a dictionary, by the lowest byte of its flags."""
_SHARED = 0x100
"""Flag of a dictionary that is not in the block."""
_OUTER = re.compile(r"(Nullable|LowCardinality|Array|Map)\((.*)\)", re.DOTALL)


def read_native(data: bytes) -> Columns:
    """Column -> values of all blocks: numbers as numpy arrays (masked where null), everything else as lists.

    The layout is that of a client without a protocol version: name, type and data of each column, nothing between.

    Raises:
        MalformedError: the bytes end too early, or hold a type that no question asks for.
    """
    import numpy as np

    reader, found = _Reader(data), dict[str, list[Any]]()
    try:
        while not reader.done:
            columns, rows = reader.varint(), reader.varint()
            for _ in range(columns):
                name, kind = reader.string(), reader.string()
                found.setdefault(name, []).append(reader.column(kind, rows))
    except (IndexError, ValueError) as error:
        raise MalformedError("broken answer", f"Native format: {error}") from error
    # An answer without rows is no block at all, so that not even the names are known: every column is empty.
    joined: defaultdict[str, Any] = defaultdict(list)
    for name, parts in found.items():
        if all(isinstance(part, np.ndarray) for part in parts):
            masked = any(isinstance(part, np.ma.MaskedArray) for part in parts)
            join: Callable[[list[Any]], Any] = np.ma.concatenate if masked else np.concatenate
            joined[name] = parts[0] if len(parts) == 1 else join(parts)
        else:
            joined[name] = [value for part in parts for value in plain(part)]
    joined.default_factory = None if found else list
    return joined


class _Reader:
    """A cursor over the bytes of an answer."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._data)

    def varint(self) -> int:
        """An unsigned number in groups of seven bits, lowest first."""
        value, shift = 0, 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def string(self) -> str:
        """Length and UTF-8; what is not UTF-8 shows as a replacement character."""
        size = self.varint()
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise IndexError("ends inside a text")
        return self._data[start : self._at].decode("utf-8", "replace")

    def numbers(self, dtype: str, rows: int) -> NDArray[Any]:
        """The next `rows` numbers."""
        import numpy as np

        values: NDArray[Any] = np.frombuffer(self._data, dtype, rows, self._at)
        self._at += values.nbytes
        return values

    def column(self, kind: str, rows: int) -> Any:
        """The values of one column of one block."""
        if kind in _NUMPY:
            return self.numbers(_NUMPY[kind], rows)
        if kind == "String":
            return [self.string() for _ in range(rows)]
        if kind == "Nothing":
            return [None] * len(self.numbers("<u1", rows))
        outer = _OUTER.fullmatch(kind)
        if outer is None:
            raise ValueError(f"a column of type {kind}")
        if outer[1] == "LowCardinality":
            return self._coded(outer[2], rows)
        if outer[1] == "Nullable":
            return _masked(self.numbers("<u1", rows).astype(bool), self.column(outer[2], rows))
        ends = self.numbers("<u8", rows).tolist()
        total = ends[-1] if ends else 0
        starts = [0, *ends[:-1]]
        if outer[1] == "Array":
            values = plain(self.column(outer[2], total))
            return [values[start:end] for start, end in zip(starts, ends, strict=True)]
        key, _, value = outer[2].partition(", ")
        keys, values = plain(self.column(key, total)), plain(self.column(value, total))
        return [
            dict(zip(keys[start:end], values[start:end], strict=True)) for start, end in zip(starts, ends, strict=True)
        ]

    def _coded(self, kind: str, rows: int) -> list[Any]:
        """Values by their place in a dictionary, which each block brings along; place 0 is null where that can be."""
        if not rows:
            return []
        nullable = _OUTER.fullmatch(kind)
        version, flags, size = (int(number) for number in self.numbers("<u8", 3))
        if version != 1 or flags & _SHARED:
            raise ValueError(f"a dictionary of version {version}, flags {flags:#x}")
        listed = plain(self.column(kind if nullable is None else nullable[2], size))
        if nullable is not None and listed:
            listed[0] = None
        self._at += 8  # the number of rows again
        codes = self.numbers(_CODES[flags & 0xFF], rows).tolist()
        return [listed[code] for code in codes]


def _masked(null: NDArray[np.bool_], values: Any) -> Any:
    import numpy as np

    if isinstance(values, np.ndarray):
        return np.ma.masked_array(values, null) if null.any() else values
    return [None if gone else value for gone, value in zip(null.tolist(), values, strict=True)]
