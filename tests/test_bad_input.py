"""Sources that are wrong, broken or hostile: the report and the doctor say so, and what is well lives on."""

from __future__ import annotations

import datetime
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from analysis.answer import State
from analysis.view import View
from tests.logs import START, json_lines, rows, write_parquet
from tests.prometheus_server import free_port
from tui import cli
from tui.config_schema import LogSource, PrometheusSource
from tui.feeds import LogFeed
from tui.session import Session
from tui.sources import open_logs, open_prometheus

END = START + 3_600
AT = datetime.datetime.fromtimestamp(END, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
BOMB = "\x1b]0;owned\x07\x1b[2J\x9b31m"


class Told(NamedTuple):
    """What a command line gave."""

    code: int
    out: str

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def source(self, at: int = 0) -> dict[str, Any]:
        """One source of the answer."""
        found: dict[str, Any] = self.answer["sources"][at]
        return found


Run = Callable[..., Told]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status and standard output of a command line."""

    def told(*arguments: str) -> Told:
        with pytest.raises(SystemExit) as caught:
            cli.main(list(arguments))
        assert isinstance(caught.value.code, int)
        return Told(caught.value.code, capsys.readouterr().out)

    return told


@pytest.fixture
def ask(run: Run) -> Run:
    """The report as JSON of the last five minutes of the rows of `tests.logs`."""
    return lambda *sources: run("report", "--format", "json", "--at", AT, "--window", "5m", *sources)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one good file."""
    folder = tmp_path_factory.mktemp("good")
    write_parquet(folder / "a.parquet", rows())
    return folder


@contextmanager
def server(status: int, body: bytes, content_type: str = "application/json", tls: Path | None = None) -> Iterator[str]:
    """A server on a free port that answers everything alike; with `tls` under that self-signed certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden one
            """Silent."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that leaves is what some tests want."""

    http = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        http.socket = context.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


EMPTY_VECTOR = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'


@pytest.mark.parametrize("kind", ["--prometheus", "--scrape"])
@pytest.mark.parametrize(
    ("status", "body", "content_type", "words"),
    [
        (401, b"no", "text/plain", "not logged in"),
        (403, b"no", "text/plain", "forbidden"),
        (404, b"no", "text/plain", "not found"),
        (200, b"<html>log in</html>", "text/html", "HTML"),
        (401, b"denied " + BOMB.encode(), "text/plain", "owned"),
    ],
)
def test_a_server_that_refuses_fails_and_says_what_to_do(
    kind: str, status: int, body: bytes, content_type: str, words: str, ask: Run, run: Run, good: Path
) -> None:
    with server(status, body, content_type) as url:
        told, beside = ask(kind, url), ask(kind, url, "--logs", str(good))
        doctor = run("doctor", kind, url)
    assert told.code == 3
    assert (told.source()["state"], words in told.source()["error"]) == ("failed", True)
    assert told.source()["hint"]
    assert "\x1b" not in told.out + doctor.out
    assert "\x9b" not in told.out + doctor.out
    assert doctor.code == 1
    assert "FAIL" in doctor.out
    assert beside.source(0)["state"] == "live"
    assert {row["model"] for row in beside.answer["models"]} == {"fraud", "rank"}


@pytest.mark.parametrize("kind", ["--prometheus", "--scrape"])
def test_nothing_that_listens_is_a_failure_with_a_hint(kind: str, ask: Run, run: Run) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    told = ask(kind, url)
    assert (told.code, told.source()["state"]) == (3, "failed")
    assert "connection refused" in told.source()["error"]
    assert "port" in told.source()["hint"]
    assert run("doctor", kind, url).code == 1


def test_a_server_that_is_overloaded_is_a_failure(ask: Run) -> None:
    with server(503, b"busy", "text/plain") as url:
        told = ask("--prometheus", url)
    assert (told.code, told.source()["state"]) == (3, "failed")
    assert "503" in told.source()["error"]


def test_a_certificate_that_nobody_signed_is_named(ask: Run, tmp_path: Path) -> None:
    with server(200, EMPTY_VECTOR, tls=certificate(tmp_path / "tls.pem")) as url:
        told = ask("--prometheus", url)
    assert (told.code, told.source()["state"]) == (3, "failed")
    assert "TLS failed" in told.source()["error"]
    assert "ca" in told.source()["hint"]


def certificate(path: Path) -> Path:
    """A self-signed certificate for localhost and its key."""
    import subprocess

    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(path), "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


def test_a_page_without_metrics_is_empty_and_the_doctor_says_what_was_missed(ask: Run, run: Run) -> None:
    with server(200, b"# nothing here\nsome_other_metric 1\n", "text/plain") as url:
        told, doctor = ask("--scrape", url), run("doctor", "--scrape", url)
    assert (told.code, told.source()["state"]) == (3, "empty")
    assert "warn  models: none" in doctor.out
    assert "no request metric was recognised" in doctor.out


@pytest.mark.parametrize("text", ["ftp://host", "http://", "http://user:secret@host", "nonsense"])
def test_an_address_that_is_none_is_refused_at_the_command_line(text: str, run: Run) -> None:
    assert run("report", "--prometheus", text).code == 64


def test_no_source_is_no_answer(run: Run) -> None:
    assert run("report", "--format", "json") == (64, "")
    assert run("doctor").code == 1


def test_a_directory_that_is_missing_or_empty_fails_with_a_hint(ask: Run, run: Run, tmp_path: Path) -> None:
    for path, words in ((tmp_path / "gone", "does not exist"), (tmp_path, "nothing to read")):
        told = ask("--logs", str(path))
        assert (told.code, told.source()["state"]) == (3, "failed")
        assert words in told.source()["error"]
        assert told.source()["hint"]
        assert run("doctor", "--logs", str(path)).code == 1


def test_broken_files_are_left_out_and_named(ask: Run, run: Run, tmp_path: Path) -> None:
    whole = write_parquet(tmp_path / "good.parquet", rows()).read_bytes()
    (tmp_path / "garbage.parquet").write_bytes(b"\x00\xff garbage " * 100)
    (tmp_path / "half.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "torn.parquet").write_bytes(whole[:200] + b"\x00" * (len(whole) - 400) + whole[-200:])
    (tmp_path / "bad.jsonl").write_bytes(b"\xff\xfe not json\n{]\n")
    told, doctor = ask("--logs", str(tmp_path)), run("doctor", "--logs", str(tmp_path))
    assert told.source()["state"] == "live"
    assert {row["model"] for row in told.answer["models"]} == {"fraud", "rank"}
    for name in ("garbage.parquet", "half.parquet", "torn.parquet"):
        assert name in doctor.out
    assert doctor.code == 0


@pytest.mark.parametrize(
    ("column", "lost"),
    [("latency_ms", "latency_ms"), ("confidence", "confidence"), ("model", "model"), ("error_type", "error_type")],
)
def test_a_column_that_is_not_logged_is_unknown_and_not_zero(column: str, lost: str, ask: Run, tmp_path: Path) -> None:
    frame = rows().drop(columns=[column])
    if column == "error_type":
        frame = frame.drop(columns=["error_message"])
    write_parquet(tmp_path / "a.parquet", frame)
    told = ask("--logs", str(tmp_path))
    assert told.source()["state"] == "live"
    model = told.answer["models"][0]
    match lost:
        case "latency_ms":
            assert set(model["latency_ms"].values()) == {None}
        case "confidence":
            assert model["confidence_mean"] is None
        case "error_type":
            assert model["error_ratio"] is None
        case _:
            assert [row["model"] for row in told.answer["models"]] == ["model"]


def test_rows_without_a_time_cannot_be_used(ask: Run, run: Run, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows().drop(columns=["ts", "label_ts"]))
    told, doctor = ask("--logs", str(tmp_path)), run("doctor", "--logs", str(tmp_path))
    assert (told.code, told.source()["state"]) == (3, "failed")
    assert told.source()["hint"]
    assert doctor.code == 1


@pytest.mark.parametrize("select", ["* REPLACE (latency_ms::VARCHAR AS latency_ms)", "* REPLACE (ts::VARCHAR AS ts)"])
def test_numbers_and_times_written_as_text_are_read(select: str, ask: Run, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows(), select)
    told = ask("--logs", str(tmp_path))
    assert told.source()["state"] == "live"
    assert told.answer["models"][0]["latency_ms"]["p50"] == pytest.approx(55, rel=0.2)


def test_files_that_write_time_differently_add_up(ask: Run, tmp_path: Path) -> None:
    frame = rows()
    write_parquet(tmp_path / "a.parquet", frame[::2], "* REPLACE (epoch_ms(ts) AS ts)")
    (tmp_path / "b.jsonl").write_bytes(json_lines(frame[1::2]))
    told = ask("--logs", str(tmp_path))
    assert told.source()["state"] == "live"
    rate = sum(row["request_rate"] for row in told.answer["models"])
    assert rate == pytest.approx(4_000 / 3_600, rel=0.2)


def test_writers_with_wrong_clocks_do_not_break_the_others(ask: Run, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows())
    for name, shift in (("ahead", 3_600), ("behind", -3_600)):
        write_parquet(tmp_path / f"{name}.parquet", rows(400, start=START + shift, seed=2))
    told = ask("--logs", str(tmp_path))
    assert told.source()["state"] == "live"
    assert len(told.answer["models"]) == 2


async def test_rows_from_the_future_are_told_apart_from_fresh_ones(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows())
    write_parquet(tmp_path / "ahead.parquet", rows(400, start=START + 3_600, seed=2))
    now = END + 600.0
    feed = LogFeed(open_logs(LogSource(name="logs", path=str(tmp_path))), (0.0, 1.0), lambda: now - 1_200)
    session = Session([feed], [], View(window_s=300), clock=lambda: now - 1_200)
    try:
        await session.poll_all()
        snapshot, _ = session.answer()
    finally:
        await session.close()
    assert snapshot.sources[0].state is State.LIVE
    assert any("in the future" in note for note in snapshot.notes)


def test_values_that_are_no_numbers_reach_no_answer(ask: Run, run: Run, tmp_path: Path) -> None:
    frame = rows()
    odd = np.array([np.nan, np.inf, -np.inf])
    for at, name in enumerate(("latency_ms", "confidence", "amount", "hour", "position")):
        values = frame[name].astype(float).to_numpy(copy=True, na_value=np.nan)
        values[at::7] = np.resize(odd, len(values[at::7]))
        frame[name] = values
    write_parquet(tmp_path / "a.parquet", frame)
    told = ask("--logs", str(tmp_path))
    assert told.source()["state"] == "live"
    model = told.answer["models"][0]
    assert model["latency_ms"]["p50"] == pytest.approx(55, rel=0.2)
    assert 0 < model["confidence_mean"] < 1
    assert run("doctor", "--logs", str(tmp_path)).code == 0


@pytest.mark.parametrize("output", ["json", "text", "markdown"])
def test_a_huge_or_hostile_value_changes_nothing_but_itself(output: str, run: Run, tmp_path: Path) -> None:
    frame = rows(2_000)
    late = frame["ts"] >= pd.Timestamp(END - 300, unit="s")
    frame.loc[late, "region"] = "x" * 2**20
    frame.loc[late, "error_type"] = BOMB
    frame.loc[late, "error_message"] = BOMB * 1_000
    write_parquet(tmp_path / "a.parquet", frame)
    told = run("report", "--format", output, "--at", AT, "--window", "5m", "--logs", str(tmp_path))
    assert told.code == 2
    assert len(told.out) < 100_000
    assert "\x1b" not in told.out
    assert "\x9b" not in told.out
    assert "owned" in told.out


def test_credentials_are_read_for_each_request_and_a_missing_one_is_a_failure(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with server(200, EMPTY_VECTOR) as url:
        source = PrometheusSource(name="p", url=url, bearer_token_file=str(token))
        store = open_prometheus(source)
        assert poll_state(store) == (State.FAILED, True)
        token.write_text("secret")
        assert poll_state(open_prometheus(source)) == (State.EMPTY, False)


def poll_state(store: Any) -> tuple[State, bool]:
    """The state after one poll, and whether the file was blamed."""
    import asyncio

    from tui.feeds import MetricFeed

    async def poll() -> tuple[State, bool]:
        session = Session([], [MetricFeed(store)], View())
        await session.poll_all()
        await session.close()
        status = session.metrics[0].status
        return status.state, "token cannot be read" in (status.error or "")

    return asyncio.run(poll())


def test_a_source_that_cannot_be_opened_fails_alone(good: Path, run: Run, tmp_path: Path) -> None:
    config = tmp_path / "mltriage.yaml"
    config.write_text(
        "prometheus:\n  - {name: p, url: 'http://127.0.0.1:1', selector: 'no matcher'}\n"
        f"logs:\n  - {{name: l, path: {good}}}\n"
    )
    told = run("report", "--format", "json", "--at", AT, "--window", "5m", "--config", str(config))
    states = {source["name"]: source["state"] for source in told.answer["sources"]}
    assert states == {"l": "live", "p": "failed"}
