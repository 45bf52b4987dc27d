"""The metric store behind Prometheus and what speaks its API: one range query per signal and span."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.answer import Mark
from analysis.evidence import Cube, ErrorCounts, Fetched, MetricEvidence, Traffic
from analysis.filters import ALL, Filter
from analysis.spans import union
from analysis.view import DAY_S, Window
from connectors.base import By, Catalog, MissingDataError, RejectedError, SourceError, Watermark
from connectors.http import Access, Headers, HttpSource
from connectors.metric_evidence import Answers, Row, assemble, grid_of
from connectors.metric_segments import COUNTED, count_promql, dims_of, label_cube, model_label, narrowed
from connectors.metric_split import counted, split_plan
from connectors.presets import name_pattern, parse_matchers
from connectors.prom_api import PromApi, Result
from connectors.prom_grid import MAX_LABEL_CHARS, MAX_SERIES, place
from connectors.prom_growth import PromGrowth
from connectors.promql import Step, render, select
from connectors.signals import LATENCY_SUM, TRAFFIC, Plan, Query, make_plan

if TYPE_CHECKING:
    import httpx
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SCRAPE_S = 15.0
"""Assumed where neither the targets nor `up` tell."""
MAX_POINTS = 10_000
"""Points per series and query; Prometheus refuses more than 11,000."""
RESCAN_S = 300.0
"""New metrics, such as the first error of a kind, are looked for this often."""
RECENT_S = 900


class PrometheusStore:
    """A `MetricStore` over the HTTP API.

    Args:
        url: address, with the path prefix if there is one.
        auth: user and password. `headers`, `bearer_token_file`, `ca` and `cert` (certificate, key) as in `Access`.
        labels: label class -> label names to try first, such as {"version": ("pod_template_hash",)}.
        queries: signal -> own PromQL. Counters must answer the increase over {window}, latency buckets by `le`.
        selector: matchers for every metric, such as `namespace="ml"`.
        alerts: matchers for its alerts, which need not bear those of its metrics.
        scrape_interval_s: seconds between samples, where the targets do not tell the right one.
        transport: replaces the network in tests.

    Raises:
        RejectedError: the address is not one.
        PresetError: the selector cannot be read.
    """

    kind = "prometheus"

    def __init__(
        self,
        url: str,
        *,
        auth: tuple[str, str] | None = None,
        headers: Headers | None = None,
        bearer_token_file: Path | None = None,
        ca: Path | None = None,
        cert: tuple[Path, Path] | None = None,
        name: str = "prometheus",
        timeout_s: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
        labels: Mapping[str, tuple[str, ...]] | None = None,
        queries: Mapping[str, str] | None = None,
        selector: str = "",
        alerts: str = "",
        scrape_interval_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        access = Access(headers, auth, bearer_token_file, ca, cert)
        self._source = HttpSource(url, access, timeout_s=timeout_s, transport=transport)
        self._api = PromApi(self._source)
        self._labels, self._own = labels or {}, queries or {}
        self._extra = parse_matchers(selector)
        self._alerts = alerts
        self._scrape_s = scrape_interval_s
        self._asked_scrape_s = scrape_interval_s
        self._clock = clock
        self._plan: Plan | None = None
        self._planned_at = -math.inf
        self._planning = asyncio.Lock()
        self._label_names: dict[str, frozenset[str]] = {}

    async def discover(self) -> Catalog:
        """Detect the servers behind the metrics that exist now, and the models they serve."""
        plan = await self._find_plan(fresh=True)
        models = await self._models(plan)
        notes = plan.notes if plan.signals else ("no known model server among the metrics", *plan.notes)
        dims = dims_of(plan, self._label_names)
        presets, label = tuple(preset.id for preset in plan.presets), model_label(plan, self._label_names)
        return Catalog(presets, plan.signals, models, notes, dims, label)

    async def watermark(self) -> Watermark:
        """Newest and oldest sample of the request signal within the last 8 days."""
        plan = await self._find_plan()
        query = plan.first("requests") or plan.first("latency") or next(iter(plan.queries), None)
        if query is None or not query.metrics:
            return Watermark(None, None)
        now = int(self._clock())
        expr = f"timestamp({select(query.metrics[0], (*query.where, *self._extra))})"
        hours = await self._moments(expr, now // 3600 * 3600 - 8 * DAY_S, now, 3600)
        minutes = await self._moments(expr, now - 3600, now, 60)
        if not hours and not minutes:
            return Watermark(None, None)
        first, last = min([*hours, *minutes]), max([*hours, *minutes])
        earlier = await self._moments(expr, int(first) - 3600, int(first), 60)
        later = await self._moments(expr, int(last), int(last) + 3600, 60) if not minutes else []
        return Watermark(newest=max([last, *later]), oldest=min([first, *earlier]))

    async def _moments(self, expr: str, start: int, end: int, step: int) -> list[float]:
        """Times of the newest and the oldest sample that exist at each step."""
        fields = {"start": str(start), "end": str(end), "step": str(step)}
        found: list[float] = []
        for fold in ("max", "min"):
            reply = await self._api.query("query_range", {"query": f"{fold}({expr})", **fields})
            found += [float(value) for result in reply.data for _, value in result.values]
        return [moment for moment in found if math.isfinite(moment)]

    async def alerts(self, window: Window) -> tuple[Mark, ...]:
        """When its alerting rules began to fire within a window; see `prom_alerts`."""
        from connectors.prom_alerts import read_alerts

        labels = (*self._labels.get("model", ()), "model", "model_name")
        return await read_alerts(self._api, self._alerts, window, labels)

    async def metrics(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[MetricEvidence]:
        """Every signal over `spans`, which are widened to multiples of `step`.

        Raises:
            MissingDataError: the filter is not one of labels that the requests have.
            SourceError: requests, errors or latency could not be read. A gauge that fails is a warning.
        """
        plan = narrowed(await self._find_plan(), where, self._label_names)
        return await self._ask(plan, plan.queries, spans, step)

    async def segments(
        self, spans: Sequence[Window], model: str, outcome: Filter | None, where: Filter = ALL
    ) -> Fetched[Cube]:
        """Requests of a model, and those with the outcome, per label set over the union of `spans`.

        Raises:
            MissingDataError: no counter tells the outcome, or the filter is not one of labels.
            SourceError: the server did not answer.
        """
        began = time.perf_counter()
        plan = narrowed(await self._find_plan(), where, self._label_names)
        grown = PromGrowth(self._api, spans, self._extra)
        cube = await label_cube(plan, model, outcome, grown)
        return Fetched(cube, "\n".join(grown.queries), time.perf_counter() - began, grown.rows, tuple(grown.remarks))

    async def count_promql(self, model: str, where: Filter, window: Window) -> str:
        """See `MetricStore`."""
        return count_promql(await self._find_plan(), self._label_names, model, where, window, self._extra)

    async def errors(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[ErrorCounts | None]:
        """Errors by type over `spans`, which are widened to multiples of `step`.

        Raises:
            MissingDataError: the filter is not one of labels that the requests have.
            SourceError: they could not be read.
        """
        plan = narrowed(await self._find_plan(), where, self._label_names)
        queries = tuple(query for query in plan.queries if query.signal in ("requests", "errors"))
        fetched = await self._ask(plan, queries, spans, step)
        return Fetched(fetched.value.errors, fetched.query, fetched.elapsed_s, fetched.rows, fetched.warnings)

    async def traffic(self, spans: Sequence[Window], step: int) -> Fetched[Traffic | None]:
        """Requests, errors and latency over `spans`, which are widened to multiples of `step`.

        Raises:
            SourceError: one of them could not be read.
        """
        plan = await self._find_plan()
        queries = tuple(query for query in plan.queries if query.signal in TRAFFIC)
        fetched = await self._ask(plan, queries, spans, step)
        return Fetched(fetched.value.traffic, fetched.query, fetched.elapsed_s, fetched.rows, fetched.warnings)

    async def traffic_by(
        self, spans: Sequence[Window], step: int, model: str, by: By, where: Filter = ALL
    ) -> Fetched[Traffic]:
        """Traffic of a model by the values of a label over `spans`, which are widened to multiples of `step`.

        Raises:
            MissingDataError: the requests have no such label, or the filter is not one of labels.
            SourceError: one of the counters could not be read.
        """
        split = split_plan(await self._find_plan(), self._label_names, model, by, where)
        fetched = await self._ask(split.plan, split.asked, spans, step, split.told)
        return counted(fetched)

    async def _ask(
        self,
        plan: Plan,
        queries: Sequence[Query],
        spans: Sequence[Window],
        step: int,
        told: Callable[[Answers], Answers] = tuple,
    ) -> Fetched[MetricEvidence]:
        """Some of a plan's queries, side by side; `told` is what their answers mean."""
        began = time.perf_counter()
        grid = Step(step, self._scrape_s or SCRAPE_S)
        windows = union(Window(w.start // step * step, -(-w.end // step) * step) for w in spans)
        t = grid_of(windows, step)
        answers, warnings, samples, asked = [], [], 0, []
        done = await asyncio.gather(
            *(self._range(query, render(query, grid, self._extra), windows, t, step) for query in queries),
            return_exceptions=True,
        )
        for query, outcome in zip(queries, done, strict=True):
            asked.append(f"{query.signal}: {render(query, grid, self._extra)}")
            if isinstance(outcome, SourceError) and query.signal not in (*TRAFFIC, LATENCY_SUM):
                warnings.append(f"{query.signal}: {outcome}")
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                rows, remarks, count = outcome
                answers.append((query, rows))
                warnings += remarks
                samples += count
        evidence, lost = assemble(plan, told(answers), t, step)
        return Fetched(
            value=evidence,
            query=f"# step {step} s, values at the end of each bucket\n" + "\n".join(asked),
            elapsed_s=time.perf_counter() - began,
            rows=samples,
            warnings=tuple(dict.fromkeys((*warnings, *lost))),
        )

    async def _range(
        self, query: Query, expr: str, windows: Sequence[Window], t: Ints, step: int
    ) -> tuple[list[Row], list[str], int]:
        """One signal over all windows: rows on the grid `t`, remarks, and the number of samples."""
        remarks: list[str] = []
        results: list[Result] = []
        longest = MAX_POINTS * step
        for window in windows:
            for start in range(window.start, window.end, longest):
                end = min(start + longest, window.end)
                fields = {"query": expr, "start": str(start + step), "end": str(end), "step": str(step)}
                reply = await self._api.query("query_range", fields)
                results += reply.data
                remarks += [f"{query.signal}: {remark}" for remark in reply.remarks]
        rows, dropped = place(results, t, step)
        if dropped:
            remarks.append(f"{query.signal}: {dropped} series beyond {MAX_SERIES} were left out; narrow the selector")
        return rows, remarks, sum(len(result.values) + len(result.histograms) for result in results)

    async def _find_plan(self, *, fresh: bool = False) -> Plan:
        async with self._planning:
            if self._plan is None or fresh or self._clock() - self._planned_at > RESCAN_S:
                names = await self._names()
                if not names:
                    raise MissingDataError("no metrics", f"{self._source.place} knows none", "is anything scraped?")
                self._plan = make_plan(names, labels=self._labels, own=self._own)
                self._planned_at = self._clock()
                self._scrape_s = self._asked_scrape_s or await self._scrape_interval(self._plan)
                self._label_names = await self._labels_of(self._plan)
            return self._plan

    async def _labels_of(self, plan: Plan) -> dict[str, frozenset[str]]:
        """Label names of the series that count requests; nothing of a server that does not list them."""
        metrics = list(dict.fromkeys(m for query in plan.queries if query.signal in COUNTED for m in query.metrics))
        recent = {"start": str(int(self._clock()) - RECENT_S), "end": str(int(self._clock()))}
        asked = ({"match[]": select(metric, self._extra)} for metric in metrics)
        replies = await asyncio.gather(
            *(self._api.get("labels", {**fields, **recent}) for fields in asked), return_exceptions=True
        )
        for reply in replies:
            if isinstance(reply, BaseException) and not isinstance(reply, SourceError):
                raise reply
        # Where they are refused the metrics still answer, but cannot be filtered.
        return {
            metric: frozenset(map(str, reply.data or ()))
            for metric, reply in zip(metrics, replies, strict=True)
            if not isinstance(reply, BaseException)
        }

    async def _names(self) -> frozenset[str]:
        """Names that may matter and had samples lately; failing that, at any time."""
        now = int(self._clock())
        match = {"match[]": f'{{__name__=~"{_escaped(name_pattern())}"}}'}
        recent = {"start": str(now - RECENT_S), "end": str(now)}
        for fields in ({**match, **recent}, match):
            try:
                reply = await self._api.get("label/__name__/values", fields)
            except RejectedError:
                # Some proxies and older servers refuse match[].
                reply = await self._api.get("label/__name__/values")
            if reply.data:
                return frozenset(str(name)[:MAX_LABEL_CHARS] for name in reply.data)
        return frozenset()

    async def _scrape_interval(self, plan: Plan) -> float:
        """The longest interval among the scraped jobs, from the targets, else from how often `up` was sampled."""
        query = plan.first("requests") or plan.first("latency")
        if query is None or not query.metrics:
            return SCRAPE_S
        try:
            jobs = await self._api.query(
                "query", {"query": f"group by (job) ({select(query.metrics[0], self._extra)})"}
            )
            wanted = {result.metric.get("job") for result in jobs.data}
            targets = await self._api.get("targets", {"state": "active"})
            found = [
                parse_duration(str(target.get("scrapeInterval", "")))
                for target in targets.data["activeTargets"]
                if target.get("labels", {}).get("job") in wanted
            ]
        except (SourceError, KeyError, TypeError, AttributeError):
            # Thanos and Mimir have no targets: the estimate below serves.
            found = []
        known = [seconds for seconds in found if seconds]
        if known:
            return max(known)
        counted = await self._api.query("query", {"query": "max(count_over_time(up[10m]))"})
        often = [float(result.value[1]) for result in counted.data if result.value]
        return 600 / often[0] if often and often[0] > 1 else SCRAPE_S

    async def _models(self, plan: Plan) -> tuple[str, ...]:
        models: set[str] = set()
        for query in plan.queries:
            if query.signal == "requests" and query.metrics:
                metric = select(query.metrics[0], (*query.where, *self._extra))
                expr = f"group by ({','.join(query.group)}) ({metric})"
                reply = await self._api.query("query", {"query": expr, "time": str(int(self._clock()))})
                models |= {query.fold(result.metric).get("model", query.preset) for result in reply.data}
        return tuple(sorted(model[:MAX_LABEL_CHARS] for model in models))

    async def cancel(self) -> None:
        """Close the connections in flight, which stops the queries in the server."""
        await self._source.cancel()

    async def close(self) -> None:
        """Cancel and release the connections."""
        await self._source.close()


def parse_duration(text: str) -> float | None:
    """Seconds of a Prometheus duration such as `1m30s` or `500ms`; None when it is not one."""
    import re

    units = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    parts = re.findall(r"(\d+)(ms|s|m|h|d)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        return None
    return sum(int(number) * units[unit] for number, unit in parts)


def _escaped(pattern: str) -> str:
    return pattern.replace("\\", "\\\\").replace('"', '\\"')
