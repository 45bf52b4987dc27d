"""The scenarios: each a known fault with its ground truth, so that an answer can be counted as right or wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from demo.effects import (
    Effect,
    Emptied,
    ExtraTraffic,
    Failing,
    Leak,
    Outage,
    Recoded,
    Rollout,
    Saturated,
    Scaled,
    Scores,
    Segment,
    Shadow,
    Silence,
    Slow,
    Stuck,
)


@dataclass(frozen=True, slots=True)
class Sign:
    """A finding by the contract of the report: its signal and that signal's subject ("" for none)."""

    signal: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """One fault as an answer should name it; `also` are other true names of it."""

    signal: str
    model: str
    subject: str = ""
    segment: Segment = ()
    also: tuple[Sign, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault to inject and what there is to find; the first expected fault is the main one."""

    name: str
    summary: str
    effects: tuple[Effect, ...] = ()
    expected: tuple[Expected, ...] = ()
    minutes_after_onset: float = 20.0
    """How long after the onset it is worth looking: faults that only labels show take longer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An expected fault with its time."""

    expected: Expected
    onset: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What was injected."""

    scenario: str
    seed: int
    onset: float
    """Unix seconds."""
    faults: tuple[Fault, ...]

    def to_json(self) -> str:
        """The ground truth file."""
        document: dict[str, Any] = {
            "scenario": self.scenario,
            "seed": self.seed,
            "onset": self.onset,
            "faults": [
                {
                    "signal": fault.expected.signal,
                    "model": fault.expected.model,
                    "subject": fault.expected.subject,
                    "segment": dict(fault.expected.segment),
                    "onset": fault.onset,
                    "also": [{"signal": sign.signal, "subject": sign.subject} for sign in fault.expected.also],
                }
                for fault in self.faults
            ],
        }
        return json.dumps(document, indent=2) + "\n"


def truth_of(scenario: Scenario, seed: int, onset: float) -> Truth:
    """The ground truth of a scenario that began at `onset` (unix seconds)."""
    return Truth(scenario.name, seed, onset, tuple(Fault(expected, onset) for expected in scenario.expected))


_EU: Segment = (("region", "eu-w1"),)
_EU_FREE: Segment = (("region", "eu-w1"), ("tier", "free"))
_CANARY: Segment = (("version", "42"),)

_ALL: Sequence[Scenario] = (
    Scenario("healthy", "nothing is wrong"),
    Scenario(
        "slow-tail",
        "some requests of free customers in eu-w1 wait for a lock; the median does not move",
        (Slow("fraud", _EU_FREE, share=0.12, add_ms=520.0),),
        (Expected("latency", "fraud", "", _EU_FREE),),
    ),
    Scenario(
        "new-error",
        "an error type that was never seen before in eu-w1",
        (Failing("fraud", "TokenizerMismatch", 0.08, _EU),),
        (Expected("error", "fraud", "TokenizerMismatch", _EU),),
    ),
    Scenario(
        "low-confidence",
        "the model becomes unsure in us-w2",
        (Scores("rank", (("region", "us-w2"),), logit=-1.6),),
        # It is as often right as it says.
        (Expected("confidence", "rank", "", (("region", "us-w2"),), (Sign("accuracy"),)),),
    ),
    Scenario(
        "population-shift",
        "a campaign brings other users: prices, histories and the category mix move",
        (
            Scaled("rank", "price", 1.7),
            Scaled("rank", "user_hist_len", 0.4),
            Recoded("rank", "category", "toys", 0.22),
        ),
        (
            Expected(
                "feature",
                "rank",
                "user_hist_len",
                (),
                (
                    Sign("feature", "price"),
                    Sign("feature", "category"),
                    Sign("quality", "user_hist_len"),
                    Sign("quality", "price"),
                ),
            ),
            Expected("feature", "rank", "price", (), (Sign("quality", "price"),)),
            Expected("feature", "rank", "category"),
        ),
    ),
    Scenario(
        "unit-change",
        "distance_km arrives in metres",
        (Scaled("fraud", "distance_km", 1_000.0),),
        (Expected("feature", "fraud", "distance_km", (), (Sign("quality", "distance_km"),)),),
    ),
    Scenario(
        "null-burst",
        "an upstream job stops filling distance_km for a third of the requests",
        (Emptied("fraud", "distance_km", 0.3),),
        (Expected("quality", "fraud", "distance_km", (), (Sign("feature", "distance_km"),)),),
    ),
    Scenario(
        "stuck-feature",
        "account_age_days sticks at its default",
        (Stuck("fraud", "account_age_days", 365.0),),
        (Expected("quality", "fraud", "account_age_days", (), (Sign("feature", "account_age_days"),)),),
    ),
    Scenario(
        "bad-canary",
        "version 42 takes half of eu-w1: slower, failing, less sure",
        (
            Rollout("fraud", "42", 0.5, _EU),
            Slow("fraud", _CANARY, share=1.0, factor=1.5),
            Slow("fraud", _CANARY, share=0.25, factor=1.0, add_ms=480.0),
            Failing("fraud", "Timeout", 0.08, _CANARY),
            Scores("fraud", _CANARY, logit=-0.8),
        ),
        (
            Expected(
                "latency",
                "fraud",
                "",
                _CANARY,
                (Sign("error", "Timeout"), Sign("confidence"), Sign("accuracy"), Sign("version", "42")),
            ),
            Expected("error", "fraud", "Timeout", _CANARY),
            Expected("confidence", "fraud", "", _CANARY),
            Expected("version", "fraud", "42", _CANARY),
        ),
        minutes_after_onset=8.0,
    ),
    Scenario(
        "dependency-outage",
        "the feature store answers late or not at all",
        (
            Outage("fraud", "feature-store", 0.3, 250.0, 0.25, "FeatureStoreUnavailable"),
            Outage("rank", "feature-store", 0.3, 250.0, 0.25, "FeatureStoreUnavailable"),
        ),
        tuple(
            Expected(
                "dependency",
                model,
                "feature-store",
                (),
                (Sign("error", "FeatureStoreUnavailable"), Sign("latency")),
            )
            for model in ("fraud", "rank")
        ),
    ),
    Scenario(
        "memory-leak",
        "one replica of rank grows until it is killed",
        (Leak("rank", 1, 2_400.0),),
        (Expected("infra", "rank", "memory", (), (Sign("infra", "restarts"), Sign("infra", "oom"))),),
        minutes_after_onset=30.0,
    ),
    Scenario(
        "load-spike",
        "three times the usual traffic",
        (
            ExtraTraffic("rank", 2.0),
            Slow("rank", factor=1.45),
            Saturated("rank", 38.0),
        ),
        (
            Expected(
                "request_rate",
                "rank",
                "",
                (),
                (Sign("infra", "queue_depth"), Sign("infra", "in_flight"), Sign("infra", "cpu"), Sign("latency")),
            ),
        ),
    ),
    Scenario(
        "stale-source",
        "churn falls silent",
        (Silence("churn"),),
        (Expected("staleness", "churn", "", (), (Sign("request_rate"),)),),
    ),
    Scenario(
        "segment-erosion",
        "rank is right less often on ios in eu-w1; nothing else moves",
        (Scores("rank", (("region", "eu-w1"), ("device", "ios")), right=-0.3),),
        (Expected("accuracy", "rank", "", (("region", "eu-w1"), ("device", "ios")), (Sign("calibration"),)),),
        minutes_after_onset=60.0,
    ),
    Scenario(
        "concept-drift",
        "fraud looks as before, the relation to the outcome does not",
        (Scores("fraud", right=-0.12),),
        (Expected("accuracy", "fraud", "", (), (Sign("calibration"),)),),
        minutes_after_onset=120.0,
    ),
    Scenario(
        "new-segment",
        "a new region opens: unseen merchants, sure and wrong",
        (
            ExtraTraffic("fraud", 0.16, (("region", "sa-e1"),)),
            Recoded("fraud", "merchant_cat", "gift_cards", 0.7, (("region", "sa-e1"),)),
            Scores("fraud", (("region", "sa-e1"),), logit=1.6, calibrated=False, right=-0.25),
        ),
        (
            Expected(
                "accuracy",
                "fraud",
                "",
                (("region", "sa-e1"),),
                (
                    Sign("calibration"),
                    Sign("confidence"),
                    Sign("feature", "merchant_cat"),
                    Sign("quality", "merchant_cat"),
                    Sign("request_rate"),
                ),
            ),
            Expected("feature", "fraud", "merchant_cat", (("region", "sa-e1"),), (Sign("quality", "merchant_cat"),)),
            Expected("confidence", "fraud", "", (("region", "sa-e1"),)),
        ),
        minutes_after_onset=90.0,
    ),
    Scenario(
        "shadow",
        "shadow version s1 of churn parts from the live one in ap-s1",
        (Shadow("churn", "s1", 0.97, 0.85, (("region", "ap-s1"),)),),
        (Expected("agreement", "churn", "s1", (("region", "ap-s1"),)),),
    ),
)

SCENARIOS = {scenario.name: scenario for scenario in _ALL}
"""Every scenario by its name."""
