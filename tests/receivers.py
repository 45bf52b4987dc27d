"""Local stand-ins for the systems that are told, as strict as the real ones are documented to be, and as unreliable."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Receiver:
    """What one server has been sent. `script` says how the next requests go: ok, 429, 500, 404, hang, close, lost, and
    for a GET also 401.

    hang: taken, and never answered. close: the connection ends without being read. lost: taken, and the connection ends
    before the answer.
    """

    url: str
    script: list[str] = field(default_factory=list)
    got: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    taken: list[Any] = field(default_factory=list)
    """What was accepted, as JSON."""
    refused: list[str] = field(default_factory=list)
    """Why something was not."""


def pagerduty(body: Any, headers: dict[str, str]) -> str:
    """Why PagerDuty would refuse it; empty when it would not."""
    if not re.fullmatch(r"\w{32}", body.get("routing_key", "")):
        return "routing_key has the wrong length"
    if body.get("event_action") not in ("trigger", "acknowledge", "resolve") or len(body.get("dedup_key", "")) > 255:
        return "event_action or dedup_key"
    payload = body.get("payload", {})
    if body["event_action"] == "trigger" and not (
        0 < len(payload.get("summary", "")) <= 1_024
        and payload.get("source")
        and payload.get("severity") in ("critical", "error", "warning", "info")
    ):
        return "payload"
    return "too large" if len(json.dumps(body)) > 512_000 else ""


def slack(body: Any, headers: dict[str, str]) -> str:
    """Why Slack would refuse it."""
    if not body.get("text") or len(body["text"]) > 40_000 or len(body.get("blocks", ())) > 50:
        return "no_text"
    for block in body.get("blocks", ()):
        limit = {"header": 150, "section": 3_000}[block["type"]]
        if not 0 < len(block["text"]["text"]) <= limit:
            return "invalid_blocks"
    return ""


def grafana(body: Any, headers: dict[str, str]) -> str:
    """Why Grafana would refuse it."""
    if not headers.get("authorization", "").startswith("Bearer "):
        return "Unauthorized"
    if not isinstance(body.get("time"), int) or body["time"] < 10**12 or not body.get("text"):
        return "bad request data"
    return "" if all(isinstance(tag, str) for tag in body.get("tags", ())) else "tags"


def cloudevents(body: Any, headers: dict[str, str]) -> str:
    """Why a CloudEvents receiver would refuse it."""
    if headers.get("content-type") != "application/cloudevents+json" or body.get("specversion") != "1.0":
        return "not CloudEvents"
    if not all(isinstance(body.get(name), str) and body[name] for name in ("id", "source", "type")):
        return "an attribute is missing"
    return "too large" if len(json.dumps(body)) > 64 * 1024 else ""


JUDGES = {"pagerduty": pagerduty, "slack": slack, "grafana": grafana, "webhook": cloudevents}
SUCCESS = {"pagerduty": 202, "slack": 200, "grafana": 200, "webhook": 204, "any": 200}


@contextmanager
def receiver(kind: str, script: Sequence[str] = ()) -> Iterator[Receiver]:
    """A server of one kind (or `any`, which takes everything) for as long as a `with` block lasts."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if state.script and state.script[0] == "401":
                state.script.pop(0)
                self._answer(401, f"no: {self.headers.get('Authorization', '')}".encode())
                return
            query = parse_qs(urlsplit(self.path).query)
            marks = [mark for mark in state.taken if set(query.get("tags", ())) <= set(mark.get("tags", ()))]
            self._answer(200, json.dumps(marks).encode())

        def do_DELETE(self) -> None:
            state.got.append((self.command, self.path, {}, b""))
            self._answer(200, b"")

        def do_POST(self) -> None:
            step = state.script.pop(0) if state.script else "ok"
            if step == "close":
                self.close_connection = True
                self.connection.close()
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.got.append((self.command, self.path, headers, body))
            if step in ("429", "500", "404"):
                self._answer(
                    int(step), f"no: {self.path} {headers.get('authorization', '')}".encode(), retry=step == "429"
                )
                return
            content = json.loads(body)
            problem = JUDGES[kind](content, headers) if kind in JUDGES else ""
            if problem:
                state.refused.append(problem)
                self._answer(400, problem.encode())
                return
            state.taken.append(content)
            if step == "hang":
                ended.wait(30)
            if step in ("hang", "lost"):
                self.close_connection = True
                self.connection.close()
                return
            answer = {"pagerduty": {"dedup_key": content.get("dedup_key", "")} if kind == "pagerduty" else {}}
            said = json.dumps(answer.get(kind, {"id": len(state.taken)} if kind == "grafana" else {})).encode()
            self._answer(SUCCESS[kind], b"" if SUCCESS[kind] == 204 else b"ok" if kind == "slack" else said)

        def _answer(self, status: int, body: bytes, *, retry: bool = False) -> None:
            self.send_response(status)
            if retry:
                self.send_header("Retry-After", "0.05")
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

        def finish(self) -> None:
            with suppress(OSError, ValueError):  # the script closed the connection
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    state = Receiver(f"http://127.0.0.1:{server.server_address[1]}", list(script))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield state
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def until(condition: Any, patience_s: float = 60.0) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come true in time.
    """
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
