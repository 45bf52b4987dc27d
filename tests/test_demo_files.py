from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from demo.blocks import Simulation
from demo.child import Child
from demo.fleet import FLEET
from demo.labels import Deliveries
from demo.lines import json_lines
from demo.live import Appender
from demo.rows import rows
from demo.run import LiveFleet, write
from demo.scenarios import SCENARIOS
from demo.writer import hours_back, write_history, write_span

NOW = 1_800_000_000.0 + 333.25
SIGNALS = {
    "latency",
    "request_rate",
    "error",
    "confidence",
    "feature",
    "quality",
    "accuracy",
    "calibration",
    "infra",
    "dependency",
    "agreement",
    "business",
    "staleness",
    "version",
}
ROOT = Path(__file__).resolve().parent.parent


def asked(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as db:
        return db.execute(sql).fetchall()


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def running(pid: int) -> bool:
    """Whether a process exists and has not ended (a zombie has)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_hours_back_cuts_at_full_hours_newest_first() -> None:
    assert hours_back(3_500, 9_000) == [(7_200, 9_000), (3_600, 7_200), (3_500, 3_600)]
    assert hours_back(3_600, 7_200) == [(3_600, 7_200)]
    assert hours_back(10, 10) == []


def test_the_files_hold_every_row_once_and_each_models_in_order(tmp_path: Path) -> None:
    seen: list[float] = []
    sim = write_history(
        tmp_path,
        SCENARIOS["bad-canary"],
        seed=3,
        now=NOW,
        hours=2,
        rate=0.2,
        onset_minutes_ago=20,
        on_progress=seen.append,
    )
    expected = sum(len(rows(sim, model, NOW - 7_200, NOW)) for model in FLEET.models)
    assert asked(f"SELECT count(*), count(DISTINCT request_id) FROM '{tmp_path}/*.parquet'") == [(expected, expected)]
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == NOW - 7_200
    for path in tmp_path.iterdir():
        assert path.suffix == ".parquet"
        for model in FLEET.models:
            times = [row[0] for row in asked(f"SELECT epoch_us(ts) FROM '{path}' WHERE model = '{model.name}'")]
            assert times == sorted(times)


def test_logged_nulls_say_what_is_missing(tmp_path: Path) -> None:
    write_history(tmp_path, SCENARIOS["healthy"], seed=3, now=NOW, hours=1.5, onset_minutes_ago=20)
    counts = f"SELECT count(*) FILTER (%s) FROM '{tmp_path}/*.parquet'"
    assert asked(counts % "error_type IS NULL")[0][0] > 50_000
    for impossible in (
        "(error_type IS NULL) <> (error_message IS NULL)",
        "(error_type IS NULL) = (prediction IS NULL)",
        "(error_type IS NULL) = (confidence IS NULL)",
        "(label IS NULL) <> (label_ts IS NULL)",
        "label IS NOT NULL AND prediction IS NULL",
        f"epoch(label_ts) > {NOW} OR label_ts < ts",
        "version IS NULL OR region IS NULL OR tier IS NULL OR device IS NULL OR latency_ms IS NULL OR shadow",
        "model = 'fraud' AND (amount IS NULL OR merchant_cat IS NULL OR query_len IS NOT NULL OR plan IS NOT NULL)",
        "model <> 'fraud' AND (amount IS NOT NULL OR card_type IS NOT NULL)",
        "isnan(amount) OR isnan(distance_km) OR isnan(spend_90d) OR isnan(confidence)",
    ):
        assert asked(counts % f"WHERE {impossible}") == [(0,)], impossible


def test_json_lines_and_parquet_say_the_same(tmp_path: Path) -> None:
    sim = Simulation(SCENARIOS["bad-canary"], 3, NOW - 600)
    write_span(tmp_path, sim, NOW - 300, NOW, known_at=NOW)
    (tmp_path / "rows.jsonl").write_text("".join(json_lines(sim, NOW - 300, NOW, NOW)))
    names = [row[0] for row in asked(f"DESCRIBE SELECT * FROM '{tmp_path}/*.parquet'")]
    stamp = "strftime({0}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    texts = [stamp.format(name) if name in ("ts", "label_ts") else f"CAST({name} AS VARCHAR)" for name in names]
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in names)
    parquet = asked(f"SELECT {', '.join(texts)} FROM '{tmp_path}/*.parquet' ORDER BY ts, request_id")
    lines = asked(
        f"SELECT {', '.join(names)} FROM read_json('{tmp_path}/rows.jsonl', columns={{{columns}}}, "
        "format='newline_delimited') ORDER BY ts, request_id"
    )
    assert len(lines) > 3_000
    assert lines == parquet
    assert any(row[names.index("label")] for row in lines)
    assert any(row[names.index("error_message")] for row in lines)


def test_appended_lines_are_whole_and_leave_no_gap_at_a_change_of_files(tmp_path: Path) -> None:
    sim = Simulation(SCENARIOS["healthy"], 3, NOW)
    border = NOW // 600 * 600 + 600
    logs = tmp_path / "logs"
    logs.mkdir()
    appender = Appender(logs, sim, border - 40, Deliveries(tmp_path / "labels.jsonl", sim))
    for moment in (border - 39.5, border - 20, border - 20, border + 7.25, border + 30):
        appender.append(moment)
        for path in logs.iterdir():
            assert path.read_bytes().endswith(b"}\n")
    assert len(list(logs.iterdir())) == 2
    ids = [json.loads(line)["request_id"] for path in logs.iterdir() for line in path.read_text().splitlines()]
    expected = {
        f"{number:X}" for m in FLEET.models for number in rows(sim, m, border - 40, border + 30).request_ids().tolist()
    }
    assert len(ids) == len(expected)
    assert set(ids) == expected


def test_every_label_is_in_its_row_or_delivered_once_when_it_is_known(tmp_path: Path) -> None:
    sim, file = Simulation(SCENARIOS["shadow"], 3, NOW), tmp_path / "labels.jsonl"
    start, end, until = NOW - 600, NOW, NOW + 1_800
    deliveries = Deliveries(file, sim)
    deliveries.expect(start, end, known_at=end)
    for moment in np.linspace(end, until, 7):
        deliveries.deliver(float(moment))
    delivered = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["label_ts"] for row in delivered] == sorted(row["label_ts"] for row in delivered)
    found = {row["request_id"]: row["label"] for row in delivered}
    assert len(found) == len(delivered)
    for line in map(json.loads, json_lines(sim, start, end, known_at=until)):
        before = was_known(line, end)
        assert found.get(line["request_id"]) == (None if before or line["label"] is None else line["label"])


def was_known(line: dict[str, str], known_at: float) -> bool:
    """Whether the label of a row was known at a moment."""
    return line["label"] is not None and datetime.fromisoformat(line["label_ts"]).timestamp() <= known_at


def test_write_leaves_logs_metrics_truth_and_the_command_to_look_at_them(tmp_path: Path) -> None:
    truth = write(tmp_path, "bad-canary", seed=7, minutes_after_onset=15, hours=1.5, rate=0.3, now=NOW)
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "metrics.om", "truth.json", "README.txt"}
    assert sorted({path.suffix for path in (tmp_path / "logs").iterdir()}) == [".jsonl", ".parquet"]
    document = json.loads((tmp_path / "truth.json").read_text())
    assert document["scenario"] == "bad-canary"
    assert document["seed"] == 7
    assert document["onset"] == truth.onset == NOW - 900
    assert document["faults"][0]["signal"] == "latency"
    assert document["faults"][0]["segment"] == {"version": "42"}
    assert {"signal": "error", "subject": "Timeout"} in document["faults"][0]["also"]
    text = (tmp_path / "README.txt").read_text()
    assert f"mltriage --logs {tmp_path}/logs --scrape {tmp_path}/metrics.om --at 2027-01-15T08:05:33Z" in text
    with pytest.raises(FileExistsError):
        write(tmp_path, "healthy", now=NOW)


def test_an_unknown_scenario_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bad-canary"):
        write(tmp_path, "worse-canary")


def test_every_fault_is_named_by_the_contract_of_the_report() -> None:
    dims = {name for name, _ in FLEET.dims} | {"version"}
    for scenario in SCENARIOS.values():
        assert bool(scenario.expected) == (scenario.name != "healthy")
        for expected in scenario.expected:
            model = FLEET.model(expected.model)
            assert {expected.signal, *(sign.signal for sign in expected.also)} <= SIGNALS
            assert {name for name, _ in expected.segment} <= dims
            subjects = {
                "feature": [feature.name for feature in model.features],
                "quality": [feature.name for feature in model.features],
                "error": [kind.name for kind in model.errors],
                "dependency": [dependency.name for dependency in model.dependencies],
                "version": [version for version, _ in model.versions],
            }
            for signal_name, subject in [
                (expected.signal, expected.subject),
                *((sign.signal, sign.subject) for sign in expected.also),
            ]:
                assert subject in subjects.get(signal_name, [subject]), (scenario.name, signal_name, subject)


def newest(logs: Path) -> float:
    found = asked(
        f"SELECT max(epoch(CAST(ts AS TIMESTAMPTZ))) FROM read_json('{logs}/*.jsonl', columns={{ts: 'VARCHAR'}})"
    )
    return float(found[0][0] or 0)


def test_a_live_fleet_goes_on_adds_older_hours_and_leaves_nothing_behind() -> None:
    with LiveFleet.of(Child.start("bad-canary", hours=3, rate=0.3, recent_hours=0.5)) as fleet:
        newest_parquet = asked(f"SELECT max(epoch(ts)) FROM '{fleet.logs}/*.parquet'")[0][0]
        assert abs(newest_parquet - (fleet.truth.onset + 60 * SCENARIOS["bad-canary"].minutes_after_onset)) < 5
        short = fleet.history.stat().st_size
        wait_until(lambda: fleet.history.stat().st_size > 3 * short)
        oldest = asked(f"SELECT min(epoch(ts)) FROM '{fleet.logs}/*.parquet'")[0][0]
        assert oldest - (fleet.truth.onset + 1_200 - 3 * 3_600) < 10
        wait_until(lambda: any(path.stat().st_size for path in fleet.logs.glob("*.jsonl")))
        gap = asked(
            f"SELECT (SELECT min(epoch(CAST(ts AS TIMESTAMPTZ))) FROM read_json('{fleet.logs}/*.jsonl', "
            f"columns={{ts: 'VARCHAR'}})) - max(epoch(ts)) FROM '{fleet.logs}/*.parquet'"
        )[0][0]
        assert 0 <= gap < 5
        first = newest(fleet.logs)
        wait_until(lambda: newest(fleet.logs) > first)
        with urllib.request.urlopen(fleet.metrics_url) as answer:
            page = answer.read().decode()
        last = [line for line in fleet.history.read_text().splitlines() if line.startswith("model_requests_total")]
        for line in last:
            name, value, _ = line.rsplit(" ", 2)
            now_value = next(
                float(row.rsplit(" ", 1)[1]) for row in page.splitlines() if sorted_labels(row) == sorted_labels(name)
            )
            assert now_value >= float(value)
        child, folder = fleet.child, fleet.folder
    assert not running(child.process.pid)
    assert not folder.exists()


def sorted_labels(text: str) -> tuple[str, ...]:
    name, _, rest = text.partition("{")
    return (name, *sorted(rest.partition("}")[0].split(",")))


def test_the_child_ends_and_cleans_up_when_its_parent_is_killed() -> None:
    program = (
        "import sys, time\n"
        "from demo.child import Child\n"
        "from demo.run import LiveFleet\n"
        "fleet = LiveFleet.of(Child.start('healthy', hours=1, rate=0.1, recent_hours=0.2))\n"
        "print(fleet.child.process.pid, fleet.folder, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert parent.stdout is not None
    pid_text, folder = parent.stdout.readline().split()
    assert running(int(pid_text))
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    wait_until(lambda: not running(int(pid_text)) and not Path(folder).exists())


def test_the_fleet_needs_no_screen() -> None:
    program = "import sys, demo.run, demo.live; print([m for m in ('textual', 'pandas', 'duckdb') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
