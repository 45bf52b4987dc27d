"""What fires at an Alertmanager now, for whoever is about to hold some of it back."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from tui.screens.silence import Firing

if TYPE_CHECKING:
    import httpx

    from tui.config_schema import IncidentTarget


async def firing(target: IncidentTarget, transport: httpx.AsyncBaseTransport | None = None) -> Firing:
    """The labels of the alerts that fire and are not held back; `transport` replaces the network in tests."""
    from incidents.secret import SecretError, SecretSource
    from incidents.sending import LONG_ANSWER_BYTES, State, exchange, open_client
    from incidents.targets.silences import firing_request

    try:
        secret = await asyncio.to_thread(SecretSource(target.secret_file, target.secret_command).read)
    except SecretError as error:
        return Firing(problem=str(error))
    async with open_client(transport) as client:
        outcome, content = await exchange(client, firing_request(target.url or "", secret), secret, LONG_ANSWER_BYTES)
    if outcome.state is not State.OK:
        return Firing(problem=outcome.reason)
    try:
        alerts = tuple({str(k): str(v) for k, v in alert["labels"].items()} for alert in json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError):
        return Firing(problem="the answer is no list of alerts")
    return Firing(alerts)
