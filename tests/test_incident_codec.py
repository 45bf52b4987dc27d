"""Snapshots are kept to the last bit, and read back by older and newer versions."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.answer import LatencyPanel, PanelStatus, Snapshot, State
from analysis.filters import And, Eq, Filter, In, Match, Not, Null, Or, Range
from analysis.view import Baseline, View, Window
from incidents.codec import CodecError, decode, encode
from tests.sample import sample

SCALARS = st.text(max_size=8) | st.integers(-(2**40), 2**40) | st.booleans() | st.floats(allow_nan=False)
LEAVES = (
    st.builds(Eq, st.text(max_size=4), SCALARS)
    | st.builds(In, st.text(max_size=4), st.lists(SCALARS, max_size=3).map(tuple))
    | st.builds(Range, st.text(max_size=4), st.none() | st.floats(allow_nan=False))
    | st.builds(Null, st.text(max_size=4))
    | st.builds(Match, st.text(max_size=4), st.text(max_size=4))
)
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    LEAVES,
    lambda f: (
        f.map(Not) | st.lists(f, max_size=3).map(lambda p: And(tuple(p))) | st.lists(f).map(lambda p: Or(tuple(p)))
    ),
    max_leaves=6,
)


def same(one: Any, other: Any) -> bool:
    """Equality that looks into arrays, takes NaN for NaN, and never takes one type for another."""
    if type(one) is not type(other) and not isinstance(one, tuple | list | dict):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def again(snapshot: Snapshot) -> Snapshot:
    return decode(encode(snapshot)).snapshot()


@pytest.mark.parametrize("data", [True, False])
@pytest.mark.parametrize("state", list(State))
def test_a_snapshot_reads_back_equal(state: State, data: bool) -> None:
    snapshot = sample(state=state, data=data)
    assert same(again(snapshot), snapshot)


def test_this_comparison_would_see_a_difference() -> None:
    snapshot = sample()
    assert not same(again(replace(snapshot, revision=2)), snapshot)
    assert snapshot.latency.rate is not None
    other = replace(snapshot, latency=replace(snapshot.latency, rate=snapshot.latency.rate + 1e-9))
    assert not same(again(other), snapshot)


@settings(deadline=None)
@given(FILTERS)
def test_every_filter_reads_back_equal(where: Filter) -> None:
    assert same(again(replace(sample(), view=View(where=where))).view.where, where)


@settings(deadline=None)
@given(st.lists(st.floats(), max_size=6))
def test_every_number_reads_back_to_the_last_bit(values: list[float]) -> None:
    panel = LatencyPanel(PanelStatus(State.LIVE), "m", now={"p50": np.array(values)}, n=values[0] if values else 0.0)
    assert same(again(replace(sample(), latency=panel)).latency, panel)


def test_a_feature_may_be_called_like_a_key_of_the_format() -> None:
    panel = replace(sample().latency, window={"$class": 1.0, "$array": None})
    assert same(again(replace(sample(), latency=panel)).latency, panel)


def test_a_view_with_a_range_baseline_reads_back() -> None:
    view = View(baseline=Baseline("range", Window(0, 600)), end=1_000, models=("a",), focus="a")
    assert again(replace(sample(), view=view)).view == view


def test_other_models_are_kept_by_what_differs() -> None:
    fraud = sample()
    rank = replace(fraud, focus="rank", latency=LatencyPanel(PanelStatus(State.EMPTY), "rank"))
    kept = decode(encode(fraud, [rank]))
    assert kept.models == ("fraud", "rank")
    assert same(kept.snapshot("rank"), rank)
    assert same(kept.snapshot("unheard of"), fraud)
    assert set(kept.others["rank"]) == {"focus", "latency"}


def test_what_a_newer_version_adds_is_passed_over() -> None:
    raw = json.loads(encode(sample()))
    raw["snapshot"]["weather"] = {"$class": "WeatherPanel", "sky": "blue"}
    raw["snapshot"]["findings"][0]["mood"] = "calm"
    raw["snapshot"]["latency"]["status"]["state"]["value"] = "dreaming"
    found = decode(json.dumps(raw).encode()).snapshot()
    assert found.findings == sample().findings
    assert found.latency.status.state in State


def test_what_an_older_version_did_not_keep_is_empty_and_says_so() -> None:
    raw = json.loads(encode(sample()))
    del raw["snapshot"]["infra"], raw["snapshot"]["notes"], raw["snapshot"]["findings"][0]["score"]
    found = decode(json.dumps(raw).encode()).snapshot()
    assert found.infra.status.state is State.ABSENT
    assert "not kept" in found.infra.status.message
    assert found.infra.rows == ()
    assert math.isnan(found.findings[0].score)
    assert found.findings[0].title == sample().findings[0].title


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"format": "other", "version": 1}', b'{"format":"mltriage-snapshot"}']
)
def test_what_is_no_snapshot_is_refused(content: bytes) -> None:
    with pytest.raises(CodecError):
        decode(content)


def test_a_format_of_the_future_asks_for_a_newer_program() -> None:
    raw = json.loads(encode(sample()))
    with pytest.raises(CodecError, match="newer mltriage"):
        decode(json.dumps({**raw, "version": 99}).encode())
