from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.blocks import Block, Simulation, members, version_names
from demo.draws import Bools, Floats, Lanes, beta_table, category_table, gamma_table, keys_of, normal_table, poisson
from demo.fleet import FLEET
from demo.rows import minute_counts, rows
from demo.scenarios import SCENARIOS

NOW = 1_800_000_000.0
SPAN_S = 2_400


def simulated(scenario: str, seed: int = 3) -> Simulation:
    return Simulation(SCENARIOS[scenario], seed, NOW - SPAN_S)


def after_onset(scenario: str, model: str, seconds: float = SPAN_S) -> Block:
    return rows(simulated(scenario), FLEET.model(model), NOW - SPAN_S, NOW - SPAN_S + seconds)


def columns(block: Block) -> dict[str, Floats]:
    named = {
        "ts": block.ts_us,
        "id": block.request_ids(),
        "latency": block.latency_ms,
        "error": block.error,
        "confidence": block.confidence,
        "prediction": block.prediction,
        "label": block.label,
        "label_us": block.label_us,
        "shadow": block.shadow,
        "replica": block.replica(),
        **block.dims,
        **block.features,
        **block.calls_ms,
    }
    return {name: np.asarray(values, dtype=np.float64) for name, values in named.items()}


def right(block: Block, inside: Bools) -> float:
    return float((block.label == block.prediction)[inside & (block.error == 0)].mean())


def share_below(block: Block, inside: Bools, limit: float = 0.6) -> float:
    return float((block.confidence[inside & (block.error == 0)] < limit).mean())


@settings(max_examples=15, deadline=None)
@given(
    scenario=st.sampled_from(sorted(SCENARIOS)),
    model=st.sampled_from([model.name for model in FLEET.models]),
    cuts=st.lists(st.floats(-900, 900), min_size=3, max_size=3, unique=True).map(sorted),
)
def test_two_adjacent_spans_hold_exactly_the_rows_of_the_whole(scenario: str, model: str, cuts: list[float]) -> None:
    a, b, c = (NOW - SPAN_S + cut for cut in cuts)
    sim = simulated(scenario)
    whole = columns(rows(sim, FLEET.model(model), a, c))
    first, second = (columns(rows(sim, FLEET.model(model), *span)) for span in ((a, b), (b, c)))
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate((first[name], second[name])), values, err_msg=name)


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    model = FLEET.model("fraud")
    span = (NOW - 300, NOW)
    first, again = (columns(rows(simulated("bad-canary"), model, *span)) for _ in range(2))
    other = columns(rows(simulated("bad-canary", seed=4), model, *span))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert not np.array_equal(first["ts"][:100], other["ts"][:100])


def test_before_the_onset_every_scenario_is_the_healthy_fleet() -> None:
    for name in SCENARIOS:
        for model in FLEET.models:
            faulty, healthy = (rows(simulated(s), model, NOW - SPAN_S - 300, NOW - SPAN_S) for s in (name, "healthy"))
            live = ~faulty.shadow
            np.testing.assert_array_equal(faulty.latency_ms[live], healthy.latency_ms, err_msg=name)
            np.testing.assert_array_equal(faulty.confidence[live], healthy.confidence, err_msg=name)
            np.testing.assert_array_equal(faulty.dims["version"][live], healthy.dims["version"], err_msg=name)


def test_request_ids_are_unique_and_times_ascend() -> None:
    blocks = [rows(simulated("load-spike"), model, NOW - SPAN_S - 600, NOW) for model in FLEET.models]
    ids = np.concatenate([block.request_ids() for block in blocks])
    assert len(np.unique(ids)) == len(ids) > 30_000
    assert all((np.diff(block.ts_us) >= 0).all() for block in blocks)


def test_traffic_follows_the_day_and_is_a_little_bursty() -> None:
    model = FLEET.model("rank")
    minutes = np.arange(30_000_000, 30_000_000 + 7 * 1_440)
    counts = minute_counts(simulated("healthy"), model, minutes)
    hours = minutes / 60 % 24
    expected = 600 * (1 + 0.35 * np.cos((hours - 14) * 2 * np.pi / 24))
    ratio = counts / expected
    noise = np.sqrt(np.mean((ratio - 1) ** 2 - 1 / expected))
    assert ratio.mean() == pytest.approx(1.0, abs=0.003)
    assert 0.035 < noise < 0.045
    assert 0.15 < np.corrcoef(ratio[1:], ratio[:-1])[0, 1] < 0.5


def test_confidence_of_a_healthy_model_is_calibrated() -> None:
    for model in FLEET.models:
        block = rows(simulated("healthy"), model, NOW - 6 * 3_600, NOW)
        answered = block.error == 0
        score, correct = block.confidence[answered], (block.label == block.prediction)[answered]
        for low in (0.5, 0.6, 0.7, 0.8, 0.9):
            band = (score >= low) & (score < low + 0.1)
            if band.sum() > 1_000:
                margin = 4 * 0.5 / np.sqrt(band.sum())
                assert correct[band].mean() == pytest.approx(score[band].mean(), abs=margin), (model.name, low)


def test_a_healthy_model_fails_rarely_and_only_in_its_usual_ways() -> None:
    for model in FLEET.models:
        block = rows(simulated("healthy"), model, NOW - 6 * 3_600, NOW)
        assert 0.0005 < (block.error > 0).mean() < 0.003
        for code, kind in enumerate(model.errors, 1):
            assert bool((block.error == code).any()) == (kind.rate > 0), kind.name


def test_slow_tail_moves_p99_of_the_model_and_not_its_median() -> None:
    faulty, healthy = after_onset("slow-tail", "fraud"), after_onset("healthy", "fraud")
    assert np.quantile(faulty.latency_ms, 0.99) > 2 * np.quantile(healthy.latency_ms, 0.99)
    assert np.median(faulty.latency_ms) == pytest.approx(np.median(healthy.latency_ms), rel=0.03)
    inside = members(simulated("slow-tail"), faulty, (("region", "eu-w1"), ("tier", "free")))
    slower = faulty.latency_ms > healthy.latency_ms
    assert not slower[~inside].any()
    assert slower[inside].mean() == pytest.approx(0.12, abs=0.02)


def test_new_error_is_a_type_never_seen_before_in_one_region() -> None:
    faulty = after_onset("new-error", "fraud")
    code = [kind.name for kind in faulty.model.errors].index("TokenizerMismatch") + 1
    inside = members(simulated("new-error"), faulty, (("region", "eu-w1"),))
    assert (faulty.error[inside] == code).mean() == pytest.approx(0.08, abs=0.01)
    assert not (faulty.error[~inside] == code).any()


def test_low_confidence_doubles_the_share_of_unsure_answers() -> None:
    faulty, healthy = after_onset("low-confidence", "rank"), after_onset("healthy", "rank")
    everyone = np.ones(len(faulty), dtype=np.bool_)
    assert share_below(faulty, everyone) > 2 * share_below(healthy, everyone)
    outside = ~members(simulated("low-confidence"), faulty, (("region", "us-w2"),))
    np.testing.assert_array_equal(faulty.confidence[outside], healthy.confidence[outside])


def test_population_shift_moves_two_numbers_and_a_category_only() -> None:
    faulty, healthy = after_onset("population-shift", "rank"), after_onset("healthy", "rank")
    for name, factor in (("price", 1.7), ("user_hist_len", 0.4)):
        moved, usual = np.median(faulty.features[name]), np.median(healthy.features[name])
        assert moved / usual == pytest.approx(factor, rel=0.06)
    np.testing.assert_array_equal(faulty.features["query_len"], healthy.features["query_len"])
    toys = 4
    assert (faulty.features["category"] == toys).mean() > 2 * (healthy.features["category"] == toys).mean()


def test_unit_change_turns_kilometres_into_metres() -> None:
    faulty, healthy = (after_onset(name, "fraud").features["distance_km"] for name in ("unit-change", "healthy"))
    assert np.nanmedian(faulty) / np.nanmedian(healthy) == pytest.approx(1_000, rel=0.02)


def test_null_burst_empties_a_third_of_a_feature_that_is_rarely_null() -> None:
    faulty, healthy = (after_onset(name, "fraud").features["distance_km"] for name in ("null-burst", "healthy"))
    assert 0.005 < np.isnan(healthy).mean() < 0.015
    assert np.isnan(faulty).mean() == pytest.approx(0.31, abs=0.02)


def test_stuck_feature_has_one_value() -> None:
    faulty, healthy = (after_onset(name, "fraud").features["account_age_days"] for name in ("stuck-feature", "healthy"))
    assert np.unique(faulty).tolist() == [365.0]
    assert len(np.unique(healthy)) > 500


def test_bad_canary_is_slower_failing_and_less_sure_than_the_version_beside_it() -> None:
    faulty = after_onset("bad-canary", "fraud")
    canary = faulty.dims["version"] == version_names(faulty.model).index("42")
    region = members(simulated("bad-canary"), faulty, (("region", "eu-w1"),))
    assert not canary[~region].any()
    assert 0.4 < canary[region].mean() < 0.6
    assert np.quantile(faulty.latency_ms[canary], 0.99) > 3 * np.quantile(faulty.latency_ms[~canary], 0.99)
    assert (faulty.error[canary] > 0).mean() == pytest.approx(0.08, abs=0.02)
    assert share_below(faulty, canary) > 2 * share_below(faulty, ~canary)


@pytest.mark.parametrize("model", ["fraud", "rank"])
def test_dependency_outage_fails_calls_and_some_requests(model: str) -> None:
    faulty, healthy = after_onset("dependency-outage", model), after_onset("healthy", model)
    code = [kind.name for kind in faulty.model.errors].index("FeatureStoreUnavailable") + 1
    assert faulty.calls_failed["feature-store"].mean() == pytest.approx(0.3, abs=0.02)
    assert healthy.calls_failed["feature-store"].mean() < 0.002
    assert (faulty.error == code).mean() == pytest.approx(0.075, abs=0.01)
    assert faulty.latency_ms.mean() > 1.5 * healthy.latency_ms.mean()


def test_load_spike_triples_the_traffic_and_slows_the_body() -> None:
    faulty, healthy = after_onset("load-spike", "rank"), after_onset("healthy", "rank")
    assert len(faulty) == pytest.approx(3 * len(healthy), rel=0.001)
    assert np.median(faulty.latency_ms) / np.median(healthy.latency_ms) == pytest.approx(1.45, abs=0.05)


def test_stale_source_silences_one_model_from_the_onset_on() -> None:
    assert len(after_onset("stale-source", "churn")) == 0
    across = rows(simulated("stale-source"), FLEET.model("churn"), NOW - SPAN_S - 300, NOW)
    assert 0 < (NOW - SPAN_S) * 1e6 - across.ts_us[-1] < 5e6
    assert len(after_onset("stale-source", "rank")) > 10_000


def test_segment_erosion_shows_only_in_the_labels_of_one_segment() -> None:
    faulty, healthy = after_onset("segment-erosion", "rank"), after_onset("healthy", "rank")
    inside = members(simulated("segment-erosion"), faulty, (("region", "eu-w1"), ("device", "ios")))
    np.testing.assert_array_equal(faulty.confidence, healthy.confidence)
    assert right(faulty, inside) == pytest.approx(right(healthy, inside) - 0.3, abs=0.05)
    assert right(faulty, ~inside) == right(healthy, ~inside)


def test_concept_drift_shows_only_in_the_labels() -> None:
    faulty, healthy = after_onset("concept-drift", "fraud"), after_onset("healthy", "fraud")
    everyone = np.ones(len(faulty), dtype=np.bool_)
    np.testing.assert_array_equal(faulty.confidence, healthy.confidence)
    assert right(faulty, everyone) == pytest.approx(right(healthy, everyone) - 0.12, abs=0.02)


def test_new_segment_is_confident_and_wrong_with_a_category_never_seen() -> None:
    faulty, healthy = after_onset("new-segment", "fraud"), after_onset("healthy", "fraud")
    inside = members(simulated("new-segment"), faulty, (("region", "sa-e1"),))
    gift_cards = 12
    assert len(faulty) / len(healthy) == pytest.approx(1.16, abs=0.01)
    assert np.nanmean(faulty.confidence[inside]) > np.nanmean(healthy.confidence) + 0.1
    assert right(faulty, inside) < right(faulty, ~inside) - 0.15
    assert (faulty.features["merchant_cat"][inside] == gift_cards).mean() == pytest.approx(0.7, abs=0.03)
    assert not (healthy.features["merchant_cat"] == gift_cards).any()


def test_shadow_answers_each_request_again_and_parts_from_the_live_version_in_one_region() -> None:
    sim = simulated("shadow")
    block = rows(sim, FLEET.model("churn"), NOW - 4 * SPAN_S, NOW)
    live, shadow = ~block.shadow, block.shadow
    np.testing.assert_array_equal(block.keys[live], block.keys[shadow])
    agrees = block.prediction[live] == block.prediction[shadow]
    inside = members(sim, block, (("region", "ap-s1"),))[live]
    assert agrees[inside].mean() == pytest.approx(0.85, abs=0.04)
    assert agrees[~inside].mean() == pytest.approx(0.97, abs=0.01)


def test_the_rate_scales_the_traffic() -> None:
    model = FLEET.model("fraud")
    full = simulated("healthy")
    counts = [len(rows(replace(full, rate=rate), model, NOW - 3_600, NOW)) for rate in (1.0, 0.1)]
    assert counts[1] == pytest.approx(counts[0] / 10, rel=0.05)


def test_the_four_draws_of_one_hash_are_uniform_and_independent() -> None:
    lanes = Lanes(keys_of(1, 2, np.arange(200_000)))
    draws = np.stack([lanes.uniform(lane) for lane in range(8)])
    assert np.abs(draws.mean(axis=1) - 0.5).max() < 0.004
    assert np.abs(np.corrcoef(draws) - np.eye(8)).max() < 0.012


def test_tables_have_the_moments_of_their_distributions() -> None:
    assert normal_table().mean() == pytest.approx(0, abs=1e-3)
    assert normal_table().std() == pytest.approx(1, abs=1e-3)
    assert beta_table(3.0, 2.0).mean() == pytest.approx(0.6, abs=1e-3)
    assert beta_table(3.0, 2.0).var() == pytest.approx(0.04, abs=1e-4)
    assert gamma_table(100.0).mean() == pytest.approx(1, abs=1e-3)
    assert gamma_table(100.0).std() == pytest.approx(0.1, abs=1e-3)
    assert np.bincount(category_table((1.0, 0.0, 3.0)), minlength=3).tolist() == [16_384, 0, 49_152]


def test_poisson_numbers_have_equal_mean_and_variance() -> None:
    slots = Lanes(keys_of(1, 2, np.arange(100_000)))(0)
    for mean in (2.0, 30.0, 600.0):
        drawn = poisson(np.full(100_000, mean), slots)
        assert drawn.mean() == pytest.approx(mean, rel=0.02)
        assert drawn.var() == pytest.approx(mean, rel=0.06)
