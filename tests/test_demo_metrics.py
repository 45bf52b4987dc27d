from __future__ import annotations

import math
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as parse_page

from demo.blocks import Simulation, version_names
from demo.draws import Floats
from demo.fleet import FLEET
from demo.live import serve_metrics
from demo.metrics import Family, LiveMetrics, counters_at, families, sample_times, write_openmetrics
from demo.rows import rows
from demo.scenarios import SCENARIOS
from demo.tally import tally, warm_up

NOW = 1_800_000_000.0
ONSET = NOW - 1_200
Series = dict[tuple[str, tuple[tuple[str, str], ...]], Floats]


def simulated(scenario: str) -> Simulation:
    return Simulation(SCENARIOS[scenario], 3, ONSET)


def series(found: list[Family]) -> Series:
    return {
        (family.name + sample.suffix, tuple(sorted(sample.labels))): sample.values
        for family in found
        for sample in family.samples
    }


def at(scenario: str, t: Floats) -> Series:
    sim = simulated(scenario)
    return series(families(sim, t, counters_at(sim, t, float(t[0]))))


def of(found: Series, name: str, **labels: str) -> Floats:
    chosen = [v for (n, own), v in found.items() if n == name and labels.items() <= dict(own).items()]
    assert chosen, (name, labels)
    return np.asarray(np.nansum(chosen, axis=0))


def test_metric_names_are_the_plain_ones() -> None:
    assert {name for name, _ in at("bad-canary", np.array([NOW - 60, NOW]))} == {
        "model_requests_total",
        "model_errors_total",
        "model_request_duration_seconds_bucket",
        "model_request_duration_seconds_count",
        "model_request_duration_seconds_sum",
        "model_in_flight",
        "model_queue_depth",
        "model_memory_bytes",
        "model_memory_limit_bytes",
        "model_cpu_ratio",
        "model_gpu_ratio",
        "model_restarts_total",
        "model_dependency_requests_total",
        "model_dependency_errors_total",
        "model_dependency_duration_seconds_sum",
        "model_dependency_duration_seconds_count",
    }


@pytest.mark.parametrize("scenario", ["bad-canary", "dependency-outage", "shadow"])
def test_the_counters_count_the_rows_that_are_logged(scenario: str) -> None:
    sim = simulated(scenario)
    t = np.array([NOW - 1_800, NOW - 777.5, NOW])
    found = at(scenario, t)
    for model in FLEET.models:
        block = rows(sim, model, t[1], t[2])
        for code, version in enumerate(version_names(model)):
            of_version = block.dims["version"] == code
            if not of_version.any():
                continue
            labels = {"model": model.name, "version": version}
            assert np.diff(of(found, "model_requests_total", **labels))[-1] == of_version.sum()
            assert np.diff(of(found, "model_request_duration_seconds_count", **labels))[-1] == of_version.sum()
            quick = np.diff(of(found, "model_request_duration_seconds_bucket", le="0.05", **labels))[-1]
            assert quick == (of_version & (block.latency_ms <= 50)).sum()
            seconds = np.diff(of(found, "model_request_duration_seconds_sum", **labels))[-1]
            assert seconds == pytest.approx(block.latency_ms[of_version].sum() / 1_000)
        for code, kind in enumerate(model.errors, 1):
            if (block.error == code).any():
                errors = of(found, "model_errors_total", model=model.name, error_type=kind.name)
                assert np.diff(errors)[-1] == (block.error == code).sum()


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_counters_never_fall_and_buckets_grow_with_their_bound(scenario: str) -> None:
    t = sample_times(NOW - 1_800, NOW, 60)
    found = at(scenario, t)
    for (name, labels), values in found.items():
        if name.endswith(("_total", "_bucket", "_count", "_sum")):
            known = values[~np.isnan(values)]
            assert (known >= 0).all(), (name, labels)
            assert (np.diff(known) >= 0).all(), (name, labels)
    bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"]
    by_bound = [of(found, "model_request_duration_seconds_bucket", model="rank", le=le) for le in bounds]
    assert (np.diff(np.stack(by_bound), axis=0) >= 0).all()


def test_the_live_counters_go_on_where_the_history_ends() -> None:
    sim = simulated("bad-canary")
    t = sample_times(NOW - 7_200, NOW - 600, 60)
    history = series(families(sim, t, counters_at(sim, t, NOW - 3_600)))
    live = LiveMetrics(sim, NOW - 3_600)
    at_border = series(live.at(float(t[-1])))
    for key, values in at_border.items():
        np.testing.assert_allclose(values[-1], history[key][-1], rtol=1e-12, err_msg=str(key))
    for later in (NOW - 590.25, NOW - 100, NOW):
        state = series(live.at(later))
    at_once = series(LiveMetrics(sim, NOW - 3_600).at(NOW))
    for key, values in state.items():
        np.testing.assert_allclose(values, at_once[key], rtol=1e-9, err_msg=str(key))


def test_a_week_of_history_can_be_taken_off_the_counters() -> None:
    sim = simulated("healthy")
    for model in FLEET.models:
        hour = tally(sim, model, np.array([NOW - 3_600, NOW])).sum()
        room = warm_up(sim, model).requests - 8 * 24 * hour.requests
        assert (room >= 0).all(), model.name


def test_a_version_that_appears_starts_at_zero_when_it_appears() -> None:
    t = sample_times(NOW - 3_600, NOW, 60)
    canary = of(at("bad-canary", t), "model_request_duration_seconds_count", model="fraud", version="42")
    raw = at("bad-canary", t)
    values = next(
        v for (n, own), v in raw.items() if n.endswith("duration_seconds_count") and dict(own).get("version") == "42"
    )
    first = int(np.argmin(np.isnan(values)))
    assert values[first] == 0
    assert t[first] <= ONSET < t[first + 1] + 60
    assert canary[-1] > 100


def test_a_leaking_replica_meets_its_limit_and_restarts() -> None:
    leak = ONSET + 2_400
    t = np.arange(ONSET - 1_200, leak + 1_200, 60.0)
    found = at("memory-leak", t)
    memory = of(found, "model_memory_bytes", model="rank", replica="1")
    limit = of(found, "model_memory_limit_bytes", model="rank", replica="1")
    restarts = of(found, "model_restarts_total", model="rank", replica="1")
    assert memory[t < ONSET].max() < 0.6 * limit[0]
    assert memory[t < leak].max() > 0.97 * limit[0]
    assert (memory <= limit).all()
    assert memory[np.searchsorted(t, leak)] < 0.6 * limit[0]
    assert restarts[t < leak].max() == 0
    assert restarts[-1] == 1
    other = of(found, "model_memory_bytes", model="rank", replica="0")
    assert other.max() < 0.6 * limit[0]


def test_a_load_spike_fills_the_queue_and_the_processors() -> None:
    t = sample_times(ONSET - 1_800, NOW, 15)
    found = at("load-spike", t)
    before, after = t < ONSET, t > ONSET + 300
    for name, least in (("model_queue_depth", 10.0), ("model_in_flight", 2.5), ("model_cpu_ratio", 2.0)):
        values = of(found, name, model="rank")
        assert values[after].mean() > least * values[before].mean(), name
    rate = np.diff(of(found, "model_requests_total", model="rank")) / 15
    assert rate[after[1:]].mean() == pytest.approx(3 * rate[before[1:]].mean(), rel=0.1)


def test_a_dependency_outage_shows_in_errors_and_time_of_that_dependency_only() -> None:
    t = np.array([ONSET - 1_200, ONSET, NOW])
    found = at("dependency-outage", t)
    for model, dependency, failing in (("fraud", "feature-store", True), ("fraud", "rules", False)):
        labels = {"model": model, "dependency": dependency}
        calls = np.diff(of(found, "model_dependency_requests_total", **labels))
        errors = np.diff(of(found, "model_dependency_errors_total", **labels))
        seconds = np.diff(of(found, "model_dependency_duration_seconds_sum", **labels))
        assert errors[0] / calls[0] < 0.003
        assert (errors[1] / calls[1] > 0.25) == failing
        assert (seconds[1] / calls[1] > 3 * seconds[0] / calls[0]) == failing


def test_a_silent_model_is_not_exposed_any_more() -> None:
    t = sample_times(ONSET - 600, NOW, 60)
    found = at("stale-source", t)
    churn = [values for (_, labels), values in found.items() if dict(labels)["model"] == "churn"]
    assert churn
    for values in churn:
        assert not np.isnan(values[t < ONSET]).any()
        assert np.isnan(values[t >= ONSET]).all()


@pytest.mark.parametrize("scenario", ["bad-canary", "stale-source"])
def test_the_history_file_is_valid_openmetrics_with_equal_steps(tmp_path: Path, scenario: str) -> None:
    path = tmp_path / "metrics.om"
    write_openmetrics(path, simulated(scenario), NOW - 1_800, NOW)
    lines = path.read_text().splitlines()
    assert lines[-1] == "# EOF"
    types = {line.split()[2]: line for line in lines[:-1] if line.startswith("#")}
    stamps = [int(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")]
    assert sorted(set(stamps)) == sample_times(NOW - 1_800, NOW, 60).tolist()
    # The parser of prometheus_client drops samples of a histogram with more than one timestamp: one moment at a time.
    for moment in (min(stamps), max(stamps)):
        page: list[str] = []
        for line in lines[:-1]:
            if line.startswith("#") or line.endswith(f" {moment}"):
                page.append(line)
        text = "\n".join([*page, "# EOF\n"])
        parsed = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
        assert sum(len(family.samples) for family in parsed) == stamps.count(moment)
        assert {family.name: family.type for family in parsed} == {n: line.split()[3] for n, line in types.items()}
    assert not path.with_suffix(".tmp").exists()


@pytest.mark.prometheus
def test_promtool_makes_blocks_of_the_history_file(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "the Debian package prometheus holds promtool"
    write_openmetrics(tmp_path / "metrics.om", simulated("bad-canary"), NOW - 10_800, NOW)
    done = subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", "metrics.om", "blocks"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "blocks" / "wal").mkdir()
    found = subprocess.run(
        [promtool, "tsdb", "dump", "--match", '{__name__="model_requests_total",version="41",replica="0"}', "blocks"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(found.stdout.splitlines()) == len(sample_times(NOW - 10_800, NOW, 60))


@pytest.fixture
def page() -> Iterator[str]:
    import time

    now = time.time()
    server, url = serve_metrics(LiveMetrics(Simulation(SCENARIOS["bad-canary"], 3, now - 60), now - 120))
    try:
        with urllib.request.urlopen(url) as answer:
            yield answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()


def test_the_metrics_page_can_be_parsed_and_shows_whole_counters(page: str) -> None:
    found = {family.name: family for family in parse_page(page)}
    requests = found["model_requests"]
    assert requests.type == "counter"
    assert {sample.labels["version"] for sample in requests.samples if sample.labels["model"] == "fraud"} == {
        "41",
        "42",
    }
    assert all(math.isfinite(sample.value) and sample.value == int(sample.value) for sample in requests.samples)
    assert found["model_request_duration_seconds"].type == "histogram"
    assert found["model_dependency_duration_seconds"].type == "summary"
