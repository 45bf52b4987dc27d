"""A real Prometheus (Debian package `prometheus`) on a free port, for as long as a `with` block lasts."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running Prometheus."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """CPU seconds that the server has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def prometheus(
    openmetrics: str | None = None, *, targets: Sequence[str] = (), scrape_interval: str = "15s", job: str = "models"
) -> Iterator[Server]:
    """Start a Prometheus with its own data folder and stop it by its process id.

    Args:
        openmetrics: text with timestamps that is there before the server starts.
        targets: `host:port` to scrape.
    """
    folder = Path(tempfile.mkdtemp(prefix="mltriage-prometheus-"))
    port = free_port()
    try:
        data = folder / "data"
        if openmetrics is not None:
            text = folder / "history.om"
            text.write_text(openmetrics)
            command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
            subprocess.run(command, check=True, capture_output=True, cwd=folder)
        config = folder / "prometheus.yml"
        listed = ", ".join(f"'{target}'" for target in targets)
        config.write_text(
            f"global: {{scrape_interval: {scrape_interval}, scrape_timeout: {scrape_interval}}}\n"
            f"scrape_configs: [{{job_name: {job}, static_configs: [{{targets: [{listed}]}}]}}]\n"
        )
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--storage.tsdb.retention.time=10y",
                "--log.level=warn",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        try:
            _wait_ready(f"http://127.0.0.1:{port}", process, folder / "log")
            yield Server(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=2):
                return
        except (urllib.error.URLError, OSError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"prometheus did not start: {log.read_text()[-2000:]}") from error
            time.sleep(0.05)
