"""From options to feeds: opens every source that the command line or the configuration names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from connectors.base import LogStore, MetricStore
from tui.config_schema import LogSource, PrometheusSource, ScrapeSource
from tui.feeds import Clock, LogFeed, MetricFeed
from tui.options import Options
from tui.session import Session


def open_session(options: Options, clock: Clock = time.time) -> Session:
    """A session over every source. Nothing is asked yet, so nothing can fail yet."""
    from analysis.confidence import EDGES

    logs = [LogFeed(open_logs(source), EDGES, clock) for source in options.logs]
    metrics = [
        *(MetricFeed(open_prometheus(source), clock) for source in options.prometheus),
        *(MetricFeed(store, clock) for store in open_scrapes(options.scrape)),
    ]
    return Session(logs, metrics, options.view, confidence_threshold=options.confidence_threshold, clock=clock)


def open_logs(source: LogSource) -> LogStore:
    """The store over a directory or glob of log files."""
    from connectors.duckdb_store import DuckDbStore
    from connectors.mapping import Mapping

    mapping = Mapping(source.fields.mapping(), source.dims, source.features, source.where)
    return DuckDbStore([source.path], mapping, name=source.name)


def open_prometheus(source: PrometheusSource) -> MetricStore:
    """The store over one Prometheus."""
    from connectors.prometheus import PrometheusStore
    from tui.credentials import Credentials

    return PrometheusStore(
        source.url,
        headers=Credentials(source).headers(),
        ca=Path(source.ca_file) if source.ca_file else None,
        cert=(Path(source.cert_file), Path(source.key_file)) if source.cert_file and source.key_file else None,
        name=source.name,
        timeout_s=source.timeout,
        labels=source.labels.mapping(),
        queries=source.queries,
        selector=source.selector or "",
    )


def open_scrapes(sources: Sequence[ScrapeSource]) -> list[MetricStore]:
    """The stores over /metrics pages; a page and a recorded history of the same name are one store."""
    from connectors.scrape import ScrapeStore

    stores: list[MetricStore] = []
    for name in dict.fromkeys(source.name for source in sources):
        own = [source for source in sources if source.name == name]
        pages = [source.url for source in own if source.url]
        files = [Path(source.file) for source in own if source.file]
        targets = pages or [str(file) for file in files]
        history = files[0] if pages and files else None
        interval = min(source.interval for source in own)
        stores.append(ScrapeStore(targets, history=history, interval_s=interval, name=name))
    return stores
