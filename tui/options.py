"""What one run of the program was asked to do: the flags over the configuration over the defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from analysis.filters import FilterError, format_filter, parse_filter
from analysis.objectives import Objective
from analysis.view import View
from tui.config import Loaded
from tui.config_schema import Incidents, IncidentTarget, LogSource, PrometheusSource, ScrapeSource, Slo, Theme, Zone
from tui.timespec import (
    TimeSpecError,
    format_baseline,
    format_duration,
    format_time,
    parse_baseline,
    parse_time,
    parse_window,
)

_Source = TypeVar("_Source", PrometheusSource, ScrapeSource, LogSource)
_Value = TypeVar("_Value")
SOURCE_KINDS = ("prometheus", "scrape", "logs")


class FlagError(ValueError):
    """A flag's value cannot be used. `flag` is its name on the command line."""

    def __init__(self, flag: str, message: str) -> None:
        super().__init__(message)
        self.flag = flag


@dataclass(frozen=True, slots=True)
class Flags:
    """The command line as typed; None and () are "not given"."""

    prometheus: tuple[str, ...] = ()
    scrape: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    window: str | None = None
    baseline: str | None = None
    at: str | None = None
    filter: str | None = None
    theme: Theme | None = None
    ascii: bool | None = None
    no_mouse: bool | None = None

    def over(self, other: Flags) -> Flags:
        """These flags, with those of `other` where these are not given."""
        return replace(other, **{name: value for name, value in _fields(self).items() if value not in (None, ())})


@dataclass(frozen=True, slots=True)
class Options:
    """Everything the application, the report and the doctor need to start."""

    prometheus: tuple[PrometheusSource, ...]
    scrape: tuple[ScrapeSource, ...]
    logs: tuple[LogSource, ...]
    view: View
    refresh_s: float
    confidence_threshold: float
    objectives: tuple[Objective, ...]
    """What the models promise."""
    theme: Theme
    ascii: bool
    mouse: bool
    zone: Zone
    sensitive: frozenset[str]
    """Fields whose values are never shown."""
    keys: Mapping[str, str]
    """Binding id -> key."""
    incidents: Incidents
    """Where flagged incidents are kept."""
    targets: tuple[IncidentTarget, ...]
    """Who is told of them."""
    loaded: Loaded
    """The configuration, for errors that name its lines."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Key of the configuration (`at`, `filter` and `models` too) -> default, file:line or flag."""
    demo: bool = False
    """Whether the fleet is simulated: incidents are exercises in a folder of their own."""

    @property
    def has_sources(self) -> bool:
        """Whether there is anything to read from."""
        return bool(self.prometheus or self.scrape or self.logs)


def resolve(flags: Flags, loaded: Loaded, now: float) -> Options:
    """Flags over configuration over defaults.

    A source flag that equals the name of a configured source means that source. Source flags replace the configured
    sources of every kind: a run reads nothing that its command line does not name.

    Args:
        flags: the command line.
        loaded: the configuration.
        now: unix seconds, for times such as `-2h`; `--at` a moment that is not before it follows the clock.

    Raises:
        FlagError: a flag's value cannot be read.
        ConfigError: `window` or `baseline` of the file cannot be read.
    """
    config = loaded.config
    origins = {name: _file_origin(loaded, name) for name in config.__struct_fields__}
    window_s = _timespec(flags, loaded, origins, "window", parse_window)
    baseline = _timespec(flags, loaded, origins, "baseline", lambda text: parse_baseline(text, now, config.zone))
    end, where = None, View().where
    try:
        if flags.at is not None and (moment := parse_time(flags.at, now, config.zone)) < int(now):
            end = moment
    except TimeSpecError as error:
        raise FlagError("at", str(error)) from None
    try:
        if flags.filter is not None:
            where = parse_filter(flags.filter)
    except FilterError as error:
        raise FlagError("filter", str(error)) from None
    sources = (config.prometheus, config.scrape, config.logs)
    if flags.prometheus or flags.scrape or flags.logs:
        sources = (
            _named("prometheus", flags.prometheus, config.prometheus, _prometheus),
            _named("scrape", flags.scrape, config.scrape, _scrape),
            _named("logs", flags.logs, config.logs, _logs),
        )
        origins |= {
            kind: f"--{kind}" if getattr(flags, kind) else "command line" for kind in ("prometheus", "scrape", "logs")
        }
    origins |= {"theme": "--theme"} if flags.theme else {}
    origins |= {"ascii": "--ascii"} if flags.ascii else {}
    origins |= {"mouse": "--no-mouse"} if flags.no_mouse else {}
    for name, given in (("at", flags.at), ("filter", flags.filter), ("models", flags.model)):
        origins[name] = f"--{name.removesuffix('s')}" if given else "default"
    return Options(
        *sources,
        view=View(window_s=window_s, end=end, baseline=baseline, models=tuple(dict.fromkeys(flags.model)), where=where),
        refresh_s=config.refresh,
        confidence_threshold=config.confidence_threshold,
        objectives=tuple(objective for slo in config.slos for objective in _objectives(slo)),
        theme=flags.theme or config.theme,
        ascii=bool(flags.ascii) or config.ascii,
        mouse=config.mouse and not flags.no_mouse,
        zone=config.zone,
        sensitive=frozenset(config.sensitive),
        keys=config.keys,
        incidents=config.incidents,
        targets=config.targets,
        loaded=loaded,
        origins=origins,
    )


def _objectives(slo: Slo) -> Iterable[Objective]:
    if slo.availability is not None:
        yield Objective(slo.model, "availability", slo.availability)
    if slo.latency is not None:
        yield Objective(slo.model, "latency", slo.latency, slo.latency_ms)


def show(options: Options) -> str:
    """One line per value, `key = value  (where it came from)`; nothing secret is in it."""
    view = options.view
    values: dict[str, object] = {
        "window": format_duration(view.window_s),
        "baseline": format_baseline(view.baseline),
        "at": "now" if view.end is None else format_time(view.end),
        "filter": format_filter(view.where) or "none",
        "models": ", ".join(view.models) or "all",
        "refresh": f"{options.refresh_s:g}",
        "confidence_threshold": f"{options.confidence_threshold:g}",
        "slos": "; ".join(f"{promise.model} {promise.words}" for promise in options.objectives) or "none",
        "theme": options.theme,
        "ascii": str(options.ascii).lower(),
        "mouse": str(options.mouse).lower(),
        "zone": options.zone,
        "sensitive": ", ".join(sorted(options.sensitive)) or "none",
    }
    lines = [f"file = {options.loaded.file or 'none'}"]
    for kind in SOURCE_KINDS:
        sources = getattr(options, kind)
        if not sources:
            lines.append(f"{kind} = none  ({options.origins[kind]})")
        for i, source in enumerate(sources):
            given = {name: value for name, value in msgspec.structs.asdict(source).items() if value not in (None, {})}
            for name, value in given.items():
                origin = options.origins[kind]
                if not origin.startswith(("--", "command")):
                    origin = _file_origin(options.loaded, kind, i, name)
                lines.extend(_source_lines(f"{kind}[{i}].{name}", name, value, origin))
    lines.extend(f"{name} = {value}  ({options.origins[name]})" for name, value in values.items())
    lines.extend(
        f"keys.{name} = {key}  ({_file_origin(options.loaded, 'keys', name)})" for name, key in options.keys.items()
    )
    if not options.targets:
        lines.append(f"targets = none  ({options.origins['targets']})")
    for i, target in enumerate(options.targets):
        for name, value in msgspec.structs.asdict(target).items():
            if value not in (None, {}):
                lines.extend(
                    _source_lines(f"targets[{i}].{name}", name, value, _file_origin(options.loaded, "targets", i, name))
                )
    for name, given in msgspec.structs.asdict(options.incidents).items():
        origin = _file_origin(options.loaded, "incidents", name)
        lines.append(f"incidents.{name} = {'none' if given is None else given}  ({origin})")
    return "\n".join(lines)


def _source_lines(key: str, name: str, value: object, origin: str) -> Iterable[str]:
    if name in ("bearer_token_command", "secret_command") and isinstance(value, tuple):
        value = f"{value[0]} {'*** ' * (len(value) > 1)}".rstrip()
    elif name == "url":
        value = without_query(str(value))
    elif isinstance(value, msgspec.Struct):
        return [
            line
            for inner, v in msgspec.structs.asdict(value).items()
            if v is not None
            for line in _source_lines(f"{key}.{inner}", "", v, origin)
        ]
    elif isinstance(value, dict):
        return [line for inner, v in value.items() for line in _source_lines(f"{key}.{inner}", "", v, origin)]
    return [f"{key} = {value}  ({origin})"]


def without_query(url: str) -> str:
    """The URL as it may be shown: some gateways take a key as a query parameter."""
    parts = urlsplit(url)
    return parts._replace(query="***").geturl() if parts.query else url


def _timespec(
    flags: Flags, loaded: Loaded, origins: dict[str, str], name: str, parse: Callable[[str], _Value]
) -> _Value:
    given: str | None = getattr(flags, name)
    try:
        if given is None:
            return parse(getattr(loaded.config, name))
        origins[name] = f"--{name}"
        return parse(given)
    except TimeSpecError as error:
        if given is None:
            raise loaded.error(str(error), name) from None
        raise FlagError(name, str(error)) from None


def _named(
    flag: str, given: tuple[str, ...], configured: tuple[_Source, ...], make: Callable[[str], _Source]
) -> tuple[_Source, ...]:
    if "" in given:
        raise FlagError(flag, "an empty name")
    found: list[_Source] = []
    try:
        for text in dict.fromkeys(given):
            found.extend([source for source in configured if source.name == text] or [make(text)])
    except ValueError as error:
        raise FlagError(flag, str(error)) from None
    return tuple(found)


def _prometheus(url: str) -> PrometheusSource:
    return PrometheusSource(name=_short(url), url=url)


def _scrape(target: str) -> ScrapeSource:
    if target.startswith(("http://", "https://")):
        return ScrapeSource(name=_short(target), url=target)
    return ScrapeSource(name=target, file=str(Path(target)))


def _logs(place: str) -> LogSource:
    if not place.startswith(("http://", "https://")):
        return LogSource(name=place, path=place)
    parts = urlsplit(place)
    above, _, table = parts.path.rpartition("/")
    if not table:
        raise ValueError("the address of a ClickHouse ends in its table: http://host:8123/database.table")
    return LogSource(name=_short(place), url=parts._replace(path=above).geturl(), table=table)


def _short(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path.rstrip('/')}"


def _file_origin(loaded: Loaded, *path: str | int) -> str:
    return f"{loaded.file}:{loaded.lines[path]}" if path in loaded.lines else "default"


def _fields(flags: Flags) -> dict[str, Any]:
    return {name: getattr(flags, name) for name in Flags.__slots__}
