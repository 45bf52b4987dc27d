"""The metric store without a Prometheus: /metrics pages polled directly, and histories recorded as OpenMetrics text."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from analysis.evidence import Cube, ErrorCounts, Fetched, MetricEvidence, Traffic
from analysis.filters import ALL, Filter
from analysis.spans import union
from analysis.view import Window
from connectors.base import By, Catalog, MalformedError, MissingDataError, SourceError, Watermark
from connectors.exposition import ACCEPT, Recorded, Sample, parse_history, parse_page
from connectors.http import Access, HttpSource, check_status, message_of
from connectors.metric_evidence import Answers, assemble, grid_of
from connectors.metric_segments import COUNTED, Growth, count_promql, dims_of, label_cube, model_label, narrowed
from connectors.metric_split import counted, split_plan
from connectors.presets import parse_matchers
from connectors.ring import MAX_SERIES, Ring
from connectors.signals import TRAFFIC, Plan, Query, make_plan

if TYPE_CHECKING:
    import httpx

HISTORY = "history"
INLINE_CHARS = 64 * 2**10


class ScrapeStore:
    """A `MetricStore` over /metrics pages and recorded histories. It remembers what it has scraped, see `ring`.

    Args:
        targets: addresses (`/metrics` is assumed where there is no path) and paths of OpenMetrics text files, which are
            read again when they change.
        history: an OpenMetrics text file that is the past of the targets.
        labels: label class -> label names to try first, such as {"version": ("git_sha",)}.
        selector: matchers that every series must fulfil.
        interval_s: an answer polls first when the last poll is older than this.
    """

    kind = "scrape"

    def __init__(
        self,
        targets: Sequence[str],
        *,
        history: Path | None = None,
        interval_s: float = 5.0,
        name: str = "scrape",
        timeout_s: float = 5.0,
        access: Access | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        labels: Mapping[str, tuple[str, ...]] | None = None,
        selector: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        pages = [target for target in targets if "://" in target]
        self._sources = {
            urlsplit(url).netloc.rpartition("@")[2] + path: HttpSource(
                url, access, timeout_s=timeout_s, transport=transport
            )
            for url, path in map(_page, pages)
        }
        files = [Path(target) for target in targets if "://" not in target] + ([history] if history else [])
        self._files: dict[Path, tuple[int, int] | None] = dict.fromkeys(files)
        self._recorded: dict[Path, list[Recorded]] = {}
        self._labels = labels or {}
        self._extra = parse_matchers(selector)
        self._interval_s = interval_s
        self._clock = clock
        self._ring = Ring()
        self._plan: Plan | None = None
        self._names: frozenset[str] = frozenset()
        self._polled_at = -math.inf
        self._failed: tuple[float, SourceError] | None = None
        """When every page failed, and how; None after a poll that some page answered."""
        self._warnings: tuple[str, ...] = ()
        self._turn = asyncio.Lock()

    async def poll(self) -> tuple[str, ...]:
        """Scrape every target once, all at the same time, and read histories that have changed.

        Returns:
            Warnings: the targets that failed while others live.

        Raises:
            SourceError: every target failed; the error is the first target's.
        """
        async with self._turn:
            return await self._poll()

    async def _poll(self) -> tuple[str, ...]:
        changed = await self._read_files()
        now = self._clock()
        pages = await asyncio.gather(*map(self._scrape, self._sources), return_exceptions=True)
        good: dict[str, list[Sample]] = {}
        failed: dict[str, SourceError] = {}
        for target, outcome in zip(self._sources, pages, strict=True):
            if isinstance(outcome, SourceError):
                failed[target] = outcome
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                good[target] = outcome
        if failed and not good:
            self._failed = now, next(iter(failed.values()))
            raise self._failed[1]
        names = {sample.name for samples in good.values() for sample in samples}
        names |= {one.name for recorded in self._recorded.values() for one in recorded}
        if self._sources:
            names.add("up")
        self._replan(frozenset(names), changed)
        for target, samples in good.items():
            self._ring.add_page(target, [*samples, Sample("up", {}, 1.0, None)], now)
        for target in failed:
            self._ring.add_failure(target, now)
        self._ring.unbased = frozenset()
        self._polled_at, self._failed = now, None
        self._warnings = tuple(f"{target}: {error}" for target, error in failed.items())
        return self._warnings

    def _replan(self, names: frozenset[str], changed: bool) -> None:
        """Choose the signals again when new names appear; a changed history fills the ring from its start."""
        if self._plan is None or not names <= self._names:
            known, self._names = self._names, self._names | names
            self._plan = make_plan(self._names, labels=self._labels, promql=False)
            self._ring.need(self._plan, known)
        if changed:
            only = next(iter(self._sources)) if len(self._sources) == 1 else HISTORY
            for recorded in self._recorded.values():
                self._ring.add_history(only, recorded)
            if self._sources:
                # The samples now live in the ring; a history beside live targets is not read again.
                self._recorded.clear()

    async def _read_files(self) -> bool:
        """Whether a history was read."""
        changed = False
        for path, known in self._files.items():
            if known is not None and self._sources:
                continue
            try:
                status = await asyncio.to_thread(path.stat)
                stamp = (status.st_mtime_ns, status.st_size)
                if stamp != known:
                    self._recorded[path] = await asyncio.to_thread(_load, path)
                    self._files[path] = stamp
                    changed = True
            except OSError as error:
                raise MissingDataError("history not readable", f"{path}: {error.strerror}") from error
        return changed

    async def _scrape(self, target: str) -> list[Sample]:
        source = self._sources[target]
        answer = await source.send("GET", "", headers={"Accept": ACCEPT})
        check_status(answer, source.place, message_of(answer.body))
        if answer.content_type == "text/html":
            raise MalformedError("not a /metrics page", f"{source.place}: HTML", "a login page or another service")
        text = answer.body.decode("utf-8", "replace")
        if not text.strip():
            raise MalformedError("not a /metrics page", f"{source.place}: the page is empty")
        if len(text) > INLINE_CHARS:
            return await asyncio.to_thread(lambda: list(parse_page(text, answer.content_type)))
        return list(parse_page(text, answer.content_type))

    async def _fresh(self) -> Plan:
        """The plan after a poll that is at most `interval_s` old, whether it went well or not."""
        if self._failed is not None and self._clock() - self._failed[0] <= self._interval_s:
            raise self._failed[1]
        if self._plan is None or self._clock() - self._polled_at > self._interval_s:
            await self._poll()
        assert self._plan is not None
        return self._plan

    async def _remembered(self) -> Plan:
        """The plan over what was scraped, also while no page answers: `watermark` tells of that."""
        try:
            return await self._fresh()
        except SourceError:
            if self._plan is None:
                raise
            return self._plan

    async def discover(self) -> Catalog:
        """Detect the servers behind the pages and the models they serve.

        Raises:
            SourceError: no target answers, or a history cannot be read.
        """
        async with self._turn:
            plan = await self._remembered()
            models: set[str] = set()
            for query in plan.queries:
                if query.signal == "requests":
                    known = self._ring.labels_of(query)
                    models |= {query.fold(labels).get("model", query.preset) for labels in known}
            notes = plan.notes if plan.signals else ("no known model server among the metrics", *plan.notes)
            names = self._label_names(plan)
            dims, label = dims_of(plan, names), model_label(plan, names)
            return Catalog(tuple(p.id for p in plan.presets), plan.signals, tuple(sorted(models)), notes, dims, label)

    def _label_names(self, plan: Plan) -> dict[str, frozenset[str]]:
        metrics = {metric for query in plan.queries if query.signal in COUNTED for metric in query.metrics}
        return {metric: self._ring.label_names(metric) for metric in metrics}

    async def watermark(self) -> Watermark:
        """Newest and oldest sample of the request signal that is remembered."""
        async with self._turn:
            plan = await self._fresh()
            query = plan.first("requests") or plan.first("latency") or next(iter(plan.queries), None)
            span = self._ring.span(query.metrics) if query else None
            return Watermark(newest=span[1], oldest=span[0]) if span else Watermark(None, None)

    async def metrics(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[MetricEvidence]:
        """Every signal over `spans`, which are widened to multiples of `step`, from what was scraped so far.

        While no page answers that is what it was before; `watermark` says that none does.

        Raises:
            MissingDataError: the filter is not one of labels that the requests have.
        """
        return await self._answer(spans, step, lambda query: True, where)

    async def segments(
        self, spans: Sequence[Window], model: str, outcome: Filter | None, where: Filter = ALL
    ) -> Fetched[Cube]:
        """Requests of a model, and those with the outcome, per label set over the union of `spans`.

        Raises:
            MissingDataError: no counter tells the outcome, or the filter is not one of labels.
        """
        async with self._turn:
            began, rows, asked = time.perf_counter(), 0, dict[str, None]()
            plan = await self._remembered()
            plan = narrowed(plan, where, self._label_names(plan))

            async def grown(query: Query, edge: float) -> Sequence[Growth]:
                nonlocal rows
                query = replace(query, where=(*query.where, *self._extra))
                found = await asyncio.to_thread(self._ring.growth, query, spans)
                rows += len(found)
                asked.update(dict.fromkeys(query.metrics))
                return [Growth(labels, value) for labels, value in found]

            cube = await label_cube(plan, model, outcome, grown)
            return Fetched(cube, ", ".join(asked), time.perf_counter() - began, rows)

    async def count_promql(self, model: str, where: Filter, window: Window) -> str:
        """For a Prometheus that scrapes the same pages; see `MetricStore`."""
        async with self._turn:
            plan = await self._remembered()
            return count_promql(plan, self._label_names(plan), model, where, window, self._extra)

    async def errors(self, spans: Sequence[Window], step: int, where: Filter = ALL) -> Fetched[ErrorCounts | None]:
        """Errors by type over `spans`, as `metrics` has them."""
        fetched = await self._answer(spans, step, lambda query: query.signal in ("requests", "errors"), where)
        return Fetched(fetched.value.errors, fetched.query, fetched.elapsed_s, fetched.rows, fetched.warnings)

    async def traffic(self, spans: Sequence[Window], step: int) -> Fetched[Traffic | None]:
        """Requests, errors and latency over `spans`, as `metrics` has them."""
        fetched = await self._answer(spans, step, lambda query: query.signal in TRAFFIC)
        return Fetched(fetched.value.traffic, fetched.query, fetched.elapsed_s, fetched.rows, fetched.warnings)

    async def traffic_by(
        self, spans: Sequence[Window], step: int, model: str, by: By, where: Filter = ALL
    ) -> Fetched[Traffic]:
        """Traffic of a model by the values of a label over `spans`, as `metrics` has it.

        Raises:
            MissingDataError: the requests have no such label, or the filter is not one of labels.
        """
        async with self._turn:
            plan = await self._remembered()
            split = split_plan(plan, self._label_names(plan), model, by, where)
            return counted(await self._read(split.plan, split.asked, spans, step, split.told))

    async def _answer(
        self, spans: Sequence[Window], step: int, wanted_too: Callable[[Query], bool], where: Filter = ALL
    ) -> Fetched[MetricEvidence]:
        async with self._turn:
            plan = await self._remembered()
            plan = narrowed(plan, where, self._label_names(plan))
            return await self._read(plan, [query for query in plan.queries if wanted_too(query)], spans, step)

    async def _read(
        self,
        plan: Plan,
        queries: Sequence[Query],
        spans: Sequence[Window],
        step: int,
        told: Callable[[Answers], Answers] = tuple,
    ) -> Fetched[MetricEvidence]:
        """Some of a plan's queries from what was scraped; `told` is what their answers mean."""
        began = time.perf_counter()
        windows = union(Window(w.start // step * step, -(-w.end // step) * step) for w in spans)
        t = grid_of(windows, step)
        wanted = [replace(query, where=(*query.where, *self._extra)) for query in queries]
        answers = await asyncio.to_thread(lambda: [(query, self._ring.answer(query, t, step)) for query in wanted])
        evidence, lost = assemble(plan, told(answers), t, step)
        warnings = list(self._warnings)
        if self._ring.refused:
            warnings.append(f"{self._ring.refused} series beyond {MAX_SERIES} are not kept")
        return Fetched(
            value=evidence,
            query="\n".join(f"{query.signal}: {', '.join(dict.fromkeys(query.metrics))}" for query in wanted),
            elapsed_s=time.perf_counter() - began,
            rows=sum(len(rows) for _, rows in answers) * len(t),
            warnings=(*warnings, *lost),
        )

    async def cancel(self) -> None:
        """Close the connections in flight."""
        await asyncio.gather(*(source.cancel() for source in self._sources.values()))

    async def close(self) -> None:
        """Release the connections."""
        await asyncio.gather(*(source.close() for source in self._sources.values()))


def _page(target: str) -> tuple[str, str]:
    """Address of the page and what it adds to the target's name: two pages of one host are two targets."""
    path = urlsplit(target).path
    if path in ("", "/"):
        return target.rstrip("/") + "/metrics", ""
    return target, "" if path == "/metrics" else path


def _load(path: Path) -> list[Recorded]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        return parse_history(lines)
