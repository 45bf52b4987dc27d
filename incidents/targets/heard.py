"""What other systems know of the same hours: alerts of an Alertmanager, annotations of a Grafana, as marks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analysis.answer import Mark
from analysis.view import Window
from incidents.events import parse_rfc3339
from incidents.targets.alertmanager import ALERT
from incidents.targets.base import Request

MODEL_LABELS = ("model", "model_name")
MODEL_TAG = re.compile(r"model(?:_name)?[:=](.+)")
OWN_TAG = "mltriage"
MOST = 100
"""Annotations of one window that are asked for."""


def alerts_request(url: str, secret: str) -> Request:
    """Asks an Alertmanager for all alerts that fire, held back or not."""
    return Request("GET", f"{url.rstrip('/')}/api/v2/alerts?active=true", _headers(secret))


def annotations_request(url: str, secret: str, window: Window) -> Request:
    """Asks a Grafana for the annotations of a window."""
    query = f"from={window.start * 1_000}&to={window.end * 1_000}&limit={MOST}"
    return Request("GET", f"{url.rstrip('/')}/api/annotations?{query}", _headers(secret))


def read_alerts(content: bytes) -> tuple[Mark, ...]:
    """When each alert began to fire.

    Raises:
        ValueError: no list of alerts.
    """
    return tuple(_marks(content, _alert))


def read_annotations(content: bytes) -> tuple[Mark, ...]:
    """Each annotation with the first line of its text; one that bears a tag `model:NAME` is about that model alone.

    Raises:
        ValueError: no list of annotations.
    """
    return tuple(_marks(content, _annotation))


def _marks(content: bytes, read: Any) -> Iterator[Mark]:
    try:
        for one in json.loads(content):
            mark = read(one)
            if mark is not None:
                yield mark
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _alert(alert: Mapping[str, Any]) -> Mark | None:
    labels = alert["labels"]
    name = str(labels.get("alertname", "alert"))
    model = next((str(labels[label]) for label in MODEL_LABELS if labels.get(label)), "")
    return None if name == ALERT else Mark(parse_rfc3339(alert["startsAt"]), "alert", name, model)


def _annotation(annotation: Mapping[str, Any]) -> Mark | None:
    tags = [str(tag) for tag in annotation.get("tags") or ()]
    if OWN_TAG in tags:
        return None
    named = (found[1] for tag in tags if (found := MODEL_TAG.fullmatch(tag)))
    text = re.sub(r"<[^>]*>", "", str(annotation.get("text") or "")).strip()
    words = (text.splitlines() or [""])[0] or " ".join(tags) or "annotation"
    return Mark(float(annotation["time"]) / 1_000, "annotation", words, next(named, ""))


def _headers(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"} if secret else {}
