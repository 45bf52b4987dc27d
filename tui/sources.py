"""From options to feeds: opens every source that the command line or the configuration names."""

from __future__ import annotations

import time
from collections.abc import Sequence

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
    raise NotImplementedError


def open_prometheus(source: PrometheusSource) -> MetricStore:
    """The store over one Prometheus."""
    raise NotImplementedError


def open_scrapes(sources: Sequence[ScrapeSource]) -> list[MetricStore]:
    """The stores over /metrics pages; a page and a recorded history of the same name are one store."""
    raise NotImplementedError
