"""The fleet's metrics: what /metrics shows at any time, and the same over the past as OpenMetrics text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, compress
from pathlib import Path

import numpy as np

from demo.blocks import Simulation, version_names
from demo.draws import Floats, Ints
from demo.effects import Silence
from demo.fleet import Model
from demo.gauges import GIB, Gauges
from demo.tally import BUCKETS_S, Tally, tally, warm_up

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One series: its name's suffix, its labels, its values."""

    suffix: str
    labels: Labels
    values: Floats
    """[T]; NaN where the series does not exist."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family; counters are named without `_total`."""

    name: str
    kind: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, suffix: str, values: Floats, **labels: str) -> None:
        """Add a series."""
        self.samples.append(Sample(suffix, tuple(labels.items()), values))


_KINDS = {
    "model_requests": "counter",
    "model_errors": "counter",
    "model_request_duration_seconds": "histogram",
    "model_in_flight": "gauge",
    "model_queue_depth": "gauge",
    "model_memory_bytes": "gauge",
    "model_memory_limit_bytes": "gauge",
    "model_cpu_ratio": "gauge",
    "model_gpu_ratio": "gauge",
    "model_restarts": "counter",
    "model_dependency_requests": "counter",
    "model_dependency_errors": "counter",
    "model_dependency_duration_seconds": "summary",
}

Counters = Mapping[str, Tally]
"""Model name -> its counters at each of T times."""


def families(sim: Simulation, t: Floats, counters: Counters) -> list[Family]:
    """Every family at the times `t` (unix seconds, [T]), given the counters at those times."""
    found = {name: Family(name, kind) for name, kind in _KINDS.items()}
    for model in sim.fleet.models:
        silent = any(isinstance(effect, Silence) for _, effect in sim.effects_on(model))
        gone = t >= sim.onset if silent else np.zeros(len(t), dtype=np.bool_)
        if gone.all():
            continue
        start = {name: len(family.samples) for name, family in found.items()}
        _add_counters(found, model, counters[model.name])
        _add_gauges(found, model, Gauges(sim, model, t))
        if gone.any():
            for name, family in found.items():
                for sample in family.samples[start[name] :]:
                    sample.values[gone] = np.nan
    return list(found.values())


def _born(values: Floats, alive: Floats) -> Floats:
    """`values` from one sample before `alive` first counts something; NaN earlier."""
    first = int(np.argmax(alive > 0)) if (alive > 0).any() else len(alive)
    shown = values.astype(np.float64, copy=True)
    shown[: max(0, first - 1)] = np.nan
    return shown


def _add_counters(found: Mapping[str, Family], model: Model, count: Tally) -> None:
    name = model.name
    for v, version in enumerate(version_names(model)):
        served = count.requests[:, v].sum(axis=1)
        if not served[-1]:
            continue
        for r in range(model.replicas):
            values = _born(count.requests[:, v, r], served)
            found["model_requests"].add("_total", values, model=name, version=version, replica=str(r))
        for e, kind in enumerate(model.errors):
            failed = count.errors[:, v, e]
            if failed[-1]:
                values = _born(failed, failed)
                found["model_errors"].add("_total", values, model=name, version=version, error_type=kind.name)
        histogram = found["model_request_duration_seconds"]
        below = count.buckets[:, v].cumsum(axis=1)
        for b, bound in enumerate((*BUCKETS_S, np.inf)):
            le = "+Inf" if np.isinf(bound) else repr(bound)
            histogram.add("_bucket", _born(below[:, b], served), model=name, version=version, le=le)
        histogram.add("_count", _born(below[:, -1], served), model=name, version=version)
        histogram.add("_sum", _born(count.latency_s[:, v], served), model=name, version=version)
    for d, dependency in enumerate(model.dependencies):
        labels = {"model": name, "dependency": dependency.name}
        found["model_dependency_requests"].add("_total", count.calls[:, d].copy(), **labels)
        found["model_dependency_errors"].add("_total", count.calls_failed[:, d].copy(), **labels)
        found["model_dependency_duration_seconds"].add("_count", count.calls[:, d].copy(), **labels)
        found["model_dependency_duration_seconds"].add("_sum", count.calls_s[:, d].copy(), **labels)


def _add_gauges(found: Mapping[str, Family], model: Model, gauges: Gauges) -> None:
    found["model_queue_depth"].add("", gauges.queue_depth(), model=model.name)
    for r in range(model.replicas):
        labels = {"model": model.name, "replica": str(r)}
        memory = gauges.memory(r)
        found["model_in_flight"].add("", gauges.in_flight(r), **labels)
        found["model_memory_bytes"].add("", memory, **labels)
        found["model_memory_limit_bytes"].add("", np.full_like(memory, model.memory_limit_gib * GIB), **labels)
        found["model_cpu_ratio"].add("", gauges.cpu(r).round(4), **labels)
        if model.gpu_share:
            found["model_gpu_ratio"].add("", gauges.gpu(r).round(4), **labels)
        found["model_restarts"].add("_total", gauges.restarts(r), **labels)


def sample_times(start: float, end: float, step: int) -> Floats:
    """The multiples of `step` within [start, end], unix seconds."""
    return np.arange(np.ceil(start / step), np.floor(end / step) + 1) * float(step)


def counters_at(sim: Simulation, t: Floats, anchor: float) -> dict[str, Tally]:
    """Counters of every model at the ascending times `t`, which are `warm_up` at `anchor` (not before t[0])."""
    found: dict[str, Tally] = {}
    for model in sim.fleet.models:
        edges = np.unique(np.append(t, anchor))
        steps = tally(sim, model, edges)
        at_anchor = int(np.searchsorted(edges, anchor))

        keep = np.searchsorted(edges, t)
        found[model.name] = steps.map(partial(_running, at_anchor=at_anchor, keep=keep)) + warm_up(sim, model)
    return found


def _running(counts: Floats, *, at_anchor: int, keep: Ints) -> Floats:
    """Counts per step [T, ...] as what has been counted since the anchor at the edges `keep`."""
    total = np.concatenate((np.zeros((1, *counts.shape[1:])), counts.cumsum(axis=0)))
    return np.asarray((total - total[at_anchor])[keep])


class LiveMetrics:
    """The counters as they grow: begins with those at `anchor` and counts every row after it once."""

    def __init__(self, sim: Simulation, anchor: float) -> None:
        self._sim = sim
        self._until = anchor
        self._counters = {model.name: warm_up(sim, model) for model in sim.fleet.models}

    def at(self, t: float) -> list[Family]:
        """Every family at `t` (unix seconds); time that runs backwards shows the last state."""
        if t > self._until:
            edges = np.array([self._until, t])
            for model in self._sim.fleet.models:
                self._counters[model.name] += tally(self._sim, model, edges).sum()
            self._until = t
        return families(self._sim, np.array([self._until]), self._counters)


def openmetrics_lines(found: list[Family], t: Floats) -> Iterator[str]:
    """OpenMetrics text with a timestamp on each sample, closed by `# EOF`.

    The samples of one histogram or summary stand together for each moment, as the specification wants it.
    """
    stamps = [f" {int(moment)}\n" for moment in t]
    for family in found:
        if not family.samples:
            continue
        yield f"# TYPE {family.name} {family.kind}\n"
        points: dict[Labels, list[list[str]]] = {}
        for sample in family.samples:
            point = tuple(label for label in sample.labels if label[0] != "le")
            points.setdefault(point, []).append(_sample_lines(family.name, sample, stamps))
        for series in points.values():
            yield "".join(chain.from_iterable(zip(*series, strict=True)))
    yield "# EOF\n"


def _sample_lines(name: str, sample: Sample, stamps: Sequence[str]) -> list[str]:
    labels = ",".join(f'{label}="{value}"' for label, value in sample.labels)
    prefix = f"{name}{sample.suffix}{{{labels}}} "
    shown = ~np.isnan(sample.values)
    values = sample.values[shown]
    whole = bool((values == np.floor(values)).all())
    texts = map(str, (values.astype(np.int64) if whole else values.round(6)).tolist())
    return [prefix + text + stamp for text, stamp in zip(texts, compress(stamps, shown.tolist()), strict=True)]


def write_openmetrics(
    path: Path, sim: Simulation, start: float, end: float, *, anchor: float | None = None, step: int = 60
) -> None:
    """Write the metrics of [start, end] (unix seconds) every `step` seconds; the file appears whole or not at all."""
    t = sample_times(start, end, step)
    found = families(sim, t, counters_at(sim, t, float(t[0]) if anchor is None else anchor))
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.writelines(openmetrics_lines(found, t))
    temporary.replace(path)
