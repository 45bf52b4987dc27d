"""What is not to be shown of an address and of an answer: everything that may be a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

SHORTEST_PROOF = 4
"""A shorter key is not looked for in answers: it would blank out words."""

_PROOF = re.compile(r"authori[sz]ation|cookie|key|token|secret|passw", re.IGNORECASE)


def bare_url(url: str) -> str:
    """The address without user, password, query and fragment, which may hold secrets."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{host}{port}{parts.path}" if host else parts.path


def without_proof(body: bytes, headers: Mapping[str, str]) -> bytes:
    """An answer without what its request bore as proof: error pages of proxies repeat headers, and words are shown.

    Args:
        headers: those of the request; the names say which hold proof.
    """
    for value in (value for name, value in headers.items() if _PROOF.search(name)):
        for part in (value, value.rpartition(" ")[2]):
            if len(part) >= SHORTEST_PROOF:
                body = body.replace(part.encode("utf-8", "replace"), b"***")
    return body
