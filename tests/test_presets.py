"""Presets: what is recognised, and what is said when one is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.presets import (
    LAYERS,
    Matcher,
    PresetError,
    detect,
    load_presets,
    name_pattern,
    parse_matchers,
    parse_presets,
    resolve,
)
from connectors.signals import make_plan

PAGES = Path(__file__).parent / "data" / "metrics"


def names_on(page: str) -> frozenset[str]:
    text = (PAGES / f"{page}.metrics.txt").read_text()
    return frozenset(re.split(r"[{ ]", line)[0] for line in text.splitlines() if line and line[0] != "#")


def one(signals: object = None, **more: object) -> object:
    return [
        {"id": "x", "layer": "generic", "detect": {"any": ["m"]}, "signals": signals or {"up": {"gauge": "m"}}, **more}
    ]


def test_all_28_presets_load() -> None:
    presets = load_presets()
    assert len(presets) == 28
    assert {preset.layer for preset in presets} <= set(LAYERS)


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("bentoml", ("bentoml", "ml_custom")),
        ("kserve", ("kserve", "process")),
        ("mlserver", ("mlserver", "process")),
        ("mlserver_workers", ("mlserver", "ml_custom")),
        ("node_exporter", ("process", "node_exporter")),
        ("ray_serve", ("ray_serve", "process")),
    ],
)
def test_real_pages_are_recognised(page: str, found: tuple[str, ...]) -> None:
    assert tuple(preset.id for preset in detect(names_on(page))) == found


@pytest.mark.parametrize("preset", load_presets(), ids=lambda preset: preset.id)
def test_every_preset_is_found_by_its_own_names(preset: object) -> None:
    from connectors.presets import Preset

    assert isinstance(preset, Preset)
    names = preset.all or preset.any or {"prediction_confidence_bucket"}
    assert preset.id in {found.id for found in detect(names, (preset,))}


def test_the_name_filter_lets_every_metric_of_every_preset_through() -> None:
    pattern = re.compile(name_pattern())
    missed = [
        (preset.id, metric)
        for preset in load_presets()
        for variants in preset.signals.values()
        for variant in variants
        for metric in (*preset.any, *preset.all, *variant.metric, *variant.over, *variant.needs)
        if metric != "*" and not pattern.fullmatch(metric.removeprefix("-"))
    ]
    assert missed == []


def test_a_name_is_accepted_with_and_without_total_and_with_colons_replaced() -> None:
    assert resolve("requests_total", {"requests"}) == "requests"
    assert resolve("requests", {"requests_total"}) == "requests_total"
    assert resolve("vllm:num_requests_running", {"vllm_num_requests_running"}) == "vllm_num_requests_running"
    assert resolve("requests", {"responses"}) is None


def test_a_derived_preset_renames_to_whichever_prefix_exists() -> None:
    for prefix in ("ray_vllm_", "ray_vllm:"):
        names = {f"{prefix}num_requests_running", f"{prefix}request_success_total"}
        plan = make_plan(names)
        requests = plan.first("requests")
        assert requests is not None
        assert requests.metrics == (f"{prefix}request_success_total",)


def test_requests_come_from_the_most_specific_layer_only() -> None:
    names = {"model_requests_total", "istio_requests_total", "http_request_duration_seconds_bucket", "up"}
    plan = make_plan(names)
    assert [query.preset for query in plan.queries if query.signal == "requests"] == ["plain"]
    assert plan.signals["up"] == "process"


def test_two_model_servers_stand_side_by_side() -> None:
    plan = make_plan({"vllm:num_requests_running", "vllm:request_success_total", "nv_inference_request_success"})
    assert [query.preset for query in plan.queries if query.signal == "requests"] == ["vllm", "triton"]


def test_a_container_hides_its_process_but_not_its_host() -> None:
    names = {"node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes", "node_cpu_seconds_total"}
    both = names | {"process_resident_memory_bytes", "container_memory_working_set_bytes"}
    plan = make_plan(both)
    assert [query.preset for query in plan.queries if query.signal == "memory"] == ["kubernetes", "node_exporter"]


def test_errors_that_have_not_happened_yet_are_asked_for() -> None:
    plan = make_plan({"model_requests_total"})
    errors = plan.first("errors")
    assert errors is not None
    assert errors.metrics == ("model_errors_total",)
    assert "plainly named fleet (model_requests_total and so on): latency is not exposed" in plan.notes


def test_without_a_prometheus_an_expression_is_a_note() -> None:
    names = {"grpc_server_handled_total", "grpc_server_started_total"}
    assert "in_flight" in make_plan(names).signals
    plan = make_plan(names, promql=False)
    assert "in_flight" not in plan.signals
    assert "gRPC server middleware: in_flight needs a Prometheus" in plan.notes


def test_own_promql_replaces_a_signal() -> None:
    plan = make_plan({"model_requests_total"}, own={"requests": "sum by (model) (increase(mine[{window}]))"})
    assert plan.signals["requests"] == "config"


def test_matchers_select_as_prometheus_does() -> None:
    missing, exact = parse_matchers('a!="x", b=~"4..|5.."')
    assert missing == Matcher("a", "!=", "x")
    assert missing.accepts({})
    assert not exact.accepts({"b": "1500"})
    assert exact.accepts({"b": "503"})
    assert parse_matchers('p="a\\"b"')[0].value == 'a"b'
    assert str(parse_matchers('p="a\\"b"')[0]) == 'p="a\\"b"'


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({}, "presets: a list is expected"),
        ([{"name": "x"}], "a preset without an id"),
        (one(layer="servers"), "preset x: layer 'servers' is none of"),
        (one(lables={}), "preset x: unknown key 'lables', did you mean 'labels'?"),
        (one(detect={}), "preset x: detect names no metric"),
        (one({"up": {"guage": "m"}}), "preset x, signal up: unknown key 'guage', did you mean 'gauge'?"),
        (one({"up": {"gauge": "m", "rate": "m"}}), "preset x, signal up: exactly one of"),
        (one({"up": {"gauge": "m", "agg": "median"}}), "preset x, signal up: agg 'median' is none of"),
        (one({"up": {"gauge": 3}}), "preset x, signal up, gauge: a text is expected, not 3"),
        (one({"up": {"gauge": "m", "by": ["gpu"]}}), "preset x, signal up: by names 'gpu'"),
        (one({"up": {"gauge": "m", "where": "a=b"}}), "preset x, signal up, where: cannot read the matchers at 'a=b'"),
        (one({"up": {"gauge": "m", "keep": "("}}), "preset x, signal up, keep: '(' is not a regular expression"),
        (one({"up": {"mean": "m"}}), "preset x, signal up: a mean needs over"),
        (one({"up": {"gauge": ["m", "n"], "agg": "max"}}), "preset x, signal up: several metrics can only be added"),
        (one({"up": {"gauge": "m", "lazy": "yes"}}), "preset x, signal up, lazy: true or false is expected, not 'yes'"),
        (one(derive_from="y"), "preset x: derive_from 'y' is not a preset before it"),
        ([*one(), *one()], "preset x: there are two of them"),  # type: ignore[misc]
    ],
)
def test_a_wrong_preset_is_named_with_its_signal(raw: object, words: str) -> None:
    with pytest.raises(PresetError) as error:
        parse_presets(raw)
    assert words in str(error.value)
