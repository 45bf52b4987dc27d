"""From options to the targets that are told of incidents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tui.config_schema import IncidentTarget
from tui.options import Options

if TYPE_CHECKING:
    from incidents.outbox import Channel
    from incidents.targets.base import Target


def channels_of(options: Options) -> tuple[Channel, ...]:
    """Every configured target with the source of its secret; no secret is read yet."""
    from incidents.outbox import Channel
    from incidents.secret import SecretSource

    return tuple(
        Channel(target, SecretSource(configured.secret_file, configured.secret_command))
        for configured in options.targets
        for target in _targets(configured)
    )


def pagers(options: Options) -> tuple[IncidentTarget, ...]:
    """The targets that wake somebody, whatever they are told."""
    return tuple(target for target in options.targets if target.kind == "pagerduty")


def silencers(options: Options) -> tuple[IncidentTarget, ...]:
    """The targets that hold alerts back when they are asked to."""
    return tuple(target for target in options.targets if target.kind == "alertmanager")


def silencer_name(configured: IncidentTarget) -> str:
    """How the silences of an Alertmanager are called in the journal, beside its alerts."""
    from incidents.record import silencer_of

    return silencer_of(configured.name)


def actors(options: Options) -> tuple[str, ...]:
    """What holds alerts back or wakes somebody: each is told of that only when it was named."""
    return tuple(map(silencer_name, silencers(options))) + tuple(target.name for target in pagers(options))


def host_of(configured: IncidentTarget) -> str:
    """Where a target is, without anything that may be secret: for a question that names it."""
    from incidents.targets.pagerduty import URL

    return urlsplit(configured.url or (URL if configured.kind == "pagerduty" else "")).netloc


def _targets(configured: IncidentTarget) -> Iterator[Target]:
    from incidents.targets.silences import Silences

    yield _target(configured)
    if configured.kind == "alertmanager":
        yield Silences(silencer_name(configured), configured.url or "")


def _target(configured: IncidentTarget) -> Target:
    from incidents.targets.alertmanager import Alertmanager
    from incidents.targets.grafana import Grafana
    from incidents.targets.pagerduty import URL, PagerDuty
    from incidents.targets.slack import Slack
    from incidents.targets.webhook import Webhook

    name, url = configured.name, configured.url or ""
    match configured.kind:
        case "alertmanager":
            return Alertmanager(name, url, configured.labels)
        case "pagerduty":
            return PagerDuty(name, url or URL)
        case "slack":
            return Slack(name)
        case "grafana":
            return Grafana(name, url, configured.labels)
        case "webhook":
            return Webhook(name, url)
