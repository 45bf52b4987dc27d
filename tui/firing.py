"""What fires at an Alertmanager now, for whoever is about to hold some of it back, or to let it through again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.asking import UnansweredError, ask
from tui.screens.silence import Firing

if TYPE_CHECKING:
    import httpx

    from tui.config_schema import IncidentTarget


async def firing(target: IncidentTarget, transport: httpx.AsyncBaseTransport | None = None) -> Firing:
    """The alerts that fire and are not held back; `transport` replaces the network in tests."""
    from incidents.targets.silences import firing_request, read_firing

    try:
        return Firing(await ask(target, firing_request, read_firing, transport=transport))
    except UnansweredError as error:
        return Firing(problem=str(error))


async def held_back(target: IncidentTarget, silence: str, transport: httpx.AsyncBaseTransport | None = None) -> Firing:
    """The alerts that fire and that a silence, by its id there, holds back."""
    from incidents.targets.silences import held_request, read_held

    try:
        return Firing(await ask(target, held_request, lambda content: read_held(content, silence), transport=transport))
    except UnansweredError as error:
        return Firing(problem=str(error))
