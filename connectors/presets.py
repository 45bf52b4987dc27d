"""Presets: what each model server calls its metrics, as structure that PromQL and direct scraping both come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Literal, get_args

Kind = Literal["counter", "rate", "gauge", "changes", "histogram", "mean", "summary", "expr"]
Agg = Literal["sum", "max", "min", "avg"]
Layer = Literal[
    "config",
    "model_server",
    "llm_gateway",
    "gateway",
    "mesh",
    "generic",
    "model",
    "gpu",
    "container",
    "process",
    "host",
]
LAYERS: tuple[str, ...] = get_args(Layer)
"""Most specific first: requests come from the first layer that has any, infra signals from the first that has each."""

REQUEST_LAYERS = LAYERS[: LAYERS.index("generic") + 1]

KINDS: tuple[str, ...] = get_args(Kind)

UNITS: Mapping[str, tuple[float, str]] = {
    "s": (1e3, "ms"),
    "ms": (1.0, "ms"),
    "us": (1e-3, "ms"),
    "percent": (0.01, "ratio"),
    "ratio": (1.0, "ratio"),
}
"""Unit of a metric -> factor and unit of the evidence. Units that are not here stay as they are."""


class PresetError(ValueError):
    """A preset is not valid; the message names preset, signal and key."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher of PromQL; a missing label is the empty string, and patterns match the whole value."""

    label: str
    op: str
    value: str

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is selected."""
        have = labels.get(self.label, "")
        if self.op in ("=", "!="):
            return (have == self.value) == (self.op == "=")
        return (re.fullmatch(self.value, have) is not None) == (self.op == "=~")

    def __str__(self) -> str:
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.op}"{quoted}"'


Alternatives = tuple[tuple[Matcher, ...], ...]
"""Selectors of which a series has to meet one; `((),)` asks for nothing."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way in which a server exposes a signal; presets.yaml explains the keys."""

    kind: Kind
    metric: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    where: tuple[Matcher, ...] = ()
    over_where: tuple[Matcher, ...] = ()
    agg: Agg = "sum"
    by: tuple[str, ...] = ()
    unit: str = ""
    fault: str = ".*"
    keep: str = ".*"
    lazy: bool = False
    per_model: bool = True
    pattern: str = ""
    expr: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of server: how it is recognised, what its labels mean and which signals it has."""

    id: str
    name: str
    layer: Layer
    any: frozenset[str]
    all: frozenset[str]
    pattern: str
    labels: Mapping[str, tuple[str, ...]]
    """Label class (model, version, replica, error, ...) -> label names, the first present one counts."""
    signals: Mapping[str, tuple[Variant, ...]]
    notes: str = ""


def spellings(name: str) -> tuple[str, ...]:
    """The names under which a metric may arrive: with or without `_total`, colons perhaps replaced by underscores."""
    other = name.removesuffix("_total") if name.endswith("_total") else f"{name}_total"
    plain = (name, other)
    return plain if ":" not in name else (*plain, *(n.replace(":", "_") for n in plain))


def resolve(name: str, names: Set[str]) -> str | None:
    """The spelling of `name` that exists in `names`, if any."""
    return next((spelling for spelling in spellings(name) if spelling in names), None)


def detect(names: Set[str], presets: tuple[Preset, ...] | None = None) -> tuple[Preset, ...]:
    """The presets whose metrics exist among `names`, the most specific layer first.

    Gateways, meshes and generic HTTP metrics describe the same requests from several sides, so only the first preset of
    each of these layers is kept. Several model servers stand beside each other.
    """
    found: list[Preset] = []
    for preset in sorted(presets or load_presets(), key=lambda p: LAYERS.index(p.layer)):
        seen_from_outside = preset.layer in ("gateway", "mesh", "generic")
        if _matches(preset, names) and not (seen_from_outside and any(p.layer == preset.layer for p in found)):
            found.append(preset)
    return tuple(found)


def _matches(preset: Preset, names: Set[str]) -> bool:
    if preset.pattern:
        pattern = re.compile(preset.pattern)
        return any(pattern.fullmatch(name) for name in names)
    if preset.all:
        return all(resolve(name, names) for name in preset.all)
    # A histogram that exists only in its native form has no _bucket series.
    return any(resolve(name, names) or name.removesuffix("_bucket") in names for name in preset.any)


@cache
def load_presets() -> tuple[Preset, ...]:
    """Every preset of the package, in file order.

    Raises:
        PresetError: a preset is not valid.
    """
    raw = _read()
    return parse_presets(raw["presets"])


@cache
def name_pattern() -> str:
    """The regular expression that selects the names that may matter from all the names a Prometheus knows."""
    return str(_read()["names"])


@cache
def _read() -> dict[str, list[object]]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = resources.files("connectors").joinpath("presets.yaml").read_text("utf-8")
    loaded: dict[str, list[object]] = yaml.load(text, Loader=loader)
    return loaded


def parse_presets(raw: object) -> tuple[Preset, ...]:
    """Presets from decoded YAML.

    Raises:
        PresetError: naming preset, signal and key.
    """
    if not isinstance(raw, list):
        raise PresetError("presets: a list is expected")
    done: dict[str, Preset] = {}
    for entry in raw:
        preset = _preset(entry, done)
        if preset.id in done:
            raise PresetError(f"preset {preset.id}: there are two of them")
        done[preset.id] = preset
    return tuple(done.values())


_KEYS = {"id", "name", "layer", "detect", "labels", "signals", "notes", "derive_from", "rename"}


def _preset(entry: object, done: Mapping[str, Preset]) -> Preset:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise PresetError("a preset without an id")
    at = f"preset {entry['id']}"
    _known(entry, _KEYS, at)
    layer = entry.get("layer")
    if layer not in LAYERS:
        raise PresetError(f"{at}: layer {layer!r} is none of {', '.join(LAYERS)}")
    labels = {str(k): _strings(v, f"{at}, labels, {k}") for k, v in _mapping(entry.get("labels", {}), at).items()}
    found = _mapping(entry.get("detect", {}), at)
    _known(found, {"any", "all", "pattern"}, f"{at}, detect")
    preset = Preset(
        id=entry["id"],
        name=_string(entry.get("name", entry["id"]), f"{at}, name"),
        layer=layer,
        any=frozenset(_strings(found.get("any", []), f"{at}, detect, any")),
        all=frozenset(_strings(found.get("all", []), f"{at}, detect, all")),
        pattern=_pattern(found.get("pattern", ""), f"{at}, detect, pattern"),
        labels=labels,
        signals={
            str(signal): _variants(value, labels, f"{at}, signal {signal}")
            for signal, value in _mapping(entry.get("signals", {}), at).items()
        },
        notes=_string(entry.get("notes", ""), f"{at}, notes"),
    )
    if not (preset.any or preset.all or preset.pattern):
        raise PresetError(f"{at}: detect names no metric")
    if "derive_from" in entry:
        if entry["derive_from"] not in done:
            raise PresetError(f"{at}: derive_from {entry['derive_from']!r} is not a preset before it")
        preset = _derived(preset, done[entry["derive_from"]], _mapping(entry.get("rename", {}), at))
    if not preset.signals:
        raise PresetError(f"{at}: no signals")
    return preset


def _derived(preset: Preset, base: Preset, rename: Mapping[str, object]) -> Preset:
    """`base` with the prefixes of its metrics renamed, once per new prefix; own signals win."""
    signals = dict(base.signals)
    for old, new in rename.items():
        prefixes = _strings(new, f"preset {preset.id}, rename")

        def renamed(name: str, prefix: str, old: str = old) -> str:
            return prefix + name.removeprefix(old) if name.startswith(old) else name

        signals = {
            signal: tuple(
                replace(
                    variant,
                    metric=tuple(renamed(name, prefix) for name in variant.metric),
                    over=tuple(renamed(name, prefix) for name in variant.over),
                )
                for prefix in prefixes
                for variant in variants
            )
            for signal, variants in signals.items()
        }
    return replace(preset, signals={**signals, **preset.signals})


_VARIANT_KEYS = {
    *KINDS,
    *("over", "where", "over_where", "agg", "by", "unit", "fault", "keep", "lazy", "per_model", "pattern", "needs"),
}


def _variants(raw: object, labels: Mapping[str, tuple[str, ...]], at: str) -> tuple[Variant, ...]:
    entries = raw if isinstance(raw, list) else [raw]
    if not entries:
        raise PresetError(f"{at}: no variant")
    return tuple(_variant(_mapping(entry, at), labels, at) for entry in entries)


def _variant(raw: Mapping[str, object], labels: Mapping[str, tuple[str, ...]], at: str) -> Variant:
    _known(raw, _VARIANT_KEYS, at)
    kinds = [kind for kind in get_args(Kind) if kind in raw]
    if len(kinds) != 1:
        raise PresetError(f"{at}: exactly one of {', '.join(KINDS)} is expected")
    kind: Kind = kinds[0]
    agg = raw.get("agg", "sum")
    if agg not in ("sum", "max", "min", "avg"):
        raise PresetError(f"{at}: agg {agg!r} is none of sum, max, min, avg")
    names = () if kind == "expr" else _strings(raw[kind], f"{at}, {kind}")
    by = _strings(raw.get("by", []), f"{at}, by")
    for label_class in by:
        if label_class not in labels:
            raise PresetError(f"{at}: by names {label_class!r}, which is not among the preset's labels")
    over = _strings(raw.get("over", []), f"{at}, over")
    if kind == "mean" and not over:
        raise PresetError(f"{at}: a mean needs over")
    if len(names) > 1 and agg != "sum":
        raise PresetError(f"{at}: several metrics can only be added (agg: sum)")
    where = _matchers(raw.get("where", ""), f"{at}, where")
    return Variant(
        kind=kind,
        metric=names,
        over=over,
        where=where,
        over_where=_matchers(raw.get("over_where", ""), f"{at}, over_where"),
        agg=agg,
        by=by,
        unit=_string(raw.get("unit", ""), f"{at}, unit"),
        fault=_pattern(raw.get("fault", ".*"), f"{at}, fault"),
        keep=_pattern(raw.get("keep", ".*"), f"{at}, keep"),
        lazy=_flag(raw.get("lazy", False), f"{at}, lazy"),
        per_model=_flag(raw.get("per_model", True), f"{at}, per_model"),
        pattern=_pattern(raw.get("pattern", ""), f"{at}, pattern"),
        expr=_string(raw.get("expr", ""), f"{at}, expr"),
        needs=_strings(raw.get("needs", []), f"{at}, needs"),
    )


_MATCHER = re.compile(r'\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """The matchers of a PromQL selector without its braces.

    Raises:
        PresetError: the text is not such a list.
    """
    matchers, at = [], 0
    while text[at:].strip():
        found = _MATCHER.match(text, at)
        if not found:
            raise PresetError(f'cannot read the matchers at {text[at:]!r}: write label="value"')
        value = re.sub(r"\\(.)", r"\1", found[3])
        if found[2] in ("=~", "!~"):
            _pattern(value, f"matcher {found[1]}")
        matchers.append(Matcher(found[1], found[2], value))
        at = found.end()
    return tuple(matchers)


def _matchers(raw: object, at: str) -> tuple[Matcher, ...]:
    try:
        return parse_matchers(_string(raw, at))
    except PresetError as error:
        raise PresetError(f"{at}: {error}") from None


def _known(raw: Mapping[str, object], keys: Set[str], at: str) -> None:
    import difflib

    for key in raw:
        if key not in keys:
            near = difflib.get_close_matches(str(key), sorted(keys), 1)
            raise PresetError(f"{at}: unknown key {key!r}" + (f", did you mean {near[0]!r}?" if near else ""))


def _mapping(raw: object, at: str) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise PresetError(f"{at}: keys and values are expected, not {raw!r}")
    return raw


def _string(raw: object, at: str) -> str:
    if not isinstance(raw, str):
        raise PresetError(f"{at}: a text is expected, not {raw!r}")
    return raw


def _strings(raw: object, at: str) -> tuple[str, ...]:
    return tuple(_string(item, at) for item in (raw if isinstance(raw, list) else [raw]))


def _flag(raw: object, at: str) -> bool:
    if not isinstance(raw, bool):
        raise PresetError(f"{at}: true or false is expected, not {raw!r}")
    return raw


def _pattern(raw: object, at: str) -> str:
    text = _string(raw, at)
    try:
        re.compile(text)
    except re.error as error:
        raise PresetError(f"{at}: {text!r} is not a regular expression ({error})") from None
    return text
