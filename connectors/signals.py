"""The plan: which signal comes from which metrics, once the names that exist are known.

A `Query` is the same question for both metric stores: `promql.render` writes it as PromQL, `ring.Ring` answers it from
scraped samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

from connectors.presets import REQUEST_LAYERS, UNITS, Agg, Alternatives, Kind, Matcher, Preset, Variant, detect, resolve

TRAFFIC = ("requests", "errors", "latency")
LATENCY_SUM = "latency_sum"
ALL_MODELS = "(all models)"
"""The model of a signal that its server does not split by model."""


@dataclass(frozen=True, slots=True)
class Query:
    """One signal of one preset in terms of metrics that exist (or, for lazy ones, may exist later)."""

    signal: str
    preset: str
    kind: Kind
    terms: tuple[tuple[int, str], ...] = ()
    """(+1 or -1, metric): added up. A histogram has one term, its name without `_bucket`."""
    over: tuple[tuple[int, str], ...] = ()
    where: tuple[Matcher, ...] = ()
    over_where: tuple[Matcher, ...] = ()
    any_of: Alternatives = ((),)
    """Beside `where` and `over_where`: the filter of the view."""
    agg: Agg = "sum"
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Label class -> label names to group by, of which the first present one is the value."""
    scale: float = 1.0
    unit: str = ""
    fault: str = ".*"
    keep: str = ".*"
    per_model: bool = True
    native: bool = False
    """The histogram exists only as a native histogram of Prometheus."""
    expr: str = ""

    @property
    def group(self) -> tuple[str, ...]:
        """Label names to group by, without duplicates."""
        return tuple(dict.fromkeys(name for names in self.labels.values() for name in names))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that the query reads, `_bucket` included."""
        suffix = "_bucket" if self.kind == "histogram" and not self.native else ""
        return tuple(name + suffix for _, name in (*self.terms, *self.over))

    def fold(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Label class -> the first value that is present."""
        found = {}
        for label_class, names in self.labels.items():
            value = next((labels[name] for name in names if labels.get(name)), None)
            if value is not None:
                found[label_class] = value
        return found


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will be asked of a metric store."""

    presets: tuple[Preset, ...]
    queries: tuple[Query, ...]
    notes: tuple[str, ...]

    @property
    def signals(self) -> dict[str, str]:
        """Signal -> the preset that provides it, the most specific one if there are several."""
        found: dict[str, str] = {}
        for query in self.queries:
            if query.signal != LATENCY_SUM:
                found.setdefault(query.signal, query.preset)
        return found

    def first(self, signal: str) -> Query | None:
        """The first query of a signal."""
        return next((query for query in self.queries if query.signal == signal), None)


def make_plan(
    names: Set[str],
    *,
    labels: Mapping[str, tuple[str, ...]] | None = None,
    own: Mapping[str, str] | None = None,
    promql: bool = True,
) -> Plan:
    """Detect the servers behind `names` and choose for every signal what is exposed.

    Args:
        names: metric names that exist.
        labels: label class -> label names to try before the preset's, such as {"version": ("pod_template_hash",)}.
        own: signal -> PromQL of the user, which replaces that signal of every preset.
        promql: whether expressions can be evaluated; a direct scrape cannot.
    """
    presets = tuple(_with_labels(preset, labels or {}) for preset in detect(names))
    notes = [f"{preset.name}: {preset.notes}" for preset in presets if preset.notes]
    queries = [_own(signal, expr, labels or {}) for signal, expr in (own or {}).items()]
    replaced = set(own or {})
    offers = {preset.id: _offers(preset, names) for preset in presets}
    layer = next(
        (p.layer for p in presets if p.layer in REQUEST_LAYERS and {"requests", "latency"} & set(offers[p.id])), None
    )
    claimed: dict[str, str] = {}
    for preset in presets:
        for signal, found in offers[preset.id].items():
            family = signal.removesuffix("_limit")
            # Hosts are things of their own; a container and its process are the same thing seen twice.
            offered = preset.layer if preset.layer == "host" else claimed.setdefault(family, preset.layer)
            taken = layer if signal in TRAFFIC else offered
            if signal in replaced or taken != preset.layer:
                continue
            if not promql and any(query.kind == "expr" or query.native for query in found):
                notes.append(f"{preset.name}: {signal} needs a Prometheus")
            else:
                queries.extend(found)
        if preset.layer == layer:
            for signal in TRAFFIC:
                if signal not in offers[preset.id] and signal not in replaced:
                    notes.append(f"{preset.name}: {signal} {'is' if signal == 'latency' else 'are'} not exposed")
    return Plan(presets, tuple(queries), tuple(dict.fromkeys(notes)))


def _with_labels(preset: Preset, labels: Mapping[str, tuple[str, ...]]) -> Preset:
    if preset.layer not in REQUEST_LAYERS:
        labels = {label_class: names for label_class, names in labels.items() if label_class in preset.labels}
    merged = {**preset.labels, **{c: (*names, *preset.labels.get(c, ())) for c, names in labels.items()}}
    return replace(preset, labels=merged)


def _own(signal: str, expr: str, labels: Mapping[str, tuple[str, ...]]) -> Query:
    kind: Kind = "histogram" if signal == "latency" else "expr"
    known = {"model": ("model", "model_name"), "version": ("version", "model_version"), "replica": ("replica", "pod")}
    classes = {**known, "error": ("error_type", "code", "status"), "dependency": ("dependency",), **labels}
    unit, scale = ("ms", 1e3) if signal == "latency" else ("", 1.0)
    return Query(signal, "config", kind, labels=classes, expr=expr, unit=unit, scale=scale)


def _offers(preset: Preset, names: Set[str]) -> dict[str, tuple[Query, ...]]:
    offers = {}
    for signal, variants in preset.signals.items():
        for variant in variants:
            queries = _queries(preset, signal, variant, names)
            if queries:
                offers[signal] = queries
                break
    return offers


def _queries(preset: Preset, signal: str, variant: Variant, names: Set[str]) -> tuple[Query, ...]:
    """The queries of one variant, or none when its metrics do not exist."""
    scale, unit = UNITS.get(variant.unit, (1.0, variant.unit))
    query = Query(
        signal=signal,
        preset=preset.id,
        kind=variant.kind,
        where=variant.where,
        over_where=variant.over_where,
        agg=variant.agg,
        labels=_classes(preset, signal, variant),
        scale=scale,
        unit=unit,
        fault=variant.fault,
        keep=variant.keep,
        per_model=variant.per_model,
    )
    if not all(resolve(name, names) for name in variant.needs):
        return ()
    if variant.kind == "expr":
        return (replace(query, expr=variant.expr),)
    if variant.pattern:
        pattern = re.compile(variant.pattern)
        bases = sorted({found[1] for name in names if (found := pattern.fullmatch(name))})
        return tuple(q for base in bases for q in _histogram(replace(query, terms=((1, base),)), names, variant))
    if variant.kind == "histogram":
        return _histogram(replace(query, terms=((1, variant.metric[0]),)), names, variant)
    terms = _terms(variant.metric, names, lazy=variant.lazy)
    over = _terms(variant.over, names, lazy=False)
    if terms is None or over is None:
        return ()
    return (replace(query, terms=terms, over=over),)


def _histogram(query: Query, names: Set[str], variant: Variant) -> tuple[Query, ...]:
    """All buckets of the latency; of any other histogram the mean."""
    if variant.kind != "histogram":
        return (query,)
    base = query.terms[0][1]
    bucket, total, count = (resolve(base + suffix, names) for suffix in ("_bucket", "_sum", "_count"))
    if bucket:
        base = bucket.removesuffix("_bucket")
        if query.signal == "latency":
            summed = replace(query, signal=LATENCY_SUM, kind="counter", terms=((1, f"{base}_sum"),))
            return (replace(query, terms=((1, base),)), summed)
    elif native := next((name for name in (base, base.replace(":", "_")) if name in names), None):
        if query.signal == "latency":
            return (replace(query, terms=((1, native),), native=True),)
        rated = f"sum by ({{by}}) (rate({native}{{{{selector}}}}[{{window}}]))"
        return (replace(query, kind="expr", expr=f"histogram_sum({rated}) / histogram_count({rated})"),)
    if total and count and query.signal != "latency":
        return (replace(query, kind="mean", terms=((1, total),), over=((1, count),), over_where=query.where),)
    return ()


def _terms(metrics: Iterable[str], names: Set[str], *, lazy: bool) -> tuple[tuple[int, str], ...] | None:
    """Signed metrics; None when the first, which must exist, does not. The others may appear with their first event."""
    terms = []
    for position, metric in enumerate(metrics):
        name = metric.removeprefix("-")
        found = resolve(name, names)
        if found is None and position == 0 and not lazy:
            return None
        terms.append((-1 if metric.startswith("-") else 1, found or name))
    return tuple(terms)


def _classes(preset: Preset, signal: str, variant: Variant) -> dict[str, tuple[str, ...]]:
    """The label classes that the answer keeps."""
    wanted = ["model"]
    if signal in TRAFFIC:
        wanted += ["version", "error"] if signal == "errors" else ["version"]
        # Quantiles of two replicas do not add up to one: each stays a series of its own.
        wanted += ["replica"] if variant.kind == "summary" else []
    elif variant.kind in ("gauge", "changes"):
        wanted += ["replica"]
    labels = {c: preset.labels[c] for c in dict.fromkeys((*wanted, *variant.by)) if c in preset.labels}
    if preset.layer in REQUEST_LAYERS and not preset.labels.get("model"):
        labels["model"] = ("job",)
    return labels
