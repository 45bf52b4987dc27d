"""From options to feeds: opens every source that the command line or the configuration names."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from connectors.base import LogStore, MetricStore
from tui.config_schema import LogSource, PrometheusSource, ScrapeSource
from tui.feeds import Clock, LogFeed, MetricFeed, as_source_error
from tui.options import Options
from tui.outside import Alerts, Outside
from tui.session import Session

Store = TypeVar("Store", LogStore, MetricStore)

if TYPE_CHECKING:
    from connectors.http import Access


def open_session(options: Options, clock: Clock = time.time) -> Session:
    """A session over every source. One that cannot be opened is there too, and says why when it is asked."""
    from analysis.probabilities import ASKED

    logs = [
        LogFeed(_opened(open_logs, source, "clickhouse" if source.url else "files"), ASKED, clock)
        for source in options.logs
    ]
    metrics = [
        *(MetricFeed(_opened(open_prometheus, source, "prometheus"), clock) for source in options.prometheus),
        *(MetricFeed(_opened(open_scrape, sources, "scrape"), clock) for sources in _by_name(options.scrape)),
    ]
    return Session(
        logs,
        metrics,
        options.view,
        confidence_threshold=options.confidence_threshold,
        objectives=options.objectives,
        outside=_outside(options, metrics),
        clock=clock,
    )


def _outside(options: Options, metrics: Sequence[MetricFeed]) -> Outside:
    """Who tells of alerts and annotations: every Prometheus, and the targets that have some."""
    silent = {source.name for source in options.prometheus if source.alerts == "none"}
    stores = [cast(Alerts, feed.store) for feed in metrics if hasattr(feed.store, "alerts")]
    targets = [t for t in options.targets if t.events and t.kind in ("alertmanager", "grafana")]
    return Outside([store for store in stores if store.name not in silent], targets)


def open_logs(source: LogSource) -> LogStore:
    """The store over a directory or glob of log files, or over a table of a ClickHouse."""
    from connectors.mapping import Mapping

    mapping = Mapping(source.fields.mapping(), source.dims, source.features, source.where, source.dependencies)
    if source.url is not None and source.table is not None:
        from connectors.clickhouse_store import TIMEOUT_S, ClickHouseStore

        return ClickHouseStore(
            source.url,
            source.table,
            mapping,
            access=access_to(source),
            name=source.name,
            timeout_s=source.timeout or TIMEOUT_S,
        )
    from connectors.duckdb_store import DuckDbStore

    labels = [source.label_files] if source.label_files else []
    return DuckDbStore([source.path] if source.path else [], mapping, labels=labels, name=source.name)


def open_prometheus(source: PrometheusSource) -> MetricStore:
    """The store over one Prometheus."""
    from connectors.prometheus import PrometheusStore

    access = access_to(source)
    return PrometheusStore(
        source.url,
        headers=access.headers,
        ca=access.ca,
        cert=access.cert,
        name=source.name,
        timeout_s=source.timeout,
        labels=source.labels.mapping(),
        queries=source.queries,
        selector=source.selector or "",
        alerts=source.alerts,
    )


def access_to(source: PrometheusSource | LogSource) -> Access:
    """How to get in: certificates, and headers that are read for each request."""
    from connectors.http import Access
    from tui.credentials import Credentials

    return Access(
        headers=Credentials(source).headers,
        ca=Path(source.ca_file) if source.ca_file else None,
        cert=(Path(source.cert_file), Path(source.key_file)) if source.cert_file and source.key_file else None,
    )


def open_scrape(sources: Sequence[ScrapeSource]) -> MetricStore:
    """The store over the /metrics pages of one name; a recorded history of that name is their past."""
    from connectors.scrape import ScrapeStore

    pages = [source.url for source in sources if source.url]
    files = [Path(source.file) for source in sources if source.file]
    return ScrapeStore(
        pages or [str(file) for file in files],
        history=files[0] if pages and files else None,
        interval_s=min(source.interval for source in sources),
        name=sources[0].name,
    )


def _by_name(sources: Sequence[ScrapeSource]) -> list[tuple[ScrapeSource, ...]]:
    names = dict.fromkeys(source.name for source in sources)
    return [tuple(source for source in sources if source.name == name) for name in names]


class _Unopened:
    """Stands for a source that cannot be opened: the first question every feed asks gets the reason."""

    def __init__(self, name: str, kind: str, error: Exception) -> None:
        self.name = name
        self.kind = kind
        self._error = as_source_error(error)

    async def describe(self) -> NoReturn:
        raise self._error.with_traceback(None)

    discover = describe

    async def cancel(self) -> None:
        """Nothing runs."""

    async def close(self) -> None:
        """Nothing is held."""


def _opened(open_store: Callable[[Any], Store], source: Any, kind: str) -> Store:
    try:
        return open_store(source)
    except Exception as error:  # noqa: BLE001 - whatever a source's constructor refuses is that source's failure
        name = source[0].name if isinstance(source, tuple) else source.name
        return cast(Store, _Unopened(name, kind, error))
