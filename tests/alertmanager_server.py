"""A real Alertmanager (Debian package `prometheus-alertmanager`) on a free port, while a `with` block lasts."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.prometheus_server import PATIENCE_S, free_port


class Server:
    """A running Alertmanager, which can be restarted in its place."""

    def __init__(self, folder: Path, webhook: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        (folder / "config.yml").write_text(
            "route: {receiver: local, group_by: [incident], group_wait: 50ms, group_interval: 100ms}\n"
            f"receivers: [{{name: local, webhook_configs: [{{url: '{webhook}', send_resolved: true}}]}}]\n"
        )
        self._process = self._start()

    def restart(self) -> None:
        """Stop it and start it again: its alerts are gone, its silences are not."""
        self.stop()
        self._process = self._start()

    def stop(self) -> None:
        """Stop it by its process id."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def alerts(self) -> list[dict[str, Any]]:
        """What fires now."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def post(self, path: str, body: Any) -> Any:
        """A request as its own clients make it."""
        request = urllib.request.Request(
            f"{self.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            content = answer.read()
            return json.loads(content) if content else None

    def delete(self, path: str) -> None:
        """A request as its own clients make it."""
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}{path}", method="DELETE"), timeout=5):
            pass

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [
                    "prometheus-alertmanager",
                    f"--config.file={self._folder / 'config.yml'}",
                    f"--storage.path={self._folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
            )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2):
                    return process
            except (urllib.error.URLError, OSError) as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self._folder / "log").read_text()[-2000:]) from error
                time.sleep(0.05)


@contextmanager
def alertmanager(webhook: str) -> Iterator[Server]:
    """Start an Alertmanager that passes everything on to `webhook`."""
    folder = Path(tempfile.mkdtemp(prefix="mltriage-alertmanager-"))
    try:
        server = Server(folder, webhook)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
