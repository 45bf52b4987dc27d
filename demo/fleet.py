"""The healthy fleet: three models, their traffic, features, errors and labels, as frozen data.

A weight or rate of 0 is a value that exists only when a fault brings it in.
"""

from __future__ import annotations

from dataclasses import dataclass

Weights = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Numeric:
    """A numeric input, lognormal (`median`, `sigma`), rounded to `decimals`, missing with probability `null`."""

    name: str
    median: float
    sigma: float
    decimals: int = 2
    null: float = 0.0
    floor: bool = False
    """Whether values are counts: rounded down, so that zeros occur."""


@dataclass(frozen=True, slots=True)
class Category:
    """A categorical input."""

    name: str
    weights: Weights


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """An error type. `message` is a format string over {0}, an id, and {1}, the latency in whole milliseconds."""

    name: str
    rate: float
    message: str
    floor_ms: float = 0.0
    """The least latency of a request that ends so."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something a model calls once per request."""

    name: str
    median_ms: float
    error_rate: float


@dataclass(frozen=True, slots=True)
class Model:
    """One model: what it serves, and how it does when it is well."""

    name: str
    requests_per_second: float
    versions: Weights
    classes: tuple[str, str]
    """(usual, rare)"""
    rare_share: float
    latency_ms: float
    """Median."""
    latency_sigma: float
    confidence: tuple[float, float]
    """Confidence of the predicted class is (1 + Beta(a, b)) / 2, and it is calibrated."""
    label_delay_s: float
    """Median."""
    features: tuple[Numeric | Category, ...]
    errors: tuple[ErrorKind, ...]
    dependencies: tuple[Dependency, ...]
    replicas: int
    memory_gib: float
    memory_limit_gib: float
    requests_per_core: float
    """Requests per second that saturate one replica's CPU."""
    in_flight: float
    """Requests admitted per replica at the usual load, those included that wait for a batch to fill."""
    gpu_share: float
    """GPU utilisation per CPU utilisation; 0 for a model without GPU."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All models and the dimensions that every request carries."""

    models: tuple[Model, ...]
    dims: tuple[tuple[str, Weights], ...]
    diurnal_amplitude: float = 0.35
    peak_hour_utc: float = 14.0
    noise_shape: float = 163.0
    """Of the gamma noise of traffic: 163 is a coefficient of variation of 4 % from minute to minute."""

    def model(self, name: str) -> Model:
        """The model of that name. Raises KeyError."""
        return {model.name: model for model in self.models}[name]

    def dim(self, name: str) -> tuple[str, ...]:
        """The values of a dimension in the order of their codes. Raises KeyError."""
        return names(dict(self.dims)[name])


def names(weights: Weights) -> tuple[str, ...]:
    """The values without their weights."""
    return tuple(name for name, _ in weights)


REGIONS: Weights = (("us-e1", 0.36), ("us-w2", 0.22), ("eu-w1", 0.28), ("ap-s1", 0.14), ("sa-e1", 0.0))
TIERS: Weights = (("free", 0.55), ("pro", 0.33), ("enterprise", 0.12))
DEVICES: Weights = (("web", 0.42), ("ios", 0.31), ("android", 0.27))

LATENCY_FACTORS = {
    "region": (1.0, 1.02, 1.06, 1.12, 1.06),
    "tier": (1.03, 1.0, 0.97),
    "device": (1.0, 1.02, 1.03),
}
"""Latency relative to the model's median, by code of each dimension."""

_MERCHANTS: Weights = (
    ("grocery", 0.24),
    ("restaurant", 0.18),
    ("fuel", 0.12),
    ("online_retail", 0.12),
    ("travel", 0.08),
    ("electronics", 0.07),
    ("clothing", 0.06),
    ("pharmacy", 0.05),
    ("entertainment", 0.04),
    ("jewelry", 0.02),
    ("digital_goods", 0.015),
    ("gambling", 0.005),
    ("gift_cards", 0.0),
)

FRAUD = Model(
    name="fraud",
    requests_per_second=10.0,
    versions=(("41", 1.0), ("42", 0.0)),
    classes=("legit", "fraud"),
    rare_share=0.04,
    latency_ms=41.0,
    latency_sigma=0.42,
    confidence=(3.4, 3.2),
    label_delay_s=1_200.0,
    features=(
        Numeric("amount", 38.0, 1.1),
        Numeric("account_age_days", 420.0, 1.0, decimals=0),
        Numeric("velocity_1h", 1.6, 0.75, decimals=0, floor=True),
        Numeric("distance_km", 6.5, 1.3, decimals=1, null=0.01),
        Category("merchant_cat", _MERCHANTS),
        Category("card_type", (("debit", 0.52), ("credit", 0.39), ("prepaid", 0.06), ("virtual", 0.03))),
    ),
    errors=(
        ErrorKind("Timeout", 0.001, "deadline exceeded after {1} ms while scoring transaction {0}", 500.0),
        ErrorKind("ValidationError", 0.0006, "field amount of transaction {0} is not a positive number"),
        ErrorKind("FeatureMissing", 0.0004, "no value of distance_km for account {0}"),
        ErrorKind("TokenizerMismatch", 0.0, "vocabulary hash of request {0} differs from that of the loaded model"),
        ErrorKind("FeatureStoreUnavailable", 0.0, "feature-store gave no answer in {1} ms, account {0}", 250.0),
    ),
    dependencies=(Dependency("feature-store", 9.0, 0.0006), Dependency("rules", 2.5, 0.0002)),
    replicas=3,
    memory_gib=2.6,
    memory_limit_gib=6.0,
    requests_per_core=9.0,
    in_flight=6.0,
    gpu_share=0.0,
)

RANK = Model(
    name="rank",
    requests_per_second=10.0,
    versions=(("18", 0.85), ("19", 0.15), ("20", 0.0)),
    classes=("skip", "click"),
    rare_share=0.12,
    latency_ms=12.0,
    latency_sigma=0.38,
    confidence=(4.5, 1.8),
    label_delay_s=240.0,
    features=(
        Numeric("query_len", 3.4, 0.5, decimals=0, floor=True),
        Numeric("user_hist_len", 46.0, 1.0, decimals=0, floor=True),
        Numeric("price", 24.0, 0.9),
        Numeric("item_age_days", 60.0, 1.2, decimals=0),
        Category(
            "category",
            (
                ("home", 0.22),
                ("fashion", 0.2),
                ("books", 0.16),
                ("garden", 0.12),
                ("toys", 0.12),
                ("sports", 0.1),
                ("beauty", 0.05),
                ("auto", 0.03),
            ),
        ),
        Category("locale", (("en", 0.58), ("de", 0.16), ("fr", 0.11), ("ja", 0.09), ("pt", 0.06))),
    ),
    errors=(
        ErrorKind("Timeout", 0.0006, "no ranking for query {0} within {1} ms", 250.0),
        ErrorKind("EmptyCandidates", 0.0005, "retrieval gave 0 candidates for query {0}"),
        ErrorKind("FeatureStoreUnavailable", 0.0, "feature-store gave no answer in {1} ms, user {0}", 250.0),
    ),
    dependencies=(Dependency("feature-store", 4.0, 0.0006), Dependency("embeddings", 3.0, 0.0003)),
    replicas=3,
    memory_gib=4.2,
    memory_limit_gib=8.0,
    requests_per_core=9.0,
    in_flight=8.0,
    gpu_share=1.25,
)

CHURN = Model(
    name="churn",
    requests_per_second=3.0,
    versions=(("5", 1.0), ("s1", 0.0)),
    classes=("stay", "leave"),
    rare_share=0.09,
    latency_ms=85.0,
    latency_sigma=0.35,
    confidence=(4.2, 2.2),
    label_delay_s=2_400.0,
    features=(
        Numeric("tenure_months", 17.0, 0.8, decimals=0),
        Numeric("logins_30d", 9.0, 0.8, decimals=0, floor=True),
        Numeric("spend_90d", 75.0, 1.0, null=0.004),
        Numeric("tickets_90d", 0.9, 0.8, decimals=0, floor=True),
        Category("plan", (("monthly", 0.61), ("annual", 0.29), ("trial", 0.1))),
        Category("channel", (("organic", 0.45), ("ads", 0.3), ("referral", 0.15), ("partner", 0.1))),
    ),
    errors=(
        ErrorKind("Timeout", 0.0006, "scoring of customer {0} was given up after {1} ms", 1_500.0),
        ErrorKind("StaleSnapshot", 0.0008, "snapshot of customer {0} is older than 48 h"),
    ),
    dependencies=(Dependency("warehouse", 38.0, 0.0008),),
    replicas=2,
    memory_gib=1.4,
    memory_limit_gib=3.0,
    requests_per_core=5.0,
    in_flight=4.0,
    gpu_share=0.0,
)

FLEET = Fleet(models=(FRAUD, RANK, CHURN), dims=(("region", REGIONS), ("tier", TIERS), ("device", DEVICES)))
