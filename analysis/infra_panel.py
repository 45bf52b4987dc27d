"""The panel of infrastructure: every reading with its limit and its age, and the series that fell silent."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from analysis.answer import InfraPanel, InfraRow, PanelStatus, Severity
from analysis.cases import Case
from analysis.evidence import Series
from analysis.exporters import COUNTED, silent_series
from analysis.gauges import MODEL_LABELS, Reading, live_samples, name_of
from analysis.infra import subject_of
from analysis.view import Frame

NO_ROW = frozenset({"memory_limit", COUNTED})
"""Metrics without a row: a limit stands beside the memory, and the requests of replicas on other pages."""


def infra_panel(
    all_readings: Sequence[Reading],
    cases: Sequence[Case],
    frame: Frame,
    status: PanelStatus,
    model: str = "",
    gauges: Sequence[Series] = (),
) -> InfraPanel:
    """Every reading of the model in focus and of the hosts, the worst first.

    Args:
        gauges: all that is known, for the series that have no recent sample: they are listed, without a value.
    """
    limits = {r.series.labels: r.now for r in all_readings if r.series.metric == "memory_limit"}
    states = {(c.finding.check, c.finding.model, c.finding.subject): c.finding for c in cases}
    rows = []
    for r in all_readings:
        if r.series.metric in NO_ROW or (model and r.model and r.model != model):
            continue
        found = states.get((r.series.metric, r.model, subject_of(r)))
        named = found is not None and found.title.startswith(f"{r.name} ".lstrip())
        t, v = live_samples(r.series, frame)
        rows.append(
            InfraRow(
                metric=r.series.metric,
                name=r.name,
                model=r.model,
                now=r.now,
                baseline=r.baseline if math.isfinite(r.baseline) else None,
                unit=r.series.unit,
                state=found.severity if found and named else Severity.OK,
                note=found.title if found and named else "",
                limit=limits.get(r.series.labels) if r.series.metric == "memory" else None,
                t=t.astype(np.int64),
                v=v,
                newest=float(t[-1]) if len(t) else None,
            )
        )
    rows += [
        _silent(one.series, one.newest, frame)
        for one in silent_series(gauges, frame)
        if one.series.metric not in NO_ROW and model in ("", one.series.label(*MODEL_LABELS) or "")
    ]
    rows.sort(key=lambda row: (-row.state.rank, ORDER.index(row.metric) if row.metric in ORDER else 99, row.name))
    return InfraPanel(status, tuple(rows))


def _silent(series: Series, newest: float, frame: Frame) -> InfraRow:
    t, v = live_samples(series, frame)
    name, model = name_of(series), series.label(*MODEL_LABELS) or ""
    return InfraRow(
        metric=series.metric,
        name=name,
        model=model,
        now=None,
        baseline=None,
        unit=series.unit,
        state=Severity.INFO,
        note="no recent sample, others go on",
        t=t.astype(np.int64),
        v=v,
        newest=newest,
    )


ORDER = (
    "memory", "cpu", "gpu", "gpu_memory", "queue_depth", "queue_time", "in_flight", "restarts", "oom",
    "dependency_errors", "dependency_latency", "dependency_requests",
)  # fmt: skip
"""The order of the infra strip."""
