"""From options to the targets that are told of incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        Channel(_target(configured), SecretSource(configured.secret_file, configured.secret_command))
        for configured in options.targets
    )


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
