"""The part of a filter that is about the model alone, for sources that know models by the identity of their series.

Whether a series belongs to a model may follow from one of several labels, from its job or from its server: no label
matcher says that. What was answered by model is told apart afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from analysis.evidence import Counts, ErrorCounts, Histogram, Key, MetricEvidence, Series, Traffic
from analysis.filters import ALL, And, Eq, Filter, In, Match, Not, Or, Range, Same, conjunction, fields_of
from analysis.gauges import MODEL_LABELS

MODEL = "model"


def apart(where: Filter) -> tuple[Filter, Filter]:
    """(what is about the model alone, everything else); both must hold."""
    parts = where.parts if isinstance(where, And) else (where,)
    own = [part for part in parts if fields_of(part) == {MODEL} and not _ordered(part)]
    return conjunction(*own), conjunction(*(part for part in parts if part not in own))


def _ordered(part: Filter) -> bool:
    """Whether a filter compares numbers, or fields: names have no order."""
    match part:
        case And(parts) | Or(parts):
            return any(map(_ordered, parts))
        case Not(inner):
            return _ordered(inner)
    return isinstance(part, Range | Same)


def takes(where: Filter, model: str) -> bool:
    """Whether a filter about the model alone selects one, by its name."""
    match where:
        case And(parts):
            return all(takes(part, model) for part in parts)
        case Or(parts):
            return any(takes(part, model) for part in parts)
        case Not(part):
            return not takes(part, model)
        case Eq(_, value):
            return str(value) == model
        case In(_, values):
            return model in map(str, values)
        case Match(_, pattern):
            return re.search(pattern, model) is not None
    return False


def of_models(evidence: MetricEvidence, where: Filter) -> MetricEvidence:
    """Evidence of the models that a filter about the model alone selects.

    A gauge that names no model, such as that of a host, serves all of them and stays.
    """
    if where == ALL:
        return evidence
    traffic, errors = evidence.traffic, evidence.errors
    return MetricEvidence(
        traffic=None if traffic is None else _traffic(traffic, where),
        errors=None if errors is None else _errors(errors, where),
        quantiles={quantile: _series(series, where) for quantile, series in evidence.quantiles.items()},
        gauges=_series(evidence.gauges, where),
    )


def _traffic(traffic: Traffic, where: Filter) -> Traffic:
    return Traffic(
        _counts(traffic.requests, where),
        None if traffic.errors is None else _counts(traffic.errors, where),
        None if traffic.latency is None else _histogram(traffic.latency, where),
    )


def _errors(errors: ErrorCounts, where: Filter) -> ErrorCounts:
    def known(told: Mapping[Key, float]) -> dict[Key, float]:
        return {key: at for key, at in told.items() if takes(where, key[0])}

    samples = {key: text for key, text in errors.samples.items() if takes(where, key[0])}
    return ErrorCounts(_counts(errors.counts, where), known(errors.first_seen), samples, known(errors.before))


def _at(keys: tuple[Key, ...], where: Filter) -> list[int]:
    return [i for i, key in enumerate(keys) if takes(where, key[0])]


def _counts(counts: Counts, where: Filter) -> Counts:
    at = _at(counts.keys, where)
    rows = np.asarray(counts.n[:, at])
    return replace(counts, keys=tuple(counts.keys[i] for i in at), n=rows)


def _histogram(h: Histogram, where: Filter) -> Histogram:
    at = _at(h.keys, where)
    null, nonfinite, total = (np.asarray(part[:, at]) for part in (h.null, h.nonfinite, h.total))
    keys = tuple(h.keys[i] for i in at)
    return replace(h, keys=keys, n=np.asarray(h.n[:, at]), null=null, nonfinite=nonfinite, total=total)


def _series(series: tuple[Series, ...], where: Filter) -> tuple[Series, ...]:
    named = [(one, one.label(*MODEL_LABELS)) for one in series]
    return tuple(one for one, model in named if model is None or takes(where, model))
