"""What the doctor says of targets: they are asked where a documented question changes nothing, else connected to.

Nothing is sent that could page or be posted: such a target is only connected to, and the line says what is not known.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from analysis.words import duration
from tui.asking import Secrets, UnansweredError, ask
from tui.options import Options
from tui.targets import host_of, silencer_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incidents.reach import Reach
    from tui.config_schema import IncidentTarget
    from tui.doctor import Check

REFUSED = (401, 403)
"""HTTP status codes that say that the credentials are not taken."""

UNTOLD = {
    "pagerduty": "whether the key is taken is not checked: it would page",
    "slack": "whether the URL is taken is not checked: it would post",
    "webhook": "whether it takes events is not checked: it would post",
}


async def target_checks(options: Options) -> list[tuple[str, list[Check]]]:
    """Every target, all at the same time; a target that hangs is given up by the limits of its connection."""
    told = await asyncio.to_thread(_told, options)
    asked = await asyncio.gather(*(_asked(target) for target in options.targets))
    now = time.time()
    return [
        (f"target {target.name} ({target.kind})", [*checks, *_lately(target, told, now)])
        for target, checks in zip(options.targets, asked, strict=True)
    ]


def _told(options: Options) -> dict[str, Reach]:
    """What the incidents of this folder say of each target."""
    from incidents.reach import reached
    from tui.incident_store import open_journal

    journal = open_journal(options)
    try:
        return reached(event for one in journal.incidents() for event in journal.history(one).events)
    except OSError:
        return {}  # the folder cannot be read; what the targets say is worth showing all the same
    finally:
        journal.close()


def _lately(target: IncidentTarget, told: dict[str, Reach], now: float) -> Iterator[Check]:
    """How deliveries went lately."""
    from incidents.export import utc
    from tui.doctor import Check

    for name in (target.name, silencer_name(target)):
        reach = told.get(name)
        if reach is None:
            if name == target.name:
                yield Check("ok", "was never told of an incident of this folder")
            continue
        last = f"last told {duration(now - reach.ok)} ago" if reach.ok is not None else "never told with success"
        if reach.state == "ok":
            yield Check("ok", f"{last} ({reach.incident}{'' if name == target.name else ', a silence'})")
        else:
            why = f": {reach.reason}" if reach.reason else ""
            yield Check("warn", f"{name}: {reach.state} since {utc(reach.since)} ({reach.incident}){why}; {last}")


async def _asked(target: IncidentTarget) -> list[Check]:
    """Whether it answers now, and takes the credentials as far as that can be known."""
    from incidents.secret import SecretError
    from tui.doctor import Check

    secrets = Secrets()
    try:
        secret = await secrets.of(target)
    except SecretError as error:
        return [Check("FAIL", f"no secret: {error}")]
    if target.kind in ("alertmanager", "grafana"):
        return [await _answers(target, secrets)]
    if target.kind == "pagerduty" and not re.fullmatch(r"\w{32}", secret):
        return [Check("FAIL", f"its key has {len(secret)} characters: an integration key of Events v2 has 32")]
    url = urlsplit(secret if target.kind == "slack" else target.url or "https://" + host_of(target))
    if url.scheme not in ("http", "https") or not url.hostname:
        return [Check("FAIL", "its secret is no URL" if target.kind == "slack" else "it has no URL")]
    return [await _connects(target, url.hostname, url.port, tls=url.scheme == "https")]


async def _answers(target: IncidentTarget, secrets: Secrets) -> Check:
    """A question that reads and changes nothing, from the documentation of the target's API."""
    from incidents.targets import alertmanager, grafana
    from tui.doctor import Check

    try:
        if target.kind == "alertmanager":
            version = await ask(target, alertmanager.status_request, alertmanager.read_version, secrets=secrets)
            return Check("ok", f"answers: Alertmanager {version}")
        await ask(target, grafana.reading_request, grafana.read_any, secrets=secrets)
        return Check("ok", "answers, and its token may read annotations; not checked whether it may write: it would")
    except UnansweredError as error:
        if error.status in REFUSED:
            return Check("FAIL", f"credentials refused: {error}", "check its secret_file or secret_command")
        return Check("FAIL", f"no answer: {error}", f"is {host_of(target)} reachable from here?")


async def _connects(target: IncidentTarget, host: str, port: int | None, *, tls: bool) -> Check:
    """A connection, over which nothing is said."""
    from incidents.sending import CONNECT_S
    from tui.doctor import Check

    untold = UNTOLD[target.kind]
    if getproxies().get("https" if tls else "http") and not proxy_bypass(host):
        return Check("ok", f"not checked: it is reached through a proxy; {untold}")
    try:
        connecting = asyncio.open_connection(
            host, port or (443 if tls else 80), ssl=ssl.create_default_context() if tls else None
        )
        _, writer = await asyncio.wait_for(connecting, CONNECT_S)
    except (OSError, TimeoutError, UnicodeError) as error:
        # The text of such an error may name the host, and with a wrong URL the host may be the secret.
        why = getattr(error, "strerror", None) if target.kind != "slack" else None
        return Check("FAIL", f"no connection{f': {why}' if why else ''}", "is it reachable from here?")
    writer.close()
    return Check("ok", f"takes connections; {untold}")
