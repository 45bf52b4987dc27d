"""What a filter says of the model alone, applied to what metrics answered by model."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.evidence import Counts, ErrorCounts, Key, MetricEvidence, Series, Traffic
from analysis.filters import ALL, Eq, parse_filter
from analysis.of_models import apart, of_models, takes

T = np.array([0, 60], dtype=np.int64)


def evidence() -> MetricEvidence:
    keys = (("fraud", "41"), ("rank", "1"), ("fraud", "42"))
    requests = Counts(T, 60, keys, np.array([[1.0, 10.0, 100.0], [2.0, 20.0, 200.0]]))
    errors = Counts(T, 60, (("fraud", "Timeout"), ("rank", "Timeout")), np.ones((2, 2)))
    gauges = (
        Series("memory", (("model", "rank"),), "B", T, np.ones(2)),
        Series("cpu", (("instance", "n1"),), "ratio", T, np.ones(2)),
    )
    seen: dict[Key, float] = {("fraud", "Timeout"): 3.0, ("rank", "Timeout"): 4.0}
    return MetricEvidence(Traffic(requests, None, None), ErrorCounts(errors, seen), {}, gauges)


@pytest.mark.parametrize(
    ("text", "models", "rest"),
    [
        ("model=fraud region=eu", "model=fraud", "region=eu"),
        ("model=fraud or model=rank", "model=fraud or model=rank", ""),
        ("model=fraud or region=eu", "", "model=fraud or region=eu"),
        ("not (model=fraud) model~^fr", "model!=fraud model~^fr", ""),
        ("model>=3", "", "model>=3"),
        ("", "", ""),
    ],
)
def test_what_is_about_the_model_alone_is_told_apart(text: str, models: str, rest: str) -> None:
    assert apart(parse_filter(text)) == (parse_filter(models), parse_filter(rest))


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("model=fraud", {"fraud"}),
        ("model!=fraud", {"rank"}),
        ("model=fraud,rank", {"fraud", "rank"}),
        ("model~ra", {"fraud", "rank"}),
        ("model~^ra", {"rank"}),
        ("model!~^ra", {"fraud"}),
        ("model=null", set()),
        ("model=fraud or model=rank", {"fraud", "rank"}),
        ("model~^ra model!=rank", set()),
    ],
)
def test_a_model_is_taken_by_its_name(text: str, taken: set[str]) -> None:
    assert {model for model in ("fraud", "rank") if takes(parse_filter(text), model)} == taken


def test_evidence_of_one_model_keeps_its_numbers_and_the_gauges_of_the_hosts() -> None:
    kept = of_models(evidence(), Eq("model", "fraud"))
    assert kept.traffic is not None
    assert kept.traffic.requests.keys == (("fraud", "41"), ("fraud", "42"))
    assert kept.traffic.requests.n.tolist() == [[1.0, 100.0], [2.0, 200.0]]
    assert kept.errors is not None
    assert kept.errors.first_seen == {("fraud", "Timeout"): 3.0}
    assert [gauge.metric for gauge in kept.gauges] == ["cpu"]
    whole = evidence()
    assert of_models(whole, ALL) is whole
