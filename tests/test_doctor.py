"""The doctor asks each source once, says what was understood of it, and waits for none for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from analysis.view import View
from connectors.base import UnreachableError
from tests.logs import rows, write_parquet
from tests.stores import NOW, Logs, Metrics, Row, steady
from tui import cli, doctor
from tui.doctor import Check
from tui.feeds import LogFeed, MetricFeed
from tui.session import Session


async def checked(store: Logs | Metrics) -> list[Check]:
    """The checks of one source."""
    feed = LogFeed(store, (0.0, 1.0), lambda: NOW) if isinstance(store, Logs) else MetricFeed(store, lambda: NOW)
    session = Session(
        [feed] if isinstance(feed, LogFeed) else [],
        [feed] if isinstance(feed, MetricFeed) else [],
        View(window_s=600),
        clock=lambda: NOW,
    )
    _, checks = await doctor.source_check(session, feed)
    return checks


async def test_a_log_store_shows_its_mapping() -> None:
    checks = await checked(Logs(steady()))
    assert checks[0].state == "ok"
    assert "live: newest sample 10s old" in checks[0].what
    said = [check.what for check in checks]
    for words in (
        "model = model", "not logged: latency_ms, confidence", "dimensions: region", "features: merchant (categorical)"
    ):  # fmt: skip
        assert words in said


async def test_a_metric_store_shows_what_was_detected_and_what_is_missing() -> None:
    said = [check.what for check in await checked(Metrics(steady()))]
    assert said[1:4] == ["presets: plain", "signals: requests (plain)", "models: fraud"]
    assert said.count("note: no latency is exposed") == 1


@pytest.mark.parametrize(
    ("rows_there", "state", "words"),
    [([], "warn", "empty: no sample"), (steady(NOW - 3_600), "warn", "stale: newest sample 1h old")],
)
async def test_a_source_without_fresh_rows_is_a_warning(rows_there: list[Row], state: str, words: str) -> None:
    first = (await checked(Logs(rows_there)))[0]
    assert first.state == state
    assert words in first.what


async def test_a_failure_says_what_to_do() -> None:
    store = Logs()
    store.fails["watermark"] = UnreachableError("refused", "no route", "check the tunnel")
    assert (await checked(store))[0] == Check("FAIL", "refused: no route", "check the tunnel")


async def test_a_source_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DEADLINE_S", 0.05)
    store = Logs(steady())
    store.gates["series"] = asyncio.Event()
    checks = await checked(store)
    assert checks[0].state == "FAIL"
    assert "no answer within" in checks[0].what
    assert store.stopped == ["series"]


def test_a_row_from_the_future_points_at_the_clocks() -> None:
    assert "in the FUTURE" in doctor.age_words(-3_600)
    assert doctor.age_words(-1) == "newest sample 0s old"


def test_a_failed_source_is_the_exit_status_and_the_others_are_still_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "good"
    good.mkdir()
    write_parquet(good / "a.parquet", rows(500))
    codes = []
    for paths in ((good,), (good, tmp_path / "gone")):
        with pytest.raises(SystemExit) as caught:
            cli.main(["doctor", *(part for path in paths for part in ("--logs", str(path)))])
        codes.append(caught.value.code)
    shown = capsys.readouterr().out
    assert codes == [0, 1]
    assert shown.count("model = ") == 2
    assert [line for line in shown.splitlines() if "FAIL" in line] != []
    for section in ("terminal\n", "configuration\n"):
        assert shown.splitlines(keepends=True).count(section) == 2
