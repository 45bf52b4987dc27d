"""Variants of the scenarios: other places and sizes, the same kind of fault, and a truth that says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from demo.blocks import Simulation
from demo.effects import ExtraTraffic, Silence
from demo.fleet import FLEET
from demo.rows import rows
from demo.run import write
from demo.scenarios import SCENARIOS
from demo.vary import BOUNDS, LEAST_SEGMENT, varied

NOW = 1_800_000_000.0


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_seed_always_means_the_same_variant_and_another_seed_another_one(name: str) -> None:
    assert varied(SCENARIOS[name], 3) == varied(SCENARIOS[name], 3)
    assert varied(SCENARIOS[name], 3) != varied(SCENARIOS[name], 4)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_fault_of_a_variant_can_be_carried_out_and_changes_the_rows_of_its_model(name: str) -> None:
    for seed in range(1, 6):
        variant = varied(SCENARIOS[name], seed)
        assert [type(e) for e in variant.scenario.effects] == [type(e) for e in SCENARIOS[name].effects]
        simulations = [
            Simulation(s, seed, NOW - 300, fleet=variant.fleet) for s in (variant.scenario, SCENARIOS["healthy"])
        ]
        for model in {effect.model for effect in variant.scenario.effects}:
            faulty, well = (rows(sim, variant.fleet.model(model), NOW - 600, NOW) for sim in simulations)
            assert len(faulty) > 0
            kinds = {type(e) for e in variant.scenario.effects if e.model == model}
            if kinds & {ExtraTraffic, Silence}:
                assert len(faulty) != len(well)


def test_segments_hold_enough_rows_and_keep_their_number_of_dimensions() -> None:
    for name in ("slow-tail", "segment-erosion", "low-confidence"):
        for seed in range(1, 30):
            variant = varied(SCENARIOS[name], seed)
            (expected,) = variant.scenario.expected
            assert len(expected.segment) == len(SCENARIOS[name].expected[0].segment)
            shares = [
                dict(weights)[value] / sum(w for _, w in weights)
                for dim, value in expected.segment
                for known, weights in variant.fleet.dims
                if known == dim
            ]
            assert np.prod(shares) >= LEAST_SEGMENT


def test_rates_stay_within_the_stated_bounds() -> None:
    low, high = BOUNDS["request rate of each model"]
    for seed in range(1, 30):
        for model in varied(SCENARIOS["healthy"], seed).fleet.models:
            assert low <= model.requests_per_second / FLEET.model(model.name).requests_per_second <= high


def test_the_truth_of_a_written_variant_names_the_fault_where_it_is(tmp_path: Path) -> None:
    truth = write(tmp_path, "slow-tail", seed=5, hours=0.6, now=NOW, vary=True)
    expected = varied(SCENARIOS["slow-tail"], 5).scenario.expected[0]
    written = json.loads((tmp_path / "truth.json").read_text())["faults"][0]
    assert truth.faults[0].expected == expected
    assert written["model"] == expected.model
    assert written["segment"] == dict(expected.segment)
