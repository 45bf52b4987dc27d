"""The shape of the configuration file: every key, its type and its default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(min_length=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Target = Annotated[float, Meta(gt=0.5, lt=1)]
Theme = Literal["dark", "light"]
Zone = Literal["utc", "local"]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping of the file in which an unknown key is an error."""


class Labels(_Section, frozen=True):
    """Label that holds each of these, where it is not the one of the detected server."""

    model: Text | None = None
    version: Text | None = None
    replica: Text | None = None
    error: Text | None = None
    dependency: Text | None = None

    def mapping(self) -> Mapping[str, tuple[str, ...]]:
        """What is set, as label names to try before the detected ones."""
        return {name: (value,) for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


class Guarded(_Section, frozen=True):
    """What a source behind HTTP wants to see of whoever asks."""

    headers_file: Text | None = None
    """File of `Name: value` lines, sent with every request."""
    bearer_token_file: Text | None = None
    bearer_token_command: Annotated[tuple[Text, ...], Meta(min_length=1)] | None = None
    """Program and arguments that print the token; no shell."""
    ca_file: Text | None = None
    cert_file: Text | None = None
    key_file: Text | None = None

    def __post_init__(self) -> None:
        if self.bearer_token_file and self.bearer_token_command:
            raise ValueError("bearer_token_file and bearer_token_command exclude each other")
        if bool(self.key_file) != bool(self.cert_file):
            raise ValueError("cert_file and key_file need each other")


class PrometheusSource(Guarded, frozen=True, kw_only=True):
    """A Prometheus, or anything that speaks its HTTP API."""

    name: Text
    url: Text
    timeout: Seconds = 10.0
    """Seconds that one query may take."""
    labels: Labels = Labels()
    selector: Text | None = None
    """Matchers for every metric, such as `namespace="ml"`."""
    alerts: str = ""
    """Matchers of the alerts (`ALERTS`) that are marked on the charts; `none` marks none."""
    queries: dict[str, Text] = {}
    """Canonical signal -> own PromQL, in place of the preset's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_url(self.url)


class ScrapeSource(_Section, frozen=True):
    """A /metrics page that is read directly, or a file that holds the text of one.

    A page and a file of the same name are one source: the file holds the page's past.
    """

    name: Text
    url: Text | None = None
    file: Text | None = None
    interval: Seconds = 15.0
    """Seconds between two readings."""

    def __post_init__(self) -> None:
        if (self.url is None) == (self.file is None):
            raise ValueError("exactly one of url and file is needed")
        if self.url:
            _check_url(self.url)


class Fields(_Section, frozen=True):
    """Canonical field -> SQL expression over the columns of the log."""

    ts: Text | None = None
    request_id: Text | None = None
    model: Text | None = None
    version: Text | None = None
    latency_ms: Text | None = None
    error_type: Text | None = None
    error_message: Text | None = None
    prediction: Text | None = None
    confidence: Text | None = None
    label: Text | None = None
    label_ts: Text | None = None
    weight: Text | None = None
    shadow: Text | None = None

    def mapping(self) -> Mapping[str, str]:
        """The fields that are set."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


class LogSource(Guarded, frozen=True, kw_only=True):
    """One row per inference: a directory or glob of Parquet and JSON-lines files, or a table of a ClickHouse."""

    name: Text
    path: Text | None = None
    url: Text | None = None
    """HTTP interface of a ClickHouse."""
    table: Text | None = None
    """Its table or view, as `table` or `database.table`."""
    timeout: Seconds | None = None
    """Seconds that one query of it may take; 30 where it is not set."""
    label_files: Text | None = None
    """Directory or glob of files with request_id, label and label_ts, joined to the rows."""
    fields: Fields = Fields()
    """Empty: columns are mapped by well-known names."""
    dims: dict[str, Text] = {}
    """Dimension -> SQL expression. Empty: inferred from the columns."""
    features: dict[str, Text] = {}
    """Feature -> SQL expression. Empty: inferred from the columns."""
    dependencies: dict[str, Text] = {}
    """Dependency -> SQL expression, milliseconds that the request waited for it. Empty: inferred from the columns."""
    where: Text | None = None
    """SQL condition that every row must meet."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.path is None) == (self.url is None):
            raise ValueError("exactly one of path and url is needed")
        if (self.table is None) != (self.url is None):
            raise ValueError("url and table need each other")
        if self.url is not None:
            _check_url(self.url)
            if self.label_files:
                raise ValueError("label_files are joined to files: join the labels of a ClickHouse in a view")
        remote = ("timeout", *Guarded.__struct_fields__)
        if self.path is not None and (given := [name for name in remote if getattr(self, name) is not None]):
            raise ValueError(f"{given[0]} is for a url")


class Incidents(_Section, frozen=True):
    """Where flagged incidents are kept."""

    folder: Text | None = None
    """Shared with others when its group may write. None: the user's own."""
    environment: Text | None = None
    """What the fleet is called, such as production."""


class Slo(_Section, frozen=True):
    """What one model promises; at least one of availability and latency."""

    model: Text
    availability: Target | None = None
    """Share of requests without an error."""
    latency_ms: Annotated[float, Meta(gt=0)] | None = None
    latency: Target | None = None
    """Share of requests that are answered within `latency_ms`."""

    def __post_init__(self) -> None:
        if self.availability is None and self.latency is None:
            raise ValueError("at least one of availability and latency is needed")
        if (self.latency is None) != (self.latency_ms is None):
            raise ValueError("latency and latency_ms need each other")


class IncidentTarget(_Section, frozen=True):
    """A system that is told of incidents."""

    name: Text
    kind: Literal["alertmanager", "pagerduty", "slack", "grafana", "webhook"]
    url: Text | None = None
    """Not for slack, whose URL is the secret; pagerduty's own where it is missing."""
    secret_file: Text | None = None
    """Token, routing key, secret URL or signing key; nobody else may be able to read the file."""
    secret_command: Annotated[tuple[Text, ...], Meta(min_length=1)] | None = None
    """Program and arguments that print it; no shell."""
    labels: dict[str, Text] = {}
    """Further labels (alertmanager) or tags (grafana)."""
    events: bool = True
    """Whether its alerts (alertmanager) or annotations (grafana) are marked on the charts."""

    def __post_init__(self) -> None:
        if self.url is not None:
            _check_url(self.url)
        if self.kind == "slack" and self.url is not None:
            raise ValueError("the URL of a slack webhook is a secret: put it into secret_file")
        if self.kind in ("alertmanager", "grafana", "webhook") and self.url is None:
            raise ValueError(f"{self.kind} needs a url")
        if self.secret_file and self.secret_command:
            raise ValueError("secret_file and secret_command exclude each other")
        if self.kind in ("pagerduty", "slack", "grafana") and not (self.secret_file or self.secret_command):
            raise ValueError(f"{self.kind} needs secret_file or secret_command")
        if self.labels and self.kind not in ("alertmanager", "grafana"):
            raise ValueError(f"{self.kind} takes no labels")
        wrong = [name for name in self.labels if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is not the name of a label")


class Config(_Section, frozen=True):
    """The whole file. Every key is optional."""

    prometheus: tuple[PrometheusSource, ...] = ()
    scrape: tuple[ScrapeSource, ...] = ()
    logs: tuple[LogSource, ...] = ()
    window: Text = "30m"
    baseline: Text = "previous"
    refresh: Annotated[float, Meta(ge=1, le=3_600)] = 5.0
    """Seconds between two refreshes."""
    confidence_threshold: Annotated[float, Meta(ge=0, le=1)] = 0.6
    slos: tuple[Slo, ...] = ()
    """What the models promise; budgets and their burn are shown for each."""
    theme: Theme = "dark"
    ascii: bool = False
    mouse: bool = True
    zone: Zone = "utc"
    sensitive: tuple[Text, ...] = ()
    """Fields whose values the records do not show."""
    keys: dict[str, Text] = {}
    """Binding id -> key."""
    incidents: Incidents = Incidents()
    targets: tuple[IncidentTarget, ...] = ()

    def __post_init__(self) -> None:
        for kind in ("prometheus", "scrape", "logs", "targets"):
            names = [(source.name, getattr(source, "file", None) is None) for source in getattr(self, kind)]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                what = "targets" if kind == "targets" else "sources"
                raise ValueError(f"{kind}: two {what} are named {twice[0]!r}")
        promised = [slo.model for slo in self.slos]
        again = next((model for model in promised if promised.count(model) > 1), None)
        if again is not None:
            raise ValueError(f"slos: {again!r} has two entries")


def _check_url(url: str) -> None:
    """Raises ValueError for a URL that cannot be asked, or that carries a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()!r} is not an http(s) URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL must not carry a user or password: put an Authorization header into headers_file")
