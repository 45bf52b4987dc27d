"""From the rows of a metric store to evidence: label classes folded, buckets de-cumulated, units canonical."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from analysis.evidence import Counts, ErrorCounts, Histogram, Key, MetricEvidence, NumericBins, Series, Traffic
from analysis.view import Window
from connectors.presets import REQUEST_LAYERS, Agg
from connectors.signals import ALL_MODELS, LATENCY_SUM, Plan, Query

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

LATENCY_MEAN = "latency_mean"


@dataclass(frozen=True, slots=True)
class Row:
    """One series of an answer: the value of every bucket that was asked for, NaN where there is none."""

    labels: Mapping[str, str]
    v: Floats
    """[T]"""


Answers = Sequence[tuple[Query, Sequence[Row]]]


def grid_of(windows: Sequence[Window], step: int) -> Ints:
    """[T] starts of the buckets of disjoint, ascending windows that begin and end on multiples of `step`."""
    import numpy as np

    return np.concatenate([np.zeros(0, np.int64), *(np.arange(w.start, w.end, step, dtype=np.int64) for w in windows)])


def assemble(plan: Plan, answers: Answers, t: Ints, step: int) -> tuple[MetricEvidence, tuple[str, ...]]:
    """Evidence from the answers to the plan's queries, and what was lost on the way.

    Args:
        t: [T] bucket starts of every row, unix seconds, ascending.

    Counters are sums per bucket; restarts, oom and dependency counts are increases in the bucket; every other gauge is
    its value at the end of the bucket. Times are milliseconds.
    """
    import numpy as np

    warnings: list[str] = []
    by_signal: dict[str, list[tuple[Query, Sequence[Row]]]] = {}
    for query, rows in answers:
        by_signal.setdefault(query.signal, []).append((query, rows))
    request_presets = {preset.id for preset in plan.presets if preset.layer in REQUEST_LAYERS} | {"config"}
    requests = _by_key(by_signal.pop("requests", []))
    known = t[_any_finite(requests.values(), len(t))]
    error_rows = by_signal.pop("errors", [])
    latency_rows = by_signal.pop("latency", [])
    sums = _by_key(by_signal.pop(LATENCY_SUM, []), requests)
    classic = [(query, rows) for query, rows in latency_rows if query.kind == "histogram"]
    latency = _latency(classic, requests, sums, t, step, warnings)
    counts = _counts(requests, t, step, known) if plan.first("requests") else None
    if counts is None and latency is not None:
        counts = Counts(latency.t, step, latency.keys, latency.n.sum(axis=2))
    errors, totals = _errors(error_rows, requests, t, step) if plan.first("errors") else (None, None)
    traffic = None
    if counts is not None:
        keys = tuple(dict.fromkeys((*counts.keys, *(totals or ()))))
        filled = {key: (totals or {}).get(key, np.zeros(len(t))) for key in keys}
        faults = None if totals is None else _counts(filled, t, step, counts.t)
        traffic = Traffic(counts, faults, latency)
    quantiles: dict[float, list[Series]] = {}
    for query, rows in latency_rows:
        if query.kind == "summary":
            for quantile, series in _summaries(query, rows, t):
                quantiles.setdefault(quantile, []).append(series)
    gauges = [
        series
        for _, group in sorted(by_signal.items())
        for query, rows in group
        for series in _gauges(query, rows, t, query.preset in request_presets)
    ]
    found = {quantile: tuple(series) for quantile, series in sorted(quantiles.items())}
    return MetricEvidence(traffic, errors, found, tuple(gauges)), tuple(warnings)


def key_of(query: Query, labels: Mapping[str, str], requests: Iterable[Key]) -> Key:
    """(model, version). Signals that know less than the requests do take what is unambiguous from them."""
    found = query.fold(labels)
    model, version = found.get("model"), found.get("version", "")
    if model is None:
        models = {key[0] for key in requests}
        if not query.per_model:
            model = models.pop() if len(models) == 1 else ALL_MODELS
        else:
            model = query.preset
    if not version:
        versions = {key[1] for key in requests if key[0] == model}
        version = versions.pop() if len(versions) == 1 else ""
    return model, version


def _by_key(
    answers: Iterable[tuple[Query, Sequence[Row]]], requests: Mapping[Key, Floats] | None = None
) -> dict[Key, Floats]:
    """(model, version) -> [T] sums; NaN where no row has a value."""
    found: dict[Key, Floats] = {}
    for query, rows in answers:
        for row in rows:
            key = key_of(query, row.labels, requests or ())
            values = row.v * query.scale
            found[key] = _add(found[key], values) if key in found else values
    return found


def _add(a: Floats, b: Floats) -> Floats:
    """The sum, in which a gap counts as nothing unless both have it."""
    import numpy as np

    added: Floats = np.where(np.isnan(a), b, np.where(np.isnan(b), a, a + b))
    return added


def _any_finite(rows: Iterable[Floats], length: int) -> NDArray[np.bool_]:
    import numpy as np

    known = np.zeros(length, dtype=bool)
    for row in rows:
        known |= np.isfinite(row)
    return known


def _counts(rows: Mapping[Key, Floats], t: Ints, step: int, known: Ints) -> Counts:
    import numpy as np

    at = np.searchsorted(t, known)
    keys = tuple(sorted(rows))
    stacked = np.stack([rows[key][at] for key in keys], axis=1) if keys else np.zeros((len(known), 0))
    # A difference of two counters (and the extrapolation of increase) may fall a little below zero.
    return Counts(known, step, keys, np.maximum(np.nan_to_num(stacked, posinf=0.0, neginf=0.0), 0.0))


def _errors(
    answers: Iterable[tuple[Query, Sequence[Row]]], requests: Mapping[Key, Floats], t: Ints, step: int
) -> tuple[ErrorCounts, dict[Key, Floats]]:
    """Errors by (model, type), and by (model, version) those that are the server's fault."""
    import numpy as np

    types: dict[Key, Floats] = {}
    totals: dict[Key, Floats] = {}
    for query, rows in answers:
        keep, fault = re.compile(query.keep), re.compile(query.fault)
        for row in rows:
            kind = query.fold(row.labels).get("error", "error")
            if not keep.fullmatch(kind):
                continue
            key = key_of(query, row.labels, requests)
            values = np.maximum(np.nan_to_num(row.v, posinf=0.0, neginf=0.0), 0.0)
            typed = (key[0], kind)
            types[typed] = types[typed] + values if typed in types else values
            if fault.fullmatch(kind):
                totals[key] = totals[key] + values if key in totals else values
    types = {key: values for key, values in types.items() if values.any()}
    known = t[_any_finite([np.where(v > 0, v, np.nan) for v in types.values()], len(t))]
    first = {key: float(t[int(np.argmax(values > 0))]) for key, values in types.items()}
    return ErrorCounts(_counts(types, t, step, known), first), totals


def _latency(
    answers: Iterable[tuple[Query, Sequence[Row]]],
    requests: Mapping[Key, Floats],
    sums: Mapping[Key, Floats],
    t: Ints,
    step: int,
    warnings: list[str],
) -> Histogram | None:
    import numpy as np

    from analysis.quantiles import from_cumulative

    cumulative: dict[Key, dict[float, Floats]] = {}
    for query, rows in answers:
        for row in rows:
            edge = _edge(row.labels.get("le"), query.scale)
            if edge is None:
                warnings.append(f"{query.preset}: a latency bucket without a readable le was left out")
                continue
            buckets = cumulative.setdefault(key_of(query, row.labels, requests), {})
            buckets[edge] = _add(buckets[edge], row.v) if edge in buckets else row.v
    if not cumulative:
        return None
    keys = tuple(sorted(cumulative))
    layouts = {key: _edges(sorted(cumulative[key])) for key in keys}
    edges = tuple(sorted({edge for layout in layouts.values() for edge in layout}))
    if len(set(layouts.values())) > 1:
        warnings.append("models have different latency buckets; theirs were split evenly onto common ones")
    known = _any_finite((v for buckets in cumulative.values() for v in buckets.values()), len(t))
    n = np.zeros((int(known.sum()), len(keys), len(edges) - 1))
    total = np.zeros(n.shape[:2])
    for k, key in enumerate(keys):
        stacked = np.stack([cumulative[key][edge][known] for edge in sorted(cumulative[key])], axis=1)
        counts = from_cumulative(np.nan_to_num(stacked))
        n[:, k, :] = rebin(counts, layouts[key], edges)
        total[:, k] = np.nan_to_num(sums[key][known]) if key in sums else n[:, k, :] @ _middles(edges)
    zeros = np.zeros(n.shape[:2])
    return Histogram(t[known], step, keys, NumericBins(edges), n, zeros, zeros.copy(), np.maximum(total, 0.0))


def _edge(le: str | None, scale: float) -> float | None:
    try:
        # Rounded, because 0.005 * 1000 and 5 * 1 of another server are one edge.
        return float(f"{float(le) * scale:.12g}") if le is not None else None
    except ValueError:
        return None


def _edges(upper: Sequence[float]) -> tuple[float, ...]:
    """Bin edges from ascending upper bounds: the first bin starts at 0, as Prometheus assumes for positive bounds."""
    import math

    closed = (*upper,) if upper[-1] == math.inf else (*upper, math.inf)
    return (0.0 if upper[0] > 0 else -math.inf, *closed)


def rebin(counts: Floats, have: Sequence[float], want: Sequence[float]) -> Floats:
    """Counts [T, B] over edges `have` on edges `want`, which contain them, each bin split evenly by width.

    An even split is what linear interpolation assumes, so quantiles below the highest finite edge do not move.
    A bin without an upper end stays in the last bin. Shorter `counts` mean that the last bins are empty.
    """
    import numpy as np

    if tuple(have) == tuple(want):
        return counts if counts.shape[1] == len(want) - 1 else np.pad(counts, ((0, 0), (0, 1)))
    spread = np.zeros((counts.shape[1], len(want) - 1))
    for i, (low, high) in enumerate(list(pairwise(have))[: counts.shape[1]]):
        if np.isinf(high):
            spread[i, -1] = 1.0
        elif np.isinf(low):
            spread[i, 0] = 1.0
        else:
            for j, (left, right) in enumerate(pairwise(want)):
                overlap = min(high, right) - max(low, left)
                if overlap > 0:
                    spread[i, j] = overlap / (high - low)
    moved: Floats = counts @ spread
    return moved


def _middles(edges: Sequence[float]) -> Floats:
    """A value for each bin where the server gives no sum: its middle, and the finite end of an open one."""
    import numpy as np

    low, high = np.array(edges[:-1]), np.array(edges[1:])
    middle: Floats = np.where(np.isinf(high), low, np.where(np.isinf(low), high, (low + high) / 2))
    return middle


def _summaries(query: Query, rows: Iterable[Row], t: Ints) -> Iterable[tuple[float, Series]]:
    for row in rows:
        try:
            quantile = float(row.labels.get("quantile", ""))
        except ValueError:
            continue
        labels = tuple(sorted(query.fold(row.labels).items()))
        yield quantile, Series("latency", labels, query.unit, t, row.v * query.scale)


def _gauges(query: Query, rows: Sequence[Row], t: Ints, of_a_model: bool) -> Iterable[Series]:
    import numpy as np

    folded: dict[tuple[tuple[str, str], ...], list[Floats]] = {}
    for row in rows:
        found = query.fold(row.labels)
        if of_a_model and "model" not in found and query.per_model and query.labels.get("model") == ("job",):
            found["model"] = query.preset
        folded.setdefault(tuple(sorted(found.items())), []).append(row.v * query.scale)
    agg: Agg = "avg" if query.kind in ("mean", "expr") else query.agg
    for labels, values in folded.items():
        merged = values[0]
        if len(values) > 1:
            stacked = np.stack(values)
            empty = np.isnan(stacked).all(axis=0)
            merged = np.full(len(t), np.nan)
            merged[~empty] = aggregate(stacked[:, ~empty], agg)
        if not np.isnan(merged).all():
            yield Series(query.signal, labels, query.unit, t, merged)


def aggregate(values: Floats, agg: Agg) -> Floats:
    """[S, T] -> [T] over the series, gaps left out; no column may be all gaps."""
    import numpy as np

    folded: Floats
    match agg:
        case "sum":
            folded = np.nansum(values, axis=0)
        case "max":
            folded = np.nanmax(values, axis=0)
        case "min":
            folded = np.nanmin(values, axis=0)
        case "avg":
            folded = np.nanmean(values, axis=0)
    return folded
