"""The configuration file: found, read, checked key by key, with the line of whatever is wrong."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tui.config_schema import Config, Incidents, IncidentTarget, LogSource, PrometheusSource, ScrapeSource
from tui.paths import CONFIG_VARIABLE, LOCAL_CONFIG, user_config_file

if TYPE_CHECKING:
    import yaml

Path_ = tuple[str | int, ...]
_Source = TypeVar("_Source", PrometheusSource, ScrapeSource, LogSource, Incidents, IncidentTarget)
_FILE_KEYS = (
    "headers_file",
    "bearer_token_file",
    "ca_file",
    "cert_file",
    "key_file",
    "file",
    "path",
    "label_files",
    "folder",
    "secret_file",
)
_AT = re.compile(r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


class ConfigError(Exception):
    """The configuration cannot be used: which file, which line, which key, and what is known instead."""

    def __init__(
        self, message: str, file: Path | None = None, line: int | None = None, key: str = "", nearest: str | None = None
    ) -> None:
        place = f"{file or 'configuration'}{f':{line}' if line else ''}"
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"{place}: {f'{key}: ' if key else ''}{message}{hint}")
        self.file = file
        self.line = line
        self.key = key
        self.message = message
        self.nearest = nearest


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where each of its values stands."""

    config: Config
    file: Path | None = None
    lines: Mapping[Path_, int] = field(default_factory=dict)
    """Path of a value, such as ("logs", 0, "path") -> its line, from 1."""

    def error(self, message: str, *path: str | int, nearest: str | None = None) -> ConfigError:
        """An error about the value at `path`."""
        return ConfigError(message, self.file, _line(self.lines, path), _dotted(path), nearest)


def find(named: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file to read: `named`, else $MLTRIAGE_CONFIG, the user's own, or mltriage.yaml in the working directory.

    The first two must exist when they are given (`load` says so); None when there is none of the others.
    """
    if named is not None:
        return named
    if chosen := environment.get(CONFIG_VARIABLE):
        return Path(chosen).expanduser()
    return next((file for file in (user_config_file(), Path(LOCAL_CONFIG)) if file.is_file()), None)


def load(named: Path | None = None, environment: Mapping[str, str] = os.environ) -> Loaded:
    """Find, read and check the configuration; the defaults when there is no file.

    Relative paths in the file are relative to its folder.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or holds something that the schema does not know.
    """
    file = find(named, environment)
    if file is None:
        return Loaded(Config())
    data, lines = _read(file)
    loaded = Loaded(_convert(data, file, lines), file, lines)
    implicit = named is None and not environment.get(CONFIG_VARIABLE) and file == Path(LOCAL_CONFIG)
    commands = [
        (kind, i, "bearer_token_command")
        for kind, sources in (("prometheus", loaded.config.prometheus), ("logs", loaded.config.logs))
        for i, source in enumerate(sources)
        if source.bearer_token_command
    ]
    commands += [("targets", i, "secret_command") for i, t in enumerate(loaded.config.targets) if t.secret_command]
    if implicit and commands:
        # Starting in a folder that somebody else has filled must not run what it names.
        raise loaded.error(
            f"a file found in the working directory may not name a command unless --config {LOCAL_CONFIG} is said",
            *commands[0],
        )
    return loaded


def check_binding_ids(loaded: Loaded, known: Collection[str]) -> None:
    """Raises ConfigError when `keys` remaps a binding that does not exist."""
    for name in loaded.config.keys:
        if name not in known:
            raise loaded.error("no key binding has this id", "keys", name, nearest=_nearest(name, known))


def schema_keys() -> tuple[str, ...]:
    """Every key of the file as a dotted path, such as `logs.fields.ts`; a mapping of free names ends in `.*`."""
    return tuple(_keys(msgspec.inspect.type_info(Config), ""))


def _read(file: Path) -> tuple[object, Mapping[Path_, int]]:
    import yaml  # 28 ms, and most starts have no file

    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file) from None
    except UnicodeDecodeError:
        raise ConfigError("cannot be read: not UTF-8 text", file) from None
    loader = _plain_loader()(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return {}, {}
        lines: dict[Path_, int] = {}
        _walk(node, (), lines, file, frozenset())
        return loader.construct_document(node), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"not YAML: {problem}", file, mark.line + 1 if mark else None) from None
    finally:
        loader.dispose()


def _plain_loader() -> type[yaml.SafeLoader]:
    """A loader with the scalars of YAML 1.2: `on`, `no`, `03:01` and `2026-11-22` are text, as they look."""
    import yaml

    class PlainLoader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as its base has it

    for tag, pattern, first in (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ):
        PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), first)
    return PlainLoader


def _walk(node: yaml.Node, path: Path_, lines: dict[Path_, int], file: Path, above: frozenset[int]) -> None:
    """Note the line of every value; a key that stands twice, or a value inside itself, is an error."""
    import yaml

    if id(node) in above:
        raise ConfigError("this value contains itself", file, node.start_mark.line + 1, _dotted(path))
    above |= {id(node)}
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            _walk(item, (*path, i), lines, file, above)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            line = key.start_mark.line + 1
            if inner in lines:
                raise ConfigError(f"stands twice, first in line {lines[inner]}", file, line, _dotted(inner))
            lines[inner] = line
            _walk(value, inner, lines, file, above)


def _convert(data: object, file: Path, lines: Mapping[Path_, int]) -> Config:
    if not isinstance(data, dict):
        raise ConfigError("must be a mapping of keys at the top", file, 1)
    try:
        config = msgspec.convert(data, Config)
    except msgspec.ValidationError as error:
        raise _explain(str(error), data, file, lines) from None
    base = file.absolute().parent
    return msgspec.structs.replace(
        config,
        prometheus=tuple(_rooted(source, base) for source in config.prometheus),
        scrape=tuple(_rooted(source, base) for source in config.scrape),
        logs=tuple(_rooted(source, base) for source in config.logs),
        incidents=_rooted(config.incidents, base),
        targets=tuple(_rooted(target, base) for target in config.targets),
    )


def _rooted(source: _Source, base: Path) -> _Source:
    """The source with its relative paths made absolute."""
    found = {name: getattr(source, name, None) for name in _FILE_KEYS}
    return msgspec.structs.replace(
        source, **{name: str(base / Path(value).expanduser()) for name, value in found.items() if value is not None}
    )


def _explain(error: str, data: dict[Any, Any], file: Path, lines: Mapping[Path_, int]) -> ConfigError:
    """The schema library's words with the line, the whole key and the nearest known one."""
    found = _AT.match(error)
    assert found  # every text matches
    what, path = found["what"], _resolve(found["path"] or "", data, error)
    if unknown := re.match(r"Object contains unknown field `(.*)`", what):
        path = (*path, unknown[1])
        known = _known(path[:-1])
        nearest = _nearest(unknown[1], known)
        message = "unknown key" if nearest else f"unknown key; known here: {', '.join(known)}"
        return ConfigError(message, file, _line(lines, path), _dotted(path), nearest)
    if missing := re.match(r"Object missing required field `(.*)`", what):
        message = f"the key {missing[1]!r} is missing"
    elif "Invalid enum value" in what:
        node = _type_at(path)
        values = tuple(map(str, node.values)) if isinstance(node, msgspec.inspect.LiteralType) else ()
        given = re.search(r"'(.*)'", what)
        nearest = _nearest(given[1], values) if given else None
        return ConfigError(f"must be one of {', '.join(values)}", file, _line(lines, path), _dotted(path), nearest)
    elif found["key"]:
        message = "its keys must be text: put them in quotes"
    else:
        message = _plain(what)
    return ConfigError(message, file, _line(lines, path), _dotted(path))


def _plain(what: str) -> str:
    words = {"object": "a mapping", "array": "a list", "str": "text", "int": "a number", "float": "a number"}
    words |= {"bool": "true or false", "null": "nothing", "str | null": "text"}
    what = re.sub(r"`([^`]*)`", lambda m: words.get(m[1].removesuffix(" | null"), m[1]), what)
    return what[:1].lower() + what[1:]


def _resolve(text: str, data: Any, error: str) -> Path_:
    """The path of an error; for a mapping of free names the library writes `[...]`, and the name is found by trial."""
    path: list[str | int] = []
    for name, index in _STEP.findall(text):
        step: str | int = name or index
        if index == "...":
            here = _get(data, path)
            step = next((key for key in here if _still_wrong(data, path, {key: here[key]}, error)), "...")
        elif index:
            step = int(index)
        path.append(step)
    return tuple(path)


def _still_wrong(data: Any, path: list[str | int], instead: object, error: str) -> bool:
    def replaced(here: Any, rest: list[str | int]) -> Any:
        if not rest:
            return instead
        if isinstance(here, list):
            return [replaced(item, rest[1:]) if i == rest[0] else item for i, item in enumerate(here)]
        return {key: replaced(item, rest[1:]) if key == rest[0] else item for key, item in here.items()}

    try:
        msgspec.convert(replaced(data, path), Config)
    except msgspec.ValidationError as again:
        return str(again) == error
    return False


def _get(data: Any, path: list[str | int]) -> Any:
    for step in path:
        data = data[step]
    return data


def _type_at(path: Path_) -> msgspec.inspect.Type:
    node: msgspec.inspect.Type = msgspec.inspect.type_info(Config)
    for step in path:
        node = _inner(node)
        if isinstance(node, msgspec.inspect.StructType):
            node = next(f.type for f in node.fields if f.encode_name == step)
        elif isinstance(node, msgspec.inspect.DictType):
            node = node.value_type
        elif isinstance(node, msgspec.inspect.VarTupleType):
            node = node.item_type
    return _inner(node)


def _inner(node: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """The type without "or null"."""
    if isinstance(node, msgspec.inspect.UnionType):
        return next(part for part in node.types if not isinstance(part, msgspec.inspect.NoneType))
    return node


def _known(path: Path_) -> tuple[str, ...]:
    node = _type_at(path)
    assert isinstance(node, msgspec.inspect.StructType)  # only those refuse unknown keys
    return tuple(f.encode_name for f in node.fields)


def _keys(node: msgspec.inspect.Type, prefix: str) -> list[str]:
    node = _inner(node)
    if isinstance(node, msgspec.inspect.VarTupleType) and isinstance(node.item_type, msgspec.inspect.StructType):
        return _keys(node.item_type, prefix)
    if isinstance(node, msgspec.inspect.DictType):
        return [f"{prefix}.*", *_keys(node.value_type, f"{prefix}.*")]
    if not isinstance(node, msgspec.inspect.StructType):
        return []
    found = []
    for one in node.fields:
        key = f"{prefix}.{one.encode_name}".lstrip(".")
        found += [key, *_keys(one.type, key)]
    return found


def _nearest(name: str, known: Collection[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name.lower(), known, n=1)), None)


def _line(lines: Mapping[Path_, int], path: Path_) -> int | None:
    """The line of the value, or of the nearest value around it."""
    return next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), None)


def _dotted(path: Path_) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
