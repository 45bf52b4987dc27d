"""ClickHouse for tests: its engine (chdb) behind the part of its HTTP interface that a store uses, in its own process.

As `python tests/clickhouse_server.py` it prints its port and serves until it is stopped.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

USER, PASSWORD = "triage", "s3cret"
OWNER = "owner"
"""May write; its statements are not checked."""

_OF_THE_PROTOCOL = {
    "default_format", "query_id", "wait_end_of_query", "enable_http_compression", "readonly",
    "cancel_http_readonly_queries_on_client_close",
}  # fmt: skip
_READS = re.compile(r"\s*(SELECT|WITH|DESCRIBE|\()", re.IGNORECASE)


class ClickHouse:
    """A running server, stopped by its own process id."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def run(self, *statements: str) -> None:
        """Statements of the owner, such as CREATE TABLE."""
        for sql in statements:
            status, body = self._ask("POST", "/", sql, {"X-ClickHouse-User": OWNER})
            assert status == 200, body

    def killed(self) -> list[str]:
        """Ids of the queries that a KILL QUERY named."""
        found: list[str] = json.loads(self._ask("GET", "/killed")[1])
        return found

    def wait_for_kill(self, before: int) -> str:
        """The id that a KILL QUERY names beyond the first `before` ones."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if len(killed := self.killed()) > before:
                return killed[before]
            time.sleep(0.02)
        raise AssertionError("no KILL QUERY within 10 s")

    def _ask(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body.encode(), headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def stop(self) -> None:
        """Kill the process and wait for it."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class _Engine:
    """One statement at a time, as chdb has one session per process."""

    def __init__(self) -> None:
        from chdb.session import Session

        self._session: Any = Session()
        self._lock = threading.Lock()
        self.killed: list[str] = []

    def run(self, sql: str, settings: dict[str, str]) -> bytes:
        with self._lock:
            if settings:
                self._session.query("SET " + ", ".join(f"{name} = '{value}'" for name, value in settings.items()))
            data: bytes = self._session.query(sql, "Native").bytes()
            return data


def _handler(engine: _Engine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
            """Quiet."""

        def do_GET(self) -> None:
            self._answer(200, json.dumps(engine.killed).encode())

        def do_POST(self) -> None:
            sql = self.rfile.read(int(self.headers["Content-Length"])).decode()
            fields = dict(parse_qsl(urlsplit(self.path).query))
            user, key = self.headers.get("X-ClickHouse-User", "default"), self.headers.get("X-ClickHouse-Key")
            if user != OWNER and (user, key) != (USER, PASSWORD):
                self._refuse(516, f"{user}: Authentication failed: password is incorrect, or there is no such user")
            elif killed := re.match(r"KILL QUERY WHERE query_id = '([^']*)' ASYNC$", sql):
                engine.killed.append(killed[1])
                self._answer(200, b"")
            elif user != OWNER and (fields.get("readonly") != "2" or not _READS.match(sql)):
                self._refuse(164, "Cannot execute query in readonly mode. (READONLY)")
            else:
                settings = {name: value for name, value in fields.items() if name not in _OF_THE_PROTOCOL}
                try:
                    self._answer(200, engine.run(sql, settings))
                except RuntimeError as error:
                    self._answer(500, str(error).encode())

        def _refuse(self, code: int, words: str) -> None:
            version = "(version 26.9.2.1 (official build))"
            self._answer(403 if code == 516 else 500, f"Code: {code}. DB::Exception: {words} {version}\n".encode())

        def _answer(self, status: int, body: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Handler


def main() -> None:
    """Serve on a free port of the loopback interface."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(_Engine()))
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
