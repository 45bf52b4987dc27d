"""A snapshot as JSON, faithful to the last bit of its numbers, readable by other programs and by other versions.

Each dataclass becomes an object that names its class, each array an object that names its type; NaN is null within an
array. What a newer version added is passed over; what an older version did not know yet is empty.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import json
import math
import pkgutil
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import analysis
from analysis.answer import PanelStatus, Snapshot, State

VERSION = 1
CLASS, ENUM, ARRAY, NUMBER, MAP = "$class", "$enum", "$array", "$number", "$map"
NOT_KEPT = "not kept by the version that wrote this"


class CodecError(ValueError):
    """Not a kept snapshot, or one of a format that this version does not know."""


def encode(snapshot: Snapshot, others: Iterable[Snapshot] = ()) -> bytes:
    """A snapshot, and the same answer with other models in focus, as ASCII JSON.

    Args:
        others: answers to the same question that differ in their focus; only what differs is kept of them.
    """
    whole = _plain(snapshot)
    differing = {}
    for other in others:
        plain = _plain(other)
        differing[other.focus] = {name: value for name, value in plain.items() if whole.get(name) != value}
    kept = {"format": "mltriage-snapshot", "version": VERSION, "snapshot": whole, "others": differing}
    return json.dumps(kept, allow_nan=False, separators=(",", ":")).encode("ascii")


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that was kept, for each model that was kept with it."""

    raw: Mapping[str, Any]
    others: Mapping[str, Mapping[str, Any]]

    @property
    def models(self) -> tuple[str, ...]:
        """The models that can be in focus; the one that was comes first."""
        return (str(self.raw.get("focus", "")), *self.others)

    def snapshot(self, focus: str | None = None) -> Snapshot:
        """The answer with a model in focus; with the one that was in focus where that model was not kept.

        Raises:
            CodecError: it cannot be read.
        """
        try:
            found = _value({**self.raw, **self.others.get(focus or "", {})})
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise CodecError(f"not a snapshot: {error}") from error
        if not isinstance(found, Snapshot):
            raise CodecError("not a snapshot")
        return found


def decode(content: bytes) -> Kept:
    """What `encode` wrote.

    Raises:
        CodecError: something else.
    """
    try:
        raw = json.loads(content)
        if raw["format"] != "mltriage-snapshot":
            raise CodecError("not a snapshot of mltriage")
        if raw["version"] > VERSION:
            raise CodecError(f"format {raw['version']} needs a newer mltriage")
        return Kept(dict(raw["snapshot"]), dict(raw.get("others", {})))
    except (ValueError, KeyError, TypeError) as error:
        raise error if isinstance(error, CodecError) else CodecError(f"not a snapshot: {error}") from None


def _plain(value: Any) -> Any:
    match value:
        case enum.Enum():
            return {ENUM: type(value).__name__, "value": value.value}
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {NUMBER: repr(value)}
        case tuple() | list():
            return [_plain(item) for item in value]
        case Mapping():
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: _plain(item) for key, item in value.items()}
            return {MAP: [[_plain(key), _plain(item)] for key, item in value.items()]}
    if dataclasses.is_dataclass(value):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {CLASS: type(value).__name__, **fields}
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return {ARRAY: str(value.dtype), "shape": list(value.shape), "values": _numbers(value.ravel().tolist())}
    raise TypeError(f"a snapshot cannot keep a {type(value).__name__}")


def _numbers(values: list[Any]) -> list[Any]:
    return [
        (None if math.isnan(v) else repr(v)) if isinstance(v, float) and not math.isfinite(v) else v for v in values
    ]


def _value(raw: Any) -> Any:
    if isinstance(raw, list):
        return tuple(_value(item) for item in raw)
    if not isinstance(raw, dict):
        return raw
    if ARRAY in raw:
        import numpy as np  # not before a snapshot is read

        values = [math.nan if v is None else float(v) if isinstance(v, str) else v for v in raw["values"]]
        return np.array(values, dtype=raw[ARRAY]).reshape(raw["shape"])
    if NUMBER in raw:
        return float(raw[NUMBER])
    if MAP in raw:
        return {_value(key): _value(item) for key, item in raw[MAP]}
    if ENUM in raw:
        return _enum(raw)
    if CLASS in raw:
        return _object(raw)
    return {key: _value(item) for key, item in raw.items()}


def _enum(raw: Mapping[str, Any]) -> Any:
    known = _classes()[raw[ENUM]]
    return known(raw["value"])


def _object(raw: Mapping[str, Any]) -> Any:
    known = _classes().get(raw[CLASS])
    if known is None:
        raise KeyError(f"{raw[CLASS]} of a newer version")
    given = {}
    for field in dataclasses.fields(known):
        if field.name in raw:
            try:
                given[field.name] = _value(raw[field.name])
                continue
            except (KeyError, ValueError):
                # A newer version's word in a field: the rest of the answer is worth more than its absence.
                pass
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            given[field.name] = _empty(_hints(known)[field.name])
    return known(**given)


def _empty(hint: Any) -> Any:
    """A value of a type that says that nothing is known."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(hint)
        return None if type(None) in options else _empty(options[0])
    plain = origin or hint
    if plain is PanelStatus:
        return PanelStatus(State.ABSENT, NOT_KEPT)
    if isinstance(plain, type):
        if issubclass(plain, enum.Enum):
            return next(iter(plain))
        if dataclasses.is_dataclass(plain):
            return _object({CLASS: plain.__name__})
        if issubclass(plain, float):
            return math.nan
        if issubclass(plain, str | int | tuple):
            return plain()
        if issubclass(plain, Mapping):
            return {}
    raise KeyError(f"no empty {hint}")


@cache
def _classes() -> Mapping[str, Any]:
    """Every dataclass and enumeration that a snapshot may hold, by name."""
    found: dict[str, Any] = {}
    waiting: list[Any] = [Snapshot]
    while waiting:
        hint = waiting.pop()
        waiting.extend(typing.get_args(hint))
        if not isinstance(hint, type) or hint.__name__ in found:
            continue
        if dataclasses.is_dataclass(hint):
            found[hint.__name__] = hint
            waiting.extend(_hints(hint).values())
        elif issubclass(hint, enum.Enum):
            found[hint.__name__] = hint
    return found


@cache
def _hints(known: Any) -> Mapping[str, Any]:
    """The types of a dataclass's fields, with the names that its module imports for the type checker alone."""
    return typing.get_type_hints(known, {**_names(), **vars(sys.modules[known.__module__])})


@cache
def _names() -> Mapping[str, Any]:
    """The types that modules of `analysis` may name without importing them when they run."""
    import numpy as np
    from numpy.typing import NDArray

    found = {"np": np, "Floats": NDArray[np.float64], "Ints": NDArray[np.int64]}
    for module in pkgutil.iter_modules(analysis.__path__, "analysis."):
        found = {**vars(importlib.import_module(module.name)), **found}
    return found
