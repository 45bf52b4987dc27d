"""The columns of a DuckDB relation batch by batch, through the Arrow C stream interface and without an Arrow library.

`fetchnumpy` holds the whole answer twice, and half of what a number costs is memory that the kernel hands out anew. A
stream fills one batch again and again. The structures are those of the Arrow C data and C stream interfaces
(https://arrow.apache.org/docs/format/CDataInterface.html, CStreamInterface.html); their layout is frozen.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from connectors.sqlrows import Columns

_NUMBERS = {
    "C": "u1",
    "c": "i1",
    "S": "u2",
    "s": "i2",
    "I": "u4",
    "i": "i4",
    "L": "u8",
    "l": "i8",
    "f": "f4",
    "g": "f8",
}
"""numpy's name of each Arrow format."""


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))),
    ("private_data", ctypes.c_void_p),
]
_Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Schema))),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(_Stream))),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Stream))),
    ("private_data", ctypes.c_void_p),
]


BATCH_ROWS = 32_768
"""With the default of 131,072 eight columns of 2 M rows peak 45 MB higher, for a twentieth more CPU: what is done to a
batch leaves the cache in between (`bench.drift`)."""


class StreamError(Exception):
    """The engine stopped in the middle of an answer; the message is its own."""


def batches(relation: Any) -> Iterator[Columns]:
    """Columns of numbers (masked where null) of a DuckDB relation, `BATCH_ROWS` at a time.

    The arrays are views of memory that is used again for the next batch.

    Raises:
        StreamError: the engine failed or was interrupted.
        TypeError: a column does not hold numbers.
    """
    # `__arrow_c_stream__` takes no size, and the public way to one needs an Arrow library.
    capsule = relation._submit("stream", BATCH_ROWS).arrow_capsule()
    stream = _Stream.from_address(_address(capsule))
    names, kinds = _columns(stream)
    while True:
        array = _Array()
        _checked(stream, stream.get_next(ctypes.byref(stream), ctypes.byref(array)))
        if not array.release:
            return
        try:
            yield {
                name: _numbers(array.children[i].contents, kind)
                for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
            }
        finally:
            array.release(ctypes.byref(array))


def _address(capsule: Any) -> int:
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address: int = pointer(capsule, b"arrow_array_stream")
    return address


def _checked(stream: _Stream, status: int) -> None:
    if status:
        message = stream.get_last_error(ctypes.byref(stream))
        raise StreamError(message.decode(errors="replace") if message else f"error {status}")


def _columns(stream: _Stream) -> tuple[list[str], list[str]]:
    """Names and numpy types."""
    schema = _Schema()
    _checked(stream, stream.get_schema(ctypes.byref(stream), ctypes.byref(schema)))
    try:
        fields = [schema.children[i].contents for i in range(schema.n_children)]
        names, formats = [field.name.decode() for field in fields], [field.format.decode() for field in fields]
    finally:
        schema.release(ctypes.byref(schema))
    other = [f"{name} ({kind})" for name, kind in zip(names, formats, strict=True) if kind not in _NUMBERS]
    if other:
        raise TypeError(f"not numbers: {', '.join(other)}")
    return names, [_NUMBERS[kind] for kind in formats]


def _numbers(array: _Array, kind: str) -> NDArray[Any]:
    import numpy as np

    first, end = array.offset, array.offset + array.length
    values: NDArray[Any] = _view(array.buffers[1], end * np.dtype(kind).itemsize).view(kind)[first:]
    if not array.null_count or not array.buffers[0]:
        return values
    valid = np.unpackbits(_view(array.buffers[0], -(-end // 8)), count=end, bitorder="little")[first:]
    return np.ma.MaskedArray(values, valid == 0)


def _view(address: int | None, size: int) -> NDArray[np.uint8]:
    import numpy as np

    if not address or not size:
        return np.zeros(0, dtype=np.uint8)
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
