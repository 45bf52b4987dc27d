"""What a server's metrics show, end to end: from the text of /metrics, and from a real Prometheus, to the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fleet_history import Story, history
from tests.prometheus_server import prometheus
from tui import cli

END = 1_794_999_960
"""Unix seconds, a multiple of 60."""

Findings = list[dict[str, Any]]
Ask = Callable[..., Findings]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """The findings of a report at the end of the history."""

    def findings(*arguments: str) -> Findings:
        moment = datetime.fromtimestamp(END, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with pytest.raises(SystemExit):
            cli.main(["report", "--format", "json", "--at", moment, *arguments])
        found: Findings = json.loads(capsys.readouterr().out)["findings"]
        return found

    return findings


@pytest.fixture
def told(tmp_path: Path, ask: Ask) -> Callable[[Story], Findings]:
    def of(story: Story) -> Findings:
        (tmp_path / "fleet.om").write_text(history(story, END))
        return ask("--scrape", str(tmp_path / "fleet.om"))

    return of


def onset(finding: dict[str, Any]) -> float:
    return datetime.fromisoformat(finding["onset"]).timestamp()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_healthy_server_says_nothing(told: Callable[[Story], Findings], seed: int) -> None:
    assert told(Story(seed=seed)) == []


def saturated(findings: Findings) -> None:
    """The latency leads; next to it stands the load beyond the knee as its cause, then what else is full."""
    leader, cause, *rest = findings
    assert (leader["signal"], leader["severity"]) == ("latency", "critical")
    assert (cause["signal"], cause["severity"]) == ("request_rate", "warning")
    assert re.fullmatch(r"requests beyond the knee of ~[45]\d req/s: 3\d.* -> 6\d.* x1\.\d", cause["title"])
    assert onset(cause) == pytest.approx(END - 15 * 60, abs=180)
    assert next(one["rank"] for one in leader["caused_by"]) == cause["rank"]
    assert {"queue_depth", "cpu"} <= {one.get("metric") for one in rest}


def test_a_load_beyond_the_knee_is_the_cause_of_the_latency(told: Callable[[Story], Findings]) -> None:
    saturated(told(Story(ramp_to=64.0, since=20.0)))


def test_a_gauge_that_stands_still_while_others_go_on_is_named(told: Callable[[Story], Findings]) -> None:
    (finding,) = told(Story(frozen_gauges="2"))
    assert (finding["signal"], finding["metric"], finding["severity"]) == ("infra", "frozen", "info")
    assert re.fullmatch(r"replica 2 cpu exactly \d+% for 1[56]m, and 1 more: exporter stuck\?", finding["title"])
    assert onset(finding) == pytest.approx(END - 15 * 60, abs=60)


def test_a_counter_that_stands_still_while_others_go_on_is_named(told: Callable[[Story], Findings]) -> None:
    idle, *rest = told(Story(frozen_counters="2"))
    assert (idle["signal"], idle["metric"], idle["severity"]) == ("infra", "idle", "info")
    assert re.fullmatch(r"replica 2 counts no requests for 1[56]m, 2 of 3 go on", idle["title"])
    assert onset(idle) == pytest.approx(END - 15 * 60, abs=60)
    assert rest == []


def test_memory_on_its_way_to_the_limit_is_told_with_the_time_left(told: Callable[[Story], Findings]) -> None:
    (finding,) = told(Story(leak_gib=3.5, since=40.0))
    assert (finding["signal"], finding["metric"], finding["severity"]) == ("infra", "memory", "critical")
    found = re.fullmatch(r"replica 1 memory full in ~(\d+)m, 4\.0Gi -> 6\.\dGi of 8Gi", finding["title"])
    assert found is not None
    # 3.5 GiB an hour from 4 GiB: after 40 minutes 6.3 of 8, so 29 minutes are left.
    assert int(found[1]) == pytest.approx(29, abs=4)


def test_a_slow_dependency_is_told_with_its_share_of_the_latency(told: Callable[[Story], Findings]) -> None:
    dependency, latency = told(Story(slow_calls_ms=150.0))
    assert (dependency["signal"], dependency["dependency"]) == ("dependency", "feature-store")
    found = re.fullmatch(
        r"feature-store latency 20ms -> 1[67]\dms x8\.\d, ~(\d+)% of the latency rise", dependency["title"]
    )
    assert found is not None
    assert int(found[1]) >= 95
    assert latency["signal"] == "latency"
    assert [one["rank"] for one in latency["caused_by"]] == [dependency["rank"]]


@pytest.mark.prometheus
def test_a_real_prometheus_tells_the_same(ask: Ask) -> None:
    text = history(Story(ramp_to=64.0, since=20.0, frozen_gauges="2"), END)
    with prometheus(text) as server:
        findings = ask("--prometheus", server.url)
    stuck = [one for one in findings if one.get("metric") == "frozen"]
    assert [re.sub(r"\d+", "N", one["title"]) for one in stuck] == [
        "replica N cpu exactly N% for Nm, and N more: exporter stuck?"
    ]
    saturated([one for one in findings if one.get("metric") != "frozen"])
