"""When alerts began to fire, from the series that Prometheus writes of its own rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from analysis.answer import Mark
from analysis.view import Window
from connectors.prom_api import PromApi, Result

OWN = "MltriageIncident"
"""The alert that an incident of this program is at an Alertmanager: it has a mark already."""

STEPS = 500
"""Samples per series at most."""


def alerts_query(matchers: str) -> str:
    """PromQL for the alerts that fire and meet further matchers, such as `team="ml"`."""
    firing = f'alertstate="firing",alertname!="{OWN}"'
    return f"ALERTS{{{','.join(filter(None, (matchers, firing)))}}}"


async def read_alerts(api: PromApi, matchers: str, window: Window, labels: Sequence[str]) -> tuple[Mark, ...]:
    """The moments in a window at which alerts began to fire, to the minute or a five-hundredth of the window.

    Args:
        labels: names of the label that holds a model, the likeliest first.

    Raises:
        SourceError: the server does not answer, or refuses.
    """
    step = max(60, -(-window.length // STEPS))
    fields = {"start": str(window.start), "end": str(window.end), "step": str(step)}
    reply = await api.query("query_range", {"query": alerts_query(matchers), **fields})
    results: list[Result] = reply.data
    found = [
        Mark(t, "alert", result.metric.get("alertname", "alert"), model_of(result.metric, labels))
        for result in results
        for t in beginnings([float(t) for t, _ in result.values], window.start, step)
    ]
    return tuple(sorted(found, key=lambda mark: mark.t))


def beginnings(times: Iterable[float], start: float, step: float) -> Iterator[float]:
    """The samples before which there was none: what was there at `start` began earlier, nobody knows when."""
    before = start
    for t in times:
        if t - before > 1.5 * step:
            yield t
        before = t


def model_of(labels: Mapping[str, str], names: Sequence[str]) -> str:
    """The model that an alert is about; empty where it is about all, or about none."""
    return next((labels[name] for name in names if labels.get(name)), "")
